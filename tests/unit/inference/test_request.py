"""Questions that may be asked: bounds and hostile input."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.errors import HeadwayError, InvalidInput
from headway.inference.request import (
    MAX_LABELS,
    MAX_PROMPT_CHARS,
    MAX_TEXT_CHARS,
    MAX_TEXTS,
    InferRequest,
    checked_labels,
    checked_texts,
)


def request(**changes: Any) -> InferRequest:
    given: dict[str, Any] = {
        "prompt": "p",
        "system": None,
        "max_tokens": None,
        "temperature": 0.0,
        "stop": (),
        "seed": None,
    }
    return InferRequest.checked(**{**given, **changes})


def test_a_request_keeps_what_it_was_given() -> None:
    asked = request(prompt="p", system="s", max_tokens=5, temperature=1, stop=["a", "b"], seed=7)
    assert asked == InferRequest("p", "s", 5, 1.0, ("a", "b"), 7)


def test_markup_escapes_and_nul_are_text() -> None:
    assert request(prompt="[bold]\x1b[31m\0<|im_end|>").prompt == "[bold]\x1b[31m\0<|im_end|>"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"prompt": 5}, "prompt must be a text, not int"),
        ({"prompt": None}, "prompt must be a text, not NoneType"),
        ({"prompt": "x" * (MAX_PROMPT_CHARS + 1)}, "prompt is 1,000,001 characters; the limit is 1,000,000"),
        ({"prompt": "\ud800"}, "prompt holds half a surrogate pair, which is no character"),
        ({"system": b"x"}, "system must be a text, not bytes"),
        ({"max_tokens": 0}, "max_tokens must be a whole number of at least 1"),
        ({"max_tokens": True}, "max_tokens must be a whole number of at least 1"),
        ({"max_tokens": 2.0}, "max_tokens must be a whole number of at least 1"),
        ({"max_tokens": 10**30}, "max_tokens must be at most 2**53"),
        ({"max_tokens": 2_000_000}, "max_tokens must be at most 1,000,000"),
        ({"temperature": math.nan}, "temperature must be a number from 0 to 2"),
        ({"temperature": -0.1}, "temperature must be a number from 0 to 2"),
        ({"temperature": "hot"}, "temperature must be a number from 0 to 2"),
        ({"stop": "a"}, "stop must be a list of texts, not str"),
        ({"stop": [""]}, "stop[0] must not be empty"),
        ({"stop": list("abcde")}, "stop must hold 0 to 4 texts, not 5"),
        ({"stop": [1]}, "stop[0] must be a text, not int"),
        ({"seed": -1}, "seed must be a whole number of at least 0"),
        ({"seed": 2**31}, "seed must be at most 2,147,483,647"),
    ],
)
def test_what_no_model_could_be_asked_is_refused(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        request(**changes)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("texts", "text"),
    [
        ("abc", "texts must be a list of texts, not str"),
        ({"a": 1}, "texts must be a list of texts, not dict"),
        (iter(["a"]), "texts must be a list of texts, not list_iterator"),
        (["a", None], "texts[1] must be a text, not NoneType"),
        (["\udfff"], "texts[0] holds half a surrogate pair, which is no character"),
        (["x"] * (MAX_TEXTS + 1), "texts must hold 0 to 2,048 texts, not 2,049"),
        (["x" * (MAX_TEXT_CHARS + 1)], "texts[0] is 100,001 characters; the limit is 100,000"),
        (["x" * MAX_TEXT_CHARS] * 41, "texts are 4,100,000 characters together; the limit is 4,000,000"),
    ],
)
def test_texts_that_cannot_be_embedded(texts: Any, text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        checked_texts(texts)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        ([], "labels must hold 1 to 100 texts, not 0"),
        ([" "], "labels[0] must not be empty"),
        (["a", "b", "a"], "label 'a' is there twice"),
        (["x" * 201], "labels[0] is 201 characters; the limit is 200"),
        ([str(n) for n in range(MAX_LABELS + 1)], "labels must hold 1 to 100 texts, not 101"),
    ],
)
def test_labels_that_are_none(labels: Any, text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        checked_labels(labels)
    assert str(caught.value) == text


def test_texts_and_labels_that_are_sound_come_as_lists() -> None:
    assert checked_texts(("a", "", "\0")) == ["a", "", "\0"]
    assert checked_labels(("a", "A")) == ["a", "A"]


anything: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5) | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(InferRequest.__struct_fields__, anything)), anything)
def test_anything_at_all_is_taken_or_refused(changes: dict[str, Any], texts: Any) -> None:
    for check in (lambda: request(**changes), lambda: checked_texts(texts), lambda: checked_labels(texts)):
        with contextlib.suppress(HeadwayError):
            check()
