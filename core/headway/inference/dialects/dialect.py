"""Dialects: how one service writes a conversation and its replies, without the network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NoReturn

import msgspec

from headway.errors import InferenceError, InferenceRefused, one_line
from headway.inference.answer import Usage
from headway.inference.chat import ChatRequest, Reply, ToolCall, tool_call

MAX_CALLS = 256
"""The most tool calls of one reply."""


ODD = (LookupError, TypeError, AttributeError, ValueError)
"""What reading an answer raises that is not of the shape that it should have."""


class Dialect(ABC):
    """One service's way to write. ``name`` is how ``headway.toml`` calls it, ``url`` where its vendor serves it."""

    name: str
    url: str
    what: str
    """The word for an answer in errors: "a chat completion"."""

    def sign(self, key: str) -> dict[str, str]:
        """Return the headers that carry the key."""
        return {"authorization": f"Bearer {key}"}

    def headers(self) -> dict[str, str]:
        """Return headers that every request has."""
        return {}

    @abstractmethod
    def endpoint(self, model: str, *, stream: bool) -> str:
        """Return the path below the service's address, with a query where it needs one."""

    @abstractmethod
    def body(self, request: ChatRequest, model: str, *, stream: bool) -> dict[str, Any]:
        """Return the request as it is sent. Raises ``InferenceRefused`` for what the service cannot be asked."""

    @abstractmethod
    def read(self, answer: dict[str, Any], request: ChatRequest, model: str) -> Reply:
        """Return a whole answer as a reply. Raises ``InferenceError`` if it is none."""

    @abstractmethod
    def reader(self, request: ChatRequest, model: str) -> StreamReader:
        """Return what reads one streamed answer."""

    def decode(self, body: bytes) -> dict[str, Any]:
        """Return an answer's JSON object."""
        try:
            found = msgspec.json.decode(body)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            found = None
        if not isinstance(found, dict):
            self.odd()
        return found

    def odd(self) -> NoReturn:
        """Raise that an answer is not what it should be."""
        raise InferenceError(f"the service answered something that is not {self.what}")

    def refuse(self, request: ChatRequest, *, stop: bool = False, seed: bool = False) -> None:
        """Raise ``InferenceRefused`` if ``request`` has what the service does not take: it is not dropped silently."""
        for name, given in (("stop", stop and bool(request.stop)), ("seed", seed and request.seed is not None)):
            if given:
                raise InferenceRefused(f"the {self.name} API takes no {name}: leave it out")


class StreamReader(ABC):
    """Reads one streamed answer, event by event."""

    def __init__(self, dialect: Dialect, request: ChatRequest, model: str) -> None:
        self.dialect = dialect
        self.request = request
        self.model = model

    @abstractmethod
    def event(self, data: dict[str, Any]) -> str:
        """Take one event; return the text that it adds."""

    @abstractmethod
    def reply(self) -> Reply:
        """Return the whole reply. Raises ``InferenceError`` if the stream ended too early."""

    def feed(self, data: bytes) -> str:
        """Take the data of one event; return the text that it adds."""
        if data.strip() in (b"", b"[DONE]"):
            return ""
        try:
            return self.event(self.dialect.decode(data))
        except ODD:
            self.dialect.odd()

    def broken(self) -> NoReturn:
        """Raise that the stream ended before its answer did."""
        raise InferenceError("the service ended its stream before the answer was whole")

    def failed(self, kind: Any) -> NoReturn:
        """Raise what the service reports in the midst of a stream: of its words only a known code is told."""
        from headway.inference.wire import known_code

        code = known_code(kind)
        raise InferenceError(f"the service failed while it answered{f' ({code})' if code else ''}")


class Calls:
    """Tool calls that come in pieces, by their index."""

    def __init__(self) -> None:
        self._parts: dict[int, dict[str, str]] = {}

    def add(self, index: Any, *, id: Any = None, name: Any = None, arguments: Any = None) -> None:  # noqa: A002
        """Add a piece of the call at ``index``."""
        if not isinstance(index, int) or (index not in self._parts and len(self._parts) >= MAX_CALLS):
            raise InferenceError(f"the model calls more than {MAX_CALLS} tools")
        part = self._parts.setdefault(index, {"id": "", "name": "", "arguments": ""})
        part["id"] = part["id"] or (id if isinstance(id, str) else "")
        part["name"] = part["name"] or (name if isinstance(name, str) else "")
        part["arguments"] += arguments if isinstance(arguments, str) else ""

    def made(self) -> tuple[ToolCall, ...]:
        """Return the calls in order."""
        return tuple(tool_call(part["id"], part["name"], part["arguments"]) for _, part in sorted(self._parts.items()))


def usage_of(read: Any, written: Any, request: ChatRequest, text: str, calls: tuple[ToolCall, ...]) -> Usage:
    """Return what a service says that it used; what it does not say, or says absurdly, is estimated."""
    from headway.inference.answer import estimate_tokens

    told = count(read), count(written)
    made = estimate_tokens(text, *(msgspec.json.encode(call.arguments).decode() for call in calls))
    estimated = told[0] is None or (told[1] is None and made > 0)
    return Usage(request.tokens() if told[0] is None else told[0], made if told[1] is None else told[1], estimated)


def count(told: Any) -> int | None:
    """Return a number of tokens, 7.0 as 7; None for what is none."""
    if type(told) is float and told.is_integer():
        told = int(told)
    return told if type(told) is int and 0 <= told < 2**53 else None


def total(*told: Any) -> int | None:
    """Return counts together, those that are not told left out; None if the first is not told."""
    if count(told[0]) is None:
        return None
    return sum(count(one) or 0 for one in told)


def name_of(told: Any, instead: str, most: int = 256) -> str:
    """Return a name that a service tells, on one line; ``instead`` if it tells none."""
    return one_line(told if isinstance(told, str) and told else instead, most)


def text_in(told: Any) -> str:
    """Return a text, "" for None; raise ``TypeError`` for anything else."""
    if told is None:
        return ""
    if not isinstance(told, str):
        raise TypeError
    return told
