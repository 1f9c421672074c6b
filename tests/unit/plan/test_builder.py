"""Plans made in Python: the same JSON as by hand, and one clear line for what cannot be."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from headway import (
    CancellationToken,
    InvalidInput,
    InvalidPlan,
    Plan,
    Runtime,
    ToolContext,
    parse_proposal,
    run_sync,
    tool,
    verify,
)
from headway.analysis import equivalent, rank_proposals, simulate
from headway.plan.builder import Ref
from headway.plan.format import Assumption, Precondition


@tool
async def fetch(url: str, *, attempts: int = 1) -> dict[str, Any]:
    return {"url": url, "links": [url + "/a", url + "/b"], "n": attempts}


def join(parts: list[str], extra: str = "") -> str:
    return "+".join(parts) + extra


@tool(name="store")
async def save(context: ToolContext, text: str) -> int:
    return len(text)


@tool
def forget(text: str, **more: int) -> None:
    return None


HAND = {
    "id": "p",
    "source": "me",
    "timestamp": "2026-01-02T03:04:05Z",
    "context": {"team": "x", "goal": "links"},
    "actions": [
        {"id": "fetch", "type": "tool_call", "tool": "fetch", "parameters": {"url": "u", "attempts": 2}},
        {
            "id": "joined",
            "type": "tool_call",
            "tool": "join",
            "parameters": {"parts": ["$fetch.output.links.0", "$fetch.output.url", "plain"]},
            "dependencies": ["write_seen", "fetch"],
            "failure_behavior": "retry",
            "max_retries": 1,
            "timeout_ms": 500,
            "idempotent": True,
        },
        {"id": "write_seen", "type": "state_write", "parameters": {"key": "seen", "value": {"n": "$fetch.output.n"}}},
        {
            "id": "store",
            "type": "tool_call",
            "tool": "store",
            "parameters": {"text": "$joined.output"},
            "reversibility": "compensable",
            "compensation": {"tool": "forget", "parameters": {"text": "$store.output", "n": 1}},
        },
        {"id": "read_seen", "type": "state_read", "parameters": {"key": "seen"}},
        {"id": "check_seen", "type": "assertion", "parameters": {"key": "seen", "expected": {"n": 2}}},
        {"id": "notify", "type": "tool_call", "tool": "notify", "parameters": {"who": "ops"}},
        {"id": "notify_2", "type": "tool_call", "tool": "notify", "parameters": {"who": "$read_seen.output.n"}},
    ],
}


def built() -> Plan:
    plan = Plan(goal="links", source="me", id="p", timestamp="2026-01-02T03:04:05Z", context={"team": "x"})
    page = plan.call(fetch, "u", attempts=2)
    joined = plan.call(join, [page.output["links"][0], page.output["url"], "plain"])
    seen = plan.write("seen", {"n": page.output["n"]})
    joined.options(
        id="joined",
        after=[seen, "fetch"],
        failure_behavior="retry",
        max_retries=1,
        timeout_ms=500,
        idempotent=True,
    )
    stored = plan.call(save, text=joined.output)
    stored.undo(forget, stored.output, n=1)  # type: ignore[arg-type] # an int where text is wanted
    read = plan.read("seen", dict)
    plan.check("seen", {"n": 2})
    plan.call("notify", who="ops")
    plan.call("notify", who=read.output["n"])
    return plan


def test_a_plan_is_the_json_that_a_hand_writes() -> None:
    plan = built()
    assert plan.to_dict() == HAND
    assert json.loads(plan.to_json()) == HAND
    assert plan.proposal() == parse_proposal(HAND)


def test_a_plan_is_taken_wherever_a_proposal_is() -> None:
    plan = built()
    assert verify(plan).levels == verify(HAND).levels == plan.verify(tools=None).levels
    assert simulate(plan).lands
    assert equivalent(plan, HAND).equivalent
    assert [score.index for score in rank_proposals([plan, plan])] == [0, 1]


async def test_a_plan_runs() -> None:
    plan = Plan()
    page = plan.call(fetch, "u")
    joined = plan.call(join, page.output["links"], extra="!")
    plan.write("length", plan.call(save, joined.output).output)
    runtime = Runtime()
    for function in (fetch, join, save):
        runtime.register_tool(function)
    result = await runtime.execute(plan)
    assert result.ok
    assert result[joined.id].output == "u/a+u/b!"
    assert runtime.state["length"] == len("u/a+u/b!")
    assert (await runtime.execute_with_cancel(plan, CancellationToken())).ok


def test_a_script_runs_a_plan_with_the_functions_that_it_calls() -> None:
    plan = Plan()
    joined = plan.call(join, plan.call(fetch, "u").output["links"]).undo(forget, "x")
    assert plan.functions == (fetch, join, forget)
    result = run_sync(plan)
    assert result[joined.id].output == "u/a+u/b"
    assert run_sync(plan, tools=[]).outcome == "rejected"


def test_verify_knows_the_functions_that_a_plan_calls() -> None:
    plan = Plan()
    plan.call(fetch, 5)  # type: ignore[call-overload] # on purpose
    [issue] = plan.verify().issues
    assert (issue.action_id, issue.check) == ("fetch", "param_schema")
    assert plan.verify(tools=["fetch"]).valid


def test_ids_are_readable_unique_and_may_be_chosen_later() -> None:
    plan = Plan()
    first, second = plan.call("t"), plan.call("t")
    third = plan.call("u", v=first.output, w=[second.output])
    first.options(id="t_3")
    assert [first.id, second.id, plan.call("t").id, plan.call("t").id] == ["t_3", "t_2", "t", "t_4"]
    assert plan.to_dict()["actions"][2]["parameters"] == {"v": "$t_3.output", "w": ["$t_2.output"]}
    assert [action["id"] for action in plan.to_dict()["actions"]] == ["t_3", "t_2", "u", "t", "t_4"]
    with pytest.raises(InvalidPlan, match=r"^duplicate action id 't_2'$"):
        third.options(id="t_2")
    assert third.id == "u"


def test_text_that_looks_like_a_reference_stays_text() -> None:
    plan = Plan()
    plan.call("t", a="$x.output", b="$$x.output.y", c="$5", d=["$x.output"])
    plan.write("$a.output", "$b.output")
    [call, write] = parse_proposal(plan.to_json()).actions
    assert call.parameters == {"a": "$$x.output", "b": "$$$x.output.y", "c": "$5", "d": ["$$x.output"]}
    simulation = simulate(plan)
    assert write.parameters["key"] == "$$a.output"
    assert simulation.state == {}
    assert simulation.unknown_keys == ["$a.output"]


async def test_escaped_text_reaches_the_tool_as_it_was() -> None:
    @tool
    def echo(v: Any) -> Any:
        return v

    runtime = Runtime()
    runtime.register_tool(echo)
    plan = Plan()
    texts = ["$x.output", "$$x.output.y", "$5", "$", "$$", "$echo.output"]
    plan.call(echo, texts)
    assert (await runtime.execute(plan)).results[0].output == texts


@dataclass
class Point:
    x: int
    label: str


def test_values_become_json() -> None:
    plan = Plan()
    when = datetime(2026, 1, 2, tzinfo=UTC)
    plan.call("t", p=Point(1, "$a.output"), at=when, many=(1, 2))
    assert plan.to_dict()["actions"][0]["parameters"] == {
        "p": {"x": 1, "label": "$$a.output"},
        "at": "2026-01-02T00:00:00Z",
        "many": [1, 2],
    }


def test_all_options_are_fields_of_the_format() -> None:
    plan = Plan()
    plan.call("t").options(
        reversibility="reversible",
        preconditions=[Precondition(key="k", operator="exists")],
        expected_effects={"e": 1},
        state_dependencies=["k"],
        read_set=["r"],
        write_set=["w"],
        assumptions=[Assumption(key="k", read_version=1)],
        invocation_mode="streaming",
        metadata={"m": 1},
    )
    assert plan.to_dict()["actions"] == [
        {
            "id": "t",
            "type": "tool_call",
            "tool": "t",
            "reversibility": "reversible",
            "preconditions": [{"key": "k", "operator": "exists"}],
            "expected_effects": {"e": 1},
            "state_dependencies": ["k"],
            "read_set": ["r"],
            "write_set": ["w"],
            "assumptions": [{"key": "k", "read_version": 1}],
            "invocation_mode": "streaming",
            "metadata": {"m": 1},
        }
    ]


USES: list[Callable[[Any], object]] = [
    bool,
    len,
    iter,
    str,
    int,
    float,
    lambda ref: f"{ref}",
    lambda ref: ref + "x",
    lambda ref: "x" + ref,
    lambda ref: ref == "x",
    lambda ref: ref < 3,
    lambda ref: "x" in ref,
    lambda ref: ref(),
    lambda ref: setattr(ref, "title", 1),
    lambda ref: ref["a.b"],
    lambda ref: ref[-1],
    lambda ref: ref[True],
    lambda ref: ref[""],
]


@pytest.mark.parametrize("use", USES, ids=map(str, range(len(USES))))
def test_an_output_has_no_value_before_the_run(use: Callable[[Any], object]) -> None:
    page = Plan().call(fetch, "u")
    with pytest.raises(InvalidPlan) as caught:
        use(page.output)
    assert "\n" not in caught.value.message


def test_an_output_shows_what_it_refers_to() -> None:
    output: Any = Plan().call(fetch, "u").output
    assert repr(output.links[0]) == "Ref('$fetch.output.links.0')"
    assert isinstance(output, Ref)


BAD: list[tuple[Callable[[Plan], object], type[Exception], str]] = [
    (lambda plan: plan.call(fetch), InvalidPlan, "tool 'fetch': missing a required argument: 'url'"),  # type: ignore[call-overload]
    (
        lambda plan: plan.call(fetch, "u", tries=1),  # type: ignore[call-arg]
        InvalidPlan,
        "tool 'fetch': got an unexpected keyword argument 'tries'",
    ),
    (lambda plan: plan.call("t", 5), InvalidPlan, "called by name takes its arguments by name"),  # type: ignore[call-overload]
    (lambda plan: plan.call(5), InvalidInput, "a tool is a function or the name of one, not 5"),  # type: ignore[call-overload]
    (lambda plan: plan.call(""), InvalidInput, "a tool's name must have 1 to 256 characters"),
    (lambda plan: plan.call("t", x=object()), InvalidPlan, "an argument is not JSON"),
    (lambda plan: plan.call("t", x=plan.call("u")), InvalidPlan, "give the output of step 'u', not the step"),
    (lambda plan: plan.write("", 1), InvalidInput, "a key must have 1 to 1024 characters"),
    (lambda plan: plan.call("t").options(after=[5]), InvalidInput, "a step to come after must be a text"),  # type: ignore[list-item]
    (lambda plan: plan.call("t").options(timeout_ms=0), InvalidPlan, "an action: timeout_ms: expected int >= 1"),
    (lambda plan: plan.call("t").options(id=""), InvalidInput, "an action's id must have 1 to 256 characters"),
    (lambda _: Plan(goal=5), InvalidInput, "a plan's goal must be of type str"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("use", "kind", "text"), BAD, ids=[text for _, _, text in BAD])
def test_bad_input_is_one_clear_line(use: Callable[[Plan], object], kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as caught:
        use(Plan())
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_functions_of_one_name_are_refused() -> None:
    plan = Plan()
    plan.call(fetch, "u")

    @tool(name="fetch")
    def other(url: str) -> str:
        return url

    with pytest.raises(InvalidPlan, match="two functions of the plan are called 'fetch'"):
        plan.call(other, "u")


@pytest.mark.parametrize(
    "command",
    [
        ["mypy", "tests/typing/plans.py"],
        ["basedpyright", "--project", "tests/typing"],
    ],
    ids=["mypy", "pyright"],
)
@pytest.mark.long
def test_type_checkers_see_through_a_plan(command: list[str]) -> None:
    root = Path(__file__).parents[3]
    checker = Path(sys.executable).with_name(command[0])
    run = subprocess.run([checker, *command[1:]], cwd=root, capture_output=True, text=True, timeout=200, check=False)
    assert run.returncode == 0, run.stdout
