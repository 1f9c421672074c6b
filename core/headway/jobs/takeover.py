"""Recovery of an embedded runtime: the jobs that a dead process left in its durable log go on here, or get an end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.errors import Conflict
from headway.events.log import EventLog
from headway.jobs.closing import closing_events
from headway.jobs.history import History
from headway.jobs.live import LiveJob
from headway.jobs.revival import Cancelled, CannotGoOn, revive
from headway.plan.results import ProposalResult

if TYPE_CHECKING:
    from pathlib import Path

    from headway.events.views import JobRow
    from headway.policy.gates import Gates
    from headway.store import StoreReader
    from headway.tools.registry import ToolRegistry

ON_RESTART = ("resume", "fail")


async def unfinished(log: EventLog, scope: str) -> list[str]:
    """Return the ids of the jobs of ``scope`` that have no end, oldest first; none in a log in memory."""
    from headway.store import StoreLog

    if not isinstance(log, StoreLog):
        return []
    return [row.job_id for row in await History(await log.reader()).unfinished() if row.scope == scope]


async def take_up(
    log: EventLog, scope: str, job_id: str, workspace: Path | None, registry: ToolRegistry, gates: Gates
) -> tuple[JobRow, LiveJob | None]:
    """Return the row of an unfinished job, and the job ready to go on; None if all it can get is its end.

    Raises :class:`headway.errors.NotFound`, or :class:`Conflict` for a job that has ended or is not of this runtime.
    """
    reader = await _reader(log)
    row = await reader.job(job_id)
    if row.finished:
        raise Conflict(f"job '{job_id}' has ended: it is {row.status}")
    if row.scope != scope:
        raise Conflict(f"job '{job_id}' works on the state of scope '{row.scope}', this runtime on '{scope}'")
    try:
        return row, await revive(reader, row, workspace, registry, gates)
    except Cancelled:
        return row, None
    except CannotGoOn as reason:
        raise Conflict(f"job '{job_id}' cannot go on here: {reason}") from None


async def close(log: EventLog, job_id: str) -> ProposalResult:
    """End a job as its log left it, cancelled or interrupted, and return what came of it."""
    reader = await _reader(log)
    await log.write(*closing_events(await reader.run_view(job_id)))
    return (await reader.run_view(job_id, resolve=True)).result()


async def _reader(log: EventLog) -> StoreReader:
    from headway.store import StoreLog

    if not isinstance(log, StoreLog):
        raise Conflict("a log in memory holds no job of an earlier process: give the runtime a StoreLog")
    return await log.reader()


async def state_of(log: EventLog, scope: str) -> dict[str, object]:
    """Return the state of ``scope`` as the durable log has it."""
    return await (await _reader(log)).scope_state(scope)
