"""A terminal with a program on it, as the person in front of it sees it: a pty that is always read, drawn by pyte.

A thread reads, so that the program never waits for the test; what is on the screen is asked under a lock.
"""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyte

from tests.launch import LIMIT_S, launch

ALTERNATE = 1049
ESCAPE = "\x1b"


class Display(pyte.Screen):
    """pyte's screen, with the alternate one that full-screen programs draw on. ``modes`` are the private ones set."""

    def __init__(self, columns: int, lines: int) -> None:
        self.modes: set[int] = set()
        self._kept: tuple[Any, Any] | None = None
        super().__init__(columns, lines)

    def set_mode(self, *modes: int, **how: Any) -> None:
        """Note it; leave the main screen for an empty one if that is what is asked."""
        super().set_mode(*modes, **how)
        if how.get("private"):
            self.modes.update(modes)
            if ALTERNATE in modes and self._kept is None:
                self._kept = ({y: dict(line) for y, line in self.buffer.items()}, (self.cursor.x, self.cursor.y))
                self.erase_in_display(2)

    def reset_mode(self, *modes: int, **how: Any) -> None:
        """Note it; come back to the main screen as it was left."""
        super().reset_mode(*modes, **how)
        if how.get("private"):
            self.modes.difference_update(modes)
            if ALTERNATE in modes and self._kept is not None:
                (kept, (self.cursor.x, self.cursor.y)), self._kept = self._kept, None
                self.erase_in_display(2)
                for y, line in kept.items():
                    self.buffer[y].update(line)


class Terminal:
    """A program on a pty of its own. Close it; that kills what still runs there."""

    def __init__(
        self, arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str], size: tuple[int, int] = (100, 30)
    ) -> None:
        self._display = Display(*size)
        self._stream = pyte.ByteStream(self._display)
        self._changed = threading.Condition()
        self._ours, theirs = pty.openpty()
        self._tell_size(size)
        self.settings_before = termios.tcgetattr(theirs)
        try:
            self.process = launch(arguments, cwd=cwd, env=env, streams=[theirs] * 3, terminal=True)
        finally:
            # Kept open: its settings are asked after the program's end too.
            self._theirs = theirs
        self._reader = threading.Thread(target=self._read, name="terminal", daemon=True)
        self._reader.start()

    # -- what is seen --------------------------------------------------------------------------------------------------

    @property
    def text(self) -> str:
        """The screen, line by line, without blanks at the ends."""
        with self._changed:
            return self._text()

    @property
    def modes(self) -> set[int]:
        """The private modes that are set: 1049 is the alternate screen, 25 a shown cursor, 1000 and more the mouse."""
        with self._changed:
            return set(self._display.modes)

    @property
    def cursor_hidden(self) -> bool:
        """Return whether the cursor is hidden."""
        with self._changed:
            return bool(self._display.cursor.hidden)

    @property
    def settings(self) -> list[Any]:
        """The line discipline's settings: echo, line by line, and so on."""
        return termios.tcgetattr(self._theirs)

    def wait_until(self, seen: Callable[[str], bool], what: str, timeout: float = LIMIT_S) -> str:
        """Wait until the screen is like that and return it; fail with the screen as it is after ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while not seen(text := self._text()):
                left = deadline - time.monotonic()
                if left <= 0 or not (self._reader.is_alive() or seen(self._text())):
                    raise AssertionError(f"{what}: not within {timeout:g} s; the screen:\n{text}")
                self._changed.wait(min(left, 1.0))
        return text

    def wait_for(self, *words: str, timeout: float = LIMIT_S) -> str:
        """Wait until all the words are on the screen at once."""
        return self.wait_until(lambda text: all(word in text for word in words), f"{words} on screen", timeout)

    def wait_gone(self, *words: str, timeout: float = LIMIT_S) -> str:
        """Wait until none of the words is on the screen."""
        return self.wait_until(lambda text: not any(word in text for word in words), f"{words} gone", timeout)

    # -- what is done --------------------------------------------------------------------------------------------------

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._ours, keys.encode())

    def wait_read(self, timeout: float = LIMIT_S) -> None:
        """Wait until the program has read all that was typed."""
        deadline = time.monotonic() + timeout
        while struct.unpack("i", fcntl.ioctl(self._theirs, termios.FIONREAD, b"\0" * 4))[0]:
            assert time.monotonic() < deadline, f"keys are not read; the screen:\n{self.text}"
            assert self.process.poll() is None, f"the program has ended; the screen:\n{self.text}"
            with self._changed:
                self._changed.wait(0.01)

    def resize(self, columns: int, lines: int) -> None:
        """Give it another size; the program is told by a signal."""
        with self._changed:
            self._display.resize(lines, columns)
        self._tell_size((columns, lines))

    def end(self, timeout: float = LIMIT_S) -> int:
        """Wait for the program's end and until all that it wrote is on the screen; return its exit code."""
        code = self.process.wait(timeout)
        mark = f"{ESCAPE}[?7777h"  # sent after all that was written; nobody else sets that mode
        os.write(self._theirs, mark.encode())
        with self._changed:
            assert self._changed.wait_for(lambda: 7777 in self._display.modes, timeout), "the terminal is not read"
            self._display.modes.discard(7777)
        return code

    def close(self) -> None:
        """Kill what is left, and let go of the terminal."""
        if self.process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        os.close(self._theirs)
        self._reader.join(LIMIT_S)
        os.close(self._ours)

    # -- inside --------------------------------------------------------------------------------------------------------

    def _text(self) -> str:
        return "\n".join(line.rstrip() for line in self._display.display)

    def _tell_size(self, size: tuple[int, int]) -> None:
        columns, lines = size
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def _read(self) -> None:
        while True:
            try:
                chunk = os.read(self._ours, 65536)
            except OSError:  # nobody has the other end open any more
                chunk = b""
            with self._changed:
                if chunk:
                    self._stream.feed(chunk)
                self._changed.notify_all()
            if not chunk:
                return
