"""Parameters: the values that references in them stand for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from headway.execution.stages.stage import Refused
from headway.jsonvalue import MAX_VALUE_BYTES, copy_json, encode_json
from headway.plan.references import Reference
from headway.plan.results import ActionResult, ErrorCode

_NO_VALUE: Any = object()
"""The value of a reference that leads nowhere."""


class Past(Protocol):
    """The results that references are filled in from: of a run, on its way or ended."""

    @property
    def results(self) -> Sequence[ActionResult | None]:
        """The results there are, by the index of the action."""

    def id_of(self, index: int) -> str:
        """Return the id of the action at ``index``."""


def fill_in(
    given: dict[str, Any], references: Iterable[Reference], escapes: Iterable[tuple[str | int, ...]], past: Past
) -> dict[str, Any]:
    """Return parameters with what they refer to: shared with its owner, and copied only for the call itself.

    Raises :class:`Refused` that names every reference without a value, or for values that are too large together.
    """
    parameters: dict[str, Any] = copy_json(given)
    values = [(reference, _look_up(reference, past)) for reference in references]
    missing = dict.fromkeys(_name_of(reference, past) for reference, value in values if value is _NO_VALUE)
    if missing:
        raise Refused("; ".join(f"reference '{name}' has no value" for name in missing), ErrorCode.VALIDATION)
    if len(values) > 1:  # one alone is no larger than an output may be
        _refuse_too_large(values)
    for reference, value in values:
        _put(parameters, reference.where, value)
    for where in escapes:
        _put(parameters, where, _at(parameters, where)[1:])
    return parameters


def _refuse_too_large(values: Iterable[tuple[Reference, Any]]) -> None:
    """Refuse values that together are larger than one may be: a short plan can name a large output many times."""
    sizes: dict[tuple[int, tuple[str, ...]], int] = {}
    total = 0
    for reference, value in values:
        what = (reference.source, reference.path)
        if what not in sizes:
            sizes[what] = len(encode_json(value))
        total += sizes[what]
    if total > MAX_VALUE_BYTES:
        text = f"the parameters would be {total:,} bytes with what they refer to; the limit is {MAX_VALUE_BYTES:,}"
        raise Refused(text, ErrorCode.VALIDATION)


def _look_up(reference: Reference, past: Past) -> Any:
    """Return the value that ``reference`` names, ``_NO_VALUE`` if there is none."""
    result = past.results[reference.source]
    value = result.output if result is not None else None
    for step in reference.path:
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and len(step) < 10 and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return _NO_VALUE
    return value


def _name_of(reference: Reference, past: Past) -> str:
    """Return the reference as the plan writes it."""
    return f"${past.id_of(reference.source)}.output.{'.'.join(reference.path)}"


def _at(parameters: dict[str, Any], where: tuple[str | int, ...]) -> Any:
    value: Any = parameters
    for step in where:
        value = value[step]
    return value


def _put(parameters: dict[str, Any], where: tuple[str | int, ...], value: Any) -> None:
    _at(parameters, where[:-1])[where[-1]] = value
