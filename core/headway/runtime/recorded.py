"""What a log was told of a scope's state.

Runs record what they change. What other code changes between them (``runtime.state.set(…)``, a state given to the
constructor) is recorded just before the next run, so that the log's fold gives the state that each run really saw.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

from headway.events import kinds
from headway.events.event import Event
from headway.events.log import EventLog
from headway.plan.checks import equal
from headway.state import StateStore

_known: WeakKeyDictionary[EventLog, dict[str, Recorded]] = WeakKeyDictionary()


def recorded_in(log: EventLog, scope: str) -> Recorded:
    """Return what ``log`` knows of ``scope``: the same for every runtime that records there."""
    scopes = _known.setdefault(log, {})
    found = scopes.get(scope)
    if found is None:
        found = scopes[scope] = Recorded(scope, {} if log.last_seq == 0 else None)
    return found


class Recorded:
    """The state of one scope as its log has it; ``values`` is None while nobody here knows."""

    def __init__(self, scope: str, values: Mapping[str, Any] | None) -> None:
        self.scope = scope
        self.values = values
        self._store: weakref.ref[StateStore] | None = None
        self._revision = 0

    def catch_up(self, log: EventLog, state: StateStore) -> dict[str, Any]:
        """Record what differs in ``state``; return what ``job_created`` must carry: nothing, or the whole state."""
        if self._store is not None and self._store() is state and self._revision == state.revision:
            return {}
        now = state.snapshot()
        if self.values is None:
            return {"state": dict(now)}
        changes = difference(self.values, now)
        if changes:
            log.append(Event(kinds.STATE_COMMITTED, {"scope": self.scope, "changes": changes}))
        self.note(state)
        return {}

    def note(self, state: StateStore) -> None:
        """Take note that the log has all of ``state`` as it is now."""
        self.values, self._store, self._revision = state.snapshot(), weakref.ref(state), state.revision

    def forget(self) -> None:
        """Take note that other code changed the state during a run: the next one records it whole."""
        self.values = self._store = None


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the changes that lead from one state to another, in the form that events carry."""
    changes: dict[str, dict[str, Any]] = {key: {"op": "delete"} for key in before if key not in after}
    for key, value in after.items():
        if key not in before or not (before[key] is value or equal(before[key], value)):
            changes[key] = {"op": "set", "value": value}
    return changes
