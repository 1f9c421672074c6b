"""The analyses that run nothing: simulate, Monte Carlo, schedule."""

from __future__ import annotations

import math
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.analysis.montecarlo import simulate_monte_carlo
from headway.analysis.schedule import analyze_schedule
from headway.analysis.simulation import simulate
from headway.errors import InvalidInput, InvalidPlan
from headway.plan.format import ActionProposal
from headway.plan.parse import parse_proposal
from headway.plan.verify import verify
from tests.unit.plan.test_graph import assertion, call, write


def plan(*actions: dict[str, Any]) -> ActionProposal:
    return parse_proposal({"actions": list(actions)})


# -- simulate --------------------------------------------------------------------------------------------------------


def test_simulate_lands_declared_effects_and_drops_those_of_blocked_actions() -> None:
    guard = {"preconditions": [{"key": "go"}], "failure_behavior": "skip"}
    result = simulate(
        plan(
            write("w", "k"),
            call("blocked", expected_effects={"never": 1}, **guard),
            call("needs_it", dependencies=["blocked"], expected_effects={"neither": 1}),
            call("tool", write_set=["u"], expected_effects={"e": 2}),
        ),
        {"there": 0},
    )
    assert result.state == {"there": 0, "k": 1, "e": 2}
    assert result.unknown_keys == ["u"]
    assert [(a.action_id, a.outcome) for a in result.actions] == [
        ("w", "lands"),
        ("blocked", "blocked"),
        ("needs_it", "blocked"),
        ("tool", "lands"),
    ]
    assert result.actions[1].reasons == ["key 'go' has no value"]
    assert result.actions[2].reasons == ["needs action 'blocked', which is blocked"]
    assert (result.lands, result.aborts_at) == (False, None)
    assert result.levels == [["w", "blocked", "tool"], ["needs_it"]]


@pytest.mark.parametrize("behavior", ["abort", "retry"])
def test_simulate_ends_where_the_run_aborts(behavior: str) -> None:
    guard = {"preconditions": [{"key": "go"}], "failure_behavior": behavior}
    proposal = plan(
        write("first", "k"),
        call("skipped", state_dependencies=["none"], failure_behavior="skip"),
        {**write("beside", "m"), "dependencies": ["first"]},
        call("stops", dependencies=["first"], **guard),
        call("also", dependencies=["first"], **guard),
        {**write("after", "n"), "dependencies": ["beside"], "preconditions": [{"key": "none"}]},
    )
    result = simulate(proposal, {"there": 0})
    assert (result.state, result.unknown_keys, result.aborts_at) == ({"there": 0}, [], "stops")
    assert [(a.action_id, a.outcome, a.effects) for a in result.actions] == [
        ("first", "aborted", {}),
        ("skipped", "blocked", {}),
        ("beside", "aborted", {}),
        ("stops", "blocked", {}),
        ("also", "blocked", {}),
        ("after", "aborted", {}),
    ]
    assert result.actions[0].reasons == ["action 'stops' aborts the run"]
    assert result.actions[3].reasons == ["key 'go' has no value"]
    assert simulate_monte_carlo(proposal, {"there": 0}, trials=5).p_completed == 0.0


def test_an_assertion_that_cannot_hold_is_seen_on_paper() -> None:
    def asserted(expected: Any) -> ActionProposal:
        return plan(write("w", "x"), assertion("a", "x", expected))

    assert simulate(asserted(1.0)).lands
    result = simulate(asserted(2))
    assert (result.state, result.aborts_at) == ({}, "a")
    assert result.actions[1].reasons == ["assertion failed: state['x'] is not the expected value"]
    assert simulate_monte_carlo(asserted(2), trials=5).p_completed == 0.0
    assert simulate(asserted("$w.output")).lands  # known only when it runs


def test_simulate_changes_nothing_it_was_given() -> None:
    state = {"k": 0}
    simulate(plan(write("w", "k")), state)
    assert state == {"k": 0}


