"""Trajectories: what a run did, from its events alone, without what it did it with."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import headway
from headway import CancellationToken, InvalidInput
from headway.events.event import Event
from headway.events.fold import fold_all
from headway.events.log import EventLog
from headway.events.views import JobRow, RunView
from headway.jobs.replan import ReplanConfig, ReplanContext
from headway.learning import trajectory as module
from headway.learning.digest import digest, error_class, label, size_of
from headway.learning.trajectory import Trajectory, trajectory_of
from headway.testing import VirtualClock
from tests.unit.events.builders import Log, put
from tests.unit.execution.kit import call, runtime, write
from tests.unit.learning.kit import ran, traced


async def test_a_run_that_succeeds() -> None:
    run, events = await ran(
        call("a", parameters={"x": "hunter2"}), write("b", "key", "secret", dependencies=["a"]), source="planner"
    )
    made = trajectory_of(run, events)
    assert (made.proposal_id, made.source, made.action_count) == (run.job.proposal_id, "planner", 2)
    assert (made.outcome, made.replan_attempts, made.succeeded, made.domain) == ("success", 0, True, "planner")
    assert (made.job_id, made.timestamp) == (run.job.job_id, "2023-11-14T22:13:20.000Z")
    assert made.duration_ms == 0.0
    assert made.plan == [
        {"id": "a", "type": "tool_call", "tool": "echo"},
        {"id": "b", "type": "state_write", "needs": [0]},
    ]
    executing, succeeded = (event for event in made.events if event.action_id == "a")
    assert (executing.kind, executing.tool, executing.attempt) == ("action_executing", "echo", 1)
    assert executing.data == {"parameters": digest({"x": "hunter2"})}
    assert (succeeded.kind, succeeded.reward) == ("action_succeeded", 1.0)
    assert succeeded.data == {"output": digest("hunter2"), "bytes": 9}
    assert [event.state_keys for event in made.events if event.action_id == "b"][-1] == ["key"]


async def test_neither_parameters_nor_outputs_nor_error_texts_are_in_it() -> None:
    made = await traced(
        call("a", parameters={"x": "hunter2"}, failure_behavior="skip"),
        write("w", "k", "hunter3", dependencies=["a"]),
        call("b", "boom", parameters={"text": "hunter4"}, dependencies=["w"]),
        context={"goal": "hunter5"},
    )
    assert b"hunter" not in msgspec.json.encode(made)
    failed = [event for event in made.events if event.kind == "action_failed"]
    assert [(e.tool, e.data["error_class"], e.data["error_code"], e.reward) for e in failed] == [
        ("boom", "ValueError", "tool_error", 0.0)
    ]
    assert (made.outcome, made.succeeded) == ("failed", False)


async def test_retries_and_times_are_told() -> None:
    made = await traced(call("a", "flaky", failure_behavior="retry"))
    assert [(event.kind, event.attempt) for event in made.events[1:]] == [
        ("action_executing", 1),
        ("action_retrying", 1),
        ("action_executing", 2),
        ("action_retrying", 2),
        ("action_executing", 3),
        ("action_succeeded", 3),
    ]
    assert made.events[-1].duration_ms == 0.0
    assert all(event.ts for event in made.events)


async def test_what_another_call_answered_is_told_as_such() -> None:
    again = {"idempotent": True, "parameters": {"x": 1}}
    made = await traced(call("a", **again), call("b", dependencies=["a"], **again), cached="echo")
    succeeded = [(e.action_id, e.attempt, e.data.get("reused")) for e in made.events if e.kind == "action_succeeded"]
    assert succeeded == [("a", 1, None), ("b", None, True)]


def test_a_call_that_a_resumed_run_makes_after_all_is_its_own() -> None:
    log = Log()
    log.created([[0]])
    log.add("action_deduplicated", "a0", source="cache")
    log.add("action_executing", "a0", attempt=1)
    log.add("action_succeeded", "a0", output=1, attempt=1)
    log.add("job_completed")
    assert "reused" not in trajectory_of(log.run(), log.events).events[-1].data


async def test_domain_and_skill_are_the_contexts_own() -> None:
    made = await traced(call("a"), context={"domain": "billing", "skill": "plan-echo@cand"})
    assert (made.domain, made.skill) == ("billing", "plan-echo@cand")
    odd = await traced(call("a"), context={"domain": "two words", "skill": ["x"]})
    assert (odd.domain, odd.skill) == ("general", None)


async def test_a_plan_that_admission_refuses_is_a_failure_without_a_shape() -> None:
    made = await traced(call("a", "no_such_tool"))
    assert (made.outcome, made.plan, made.action_count) == ("failed", [], 1)


async def test_a_cancelled_run_is_told_as_one() -> None:
    token = CancellationToken()
    token.cancel("enough")
    log = EventLog()
    result = await headway.Runtime(log=log).execute_with_cancel({"actions": [write("a", "k")]}, token)
    events = await log.read()
    made = trajectory_of(fold_all(RunView(JobRow(result.job_id)), events), events)
    assert made.outcome == "failed"
    assert "run_cancel_requested" in [event.kind for event in made.events]


async def test_a_run_of_a_new_plan_is_told_as_one() -> None:
    async def anew(context: ReplanContext) -> dict[str, Any]:
        return {"actions": [call("a", "boom" if context.attempt < 2 else "echo")]}

    log = EventLog(clock=VirtualClock())
    made, _ = runtime(log=log, clock=VirtualClock(autojump=True))
    made.set_replan_callback(anew)
    made.set_replan_config(ReplanConfig(max_replans=2))
    result = await made.execute({"actions": [call("a", "boom")]})
    events = await log.read()
    jobs = [event.job_id for event in events if event.kind == "job_created"]
    found = [trajectory_of(fold_all(RunView(JobRow(job or "")), events), events) for job in jobs]
    assert [(each.outcome, each.replan_attempts) for each in found] == [
        ("failed", 0),
        ("failed", 1),
        ("replan_success", 2),
    ]
    assert result.job_id == jobs[-1]
    told = [(event.kind, event.data) for event in found[1].events if event.kind.startswith("replan")]
    assert told == [("replan_attempted", {"attempt": 2}), ("replan_proposal_received", {"attempt": 2})]


async def test_a_run_after_which_no_new_plan_is_tried_is_told_as_one() -> None:
    log = EventLog(clock=VirtualClock())
    made, _ = runtime(log=log, clock=VirtualClock(autojump=True))
    made.set_replan_callback(lambda context: {"actions": [call("a", "boom")]})
    made.set_replan_config(ReplanConfig(max_replans=1))
    result = await made.execute({"actions": [call("a", "boom")]})
    events = await log.read()
    last = trajectory_of(fold_all(RunView(JobRow(result.job_id)), events), events)
    assert (last.outcome, last.replan_attempts) == ("replan_exhausted", 1)


def test_other_jobs_and_unknown_kinds_are_not_looked_at() -> None:
    log = Log()
    log.created([[0]])
    log.add("action_succeeded", "a0", output=1, job_id="other")
    log.add("from_the_future", "a0", output="x")
    log.add("action_progress", "a0", message="secret")
    log.add("job_completed")
    assert [event.kind for event in trajectory_of(log.run(), log.events).events] == ["job_created"]


def test_rolled_back_keys_and_an_exhausted_budget_are_told() -> None:
    log = Log()
    log.created([[0]])
    log.add("action_succeeded", "a0", output=1, state_changes=put(k=1))
    log.add("budget_exhausted", dimension="tool_calls", limit=1, spent=1)
    log.add("state_rollback", restored={"k": {"op": "delete"}}, rolled_back=["a0"])
    log.add("job_failed", error="x")
    events = trajectory_of(log.run(), log.events).events
    assert [(e.kind, e.state_keys) for e in events if e.state_keys] == [
        ("action_succeeded", ["k"]),
        ("state_rollback", ["k"]),
    ]
    assert events[2].data == {"dimension": "tool_calls", "limit": 1}


def test_a_long_run_keeps_its_plan_and_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_EVENTS", 4)
    monkeypatch.setattr(module, "MOST_ACTIONS", 1)
    log = Log()
    log.created([[0]])
    for attempt in range(1, 11):
        log.add("action_executing", "a0", attempt=attempt)
    log.add("job_completed")
    made = trajectory_of(log.run(), log.events)
    assert [event.attempt for event in made.events] == [None, 8, 9, 10]
    assert (made.dropped_events, len(made.plan)) == (7, 1)
    monkeypatch.setattr(module, "MOST_ACTIONS", 0)
    assert trajectory_of(log.run(), log.events).plan == []


def test_a_run_that_goes_on_has_none_yet() -> None:
    log = Log()
    log.created()
    with pytest.raises(InvalidInput, match="run job has not finished"):
        trajectory_of(log.run(), log.events)
    with pytest.raises(InvalidInput, match="made from a RunView, not dict"):
        trajectory_of({}, [])  # type: ignore[arg-type]


@pytest.mark.parametrize("field", ["outcome", "action_count", "replan_attempts"])
def test_a_trajectory_that_cannot_be_is_refused(field: str) -> None:
    fields: dict[str, Any] = {
        "proposal_id": "p",
        "source": "s",
        "action_count": 0,
        "events": [],
        "outcome": "success",
        "timestamp": "",
        "duration_ms": 0.0,
    }
    assert Trajectory(**fields).plan == []
    with pytest.raises(InvalidInput):
        Trajectory(**{**fields, field: -1})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=20), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(["output", "error", "error_code", "state_changes", "restored", "duration_ms", "dimension"])
TOLD = st.tuples(st.sampled_from(sorted(module._TOLD)), st.dictionaries(FIELDS, JSON, max_size=5))


@given(st.lists(TOLD, max_size=6))
def test_events_of_any_shape_make_a_trajectory(told: list[tuple[str, dict[str, Any]]]) -> None:
    log = Log()
    log.created([[0]])
    events = [*log.events, *(Event(kind, data, "job", "a0") for kind, data in told)]
    log.add("job_completed")
    made = trajectory_of(log.run(), events)
    assert msgspec.json.decode(msgspec.json.encode(made), type=Trajectory).outcome in module.OUTCOMES


def test_digests_are_of_values_not_of_their_order() -> None:
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1}) != digest({"a": 1, "b": [3]})
    assert len(digest(None)) == 16
    assert digest(object()) == digest(object())
    assert (size_of([1, 2]), size_of(object())) == (5, 0)


@pytest.mark.parametrize(
    ("error", "code", "found"),
    [
        ("ConnectionError: refused by 10.0.0.1", "tool_error", "ConnectionError"),
        ("TimeoutExpired", "timeout", "TimeoutExpired"),
        ("hunter2", "tool_error", "tool_error"),
        ("Hunter2: x", "tool_error", "tool_error"),
        ("MyPasswordIsError or not", None, "error"),
        (None, None, "error"),
    ],
)
def test_of_an_error_only_its_class_is_kept(error: str | None, code: str | None, found: str) -> None:
    assert error_class(error, code) == found


def test_a_label_is_a_short_name() -> None:
    assert label("plan-a@cand") == "plan-a@cand"
    assert [label(odd) for odd in ("", "a b", "x" * 65, "[b]", 7, "a\n", "-a")] == [None] * 7
