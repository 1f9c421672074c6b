"""Output of commands: JSON, tables and notes. Nothing that came out of an event can drive the terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any


def say(text: str) -> None:
    """Print one line of a result on stdout, its control characters replaced."""
    if not text.isprintable():
        from headway_console.text import clean

        text = clean(text)
    _write(sys.stdout, f"{text}\n")


def note(text: str) -> None:
    """Print one line about what happens on stderr."""
    from headway.errors import one_line

    _write(sys.stderr, f"headway: {one_line(text)}\n")
    sys.stderr.flush()


def write_text(text: str) -> None:
    """Print ``text`` as it is on stdout: what escapes its control characters itself, such as JSON."""
    _write(sys.stdout, f"{text}\n")


def write_json(value: Any, *, lines: bool = False) -> None:
    """Print ``value`` as JSON on stdout: indented, or on one line.

    Characters that could drive a terminal or turn its text around (C1 controls, direction marks) are escaped: the
    value is the same, and what a person sees of it is what it holds.
    """
    import msgspec

    raw = msgspec.json.encode(value, enc_hook=_to_builtin)
    text = (raw if lines else msgspec.json.format(raw, indent=2)).decode("utf-8")
    if not text.isascii() or "\x7f" in text:
        text = "".join(c if c == "\n" or c.isprintable() else _escaped(c) for c in text)
    _write(sys.stdout, f"{text}\n")


def _escaped(character: str) -> str:
    """Return the JSON escape of a character, by its UTF-16 units."""
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i] << 8 | units[i + 1]:04x}" for i in range(0, len(units), 2))


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print columns as wide as their content; the last one is not padded."""
    from rich.cells import cell_len

    from headway_console.text import clean

    cells = [list(head), *([clean(str(cell)) for cell in row] for row in rows)]
    widths = [max(cell_len(row[column]) for row in cells) for column in range(len(head))]
    for row in cells:
        padded = [cell + " " * (width - cell_len(cell)) for cell, width in zip(row[:-1], widths, strict=False)]
        say("  ".join([*padded, row[-1]]).rstrip())


def when(ms: int | None) -> str:
    """Return ms since 1970 as the local date and time to the second; "-" for None."""
    if ms is None:
        return "-"
    import time

    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(ms / 1000))


def _write(stream: Any, text: str) -> None:
    stream = getattr(stream, "real", stream)  # what tools print goes elsewhere (headway.tools.printing)
    try:
        stream.write(text)
    except UnicodeEncodeError:
        stream.write(text.encode(stream.encoding, "backslashreplace").decode(stream.encoding))


def _to_builtin(value: object) -> object:
    dump = getattr(value, "model_dump", None)
    return dump(mode="json") if dump else str(value)
