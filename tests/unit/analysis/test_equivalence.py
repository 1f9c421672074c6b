"""equivalent and optimize: what may be called or written otherwise, and what may not."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.analysis import likeness
from headway.analysis.equivalence import Equivalence, equivalent
from headway.analysis.likeness import alike
from headway.analysis.optimization import optimize
from headway.errors import InvalidInput, InvalidPlan
from headway.plan.format import ActionProposal
from headway.plan.parse import parse_proposal
from headway.plan.verify import verify
from tests.unit.plan.test_graph import call, plans, read, write


def plan(*actions: dict[str, Any]) -> ActionProposal:
    return parse_proposal({"actions": list(actions)})


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
    assert [action.dependencies for action in result.proposal.actions] == [(), ("a",), ()]
    assert proposal.actions[1].dependencies == ("a", "a")


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


def test_optimize_looks_at_the_state_that_the_plan_runs_on() -> None:
    """Without the key the reader would wait for the writer, which needs it: a cycle."""
    proposal = plan(
        call("a"), read("r", "k"), {**write("w", "k"), "dependencies": ["a", "r"]}, call("z", dependencies=["r", "w"])
    )
    with pytest.raises(InvalidPlan, match="cycle"):
        optimize(proposal)
    result = optimize(proposal, {"k": 0})
    assert [(r.action_id, r.what) for r in result.removed] == [("z", "r")]
    assert verify(result.proposal, {"k": 0}).levels == verify(proposal, {"k": 0}).levels
    with pytest.raises(InvalidInput):
        optimize(proposal, [])  # type: ignore[arg-type]


def test_optimize_keeps_what_only_some_states_imply() -> None:
    """``r`` waits for ``w``, and so for ``a``, only where the key is not there yet."""
    proposal = plan(call("a"), {**read("r", "k"), "dependencies": ["a"]}, {**write("w", "k"), "dependencies": ["a"]})
    for state in (None, {}, {"k": 0}):
        assert optimize(proposal, state).removed == []


# -- what compensations and needs make of it -------------------------------------------------------------------------


def undone(name: str, **undo: Any) -> dict[str, Any]:
    return call(name, reversibility="compensable", compensation={"type": "tool", **undo})


def undone_by_reference(name: str, path: str = "n") -> dict[str, Any]:
    return undone(name, tool="cancel", parameters={"of": {"n": f"${name}.output.{path}", "why": "$5"}})


def test_a_compensation_refers_to_actions_not_to_names() -> None:
    assert equivalent(plan(undone_by_reference("x")), plan(undone_by_reference("y"))).equivalent
    assert not equivalent(plan(undone_by_reference("x")), plan(undone_by_reference("x", "m"))).equivalent

    def charged(charge: str, log: str, named: str) -> ActionProposal:
        refund = undone("r", type="action_ref", action_id=named)
        return plan(call(charge, tool="charge"), call(log, tool="log"), refund)

    assert equivalent(charged("a", "b", "a"), charged("x", "y", "x")).equivalent
    assert not equivalent(charged("a", "b", "a"), charged("a", "b", "b")).equivalent


def test_a_compensation_may_refer_to_what_runs_later() -> None:
    def later(first: str, second: str) -> ActionProposal:
        undo = {"tool": "cancel", "parameters": {"n": f"${second}.output"}}
        return plan(undone(first, **undo), call(second, dependencies=[first]))

    assert equivalent(later("a", "b"), later("b", "a")).equivalent


def test_one_action_that_another_needs_is_not_as_good_as_the_next() -> None:
    """When ``charge`` fails it is skipped, and with it whoever needs it."""

    def shipped(needed: str) -> ActionProposal:
        charge, log = (call(tool, tool=tool, failure_behavior="skip") for tool in ("charge", "log"))
        return plan(charge, log, call("s", dependencies=[needed]))

    assert equivalent(shipped("charge"), shipped("charge")).equivalent
    assert not equivalent(shipped("charge"), shipped("log")).equivalent


def test_of_two_equal_actions_it_matters_who_needs_which() -> None:
    def told(*needed: str) -> ActionProposal:
        users = [call(f"u{i}", parameters={"i": i, "x": f"${name}.output"}) for i, name in enumerate(needed)]
        return plan(call("a"), call("b"), *users)

    assert equivalent(told("a", "b"), told("b", "a")).equivalent
    result = equivalent(told("a", "a"), told("a", "b"))
    assert not result.equivalent
    assert all("serve others in one plan" in line for line in result.differences)


def test_a_key_that_must_be_there_is_more_than_one_that_is_read() -> None:
    """The one aborts where the tool sets nothing, the other goes on."""

    def reading(field: str) -> ActionProposal:
        return plan(call("w", write_set=["k"]), call("b", **{field: ["k"]}))

    assert equivalent(reading("read_set"), reading("read_set")).equivalent
    assert not equivalent(reading("state_dependencies"), reading("read_set")).equivalent


def drawn(*pairs: tuple[int, int]) -> ActionProposal:
    """Return a plan of four equal draws, and of actions that use two of them each."""
    draws = [call(f"x{i}", tool="draw") for i in range(4)]
    users = [call(f"y{n}", parameters={"a": f"$x{i}.output", "b": f"$x{j}.output"}) for n, (i, j) in enumerate(pairs)]
    return plan(*draws, *users)


def test_who_is_used_together_matters_where_all_are_alike() -> None:
    ring = drawn((0, 1), (1, 2), (2, 3), (3, 0))
    for same in (ring, drawn((2, 3), (1, 2), (0, 1), (3, 0)), drawn((0, 2), (2, 1), (1, 3), (3, 0))):
        assert equivalent(ring, same) == Equivalence(True, [])
    result = equivalent(ring, drawn((0, 1), (1, 0), (2, 3), (3, 2)))
    assert result.differences == [f"from state {i}: actions that do the same serve others" for i in (0, 1)]


def test_a_search_that_is_given_up_is_no_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(likeness, "MAX_WORK", 0)
    ring = drawn((0, 1), (1, 2), (2, 3), (3, 0))
    assert equivalent(ring, ring).equivalent
    result = equivalent(ring, drawn((0, 2), (2, 1), (1, 3), (3, 0)), [{}])
    assert result == Equivalence(False, ["from state 0: the actions cannot be told apart"])


Graph = tuple[tuple[tuple[str, int], ...], ...]


@st.composite
def graphs(draw: st.DrawFn, size: int) -> Graph:
    """Links to earlier nodes, of two kinds."""
    kinds = st.sampled_from("ab")
    return tuple(
        tuple(draw(st.lists(st.tuples(kinds, st.integers(0, i - 1)), max_size=2))) if i else () for i in range(size)
    )


def relisted(graph: Graph, order: Sequence[int]) -> Graph:
    """Return the graph with node ``i`` at ``order[i]``."""
    moved: list[tuple[tuple[str, int], ...]] = [()] * len(graph)
    for i, links in enumerate(graph):
        moved[order[i]] = tuple(sorted((kind, order[other]) for kind, other in links))
    return tuple(moved)


@given(st.integers(1, 5).flatmap(lambda size: st.tuples(graphs(size), graphs(size), st.permutations(range(size)))))
def test_likeness_is_never_wrong(drawn: tuple[Graph, Graph, list[int]]) -> None:
    one, other, order = drawn
    colours = [0] * len(one)
    same = relisted(other, range(len(one))) in {relisted(one, p) for p in permutations(range(len(one)))}
    assert alike((colours, colours), (one, other)) in (same, None)
    assert alike((colours, colours), (one, relisted(one, order))) in (True, None)
    assert alike((colours, colours), (one, one)) is True


@given(plans(), st.data())
def test_ids_and_ids_alone_play_no_part(actions: list[dict[str, Any]], data: st.DataObject) -> None:
    names = [action["id"] for action in actions]
    new = dict(zip(names, data.draw(st.permutations([f"n{i}" for i in range(len(names))])), strict=True))
    for action in actions:
        if data.draw(st.booleans()):
            other = data.draw(st.sampled_from(names))
            action |= undone(action["id"], tool="u", parameters={"n": f"${other}.output"})
    renamed = [
        {
            **action,
            "id": new[action["id"]],
            "dependencies": [new[name] for name in action["dependencies"]],
            "compensation": _renamed(action.get("compensation"), new),
        }
        for action in actions
    ]
    try:
        result = equivalent(plan(*actions), plan(*renamed))
    except InvalidPlan:
        return
    assert (result.equivalent, result.differences) == (True, [])


def _renamed(compensation: dict[str, Any] | None, new: dict[str, str]) -> dict[str, Any] | None:
    if compensation is None:
        return None
    name = compensation["parameters"]["n"].removeprefix("$").removesuffix(".output")
    return {**compensation, "parameters": {"n": f"${new[name]}.output"}}


def test_whom_a_compensation_means_is_looked_at_where_labels_do_not_tell() -> None:
    def by(tool: str) -> dict[str, Any]:
        return {"type": "tool", "tool": "undo", "parameters": {"of": f"${tool}.output"}}

    def refers(which: str) -> ActionProposal:
        return plan(
            call("p", tool="p", compensation=by(which)),
            call("q", tool="q"),
            call("x", compensation={"type": "action_ref", "action_id": "p"}),
            call("y", compensation={"type": "action_ref", "action_id": "q"}),
        )

    def crossed(first: str, second: str) -> ActionProposal:
        pays = [call("p", tool="pay", compensation=by(first)), call("q", tool="pay", compensation=by(second))]
        users = [call(f"{tool}1", tool=tool, dependencies=[n]) for tool, n in zip("uvwz", "pqxy", strict=True)]
        return plan(*pays, call("x"), call("y"), *users)

    assert equivalent(refers("x"), refers("x")).equivalent
    assert not equivalent(refers("x"), refers("y")).equivalent
    assert equivalent(crossed("x", "y"), crossed("x", "y")).equivalent
    assert not equivalent(crossed("x", "y"), crossed("y", "x")).equivalent
