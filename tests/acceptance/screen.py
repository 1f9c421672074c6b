"""The screen as a person sees it: that of a terminal, kept by pyte from the bytes that a command writes."""

from __future__ import annotations

import fcntl
import struct
import termios
import time
from collections.abc import Callable

import pyte

from tests.acceptance.commands import LIMIT_S, Running


class Screen:
    """The terminal of a :class:`Running` command, of 100 columns and 30 rows to begin with."""

    def __init__(self, running: Running, size: tuple[int, int] = (100, 30)) -> None:
        self.running = running
        self._screen = pyte.Screen(*size)
        self._stream = pyte.ByteStream(self._screen)
        self._fed = 0

    @property
    def text(self) -> str:
        """The screen, line by line."""
        raw = self.running._raw
        self._stream.feed(raw[self._fed :])
        self._fed = len(raw)
        return "\n".join(line.rstrip() for line in self._screen.display)

    def wait_until(self, seen: Callable[[str], bool], what: str) -> str:
        """Read on until that is to be seen; return the screen. Fails with the screen as it stands."""
        deadline = time.monotonic() + LIMIT_S
        while not seen(self.text):
            try:
                more = self.running._read(deadline)
            except AssertionError:
                more = False
            assert more, f"{what}: never seen; the screen:\n{self.text}"
        return self.text

    def wait_for(self, *words: str) -> str:
        """Read on until all the words are on the screen at once; return it."""
        return self.wait_until(lambda text: all(word in text for word in words), ", ".join(map(repr, words)))

    def wait_for_no(self, words: str) -> str:
        """Read on until the words are gone; return the screen."""
        return self.wait_until(lambda text: words not in text, f"{words!r} gone")

    def press(self, keys: str) -> None:
        """Press keys, each in its turn."""
        self.running.type(keys)

    def resize(self, columns: int, rows: int) -> None:
        """Give the terminal another size; the command is told by its signal."""
        self._screen.resize(rows, columns)
        size = struct.pack("HHHH", rows, columns, 0, 0)
        fcntl.ioctl(self.running._descriptor, termios.TIOCSWINSZ, size)
