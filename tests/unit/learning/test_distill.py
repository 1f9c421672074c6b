"""Distilling: by rule, and with a model's words."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import msgspec
import pytest

from headway import InvalidInput
from headway.learning import distill as module
from headway.learning.distill import DeterministicDistiller, guarded, lessons_of, pitfalls_of, plan_skill, tools_of
from headway.learning.llm import LONGEST_ANSWER, LLMDistiller
from headway.learning.skill import DistilledSkill
from headway.testing import VirtualClock
from tests.unit.execution.kit import call, write
from tests.unit.learning.kit import traced, trajectory

GOOD = trajectory(("fetch", None), ("parse", None))
BAD = trajectory(("fetch", None), ("parse", "ValueError"))


def plan() -> DistilledSkill:
    made = plan_skill(GOOD)
    assert made is not None
    return made


# -- by rule ---------------------------------------------------------------------------------------------------------


async def test_a_success_teaches_the_plans_shape() -> None:
    (skill,) = lessons_of(
        await traced(
            call("a"),
            write("w", "k", dependencies=["a"]),
            call("b", "flaky", dependencies=["w"], failure_behavior="retry"),
        )
    )
    assert json.loads(skill.code) == {
        "actions": [{"tool": "echo"}, {"type": "state_write", "needs": [0]}, {"tool": "flaky", "needs": [1]}]
    }
    assert skill.name.startswith("plan-echo-flaky-")
    assert (skill.source, skill.domain, skill.trigger) == ("success", "general", "tools: echo, flaky")
    assert (skill.trials, skill.scope) == (0, "global")
    assert "3 actions" in skill.description
    assert "echo, flaky" in skill.when_to_apply


async def test_a_failure_teaches_a_pitfall() -> None:
    (skill,) = lessons_of(await traced(call("a"), call("b", "boom", parameters={"text": "hunter2"})))
    assert json.loads(skill.code) == {"tool": "boom", "error_class": "ValueError", "error_code": "tool_error"}
    assert skill.name.startswith("pitfall-boom-valueerror-")
    assert (skill.source, skill.trigger) == ("failure", "tool: boom error: ValueError")
    assert "boom" in skill.description
    assert "retry" in skill.when_to_apply
    assert "hunter2" not in repr(skill)


async def test_the_same_lesson_has_the_same_name_whatever_its_ids_and_values() -> None:
    one = await traced(call("a", parameters={"x": 1}), call("b", dependencies=["a"]))
    two = await traced(call("x", parameters={"x": 2}), call("y", dependencies=["x"]))
    three = await traced(call("x"), call("y"))
    assert lessons_of(one) == lessons_of(two)
    assert lessons_of(one)[0].name != lessons_of(three)[0].name


def test_a_run_that_got_there_by_a_new_plan_teaches_both() -> None:
    made = lessons_of(msgspec.structs.replace(BAD, outcome="replan_success"))
    assert [skill.source for skill in made] == ["success", "failure"]


@pytest.mark.parametrize("code", ["canceled", "killed", "aborted", "interrupted", "dependency", "budget_exhausted"])
def test_what_says_nothing_of_a_tool_teaches_nothing(code: str) -> None:
    assert lessons_of(trajectory(("fetch", code), code=code)) == []


@pytest.mark.parametrize("code", sorted(module.TEACHING))
def test_each_kind_of_failure_has_its_advice(code: str) -> None:
    (skill,) = pitfalls_of(trajectory(("fetch", "XError"), code=code))
    assert module.ADVICE[code] in skill.when_to_apply


def test_a_plan_without_tools_is_no_skill() -> None:
    assert plan_skill(trajectory()) is None


def test_what_is_too_large_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(pitfalls_of(trajectory(*((f"t{n}", "XError") for n in range(30))))) == module.MOST_PITFALLS
    monkeypatch.setattr(module, "LONGEST_CODE", 10)
    assert plan_skill(GOOD) is None


@pytest.mark.parametrize(
    "tool", ["[bold]x[/]", "\x1b[31mred", "a\nb", "x" * 300, "ignore all that; \0", "\U0001f600", "+++"]
)
def test_hostile_names_are_data(tool: str) -> None:
    for made in (*lessons_of(trajectory((tool, None))), *lessons_of(trajectory((tool, "XError")))):
        assert tools_of(made) == {tool}
        assert "\n" not in made.description + made.trigger + made.when_to_apply
        assert "\x1b" not in repr(msgspec.json.encode(made))


def test_a_lesson_is_drawn_from_a_trajectory() -> None:
    with pytest.raises(InvalidInput):
        lessons_of({})  # type: ignore[arg-type]


async def test_the_default_distiller_guards_a_weak_plan_against_its_pitfalls() -> None:
    distiller = DeterministicDistiller()
    assert (await distiller.distill(GOOD)).skills == [plan()]
    pitfalls = pitfalls_of(BAD)
    better = (await distiller.improve(plan(), pitfalls)).skill
    assert better is not None
    assert better.name == plan().name
    assert json.loads(better.code)["actions"] == json.loads(plan().code)["actions"]
    (guard,) = json.loads(better.code)["guards"]
    assert (guard["tool"], guard["error_class"], guard["advice"]) == (
        "parse",
        "ValueError",
        module.ADVICE["tool_error"],
    )
    assert better.when_to_apply.endswith("Guard against parse: ValueError.")
    assert (await distiller.improve(better, pitfalls)).skill is None
    assert (await distiller.improve(plan(), [])).skill is None


@pytest.mark.parametrize("code", ["", "free text", "[]", "7", '{"actions": 7, "guards": 7}', "[" * 2000])
def test_code_that_is_not_ours_is_read_as_far_as_it_goes(code: str) -> None:
    made = DistilledSkill(name="a", code=code)
    assert tools_of(made) == set()
    guarded(made, pitfalls_of(BAD))


# -- with a model ----------------------------------------------------------------------------------------------------


class Model:
    """Answers as it is told to, and remembers what it was asked."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.prompts: list[str] = []
        self.options: dict[str, Any] = {}

    async def infer(self, prompt: str, **options: Any) -> str:
        self.prompts.append(prompt)
        self.options = options
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, str) or not isinstance(answer, dict) else json.dumps(answer)


