"""Reads the fields of a request's parameters and says which one is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from a2a.utils.errors import InvalidParamsError

from headway.errors import one_line

MAX_ID = 256
"""The longest id, in characters, that a client may give to anything."""

T = TypeVar("T")

_NAMES = {str: "a string", bool: "true or false", int: "an integer", dict: "an object", list: "a list"}


def bad_field(path: str, problem: str) -> InvalidParamsError:
    """Return the error that names the field at ``path`` and what is wrong with it."""
    text = one_line(problem, 500)
    return InvalidParamsError(f"{path}: {text}", {"errors": [{"field": path, "message": text}]})


class Fields:
    """An object of the request. ``path`` is where it stands, for errors.

    A field is found under its camelCase name or, as ProtoJSON allows, under its snake_case one. A null is an absent
    field. Every method raises :class:`InvalidParamsError` for a value of the wrong type.
    """

    def __init__(self, value: Any, path: str) -> None:
        if not isinstance(value, Mapping):
            raise bad_field(path, "must be an object")
        self.value = value
        self.path = path

    def at(self, name: str) -> str:
        """Return the path of a field of this object."""
        return f"{self.path}.{name}" if self.path else name

    def raw(self, name: str) -> Any:
        """Return the field's JSON value, None when it is absent."""
        value = self.value.get(name)
        if value is None:
            value = self.value.get("".join(f"_{c.lower()}" if c.isupper() else c for c in name))
        return value

    def take(self, name: str, kind: type[T]) -> T | None:
        """Return the field if it is of that type; None when it is absent."""
        value = self.raw(name)
        if value is None:
            return None
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise bad_field(self.at(name), f"must be {_NAMES[kind]}")
        return value

    def need(self, name: str, kind: type[T]) -> T:
        """Return the field, which must be there."""
        value = self.take(name, kind)
        if value is None:
            raise bad_field(self.at(name), "is required")
        return value

    def identifier(self, name: str) -> str | None:
        """Return an id: 1 to 256 printable characters. None when it is absent or empty."""
        value = self.take(name, str)
        if not value:
            return None
        if len(value) > MAX_ID:
            raise bad_field(self.at(name), f"is longer than {MAX_ID} characters")
        if not value.isprintable():
            raise bad_field(self.at(name), "has characters that cannot be printed")
        return value

    def need_identifier(self, name: str) -> str:
        """Return an id that must be there."""
        value = self.identifier(name)
        if value is None:
            raise bad_field(self.at(name), "is required")
        return value

    def object(self, name: str) -> dict[str, Any]:
        """Return a JSON object; an empty one when it is absent."""
        return self.take(name, dict) or {}

    def fields(self, name: str) -> Fields:
        """Return an object's fields; those of an empty one when it is absent."""
        return Fields(self.object(name), self.at(name))

    def history_length(self) -> int | None:
        """Return ``historyLength``, not negative; None when it is absent."""
        value = self.take("historyLength", int)
        if value is not None and value < 0:
            raise bad_field(self.at("historyLength"), "must not be negative")
        return value
