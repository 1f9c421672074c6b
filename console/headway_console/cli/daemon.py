"""Starts a home's daemon as a process of its own, and waits until it answers."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from headway.errors import HeadwayError, HomeLocked, InvalidInput, StoreError, Unavailable, one_line

if TYPE_CHECKING:
    from headway.client import DaemonStatus
    from headway.home import Home

LOG_NAME = "daemon.log"
LOG_BYTES = 1_000_000
"""From this size on the old log is put aside as ``daemon.log.1`` when a daemon starts."""

START_S = 20.0
"""Seconds that a daemon may take to answer."""

RACE_S = 3.0
"""Seconds that a daemon which came first gets to answer the one that lost."""


async def find_or_start(home: Home, arguments: list[str]) -> tuple[DaemonStatus, bool]:
    """Return the status of the home's daemon, and whether it was started for that.

    ``arguments`` go to ``headway serve`` in front of its own. Raises what the daemon said when it ended at once:
    :class:`InvalidInput` (exit code 2) or :class:`Unavailable` (3); :class:`HomeLocked` if a headway run has the home.
    """
    from headway.client.daemon import find_daemon, wait_for_daemon

    status = await find_daemon(home)
    if status is not None and status.kind == "run":
        raise HomeLocked(
            f"a headway run (pid {status.pid}) holds this home until its jobs have ended; headway console looks at it",
            pid=status.pid,
        )
    if status is not None:
        return status, False
    home.prepare()
    log = home.path / LOG_NAME
    process, offset = _spawn(home, log, arguments)
    try:
        status = await wait_for_daemon(home, timeout=START_S, alive=lambda: process.poll() is None)
        _reap(process)
        return status, True
    except Unavailable as error:
        if process.poll() is None:
            _end(process)
            raise Unavailable(f"{error.message}; its log: {log}") from None
        # Perhaps another one was quicker: then that is the daemon of this home.
        with contextlib.suppress(Unavailable):
            return await wait_for_daemon(home, timeout=RACE_S, alive=lambda: home.daemon_file.exists()), False
        raise _failure(process.returncode, log, offset) from None
    except BaseException:  # Ctrl-C: what was begun here is not left behind half started
        _end(process)
        raise


def _spawn(home: Home, log: Path, arguments: list[str]) -> tuple[subprocess.Popen[bytes], int]:
    # -P: modules come from where Headway does, never from the working folder, which plans write to.
    command = [sys.executable, "-P", "-m", "headway_console.cli", "--home", str(home), "serve", *arguments]
    try:
        if log.exists() and log.stat().st_size > LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"cannot write {log}: {error.strerror}") from None
    try:
        offset = os.lseek(descriptor, 0, os.SEEK_END)
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=descriptor, stderr=descriptor, start_new_session=True
        )
    finally:
        os.close(descriptor)
    return process, offset


def _reap(process: subprocess.Popen[bytes]) -> None:
    """Wait for its end beside all else: while its parent does not, a dead process still looks like a living one."""
    threading.Thread(target=process.wait, name="headway-reaper", daemon=True).start()


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=2)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _failure(code: int, log: Path, offset: int) -> HeadwayError:
    """Return the error that the daemon ended with, in its own words."""
    lines = _lines(log, offset)
    said = next((line for line in lines if line.startswith("headway: error: ")), lines[-1] if lines else "")
    text = one_line(said.removeprefix("headway: error: ")) or f"it said nothing (exit code {code})"
    message = f"the daemon did not start: {text}"
    return InvalidInput(message) if code == 2 else Unavailable(f"{message}; its log: {log}")


def _lines(log: Path, offset: int) -> list[str]:
    try:
        with log.open("rb") as file:
            file.seek(offset)
            text = file.read(64 * 1024).decode("utf-8", "replace")
    except OSError:
        return []
    return [line for line in text.splitlines() if line.strip()]
