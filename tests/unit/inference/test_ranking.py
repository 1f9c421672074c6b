"""Labels by vectors and by a model's choice."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.errors import InferenceError
from headway.inference.ranking import by_vectors, chosen, cosine, options


def test_the_nearest_vector_comes_first() -> None:
    ranked = by_vectors(["a", "b", "c"], [1.0, 0.0], [[0.0, 1.0], [1.0, 0.1], [-1.0, 0.0]])
    assert [label for label, _ in ranked] == ["b", "a", "c"]
    assert sum(score for _, score in ranked) == pytest.approx(1.0)
    assert ranked[0][1] > 0.99


def test_without_a_difference_the_order_stays() -> None:
    assert by_vectors(["z", "a"], [0.0, 0.0], [[1.0, 0.0], [0.0, 1.0]]) == [("z", 0.5), ("a", 0.5)]


def test_cosine_of_vectors_that_have_no_direction_is_zero() -> None:
    assert cosine([0.0], [1.0]) == 0.0
    assert cosine([1e300, 1e300], [1e300, 1e300]) == 0.0
    assert cosine([3.0, 4.0], [3.0, 4.0]) == pytest.approx(1.0)


@given(st.lists(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3), min_size=2, max_size=6))
def test_scores_are_shares(vectors: list[list[float]]) -> None:
    labels = [str(n) for n in range(len(vectors) - 1)]
    scores = [score for _, score in by_vectors(labels, vectors[0], vectors[1:])]
    assert sum(scores) == pytest.approx(1.0)
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 and math.isfinite(score) for score in scores)


def test_options_are_numbered_one_a_line() -> None:
    prompt = options("the text", ["a\nb", "c"])
    assert prompt.startswith("Labels:\n1. a b\n2. c\n\nText:\nthe text\n")


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("2", "sports"),
        (" 2. ", "sports"),
        ("Sports", "sports"),
        ('"sports"', "sports"),
        ("I see 3 labels and 40 words. The number is 2", "sports"),
        ("99, no: 1", "billing"),
    ],
)
def test_a_choice_is_read(answer: str, label: str) -> None:
    ranked = chosen(["billing", "sports"], answer)
    assert ranked[0] == (label, 1.0)
    assert [score for _, score in ranked] == [1.0, 0.0]


def test_a_number_alone_is_the_option_and_a_label_written_out_is_the_label() -> None:
    assert chosen(["2", "1"], "1")[0][0] == "2"
    assert chosen(["in 2025", "in 1"], "in 1")[0][0] == "in 1"


@pytest.mark.parametrize("answer", ["", "neither", "0", "3", "99999", "-"])
def test_no_choice_is_an_error_not_a_guess(answer: str) -> None:
    with pytest.raises(InferenceError, match="named none of the labels"):
        chosen(["billing", "sports"], answer)
