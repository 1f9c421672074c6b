"""fold: the pure function that makes every view from events.

Live, replayed or re-read from the store, the same events give equal views: no clock, no randomness, nothing else is
read. Kinds that this version does not know are skipped, and data of an unexpected shape (from a newer writer) is
taken as far as it can be understood: fold never raises.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin

import msgspec

from headway.events.event import Event, refuse_malformed
from headway.events.fold.table import VIEWS, fold_of
from headway.events.views import RunView

__all__ = ["clone", "detach", "fold", "fold_all"]

View = TypeVar("View", bound=msgspec.Struct)
_Struct = TypeVar("_Struct", bound=msgspec.Struct)

_FOLDS: dict[type, Callable[[Any, Event], None]] = {row.type: row.fold for row in VIEWS.values()}


def fold(view: View, event: Event) -> View:
    """Return ``view`` after ``event``. The view given is consumed: it is changed and returned.

    An event with ``0 < seq <= view.last_seq`` is ignored, so that replay and live may overlap. Raises
    :class:`headway.errors.InvalidInput` for what is no view or no event.
    """
    try:
        step = _FOLDS.get(type(view)) or fold_of(type(view))
        if not 0 < event.seq <= view.last_seq:  # type: ignore[attr-defined]  # every view of the table has it
            step(view, event)
    except (AttributeError, TypeError, KeyError):
        refuse_malformed(event)
        raise
    return view


def fold_all(view: View, events: Iterable[Event]) -> View:
    """Return ``view`` after ``events``, in their order; see :func:`fold`."""
    step = _FOLDS.get(type(view)) or fold_of(type(view))
    for event in events:
        if not 0 < event.seq <= view.last_seq:  # type: ignore[attr-defined]  # every view of the table has it
            step(view, event)
    return view


def clone(view: _Struct) -> _Struct:
    """Return a deep copy of a view: folding on, or changing the copy, leaves the original as it is."""
    return cast(_Struct, _deep(view))


def detach(run: RunView) -> RunView:
    """Give a run's view values of its own, in place: until then it shares them with the events that it was made of."""
    run.state, run.issues, run.origin = _deep(run.state), _deep(run.issues), _deep(run.origin)
    run.output = _deep(run.output)
    for action in run.actions:
        if isinstance(action.output, dict | list):
            action.output = _deep(action.output)
        if action.state_changes or action.artifacts or action.usage:
            action.state_changes = _deep(action.state_changes)
            action.artifacts = _deep(action.artifacts)
            action.usage = _deep(action.usage)
    return run


def _deep(value: Any) -> Any:
    kind = type(value)
    if kind is dict:
        return {key: item if type(item) in _ATOMS else _deep(item) for key, item in value.items()}
    if kind is list:
        return [item if type(item) in _ATOMS else _deep(item) for item in value]
    if isinstance(value, msgspec.Struct):
        twin = copy.copy(value)
        for name in _containers(kind):  # type: ignore[arg-type]  # a class is hashable
            held = getattr(value, name)
            if held:
                setattr(twin, name, _deep(held))
            elif held is not None:  # most are empty, and the copy needs one of its own
                setattr(twin, name, type(held)())
        return twin
    return value


_ATOMS = frozenset({str, int, float, bool, NoneType})


@cache
def _containers(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    """Return the names of the fields that may hold what can be changed: all but texts, numbers and enumerations."""
    return tuple(field.name for field in msgspec.structs.fields(kind) if not _is_scalar(field.type))


def _is_scalar(kind: Any) -> bool:
    parts = get_args(kind)
    if parts:
        return all(_is_scalar(part) for part in parts) and get_origin(kind) in (Union, UnionType)
    return isinstance(kind, type) and issubclass(kind, (str, int, float, Enum, NoneType))
