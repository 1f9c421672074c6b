"""verify and execution agree: what the one refuses whole the other does, and what runs, runs in the levels told."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from hypothesis import event, given
from hypothesis import strategies as st

import headway
from headway import ProposalResult, Runtime, ToolSchema, parse_proposal, verify
from headway.analysis import simulate
from headway.events import kinds
from headway.events.event import Event
from headway.plan.results import ErrorCode
from headway.plan.verify import Issue, VerifyReport
from headway.tools import ToolEntry

STATE_CHECKS = {"assertions", "preconditions", "state_dependencies"}
"""The checks whose findings a run answers action by action."""

NAMES = ["a", "b", "c", "d", "e"]
KEYS = ["k", "m", "$a.output"]
SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}

mostly = st.sampled_from([True] * 29 + [False])
"""Most plans must be whole, or nothing is learned of those that run."""


@st.composite
def values(draw: st.DrawFn, before: list[str]) -> Any:
    """A parameter: most often of an action listed before, if there is one."""
    if not draw(mostly):
        return "$nobody.output"
    plain = st.sampled_from([1, "1", "$HOME", "$$a.output"])
    if not before:
        return draw(plain)
    reference = st.builds("${}.output{}".format, st.sampled_from(before), st.sampled_from(["", "", ".x"]))
    return draw(plain | reference)


@st.composite
def compensations(draw: st.DrawFn, before: list[str]) -> dict[str, Any] | None:
    form = draw(st.sampled_from(["none"] * 6 + ["tool", "action_ref"]))
    if form == "none":
        return None
    if form == "action_ref":
        return {"type": form, "action_id": draw(st.sampled_from(NAMES))}
    tool = "echo" if draw(mostly) else draw(st.sampled_from(["typed", "nope", None]))
    return {"type": "tool", "tool": tool, "parameters": {"x": draw(values(before))}}


@st.composite
def actions(draw: st.DrawFn, name: str, before: list[str]) -> dict[str, Any]:
    kind = draw(st.sampled_from(["tool_call", "tool_call", "state_write", "state_read", "assertion"]))
    keys = st.lists(st.sampled_from(KEYS), max_size=1)
    needed = st.lists(st.sampled_from(before), max_size=2) if before else st.just([])
    made: dict[str, Any] = {
        "id": name,
        "type": kind,
        "failure_behavior": draw(st.sampled_from(["skip", "skip", "abort"])),
        "dependencies": draw(needed) if draw(mostly) else [draw(st.sampled_from(NAMES))],
        "state_dependencies": draw(keys),
        "read_set": draw(keys),
        "write_set": draw(keys),
        "preconditions": [
            {"key": key, "operator": draw(st.sampled_from(["exists", "not_exists", "eq"])), "value": 1}
            for key in draw(keys)
        ],
        "compensation": draw(compensations(before)),
    }
    if kind == "tool_call":
        made["tool"] = draw(st.sampled_from(["echo", "typed", "chunks"])) if draw(mostly) else "nope"
        made["parameters"] = {"x": 1 if made["tool"] == "typed" and draw(mostly) else draw(values(before))}
        made["expected_effects"] = dict.fromkeys(draw(keys), 1)
        made["invocation_mode"] = "streaming" if made["tool"] == "chunks" or not draw(mostly) else "one_shot"
    else:
        key = draw(st.sampled_from(["k", "m", "$$a.output", "$a"])) if draw(mostly) else f"${name}.output"
        made["parameters"] = {"key": key, "value": draw(values(before)), "expected": 1}
        if not draw(mostly):
            del made["parameters"][draw(st.sampled_from(["key", "value", "expected"]))]
    return made


@st.composite
def plans(draw: st.DrawFn) -> list[dict[str, Any]]:
    names = NAMES[: draw(st.integers(0, 5))]
    listed = [draw(actions(name, names[:i])) for i, name in enumerate(names)]
    if listed and not draw(mostly):
        listed.append(draw(actions(names[0], names)))
    return draw(st.permutations(listed))


def made_runtime(state: dict[str, Any]) -> Runtime:
    @headway.tool
    async def echo(x: Any) -> Any:
        return x

    runtime = Runtime(state=state)
    runtime.register_tool(echo)
    runtime.registry.register(ToolEntry(ToolSchema(name="typed", parameters=SCHEMA), dict, is_async=False))
    runtime.registry.register(ToolEntry(ToolSchema(name="chunks"), dict, is_async=False, mode="streaming"))
    return runtime


async def run(listed: list[dict[str, Any]], state: dict[str, Any]) -> tuple[VerifyReport, ProposalResult, list[Event]]:
    """Return what verify says of a plan, how its run ended, and what the log has of it."""
    runtime = made_runtime(state)
    proposal = parse_proposal({"actions": listed})
    report = verify(proposal, state, runtime.registry)
    return report, await runtime.execute(proposal), await runtime.log.read(limit=100_000)


@given(plans(), st.sets(st.sampled_from(KEYS)))
def test_verify_and_execution_agree(listed: list[dict[str, Any]], present: set[str]) -> None:
    report, result, events = asyncio.run(run(listed, dict.fromkeys(present, 1)))
    (created,) = (e for e in events if e.kind == kinds.JOB_CREATED)
    against = [issue for issue in report.issues if issue.severity == "error" and issue.check not in STATE_CHECKS]
    event("refused" if against else "valid" if report.valid else "runs, but not all of it")
    if against:
        (failed,) = (e for e in events if e.kind == kinds.JOB_FAILED)
        assert not report.valid
        assert (result.status, result.outcome) == ("failed", "rejected")
        assert msgspec.convert(failed.data["issues"], list[Issue]) == against
        return
    assert result.outcome != "rejected"
    ids = [action["id"] for action in created.data["graph"]["actions"]]
    assert [[ids[i] for i in level] for level in created.data["graph"]["levels"]] == report.levels
    level_of = {name: number for number, level in enumerate(report.levels) for name in level}
    started = [level_of[e.action_id] for e in events if e.kind == kinds.ACTION_EXECUTING and e.action_id is not None]
    assert started == sorted(started)


FORESEEN = {None, ErrorCode.PRECONDITION, ErrorCode.DEPENDENCY, ErrorCode.ABORTED}
"""Errors that a run may answer where nothing happened that no plan tells of, as a reference that leads nowhere."""


@given(plans(), st.sets(st.sampled_from(KEYS)))
def test_what_a_plan_does_on_paper_is_what_it_does(listed: list[dict[str, Any]], present: set[str]) -> None:
    for action in listed:  # all that is written is known beforehand
        action["write_set"] = []
        if "value" in action["parameters"]:
            action["parameters"]["value"] = 2
    state = dict.fromkeys(present, 1)
    runtime, proposal = made_runtime(state), parse_proposal({"actions": listed})
    result = asyncio.run(runtime.execute(proposal))
    if result.outcome == "rejected" or not {answer.error_code for answer in result.results} <= FORESEEN:
        return
    paper = simulate(proposal, state)
    event("lands" if paper.lands else "aborts" if paper.aborts_at is not None else "is blocked in part")
    assert (paper.state, paper.unknown_keys) == (runtime.state.snapshot(), [])
    assert (paper.aborts_at is not None) == (result.outcome == "aborted")
    landed = [answer.action_id for answer in result.results if answer.status == "succeeded" and not answer.rolled_back]
    assert [action.action_id for action in paper.actions if action.outcome == "lands"] == landed
