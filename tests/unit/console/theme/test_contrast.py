"""Contrast ratios are WCAG's, and what cannot be read is found."""

import pytest
from textual.color import Color
from textual.theme import Theme

from headway_console.theme import MINIMUM, ratio, shortfalls

# Worked examples of WCAG 2, to two places.
EXAMPLES = [
    ("#000000", "#ffffff", 21.0),
    ("#777777", "#ffffff", 4.48),
    ("#767676", "#ffffff", 4.54),
    ("#ff0000", "#ffffff", 4.00),
    ("#0000ff", "#ffffff", 8.59),
    ("#808080", "#808080", 1.0),
]


@pytest.mark.parametrize(("one", "other", "expected"), EXAMPLES)
def test_ratio(one: str, other: str, expected: float) -> None:
    assert ratio(Color.parse(one), Color.parse(other)) == pytest.approx(expected, abs=0.005)
    assert ratio(Color.parse(other), Color.parse(one)) == ratio(Color.parse(one), Color.parse(other))


def theme(**variables: str) -> Theme:
    """Black on white, with variables of its own."""
    return Theme(
        name="made",
        primary="#003366",
        foreground="#000000",
        background="#ffffff",
        surface="#ffffff",
        panel="#ffffff",
        dark=False,
        variables=variables,
    )


def test_a_pale_state_is_named_with_its_ground_and_ratio() -> None:
    found = [s for s in shortfalls(theme(**{"state-running": "#777777"})) if s.text == "state-running"]
    assert [s.ground for s in found] == ["background", "surface", "panel"]
    assert found[0].ratio == pytest.approx(4.48, abs=0.005)
    assert str(found[0]) == "state-running on background has a contrast of 4.48:1, below 4.5:1"


def test_a_state_that_just_passes_is_not_named() -> None:
    assert ratio(Color.parse("#767676"), Color.parse("#ffffff")) >= MINIMUM
    assert not [s for s in shortfalls(theme(**{"state-running": "#767676"})) if s.text == "state-running"]


def test_text_with_its_own_ground_is_judged_on_it() -> None:
    bad = theme(**{"footer-background": "#003366", "footer-key-foreground": "#003366"})
    assert ("footer-key-foreground", "footer-background") in [(s.text, s.ground) for s in shortfalls(bad)]


def test_a_veil_is_judged_where_it_lies() -> None:
    veiled = theme(**{"block-cursor-blurred-background": "#00000000", "block-cursor-blurred-foreground": "#ffffff"})
    assert ("block-cursor-blurred-foreground", "block-cursor-blurred-background") in [
        (s.text, s.ground) for s in shortfalls(veiled)
    ]


def test_what_the_terminal_chooses_is_passed_over() -> None:
    assert not [s for s in shortfalls(theme(**{"state-running": "ansi_yellow"})) if s.text == "state-running"]
