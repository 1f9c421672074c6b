"""What tools print, as events: a stand-in for ``sys.stdout`` and ``sys.stderr`` that knows whose call writes.

Only the command line and the daemon install it (:func:`capture`). Embedded, a tool prints where its program does.
"""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, TextIO

from headway.tools.chunks import ChunkEvents
from headway.tools.context import ToolContext

if TYPE_CHECKING:
    from headway.clock import Clock
    from headway.secrets.redactor import Redactor

MAX_CHARACTERS = 262_144
"""Most text of one attempt that becomes events; the rest is counted."""

MAX_LINE = 4_096
"""Most characters that are held back until their line ends."""

_writer: ContextVar[Prints | None] = ContextVar("headway_prints", default=None)
_installed = 0


class Prints:
    """The printed text of one attempt, on its way to ``emit(data)``: coalesced, bounded, without secrets."""

    def __init__(
        self, clock: Clock, emit: Callable[[dict[str, Any]], object], redactor: Redactor | None = None
    ) -> None:
        self._context = ToolContext()
        self._emit = emit
        self._left = MAX_CHARACTERS
        self._lock = threading.Lock()
        self._held = dict.fromkeys(("stdout", "stderr"), "")  # the beginning of a line
        self._streams = {name: ChunkEvents(clock, partial(self._told, name), redactor) for name in ("stdout", "stderr")}

    def write(self, stream: str, text: str) -> None:
        """Take text; from any thread."""
        with self._lock:
            kept, self._left = text[: self._left], max(0, self._left - len(text))
            held = self._held[stream] + kept.encode("utf-8", "replace").decode()
            end = len(held) if len(held) > MAX_LINE else held.rfind("\n") + 1
            lines, self._held[stream] = held[:end], held[end:]
        if lines:
            self._streams[stream].report(self._context, lines)

    def close(self) -> None:
        """Emit what is left, at the attempt's end."""
        for name, stream in self._streams.items():
            with self._lock:
                rest, self._held[name] = self._held[name], ""
            if rest:
                stream.report(self._context, rest)
            stream.close()

    def _told(self, stream: str, data: dict[str, Any]) -> None:
        text = "".join(data["chunks"])
        if text:
            cut = {"dropped": data["dropped"]} if "dropped" in data else {}
            self._emit({"stream": stream, "text": text, **cut})


class _Stream(io.TextIOBase):
    """Writes to the call that runs here; without one, to the standard error: results have stdout for themselves."""

    def __init__(self, name: str, real: TextIO, outside: TextIO) -> None:
        self._name = name
        self.real = real
        self._outside = outside

    def close(self) -> None:
        """Leave the streams open that this stands for: they are others'."""

    @property
    def encoding(self) -> str:  # type: ignore[override]  # an attribute there
        """The encoding of the stream that this stands for."""
        return self.real.encoding

    def write(self, text: str) -> int:
        """Hand the text to whoever prints."""
        prints = _writer.get()
        if prints is None:
            return self._outside.write(text)
        prints.write(self._name, text)
        return len(text)

    @property
    def buffer(self) -> Any:
        """Bytes go outside: whose they are is not known."""
        return getattr(self._outside, "buffer", self._outside)

    def flush(self) -> None:
        """Flush both streams."""
        self.real.flush()
        self._outside.flush()

    def isatty(self) -> bool:
        """Return whether the stream that this stands for is a terminal."""
        return self.real.isatty()

    def fileno(self) -> int:
        """Return the descriptor of the stream that this stands for."""
        return self.real.fileno()

    def writable(self) -> bool:
        """Return True."""
        return True


def real(stream: Any) -> Any:
    """Return the stream behind a stand-in; any other one as it is."""
    return stream.real if isinstance(stream, _Stream) else stream


@contextmanager
def capture() -> Iterator[None]:
    """Have the prints of tools become events until the end; what nobody's call prints goes to stderr."""
    global _installed
    out, err = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _Stream("stdout", real(out), real(err)), _Stream("stderr", real(err), real(err))
    _installed += 1
    try:
        yield
    finally:
        _installed -= 1
        sys.stdout, sys.stderr = out, err


def captured() -> bool:
    """Return whether prints become events in this process."""
    return _installed > 0


def begin_printing(prints: Prints) -> None:
    """Have what is printed in this context be that of a call, for as long as the context lives."""
    _writer.set(prints)


@contextmanager
def printing(prints: Prints) -> Iterator[None]:
    """Have what is printed in this context be that of a call, until the end."""
    token = _writer.set(prints)
    try:
        yield
    finally:
        _writer.reset(token)
