"""The facade's inference and learning: models as tools, trajectories, skills."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import headway
from headway import Runtime
from headway.errors import InvalidInput
from headway.events import kinds
from headway.jobs.replan import ReplanContext
from headway.learning.distill import DeterministicDistiller
from headway.learning.memory import Memgine
from headway.learning.trajectory import Trajectory
from headway.learning.trajectory_store import TrajectoryStore
from headway.testing import ScriptedProvider
from tests.unit.execution.kit import call, events_of, runtime, write


async def test_inference_brings_its_three_tools_and_counts_tokens() -> None:
    made = Runtime(inference=ScriptedProvider("four"))
    made.set_cost_budget(headway.CostBudget(tokens=10_000))
    assert {"infer", "embed", "classify"} <= set(made.registry.names())
    result = await made.execute({"actions": [call("a", "infer", parameters={"prompt": "2 + 2?"})]})
    assert result["a"].output["text"] == "four"
    assert (await events_of(made, kinds.BUDGET_SETTLED))[-1].data["spent"]["tokens"] > 0


async def test_runs_leave_trajectories_and_skills(tmp_path: Path) -> None:
    store, memgine = TrajectoryStore(tmp_path), Memgine()
    made, _ = runtime()
    assert made.with_trajectory_store(store) is made
    assert made.with_memgine(memgine) is made
    await made.execute({"source": "me", "actions": [call("a"), call("b", dependencies=["a"])]})
    await made.execute({"source": "me", "actions": [call("f", "boom")]})
    assert [(t.outcome, t.action_count) for t in store] == [("success", 2), ("failed", 1)]
    assert await events_of(made, kinds.SKILL_DISTILLED)
    ranked = await made.plan_and_execute([{"actions": [call("a")]}], None, store.feedback())
    assert ranked.ok


@pytest.mark.parametrize("inference_first", [True, False])
async def test_with_a_provider_skills_are_put_into_its_words(inference_first: bool) -> None:
    words = {"description": "in the model's words", "when_to_apply": "always"}
    provider, memgine = ScriptedProvider(*[json.dumps(words)] * 5), Memgine()
    made, _ = runtime()
    if inference_first:
        made.with_inference(provider).with_memgine(memgine)
    else:
        made.with_memgine(memgine).with_inference(provider)
    await made.execute({"source": "me", "actions": [call("a"), call("b", dependencies=["a"])]})
    assert [skill.description for skill in memgine.skills] == ["in the model's words"]


async def test_a_distiller_of_ones_own_stays() -> None:
    asked: list[str] = []

    class Own(DeterministicDistiller):
        async def distill(self, trajectory: Trajectory, known: Any = ()) -> Any:
            asked.append(trajectory.job_id)
            return await super().distill(trajectory)

    made, _ = runtime()
    made.with_learning(Memgine(), True, distiller=Own()).with_inference(ScriptedProvider("x"))
    result = await made.execute({"actions": [call("a")]})
    assert asked == [result.job_id]
    with pytest.raises(InvalidInput, match="distill and improve"):
        made.with_learning(Memgine(), True, distiller=5)  # type: ignore[arg-type]


async def test_without_auto_distill_nothing_is_distilled(tmp_path: Path) -> None:
    made = Runtime(memgine=Memgine(), auto_distill=False, trajectory_store=TrajectoryStore(tmp_path))
    await made.execute({"actions": [write("w", "k")]})
    assert not await made.log.read(kinds=[kinds.SKILL_DISTILLED])
    assert len(list(TrajectoryStore(tmp_path))) == 1


async def test_a_replanned_run_is_one_story_for_the_learner(tmp_path: Path) -> None:
    store = TrajectoryStore(tmp_path)

    async def callback(_: ReplanContext) -> dict[str, Any]:
        return {"actions": [call("ok")]}

    made, _ = runtime(replan=callback, trajectory_store=store)
    assert (await made.execute({"actions": [call("f", "boom")]})).ok
    assert "replan_success" in [t.outcome for t in store]
