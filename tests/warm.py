"""The process that those of the fast set are copies of: it imports all that ``headway`` may, and waits for orders.

:mod:`tests.launch` starts it, with the socket that orders come from, and is told how each copy ends.
"""

from __future__ import annotations

import fcntl
import gc
import importlib
import io
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import sys
import termios
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, TextIO

_MESSAGE = 1 << 18
_FILES = 256  # more than this process has open


def load() -> None:
    """Import all of Headway, and what that imports."""
    import headway
    import headway_bridge
    import headway_console.cli

    for package in (headway, headway_bridge, headway_console):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.startswith("headway.testing") and not module.name.endswith("__main__"):
                importlib.import_module(module.name)


def serve(orders: socket.socket) -> bool:
    """Make a copy of this process for each order, and tell how it ended; return True in a copy, False at the end."""
    woken, wake = os.pipe()
    for end in (woken, wake):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    running: dict[int, socket.socket] = {}
    while True:
        ready, _, _ = select.select([orders, woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            _tell_ends(running)
        if orders not in ready:
            continue
        data, files, _, _ = socket.recv_fds(orders, _MESSAGE, 4)
        if not data:
            return False
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for other in (orders, *running.values()):
                other.detach()  # what it had open is closed below
            _become(json.loads(data), files[:3])
            return True
        running[pid] = socket.socket(fileno=files[3])
        running[pid].send(str(pid).encode())
        for file in files[:3]:
            os.close(file)


def _tell_ends(running: dict[int, socket.socket]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        with running.pop(pid) as reports, suppress(BrokenPipeError):  # the test has ended before
            reports.send(str(os.waitstatus_to_exitcode(status)).encode())


def _become(order: dict[str, Any], files: Sequence[int]) -> None:
    """Make of this copy what was ordered."""
    if order["session"]:
        os.setsid()
    for number, file in enumerate(files):
        os.dup2(file, number)
    os.closerange(3, _FILES)
    if order["terminal"]:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    for number in order["ignored"]:
        signal.signal(number, signal.SIG_IGN)
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    sys.argv = [order["program"][-1], *order["arguments"]]
    sys.orig_argv = [*order["program"], *order["arguments"]]  # which a restart executes
    sys.stdin = sys.__stdin__ = _stream(0, "r", sys.stdin)  # type: ignore[misc]
    sys.stdout = sys.__stdout__ = _stream(1, "w", sys.stdout)  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = _stream(2, "w", sys.stderr)  # type: ignore[misc]


def _stream(number: int, mode: str, before: TextIO) -> TextIO:
    """Return a standard stream as Python makes it: in the encoding of the one before, lines buffered by what it is."""
    by_line = bool(before.line_buffering) or os.isatty(number)
    binary = open(number, f"{mode}b", closefd=False)  # noqa: SIM115 - for as long as the process lives
    return io.TextIOWrapper(binary, before.encoding, before.errors, line_buffering=by_line)


if __name__ == "__main__":
    del sys.path[0]
    load()
    assert threading.active_count() == 1, threading.enumerate()
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=int(sys.argv[1])) as where:
        copied = serve(where)
    if copied and sys.argv[0].endswith(".py"):
        runpy.run_path(sys.argv[0], run_name="__main__")
    elif copied:
        from headway_console.cli.root import main

        sys.exit(main())
