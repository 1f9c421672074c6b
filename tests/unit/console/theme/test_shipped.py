"""The shipped themes: they load without a word, can be read, and their states differ for every kind of eye."""

import itertools
import re
from pathlib import Path

import pytest
from textual.color import Color
from textual.theme import Theme

import headway_console
from headway_console import resources
from headway_console.glyphs import TONES
from headway_console.theme import DARK, LIGHT, load_themes, shortfalls

SHIPPED = load_themes([resources.themes()])

# How eyes see that lack one kind of cone, after Machado, Oliveira and Fernandes 2009, at full severity.
EYES = {
    "usual": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}
DISTINCT = ("running", "succeeded", "failed", "waiting", "skipped", "cancelled")
"""The states whose colours must differ; pending and skipped are both grey, their glyphs differ."""

APART = 15  # CIE 1976 colour difference; 2.3 is just noticeable


def test_there_are_two() -> None:
    assert list(SHIPPED.themes) == [DARK, LIGHT]
    assert [str(problem) for problem in SHIPPED.problems] == []
    assert SHIPPED.themes[DARK].dark
    assert not SHIPPED.themes[LIGHT].dark


@pytest.mark.parametrize("name", sorted(SHIPPED.themes))
def test_contrast(name: str) -> None:
    assert [str(shortfall) for shortfall in shortfalls(SHIPPED.themes[name])] == []


@pytest.mark.parametrize("name", sorted(SHIPPED.themes))
def test_every_state_has_its_own_colour_in_the_file(name: str) -> None:
    text = SHIPPED.paths[name].read_text()
    assert all(f"state-{tone} = " in text for tone in TONES)


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize("name", sorted(SHIPPED.themes))
def test_states_differ(name: str, eye: str) -> None:
    seen = {tone: lab(see(state(SHIPPED.themes[name], tone), eye)) for tone in DISTINCT}
    close = [
        (one, other, round(apart))
        for one, other in itertools.combinations(DISTINCT, 2)
        if (apart := sum((a - b) ** 2 for a, b in zip(seen[one], seen[other], strict=True)) ** 0.5) < APART
    ]
    assert close == []


def test_no_colour_stands_in_code() -> None:
    """Whatever is painted can be set in a theme: code names variables, never colours."""
    package = Path(headway_console.__file__).parent
    # Of three or four digits only with a letter: #812 is an event.
    colour = re.compile(r"#(?:[\da-f]{8}|[\da-f]{6}|(?=\d*[a-f])[\da-f]{3,4})\b|\b(?:rgb|hsl)a?\(", re.IGNORECASE)
    sources = [path for path in package.rglob("*") if path.suffix in (".py", ".tcss", ".scss", ".css")]
    assert len(sources) > 5
    found = [
        f"{path.relative_to(package)}:{number}: {line.strip()}"
        for path in sources
        if path.relative_to(package).parts[0] != "themes"
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if colour.search(line)
    ]
    assert found == []


def state(theme: Theme, tone: str) -> Color:
    return Color.parse(theme.variables[f"state-{tone}"])


def see(color: Color, eye: str) -> list[float]:
    """The linear red, green and blue that such an eye takes the colour for."""
    linear = [c / 12.92 if (c := channel / 255) <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for channel in color.rgb]
    return [min(1.0, max(0.0, sum(a * b for a, b in zip(row, linear, strict=True)))) for row in EYES[eye]]


def lab(linear: list[float]) -> tuple[float, float, float]:
    """CIE L*a*b* of linear sRGB under D65."""
    red, green, blue = linear
    x, y, z = (
        (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.95047,
        0.2126 * red + 0.7152 * green + 0.0722 * blue,
        (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.08883,
    )
    f = [t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x, y, z)]
    return 116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])
