"""An engine that runs nothing: a real log and real views, jobs that stand still until the test moves them."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from headway.clock import SYSTEM_CLOCK, Clock
from headway.config import Config
from headway.elicitation import Elicitations
from headway.engine import Engine
from headway.errors import Conflict, InvalidPlan, NotFound, Unavailable
from headway.events import kinds
from headway.events.checkpoint import CheckpointInfo, StateDiff
from headway.events.event import Event
from headway.events.fold import fold_all
from headway.events.log import EventLog
from headway.events.snapshot import Snapshot
from headway.events.subscription import Subscription
from headway.events.views import JobRow, JobsView, RunView
from headway.home import Home
from headway.jobs.submission import Submission
from headway.plan.format import ActionProposal, new_id
from headway.plan.graph import compile_plan
from headway.plan.verify import Issue, VerifyReport
from headway.project import Project
from headway.tools.registry import ToolEntry, ToolRegistry
from headway.tools.sandbox import Sandbox
from headway.tools.schema import ToolSchema

CHECKPOINT = CheckpointInfo("ckpt_0123456789ab", "manual", "job:a", 3, 1_700_000_000_000, "a", None, "mine", 1, 1, 2)


def echo(text: str = "") -> str:
    return text


class FakeEngine:
    """All that :class:`headway.engine.Engine` promises to the operator API, over an event log in memory."""

    def __init__(self, home: Home, clock: Clock = SYSTEM_CLOCK, log: EventLog | None = None) -> None:
        self.home = home
        self.clock = clock
        self.config = Config()
        self.workspace = home.path
        self.sandbox = Sandbox("off")
        self.project: Project | None = None
        self.log = log or EventLog(clock=clock)
        self.registry = ToolRegistry()
        schema = ToolSchema(name="echo", description="Says it.", parameters={"type": "object"}, idempotent=True)
        self.registry.register(ToolEntry(schema, echo, is_async=False, source="builtin"))
        self.closed_with: list[tuple[str, float]] = []
        self.killed: list[tuple[str, str, str]] = []
        self.reader = self
        self.busy = False
        self.draining = False

    async def watch(self) -> AsyncGenerator[list[str], None]:
        await asyncio.Event().wait()
        yield []

    async def idle(self) -> None:
        pass

    async def keep_schedules(self) -> None:
        pass

    def reopen(self) -> None:
        self.draining = False

    require_caller = Engine.require_caller

    @property
    def elicitations(self) -> Elicitations:
        return Elicitations(SimpleNamespace(log=self.log))  # type: ignore[arg-type]  # all that answers need

    # -- reads

    async def _view(self) -> JobsView:
        return fold_all(JobsView(), await self.log.read(limit=10**9))

    async def row(self, job_id: str) -> JobRow:
        try:
            return (await self._view()).jobs[job_id]
        except KeyError:
            raise NotFound(f"no job {job_id!r}") from None

    async def jobs(self, status: str | None = None, limit: int = 100, before: int | None = None) -> list[JobRow]:
        rows = [row for row in reversed((await self._view()).jobs.values()) if status in (None, row.status)]
        return [row for row in rows if before is None or row.first_seq < before][:limit]

    async def run(self, job_id: str) -> RunView:
        row = await self.row(job_id)
        events = await self.log.read(job_id=job_id, limit=10**9)
        return fold_all(RunView(job=JobRow(job_id=row.job_id)), events)

    async def run_view(self, job_id: str, *, resolve: bool = False) -> RunView:
        run = await self.run(job_id)
        for action in run.actions:
            if resolve and action.output == {"$blob": "sha256:0", "size": 7}:
                action.output = "whole"
        return run

    async def snapshot(self, job_id: str | None = None) -> Snapshot:
        run = None if job_id is None else await self.run(job_id)
        events = await self.log.read(limit=10**9)
        snapshot = Snapshot(runs={run.job.job_id: run} if run is not None else None)
        snapshot.fold_log(events)
        return snapshot

    def subscribe(self, after: int = 0, job_id: str | None = None) -> Subscription:
        return self.log.subscribe(after, job_id=job_id)

    # -- jobs

    async def verify(self, proposal: ActionProposal, context_id: str | None = None) -> VerifyReport:
        unknown = [a for a in proposal.actions if a.tool is not None and a.tool not in self.registry]
        issues = [Issue(f"unknown tool '{a.tool}'", action_id=a.id, check="tool") for a in unknown]
        return VerifyReport(not issues, issues, [[a.id for a in proposal.actions]])

    async def submit(self, plan: ActionProposal | Submission) -> JobRow:
        about = plan if isinstance(plan, Submission) else Submission(plan)
        proposal = about.proposal
        if self.draining:
            raise Unavailable("no new work is taken: shutdown")
        report = await self.verify(proposal)
        if not report.valid:
            raise InvalidPlan(report.issues[0].message, report.issues)
        job_id = new_id()
        created = {
            "scope": about.context_id or f"job:{job_id}",
            "context_id": about.context_id,
            "source": about.source or "",
            "title": about.title or "",
            "proposal": proposal.to_dict(),
            "graph": compile_plan(proposal, ()).to_json(),
        }
        await self.log.write(
            Event(kinds.JOB_CREATED, created, job_id, proposal_id=proposal.id),
            Event(kinds.JOB_STARTED, {"pid": 1, "owner": "t"}, job_id),
        )
        return await self.row(job_id)

    async def cancel(self, job_id: str, reason: str = "", by: str = "") -> str:
        if (await self.row(job_id)).finished:
            return "already_finished"
        await self.log.write(Event(kinds.RUN_CANCEL_REQUESTED, {"reason": reason, "by": by}, job_id))
        await self.finish(job_id, kinds.JOB_CANCELLED, reason=reason)
        return "requested"

    async def kill(self, job_id: str, reason: str = "", by: str = "") -> str:
        self.killed.append((job_id, reason, by))
        return await self.cancel(job_id, reason, by)

    async def finish(self, job_id: str, kind: str = kinds.JOB_COMPLETED, **data: Any) -> None:
        await self.log.write(Event(kind, {"cost": {}, **data}, job_id))

    # -- checkpoints

    async def checkpoints(self, job_id: str | None = None, scope: str | None = None) -> list[CheckpointInfo]:
        if job_id is not None:
            await self.row(job_id)
        return [CHECKPOINT] if scope in (None, CHECKPOINT.scope) else []

    async def save_checkpoint(
        self, *, job_id: str | None = None, scope: str | None = None, name: str | None = None, by: str = ""
    ) -> CheckpointInfo:
        if job_id is not None:
            await self.row(job_id)
        return CheckpointInfo("ckpt_ffffffffffff", "manual", scope or f"job:{job_id}", 1, 2, job_id, name=name)

    async def diff(self, checkpoint_id: str) -> StateDiff:
        if checkpoint_id != CHECKPOINT.checkpoint_id:
            raise NotFound(f"no checkpoint {checkpoint_id!r}")
        return StateDiff(checkpoint_id, CHECKPOINT.scope, {"a": 1}, {}, {"b": [1, 2]})

    async def restore(self, checkpoint_id: str, by: str = "") -> StateDiff:
        if self.busy:
            raise Conflict("a job is running in scope 'job:a'")
        return await self.diff(checkpoint_id)

    async def fork(self, checkpoint_id: str, by: str = "") -> JobRow:
        await self.diff(checkpoint_id)
        return await self.submit(ActionProposal(actions=[]))

    # -- life

    async def audit(self, who: str, what: str, target: str | None = None, detail: Any = None, peer: Any = None) -> None:
        data = {"who": who, "what": what, "target": target, "detail": detail}
        if peer is not None:
            data["peer"] = peer
        await self.log.write(Event(kinds.OPERATOR_ACTION, data))

    async def audited(self) -> list[dict[str, Any]]:
        return [event.data for event in await self.log.read(kinds=[kinds.OPERATOR_ACTION])]

    async def prune(self) -> dict[str, Any]:
        return {"jobs": [], "events": 0}

    def drain(self, reason: str = "shutdown") -> None:
        self.draining = True

    async def close(self, reason: str = "shutdown", grace: float = 5.0) -> None:
        self.draining = True
        self.closed_with.append((reason, grace))
        for row in await self.jobs():
            if not row.finished:
                await self.cancel(row.job_id, reason)
        await self.log.close()


def short_home(folder: Path | None = None) -> Home:
    """Return a home whose socket path is short enough to be used as it is."""
    home = Home(folder or tempfile.mkdtemp(prefix="hw-"))
    home.prepare()
    return home
