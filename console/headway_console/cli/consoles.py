"""Opens the console on a source."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headway.config import Config
    from headway_console.app import HeadwayConsole, QuitChoice
    from headway_console.source import Source

FPS = 10
REMOTE_FPS = 4
"""Over a remote shell every frame is bytes on the wire."""


def has_terminal() -> bool:
    """Return whether there is a terminal that a console can be drawn on."""
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def show(source: Source, config: Config) -> QuitChoice | None:
    """Show the console until the user leaves it; return what becomes of live runs.

    Raises the :class:`headway.errors.HeadwayError` that kept the source from opening.
    """
    from headway_console.app import HeadwayConsole

    fps = config.console.fps or (REMOTE_FPS if os.environ.get("SSH_CONNECTION") else FPS)
    ascii_only = not (sys.stdout.encoding or "").lower().startswith("utf")
    console = HeadwayConsole(source, theme=config.console.theme, fps=fps, ascii=ascii_only)
    before = signal.signal(signal.SIGTERM, lambda number, _: _leave(console, number))
    try:
        choice = console.run()
    finally:
        signal.signal(signal.SIGTERM, before)
    if console.failure is not None:
        raise console.failure
    return choice


def _leave(console: HeadwayConsole, number: int) -> None:
    """Leave as its user would, so that the terminal is given back; runs continue."""
    from headway_console.app import QuitChoice

    try:
        running = asyncio.get_running_loop()
    except RuntimeError:  # nothing is drawn yet, or any more
        raise SystemExit(128 + number) from None
    running.call_soon_threadsafe(console.exit, QuitChoice.CONTINUE)
