"""Revival: a job whose process is gone goes on in this one, from its log.

Only where it can mean the same: in the workspace that it started in. By the write-ahead rule a finished action never
runs again; one that was in flight runs again if it is idempotent, and is failed as ``interrupted`` if it is not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from headway.events import kinds
from headway.events.event import Event
from headway.events.views import JobRow
from headway.jobs.history import History
from headway.jobs.live import LiveJob
from headway.jobs.recovery import WHY
from headway.plan.graph import Plan, plan_from_graph
from headway.plan.parse import parse_proposal
from headway.plan.result import ActionStatus
from headway.runtime.admission import JobSpec
from headway.runtime.resumption import Resumption, resumption_of
from headway.store.reader import StoreReader
from headway.tools.registry import ToolRegistry


class CannotGoOn(Exception):
    """The job must be closed; the text says why."""


async def revive(
    reader: StoreReader, history: History, row: JobRow, workspace: Path | None, registry: ToolRegistry
) -> LiveJob:
    """Return the job ready to be queued.

    Raises :class:`CannotGoOn` if it must be closed: it was cancelled, began in another workspace, or has yet to call
    tools that are not in ``registry``. One that was cancelled after it had aborted goes on all the same: what an abort
    undoes is undone.
    """
    created = await _first(reader, row.job_id, kinds.JOB_CREATED)
    if created is None or not created.data.get("graph"):
        raise CannotGoOn(f"{WHY}, and it has no graph to go on by")
    data = created.data
    plan = plan_from_graph(parse_proposal(data["proposal"]), data["graph"])
    spec = JobSpec(
        row.job_id,
        row.scope,
        row.source,
        row.title,
        row.context_id,
        row.principal,
        data.get("origin") or {},
        data.get("session"),
    )
    taken_over = [result["action_id"] for result in data.get("results", ())]
    started = await _first(reader, row.job_id, kinds.JOB_STARTED)
    spent = {**data.get("spent", {}), **await history.spent(row.job_id, row.last_seq)}
    run = await reader.run_view(row.job_id, resolve=True)
    at_start = await reader.scope_state(row.scope, upto=started.seq) if started is not None else {}
    past = resumption_of(run, at_start, taken_over)
    aborted = next(past.aborting(plan), None)
    if row.cancel_reason is not None:
        asked = await _first(reader, row.job_id, kinds.RUN_CANCEL_REQUESTED)
        if aborted is None or asked is None or asked.seq < (run.action(aborted[0].id).finished_seq or 0):
            raise CannotGoOn(WHY)
        killed = await _first(reader, row.job_id, kinds.RUN_KILLED)
        past = msgspec.structs.replace(
            past, cancel_reason=row.cancel_reason, kill_reason=killed.data["reason"] if killed is not None else None
        )
    missing = sorted(_tools_needed(plan, past, aborted=aborted is not None) - set(registry.names()))
    if missing:
        raise CannotGoOn(f"{WHY}, and tools that it has yet to call are not registered here: {', '.join(missing)}")
    if started is None:
        prior = [r if r is not None and r.action_id in taken_over else None for r in past.results]
        return LiveJob(spec, plan, prior, spent)
    if started.data.get("workspace") != _text(workspace):
        raise CannotGoOn(f"{WHY}, and this one works in another workspace")
    return LiveJob(spec, plan, (), spent, past)


def _tools_needed(plan: Plan, past: Resumption, *, aborted: bool) -> set[str]:
    """Return the tools that may yet be called: by actions, unless the run has aborted, and to undo them."""
    needed: set[str] = set()
    for node, result in zip(plan.nodes, past.results, strict=True):
        to_come = result is None and not aborted
        if to_come and node.tool:
            needed.add(node.tool)
        undo = node.action.compensation
        due = result is not None and result.status is ActionStatus.SUCCEEDED and result.compensated is None
        if (to_come or due) and undo is not None and undo.tool:
            needed.add(undo.tool)
    return needed


async def _first(reader: StoreReader, job_id: str, kind: str) -> Event | None:
    found = await reader.events(job_id=job_id, kinds=[kind], limit=1, resolve=True)
    return found[0] if found else None


def _text(workspace: Path | None) -> Any:
    return str(workspace) if workspace is not None else None
