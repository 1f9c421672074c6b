"""The signature of a tool: the parameters that a plan gives, the context parameter, what it returns.

Annotations mean what they mean to pydantic. A parameter without one takes any JSON value. ``Annotated[str, "text"]``
describes a parameter, ``Annotated[int, pydantic.Field(ge=1)]`` bounds it.
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable
from dataclasses import dataclass
from types import UnionType
from typing import Any

from headway.errors import InvalidInput, one_line
from headway.tools.context import ToolContext

_SECTIONS = ("args", "arguments", "parameters", "returns", "raises", "yields", "example", "examples", "notes")


@dataclass(slots=True)
class Parameter:
    """One parameter that a plan may give. Without a default, ``default`` is ``inspect.Parameter.empty``."""

    name: str
    annotation: Any
    default: Any


@dataclass(slots=True)
class Signature:
    """The ``parameters`` of a function, more of any name as ``rest`` says, its context in ``context_param``.

    ``returns`` is the annotation of what it returns, Any without one.
    """

    parameters: list[Parameter]
    context_param: str | None
    rest: Parameter | None
    returns: Any


def read_signature(function: Callable[..., Any], tool: str) -> Signature:
    """Return what ``function`` takes and returns. A return annotation that cannot be resolved says nothing.

    Raises ``InvalidInput`` for what a call by keyword cannot serve: ``*args``, positional-only parameters, a
    ``pydantic.Field`` as default, two context parameters, annotations that cannot be resolved.
    """
    try:
        found = inspect.signature(function)
    except (ValueError, TypeError):
        raise InvalidInput(f"tool '{tool}': its parameters cannot be read from a {type(function).__name__}") from None
    scope = _globals_of(function)
    result = Signature([], None, None, _returned(found.return_annotation, scope))
    for name, parameter in found.parameters.items():
        refuse_kind(tool, parameter)
        annotation = _resolve(tool, name, parameter.annotation, scope)
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            # Unpack[…] names parameters of its own: not read, so anything passes
            unpacked = typing.get_origin(annotation) is typing.Unpack
            result.rest = Parameter(name, Any if unpacked else annotation, parameter.default)
            continue
        if _is_context(annotation):
            if result.context_param is not None:
                raise InvalidInput(f"tool '{tool}': '{result.context_param}' and '{name}' are both a ToolContext")
            result.context_param = name
            continue
        _refuse_default_inside(tool, name, annotation)
        result.parameters.append(Parameter(name, annotation, parameter.default))
    return result


def takes_context(function: Callable[..., Any], name: str, position: int) -> bool:
    """Return whether the parameter of ``function`` at ``position`` (from 0) is annotated ``ToolContext``.

    Raises ``InvalidInput``, which calls the function ``name``, where the annotation says so and cannot be resolved.
    """
    try:
        found = [*inspect.signature(function).parameters.values()]
    except (ValueError, TypeError):
        return False
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if len(found) <= position or found[position].kind not in positional:
        return False
    at = found[position]
    try:
        return _is_context(_resolve(name, at.name, at.annotation, _globals_of(function)))
    except InvalidInput:
        if ToolContext.__name__ not in str(at.annotation):
            return False  # of a type that is there for type checkers alone
        raise InvalidInput(f"{name}: the annotation of parameter '{at.name}' cannot be resolved") from None


def refuse_kind(tool: str, parameter: inspect.Parameter) -> None:
    """Raise ``InvalidInput`` if a plan, which calls by keyword, cannot give ``parameter``."""
    if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
        raise InvalidInput(
            f"tool '{tool}': '*{parameter.name}' cannot be given by a plan; take a list parameter instead"
        )
    if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
        raise InvalidInput(f"tool '{tool}': '{parameter.name}' is positional-only, tools are called by keyword")
    if type(parameter.default).__name__ == "FieldInfo":
        raise InvalidInput(
            f"tool '{tool}': the default of '{parameter.name}' is a Field; write Annotated[type, Field(…)] = value"
        )


def _refuse_default_inside(tool: str, name: str, annotation: Any) -> None:
    """Raise ``InvalidInput`` for ``Annotated[int, Field(default=5)]``: Python calls the function without it."""
    for extra in typing.get_args(annotation)[1:] if typing.get_origin(annotation) is typing.Annotated else ():
        if type(extra).__name__ == "FieldInfo" and not extra.is_required():
            raise InvalidInput(
                f"tool '{tool}': the default of '{name}' stands in its Field; write Annotated[type, Field(…)] = value"
            )


def yields_text(function: Callable[..., Any]) -> bool:
    """Return whether an async generator says that it yields text: ``-> AsyncIterator[str]`` or the like."""
    inner = _innermost(function)
    annotation = getattr(inner, "__annotations__", {}).get("return", inspect.Parameter.empty)
    try:
        found = _resolve("", "return", annotation, _globals_of(function))
    except InvalidInput:
        return False
    return typing.get_args(found)[:1] == (str,)


def description_of(function: Callable[..., Any]) -> str:
    """Return the docstring up to its first section (``Args:``, ``Returns:`` …), "" without one."""
    lines = (inspect.getdoc(_innermost(function)) or "").splitlines()
    heads = {
        "args:",
        "arguments:",
        "parameters:",
        "parameters",
        "returns:",
        "returns",
        "raises:",
        "yields:",
        "example:",
    }
    cut = next((i for i, line in enumerate(lines) if line.strip().lower() in heads | {"examples:"}), len(lines))
    return "\n".join(lines[:cut]).strip()


def _innermost(function: Callable[..., Any]) -> Any:
    while isinstance(function, functools.partial):
        function = function.func
    return function


def _globals_of(function: Callable[..., Any]) -> dict[str, Any]:
    inner = inspect.unwrap(_innermost(function))
    inner = getattr(inner, "__func__", inner)
    if not hasattr(inner, "__globals__"):
        inner = getattr(type(inner).__call__, "__func__", type(inner).__call__)
    return getattr(inner, "__globals__", {})


def _resolve(tool: str, name: str, annotation: Any, scope: dict[str, Any]) -> Any:
    if annotation is inspect.Parameter.empty:
        return Any

    def holder() -> None: ...

    holder.__annotations__ = {name: annotation}
    try:
        return typing.get_type_hints(holder, globalns=scope, include_extras=True)[name]
    except Exception as error:
        raise InvalidInput(
            f"tool '{tool}': the annotation of '{name}' cannot be resolved: {first_line(error)}"
        ) from error


def _returned(annotation: Any, scope: dict[str, Any]) -> Any:
    try:
        return _resolve("", "return", annotation, scope)
    except InvalidInput:  # of a type that is there for type checkers alone
        return Any


def _is_context(annotation: Any) -> bool:
    if typing.get_origin(annotation) in (typing.Union, UnionType):
        return any(_is_context(part) for part in typing.get_args(annotation))
    return inspect.isclass(annotation) and issubclass(annotation, ToolContext)


def first_line(error: Exception) -> str:
    return one_line(str(error).strip().split("\n", 1)[0], 300) or type(error).__name__
