"""The values that no caller should hand in, by name. One of each kind of harm; shared, so nobody may change them."""

from __future__ import annotations

import math
from typing import Any

DEPTH = 100_000
"""Levels of the deepest values: past every recursion limit."""


class Speechless:
    """An object that cannot say what it is."""

    def __repr__(self) -> str:
        raise RuntimeError("no words")

    __str__ = __repr__


def _deep_list() -> Any:
    value: Any = []
    for _ in range(DEPTH):
        value = [value]
    return value


def _deep_dict() -> Any:
    value: Any = {}
    for _ in range(DEPTH):
        value = {"a": value}
    return value


def _endless() -> Any:
    value: list[Any] = []
    value.append(value)
    return value


HOSTILE: dict[str, Any] = {
    # wrong types
    "none": None,
    "true": True,
    "a float": 1.5,
    "bytes": b"\xff\x00",
    "a list": [1, "a", None],
    "an empty list": [],
    "a dict": {"a": 1},
    "a dict of other keys": {1: 2, None: 3},
    "a set": {1, 2},
    "an object": object(),
    "an object without a repr": Speechless(),
    "a function": lambda *_, **__: None,
    "a class": int,
    "a complex number": 1j,
    # huge and odd numbers
    "zero": 0,
    "minus one": -1,
    "2**63": 2**63,
    "10**30": 10**30,
    "10**5000": 10**5000,
    "-10**5000": -(10**5000),
    "1e308": 1e308,
    "nan": math.nan,
    "infinity": math.inf,
    "minus infinity": -math.inf,
    "a nan inside": {"a": [math.nan]},
    "a huge number inside": {"a": [10**5000]},
    # depth
    "a deep list": _deep_list(),
    "a deep dict": _deep_dict(),
    "a list of itself": _endless(),
    "deep JSON": "[" * DEPTH + "]" * DEPTH,
    # texts
    "an empty text": "",
    "an unknown name": "no-such-thing",
    "a NUL": "a\0b",
    "lines": "one\ntwo\r\n\u2028three",
    "escapes": "\x1b[31mred\x1b]0;title\x07\x9b2J",
    "markup": "[bold red]x[/] <script>alert(1)</script> & {0} %s",
    "a lone surrogate": "half \ud800 pair",
    "a lone surrogate inside": {"\udfff": ["\ud800"]},
    "a path away": "../../away",  # who calls stands deep in a folder of the test's own: see Rig
    "10 MB of text": "x" * 10_000_000,
    "1 MB of lines": "\n\x1b" * 500_000,
}
"""All of them, for doors that are quick."""


_FEW = (
    "none",
    "true",
    "bytes",
    "a list",
    "a dict",
    "a dict of other keys",
    "an object without a repr",
    "minus one",
    "10**30",
    "10**5000",
    "nan",
    "infinity",
    "a deep list",
    "a deep dict",
    "an empty text",
    "an unknown name",
    "a NUL",
    "lines",
    "escapes",
    "a lone surrogate",
)

FEW: dict[str, Any] = {name: HOSTILE[name] for name in _FEW}
"""The worst of them, for what is inside of arguments and for doors behind which a disk turns."""
