"""References: which action a text means, and texts that were made to mean as many as can be."""

from __future__ import annotations

from typing import Any

import pytest

from headway.plan.references import MAX_ID, MAX_STEPS, find_references, readings_of


def _found(text: str, *ids: str) -> list[tuple[int, tuple[str, ...]]]:
    index = {name: i for i, name in enumerate(ids)}
    references, _ = find_references({"v": text}, index)
    return [(reference.source, reference.path) for reference in references]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("$a.output", [(0, ())]),
        ("$a.output.b.0", [(0, ("b", "0"))]),
        ("$a.output.x.output.y", [(1, ("y",))]),
        ("$a.output.x.output", [(1, ())]),
        ("$a.outputs", []),
        ("$a.output.", []),
        ("$.output", []),
    ],
)
def test_the_longest_id_that_there_is_counts(text: str, found: Any) -> None:
    assert _found(text, "a", "a.output.x") == found


def test_an_id_of_the_greatest_length_is_found_and_a_longer_one_is_not_looked_for() -> None:
    longest = "x" * (MAX_ID - len("a.output.")) + "a.output."
    assert _found(f"${longest}.output.b", "x", longest) == [(1, ("b",))]
    with pytest.raises(KeyError):
        _found(f"${'x' * 5000}.output.b", "x")


def test_a_text_with_a_million_outputs_has_few_readings() -> None:
    text = "$a" + ".output" * 100_000
    readings = readings_of(text)
    assert len(readings) <= 1 + MAX_ID // len(".output")
    ((source, path),) = _found(text, "a")
    assert source == 0
    assert len(path) == MAX_STEPS + 1
    assert len(readings_of("$a" + ".outputs" * 100_000)) == 0
