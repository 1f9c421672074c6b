"""From a call's parameters as JSON to the values that a function's annotations name.

Decoded JSON already is most of what tools take. For the rest (``Path``, ``datetime``, dataclasses, pydantic models,
``dict[int, …]``, predicates) pydantic makes the value, and may refuse it. An ``int`` only wants 3.0 made 3, a
``float`` 3 made 3.0.
"""

from __future__ import annotations

import functools
import typing
from collections.abc import Callable
from types import NoneType, UnionType
from typing import Any

from headway.errors import InvalidInput, describe, one_line
from headway.secrets.secret import Secret
from headway.tools.annotations import adapter_of
from headway.tools.signature import Parameter, Signature

Maker = Callable[[Any], Any]

_PLAIN = (str, int, float, bool, NoneType, object, dict, list, Any)
_ANY_KEY = (str, object, Any)
_BOUNDS = frozenset({"Gt", "Ge", "Lt", "Le", "MultipleOf"})
_LENGTHS = frozenset({"Len", "MinLen", "MaxLen"})
_KEYWORDS = {int: _BOUNDS, float: _BOUNDS, str: _LENGTHS, list: _LENGTHS, dict: _LENGTHS}
"""The metadata of ``annotated_types`` that becomes a keyword of the JSON Schema, by what it stands on."""


class Conversion:
    """The conversion of one tool's parameters before a call; false if there is nothing to do.

    ``exempt`` names what a call has beside its parameters: its context. Raises ``InvalidInput`` for an annotation that
    pydantic does not know.
    """

    def __init__(self, signature: Signature, tool: str, exempt: frozenset[str]) -> None:
        self._tool = tool
        self._known = exempt | {parameter.name for parameter in signature.parameters}
        makers = [(parameter.name, *_maker(parameter, tool)) for parameter in signature.parameters]
        self._steps = tuple((name, make) for name, make, _ in makers if make is not None)
        self._refusing = tuple((name, make) for name, make, refuses in makers if make is not None and refuses)
        self._rest, self._rest_refuses = (None, False) if signature.rest is None else _maker(signature.rest, tool)

    def __bool__(self) -> bool:
        return bool(self._steps) or self._rest is not None

    @property
    def may_refuse(self) -> bool:
        """True if it can refuse a value that meets the schema."""
        return bool(self._refusing) or self._rest_refuses

    def apply(self, params: dict[str, Any]) -> dict[str, Any]:
        """Put the values in place in ``params`` and return it. Raises ``InvalidInput`` for one that is refused."""
        name = ""
        try:
            for name, make in self._steps:
                if name in params:
                    params[name] = make(params[name])
            if self._rest is not None:
                for name in self._others(params):
                    params[name] = self._rest(params[name])
        except ValueError as error:
            raise InvalidInput(self._refusal(name, error)) from error
        return params

    def problems(self, params: dict[str, Any]) -> list[str]:
        """Return what :meth:`apply` would refuse, one line each; ``params`` stays as it is."""
        makers = [(name, make) for name, make in self._refusing if name in params]
        if self._rest is not None and self._rest_refuses:
            makers += [(name, self._rest) for name in self._others(params)]
        found = []
        for name, make in makers:
            try:
                make(params[name])
            except Exception as error:  # noqa: BLE001 - a validator of the user's may raise anything
                found.append(self._refusal(name, error))
        return found

    def _others(self, params: dict[str, Any]) -> list[str]:
        return [name for name in params if name not in self._known]

    def _refusal(self, name: str, error: Exception) -> str:
        return f"parameter '{one_line(name, 80)}' of tool '{self._tool}': {_reason(error)}"


