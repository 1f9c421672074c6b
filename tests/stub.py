"""The public names of ``headway`` for type checkers: ``python -m tests.stub`` writes ``core/headway/__init__.pyi``.

The package imports its names on first use, which type checkers cannot follow. Nothing is written by hand there.
"""

from __future__ import annotations

import inspect
from pathlib import Path

import headway

STUB = Path(headway.__file__).with_suffix(".pyi")


def text() -> str:
    """Return what the stub has to say: each name from the module that has it, and the rooms."""
    lines = ["# Written by python -m tests.stub from the table in __init__.py.", ""]
    lines += [f"from headway import {room} as {room}" for room in sorted(headway._ROOMS)]
    homes = sorted(headway._HOME.items(), key=lambda item: (item[1], not inspect.isclass(getattr(headway, item[0]))))
    lines += [f"from headway.{home} import {name} as {name}" for name, home in homes]
    lines += ["", "_ROOMS: tuple[str, ...]", "_HOME: dict[str, str]", "", "__version__: str", "__all__ = ["]
    lines += [f'    "{name}",' for name in headway.__all__]
    return "\n".join([*lines, "]", ""])


if __name__ == "__main__":
    STUB.write_text(text(), encoding="utf-8")
