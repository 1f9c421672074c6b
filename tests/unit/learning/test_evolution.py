"""Evolution: weak domains, candidates on trial, repairs."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway import Conflict, InvalidInput, NotFound
from headway.events.event import Event
from headway.learning.cycle import Evolution, pitfalls_for
from headway.learning.distill import DeterministicDistiller, Improvement
from headway.learning.evolution import (
    candidate_of,
    domain_records,
    domains_needing_evolution,
    promoted,
    repaired,
    verdict,
    wilson_lower_bound,
)
from headway.learning.skill import DistilledSkill
from headway.learning.skill_store import SkillStore
from headway.testing import VirtualClock

CODE = json.dumps({"actions": [{"tool": "fetch"}]})
PITFALL = DistilledSkill(
    name="pitfall-fetch", source="failure", code=json.dumps({"tool": "fetch", "error_class": "XError"}), success_count=1
)


def skill(name: str, good: int = 0, bad: int = 0, **fields: Any) -> DistilledSkill:
    return DistilledSkill(**{"name": name, "success_count": good, "failure_count": bad, "code": CODE, **fields})


def store(*skills: DistilledSkill) -> SkillStore:
    made = SkillStore(clock=VirtualClock())
    for one in skills:
        made.put(one)
    return made


def known(skills: SkillStore, name: str) -> DistilledSkill:
    found = skills.get(name)
    assert found is not None
    return found


# -- arithmetic ------------------------------------------------------------------------------------------------------


def test_wilson() -> None:
    assert wilson_lower_bound(0, 0) == 0.0
    assert wilson_lower_bound(8, 10) == pytest.approx(0.4901625)
    assert wilson_lower_bound(10, 10) == pytest.approx(0.7224672)
    assert wilson_lower_bound(0, 10) == pytest.approx(0, abs=1e-12)
    assert wilson_lower_bound(8, 10, z=0) == pytest.approx(0.8)


@given(st.integers(0, 2**53), st.integers(0, 2**53))
def test_wilson_is_a_lower_bound(one: int, two: int) -> None:
    good, trials = min(one, two), max(one, two)
    bound = wilson_lower_bound(good, trials)
    assert 0 <= bound <= (good / trials if trials else 0) + 1e-9


@pytest.mark.parametrize("numbers", [(2, 1), (-1, 1), (1, 1.5), (1, 2**60), (1, 1, float("nan")), (1, 1, -1), ("1", 1)])
def test_numbers_that_are_none_are_refused(numbers: tuple[Any, ...]) -> None:
    with pytest.raises(InvalidInput):
        wilson_lower_bound(*numbers)


def test_domains_are_weighed_by_their_incumbents() -> None:
    skills = [
        skill("a", 1, 3, domain="weak"),
        skill("b", 1, 1, domain="weak"),
        skill("c", 9, 1, domain="strong"),
        skill("d", 0, 2, domain="young"),
        skill("c@cand", 0, 9, domain="strong"),
        skill("e", 0, 9, domain="strong", source="failure"),
        skill("f", 0, 9, domain="strong", deprecated=True),
    ]
    assert [(r.domain, r.successes, r.trials) for r in domain_records(skills)] == [
        ("young", 0, 2),
        ("weak", 2, 6),
        ("strong", 9, 10),
    ]
    assert [r.domain for r in domains_needing_evolution(skills)] == ["weak"]
    assert [r.domain for r in domains_needing_evolution(skills, 0.95, min_trials=1)] == ["young", "weak", "strong"]
    assert [r.domain for r in store(*skills).domains_needing_evolution(threshold=0.3)] == []
    assert domain_records([skill("z")])[0].rate == 0.5


@pytest.mark.parametrize(
    "options", [{"threshold": 2}, {"threshold": float("nan")}, {"min_trials": 0}, {"threshold": "x"}]
)
def test_options_that_are_none_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        domains_needing_evolution([], **options)


@pytest.mark.parametrize(
    ("incumbent", "candidate", "found"),
    [
        ((10, 10), (4, 0), "wait"),  # too few trials
        ((10, 10), (5, 0), "promote"),  # 0.57 beats 0.30
        ((10, 0), (5, 0), "wait"),  # 0.57 does not beat 0.72
        ((10, 10), (3, 2), "wait"),
        ((99, 1), (18, 2), "drop"),  # had its chance
        ((10, 10), (0, 3), "drop"),  # degraded
    ],
)
def test_the_verdict(incumbent: tuple[int, int], candidate: tuple[int, int], found: str) -> None:
    assert verdict(skill("a", *incumbent), skill("a@cand", *candidate)) == found


def test_what_a_candidate_a_promoted_and_a_repaired_skill_are() -> None:
    base = skill("a", 1, 3, domain="web", revision=2, repairs=1, weighed_at=3, trigger="t")
    improved = skill("whatever", 9, 9, code="{}", description="better", domain="other", source="failure")
    candidate = candidate_of(base, improved, 7)
    assert (candidate.name, candidate.domain, candidate.source, candidate.trigger) == ("a@cand", "web", "success", "t")
    assert (candidate.trials, candidate.revision, candidate.created_ms, candidate.code) == (0, 3, 7, "{}")
    winner = promoted(base, msgspec.structs.replace(candidate, success_count=5))
    assert (winner.name, winner.success_count, winner.revision, winner.repairs) == ("a", 5, 3, 0)
    mended = repaired(base, improved, 7)
    assert (mended.name, mended.domain, mended.source, mended.code) == ("a", "web", "success", "{}")
    assert (mended.trials, mended.revision, mended.repairs, mended.description) == (0, 3, 2, "better")


# -- the store's part ------------------------------------------------------------------------------------------------


def test_a_candidate_is_tried_in_turn_and_takes_the_place() -> None:
    skills = store(skill("a", 2, 2))
    assert skills.select("a").name == "a"
    assert skills.add_candidate("a", skill("x", description="better")).name == "a@cand"
    for base in ("a", "a@cand"):
        with pytest.raises(Conflict, match="a candidate for a is on trial already"):
            skills.add_candidate(base, skill("x"))
    assert known(skills, "a@cand").description == "better"
    turns = []
    for _ in range(10):
        turn = skills.select("a").name
        turns.append(turn)
        skills.credit(turn, succeeded=turn == "a@cand")
    assert turns == ["a@cand", "a"] * 5
    assert skills.judge("a") == "promote"
    assert (known(skills, "a").description, known(skills, "a").success_count, len(skills)) == ("better", 5, 1)


def test_a_candidate_that_loses_is_gone() -> None:
    skills = store(skill("a", 9), skill("a@cand", 0, 3))
    assert skills.judge("a") == "drop"
    assert [one.name for one in skills] == ["a"]
    assert known(skills, "a").success_count == 9


def test_repair_and_deprecation() -> None:
    skills = store(skill("a", 0, 3), skill("b", 3, 0), skill("c@cand", 0, 3))
    assert [one.name for one in skills.degraded()] == ["a"]
    assert skills.repair("a", skill("x", code="{}")).repairs == 1
    assert known(skills, "a").code == "{}"
    assert skills.degraded() == []
    with pytest.raises(Conflict, match="not degraded"):
        skills.repair("b", skill("x"))
    assert skills.deprecate("b").deprecated
    assert skills.find() == [known(skills, "a")]


def test_what_was_given_up_starts_anew_when_it_holds_again() -> None:
    skills = store(skill("a", 1, 9, deprecated=True))
    assert skills.record(skill("a"))
    assert (known(skills, "a").success_count, known(skills, "a").failure_count) == (1, 0)
    assert not known(skills, "a").deprecated


@pytest.mark.parametrize("method", ["select", "judge", "deprecate", "weighed", "export"])
@pytest.mark.parametrize("name", ["nope", "\x1b[31m", None, ["x"]])
def test_a_skill_that_is_not_there_is_not_found(method: str, name: Any) -> None:
    with pytest.raises((NotFound, InvalidInput)):
        getattr(store(), method)(name)


def test_no_candidate_without_an_incumbent() -> None:
    with pytest.raises(NotFound):
        store().add_candidate("a", skill("x"))
    with pytest.raises(NotFound):
        store(skill("a")).judge("a")


# -- the cycle -------------------------------------------------------------------------------------------------------


async def cycle(skills: SkillStore, distiller: Any = None, **options: Any) -> list[tuple[str, dict[str, Any]]]:
    told: list[Event] = []
    await Evolution(**options).run(skills, distiller or DeterministicDistiller(), told)
    return [(event.kind, event.data) for event in told]


async def test_a_weak_domain_gets_a_candidate() -> None:
    skills = store(skill("a", 1, 3, domain="web"), PITFALL)
    assert await cycle(skills) == [
        ("evolution_triggered", {"domain": "web", "rate": 0.25, "trials": 4, "threshold": 0.6}),
        ("skill_evolved", {"skill": "a@cand", "domain": "web", "how": "candidate", "revision": 2, "base": "a"}),
    ]
    assert known(skills, "a").weighed_at == 4
    assert "guards" in known(skills, "a@cand").code
    assert await cycle(skills) == []


async def test_a_skill_that_nobody_can_better_is_weighed_again_after_new_trials() -> None:
    asked: list[str] = []

    class Nobody(DeterministicDistiller):
        async def improve(self, skill: DistilledSkill, pitfalls: Any) -> Improvement:
            asked.append(skill.name)
            return Improvement(None)

    skills = store(skill("a", 1, 3))
    for _ in range(3):
        assert await cycle(skills, Nobody()) == []
    assert asked == ["a"]
    for succeeded in (True, True, False):
        skills.credit("a", succeeded=succeeded)
    await cycle(skills, Nobody())
    assert asked == ["a", "a"]


async def test_candidates_are_judged() -> None:
    skills = store(skill("a", 5, 5), skill("a@cand", 5, 0, revision=2), skill("b", 9), skill("b@cand", 0, 3))
    skills.put(skill("c@cand"))
    assert await cycle(skills) == [
        ("skill_evolved", {"skill": "a", "domain": "general", "how": "promoted", "revision": 2}),
        (
            "skill_deprecated",
            {"skill": "b@cand", "domain": "general", "reason": "lost its trials: 3 failures, 0 successes"},
        ),
    ]
    assert [one.name for one in skills] == ["a", "b"]


async def test_degraded_skills_are_repaired_and_at_last_given_up() -> None:
    skills = store(skill("a", 0, 3), PITFALL)
    assert await cycle(skills) == [
        ("skill_evolved", {"skill": "a", "domain": "general", "how": "repaired", "revision": 2})
    ]
    for _ in range(3):
        skills.credit("a", succeeded=False)
    assert await cycle(skills) == [
        ("skill_deprecated", {"skill": "a", "domain": "general", "reason": "degraded: 3 failures, 0 successes"})
    ]
    assert known(skills, "a").deprecated
    assert await cycle(skills) == []


async def test_repairs_are_bounded() -> None:
    skills = store(skill("a", 0, 3, repairs=3), PITFALL)
    assert [kind for kind, _ in await cycle(skills)] == ["skill_deprecated"]
    skills = store(skill("a", 0, 3, repairs=3), PITFALL)
    assert [kind for kind, _ in await cycle(skills, max_repairs=4)] == ["skill_evolved"]


async def test_a_pitfall_that_holds_no_more_is_given_up() -> None:
    skills = store(msgspec.structs.replace(PITFALL, failure_count=4))
    assert [(kind, data["skill"]) for kind, data in await cycle(skills)] == [("skill_deprecated", "pitfall-fetch")]
    assert pitfalls_for(skills, skill("a")) == []


async def test_so_many_at_once() -> None:
    skills = store(*(skill(f"s{n}", 0, 3) for n in range(5)), skill("w", 1, 3), PITFALL)
    assert len(await cycle(skills, most_at_once=2)) == 2
    assert len(skills.degraded()) == 3


async def test_what_went_on_meanwhile_is_not_overwritten() -> None:
    class Slow(DeterministicDistiller):
        async def improve(self, skill: DistilledSkill, pitfalls: Any) -> Improvement:
            for _ in range(9):
                skills.credit(skill.name, succeeded=True)
            return await super().improve(skill, pitfalls)

    skills = store(skill("a", 0, 3), PITFALL)
    assert await cycle(skills, Slow()) == []
    assert known(skills, "a").success_count == 9


@pytest.mark.parametrize(
    "options",
    [
        {"threshold": -1},
        {"min_trials": 0},
        {"min_trial_samples": 0},
        {"max_repairs": -1},
        {"most_at_once": "x"},
    ],
)
def test_settings_that_are_none_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        Evolution(**options)
