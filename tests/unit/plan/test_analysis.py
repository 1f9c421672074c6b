"""The analyses that run nothing: simulate, Monte Carlo, schedule, transactions, equivalence, optimize."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given

from headway.errors import InvalidInput, InvalidPlan
from headway.plan.equivalence import equivalent
from headway.plan.model import ActionProposal
from headway.plan.montecarlo import simulate_monte_carlo
from headway.plan.optimize import optimize
from headway.plan.parse import parse_proposal
from headway.plan.schedule import analyze_schedule
from headway.plan.simulate import simulate
from headway.plan.transaction import transaction_check
from headway.state import StateStore
from tests.unit.plan.test_graph import call, plans, read, write


def plan(*actions: dict[str, Any]) -> ActionProposal:
    return parse_proposal({"actions": list(actions)})


# -- simulate --------------------------------------------------------------------------------------------------------


def test_simulate_lands_declared_effects_and_drops_those_of_blocked_actions() -> None:
    guard = {"preconditions": [{"key": "go"}]}
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
    assert not result.lands
    assert result.levels == [["w", "blocked", "tool"], ["needs_it"]]


def test_simulate_changes_nothing_it_was_given() -> None:
    state = {"k": 0}
    simulate(plan(write("w", "k")), state)
    assert state == {"k": 0}


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


def test_the_schedule_of_nothing_is_empty() -> None:
    schedule = analyze_schedule(plan())
    assert (schedule.critical_path, schedule.makespan_ms, schedule.max_parallelism) == ([], 0, 0)


@pytest.mark.parametrize("duration", [-1, math.nan, math.inf, "1", True])
def test_the_schedule_refuses_bad_durations(duration: Any) -> None:
    with pytest.raises(InvalidInput, match="the duration of action 'a' must be a number of at least 0"):
        analyze_schedule(plan(call("a")), {"a": duration})


# -- transactions ----------------------------------------------------------------------------------------------------


def test_transaction_check_finds_each_kind_once() -> None:
    state = StateStore({"old": 1})
    state.set("old", 2)
    proposal = plan(
        write("w1", "k"),
        read("r", "k"),
        write("w2", "k"),
        call("stale", assumptions=[{"key": "old", "expected_value": 1}]),
        call("version", assumptions=[{"key": "old", "read_version": 1}]),
        call("fine", assumptions=[{"key": "old", "expected_value": 2, "read_version": 2}]),
    )
    found = [(c.kind, c.key, c.actions) for c in transaction_check(proposal, state)]
    assert found == [
        ("write_write", "k", ["w1", "w2"]),
        ("read_write", "k", ["r", "w2"]),
        ("stale_assumption", "old", ["stale"]),
        ("stale_assumption", "old", ["version"]),
    ]


def test_declared_dependencies_are_no_conflicts() -> None:
    second = {**write("w2", "k"), "dependencies": ["w1", "r"]}
    assert transaction_check(plan(write("w1", "k"), read("r", "k"), second)) == []


# -- equivalence and optimize ----------------------------------------------------------------------------------------


def test_names_do_not_matter_and_order_does() -> None:
    one = plan(call("a", parameters={"x": 1}), call("b", parameters={"y": "$a.output.z"}))
    renamed = plan(call("p", parameters={"x": 1}), call("q", parameters={"y": "$p.output.z"}))
    assert equivalent(one, renamed).equivalent
    other = plan(call("p", parameters={"x": 2}), call("q", parameters={"y": "$p.output.z"}))
    assert not equivalent(one, other).equivalent
    side_by_side = plan(call("a"), call("b"))
    in_turn = plan(call("a"), call("b", dependencies=["a"]))
    assert not equivalent(side_by_side, in_turn).equivalent


def test_what_holds_only_from_some_state_is_found() -> None:
    always = plan(call("a"))
    guarded = plan(call("a", preconditions=[{"key": "k", "operator": "exists"}]))
    assert not equivalent(always, guarded).equivalent


def test_different_ends_are_named_by_key() -> None:
    result = equivalent(plan(write("w", "k")), plan({**write("w", "k"), "parameters": {"key": "k", "value": 2}}))
    assert "from state 0: key 'k' ends differently" in result.differences


def test_optimize_leaves_out_what_others_imply() -> None:
    proposal = plan(
        call("a"),
        call("b", dependencies=["a", "a"]),
        call("c", dependencies=["a", "b"], parameters={"x": "$b.output"}),
    )
    result = optimize(proposal)
    assert [(r.action_id, r.field, r.what, r.reason) for r in result.removed] == [
        ("b", "dependencies", "a", "said twice"),
        ("c", "dependencies", "a", "another need implies it"),
        ("c", "dependencies", "b", "a reference to its output says it"),
    ]
    assert [action.dependencies for action in result.proposal.actions] == [[], ["a"], []]
    assert proposal.actions[1].dependencies == ["a", "a"]


@given(plans())
def test_an_optimized_plan_is_equivalent_and_cannot_be_made_leaner(actions: list[dict[str, Any]]) -> None:
    proposal = parse_proposal({"actions": actions})
    try:
        result = optimize(proposal)
    except InvalidPlan:
        return
    assert equivalent(proposal, result.proposal) == equivalent(proposal, proposal)
    assert equivalent(proposal, result.proposal).equivalent
    assert optimize(result.proposal).removed == []
