"""Bursts of keys as a hand, a cat or a paste makes them, for a console that must not take them for a confirmation.

A burst is written in one go and never begins with a key that confirms. So whatever is on the screen when it comes,
nothing in it was meant as an answer: no command may follow from it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from headway_console.actions import ACTIONS

CONFIRMING = frozenset({"y", "g", "s", "enter"})
"""Keys that confirm something somewhere: a burst does not begin with one."""

_BYTES = {
    "enter": "\r", "escape": "\x1b", "tab": "\t", "shift+tab": "\x1b[Z", "space": " ", "f1": "\x1bOP",
    "up": "\x1b[A", "down": "\x1b[B", "right": "\x1b[C", "left": "\x1b[D", "home": "\x1b[H", "end": "\x1b[F",
    "pageup": "\x1b[5~", "pagedown": "\x1b[6~",
}  # fmt: skip

KEYS = sorted({key for act in ACTIONS for key in act.keys} | {"y", "n", "i"})
"""All keys of the action table, and the answers of dialogs."""

SAFE = [key for key in KEYS if key not in CONFIRMING and key != "escape"]

ASKING = ("xy", "Xy", "Rfy", "Rry", "Rsy", "qs", "qg", "x\r", "xk\r", "xj\r", "6jxy", "Rj\r", "Rf\ty", "x\x1b[B\ry")
"""Those that would do something if a key counted before its dialog was seen."""

TYPED = ("/xy\r", "/xy", ":cancel\ry", ":kill\ry", ":restore\rfy", ":quit\rs", "3/failed\r", "t0\r", "yes\r", "yyyy")
"""Those that are text, if the keys before them have done their work."""


def bytes_of(key: str) -> str:
    """Return what a terminal sends for a key."""
    if key in _BYTES:
        return _BYTES[key]
    return chr(ord(key[5]) - 96) if key.startswith("ctrl+") else key


def _mouse(rng: random.Random) -> str:
    x, y, button = rng.randint(1, 110), rng.randint(1, 35), rng.choice((0, 0, 64, 65, 35))
    return f"\x1b[<{button};{x};{y}M" + (f"\x1b[<{button};{x};{y}m" if not button else "")


def _sequence(rng: random.Random) -> str:
    return rng.choice(("\x1b[I", "\x1b[O", "\x1b[1;5A", "\x1b[24~", "\x1bOQ", "\x1b[99;99q", "\x1by", "\x1bx", "\x1b["))


def _paste(rng: random.Random, ids: Sequence[str]) -> str:
    text = rng.choice(("xy", "y\ry\r", "q\ns\n", "X" + rng.choice(ids) + "\r", "a\x07b\x9bc", "漢字 y"))
    return f"\x1b[200~{text}\x1b[201~"


def burst(rng: random.Random, ids: Sequence[str]) -> str:
    """Return one burst; ``ids`` are those of jobs, which a dialog may ask to be typed."""
    parts = [bytes_of(rng.choice(SAFE))]
    for _ in range(rng.randint(1, 8)):
        kind = rng.random()
        if kind < 0.40:
            parts.append(bytes_of(rng.choice(KEYS)))
        elif kind < 0.65:
            parts.append(rng.choice(ASKING))
        elif kind < 0.78:
            parts.append(rng.choice(TYPED))
        elif kind < 0.84:
            parts.append(rng.choice(ids) + "\r")
        elif kind < 0.90:
            parts.append(_sequence(rng))
        elif kind < 0.95:
            parts.append(_mouse(rng))
        else:
            parts.append(_paste(rng, ids))
    return "".join(parts)
