"""Legibility of a theme: contrast ratios after WCAG 2.

The ratio of two colours goes from 1 (equal) to 21 (black on white). 4.5 is what WCAG asks for text of ordinary size,
and a terminal has no other. Everything that carries meaning as text is checked on every ground it is painted on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from textual.color import Color, ColorParseError
from textual.theme import Theme

from headway_console.glyphs import TONES

MINIMUM = 4.5
"""The least contrast of text on its ground."""

GROUNDS = ("background", "surface", "panel")
TEXTS = (
    "foreground",
    "text",
    "text-muted",
    *(f"text-{role}" for role in ("primary", "secondary", "accent", "success", "warning", "error")),
)
STATES = tuple(f"state-{tone}" for tone in TONES)
PAIRS = (
    ("block-cursor-foreground", "block-cursor-background"),
    ("block-cursor-blurred-foreground", "block-cursor-blurred-background"),
    ("footer-foreground", "footer-background"),
    ("footer-key-foreground", "footer-background"),
    ("footer-description-foreground", "footer-background"),
    ("input-cursor-foreground", "input-cursor-background"),
)
"""Texts that have a ground of their own."""


class Shortfall(NamedTuple):
    """A text that is hard to read: the two variables and their ratio, which is below :data:`MINIMUM`."""

    text: str
    ground: str
    ratio: float

    def __str__(self) -> str:
        return f"{self.text} on {self.ground} has a contrast of {self.ratio:.2f}:1, below {MINIMUM}:1"


def ratio(one: Color, other: Color) -> float:
    """Return the contrast ratio of two opaque colours, 1 to 21; the order does not matter."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def shortfalls(theme: Theme) -> list[Shortfall]:
    """Return every text of ``theme`` that is below :data:`MINIMUM` on a ground it is painted on.

    Colours that the terminal chooses (``ansi_…``) cannot be judged and are passed over, as are states that the theme
    does not name.
    """
    variables = {**theme.to_color_system().generate(), **theme.variables}
    return [
        Shortfall(text, ground, found)
        for text, ground in _pairs()
        if (found := _ratio(variables, text, ground)) is not None and found < MINIMUM
    ]


def _pairs() -> Iterator[tuple[str, str]]:
    for ground in GROUNDS:
        for text in (*TEXTS, *STATES):
            yield text, ground
    yield from PAIRS


def _ratio(variables: Mapping[str, str], text: str, ground: str) -> float | None:
    """Return the contrast as painted; None where it is not known."""
    if text not in variables or ground not in variables:
        return None
    below = _color(variables, ground)
    if below is None:
        return None
    if below.a < 1:  # a veil: it lies on the background
        background = _color(variables, "background")
        if background is None:
            return None
        below = background + below
    value = variables[text]
    if value.startswith("auto"):
        percent = value.removeprefix("auto").strip().removesuffix("%")
        above = below.get_contrast_text(float(percent) / 100 if percent else 1.0)
    else:
        found = _color(variables, text)
        if found is None:
            return None
        above = found
    return ratio(below + above, below)


def _color(variables: Mapping[str, str], name: str) -> Color | None:
    try:
        color = Color.parse(variables[name])
    except ColorParseError:
        return None
    return None if color.ansi is not None else color


def _luminance(color: Color) -> float:
    """Return the relative luminance of WCAG 2: 0 for black, 1 for white."""
    red, green, blue = (_linear(channel / 255) for channel in color.rgb)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else float(((channel + 0.055) / 1.055) ** 2.4)
