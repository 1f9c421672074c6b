"""The graph: edges from ids, references and state keys; levels; cycles."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.errors import InvalidPlan
from headway.plan.graph import Graph, compile_plan, plan_from_graph
from headway.plan.parse import parse_proposal
from headway.plan.verify import verify


def call(name: str, **fields: object) -> dict[str, object]:
    return {"id": name, "type": "tool_call", "tool": "t", **fields}


def write(name: str, key: str) -> dict[str, object]:
    return {"id": name, "type": "state_write", "parameters": {"key": key, "value": 1}}


def read(name: str, key: str) -> dict[str, object]:
    return {"id": name, "type": "state_read", "parameters": {"key": key}}


def assertion(name: str, key: str, expected: object) -> dict[str, object]:
    return {"id": name, "type": "assertion", "parameters": {"key": key, "expected": expected}}


def compiled(*actions: dict[str, object], state: tuple[str, ...] = ()) -> Graph:
    return compile_plan(parse_proposal({"actions": list(actions)}), state)


def levels(plan: Graph) -> list[list[str]]:
    return [[plan.nodes[i].id for i in level] for level in plan.levels]


def edges(plan: Graph, name: str) -> tuple[set[str], set[str]]:
    node = next(n for n in plan.nodes if n.id == name)
    return {plan.nodes[i].id for i in node.needs}, {plan.nodes[i].id for i in node.after}


def test_independent_actions_share_a_level() -> None:
    assert levels(compiled(call("a"), call("b"))) == [["a", "b"]]


def test_dependencies_by_id_hold_in_any_listing_order() -> None:
    plan = compiled(call("b", dependencies=["a"]), call("a"))
    assert levels(plan) == [["a"], ["b"]]
    assert edges(plan, "b") == ({"a"}, set())


def test_references_make_needs_at_any_depth() -> None:
    plan = compiled(call("a"), call("b", parameters={"x": {"y": ["$a.output.z", "plain $a.output"]}}))
    assert edges(plan, "b") == ({"a"}, set())
    (reference,) = plan.nodes[1].references
    assert (reference.where, reference.path) == (("x", "y", 0), ("z",))


def test_a_doubled_dollar_is_an_escape_of_a_reference_only() -> None:
    plan = compiled(call("b", parameters={"x": "$$a.output", "y": "$$5", "z": "$HOME"}))
    assert plan.nodes[0].escapes == (("x",),)
    assert plan.nodes[0].needs == ()


def test_a_read_binds_to_the_nearest_earlier_writer_and_precedes_the_next() -> None:
    plan = compiled(write("w1", "k"), write("w2", "k"), read("r", "k"), write("w3", "k"))
    assert edges(plan, "r") == ({"w2"}, set())
    assert edges(plan, "w2") == (set(), {"w1"})
    assert edges(plan, "w3") == (set(), {"w2", "r"})


def test_a_read_before_all_writers_waits_for_the_first_unless_the_key_is_there() -> None:
    listed = (read("r", "k"), write("w1", "k"), write("w2", "k"))
    waiting = compiled(*listed)
    assert edges(waiting, "r") == ({"w1"}, set())
    assert "r" in edges(waiting, "w2")[1]
    there = compiled(*listed, state=("k",))
    assert edges(there, "r") == (set(), set())
    assert edges(there, "w1") == (set(), {"r"})


def test_an_action_that_writes_the_key_itself_never_waits_for_a_later_writer() -> None:
    plan = compiled(call("rw", state_dependencies=["k"], expected_effects={"k": 1}), write("w", "k"))
    assert edges(plan, "rw") == (set(), set())
    assert edges(plan, "w") == (set(), {"rw"})


def test_a_not_exists_precondition_never_waits_for_a_later_writer() -> None:
    guard = call("a", preconditions=[{"key": "lock", "operator": "not_exists"}])
    plan = compiled(guard, write("w", "lock"))
    assert levels(plan) == [["a"], ["w"]]


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ({"state_dependencies": ["k"]}, "k"),
        ({"read_set": ["k"]}, "k"),
        ({"preconditions": [{"key": "k", "operator": "exists"}]}, "k"),
        ({"assumptions": [{"key": "k"}]}, "k"),
    ],
)
def test_every_way_to_read_a_key_binds(fields: dict[str, object], key: str) -> None:
    assert edges(compiled(write("w", key), call("r", **fields)), "r") == ({"w"}, set())


@pytest.mark.parametrize("fields", [{"expected_effects": {"k": 1}}, {"write_set": ["k"]}])
def test_every_way_to_write_a_key_binds(fields: dict[str, object]) -> None:
    assert edges(compiled(call("w", **fields), read("r", "k")), "r") == ({"w"}, set())


def test_a_long_cycle_is_named_in_one_short_line() -> None:
    actions = [call(f"a{i}", dependencies=[f"a{(i + 1) % 1000}"]) for i in range(1000)]
    with pytest.raises(InvalidPlan, match="981 more") as caught:
        compiled(*actions)
    assert len(caught.value.message) < 300


def test_verify_expects_no_effect_of_what_declares_one_and_cannot_have_it() -> None:
    reader = {**read("r", "a"), "expected_effects": {"k": 1}}
    report = verify(parse_proposal({"actions": [reader, call("c", state_dependencies=["k"])]}))
    assert [issue.message for issue in report.issues] == ["state dependency 'k' not available at this point"]


def test_a_cycle_is_named_by_its_path() -> None:
    with pytest.raises(InvalidPlan) as caught:
        compiled(call("a", dependencies=["c"]), call("b", dependencies=["a"]), call("c", dependencies=["b"]))
    path = caught.value.message.removeprefix("the plan has a cycle: ").split(" -> ")
    assert path[0] == path[-1]
    assert set(path) == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("actions", "text"),
    [
        ([call("a"), call("a")], "duplicate action id 'a'"),
        ([call("a", dependencies=["x"])], "action 'a' depends on 'x', which the plan does not have"),
        ([call("a", parameters={"p": "$x.output"})], "action 'a' refers to 'x', which the plan does not have"),
        ([call("a", dependencies=["a"])], "the plan has a cycle: a -> a"),
    ],
)
def test_what_has_no_graph_is_refused_in_one_line(actions: list[dict[str, object]], text: str) -> None:
    with pytest.raises(InvalidPlan) as caught:
        compiled(*actions)
    assert caught.value.message == text


@st.composite
def plans(draw: st.DrawFn) -> list[dict[str, object]]:
    actions = []
    for i in range(draw(st.integers(0, 12))):
        keys = st.lists(st.sampled_from("xyz"), max_size=2, unique=True)
        before = st.lists(st.integers(0, i - 1), max_size=2, unique=True) if i else st.just([])
        actions.append(
            call(
                f"a{i}",
                read_set=draw(keys),
                write_set=draw(keys),
                dependencies=[f"a{j}" for j in draw(before)],
            )
        )
    return actions


@given(plans(), st.sets(st.sampled_from("xyz")))
def test_edges_and_levels_agree_with_the_rules_written_naively(
    actions: list[dict[str, object]], state: set[str]
) -> None:
    try:
        plan = compiled(*actions, state=tuple(state))
    except InvalidPlan:
        return
    before = {n.index: set(n.needs) | set(n.after) for n in plan.nodes}
    reach: dict[int, set[int]] = {}
    for level in plan.levels:
        for i in level:
            reach[i] = set().union(*({b} | reach[b] for b in before[i]))
    for i, action in enumerate(actions):
        assert plan.nodes[i].level == max((plan.nodes[b].level + 1 for b in before[i]), default=0)
        for key in action["read_set"]:  # type: ignore[attr-defined]
            writers = [j for j, other in enumerate(actions) if key in other["write_set"]]  # type: ignore[operator]
            earlier = [j for j in writers if j < i]
            later = [j for j in writers if j > i]
            if earlier:
                assert earlier[-1] in plan.nodes[i].needs
            elif later and key not in state and i not in writers:
                assert later[0] in plan.nodes[i].needs
                later = later[1:]
            for j in later:
                assert i in reach[j]
        for key in action["write_set"]:  # type: ignore[attr-defined]
            assert all(j in reach[i] for j in range(i) if key in actions[j]["write_set"])  # type: ignore[operator]


@given(plans())
def test_a_recorded_graph_gives_the_same_plan(actions: list[dict[str, object]]) -> None:
    try:
        plan = compiled(*actions)
    except InvalidPlan:
        return
    again = plan_from_graph(plan.proposal, plan.to_json())
    assert again.levels == plan.levels
    assert [(n.needs, n.after, n.level) for n in again.nodes] == [(n.needs, n.after, n.level) for n in plan.nodes]


def test_ids_that_hold_output_can_be_referred_to() -> None:
    plan = compiled(
        call("a"),
        call("a.output"),
        call("x.output.y"),
        call("b", parameters={"v": ["$a.output", "$a.output.output", "$a.output.output.k", "$a.output.k.output"]}),
        call("c", parameters={"v": "$x.output.y.output.output.z"}),
    )
    assert [(reference.source, reference.path) for reference in plan.nodes[3].references] == [
        (0, ()),
        (1, ()),
        (1, ("k",)),
        (0, ("k", "output")),
    ]
    assert [(reference.source, reference.path) for reference in plan.nodes[4].references] == [(2, ("output", "z"))]


@pytest.mark.parametrize("text", ["$.output", "$a.output.", "$a.outputs", "a.output", "$a", "$$a.output"])
def test_texts_that_are_no_references(text: str) -> None:
    assert compiled(call("a"), call("b", parameters={"v": text})).nodes[1].references == ()
