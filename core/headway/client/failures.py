"""From an answer that is not a success, or from no answer, to the error that the caller gets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import msgspec

from headway.errors import HeadwayError, InvalidInput, InvalidPlan, NoAnswer, NotFound, Unavailable, one_line
from headway.plan.verify import Issue


class _Failure(msgspec.Struct):
    code: str = ""
    message: str = ""
    issues: list[Any] = []


class _Body(msgspec.Struct):
    error: _Failure


_decode = msgspec.json.Decoder(_Body).decode


def _family(root: type[HeadwayError]) -> Iterator[type[HeadwayError]]:
    yield root
    for child in root.__subclasses__():
        yield from _family(child)


def error_of(status: int, content: bytes) -> HeadwayError:
    """Return the error that an unsuccessful answer stands for: the class by its code, the message as it came.

    An answer that is not of the operator API's form says that something else listens there: :class:`Unavailable`.
    """
    try:
        failure = _decode(content).error
    except msgspec.DecodeError:
        return Unavailable(f"what answers there is not a Headway daemon (HTTP status {status})")
    message = one_line(failure.message) or None
    kind = next((cls for cls in _family(HeadwayError) if cls.code == failure.code), None)
    if kind is None:
        kind = {400: InvalidInput, 404: NotFound, 413: InvalidInput, 503: Unavailable}.get(status, HeadwayError)
    if issubclass(kind, InvalidPlan):
        return kind(message or "the plan is not valid", _issues(failure.issues))
    return kind(message)


def _issues(found: list[Any]) -> list[Any]:
    try:
        return list(msgspec.convert(found, list[Issue]))
    except msgspec.ValidationError:  # of another version: better raw than lost
        return found


def unreachable(error: httpx.RequestError, where: str, *, local: bool) -> Unavailable:
    """Return the one line for a request that got no answer; ``where`` names the home or the address.

    ``local``: it went to a Unix socket, where a connection that takes too long has somebody at the other end.
    """
    if isinstance(error, httpx.ConnectError) or (isinstance(error, httpx.ConnectTimeout) and not local):
        return Unavailable(f"no daemon answers at {where}; start one with: headway serve")
    if isinstance(error, httpx.TimeoutException):
        return NoAnswer(f"the daemon at {where} did not answer in time")
    return Unavailable(f"the daemon at {where} broke off its answer: it may be going away")
