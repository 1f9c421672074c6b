"""Filters of jobs: the one language in which command line, operator API and console say which jobs are meant.

A filter is terms with blanks between, all of which must hold: ``status:running waiting:bucket age:>10m``. A term is
``field:value``, where ``,`` separates alternatives; a number or a time may be compared, ``age:>=90s``. ``-`` before a
term turns it round. A word without a field is looked for in titles and ids; quotes keep blanks together. ``*`` is all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from headway.arguments import expect, nearest
from headway.errors import InvalidInput, one_line
from headway.events.views import JobRow, LimitsView
from headway.jobs.transitions import JobStatus

LONGEST = 2000
"""The longest filter, in characters."""

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_COMPARED = re.compile(r"(>=|<=|>|<|=)?(-?\d+(?:\.\d+)?)(ms|s|m|h|d|%)?\Z")
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
    "=": lambda a, b: a == b,
}

WAITS = ("bucket", "retry", "person", "approval", "input", "auth", "budget", "resume", "worker")
"""What a job may wait for, beside the names of rate limits."""


class Candidate(NamedTuple):
    """A job that a filter is asked about: its row, the time, and what it waits for."""

    row: JobRow
    now_ms: int
    waits: frozenset[str]


Test = Callable[[Candidate], bool]


def _texts(read: Callable[[JobRow], str | None]) -> Callable[[Candidate, str], bool]:
    return lambda candidate, value: (read(candidate.row) or "").casefold() == value.casefold()


def _parts(read: Callable[[JobRow], str | None]) -> Callable[[Candidate, str], bool]:
    return lambda candidate, value: value.casefold() in (read(candidate.row) or "").casefold()


_EQUAL: dict[str, Callable[[Candidate, str], bool]] = {
    "status": _texts(lambda row: row.status),
    "outcome": _texts(lambda row: row.outcome),
    "principal": _texts(lambda row: row.principal),
    "source": _texts(lambda row: row.source),
    "scope": _texts(lambda row: row.scope),
    "context": _texts(lambda row: row.context_id),
    "worker": _texts(lambda row: row.worker),
    "work": lambda candidate, value: candidate.row.work == value or candidate.row.work.partition(":")[0] == value,
    "forked": _texts(lambda row: row.forked_from),
    "id": lambda candidate, value: candidate.row.job_id.startswith(value),
    "title": _parts(lambda row: row.title),
    "error": _parts(lambda row: row.error or row.cancel_reason),
    "waiting": lambda candidate, value: value in candidate.waits,
}
"""Fields that are compared as texts: ``id`` by its beginning, ``title`` and ``error`` by a part."""

_TIMES: dict[str, Callable[[JobRow], int | None]] = {
    "age": lambda row: row.created_ms,
    "running": lambda row: row.started_ms,
    "ended": lambda row: row.finished_ms,
}
"""Fields that are how long ago something was."""

_NUMBERS: dict[str, Callable[[JobRow], float | None]] = {
    "priority": lambda row: row.priority,
    "attempt": lambda row: row.attempt,
    "progress": lambda row: row.progress,
    "actions": lambda row: row.actions,
    "failed": lambda row: row.failed,
}

FIELDS = (*_EQUAL, *_TIMES, *_NUMBERS)
"""The fields of a filter."""


class JobFilter:
    """A filter that was understood; :func:`parse_filter` makes it."""

    def __init__(self, text: str, tests: Collection[Test], statuses: frozenset[str]) -> None:
        self.text = text
        self.statuses = statuses
        """The statuses that a job must have one of; all of them where the filter does not say."""
        self._tests = tuple(tests)

    def matches(self, row: JobRow, now_ms: int, waits: Collection[str] = ()) -> bool:
        """Return whether a job is meant; ``waits`` are what it waits for (:func:`waits_of`)."""
        candidate = Candidate(row, now_ms, frozenset(waits))
        return all(test(candidate) for test in self._tests)


def parse_filter(text: str) -> JobFilter:
    """Return the filter that ``text`` says; :class:`InvalidInput` with the ``place`` of what cannot be understood,
    in characters from 0."""
    if len(expect(text, str, "a filter")) > LONGEST:
        raise InvalidInput(f"a filter has at most {LONGEST:,} characters", place=LONGEST)
    terms = _terms(text)
    if not terms:
        raise InvalidInput("the filter is empty: name some jobs, or * for all", place=0)
    tests, statuses = [], frozenset(map(str, JobStatus))
    for place, term in terms:
        if term == "*":
            continue
        test, named = _term(place, term)
        tests.append(test)
        if named is not None:
            statuses &= named
    return JobFilter(text, tests, statuses)


def waits_of(row: JobRow, buckets: Mapping[str, Collection[str]]) -> frozenset[str]:
    """Return what a job waits for: kinds of :data:`WAITS`, and the names of the ``buckets`` whose lines it stands in.

    ``buckets`` are the ids of the jobs in each line (:func:`lines_of`).
    """
    found = {part.split()[0] for part in row.waiting_for.split(", ") if part}
    if found:
        found.add("person")
    lines = [name for name, jobs in buckets.items() if row.job_id in jobs]
    if lines:
        found.update(("bucket", *lines))
    if row.status == JobStatus.QUEUED and row.next_retry_ms is not None:
        found.add("retry")
    elif row.status == JobStatus.QUEUED and row.external:
        found.add("worker")
    elif row.status == JobStatus.PAUSED:
        found.add("resume")
    return frozenset(found)


def lines_of(limits: LimitsView) -> dict[str, frozenset[str]]:
    """Return the ids of the jobs that wait for a token, by bucket."""
    return {
        name: frozenset(who.partition("/")[0] for who in bucket.queue)
        for name, bucket in limits.buckets.items()
        if bucket.queue
    }


def _terms(text: str) -> list[tuple[int, str]]:
    """Return the terms of a filter, quotes taken off, with their places."""
    found: list[tuple[int, str]] = []
    start, made, quote = -1, "", -1
    for place, char in enumerate(text):
        if char == '"':
            quote = place if quote < 0 else -1
            start = place if start < 0 else start
        elif char.isspace() and quote < 0:
            if start >= 0:
                found.append((start, made))
            start, made = -1, ""
        elif not char.isprintable():
            raise InvalidInput(f"the filter has a character at {place} that cannot be shown", place=place)
        else:
            start, made = place if start < 0 else start, made + char
    if quote >= 0:
        raise InvalidInput(f"the quote at {quote} is not closed", place=quote)
    if start >= 0:
        found.append((start, made))
    return found


def _term(place: int, term: str) -> tuple[Test, frozenset[str] | None]:
    """Return the test of a term, and the statuses that it names."""
    negated = term.startswith("-") and len(term) > 1
    body = term[negated:]
    name, colon, value = body.partition(":")
    if not colon:
        word = body.casefold()
        test: Test = lambda c: word in c.row.title.casefold() or c.row.job_id.startswith(body)  # noqa: E731 - as those below
        return (_not(test) if negated else test), None
    if name not in FIELDS:
        near = nearest(name, FIELDS)
        hint = f": did you mean '{near}'?" if near is not None else f"; there are {', '.join(FIELDS)}"
        raise InvalidInput(f"no field '{one_line(name, 40)}' at {place}{hint}", place=place)
    at = place + negated + len(name) + 1
    values = value.split(",")
    if not all(values):
        raise InvalidInput(f"the field '{name}' at {place} has no value", place=at)
    named = None
    if name == "status":
        named = frozenset(_status(word, at) for word in values)
        named = frozenset(map(str, JobStatus)) - named if negated else named
    tests = [_value(name, word, at) for word in values]
    test = tests[0] if len(tests) == 1 else lambda c: any(one(c) for one in tests)
    return (_not(test) if negated else test), named


def _not(test: Test) -> Test:
    return lambda candidate: not test(candidate)


def _status(word: str, place: int) -> str:
    if word in list(JobStatus):
        return word
    near = nearest(word, [str(status) for status in JobStatus])
    hint = f": did you mean '{near}'?" if near is not None else f"; there are {', '.join(JobStatus)}"
    raise InvalidInput(f"no status '{one_line(word, 40)}' at {place}{hint}", place=place)


def _value(name: str, word: str, place: int) -> Test:
    if name in _EQUAL:
        equal = _EQUAL[name]
        return lambda candidate: equal(candidate, word)
    found = _COMPARED.match(word)
    unit = found[3] if found is not None else None
    is_time = name in _TIMES
    if found is None or (unit is not None and (unit in _SECONDS) is not is_time) or (is_time and unit is None):
        wanted = "a time such as >10m, <=2h or 90s" if is_time else "a number such as >5 or 3"
        raise InvalidInput(
            f"'{one_line(word, 40)}' at {place} is not what '{name}' is compared with: {wanted}", place=place
        )
    compare, number = _COMPARE[found[1] or (">=" if is_time else "=")], float(found[2])
    if is_time:
        since, limit = _TIMES[name], number * _SECONDS[unit or "s"] * 1000
        return lambda c: (at := since(c.row)) is not None and compare(max(0, c.now_ms - at), limit)
    read = _NUMBERS[name]
    return lambda c: (value := read(c.row)) is not None and compare(value, number)