def test_simulate_writes_the_key_that_a_run_writes() -> None:
    """Of a doubled dollar one is left; the value beside it is known; a key from elsewhere is none."""
    proposal = plan(write("w", "$$w.output"), call("n", state_dependencies=["$w.output"]), write("bad", "$n.output"))
    result = simulate(proposal)
    assert result.state == {"$w.output": 1}
    assert result.levels == [["w"], ["n"], ["bad"]]
    assert result.unknown_keys == []


def test_simulate_refuses_a_cycle() -> None:
    with pytest.raises(InvalidPlan, match="cycle"):
        simulate(plan(call("a", dependencies=["b"]), call("b", dependencies=["a"])))


# -- Monte Carlo -----------------------------------------------------------------------------------------------------


def test_monte_carlo_is_the_same_for_the_same_seed_and_near_the_truth() -> None:
    proposal = plan(call("a"), call("b", dependencies=["a"]))
    one = simulate_monte_carlo(proposal, trials=20_000, seed=7, default_rate=0.9)
    assert one == simulate_monte_carlo(proposal, trials=20_000, seed=7, default_rate=0.9)
    assert one != simulate_monte_carlo(proposal, trials=20_000, seed=8, default_rate=0.9)
    assert one.p_all_effects_landed == pytest.approx(0.81, abs=0.01)
    assert one.p_completed == one.p_all_effects_landed
    assert one.blast_radius == {"a": 2.0, "b": 2.0}  # an abort rolls everything back


def test_monte_carlo_follows_retries_and_skips() -> None:
    proposal = plan(
        call("r", failure_behavior="retry", max_retries=2),
        call("s", failure_behavior="skip"),
        call("n", dependencies=["s"]),
    )
    rates = {"r": 0.5, "s": 0.5, "n": 1.0}
    result = simulate_monte_carlo(proposal, trials=20_000, success_rates=rates)
    assert result.p_completed == pytest.approx(0.875, abs=0.01)
    assert result.p_action["n"] == pytest.approx(0.4375, abs=0.01)
    assert result.blast_radius["n"] == 0.0


def test_monte_carlo_knows_what_is_blocked() -> None:
    result = simulate_monte_carlo(plan(call("a", state_dependencies=["x"])), trials=10)
    assert (result.p_completed, result.p_action) == (0.0, {"a": 0.0})


