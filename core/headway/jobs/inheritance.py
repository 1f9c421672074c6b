"""Inheritance of a state: what a caller kept in a scope before callers had scopes of their own moves to theirs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from headway.errors import Conflict
from headway.events import kinds
from headway.jobs.state_log import committed, parts, setting

if TYPE_CHECKING:
    from headway.events.event import Event
    from headway.jobs.supervisor import Supervisor

MOST = 10_000
"""The number of jobs of a scope that are asked whose they are; one that has more stays where it is."""


async def inherit(supervisor: Supervisor, old: str, heir: str, theirs: Callable[[Event], bool]) -> bool:
    """Make the state of the scope ``old`` the beginning of ``heir``'s; return whether it did.

    Only where nothing was done in ``heir`` yet, and all that ever worked on ``old``, as far as the log knows, is
    ``theirs``: a state that anybody else has written stays. ``old`` is left as it is. Raises :class:`Conflict` while
    a job works on it: what that has yet to write would be lost.
    """
    store = supervisor.store
    async with supervisor.hold(supervisor.scope(heir)) as scope:
        await supervisor.log.flush()
        if await store.scope_events(heir, limit=1):
            return False
        past = await store.scope_events(old, limit=MOST + 1)
        if not 0 < len(past) <= MOST or not all(event.kind == kinds.JOB_CREATED and theirs(event) for event in past):
            return False
        if any(row.scope == old for row in await store.unfinished()):
            raise Conflict("a task from before the upgrade still works in this context: try again when it has ended")
        values = await store.scope_state(old)
        if not values:
            return False
        first, *more = parts(values)
        event = committed(heir, setting(first), whole=True)
        event.data["moved_from"] = old
        await supervisor.log.write(event, *(committed(heir, setting(part)) for part in more))
        scope.state.replace(values)
        scope.record.note(scope.state)
        return True
