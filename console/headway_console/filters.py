"""The filter language of ``/``: words that must all hold.

::

    fetch              the text contains it (case does not matter)
    !fetch             it does not
    kind:failed        this field contains it; fields are those of the list that is filtered
    level:2            numbers are equal
    seq:>=812          or compared: > >= < <=
    error:"two words"  quotes keep spaces

A word with an unknown field before the colon is taken as plain text, so that ``http://`` can be searched for.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import msgspec

from headway.events.event import Event
from headway.events.views import ActionView, JobRow
from headway_console.text import to_json

Row = TypeVar("Row")

_WORD = re.compile(r'(!?)(?:([A-Za-z_]+):)?(?:"([^"]*)"?|(\S+))')
_COMPARE = re.compile(r"(>=|<=|>|<)(-?\d+(?:\.\d+)?)\Z")
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


class Fields(msgspec.Struct, Generic[Row], frozen=True):
    """The filter of one kind of row: named fields, and the text that plain words look into."""

    text: Callable[[Row], str]
    named: Mapping[str, Callable[[Row], Any]]


class Filter(Generic[Row]):
    """A compiled filter. ``expression`` is what was typed; an empty one lets everything pass."""

    def __init__(self, expression: str, fields: Fields[Row]) -> None:
        self.expression = expression.strip()
        self._tests = [
            self._test(match, fields) for match in _WORD.finditer(self.expression) if not _unfinished(match[0], fields)
        ]

    def __bool__(self) -> bool:
        return bool(self._tests)

    def matches(self, row: Row) -> bool:
        """Return whether the row passes every word."""
        return all(test(row) for test in self._tests)

    @staticmethod
    def _test(match: re.Match[str], fields: Fields[Row]) -> Callable[[Row], bool]:
        inverse, name, quoted, bare = match.groups()
        value = quoted if quoted is not None else bare
        getter = fields.named.get(name.lower()) if name else None
        if getter is None:
            needle = (f"{name}:{value}" if name else value).lower()
            text = fields.text

            def found(row: Row) -> bool:
                return needle in text(row).lower()

            test: Callable[[Row], bool] = found
        else:
            test = _field_test(getter, value)
        return (lambda row: not test(row)) if inverse else test


def _unfinished(word: str, fields: Fields[Row]) -> bool:
    """Return whether somebody is still typing the word: ``!`` alone, ``kind:`` without a value."""
    name = word.lstrip("!")
    return not name or (name.endswith(":") and name[:-1].lower() in fields.named)


def _field_test(getter: Callable[[Row], Any], value: str) -> Callable[[Row], bool]:
    compare = _COMPARE.match(value)
    if compare:
        holds, limit = _OPERATORS[compare[1]], float(compare[2])

        def compared(row: Row) -> bool:
            got = getter(row)
            return isinstance(got, int | float) and holds(got, limit)

        return compared
    needle = value.lower()

    def equal(row: Row) -> bool:
        got = getter(row)
        if got is None:
            return not needle
        if isinstance(got, int | float):
            return str(got) == needle
        return needle in str(got).lower()

    return equal


def _event_text(event: Event) -> str:
    return f"{event.kind} {event.action_id or ''} {event.job_id or ''} {to_json(event.data) if event.data else ''}"


EVENT_FIELDS: Fields[Event] = Fields(
    text=_event_text,
    named={
        "kind": lambda e: e.kind,
        "job": lambda e: e.job_id,
        "action": lambda e: e.action_id,
        "level": lambda e: e.level,
        "attempt": lambda e: e.attempt,
        "seq": lambda e: e.seq,
        "error": lambda e: e.data.get("error"),
        "code": lambda e: e.data.get("error_code"),
        "bucket": lambda e: e.data.get("bucket"),
        "dimension": lambda e: e.data.get("dimension"),
    },
)

ACTION_FIELDS: Fields[ActionView] = Fields(
    text=lambda a: f"{a.id} {a.tool or ''} {a.type} {a.status} {a.waiting_for} {a.error or ''}",
    named={
        "id": lambda a: a.id,
        "action": lambda a: a.id,
        "tool": lambda a: a.tool,
        "type": lambda a: a.type,
        "status": lambda a: str(a.status),
        "level": lambda a: a.level,
        "attempt": lambda a: a.attempt,
        "error": lambda a: a.error,
        "code": lambda a: a.error_code,
        "waiting": lambda a: a.waiting_for,
    },
)

JOB_FIELDS: Fields[JobRow] = Fields(
    text=lambda j: f"{j.job_id} {j.title} {j.status} {j.outcome or ''} {j.source} {j.error or ''} {j.scope}",
    named={
        "job": lambda j: j.job_id,
        "id": lambda j: j.job_id,
        "title": lambda j: j.title,
        "status": lambda j: j.status,
        "outcome": lambda j: j.outcome,
        "source": lambda j: j.source,
        "scope": lambda j: j.scope,
        "context": lambda j: j.context_id,
        "error": lambda j: j.error,
        "actions": lambda j: j.actions,
        "failed": lambda j: j.failed,
    },
)
