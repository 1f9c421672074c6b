"""Checkpoints of threads: a state under a name, JSON or an object of Python, the last one saved the newest."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar, overload

import msgspec

from headway.errors import InvalidInput, StoreUnreadable, describe
from headway.jsonvalue import to_json

T = TypeVar("T")

VERSION = 1
"""The version of what a checkpoint event holds."""


def state_of(value: Any) -> Any:
    """Return a state as JSON of its own: JSON, a dataclass, a msgspec struct or a pydantic model; at most 16 MiB.

    Raises :class:`InvalidInput` for anything else.
    """
    try:
        if hasattr(value, "model_dump") and not isinstance(value, type):
            return to_json(value.model_dump(mode="json"))
        if dataclasses.is_dataclass(value) or isinstance(value, msgspec.Struct):
            return to_json(msgspec.to_builtins(value))
        return to_json(value)
    except InvalidInput:
        raise
    except Exception as error:  # noqa: BLE001 - the object's own code may raise anything
        raise InvalidInput(f"the state of a checkpoint cannot be written as JSON: {describe(error)}") from None


@overload
def restored(state: Any, kind: None) -> Any: ...
@overload
def restored(state: Any, kind: type[T]) -> T: ...
def restored(state: Any, kind: type[T] | None) -> Any:
    """Return a state as an object of ``kind``; without one the JSON itself. Raises :class:`InvalidInput`."""
    if kind is None:
        return state
    try:
        validate = getattr(kind, "model_validate", None)
        if callable(validate):
            return validate(state)
        return msgspec.convert(state, kind)
    except Exception as error:  # noqa: BLE001 - the class's own code may raise anything
        name = getattr(kind, "__name__", "that type")
        raise InvalidInput(f"the checkpoint does not hold a {name}: {describe(error)}") from None


def refuse_newer(data: dict[str, Any], seq: int) -> None:
    """Raise :class:`StoreUnreadable` for a checkpoint that this version cannot read."""
    if data.get("version") != VERSION or "state" not in data:
        raise StoreUnreadable(f"event {seq} holds a checkpoint that this version cannot read")
