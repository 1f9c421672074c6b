"""The part of a scope's state that its log was told.

Runs record what they change. What other code changes between them (``runtime.state.set(…)``, a state given to the
constructor) is recorded just before the next run, so that the log's fold gives the state that each run really saw.
A value of an event is limited in size and a state is not, so it takes several events to tell of much of it.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from headway.events import kinds
from headway.events.event import Event
from headway.events.log import EventLog
from headway.jsonvalue import MAX_VALUE_BYTES, copy_members, copy_value
from headway.plan.checks import equal
from headway.state import StateStore

_AROUND = 32
"""Bytes that a key and its value have around them, at most, where an event tells of a change."""

_encode = msgspec.json.Encoder().encode


class StateLog:
    """The state of one scope as its log has it; ``values`` is None while nobody here knows."""

    def __init__(self, scope: str, values: Mapping[str, Any] | None) -> None:
        self.scope = scope
        self.values = values
        self._store: weakref.ref[StateStore] | None = None
        self._revision = 0

    def catch_up(self, log: EventLog, state: StateStore) -> dict[str, Any]:
        """Record what differs in ``state``; return what ``job_created`` must carry: nothing, or the whole state."""
        if self._is_of(state) and self._revision == state.revision:
            return {}
        now = state.raw()
        if self.values is None:
            first, *more = parts(copy_members(now))
            if not more:
                return {"state": first}
            told = [committed(self.scope, setting(first), whole=True)]
            told += [committed(self.scope, setting(part)) for part in more]
        else:
            if self._is_of(state):
                changes = difference(self.values, now, state._changed_since(self._revision))
            else:
                values = now.copy()
                changes = difference(self.values, values, {**self.values, **values})
            told = [committed(self.scope, part) for part in parts(changes)] if changes else []
        log.append(*told)
        self.note(state)
        return {}

    def note(self, state: StateStore) -> None:
        """Take note that the log has all of ``state`` as it is now."""
        self.values, self._store, self._revision = state.raw(), weakref.ref(state), state.revision

    def forget(self) -> None:
        """Take note that other code changed the state during a run: the next one records it whole."""
        self.values = self._store = None

    def _is_of(self, state: StateStore) -> bool:
        """Return whether what was last noted was ``state``."""
        return self._store is not None and self._store() is state


def difference(before: Mapping[str, Any], after: Mapping[str, Any], keys: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the changes of ``keys`` that lead from one state to another, in the form that events carry."""
    changes: dict[str, dict[str, Any]] = {}
    for key in keys:
        if key not in after:
            if key in before:
                changes[key] = {"op": "delete"}
        elif key not in before or not equal(before[key], after[key]):
            changes[key] = {"op": "set", "value": copy_value(after[key])}
    return changes


def committed(scope: str, changes: dict[str, Any], *, whole: bool = False) -> Event:
    """Return the event of changes outside of runs; with ``whole`` there was nothing before them."""
    data: dict[str, Any] = {"scope": scope, "changes": changes}
    if whole:
        data["whole"] = True
    return Event(kinds.STATE_COMMITTED, data)


def parts(entries: dict[str, Any]) -> list[dict[str, Any]]:
    """Return ``entries`` in parts of which an event can hold one each, in order; mostly it is one, as it is."""
    if len(_encode(entries)) + _AROUND * len(entries) <= MAX_VALUE_BYTES:
        return [entries]
    found: list[dict[str, Any]] = [{}]
    room = MAX_VALUE_BYTES
    for key, value in entries.items():
        size = len(_encode(key)) + len(_encode(value)) + _AROUND
        if size > room and found[-1]:
            found.append({})
            room = MAX_VALUE_BYTES
        found[-1][key] = value
        room -= size
    return found


def setting(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the changes that set ``values``."""
    return {key: {"op": "set", "value": value} for key, value in values.items()}
