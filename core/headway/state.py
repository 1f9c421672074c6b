"""State: the keys and JSON values that actions read and write.

One store is the state of one scope (a thread, a job, or an embedded runtime). Nothing but a commit changes it: readers
get copies of lists and objects, and a commit takes copies. The mapping beneath never changes, a commit replaces it. So
a snapshot costs nothing; and as both share what did not change (see :class:`headway.layered.Layered`), a commit costs
little more than the keys it changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from headway.arguments import expect, expect_many
from headway.errors import InvalidInput
from headway.jsonvalue import copy_json, copy_members, copy_value, to_json
from headway.layered import Layered

_NEVER = (0, 0)
_MISSING = object()


class StateSnapshot(Mapping[str, Any]):
    """A state at one moment, read-only; what a reader does to a list or an object is done to a copy of its own.

    A value is copied when it is first asked for; later it is the same object.
    """

    __slots__ = ("_copies", "_values")

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values
        self._copies: dict[str, Any] = {}

    def __getitem__(self, key: str) -> Any:
        value = self._values[key]
        if not isinstance(value, dict | list):
            return value
        if key not in self._copies:
            self._copies[key] = copy_json(value)
        return self._copies[key]

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __reversed__(self) -> Iterator[str]:
        return reversed([*self._values])

    def __len__(self) -> int:
        return len(self._values)

    def copy(self) -> dict[str, Any]:
        """Return a dict of the same keys and values that shares nothing with the state."""
        return copy_members(self._values)

    def __repr__(self) -> str:
        return f"StateSnapshot({len(self)} keys)"  # without the values: a repr ends in logs


class StateStore:
    """Key -> JSON value, with a version per key that grows by one with each change."""

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        self._values = Layered()
        # How often a key was changed, and the revision at which it last was; who changed last comes last.
        self._changed: dict[str, tuple[int, int]] = {}
        self._revision = 0
        if values is not None:
            self.replace(values)

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of ``key``, a copy if it is a list or an object; or ``default``."""
        value = self._values.get(_name(key), _MISSING)
        return default if value is _MISSING else copy_value(value)

    def __getitem__(self, key: str) -> Any:
        return copy_value(self._values[key])

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def keys(self) -> list[str]:
        """Return the keys, in the order in which they were first set."""
        return list(self._values)

    def version(self, key: str) -> int:
        """Return how often ``key`` was changed; 0 for a key never seen."""
        return self._changed.get(_name(key), _NEVER)[0]

    @property
    def revision(self) -> int:
        """The number of commits: it grows by one with each."""
        return self._revision

    def _changed_since(self, revision: int) -> list[str]:
        """Return the keys that were set or deleted after ``revision``, those that were so first coming first."""
        keys = []
        for key, (_, at) in reversed(self._changed.items()):
            if at <= revision:
                break
            keys.append(key)
        return keys[::-1]

    def snapshot(self) -> StateSnapshot:
        """Return the state as it is now: a read-only mapping that later changes do not touch."""
        return StateSnapshot(self._values)

    def raw(self) -> Layered:
        """Return the state as it is now without copies, for the executor, which changes none of its values."""
        return self._values

    def set(self, key: str, value: Any) -> None:
        """Set ``key``. Raises :class:`InvalidInput` for a key or value that JSON cannot hold."""
        self._commit({state_key(key): {"op": "set", "value": to_json(value)}})

    def delete(self, key: str) -> bool:
        """Remove ``key``; return whether it was there."""
        there = _name(key) in self._values
        if there:
            self._commit({key: {"op": "delete"}})
        return there

    def replace(self, values: Mapping[str, Any]) -> None:
        """Make ``values`` the whole state. Raises :class:`InvalidInput` as :meth:`set` does."""
        expect(values, Mapping, "a state")
        changes: dict[str, Any] = {key: {"op": "delete"} for key in self._values if key not in values}
        changes.update({state_key(key): {"op": "set", "value": to_json(value)} for key, value in values.items()})
        self._commit(changes)

    def apply(self, changes: Mapping[str, Mapping[str, Any]]) -> None:
        """Apply changes in the form that results and events carry: key -> ``{"op": "set", "value": …}`` or delete.

        All or, with :class:`InvalidInput`, none.
        """
        expect(changes, Mapping, "changes of state")
        self._commit({state_key(key): _change(change) for key, change in changes.items()})

    def _commit(self, changes: Mapping[str, Mapping[str, Any]]) -> None:
        """Apply changes that were checked, and whose values are nobody else's."""
        if not changes:
            return
        self._values = self._values.changed(changes)
        self._revision += 1
        changed = self._changed
        for key in changes:
            changed[key] = (changed.pop(key, _NEVER)[0] + 1, self._revision)

    def undo_of(self, keys: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Return the changes that would bring ``keys`` back to what they are now."""
        return {
            key: {"op": "set", "value": self[key]} if key in self._values else {"op": "delete"}
            for key in map(_name, expect_many(keys, "keys"))
        }


def state_key(key: Any) -> str:
    """Return ``key`` if it can be one; raise :class:`InvalidInput` otherwise."""
    if not isinstance(key, str) or not key:
        raise InvalidInput("a state key is a string that is not empty")
    if not key.isascii():
        try:
            key.encode()
        except UnicodeEncodeError:
            raise InvalidInput("a state key is text without lone surrogates") from None
    return key


def _name(key: object) -> str:
    """Return ``key`` if there could be such a key to look for."""
    if not isinstance(key, str):
        raise InvalidInput(f"a state key is a string, not {type(key).__name__}")
    return key


def _change(change: Any) -> dict[str, Any]:
    """Return one change of :meth:`StateStore.apply`, its value copied."""
    op = change.get("op") if isinstance(change, Mapping) else None
    if op == "delete":
        return {"op": "delete"}
    if op != "set" or "value" not in change:
        raise InvalidInput('a change of state is {"op": "set", "value": …} or {"op": "delete"}')
    return {"op": "set", "value": to_json(change["value"])}
