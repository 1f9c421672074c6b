"""JSON-RPC 2.0 in lines, as tools in child processes speak it."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from headway.errors import TerminalToolError, ToolError, one_line
from headway.jsonvalue import encode_exact

HEAD = 256
"""The bytes kept of a line that is too long, to tell what it was."""

_OPENING = re.compile(rb'\s*\{\s*"(?:jsonrpc|id|result|error)"\s*:')


class Cut(bytes):
    """The first bytes of a line that is too long."""


class Lines:
    """Makes lines of what comes out of a pipe. Of one longer than ``max_bytes`` a :class:`Cut` is given."""

    def __init__(self, max_bytes: int) -> None:
        self._max = max_bytes
        self._buffer = bytearray()
        self._skipping = False

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that ``data`` ends, without their ends."""
        found: list[bytes] = []
        start = 0
        while True:
            end = data.find(b"\n", start)
            if not self._skipping:
                self._buffer += data[start:] if end < 0 else data[start:end]
                if len(self._buffer) > self._max and (end >= 0 or len(self._buffer) >= HEAD):
                    self._skipping = True
                    found.append(Cut(self._buffer[:HEAD]))
                    self._buffer.clear()
            if end < 0:
                return found
            if self._skipping:
                self._skipping = False
            else:
                found.append(bytes(self._buffer))
                self._buffer.clear()
            start = end + 1

    def rest(self) -> bytes:
        """Return the last line if it had no end, else nothing."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        return rest


def request(method: str, params: dict[str, Any], number: int | None = None) -> bytes:
    """Return a request, or without a number a notification, as a line. Raises what msgspec does for no JSON."""
    message: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "params": params}
    if number is not None:
        message["id"] = number
    return encode_exact(message) + b"\n"


def read(line: bytes) -> dict[str, Any] | None:
    """Return the message of a line, None if it is none."""
    try:
        message = msgspec.json.decode(line)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None


def looks_like_an_answer(line: bytes) -> bool:
    """Return whether a line that cannot be read, or its beginning, was meant as a message, not as a stray print."""
    return _OPENING.match(line) is not None or (line.lstrip().startswith(b"{") and b'"jsonrpc"' in line)


def failure(error: Any, name: str) -> ToolError:
    """Return the exception of an ``error`` object; ``"data": {"terminal": true}`` says that no retry can mend it."""
    message = error.get("message") if isinstance(error, dict) else error
    data = error.get("data") if isinstance(error, dict) else None
    text = one_line(message) if isinstance(message, str) else ""
    terminal = isinstance(data, dict) and data.get("terminal") is True
    return (TerminalToolError if terminal else ToolError)(text or f"tool '{name}' failed and did not say why")
