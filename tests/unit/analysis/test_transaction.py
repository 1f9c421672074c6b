"""transaction_check, and the write conflicts of verify: what nobody declared, and what somebody did."""

from __future__ import annotations

from typing import Any

import pytest

from headway.analysis.scoring import score_proposal
from headway.analysis.transaction import transaction_check
from headway.plan.format import ActionProposal
from headway.plan.parse import parse_proposal
from headway.plan.verify import verify
from headway.state import StateStore
from tests.unit.plan.test_graph import call, read, write


def plan(*actions: dict[str, Any]) -> ActionProposal:
    return parse_proposal({"actions": list(actions)})


def needing(action: dict[str, Any], *names: str) -> dict[str, Any]:
    return {**action, "dependencies": list(names)}


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


BY_ID = [write("a", "k"), needing(call("b"), "a"), needing(write("c", "k"), "b")]
BY_REFERENCE = [write("a", "k"), call("b", parameters={"x": "$a.output"}), needing(write("c", "k"), "b")]
BY_STATE = [write("a", "k"), read("r", "k"), call("b", parameters={"x": "$r.output"}), needing(write("c", "k"), "b")]
FAR = [
    write("a", "k"),
    *(needing(call(f"b{i}", parameters={"i": i}), f"b{i - 1}" if i else "a") for i in range(9)),
    needing(write("c", "k"), "b8"),
]


@pytest.mark.parametrize("actions", [BY_ID, BY_REFERENCE, BY_STATE, FAR])
def test_an_order_declared_through_other_actions_is_declared(actions: list[dict[str, Any]]) -> None:
    proposal = plan(*actions)
    report = verify(proposal, tools=["t"])
    assert (report.valid, report.issues, report.conflicts) == (True, [], [])
    assert transaction_check(proposal) == []
    score = score_proposal(proposal, report)
    assert (score.has_write_conflicts, score.validity) == (False, 1.0)


def test_an_order_that_follows_from_the_list_alone_is_not_declared() -> None:
    """``b`` runs after ``a`` since both write ``j``, and ``c`` needs ``b``: nobody said that ``c`` follows ``a``."""
    proposal = plan(
        call("a", write_set=["k", "j"]), write("b", "j"), needing(call("c", parameters={"i": 1}, write_set=["k"]), "b")
    )
    assert verify(proposal, tools=["t"]).conflicts == [["a", "b", "j"], ["a", "c", "k"]]
    assert [conflict.message for conflict in transaction_check(proposal)] == [
        "'a' and 'b' both write 'j' and neither depends on the other",
        "'a' and 'c' both write 'k' and neither depends on the other",
    ]


def test_a_reader_that_waits_for_the_writer_does_not_read_before_it() -> None:
    listed = [read("r", "k"), write("w", "k"), needing(write("x", "k"), "w")]
    found = [(c.kind, c.actions) for c in transaction_check(plan(*listed))]
    assert found == [("read_write", ["r", "x"])]
    there = [(c.kind, c.actions) for c in transaction_check(plan(*listed), {"k": 0})]
    assert there == [("read_write", ["r", "w"])]


def test_a_reader_whose_end_the_writer_awaits_through_another_is_no_conflict() -> None:
    listed = [read("r", "k"), call("b", parameters={"x": "$r.output"}), needing(write("w", "k"), "b")]
    assert transaction_check(plan(*listed), {"k": 0}) == []
