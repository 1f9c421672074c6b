"""History: what the log says of jobs and their checkpoints. Reads only."""

from __future__ import annotations

from typing import Any

import msgspec

from headway.errors import Conflict, NotFound, one_line
from headway.events import kinds
from headway.events.checkpoint import (
    VERSION,
    Checkpoint,
    CheckpointInfo,
    kept_results,
    level_checkpoints,
    parse_level_id,
)
from headway.events.event import Event
from headway.events.fold.values import apply_changes
from headway.events.views import RunView
from headway.execution.resumption import resumption_of
from headway.plan.results import ROLLED_BACK, ActionResult, ActionStatus
from headway.store import Reader

RECENT_JOBS = 20
"""The number of jobs that a list of all checkpoints looks at."""


class History:
    """Questions to the store about jobs of any age."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def known(self, job_id: str) -> bool:
        """Return whether the log has a job of that id."""
        try:
            await self._reader.job(job_id)
        except NotFound:
            return False
        return True

    async def successor(self, job_id: str) -> str | None:
        """Return the id of the job that replaced ``job_id`` when it aborted; None if none did."""
        after = (await self._reader.job(job_id)).last_seq
        while page := await self._reader.events(after=after, kinds=[kinds.JOB_CREATED], limit=1000):
            for event in page:
                if event.data.get("replan_of", {}).get("job_id") == job_id:
                    return event.job_id
            after = page[-1].seq
        return None

    async def plan_of(self, job_id: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return (proposal, graph) as ``job_created`` recorded them; the graph of a rejected job is empty."""
        events = await self._reader.events(job_id=job_id, kinds=[kinds.JOB_CREATED], limit=1)
        if not events:
            raise NotFound(f"there is no job '{job_id}'")
        data = await self._reader.resolve(events[0].data)
        return data["proposal"], data["graph"]

    async def _policies_of(self, job_id: str) -> Any:
        """Return the file policies of a job's start, as its first event has them."""
        events = await self._reader.events(job_id=job_id, kinds=[kinds.JOB_CREATED], limit=1)
        return (await self._reader.resolve(events[0].data)).get("policies") if events else None

    async def spent(self, job_id: str, upto: int) -> dict[str, int]:
        """Return what a job had spent of its budget at ``upto``; empty without a budget."""
        spent: dict[str, int] = {}
        after = 0
        wanted = [kinds.JOB_CREATED, kinds.BUDGET_SETTLED]  # a fork begins with what was spent before it
        while page := await self._reader.events(after=after, job_id=job_id, kinds=wanted, limit=1000):
            for event in page:
                if event.seq <= upto:
                    spent = event.data.get("spent", spent)
            after = page[-1].seq
            if after > upto:
                break
        return spent

    async def outstanding(self, job_id: str) -> dict[str, int]:
        """Return what calls that were made had reserved of a job's budget and nobody settled; empty without one."""
        held: dict[str, dict[str, int]] = {}
        made: set[str] = set()
        after = 0
        wanted = [kinds.BUDGET_RESERVED, kinds.ACTION_EXECUTING, kinds.BUDGET_SETTLED]
        while page := await self._reader.events(after=after, job_id=job_id, kinds=wanted, limit=1000):
            for event in page:
                action = event.action_id
                if event.kind == kinds.ACTION_EXECUTING:
                    made.add(action or "")
                elif event.kind == kinds.BUDGET_RESERVED:
                    held[action or ""] = event.data.get("amounts", {})
                    made.discard(action or "")
                elif action is not None:
                    held.pop(action, None)
                else:  # a resumed run counted all that was outstanding
                    held.clear()
            after = page[-1].seq
        total: dict[str, int] = {}
        for action in made & held.keys():
            for name, amount in held[action].items():
                total[name] = total.get(name, 0) + amount
        return total

    async def checkpoints(self, job_id: str | None, scope: str | None) -> list[CheckpointInfo]:
        """Return the checkpoints of a job, of a scope, or of everything recent, oldest first."""
        if job_id is not None:
            rows = [await self._reader.job(job_id)]
        else:
            rows = [
                row
                for row in await self._reader.jobs(limit=RECENT_JOBS if scope is None else 1000)
                if scope is None or row.scope == scope
            ]
        infos = list(await self._reader.checkpoints(job_id=job_id, scope=scope))
        for row in rows:
            if row.levels_done or row.levels:
                infos.extend(level_checkpoints(await self._reader.run_view(row.job_id)))
        return sorted(infos, key=lambda info: info.seq)

    async def checkpoint(self, checkpoint_id: str) -> Checkpoint:
        """Return a checkpoint with its state and results; :class:`NotFound` if there is none of that id."""
        named = parse_level_id(checkpoint_id)
        if named is None:
            return await self._reader.checkpoint(checkpoint_id)
        job_id, level = named
        run = await self._reader.run_view(job_id)
        for info in level_checkpoints(run):
            if info.level == level:
                return await self._at(info)
        raise NotFound(f"there is no checkpoint '{checkpoint_id}': job {job_id} has not finished level {level}")

    async def fork_point(self, checkpoint_id: str) -> Checkpoint:
        """Return a checkpoint that a fork may begin from.

        Raises :class:`Conflict` where the fork would take over as done what the run compensated after the checkpoint,
        or is about to: what depends on it, and has no compensation, cannot be taken back.
        """
        checkpoint = await self.checkpoint(checkpoint_id)
        kept = {result.action_id for result in kept_results(checkpoint.results)}
        if checkpoint.job_id is None or not kept:
            return checkpoint
        run = await self._reader.run_view(checkpoint.job_id)
        if await self._undo(run, run.last_seq, {}, []):
            raise Conflict(f"job {checkpoint.job_id} is being undone: fork it when that has ended")
        undone = sorted(kept & await self._compensated(checkpoint.job_id, after=checkpoint.seq))
        if undone:
            raise Conflict(
                f"job {checkpoint.job_id} has compensated {one_line(', '.join(undone), 200)} since this checkpoint,"
                " where it counts as done: fork an earlier one, or run the plan anew"
            )
        return checkpoint

    async def _compensated(self, job_id: str, after: int) -> set[str]:
        """Return the ids of the actions of a job that were compensated after that event."""
        found: set[str] = set()
        wanted = [kinds.COMPENSATION_SUCCEEDED]
        while page := await self._reader.events(after=after, job_id=job_id, kinds=wanted, limit=1000):
            found.update(event.action_id for event in page if event.action_id is not None)
            after = page[-1].seq
        return found

    async def capture(
        self, checkpoint_id: str, *, job_id: str | None, scope: str | None, name: str | None, created_ms: int
    ) -> Checkpoint:
        """Return a manual checkpoint of what the log says now."""
        seq = await self._reader.last_seq()
        if job_id is not None:
            scope = (await self._reader.job(job_id)).scope
        assert scope is not None
        checkpoint = Checkpoint(
            VERSION, checkpoint_id, created_ms, {}, job_id=job_id, scope=scope, seq=seq, kind="manual", name=name
        )
        await self._fill(checkpoint)
        limits = await self._reader.limits_view()
        checkpoint.buckets = msgspec.to_builtins(list(limits.buckets.values()))
        return checkpoint

    async def _undo(self, run: RunView, seq: int, state: dict[str, Any], results: list[ActionResult]) -> bool:
        """Take out of ``state`` and ``results`` what an abort is about to roll back; return whether there is one."""
        if run.job.finished:
            return False
        wanted = [kinds.JOB_CREATED, kinds.JOB_STARTED, kinds.BUDGET_EXHAUSTED, kinds.RUN_CANCEL_REQUESTED]
        first: dict[str, Event] = {}
        for event in await self._reader.events(job_id=run.job.job_id, kinds=wanted):
            if event.seq <= seq:
                first.setdefault(event.kind, event)
        started, asked = first.get(kinds.JOB_STARTED), first.get(kinds.RUN_CANCEL_REQUESTED)
        if started is None:
            return False
        taken_over = {result["action_id"] for result in first[kinds.JOB_CREATED].data.get("results", ())}
        at_start = await self._reader.scope_state(run.job.scope, upto=started.seq)
        past = resumption_of(run, at_start, taken_over, first.get(kinds.BUDGET_EXHAUSTED))
        stopped = past.stopped
        if stopped is None or not stopped.stop.rolls_back or (asked is not None and asked.seq < stopped.seq):
            return False
        if any((level.finished_seq or 0) > stopped.seq for level in run.levels):
            return False  # an abort ends no level: the job was closed as interrupted
        apply_changes(state, past.before)
        for result in results:
            if result.action_id not in taken_over and result.status is ActionStatus.SUCCEEDED:
                result.rolled_back, result.state_changes, result.error = True, {}, ROLLED_BACK
        return True

    async def _at(self, info: CheckpointInfo) -> Checkpoint:
        checkpoint = Checkpoint(
            VERSION,
            info.checkpoint_id,
            info.created_ms,
            {},
            job_id=info.job_id,
            scope=info.scope,
            seq=info.seq,
            kind=info.kind,
            level=info.level,
            name=info.name,
        )
        await self._fill(checkpoint)
        return checkpoint

    async def _fill(self, checkpoint: Checkpoint) -> None:
        """Fill in the state, and what there was of the job, at the checkpoint's place in the log."""
        seq, job_id = checkpoint.seq, checkpoint.job_id
        checkpoint.state = await self._reader.scope_state(checkpoint.scope, upto=seq)
        if job_id is None:
            return
        run = await self._reader.run_view(job_id, upto=seq, resolve=True)
        settled = {action.id for action in run.actions if action.done}
        checkpoint.results = [result for result in run.result().results if result.action_id in settled]
        checkpoint.committed = [level.index for level in run.levels if level.finished_seq is not None]
        checkpoint.proposal, checkpoint.graph = await self.plan_of(job_id)
        checkpoint.spent = await self.spent(job_id, seq)
        checkpoint.policies = await self._policies_of(job_id)
        await self._undo(run, seq, checkpoint.state, checkpoint.results)