def _reason(error: Exception) -> str:
    """Return pydantic's first finding without the value and the link that its own text adds."""
    findings = getattr(error, "errors", None)
    if not callable(findings):
        return one_line(str(error), 300) if isinstance(error, ValueError) else describe(error)
    first = findings(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return one_line(f"{place}: {first['msg']}" if place else first["msg"], 300)


def _maker(parameter: Parameter, tool: str) -> tuple[Maker | None, bool]:
    """Return what makes the values of a parameter, None if they are right as they are, and whether it may refuse."""
    if _is_secret(parameter.annotation):
        return _secret, False
    if _is_plain(parameter.annotation):
        return _number(parameter.annotation), False
    return _made_by(adapter_of(tool, parameter)), True


def _is_secret(annotation: Any) -> bool:
    """Return whether an annotation is a secret, or one or None, described or not."""
    if typing.get_origin(annotation) is typing.Annotated:
        inner, *extras = typing.get_args(annotation)
        return all(isinstance(extra, str) for extra in extras) and _is_secret(inner)
    if typing.get_origin(annotation) in (typing.Union, UnionType):
        return {*typing.get_args(annotation)} == {Secret, NoneType}
    return annotation is Secret


def _secret(value: Any) -> Any:
    return Secret(value) if isinstance(value, str) else value


def _made_by(adapter: Any) -> Maker:
    """Return what makes a value with pydantic, as from JSON text: strict models take a date or a tuple only there."""
    from pydantic import ValidationError
    from pydantic_core import to_json

    def make(value: Any) -> Any:
        encoded = to_json(value)
        try:
            return adapter.validate_json(encoded)
        except ValidationError:
            # A strict int refuses the 3.0 that the schema lets pass. Only now, for Any keeps its 3.0.
            whole = to_json(_whole_throughout(value))
            if whole == encoded:
                raise
            return adapter.validate_json(whole)

    return make


def _is_plain(annotation: Any) -> bool:
    """Return whether decoded JSON that meets the schema already is what ``annotation`` names."""
    if annotation in _PLAIN:
        return True
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _is_plain(args[0]) and all(_only_describes(extra, args[0]) for extra in args[1:])
    if origin is dict and args:
        return args[0] in _ANY_KEY and _is_plain(args[1])
    if origin in (typing.Union, UnionType):
        kinds = {kind for part in args for kind in _numbers_in(part)}
        either = {int, float} <= {*args}  # any number will do; else what one is may depend on where it stands
        return (either or len(kinds) < 2) and all(_is_plain(part) for part in args)
    if origin in (list, dict):
        return all(_is_plain(part) for part in args)
    return origin is typing.Literal and all(type(value) in (str, int, bool, NoneType) for value in args)


def _only_describes(extra: Any, annotation: Any) -> bool:
    """Return whether metadata of an annotation says no more than the JSON Schema made of it does."""
    kind = type(extra)
    if kind.__module__ == "pydantic.fields":
        return all(_only_describes(inner, annotation) for inner in getattr(extra, "metadata", ()))
    if kind.__module__ != "annotated_types":
        return isinstance(extra, str)
    return kind.__name__ in _KEYWORDS.get(_base(annotation), ())


def _base(annotation: Any) -> Any:
    """Return the type that bounds apply to: ``int`` of ``int | None``, ``list`` of ``list[str]``."""
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, UnionType):
        parts = [part for part in args if part is not NoneType]
        return _base(parts[0]) if len(parts) == 1 else origin
    return _base(args[0]) if origin is typing.Annotated else origin or annotation


def _numbers_in(annotation: Any) -> set[type]:
    """Return which of int and float an annotation names, at any depth."""
    if annotation in (int, float):
        return {annotation}
    if typing.get_origin(annotation) is typing.Literal:
        return {int} if any(type(value) is int for value in typing.get_args(annotation)) else set()
    return {kind for part in typing.get_args(annotation) for kind in _numbers_in(part)}


def _number(annotation: Any) -> Maker | None:
    """Return what makes the numbers in a value of a plain annotation what it says, None if any number will do."""
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is float:
        return _float
    if annotation is int or (origin is typing.Literal and any(type(value) is int for value in args)):
        return _whole_number
    if origin is typing.Annotated:
        return _number(args[0])
    if origin in (typing.Union, UnionType):
        if {int, float} <= {*args} or any(part in (Any, object) for part in args):
            return None
        return _one_after_the_other([number for part in args if (number := _number(part)) is not None])
    inner = _number(args[-1]) if origin in (list, dict) and args else None
    if inner is None:
        return None
    if origin is list:
        return lambda value: [inner(item) for item in value] if type(value) is list else value
    return lambda value: {key: inner(item) for key, item in value.items()} if type(value) is dict else value


def _float(value: Any) -> Any:
    try:
        return float(value) if type(value) is int else value
    except OverflowError:  # larger than any: it stays exact
        return value


def _whole_number(value: Any) -> Any:
    return int(value) if type(value) is float and value.is_integer() else value


def _whole_throughout(value: Any) -> Any:
    if type(value) is list:
        return [_whole_throughout(item) for item in value]
    if type(value) is dict:
        return {key: _whole_throughout(item) for key, item in value.items()}
    return _whole_number(value)


def _one_after_the_other(steps: list[Maker]) -> Maker | None:
    if len(steps) < 2:
        return steps[0] if steps else None
    return lambda value: functools.reduce(lambda made, step: step(made), steps, value)
