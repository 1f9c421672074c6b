"""Scopes: a state, the line of those who work on it, and what the log knows of it.

A scope belongs to a thread, to one job or to an embedded runtime. Its jobs run one at a time, whoever started them.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from headway.arguments import plain
from headway.errors import InvalidInput
from headway.jobs.state_log import StateLog
from headway.jobs.turn import Turn, turn_of
from headway.plan.format import new_id
from headway.state import StateStore

if TYPE_CHECKING:
    from headway.events.log import EventLog
    from headway.execution.run import Run
    from headway.jobs.course import Course

PRIVATE = "job:"
"""The beginning of the names of scopes that belong to one job."""

CALLERS = "caller/"
"""The beginning of the names of scopes that belong to a principal: ``caller/<tenant>/<principal>/<context>``."""

_LONGEST_PART = 256


def scope_name(context_id: str, principal: str | None = None, tenant: str | None = None) -> str:
    """Return the name of the scope that a context is to its principal; of nobody's, an operator's, the context itself.

    Names differ if tenants, principals or contexts do: what separates the parts does not occur in them. Raises
    :class:`InvalidInput` for a context of nobody's that is named like one of somebody's.
    """
    if principal or tenant:
        return CALLERS + "/".join(_part(text) for text in (tenant or "", principal or "", context_id))
    if context_id.startswith(CALLERS):
        raise InvalidInput(f"a context id does not start with '{CALLERS}': such scopes belong to who called")
    return context_id


def _part(text: str) -> str:
    """Return ``text`` without separators; of a long one, its hash."""
    escaped = text.replace("%", "%25").replace("/", "%2F").replace("#", "%23")
    if len(escaped) <= _LONGEST_PART:
        return escaped
    return "#" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class Scope:
    """One state and its name in the log.

    ``Scope("thread-1")`` names a state that the log may know already: it is loaded before the first run on it.
    :meth:`new` makes an empty one. ``state`` holds what is committed; several runs may use a scope, in turns.
    """

    def __init__(self, name: str, state: StateStore | Mapping[str, Any] | None = None) -> None:
        self.name = plain(name, "a scope", 1024)
        self.state = state if isinstance(state, StateStore) else StateStore(state)
        self.loaded = state is not None  # False: what the log has of it is still to be read
        self.follows_log = state is None  # the log decides what the state is, not who gave it
        self.courses: dict[Course, None] = {}  # who works on it or waits to
        self.last: Run | None = None  # the latest run, in progress or ended
        self.record = StateLog(self.name, None)
        self.log: EventLog | None = None  # the one that records it, once it is in use
        self.admitting = 0  # jobs that are in the log, or about to be, and not in line yet
        self.lock = asyncio.Lock()  # held while something is admitted to the scope or the state is set

    @classmethod
    def new(cls) -> Scope:
        """Return an empty scope with a name of its own."""
        return fresh_scope(f"scope:{new_id()}")

    @property
    def turn(self) -> Turn:
        """The line before the state: the same for all scopes that share a state object."""
        return turn_of(self.state)

    @property
    def busy(self) -> bool:
        """True while a run works on the state or waits for its turn."""
        alive = any(not course.task.get_loop().is_closed() for course in self.courses)
        return alive or self.admitting > 0 or self.turn.occupied

    def __repr__(self) -> str:
        return f"Scope({self.name!r})"


def fresh_scope(name: str) -> Scope:
    """Return an empty scope that no log has seen before."""
    scope = Scope(name)
    scope.loaded = True
    scope.record = StateLog(name, {})
    scope.record.note(scope.state)
    return scope
