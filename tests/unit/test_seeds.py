"""The seed of tests: the same for everybody until somebody asks for another, and told either way."""

import random
import re
from pathlib import Path

import pytest
from hypothesis import settings

from tests import seeds

TESTS = Path(__file__).parents[1]
# What draws from the machine, or from a generator that nobody has given a seed.
UNSEEDED = re.compile(
    r"SystemRandom|Random\(\)|(?<![.\w])random\.(random|randint|randrange|choices?|shuffle|sample|uniform|seed)\(|randbelow\("
)


def test_unasked_every_run_draws_the_same(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv(seeds.VARIABLE, raising=False)
    assert seeds.fixed()
    assert [seeds.chance().random() for _ in range(2)] == [random.Random(seeds.FIXED).random()] * 2
    assert capsys.readouterr().out == f"HEADWAY_SEED={seeds.FIXED}\n" * 2


def test_a_number_repeats_a_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv(seeds.VARIABLE, "7")
    assert not seeds.fixed()
    assert seeds.chance().random() == random.Random(7).random()
    assert capsys.readouterr().out == "HEADWAY_SEED=7\n"


def test_a_fresh_seed_is_drawn_once_and_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = set()
    for _ in range(4):
        monkeypatch.setenv(seeds.VARIABLE, "random")
        seeds.settle()
        assert seeds.number() == seeds.number()
        drawn.add(seeds.number())
    assert len(drawn) > 1


def test_what_is_neither_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(seeds.VARIABLE, "some")
    with pytest.raises(ValueError, match="some"):
        seeds.number()


def test_hypothesis_draws_by_the_same_rule() -> None:
    assert settings().derandomize == seeds.fixed()


def test_nothing_else_draws_a_seed() -> None:
    sources = [path for path in TESTS.rglob("*.py") if path not in (Path(__file__), Path(seeds.__file__))]
    found = [str(path.relative_to(TESTS)) for path in sources if UNSEEDED.search(path.read_text(encoding="utf-8"))]
    assert len(sources) > 100
    assert found == []
