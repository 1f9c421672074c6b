"""Shared by the tests of bad input: how a call with valid arguments is written, and how one of them is exchanged.

A table maps the name of a callable to its arguments. In them :class:`New` stands for a value that is made for each call
and :class:`Made` for an instance whose own fields are exchanged too, as are the members of lists and dicts.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import headway
from headway.errors import HeadwayError
from headway.events.subscription import Subscription

LONGEST_LINE = 2000
PATIENCE_S = 10.0


class New:
    """An argument that is made for each call."""

    def __init__(self, make: Callable[[Any], Any]) -> None:
        self.make = make


class Made:
    """An instance made of fields, each of which is exchanged in turn."""

    def __init__(self, kind: Callable[..., Any], /, **fields: Any) -> None:
        self.kind = kind
        self.fields = fields


class Value:
    """A hostile value in its place: nothing looks into it."""

    def __init__(self, value: Any) -> None:
        self.value = value


class Unmade(Exception):
    """An instance around the hostile value could not be made: its own constructor has refused it."""


Place = tuple[Any, ...]


def build(spec: Any, rig: Any) -> Any:
    """Return the argument that ``spec`` describes."""
    kind = type(spec)
    if kind is Value:
        return spec.value
    if kind is New:
        return spec.make(rig)
    if kind is dict:
        return {key: build(item, rig) for key, item in spec.items()}
    if kind is list:
        return [build(item, rig) for item in spec]
    if kind is Made:
        fields = build(spec.fields, rig)
        try:
            return spec.kind(**fields)
        except HeadwayError as error:
            raise Unmade from error
    return spec


def places(spec: Any, at: Place = ()) -> Iterator[Place]:
    """Yield every place in ``spec`` where a value can be exchanged: itself, then what it holds."""
    yield at
    if type(spec) is dict:
        for key, item in spec.items():
            yield from places(item, (*at, key))
    elif type(spec) is list:
        for index, item in enumerate(spec):
            yield from places(item, (*at, index))
    elif type(spec) is Made:
        for name, item in spec.fields.items():
            yield from places(item, (*at, name))


def exchanged(spec: Any, at: Place, value: Any) -> Any:
    """Return ``spec`` with ``value`` at that place."""
    if not at:
        return Value(value)
    head, rest = at[0], at[1:]
    if type(spec) is Made:
        return Made(spec.kind, **{**spec.fields, head: exchanged(spec.fields[head], rest, value)})
    copied = dict(spec) if type(spec) is dict else list(spec)
    copied[head] = exchanged(spec[head], rest, value)
    return copied


async def settled(answer: Any, waits: bool = False) -> Any:
    """Return what a call gives in the end: awaited, its first items taken. Every wait ends."""
    if inspect.isawaitable(answer):
        return await _awaited(answer, waits)
    if isinstance(answer, Subscription):
        with answer:
            if answer.lag:
                await _awaited(anext(answer), waits)
    elif isinstance(answer, AsyncIterator):
        try:
            await _awaited(anext(answer), waits)
        finally:
            await answer.aclose()  # type: ignore[attr-defined] # a generator
    elif isinstance(answer, Iterator):
        return list(islice(answer, 10))
    return answer


async def _awaited(answer: Any, waits: bool) -> Any:
    task = asyncio.ensure_future(answer)
    await asyncio.wait([task], timeout=0 if waits else PATIENCE_S)
    if not task.done():
        task.cancel()
        await asyncio.wait([task])
        assert waits, "the call does not end"
        return None
    return task.result()


def problem_of(error: BaseException) -> str | None:
    """Return why ``error`` is no answer to bad input; None if it is one."""
    if not isinstance(error, HeadwayError):
        return f"raised {type(error).__name__}"
    return line_problem(str(error))


def line_problem(text: str) -> str | None:
    """Return why ``text`` is not one clear line; None if it is."""
    if not text:
        return "said nothing"
    if not text.isprintable():
        return f"said {text[:80]!r}, which is not one printable line"
    return f"said {len(text)} characters" if len(text) > LONGEST_LINE else None


def public_names() -> dict[str, Any]:
    """Return the public names of the package and of its rooms, sorted."""
    found = {name: getattr(headway, name) for name in headway.__all__}
    for room in (headway.analysis, headway.inference, headway.learning, headway.limits, headway.policy, headway.tools):
        found |= {name: getattr(room, name) for name in room.__all__}
    return dict(sorted((found | {"SystemClock": headway.clock.SystemClock}).items()))


def resolved(name: str, subject: Any) -> Callable[..., Any]:
    """Return the callable of a name such as ``verify``, ``CostBudget`` or ``StateStore.set``."""
    owner, _, method = name.partition(".")
    found = getattr(subject, method) if method else public_names()[owner]
    assert callable(found)
    return found  # type: ignore[no-any-return]


def called(function: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    """Call ``function``; arguments whose names start with ``*`` go by place."""
    by_place = [value for name, value in arguments.items() if name.startswith("*")]
    return function(*by_place, **{name: value for name, value in arguments.items() if not name.startswith("*")})


class Rig:
    """A folder, and the subject of the calls.

    ``here`` is where the calls are to be made: some doors take the hostile texts as paths, relative ones, and write
    there. Nothing but this keeps that away from the files of whoever runs the tests.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.here = folder / "a" / "b" / "c"
        self.here.mkdir(parents=True, exist_ok=True)
        self.subject: Any = None