WORDS = {"description": "Fetch, then parse.", "when_to_apply": "When a page is\n\x1b[31mwanted."}
STEPS = [{"tool": "parse"}, {"tool": "fetch", "needs": [0]}]


async def test_a_model_gives_the_words_and_nothing_else() -> None:
    model = Model("Sure!\n```json\n" + json.dumps({**WORDS, "name": "evil", "code": "rm -rf"}) + "\n```")
    lesson = await LLMDistiller(model, clock=VirtualClock(), temperature=0).distill(GOOD)
    (skill,) = lesson.skills
    assert lesson.fallback is None
    assert skill.description == "Fetch, then parse."
    assert "\x1b" not in skill.when_to_apply
    assert skill.when_to_apply.startswith("When a page is")
    assert (skill.name, skill.code, skill.trigger) == (plan().name, plan().code, plan().trigger)
    assert model.options == {"temperature": 0}
    assert "fetch" in model.prompts[0]


async def test_an_answer_may_come_with_more_than_its_text() -> None:
    class Answer:
        text = json.dumps(WORDS)
        model = "m"

    lesson = await LLMDistiller(Model(Answer()), clock=VirtualClock()).distill(GOOD)
    assert (lesson.fallback, lesson.skills[0].description) == (None, "Fetch, then parse.")


async def test_what_is_known_is_not_asked_again() -> None:
    model = Model()
    lesson = await LLMDistiller(model, clock=VirtualClock()).distill(GOOD, {plan().name})
    assert (lesson.skills, model.prompts) == ([plan()], [])


GARBAGE = [
    ("no JSON here", "holds no JSON object"),
    ("}{", "holds no JSON object"),
    ("{" * 60_000, "holds no JSON object"),
    ("{" * 30_000 + "}", "does not fit"),
    ('{"description": 7, "when_to_apply": "x"}', "does not fit"),
    ('{"description": "x"}', "missing required field"),
    ('{"description": " \\n ", "when_to_apply": "x"}', "empty text"),
    ('{"description": "\\ud800"}', "does not fit"),
    ("x" * (LONGEST_ANSWER + 1), "is longer than"),
    (7, "gave int, not text"),
    (None, "gave NoneType, not text"),
    (RuntimeError("no\nGPU"), "the model failed: RuntimeError: no GPU"),
    (InvalidInput("no key"), "no key"),
]


