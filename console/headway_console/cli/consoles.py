"""Opens the console on a source."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headway.config import Config
    from headway_console.app import QuitChoice
    from headway_console.source import Source

FPS = 10
REMOTE_FPS = 4
"""Over a remote shell every frame is bytes on the wire."""


def has_terminal() -> bool:
    """Whether there is a terminal that a console can be drawn on."""
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def show(source: Source, config: Config) -> QuitChoice | None:
    """Show the console until the user leaves it; return what becomes of live runs.

    Raises the :class:`headway.errors.HeadwayError` that kept the source from opening.
    """
    from headway_console.app import HeadwayConsole

    fps = config.console.fps or (REMOTE_FPS if os.environ.get("SSH_CONNECTION") else FPS)
    ascii_only = not (sys.stdout.encoding or "").lower().startswith("utf")
    console = HeadwayConsole(source, theme=config.console.theme, fps=fps, ascii=ascii_only)
    choice = console.run()
    if console.failure is not None:
        raise console.failure
    return choice
