"""The daemon's own restart: whether the project would load now, and this process begun anew."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING, NoReturn

from headway.errors import one_line

if TYPE_CHECKING:
    from headway_console.cli.options import Place

LOAD_S = 120.0
"""Seconds that loading the project may take."""


async def would_load(place: Place) -> str | None:
    """Return why configuration and tools would not load in a new process, in one line; None if they would."""
    command = [sys.executable, "-m", "headway_console.cli"]
    if place.config_path is not None:
        command += ["--config", str(place.config_path.absolute())]
    process = await asyncio.create_subprocess_exec(
        *command,
        *("config", "check"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(LOAD_S):
            _, errors = await process.communicate()
    except TimeoutError:
        return f"loading the project takes longer than {LOAD_S:.0f} s"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode == 0:
        return None
    lines = [line for line in errors.decode("utf-8", "replace").splitlines() if line.strip()]
    return one_line(lines[-1].removeprefix("headway: error: ")) if lines else "the project does not load"


def start_anew() -> NoReturn:
    """Become a new process of the same command line: same pid, same terminal, same service manager."""
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - our own command line
