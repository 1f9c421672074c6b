"""The console on a real terminal: time to the first frame, and how fast a key is answered while events pour in.

The app runs in a process of its own on a pty of 120x40. While it follows the event log, ``f`` is pressed (let go of the
end, hold on again); the time is that from the key's write to the arrival of the bytes that show the new state.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks._figure import Figure, at_most

RATES = (0, 1000, 5000)
SECONDS = 35
FOLLOWED_S = 4.0
KEY_EVERY_S = 0.13
SIZE = (120, 40)
FIRST_FRAMES = 3
LIMIT_S = 15.0

_LET_GO = b"not following"


class Terminal:
    """A console on a pty of its own."""

    def __init__(self, rate: int) -> None:
        ours, theirs = pty.openpty()
        width, height = SIZE
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        self.started = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks._console_app", str(rate)],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,  # where Textual draws
            env={**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"},
            start_new_session=True,
        )
        os.close(theirs)
        self._ours = ours
        self.written = 0

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._ours, keys.encode())

    def read(self, seconds: float) -> bytes:
        """Return what comes within that time; b"" if nothing does."""
        if not select.select([self._ours], [], [], max(0.0, seconds))[0]:
            return b""
        try:
            got = os.read(self._ours, 1 << 16)
        except OSError:
            return b""
        self.written += len(got)
        return got

    def wait_for(self, seen: Callable[[bytes], bool]) -> float:
        """Read until that is seen; return the moment."""
        text, end = b"", time.perf_counter() + LIMIT_S
        while not seen(text):
            if time.perf_counter() > end:
                raise TimeoutError(text[-2000:])
            text += self.read(1.0)
        return time.perf_counter()

    def drain(self, seconds: float) -> None:
        """Read and forget for that long."""
        end = time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            self.read(left)

    def cpu_s(self) -> float:
        """The CPU time that the process has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
        os.close(self._ours)


def _holds_on(text: bytes) -> bool:
    return b"following" in text.replace(_LET_GO, b"")


def first_frame_ms() -> float:
    """Return ms from the start of the process to the first painted words, the best of some."""
    best = float("inf")
    for _ in range(FIRST_FRAMES):
        terminal = Terminal(0)
        try:
            best = min(best, terminal.wait_for(lambda text: b"Overview" in text) - terminal.started)
        finally:
            terminal.close()
    return best * 1000


def follow(rate: int) -> list[Figure]:
    """Follow a stream of that many events a second and press keys meanwhile."""
    terminal = Terminal(rate)
    try:
        terminal.wait_for(lambda text: b"Overview" in text)
        terminal.drain(0.5)
        terminal.type("3")
        terminal.wait_for(_holds_on)
        terminal.drain(1.0)
        cpu, begun, written = terminal.cpu_s(), time.perf_counter(), terminal.written
        times: list[float] = []
        following = True
        while time.perf_counter() - begun < FOLLOWED_S:
            pressed = time.perf_counter()
            terminal.type("f")
            times.append(terminal.wait_for((lambda text: _LET_GO in text) if following else _holds_on) - pressed)
            following = not following
            terminal.drain(KEY_EVERY_S)
        elapsed = time.perf_counter() - begun
        cpu = terminal.cpu_s() - cpu
        written = terminal.written - written
    finally:
        terminal.close()
    times.sort()
    name = f"{rate:,} events/s"
    return [
        Figure(f"{name}: key to paint, p50", times[len(times) // 2] * 1000, "ms"),
        Figure(f"{name}: key to paint, p95", times[int(len(times) * 0.95)] * 1000, "ms wall", at_most(150)),
        Figure(f"{name}: CPU of one core", cpu / elapsed * 100, "%"),
        Figure(f"{name}: written to the terminal", written / elapsed / 1000, "kB/s"),
    ]


def run() -> Iterator[Figure]:
    """Measure; return the figures."""
    yield Figure(f"first frame, of {FIRST_FRAMES} starts the best", first_frame_ms(), "ms wall", at_most(1000))
    for rate in RATES:
        yield from follow(rate)
