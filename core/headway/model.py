"""Models: structs whose constructors check what they are given, at the cost of a plain struct when JSON is decoded.

A :class:`Model` is a frozen msgspec struct. Decoding checks every field in C, and refuses fields that the model does
not know. ``Model(...)`` in Python passes through the same checks, which make ``"tool_call"`` an ``ActionType`` and
raise the model's error, a line that names the field.
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Iterable
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

import msgspec

from headway.arguments import nearest
from headway.errors import HeadwayError, InvalidInput, one_line
from headway.jsonvalue import encode_json

_ERROR = re.compile(r"(?P<text>.*?)(?: - at (?P<key>`key` in )?`\$(?P<path>.*)`)?", re.DOTALL)
_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+|\.\.\.)\]")
_UNKNOWN = "Object contains unknown field "
_MISSING = "Object missing required field "
_ENUM = "Invalid enum value "


class Record(msgspec.Struct):
    """A struct that is handed out and taken from nobody: nothing checks its fields."""

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain JSON data of its own."""
        made: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self))
        return made

    def to_json(self) -> str:
        """Return the record as JSON text, as :meth:`to_dict` has it."""
        return msgspec.json.encode(self).decode()


class _Checking(msgspec.StructMeta):
    """Checks the fields that a constructor is given. Decoding does not come this way: it has checked them."""

    if not TYPE_CHECKING:  # type checkers read the fields

        def __call__(cls, *args, **fields):  # noqa: N805 - of a metaclass
            if args:
                raise cls._refusal(f"{cls._noun} takes its fields by name")
            try:
                return msgspec.convert(fields, cls)
            except msgspec.ValidationError as error:
                raise cls._refusal(f"{cls._noun}: {explain(error, cls)}") from None
            except RecursionError:
                raise cls._refusal(f"{cls._noun}: it is nested too deep") from None
            except UnicodeEncodeError:
                raise cls._refusal(f"{cls._noun}: a text has a lone surrogate") from None


class Model(msgspec.Struct, metaclass=_Checking, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A struct whose constructor checks its fields. In JSON, fields at their default are left out."""

    _refusal: ClassVar[type[HeadwayError]] = InvalidInput
    """The error of a constructor."""

    _noun: ClassVar[str] = "the model"

    def replace(self, **changes: Any) -> Self:
        """Return a copy with other values in some fields, checked as the constructor checks them."""
        return type(self)(**{name: getattr(self, name) for name in self.__struct_fields__} | changes)

    def to_dict(self) -> dict[str, Any]:
        """Return the model as plain JSON data of its own, fields at their default left out.

        Raises the model's error where a value is not JSON.
        """
        made: dict[str, Any] = msgspec.json.decode(self._encoded())
        return made

    def to_json(self) -> str:
        """Return the model as JSON text, as :meth:`to_dict` has it."""
        return self._encoded().decode()

    def _encoded(self) -> bytes:
        try:
            return encode_json(self)
        except InvalidInput as error:
            raise self._refusal(error.message) from None


def unknown_field(name: str, known: Iterable[str]) -> str:
    """Return the line about a field that a format does not know, with the known one it may have meant."""
    near = nearest(name, known)
    shown = one_line(name, 60)
    return f'unknown field "{shown}"' + (f': did you mean "{near}"?' if near else "")


def explain(error: msgspec.ValidationError, root: type[Model]) -> str:
    """Return msgspec's finding about a ``root`` as ``place: what is wrong``, the place as in ``actions[2].type``."""
    found = _ERROR.fullmatch(str(error))
    assert found is not None
    text, place = found["text"], (found["path"] or "").lstrip(".")
    steps = [name or index for name, index in _STEP.findall(place)]
    if text.startswith(_MISSING):
        place = f"{place}.{_named(text)}" if place else _named(text)
        text = "field required"
    elif text.startswith(_UNKNOWN):
        kind = _type_at(root, steps)
        text = unknown_field(_named(text), getattr(kind, "__struct_fields__", ()))
    elif text.startswith(_ENUM) and isinstance(kind := _type_at(root, steps), type) and issubclass(kind, Enum):
        text = f"{text.removeprefix(_ENUM)} is none of {', '.join(member.value for member in kind)}"
    else:
        text = f"{text[:1].lower()}{text[1:]}".replace("`", "")
    if found["key"]:
        place = f"a key of {place}"
    return one_line(f"{place}: {text}" if place else text, 500)


def _named(text: str) -> str:
    """Return the field that msgspec's text names at its end, between backticks."""
    return text[text.index("`") + 1 : -1]


def _type_at(kind: Any, steps: list[str]) -> Any:
    """Return the type of the field that ``steps`` lead to from a model."""
    for step in steps:
        if isinstance(kind, type) and issubclass(kind, Model):
            kind = _bare(typing.get_type_hints(kind, include_extras=True).get(step))
        else:
            inner = typing.get_args(kind)
            kind = _bare(inner[-1]) if inner else None
    return kind


def _bare(kind: Any) -> Any:
    """Return a type without its bounds and without ``| None``."""
    if typing.get_origin(kind) is Annotated:
        kind = typing.get_args(kind)[0]
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        kind = next((part for part in typing.get_args(kind) if part is not type(None)), None)
    return _bare(kind) if typing.get_origin(kind) is Annotated else kind
