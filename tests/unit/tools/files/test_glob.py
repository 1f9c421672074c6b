"""Glob patterns."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.errors import InvalidInput
from headway.tools.files.glob import Glob


def matches(pattern: str, path: str) -> bool:
    glob = Glob(pattern)
    *folders, name = path.split("/")
    places = glob.start
    for folder in folders:
        places = glob.enter(places, folder)
        if not places:
            return False
    return glob.matches(places, name)


@pytest.mark.parametrize(
    ("pattern", "inside", "not_inside"),
    [
        ("*.py", ["a.py", "x/a.py", "x/y/a.py", ".py"], ["a.pyc", "a.py/b"]),
        ("src/*.py", ["src/a.py"], ["a.py", "x/src/a.py", "src/x/a.py"]),
        ("src/**/*.py", ["src/a.py", "src/x/y/a.py"], ["a.py", "x/src/a.py"]),
        ("**/test/*", ["test/a", "x/test/a"], ["test", "x/test/y/a"]),
        ("a/**", ["a/b", "a/b/c"], ["a", "b/a"]),
        ("**", ["a", "a/b/c"], []),
        ("**/**/a", ["a", "x/a", "x/y/a"], ["b"]),
        ("./a//b", ["a/b"], ["x/a/b"]),
        ("?[0-9].t[!a]t", ["a1.txt"], ["a1.tat", "ab.txt", "1.txt"]),
        ("A*", ["Ab"], ["ab"]),
        ("[", ["["], ["a"]),
        ("a\nb*", ["a\nbc"], ["a"]),
    ],
)
def test_patterns(pattern: str, inside: list[str], not_inside: list[str]) -> None:
    assert [path for path in inside if not matches(pattern, path)] == []
    assert [path for path in not_inside if matches(pattern, path)] == []


@pytest.mark.parametrize("pattern", ["", "/", ".", "/etc/*", "../*", "a/../b", "x" * 1001, "a\0"])
def test_refused(pattern: str) -> None:
    with pytest.raises(InvalidInput, match="glob pattern"):
        Glob(pattern)


def test_hostile_patterns_end_soon() -> None:
    start = time.process_time()
    assert not matches("*a" * 400 + "b", "a" * 255)
    assert not matches("**/a/" * 150 + "b", "a/" * 500 + "c")
    assert time.process_time() - start < 2


@given(st.lists(st.sampled_from(["a", "b", "ab"]), min_size=1, max_size=5))
def test_a_path_matches_itself_and_everything(parts: list[str]) -> None:
    path = "/".join(parts)
    assert matches(path, path)
    assert matches("**", path)
    assert matches("/".join("*" for _ in parts), path)
