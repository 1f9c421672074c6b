"""A daemon in a process of its own, for tests that send signals. Run as a script it is that daemon.

``python daemon_process.py HOME WORKSPACE [--port N] [--grace S] [--last-resort S]``
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from headway.client.daemon import wait_for_daemon
from headway.client.wire import DaemonStatus
from headway.errors import HeadwayError, describe
from headway.home import Home

if TYPE_CHECKING:
    from tests.launch import Process

TOOLS = '''
import asyncio
import threading
import time
from pathlib import Path

import headway


@headway.tool
async def nap(seconds: float) -> str:
    """Sleep in the event loop."""
    await asyncio.sleep(seconds)
    return "woke"


@headway.tool
def doze(seconds: float) -> str:
    """Sleep in a thread."""
    threading.Event().wait(seconds)
    return "woke"


@headway.tool
def hold(path: str) -> str:
    """Wait for a file in a thread."""
    while not Path(path).exists():
        time.sleep(0.005)
    return "woke"


@headway.tool
async def hog(seconds: float) -> str:
    """Sleep on the event loop's back."""
    time.sleep(seconds)
    return "woke"


@headway.tool
async def weigh(text: str) -> int:
    """Count the characters."""
    return len(text)


@headway.tool
async def quick(text: str = "") -> str:
    """Say it back."""
    return text
'''

END_S = 45
"""Seconds in which a process of a test must have ended, on the busiest machine; the daemon promises 10."""


class Daemon:
    """One process. ``status`` is what it said when it was up."""

    def __init__(self, process: subprocess.Popen[bytes] | Process, home: Home, errors: IO[str]) -> None:
        self.process = process
        self.home = home
        self._errors = errors
        self.status: DaemonStatus | None = None

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def end(self) -> tuple[int, str]:
        """Wait for the end; return (exit code, stderr)."""
        code = await asyncio.to_thread(self.process.wait, END_S)
        self._errors.seek(0)
        with self._errors:
            return code, self._errors.read()

    def close(self) -> None:
        """Kill it, if it is still there."""
        self.process.kill()
        self.process.wait()
        self._errors.close()


def start(home: Home, workspace: Path, *options: str, fresh: bool = False) -> Daemon:
    """Start the script, ``fresh`` from nothing; nothing is waited for."""
    from tests.launch import launch  # which the script itself does not find

    tools = workspace / "tools.py"
    if not tools.exists():
        tools.write_text(TOOLS)
    arguments = [str(home.path), str(workspace), *options]
    errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - for as long as the daemon
    with Path(os.devnull).open("r+") as nothing:
        streams = [nothing, nothing, errors]
        program = [sys.executable, __file__]
        process = launch(arguments, cwd=Path.cwd(), env=os.environ, streams=streams, program=program, fresh=fresh)
    return Daemon(process, home, errors)


@asynccontextmanager
async def running(home: Home, workspace: Path, *options: str) -> AsyncIterator[Daemon]:
    """Start a daemon, wait until it answers, and see to it that it is gone in the end."""
    daemon = start(home, workspace, *options)
    try:
        daemon.status = await wait_for_daemon(home, timeout=60, alive=lambda: daemon.process.poll() is None)
        yield daemon
    finally:
        daemon.close()


def main() -> int:
    """Be the daemon."""
    from headway.config import load_config
    from headway_bridge import shutdown as stopping
    from headway_bridge.server import run_daemon

    parser = argparse.ArgumentParser()
    parser.add_argument("home")
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--grace", default="5")
    parser.add_argument("--admission", default="", help="lines of [admission]")
    parser.add_argument("--also", default="", help="lines at the end of headway.toml")
    parser.add_argument("--files", type=int, help="the most files that it may open")
    parser.add_argument("--last-resort", type=float, default=stopping.LAST_RESORT_S)
    given = parser.parse_args()
    stopping.LAST_RESORT_S = given.last_resort
    if given.files is not None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (given.files, given.files))
    (given.workspace / "headway.toml").write_text(
        f'[tools]\npython = ["tools.py"]\n[operator]\nshutdown_secs = {float(given.grace)}\n'
        f"[admission]\n{given.admission}\n"
        '[a2a]\ntools = ["hold", "quick", "weigh"]\n'
        '[runtime]\non_restart = "fail"\n'  # how jobs go on is for test_resume.py
        f"{given.also}\n"
    )
    try:
        config = load_config(given.workspace, {}, trusted=True)
        return asyncio.run(run_daemon(Home(given.home), config, port=given.port))
    except HeadwayError as error:
        sys.stderr.write(describe(error) + "\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())
