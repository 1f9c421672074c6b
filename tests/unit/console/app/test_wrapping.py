"""Breaking lines: nothing is lost, nothing is too wide."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from headway_console.text import clean
from headway_console.widgets.wrapping import LABEL, wrap

TEXT = st.text(st.sampled_from("ab c漢e\u0301👩,.[]"), max_size=60).map(clean)


@given(st.lists(st.lists(st.tuples(TEXT, st.sampled_from(["", "dim"])), max_size=4), max_size=4), st.integers(2, 50))
def test_nothing_is_lost_and_nothing_is_too_wide(lines: list[list[tuple[str, str]]], width: int) -> None:
    wrapped = wrap(lines, width)
    assert len(wrapped) >= len(lines)
    assert all(cell_len("".join(text for text, _ in row)) <= width for row in wrapped)
    kept = "".join(text for row in wrapped for text, _ in row)
    assert kept.replace(" ", "") == "".join(text for line in lines for text, _ in line).replace(" ", "")


@pytest.mark.parametrize("width", [40, 60])
def test_a_label_keeps_its_column(width: int) -> None:
    rows = wrap([[("output".ljust(LABEL), "dim"), ("word " * 40, "")]], width)
    assert len(rows) > 2
    assert all(row[0][0] == " " * LABEL for row in rows[1:])


def test_lines_break_at_spaces() -> None:
    rows = wrap([[("one two three four", "")]], 10)
    assert ["".join(text for text, _ in row).rstrip() for row in rows] == ["one two", "three four"]
