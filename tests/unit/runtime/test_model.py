"""The executor agrees with a small reference model on random plans: who ran, with what end, what state is left.

The model knows nothing of tasks, slots or events. It walks the levels in order and applies the rules of failing.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

import headway
from headway import ActionProposal, Runtime
from headway.errors import InvalidPlan
from headway.events import kinds
from headway.events.event import Event
from headway.events.fold import fold_all
from headway.events.views import JobRow, RunView, StateView
from headway.plan.graph import Plan, compile_plan
from headway.plan.parse import parse_proposal
from headway.testing import VirtualClock
from tests.unit.runtime.kit import call, write

KEYS = ("x", "y", "z")


@st.composite
def actions(draw: st.DrawFn, index: int) -> dict[str, Any]:
    name = f"a{index}"
    before = draw(st.lists(st.integers(0, index - 1), max_size=2, unique=True)) if index else []
    common: dict[str, Any] = {
        "dependencies": [f"a{i}" for i in before],
        "failure_behavior": draw(st.sampled_from(["abort", "skip", "retry", "skip"])),
        "max_retries": draw(st.integers(0, 2)),
    }
    kind = draw(st.sampled_from(["write", "call", "call", "read"]))
    if kind == "write":
        return write(name, draw(st.sampled_from(KEYS)), index, **common)
    if kind == "read":
        return {"id": name, "type": "state_read", "parameters": {"key": draw(st.sampled_from(KEYS))}, **common}
    parameters = {"fails": draw(st.sampled_from([0, 0, 0, 1, 2, 9])), "name": name}
    effects = dict.fromkeys(draw(st.lists(st.sampled_from(KEYS), max_size=1)), index)
    needed = draw(st.lists(st.sampled_from(KEYS), max_size=1))
    return call(name, "work", parameters=parameters, expected_effects=effects, state_dependencies=needed, **common)


@st.composite
def proposals(draw: st.DrawFn) -> ActionProposal:
    count = draw(st.integers(0, 8))
    return parse_proposal({"actions": [draw(actions(i)) for i in range(count)]})


def expected(plan: Plan, state: dict[str, Any]) -> tuple[str, dict[str, str], dict[str, Any]]:
    """Return (status, ends by action, state) by the rules, for a run without limits where all of a level starts."""
    ends: dict[str, str] = {}
    first = dict(state)
    for level in plan.levels:
        changes: dict[str, Any] = {}
        refused = False  # by the validator: nothing of the level starts
        failed = False
        for i in level:
            node = plan.nodes[i]
            if any(ends[plan.nodes[n].id] != "succeeded" for n in node.needs):
                ends[node.id] = "dependency"
            elif any(key not in state for key in node.reads):
                skip = node.action.failure_behavior == "skip"
                ends[node.id] = "unmet" if skip else "rejected"
                refused = refused or not skip
            if refused:
                break
        for i in level:
            node = plan.nodes[i]
            if node.id in ends:
                continue
            is_call = node.type == "tool_call"
            if refused and (is_call or i > max(k for k in level if plan.nodes[k].id in ends)):
                ends[node.id] = "unstarted"
            elif is_call and _fails(node.action):
                skip = node.action.failure_behavior == "skip"
                ends[node.id] = "skipped" if skip else "failed"
                failed = failed or not skip
            else:
                ends[node.id] = "succeeded"
                changes |= node.action.expected_effects
                if node.type == "state_write":
                    changes[node.action.parameters["key"]] = node.action.parameters["value"]
        if refused or failed:
            for node in plan.nodes:
                ends.setdefault(node.id, "unstarted")
            return "failed", ends, first
        state = state | changes
    return "completed", ends, state


def _fails(action: Any) -> bool:
    allowed = action.max_retries if action.failure_behavior == "retry" else 0
    return bool(action.parameters["fails"] > allowed)


def seen(result: headway.ProposalResult) -> dict[str, str]:
    """Return the ends in the model's words."""
    ends = {}
    for r in result.results:
        end = r.status.value
        if end == "skipped":
            words = {"dependency": "dependency", "aborted": "unstarted", "precondition": "unmet"}
            end = words.get(str(r.error_code), "skipped")
        ends[r.action_id] = end
    return ends


async def _execute(
    proposal: ActionProposal, state: dict[str, Any]
) -> tuple[Runtime, headway.ProposalResult, list[str]]:
    runtime = Runtime(state=state, clock=VirtualClock(autojump=True))
    calls: list[str] = []

    @headway.tool
    async def work(name: str, fails: int) -> str:
        calls.append(name)
        if calls.count(name) <= fails:
            raise RuntimeError(f"attempt {calls.count(name)}")
        return name

    runtime.register_tool(work)
    return runtime, await runtime.execute(proposal), calls


@given(proposals(), st.sets(st.sampled_from(KEYS)))
async def test_runs_agree_with_the_model(proposal: ActionProposal, there: set[str]) -> None:
    state: dict[str, Any] = dict.fromkeys(sorted(there), -1)
    try:
        plan = compile_plan(proposal, state)
    except InvalidPlan:
        return
    status, ends, left = expected(plan, state)
    runtime, result, calls = await _execute(proposal, state)
    ends_seen = seen(result)
    for name in _cut_short(plan, ends):
        # An abort keeps siblings from further attempts: how many they had made is a matter of timing.
        assert ends_seen[name] in ("succeeded", "failed")
        ends[name] = ends_seen[name]
    assert (result.status, ends_seen) == (status, ends)
    assert dict(runtime.state.snapshot()) == left
    called = {name for name, end in ends.items() if _called(proposal, name, end)}
    assert set(calls) == called
    levels = {node.id: node.level for node in plan.nodes}
    firsts = [levels[name] for i, name in enumerate(calls) if name not in calls[:i]]
    assert firsts == sorted(firsts)  # no level starts before the one before it has ended


def _called(proposal: ActionProposal, name: str, end: str) -> bool:
    return proposal.actions[_index(proposal, name)].type == "tool_call" and end in ("succeeded", "failed", "skipped")


def _cut_short(plan: Plan, ends: dict[str, str]) -> list[str]:
    """Return the actions of a level that failed which would have needed a retry to succeed."""
    failed = {plan.nodes[i].level for i in range(len(plan.nodes)) if ends[plan.nodes[i].id] == "failed"}
    return [
        node.id
        for node in plan.nodes
        if node.level in failed
        and ends[node.id] in ("succeeded", "failed")
        and node.action.failure_behavior == "retry"
        and node.action.parameters.get("fails")
    ]


def _index(proposal: ActionProposal, name: str) -> int:
    return next(i for i, action in enumerate(proposal.actions) if action.id == name)


@given(proposals(), st.sets(st.sampled_from(KEYS)))
async def test_what_execute_returns_and_keeps_is_what_the_fold_gives(proposal: ActionProposal, there: set[str]) -> None:
    state: dict[str, Any] = dict.fromkeys(sorted(there), -1)
    try:
        compile_plan(proposal, state)
    except InvalidPlan:
        return
    runtime, result, _ = await _execute(proposal, state)
    events = await runtime.log.read(limit=100_000)
    view = fold_all(RunView(JobRow(result.job_id)), events)
    assert view.result() == result
    created = Event(kinds.CHECKPOINT_RESTORED, {"checkpoint_id": "c", "scope": "runtime", "state": state})
    scope = fold_all(StateView("runtime"), [created, *events])
    assert scope.state == dict(runtime.state.snapshot())
