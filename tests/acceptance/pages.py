"""A page of the docs, typed by a reader: its files written, its ``sh`` blocks run in order in one bash."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

LIMIT_S = 90.0
BASH = "/bin/bash"
_BLOCK = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```", re.DOTALL | re.MULTILINE)
_MARK = "block ended with "
_BASH = f"""
exec 2>&1
set -e
trap 'code=$?; kill $(jobs -p) 2>/dev/null; printf "\\n{_MARK}%s\\n" "$code"' EXIT
while IFS= read -r file <&9; do . "$file"; printf "\\n{_MARK}0\\n"; done
"""
# Of the output that is shown these differ each time, and so does how far a task is when Ctrl-C comes.
_VARIES = {
    "…": r".*",
    r"\b[0-9a-f]{12}\b": r"[0-9a-f]{12}",
    r"\b[\d.]+(?:ms|s)\b": r"[\d.]+(?:ms|s|m.*)",
    r"\b\d{4}-\d\d-\d\d\b": r"\d{4}-\d\d-\d\d",
    r"\b\d\d:\d\d:\d\d\b[.\d]*": r"[\d:.]+",
    r"127\.0\.0\.1:\d+": r"127\.0\.0\.1:\d+",
    r"\bpid \d+": r"pid \d+",
    r"^\d+(?= )": r"\d+",
    r"\b\d+(?= (?:succeeded|skipped|actions|levels)\b)": r"\d+",
    r"\b\d+/\d+\b": r"\d+/\d+",
    r"@L\d+\b": r"@L\d+",
    r" +": r" +",
}
_VARYING = re.compile("|".join(f"({pattern})" for pattern in _VARIES))


class Step(NamedTuple):
    """What a reader does next: save a file, or run commands and see some output."""

    text: str
    file: str = ""
    shown: tuple[str, ...] = ()


def steps(page: str) -> list[Step]:
    """Return the steps of a page of Markdown; a ``text`` block is what the ``sh`` block before it shows."""
    found: list[Step] = []
    commands = False
    for kind, title, text in _BLOCK.findall(page):
        if kind == "text" and commands:
            found[-1] = found[-1]._replace(shown=tuple(line for line in text.splitlines() if line.strip() != "…"))
        elif title:
            found.append(Step(text, title))
        elif kind == "sh":
            found.append(Step(text))
        commands = kind == "sh"
    return found


def missing(shown: list[str], lines: list[str]) -> str | None:
    """Return the first of ``shown`` that ``lines`` do not have, in this order, or None."""
    rest = iter(lines)
    for line in shown:
        pattern = _pattern(line)
        if not any(pattern.fullmatch(printed) for printed in rest):
            return line
    return None


def _pattern(shown: str) -> re.Pattern[str]:
    varying = list(_VARIES.values())
    made, at = "", 0
    for hit in _VARYING.finditer(shown):
        made += re.escape(shown[at : hit.start()]) + varying[(hit.lastindex or 1) - 1]
        at = hit.end()
    return re.compile(made + re.escape(shown[at:]))


class Reader:
    """A bash with job control, in ``folder``; a terminal to press Ctrl-C in, and a pipe for what is printed."""

    def __init__(self, process: subprocess.Popen[bytes], terminal: int, commands: int) -> None:
        assert process.stdout is not None
        self._process = process
        self._output = process.stdout.fileno()
        self._terminal = terminal
        self._commands = commands
        self._raw = b""

    def run(self, step: Step, file: Path) -> list[str]:
        """Run the commands of ``step``; return the lines printed when they are done and all that is shown has come."""
        file.write_text(step.text, encoding="utf-8")
        self._raw = b""
        os.write(self._commands, f"{file}\n".encode())
        before, _, _ = "\n".join(step.shown).partition("\n^C\n")
        if "^C" in step.shown:
            self._wait(lambda: missing(before.splitlines(), self._lines()) is None, step)
            os.write(self._terminal, b"\x03")
        self._wait(lambda: _MARK in self._text(), step)
        code = self._text().partition(_MARK)[2].partition("\n")[0]
        assert code == "0", f"exit code {code} of:\n{step.text}\n{self._text()}"
        # What runs in the background may print later than the prompt comes.
        shown = [line for line in step.shown if line != "^C"]
        self._wait(lambda: missing(shown, self._lines()) is None, step)
        return self._lines()

    def end(self) -> None:
        """End what runs, in the foreground and then in the background, and wait until all of it is gone."""
        with self._process, suppress(subprocess.TimeoutExpired):
            while self._process.poll() is None:
                foreground = os.tcgetpgrp(self._terminal)
                with suppress(ProcessLookupError):
                    os.killpg(foreground, signal.SIGKILL if foreground != self._process.pid else 0)
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(timeout=1)
            deadline = time.monotonic() + LIMIT_S
            while select.select([self._output], [], [], max(0.0, deadline - time.monotonic()))[0]:
                if not os.read(self._output, 65536):
                    break

    def _text(self) -> str:
        return self._raw.decode("utf-8", "replace")

    def _lines(self) -> list[str]:
        return [line.rstrip() for line in self._text().splitlines() if _MARK not in line]

    def _wait(self, done: Callable[[], bool], step: Step) -> None:
        deadline = time.monotonic() + LIMIT_S
        while not done():
            left = max(0.0, deadline - time.monotonic())
            chunk = os.read(self._output, 65536) if select.select([self._output], [], [], left)[0] else b""
            if not chunk:
                raise AssertionError(
                    f"never came: {missing(list(step.shown), self._lines())!r}, of:\n{step.text}\n{self._text()}"
                )
            self._raw += chunk


@contextmanager
def reader(folder: Path, environment: dict[str, str]) -> Iterator[Reader]:
    """Have a reader with a bash in ``folder``; what is left of its commands at the end is ended."""
    ours, theirs = pty.openpty()
    commands, written = os.pipe()
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", _ON_TERMINAL, str(commands), BASH, "-m", "-c", _BASH],
            cwd=folder,
            env=environment,
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=theirs,  # bash takes this one for its terminal
            pass_fds=[commands],
            start_new_session=True,
        )
    finally:
        os.close(theirs)
        os.close(commands)
    made = Reader(process, ours, written)
    try:
        yield made
    finally:
        os.close(written)
        made.end()
        os.close(ours)


# The terminal becomes the controlling one, so that a Ctrl-C typed into it is a signal, as it is for people.
_ON_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.dup2(int(sys.argv[1]), 9); "
    "os.execv(sys.argv[2], sys.argv[2:])"
)
