"""One call at a time: who makes it, and who waits for what comes of it.

A call is a tool and its parameters, on somebody's behalf. Who asks for one that nobody makes gets a :class:`Flight` and
makes it; who asks meanwhile stands in line as a :class:`FlightWaiter`. When the flight succeeds all of them get its
result. When it fails nothing is kept and the first in line gets a flight of its own: a failure is never shared.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from headway.arguments import expect
from headway.errors import InvalidInput, one_line
from headway.jsonvalue import encode_exact
from headway.secrets.secret import keyed_digest

if TYPE_CHECKING:
    from headway.limits.results import ResultStore

_log = logging.getLogger("headway.limits")


def call_key(tool: str, params: dict[str, Any], principal: str | None = None) -> str:
    """Return the cache key of a call: the tool and a hash of its parameters, the same for every order of their keys.

    The hash is keyed, by a key that this process alone has: nobody can find out parameters by trying.

    With a ``principal`` it is the key of that principal's call. 1 and 1.0 differ, as they do in JSON. Raises
    ``InvalidInput`` for parameters that are not a JSON object.
    """
    if not isinstance(tool, str):
        raise InvalidInput(f"a tool's name is text, not {type(tool).__name__}")
    if not isinstance(params, dict):
        raise InvalidInput(f"a call's parameters are an object, not {type(params).__name__}")
    encoded = encode(params, "the parameters", "sorted")
    if principal is not None:
        encoded = encode(expect(principal, str, "a principal"), "the principal") + encoded
    return f"{tool}:{keyed_digest(encoded)}"


@dataclass(frozen=True, slots=True)
class Hit:
    """A result that needed no call; the caller's own copy.

    ``effects`` are those the tool confirmed, None if the action's declared ones stand. ``source`` says who had it:
    "cache" or "idempotency". ``kept`` is false for the result of a call that was in flight when it was asked for.
    """

    output: Any
    effects: dict[str, Any] | None
    artifacts: list[Any]
    source: str
    kept: bool = True


Answer = Callable[["Hit | Flight", float], object]
"""Takes the result, or the flight of who must now make the call, and the seconds waited."""


class Flight:
    """The right, and the duty, to make one call: end it by :meth:`succeed` or by :meth:`fail`."""

    __slots__ = ("_line", "_store")

    def __init__(self, store: ResultStore, line: Line) -> None:
        self._store = store
        self._line: Line | None = line

    def succeed(
        self,
        output: Any,
        effects: Mapping[str, Any] | None = None,
        artifacts: Sequence[Any] = (),
        *,
        kept: bool = False,
    ) -> None:
        """Keep the result and hand it to everybody in line; harmless once the flight has ended.

        ``kept`` says that no call was made: the result is one that was kept. Raises ``InvalidInput`` for what is not
        JSON; the flight has then failed.
        """
        line, self._line = self._line, None
        if line is not None:
            self._store._succeeded(line, output, effects, artifacts, kept)

    def fail(self) -> None:
        """Keep nothing and let the next in line make the call; harmless once the flight has ended."""
        line, self._line = self._line, None
        if line is not None:
            line.leader = None
            self._store._next(line)

    cancel = fail  # for who keeps it where a handle is kept


class FlightWaiter:
    """One place in line for the result of a call that is being made; ``since`` is when it was taken."""

    __slots__ = ("_line", "callback", "since")

    def __init__(self, line: Line, callback: Answer, since: float) -> None:
        self._line = line
        self.callback: Answer | None = callback
        self.since = since

    def cancel(self) -> None:
        """Leave the line; harmless after the answer."""
        if self.callback is not None:
            self.callback = None
            self._line.gone += 1

    def _tell(self, found: Hit | Flight, now: float) -> None:
        callback, self.callback = self.callback, None
        if callback is None:
            return
        try:
            callback(found, max(0.0, now - self.since))
        except Exception:  # noqa: BLE001 - whatever it is, the others in line get their turn
            _log.exception("who waited for a call of '%s' failed", self._line.tool)
            if isinstance(found, Flight):
                found.fail()


class Line:
    """A call being made, and who waits for it."""

    __slots__ = ("gone", "kept", "key", "leader", "number", "serving", "tool", "waiters")

    def __init__(self, key: str, tool: str, number: int) -> None:
        self.key = key
        self.tool = tool
        self.number = number  # of the moment at which the call was asked for
        self.leader: Flight | None = None
        self.waiters: deque[FlightWaiter] = deque()
        self.gone = 0
        self.kept = True  # what comes of it; not once its tool was forgotten
        self.serving = False

    def first(self) -> FlightWaiter | None:
        """Take the first who still waits out of the line."""
        while self.waiters:
            waiter = self.waiters.popleft()
            if waiter.callback is not None:
                return waiter
            self.gone -= 1
        return None


def encode(value: Any, what: str, order: Any = None) -> bytes:
    """Return ``value`` as JSON; ``InvalidInput`` with one line for what is none."""
    try:
        encoded = msgspec.json.encode(value, order=order)
        if b"null" in encoded:
            encode_exact(value)  # a NaN is written as null: it must not pass for one
    except RecursionError:
        raise InvalidInput(f"{what}: the value is nested too deep") from None
    except InvalidInput as error:
        raise InvalidInput(f"{what}: {error.message}") from None
    except (TypeError, ValueError, OverflowError, msgspec.MsgspecError) as error:
        raise InvalidInput(f"{what}: the value is not JSON: {one_line(str(error), 200)}") from None
    return encoded
