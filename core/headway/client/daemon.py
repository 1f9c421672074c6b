"""The daemon of a home, seen from outside: who is it, does it live, wait until it does.

``daemon.json`` says where a daemon was; only an answer on its socket says that it is there.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec

from headway.client.operator import OperatorClient
from headway.client.wire import DaemonStatus
from headway.clock import SYSTEM_CLOCK, Clock
from headway.errors import StoreError, Unavailable, one_line
from headway.home import Home

POLL_S = 0.05
"""Seconds between two looks while waiting."""


class DaemonInfo(msgspec.Struct):
    """The content of ``daemon.json``: ``socket`` of the operator API, ``url`` of the A2A endpoint.

    ``auth`` is what that asks of its callers ("" for a daemon of a version that asked nothing), ``header`` the file
    with the header that it wants, for ``curl -H @FILE``; "" if it wants none.
    """

    pid: int
    socket: str
    url: str
    version: str
    started_ms: int
    auth: str = ""
    header: str = ""


def write_daemon_file(home: Home, info: DaemonInfo) -> None:
    """Write ``daemon.json`` whole or not at all; :class:`StoreError` if the folder does not take it."""
    content = msgspec.json.format(msgspec.json.encode(info)) + b"\n"
    temporary: Path | None = None
    try:
        fd, name = tempfile.mkstemp(prefix=".daemon-", suffix=".json", dir=home.path)  # with mode 0600
        temporary = Path(name)
        with os.fdopen(fd, "wb") as file:
            file.write(content)
        temporary.replace(home.daemon_file)
    except OSError as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink()
        reason = one_line(error.strerror or str(error))
        raise StoreError(f"cannot write {home.daemon_file}: {reason}") from None


def read_daemon_file(home: Home) -> DaemonInfo | None:
    """Return what ``daemon.json`` says; None when it is not there or not readable. The daemon may be dead."""
    try:
        return msgspec.json.decode(home.daemon_file.read_bytes(), type=DaemonInfo)
    except (OSError, msgspec.DecodeError):
        return None


def remove_daemon_file(home: Home, info: DaemonInfo) -> None:
    """Remove ``daemon.json`` if it is that of ``info`` and not of a daemon that came after it."""
    if read_daemon_file(home) == info:
        with contextlib.suppress(OSError):
            home.daemon_file.unlink()


async def find_daemon(home: Home, *, timeout: float = 3.0) -> DaemonStatus | None:
    """Return the status of the daemon of ``home``; None when none answers within ``timeout`` seconds.

    A file or a socket that a dead daemon left behind is no daemon.
    """
    try:
        async with OperatorClient(home, timeout=timeout) as client:
            return await client.status()
    except Unavailable:
        return None


async def wait_for_daemon(
    home: Home, *, timeout: float = 15.0, alive: Callable[[], bool] = lambda: True, clock: Clock = SYSTEM_CLOCK
) -> DaemonStatus:
    """Wait until the daemon of ``home`` answers and its file is written, and return its status.

    ``alive()`` says whether the process that was started still runs. Raises :class:`Unavailable` when it does not, or
    after ``timeout`` seconds.
    """
    deadline = clock.now() + timeout
    while True:
        living = alive()
        if home.socket.exists():
            status = await find_daemon(home)
            info = read_daemon_file(home)
            if status is not None and info is not None and info.pid == status.pid:
                return status
        if not living:
            raise Unavailable(f"the daemon of {home} ended before it answered")
        if clock.now() >= deadline:
            raise Unavailable(f"the daemon of {home} did not answer within {timeout:g} s")
        await clock.sleep(POLL_S)


async def wait_until_gone(home: Home, pid: int, *, timeout: float = 15.0, clock: Clock = SYSTEM_CLOCK) -> bool:
    """Wait until the daemon ``pid`` of ``home`` has ended; False if it has not after ``timeout`` seconds."""
    deadline = clock.now() + timeout
    while _exists(pid):
        info = read_daemon_file(home)
        if info is None or info.pid != pid:
            return True  # removed as its last act
        if clock.now() >= deadline:
            return False
        await clock.sleep(POLL_S)
    return True


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
