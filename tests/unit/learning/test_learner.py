"""The learner: what a runtime holds to learn from its runs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from headway import InvalidInput
from headway.events import kinds
from headway.events.event import Event
from headway.events.fold import fold
from headway.events.log import EventLog
from headway.events.views import BudgetView, JobRow, JobsView, LimitsView, RunView, StateView
from headway.learning import learner as module
from headway.learning.cycle import Evolution
from headway.learning.distill import DeterministicDistiller, Improvement, Lesson, plan_skill
from headway.learning.learner import Learner
from headway.learning.memory import Memgine
from headway.learning.skill import DistilledSkill
from headway.learning.trajectory import Trajectory, trajectory_of
from headway.learning.trajectory_store import TrajectoryStore
from headway.testing import VirtualClock
from tests.unit.execution.kit import call
from tests.unit.learning.kit import ran

GOOD = [call("a"), call("b", dependencies=["a"])]
FAILS = [call("a"), call("b", "boom", dependencies=["a"])]


def memory() -> Memgine:
    return Memgine(clock=VirtualClock())


def known(memgine: Memgine, prefix: str) -> DistilledSkill:
    (found,) = (skill for skill in memgine.skills if skill.name.startswith(prefix))
    return found


async def learn(learner: Learner, *actions: dict[str, Any], **fields: Any) -> list[Event]:
    return await learner.after_run(*await ran(*actions, **fields))


def told(events: list[Event]) -> list[str]:
    return [event.kind for event in events]


async def test_a_success_is_distilled_once_and_counted_each_time() -> None:
    learner = Learner().with_memgine(memgine := memory())
    (event,) = await learn(learner, *GOOD, source="planner")
    skill = known(memgine, "plan-echo")
    assert event.kind == kinds.SKILL_DISTILLED
    assert event.job_id is None
    job = event.data.pop("job_id")
    assert event.data == {"skill": skill.name, "source": "success", "domain": "planner", "scope": "global"}
    assert job
    assert await learn(learner, *GOOD, source="planner") == []
    assert (known(memgine, "plan-echo").success_count, len(memgine.skills)) == (2, 1)


async def test_a_failure_is_a_pitfall_until_its_tool_does_well() -> None:
    learner = Learner(memgine=(memgine := memory()))
    assert told(await learn(learner, *FAILS)) == [kinds.SKILL_DISTILLED]
    assert told(await learn(learner, *FAILS)) == []
    pitfall = known(memgine, "pitfall-boom")
    assert (pitfall.success_count, pitfall.failure_count, pitfall.source) == (2, 0, "failure")
    view, events = await ran(*GOOD)
    view.actions[0].tool = "boom"  # the tool that used to fail
    await learner.after_run(view, events)
    assert known(memgine, "pitfall-boom").failure_count == 1


async def test_a_cached_result_says_nothing_of_a_pitfall() -> None:
    learner = Learner(memgine=(memgine := memory()))
    await learn(learner, *FAILS)
    view, events = await ran(*GOOD)
    view.actions[0].tool = "boom"
    reused = Event(kinds.ACTION_DEDUPLICATED, {"source": "cache"}, view.job.job_id, view.actions[0].id)
    at = next(i for i, event in enumerate(events) if event.kind == kinds.ACTION_SUCCEEDED)
    executed = [e for e in events[:at] if not (e.kind == kinds.ACTION_EXECUTING and e.action_id == view.actions[0].id)]
    await learner.after_run(view, [*executed, reused, *events[at:]])
    assert known(memgine, "pitfall-boom").failure_count == 0


async def test_the_plan_that_fails_later_loses_trust_is_repaired_and_given_up() -> None:
    learner = Learner(memgine=(memgine := memory()))
    bad = trajectory_of(*await ran(call("a", "boom")))
    plan = plan_skill(bad)
    assert plan is not None
    memgine.skills.put(plan)
    events: list[str] = []
    for _ in range(6):
        events += told(await learn(learner, call("a", "boom")))
    assert events == [kinds.SKILL_DISTILLED, kinds.SKILL_EVOLVED, kinds.SKILL_DEPRECATED]
    assert memgine.skills.find(source="success") == []


async def test_a_weak_domain_evolves_and_the_better_skill_wins() -> None:
    learner = Learner(memgine=(memgine := memory()), evolution=Evolution(min_trial_samples=3))
    (event,) = await learn(learner, *GOOD)
    name = event.data["skill"]
    memgine.skills.put(msgspec.structs.replace(known(memgine, "plan-echo"), success_count=1, failure_count=2))
    memgine.skills.put(
        DistilledSkill(
            name="pitfall-echo", source="failure", code='{"tool":"echo","error_class":"XError"}', success_count=99
        )
    )
    assert told(await learn(learner, call("z"))) == [
        kinds.SKILL_DISTILLED,
        kinds.EVOLUTION_TRIGGERED,
        kinds.SKILL_EVOLVED,
    ]
    events: list[Event] = []
    for _ in range(3):
        events += await learn(learner, *GOOD, context={"skill": f"{name}@cand"})
    assert [(event.kind, event.data["how"]) for event in events] == [(kinds.SKILL_EVOLVED, "promoted")]
    winner = memgine.skills.get(name)
    assert winner is not None
    assert "guards" in winner.code
    assert (winner.success_count, winner.failure_count) == (3, 0)


async def test_the_skill_that_a_run_follows_is_credited() -> None:
    learner = Learner(memgine=(memgine := memory()))
    memgine.skills.put(DistilledSkill(name="mine", success_count=9))
    await learn(learner, *GOOD, context={"skill": "mine"})
    await learn(learner, *FAILS, context={"skill": "mine"})
    mine = memgine.skills.get("mine")
    assert mine is not None
    assert (mine.success_count, mine.failure_count) == (10, 1)
    assert [skill.name for skill in memgine.skills if skill.source == "success"] == ["mine"]


async def test_a_cancelled_run_says_nothing_against_its_plan() -> None:
    learner = Learner(memgine=(memgine := memory()))
    await learn(learner, *GOOD)
    view, events = await ran(*GOOD)
    view.job.job_id = "other"
    view.job.status = "cancelled"
    events = [msgspec.structs.replace(event, job_id="other") for event in events]
    events.insert(-1, Event(kinds.RUN_CANCEL_REQUESTED, {"reason": "x"}, "other"))
    assert await learner.after_run(view, events) == []
    assert known(memgine, "plan-echo").failure_count == 0


async def test_a_run_is_learned_from_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learner = Learner(memgine=(memgine := memory()), store=(store := TrajectoryStore(tmp_path)))
    run = await ran(*GOOD)
    await learner.after_run(*run)
    assert await learner.after_run(*run) == []
    assert (known(memgine, "plan-echo").success_count, len(list(store))) == (1, 1)
    monkeypatch.setattr(module, "MOST_REMEMBERED", 1)
    await learn(learner, *GOOD)
    await learner.after_run(*run)  # forgotten meanwhile: the bound is on what is remembered
    assert len(list(store)) == 3


async def test_trajectories_are_kept_without_a_memory(tmp_path: Path) -> None:
    learner = Learner().with_trajectory_store(store := TrajectoryStore(tmp_path))
    run, events = await ran(*FAILS)
    assert await learner.after_run(run, events) == []
    assert list(store) == [trajectory_of(run, events)]
    assert learner.feedback().tool_success_rates == {"echo": 1.0, "boom": 0.0}
    assert Learner().feedback().tool_success_rates == {}


async def test_nothing_is_distilled_unless_it_is_wanted(tmp_path: Path) -> None:
    store = TrajectoryStore(tmp_path)
    learner = Learner(store=store).with_learning(memgine := memory(), auto_distill=False)
    assert await learn(learner, *GOOD) == []
    assert (len(memgine.skills), len(list(store))) == (0, 1)
    learner.with_learning(memgine, True)
    assert told(await learn(learner, *GOOD)) == [kinds.SKILL_DISTILLED]
    assert (learner.memgine, learner.store) == (memgine, store)


async def test_facts_are_consolidated_after_so_many_runs() -> None:
    memgine = memory()
    memgine.add("a", "b", timestamp=5)
    memgine.add("a", "B.")
    learner = Learner(memgine=memgine, consolidate_every=2)
    await learn(learner, *GOOD)
    (event,) = await learn(learner, *GOOD)
    assert (event.kind, event.data) == (kinds.CONSOLIDATED, {"before": 2, "after": 1, "merged": 1, "dropped": 0})
    never = Learner(memgine=memgine, consolidate_every=0)
    assert kinds.CONSOLIDATED not in told(await learn(never, *GOOD))


# -- what goes wrong -------------------------------------------------------------------------------------------------


class Broken(DeterministicDistiller):
    async def distill(self, trajectory: Trajectory, known: Any = ()) -> Lesson:
        raise RuntimeError("bad\nday [b] of sk-0123456789abcdefghijklmn")

    async def improve(self, skill: DistilledSkill, pitfalls: Any) -> Improvement:
        raise ZeroDivisionError


async def test_a_distiller_that_fails_is_a_warning_and_the_rest_is_done(tmp_path: Path) -> None:
    memgine = memory()
    memgine.skills.put(DistilledSkill(name="weak", success_count=1, failure_count=3))
    learner = Learner(
        memgine=memgine, store=(store := TrajectoryStore(tmp_path)), distiller=Broken(), consolidate_every=1
    )
    events = await learn(learner, *GOOD)
    assert [(event.kind, event.data.get("step")) for event in events] == [
        (kinds.LEARNING_FAILED, "distill"),
        (kinds.LEARNING_FAILED, "evolve"),
        (kinds.CONSOLIDATED, None),
    ]
    assert events[0].data["error"] == "RuntimeError: bad day [b] of [redacted]"
    assert events[0].data["job_id"]
    assert len(list(store)) == 1


async def test_a_store_that_fails_is_a_warning_and_the_rest_is_done(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    learner = Learner(memgine=memory(), store=TrajectoryStore(tmp_path / "file"))
    events = await learn(learner, *GOOD)
    assert told(events) == [kinds.LEARNING_FAILED, kinds.SKILL_DISTILLED]
    assert events[0].data["step"] == "store"


@pytest.mark.parametrize("run", [None, {}, RunView(JobRow("unfinished"))])
async def test_a_run_that_is_none_is_a_warning(run: Any) -> None:
    (event,) = await Learner(memgine=memory()).after_run(run, [])
    assert (event.kind, event.data["step"]) == (kinds.LEARNING_FAILED, "trajectory")


async def test_a_model_that_is_no_use_is_told_of() -> None:
    class Fallback(DeterministicDistiller):
        async def distill(self, trajectory: Trajectory, known: Any = ()) -> Lesson:
            return msgspec.structs.replace(await super().distill(trajectory), fallback="no model")

    (event,) = await learn(Learner(memgine=memory(), distiller=Fallback()), *GOOD)
    assert event.data["fallback"] == "no model"


async def test_runs_that_end_at_once_evolve_once() -> None:
    asked: list[str] = []
    gate = asyncio.Event()

    class Slow(DeterministicDistiller):
        async def improve(self, skill: DistilledSkill, pitfalls: Any) -> Improvement:
            asked.append(skill.name)
            await gate.wait()
            return Improvement(None)

    memgine = memory()
    memgine.skills.put(DistilledSkill(name="bad", failure_count=3))
    learner = Learner(memgine=memgine, distiller=Slow())
    runs = [await ran(*GOOD), await ran(*GOOD)]
    tasks = [asyncio.create_task(learner.after_run(*run)) for run in runs]
    for _ in range(10):
        await asyncio.sleep(0)
    assert asked == ["bad"]
    gate.set()
    events = [event for found in await asyncio.gather(*tasks) for event in found]
    assert told(events).count(kinds.SKILL_DEPRECATED) == 1
    assert known(memgine, "plan-echo").success_count == 2


@pytest.mark.parametrize(
    "options",
    [
        {"memgine": {}},
        {"store": "folder"},
        {"distiller": object()},
        {"evolution": {}},
        {"consolidate_every": -1},
        {"memgine": Memgine(), "auto_distill": "yes"},
    ],
)
def test_parts_that_are_none_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        Learner(**options)


# -- its events ------------------------------------------------------------------------------------------------------


async def test_its_events_go_to_the_log_and_no_view_is_made_of_them() -> None:
    log = EventLog(clock=VirtualClock())
    learner = Learner(memgine=memory(), consolidate_every=1)
    events = await learn(learner, *FAILS)
    await log.write(*events)
    assert [event.ts for event in await log.read()] == [1_700_000_000_000] * len(events)
    every = [Event(kind, {"job_id": "j"}, seq=n) for n, kind in enumerate(sorted(kinds.LEARNING), 1)]
    for view in (RunView(JobRow("j")), JobsView(), LimitsView(), BudgetView(), StateView("s")):
        before = msgspec.to_builtins(view)
        for event in every:
            view = fold(view, event)  # type: ignore[type-var]
        after = msgspec.to_builtins(view)
        assert {**after, "last_seq": 0} == {**before, "last_seq": 0}


async def test_one_history_teaches_one_thing() -> None:
    """The same runs give the same skills: nothing is drawn, and no clock but ours is read."""
    histories = []
    for _ in range(2):
        learner = Learner(memgine=(memgine := memory()))
        for n in range(12):
            await learn(learner, *(FAILS if n % 3 else GOOD), source="planner")
        histories.append(list(memgine.skills))
    assert histories[0] == histories[1]
