"""Text for cells: cleaning what others wrote, fitting it into a width, and times for people.

Everything that comes out of an event passes :func:`clean` before it is painted: control characters, escape sequences,
direction overrides and lone surrogates become visible replacements. Nothing here reads markup.
"""

from __future__ import annotations

import contextlib
import time
from typing import Any

import msgspec
from rich.cells import cell_len, set_cell_size

from headway.secrets import mask

_SHOWN = {"\n": "⏎", "\r": "␍", "\t": " "}
_BAD = "\N{REPLACEMENT CHARACTER}"


def clean(text: str) -> str:
    """Return ``text`` on one line with every character printable: what cannot be painted safely is replaced."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _SHOWN.get(c, " " if c.isspace() else _BAD) for c in text)


def fit(text: str, width: int, more: str = "…") -> str:
    """Return clean ``text`` in exactly ``width`` cells: padded, or cut with ``more`` at its end."""
    if width <= 0:
        return ""
    if text.isascii():
        if len(text) <= width:
            return text.ljust(width)
        return (text[: width - len(more)] + more)[:width]
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(text, max(0, width - len(more))) + more[:width]


def cut(text: str, width: int, more: str = "…") -> str:
    """Return clean ``text`` in at most ``width`` cells."""
    if (len(text) if text.isascii() else cell_len(text)) <= width:
        return text
    return fit(text, width, more)


def duration(ms: float | None) -> str:
    """Return a length of time in at most 7 cells: ``0ms``, ``950ms``, ``12.4s``, ``3m05s``, ``2h07m``, ``3d04h``."""
    if ms is None:
        return ""
    ms = max(0.0, ms)
    if ms < 1000:
        return f"{ms:.0f}ms" if ms < 999.5 else "1.0s"
    if ms < 59_950:
        return f"{ms / 1000:.1f}s"
    seconds = round(ms / 1000)
    if seconds < 3600:
        return f"{seconds // 60}m{seconds % 60:02d}s"
    if seconds < 86_400:
        return f"{seconds // 3600}h{seconds % 3600 // 60:02d}m"
    return f"{seconds // 86_400}d{seconds % 86_400 // 3600:02d}h"


def ago(ms: float) -> str:
    """Return an age, whole seconds at the finest so that it changes at most once a second: ``5s``, ``3m05s``."""
    return duration(max(0.0, ms) // 1000 * 1000).replace(".0s", "s").replace("0ms", "0s")


def clock_time(ms: int, *, millis: bool = True) -> str:
    """Return the time of day in UTC: ``03:04:05.678``."""
    seconds, rest = divmod(max(0, ms), 1000)
    text = time.strftime("%H:%M:%S", time.gmtime(seconds))
    return f"{text}.{rest:03d}" if millis else text


def moment(ms: int, now_ms: int) -> str:
    """Return when something was, in 8 cells: the time of day in UTC, or the date if that was not within a day."""
    if abs(now_ms - ms) < 86_400_000:
        return clock_time(ms, millis=False)
    return time.strftime("%y-%m-%d", time.gmtime(max(0, ms) // 1000))


def minutes(ms: int, *, tenths: bool = False) -> str:
    """Return a position in time: ``03:10``, with tenths ``03:10.4``, with hours ``1:03:10``."""
    ms = max(0, ms)
    seconds = ms // 1000
    hours, seconds = divmod(seconds, 3600)
    text = f"{seconds // 60:02d}:{seconds % 60:02d}"
    if hours:
        text = f"{hours}:{text}"
    return f"{text}.{ms % 1000 // 100}" if tenths else text


def count(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun: ``1 action``, ``2 actions``, ``1,204 events``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def amount(dimension: str, value: float) -> str:
    """Return a budget's value in its unit: money of micro-dollars, times of ms, else a number with separators."""
    if dimension == "usd_micros":
        return f"${value / 1e6:,.2f}"
    if dimension.endswith("_ms"):
        return duration(value)
    return f"{value:,.0f}"


def number(value: float) -> str:
    """Return a number without needless zeros: ``10``, ``2.5``, ``0.25``."""
    return f"{value:,.2f}".rstrip("0").rstrip(".")


def to_json(value: Any) -> str:
    """Return any event data as JSON on one line, masked; what JSON does not know is shown as text."""
    return _json(value).decode("utf-8", "replace")


def _json(value: Any) -> bytes:
    with contextlib.suppress(RecursionError):
        value = mask(value)
    try:
        return msgspec.json.encode(value, enc_hook=str)
    except UnicodeEncodeError:  # a lone surrogate, which has no UTF-8
        return msgspec.json.encode(_mend(value), enc_hook=lambda other: _mend(str(other)))


def _mend(value: Any) -> Any:
    """Return plain data with every text one that can be encoded."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_mend(key): _mend(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_mend(item) for item in value]
    return value


def json_lines(value: Any, limit: int = 2000) -> list[str]:
    """Return any event data as indented JSON, clean, line by line; past ``limit`` lines it says how many are left."""
    raw = msgspec.json.format(_json(value), indent=2).decode("utf-8", "replace")
    lines = [clean(line) for line in raw.split("\n")]
    if len(lines) > limit:
        rest = len(lines) - limit
        lines = [*lines[:limit], f"({count(rest, 'more line')}; copy the JSON to see all)"]
    return lines
