"""Commands and environments for children."""

from __future__ import annotations

from typing import Any

import pytest

from headway.errors import InvalidInput
from headway.tools.process.command import environment, passes, texts_of, words_of


def test_an_environment_is_what_is_named_and_there(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("PATH", "/bin"), ("HOME", "/h"), ("MINE", "1"), ("OTHER", "2")):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("LANG", raising=False)
    monkeypatch.delenv("ABSENT", raising=False)
    assert environment() == {"PATH": "/bin", "HOME": "/h"}
    assert environment(["MINE", "ABSENT", "SET=a=b", "EMPTY=", "HOME=/x"]) == {
        "PATH": "/bin",
        "HOME": "/x",
        "MINE": "1",
        "SET": "a=b",
        "EMPTY": "",
    }


def test_words_are_taken_as_they_are() -> None:
    assert words_of(("a", "", "b c", "$x"), "it") == ["a", "", "b c", "$x"]


@pytest.mark.parametrize("values", ["a b", b"a", None, 3, {"a": 1}, {"a"}, [1], [None], ["\0"], ["\ud800"], iter("a")])
def test_what_is_no_list_of_texts_is_refused(values: Any) -> None:
    for take in (texts_of, words_of):
        with pytest.raises(InvalidInput, match=r"^it ") as caught:
            take(values, "it")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("words", [[], [""], ["", "a"]])
def test_a_command_needs_a_program(words: list[str]) -> None:
    with pytest.raises(InvalidInput, match="it needs a program"):
        words_of(words, "it")


def test_bytes_of_the_system_that_are_no_text_pass() -> None:
    assert passes("é\udcff")
    assert not passes("\udfff")