@pytest.mark.parametrize(
    "bad",
    [
        {"trials": 0},
        {"trials": 10**9},
        {"trials": True},
        {"seed": 1.5},
        {"default_rate": math.nan},
        {"default_rate": 2},
    ],
)
def test_monte_carlo_refuses_bad_numbers(bad: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        simulate_monte_carlo(plan(call("a")), **bad)


# -- schedule --------------------------------------------------------------------------------------------------------


def test_the_schedule_of_a_diamond() -> None:
    proposal = plan(
        call("a"), call("b", dependencies=["a"]), call("c", dependencies=["a"]), call("d", dependencies=["b", "c"])
    )
    schedule = analyze_schedule(proposal, {"a": 10, "b": 5, "c": 20, "t": 1})
    assert (schedule.critical_path, schedule.critical_ms) == (["a", "c", "d"], 31)
    assert (schedule.makespan_ms, schedule.serial_ms, schedule.max_parallelism) == (31, 36, 2)
    assert schedule.slack_ms == {"a": 0, "b": 15, "c": 0, "d": 0}


def test_levels_wait_for_their_slowest_and_slots_for_each_other() -> None:
    proposal = plan(call("a"), call("slow"), call("b", dependencies=["a"]))
    schedule = analyze_schedule(proposal, {"a": 1, "slow": 50, "b": 10})
    assert (schedule.critical_ms, schedule.makespan_ms) == (50, 60)
    assert analyze_schedule(plan(*(call(f"a{i}") for i in range(5))), default_ms=2, max_concurrency=2).makespan_ms == 6


def test_the_schedule_of_a_long_and_a_short_way_round() -> None:
    proposal = plan(
        call("top"),
        call("short", dependencies=["top"]),
        call("long1", dependencies=["top"]),
        call("long2", dependencies=["long1"]),
        call("end", dependencies=["short", "long2"]),
        call("beside"),
    )
    times = {"top": 2, "short": 4, "long1": 3, "long2": 5, "end": 1, "beside": 6}
    schedule = analyze_schedule(proposal, times)
    assert (schedule.critical_path, schedule.critical_ms) == (["top", "long1", "long2", "end"], 11)
    assert schedule.slack_ms == {"top": 0, "short": 4, "long1": 0, "long2": 0, "end": 0, "beside": 5}
    assert schedule.makespan_ms == 6 + 4 + 5 + 1  # levels wait: top and beside, short and long1, long2, end
    assert (schedule.serial_ms, schedule.max_parallelism) == (21, 2)


def test_the_schedule_is_that_of_the_state() -> None:
    proposal = plan(call("r", state_dependencies=["k"]), write("w", "k"))
    for state in (None, {}, {"k": 0}):
        schedule = analyze_schedule(proposal, state=state)
        assert schedule.levels == verify(proposal, state, tools=["t"]).levels
    assert (schedule.levels, schedule.critical_path) == ([["r"], ["w"]], ["r", "w"])
    with pytest.raises(InvalidInput):
        analyze_schedule(proposal, state=[])  # type: ignore[arg-type]


def test_the_schedule_of_nothing_is_empty() -> None:
    schedule = analyze_schedule(plan())
    assert (schedule.critical_path, schedule.makespan_ms, schedule.max_parallelism) == ([], 0, 0)


def test_durations_that_no_number_holds_together_are_refused() -> None:
    chained = plan(call("a"), call("b", dependencies=["a"]))
    with pytest.raises(InvalidInput, match="add up to more than any floating-point number"):
        analyze_schedule(chained, default_ms=1e308)
    with pytest.raises(InvalidInput, match="add up to more"):
        analyze_schedule(plan(call("a")), default_ms=sys.float_info.max)
    assert analyze_schedule(chained, default_ms=8e307).critical_ms == 1.6e308


def test_adding_up_makes_no_slack() -> None:
    chain = plan(call("a"), call("b", dependencies=["a"]), call("c", dependencies=["b"]), call("d"))
    assert 0.3 - 0.1 - 0.1 != 0.1
    schedule = analyze_schedule(chain, {"d": 0.2}, default_ms=0.1)
    assert schedule.slack_ms == {"a": 0.0, "b": 0.0, "c": 0.0, "d": pytest.approx(0.1)}


@given(st.data())
def test_there_is_no_slack_on_the_critical_path(data: st.DataObject) -> None:
    actions = [
        call(f"a{i}", dependencies=[f"a{j}" for j in range(i) if data.draw(st.booleans())])
        for i in range(data.draw(st.integers(1, 6)))
    ]
    tenths = {str(action["id"]): data.draw(st.integers(0, 50)) for action in actions}
    schedule = analyze_schedule(plan(*actions), {name: n / 10 for name, n in tenths.items()})
    exact = analyze_schedule(plan(*actions), tenths)
    assert [schedule.slack_ms[name] for name in schedule.critical_path] == [0.0] * len(schedule.critical_path)
    assert schedule.slack_ms == pytest.approx({name: ms / 10 for name, ms in exact.slack_ms.items()}, abs=1e-9)
    assert {name for name, ms in schedule.slack_ms.items() if not ms} == {
        name for name, ms in exact.slack_ms.items() if not ms
    }


@pytest.mark.parametrize("duration", [-1, math.nan, math.inf, "1", True])
def test_the_schedule_refuses_bad_durations(duration: Any) -> None:
    with pytest.raises(InvalidInput, match="the duration of action 'a' must be a number of at least 0"):
        analyze_schedule(plan(call("a")), {"a": duration})
