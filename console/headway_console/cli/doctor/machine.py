"""Checks of the machine: versions, the terminal, room on the disk."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from headway_console.cli.doctor.finding import Finding

PACKAGES = ("textual", "a2a-sdk")
COLUMNS, LINES = 80, 24
LOW_BYTES, NO_BYTES = 1_000_000_000, 50_000_000


def versions() -> Iterator[Finding]:
    """Tell the versions of Headway, Python, SQLite and the packages that matter most."""
    from importlib.metadata import PackageNotFoundError, version

    from headway._version import __version__
    from headway.store import engine_version

    python = ".".join(map(str, sys.version_info[:3]))
    yield Finding("ok", "headway", f"{__version__}, Python {python} ({sys.executable})")
    yield Finding("ok", "sqlite", engine_version())
    for name in PACKAGES:
        try:
            yield Finding("ok", name, version(name))
        except PackageNotFoundError:
            yield Finding("fail", name, "is not installed", "install Headway anew")


def terminal() -> Iterator[Finding]:
    """Tell whether the console can be drawn, and how well."""
    from headway_console.cli.consoles import has_terminal

    if not has_terminal():
        yield Finding("ok", "terminal", "none: output goes in plain lines")
        return
    columns, lines = shutil.get_terminal_size()
    colours = {"truecolor": "16 million", "24bit": "16 million"}.get(os.environ.get("COLORTERM", ""), "256 or fewer")
    unicode = (sys.stdout.encoding or "").lower().startswith("utf")
    text = f"{os.environ.get('TERM', '?')}, {columns}x{lines}, {colours} colours, {'' if unicode else 'no '}Unicode"
    if columns < COLUMNS or lines < LINES:
        yield Finding("warn", "terminal", text, f"the console is made for {COLUMNS}x{LINES} and more")
    elif not unicode:
        yield Finding("warn", "terminal", text, "set a UTF-8 locale, such as LANG=C.UTF-8")
    else:
        yield Finding("ok", "terminal", text)


def disk(folder: Path) -> Iterator[Finding]:
    """Tell how much room there is where ``folder`` is, or would be."""
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    text = f"{free / 1e9:,.1f} GB free"
    if free < NO_BYTES:
        yield Finding("fail", "disk", text, "make room: without it no event can be written")
    elif free < LOW_BYTES:
        yield Finding("warn", "disk", text, "headway store prune removes old jobs, by [store] of headway.toml")
    else:
        yield Finding("ok", "disk", text)