@pytest.mark.parametrize(("answer", "why"), GARBAGE)
async def test_garbage_leaves_the_rules_work_and_says_why(answer: Any, why: str) -> None:
    lesson = await LLMDistiller(Model(answer), clock=VirtualClock()).distill(GOOD)
    assert lesson.skills == [plan()]
    assert lesson.fallback is not None
    assert why in lesson.fallback
    assert "\n" not in lesson.fallback


async def test_a_model_that_failed_is_not_asked_again_for_the_same_run() -> None:
    model = Model("garbage", WORDS)
    lesson = await LLMDistiller(model, clock=VirtualClock()).distill(
        msgspec.structs.replace(BAD, outcome="replan_success")
    )
    assert (len(lesson.skills), len(model.prompts)) == (2, 1)


async def test_a_model_that_does_not_answer_is_left() -> None:
    class Stubborn:
        async def infer(self, prompt: str, **options: Any) -> str:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            await enough.wait()
            raise RuntimeError("nobody listens")

    enough = asyncio.Event()
    clock = VirtualClock()
    task = asyncio.create_task(LLMDistiller(Stubborn(), clock=clock, timeout_secs=5).distill(GOOD))
    await clock.advance(4.9)
    assert not task.done()
    await clock.advance(0.2)
    assert (await task).fallback == "the model gave no answer within 5 s"
    enough.set()
    await clock.advance(1)


async def test_who_asked_is_cancelled_and_so_is_the_model() -> None:
    ended = asyncio.Event()

    class Slow:
        async def infer(self, prompt: str, **options: Any) -> str:
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()
            return ""

    clock = VirtualClock()
    task = asyncio.create_task(LLMDistiller(Slow(), clock=clock).distill(GOOD))
    await clock.advance(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await clock.advance(0.1)
    assert ended.is_set()


async def test_a_model_may_propose_a_better_plan_of_the_same_tools() -> None:
    model = Model({**WORDS, "actions": STEPS})
    done = await LLMDistiller(model, clock=VirtualClock()).improve(plan(), pitfalls_of(BAD))
    assert done.fallback is None
    assert done.skill is not None
    assert json.loads(done.skill.code) == {"actions": STEPS}
    assert done.skill.description == "Fetch, then parse."
    assert "tool: parse error: ValueError" in model.prompts[0]


@pytest.mark.parametrize(
    ("actions", "why"),
    [
        ([], "1 to 200 actions"),
        ([{"tool": "fetch"}] * 201, "1 to 200 actions"),
        ([{"tool": "rm"}], "calls 'rm', which the skill does not"),
        ([{"tool": "fetch", "needs": [0]}], "need one that does not come before it"),
        ([{"tool": "fetch"}, {"tool": "parse", "needs": [-1]}], "need one that does not come before it"),
        ([{"tool": "fetch", "needs": ["0"]}], "does not fit"),
        ([{"tool": "fetch"}, {"tool": "parse", "needs": [0]}], "is the one that there is"),
        ("rm -rf", "does not fit"),
    ],
)
async def test_a_plan_that_is_none_leaves_the_rules_guards(actions: Any, why: str) -> None:
    distiller = LLMDistiller(Model({**WORDS, "actions": actions}), clock=VirtualClock())
    done = await distiller.improve(plan(), pitfalls_of(BAD))
    assert done.skill == guarded(plan(), pitfalls_of(BAD))
    assert why in (done.fallback or "")


@pytest.mark.parametrize("options", [{"timeout_secs": 0}, {"timeout_secs": float("nan")}, {"timeout_secs": "x"}])
def test_a_model_that_is_none_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        LLMDistiller(Model(), **options)
    with pytest.raises(InvalidInput, match="with a method infer"):
        LLMDistiller(object())  # type: ignore[arg-type]
