"""Start ``headway``: in the long set from nothing, in the fast set as a copy of a process that has all imported.

Most of what a command costs is the start of Python and its imports, which tests of commands would pay thousands of
times. A copy (:mod:`tests.warm`) is a process of its own, with a folder, an environment, streams, a session and a
terminal of its own; it runs what ``python -m headway_console.cli`` runs, and ends as Python ends.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from tests import warm
from tests.sizes import long_set

LIMIT_S = 90.0
"""Seconds that anything may take on a machine that does much else."""

HEADWAY = [sys.executable, "-m", "headway_console.cli"]

# The terminal becomes the controlling one: Ctrl-C and a change of its size are signals then, as for people.
_ON_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)


def launch(
    arguments: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    streams: Sequence[int | IO[Any]],
    program: Sequence[str] = HEADWAY,
    **how: bool,
) -> subprocess.Popen[bytes] | Process:
    """Start ``headway``, or another ``program`` that is Python and a script, on three ``streams``.

    ``session=True`` gives it a session of its own, ``terminal=True`` the first stream as the terminal of that, too;
    ``fresh=True`` starts it from nothing in the fast set, too.
    """
    fresh = how.pop("fresh", False)
    how = {"session": how.get("terminal", False), "terminal": False, **how}
    files = [stream if isinstance(stream, int) else stream.fileno() for stream in streams]
    if not (fresh or long_set()):
        return _copy(program, arguments, cwd, env, files, how)
    before = [sys.executable, "-c", _ON_TERMINAL] if how["terminal"] else []
    stdin, stdout, stderr = files
    return subprocess.Popen(
        [*before, *program, *arguments],
        cwd=cwd,
        env=dict(env),
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        start_new_session=how["session"],
    )


class Process:
    """A command that runs: of :class:`subprocess.Popen` what tests need."""

    def __init__(self, reports: socket.socket, arguments: Sequence[str]) -> None:
        self.args = list(arguments)
        self.returncode: int | None = None
        self.stdout: IO[bytes] | None = None
        self._reports = reports
        told = self._report(None)
        assert told is not None, "the process that commands are copies of has ended"
        self.pid = told

    def poll(self) -> int | None:
        """Return the exit code; None while it runs."""
        return self._look(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and return the exit code, that of a signal below zero."""
        code = self._look(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it, unless it has ended."""
        self.send_signal(signal.SIGKILL)

    def _look(self, timeout: float | None) -> int | None:
        if self.returncode is None:
            self.returncode = self._report(timeout)
            if self.returncode is not None:
                self._reports.close()
        return self.returncode

    def _report(self, timeout: float | None) -> int | None:
        if not select.select([self._reports], [], [], timeout)[0]:
            return None
        told = self._reports.recv(64)
        assert told, "the process that commands are copies of has ended"
        return int(told)


_lock = threading.Lock()
_orders: socket.socket | None = None
_waiting: subprocess.Popen[bytes] | None = None


def _copy(
    program: Sequence[str],
    arguments: Sequence[str],
    cwd: Path,
    env: Mapping[str, str],
    files: list[int],
    how: Mapping[str, bool],
) -> Process:
    ignored = [number for number in (signal.SIGHUP, signal.SIGTERM) if signal.getsignal(number) is signal.SIG_IGN]
    told = {"program": list(program), "arguments": list(arguments), "cwd": str(cwd), "env": dict(env)}
    order = {**told, "ignored": ignored, **how}
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs, _lock:
        socket.send_fds(_server(), [json.dumps(order).encode()], [*files, theirs.fileno()])
    return Process(ours, arguments)


def _server() -> socket.socket:
    """Return where orders go; the process that takes them is started with the first, and ends with this one."""
    global _orders, _waiting
    if _orders is None:
        _orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR", "HOME") if name in os.environ}
        with theirs:
            _waiting = subprocess.Popen(
                [sys.executable, warm.__file__, str(theirs.fileno())],
                env={**kept, "PYTHONWARNINGS": "default"},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        atexit.register(_end)
    return _orders


def _end() -> None:
    if _orders is not None and _waiting is not None:
        _orders.close()
        _waiting.wait(LIMIT_S)
