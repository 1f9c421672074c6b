"""Revival: a job whose process is gone goes on in this one, from its log.

Only where it can mean the same: in the workspace that it started in. By the write-ahead rule a finished action never
runs again; one that was in flight runs again if it is idempotent, and is failed as ``interrupted`` if it is not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from headway.events import kinds
from headway.events.event import Event
from headway.events.views import JobRow
from headway.jobs.history import History
from headway.jobs.live import LiveJob
from headway.jobs.recovery import WHY
from headway.plan.graph import plan_from_graph
from headway.plan.parse import parse_proposal
from headway.runtime.admission import JobSpec
from headway.runtime.resumption import resumption_of
from headway.store.reader import StoreReader
from headway.tools.registry import ToolRegistry


class CannotGoOn(Exception):
    """The job must be closed; the text says why."""


async def revive(
    reader: StoreReader, history: History, row: JobRow, workspace: Path | None, registry: ToolRegistry
) -> LiveJob:
    """Return the job ready to be queued.

    Raises :class:`CannotGoOn` if it must be closed: it was cancelled, began in another workspace, or has yet to call
    tools that are not in ``registry``.
    """
    if row.cancel_reason is not None:
        raise CannotGoOn(WHY)
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
    missing = sorted({a.tool for a in run.actions if not a.done and a.tool is not None and a.tool not in registry})
    if missing:
        raise CannotGoOn(f"{WHY}, and tools that it has yet to call are not registered here: {', '.join(missing)}")
    if started is None:
        prior = run.result().results
        return LiveJob(spec, plan, [r if r.action_id in taken_over else None for r in prior], spent)
    if started.data.get("workspace") != _text(workspace):
        raise CannotGoOn(f"{WHY}, and this one works in another workspace")
    at_start = await reader.scope_state(row.scope, upto=started.seq)
    return LiveJob(spec, plan, (), spent, resumption_of(run, at_start, taken_over))


async def _first(reader: StoreReader, job_id: str, kind: str) -> Event | None:
    found = await reader.events(job_id=job_id, kinds=[kind], limit=1, resolve=True)
    return found[0] if found else None


def _text(workspace: Path | None) -> Any:
    return str(workspace) if workspace is not None else None
