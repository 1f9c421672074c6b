"""Reads of a home's store: no daemon needed, nothing is written."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from headway.errors import Unavailable

if TYPE_CHECKING:
    from headway.events.views import JobRow
    from headway.home import Home
    from headway.store import Reader


MAX_COMMANDS = 10_000
"""The most commands since a job's beginning that are looked through for its own."""


@asynccontextmanager
async def open_store(home: Home) -> AsyncIterator[Reader]:
    """Open the store read-only; :class:`Unavailable` if the home has none yet."""
    from headway.store import open_reader

    if not home.db.exists():
        raise Unavailable(f"there is no store in {home}; headway run and headway up make one")
    reader = await open_reader(home)
    try:
        yield reader
    finally:
        await reader.close()


def writer_lives(home: Home) -> bool:
    """Return whether a process holds the home, so that its unfinished jobs are being run."""
    from headway.owner import owner_of

    return owner_of(home.alive_file) is not None


def row_of(job: JobRow, alive: bool) -> dict[str, Any]:
    """Return a job's row as JSON; of an unfinished one with ``owner_alive``, as :func:`writer_lives` has it."""
    import msgspec

    row: dict[str, Any] = msgspec.to_builtins(job)
    return row if job.finished else row | {"owner_alive": alive}


def status_of(job: JobRow, alive: bool) -> str:
    """Return a job's status in words."""
    return job.status if job.finished or alive else f"{job.status}, its process is gone"


async def commands_on(reader: Reader, job: JobRow) -> list[dict[str, Any]]:
    """Return the operators' commands that concern a job, oldest first, as the audit has them."""
    from headway.events import kinds

    found = await reader.events(max(0, job.first_seq - 1), kinds=[kinds.OPERATOR_ACTION], limit=MAX_COMMANDS)
    return [event.data for event in found if event.data.get("target") == job.job_id]
