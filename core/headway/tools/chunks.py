"""Chunks on their way to events: at most ten events an attempt and second, each bounded in size."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from headway.clock import Clock, TimerHandle

if TYPE_CHECKING:
    from headway.secrets.redactor import Redactor
    from headway.secrets.stream import RedactedStream
    from headway.tools.context import ToolContext

INTERVAL_S = 0.1
MAX_CHARACTERS = 16_384
"""Most text and JSON of one event; what does not fit is left out and counted: the output is whole, this is the view."""


class ChunkEvents:
    """The chunks of one attempt. ``emit(data)`` gets the data of each ``action_chunk`` event, on the event loop.

    ``redactor`` takes secrets out of them, those that are split between two chunks of text too. Made on the loop's
    thread; :meth:`report` is the ``chunks`` sink of a ToolContext and may be called from any.
    """

    def __init__(
        self, clock: Clock, emit: Callable[[dict[str, Any]], object], redactor: Redactor | None = None
    ) -> None:
        self._clock = clock
        self._sink = emit
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._lock = threading.Lock()
        self._pending: list[Any] = []
        self._room = MAX_CHARACTERS
        self._index = 0
        self._count = 0
        self._dropped = 0
        self._waiting = False  # somebody will call _due, or the timer is set
        self._closed = False
        self._timer: TimerHandle | None = None
        self._last = -math.inf
        self._redactor = redactor
        self._text: RedactedStream | None = None

    def report(self, _: ToolContext, chunk: Any) -> None:
        """Note a chunk, JSON that is nobody else's: what :meth:`ToolContext.emit_chunk` passes on."""
        with self._lock:
            if self._closed:  # a call left behind shows nothing
                return
            self._add(chunk)
            if self._waiting:
                return
            self._waiting = True
        if threading.get_ident() == self._thread:
            self._due()
            return
        try:
            self._loop.call_soon_threadsafe(self._due)
        except RuntimeError:  # the loop is closed: a thread left behind reports to nobody
            return

    def close(self) -> None:
        """Emit what is left, at the attempt's end; on the loop's thread. What is reported later goes nowhere."""
        with self._lock:
            self._closed = True
            self._let_go()
        if self._timer is not None:
            self._timer.cancel()
        self._emit()

    def _add(self, chunk: Any) -> None:
        self._count += 1
        redactor = self._redactor
        if redactor is not None and redactor.active:
            if type(chunk) is str:
                if self._text is None:
                    from headway.secrets.stream import RedactedStream

                    self._text = RedactedStream(redactor)
                chunk = self._text.feed(chunk)
            else:
                self._let_go()
                chunk = redactor.clean(chunk)
        self._put(chunk)

    def _let_go(self) -> None:
        """Show the end of a text that was held back: no more of it comes."""
        if self._text is not None and (rest := self._text.rest()):
            self._put(rest)
            self._count = self._count or 1

    def _put(self, chunk: Any) -> None:
        if type(chunk) is not str:
            size = len(msgspec.json.encode(chunk))
            if size <= self._room:
                self._room -= size
                self._pending.append(chunk)
            else:
                self._dropped += 1
            return
        if len(chunk) > self._room:
            self._dropped += 1
            chunk = chunk[: self._room]
        self._room -= len(chunk)
        if chunk:
            self._pending.append(chunk)

    def _due(self) -> None:
        wait = self._last + INTERVAL_S - self._clock.now()
        if wait <= 0:
            self._emit()
        elif not self._closed:
            self._timer = self._clock.call_later(wait, self._emit)

    def _emit(self) -> None:
        with self._lock:
            self._timer, self._waiting = None, False
            if not self._count:
                return
            data: dict[str, Any] = {"index": self._index, "count": self._count, "chunks": _joined(self._pending)}
            if self._dropped:
                data["dropped"] = self._dropped
            self._index += self._count
            self._pending, self._room, self._count, self._dropped = [], MAX_CHARACTERS, 0, 0
        self._last = self._clock.now()
        self._sink(data)


def _joined(chunks: list[Any]) -> list[Any]:
    """Return ``chunks`` with texts that follow each other made one."""
    joined: list[Any] = []
    texts: list[str] = []
    for chunk in chunks:
        if type(chunk) is str:
            texts.append(chunk)
            continue
        if texts:
            joined.append("".join(texts))
            texts.clear()
        joined.append(chunk)
    if texts:
        joined.append("".join(texts))
    return joined
