"""The facade: each method does what its name says."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import headway
from headway import EventLog, Runtime, StateStore, ToolSchema
from headway.clock import rfc3339
from headway.errors import Conflict, InvalidInput, NotFound, ToolError
from headway.events import kinds
from headway.jobs.replan import ReplanConfig, ReplanContext
from headway.plan.results import ActionStatus, ErrorCode
from headway.policy.capabilities import CapabilitySet
from headway.policy.engine import PolicyEngine
from headway.testing import VirtualClock
from headway.tools.context import ToolContext
from headway.tools.decorator import entry_of
from tests.unit.execution.kit import call, events_of, runtime, write

# -- tools and executors ---------------------------------------------------------------------------------------------


class Recorder:
    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []

    async def execute(self, tool: str, params: dict[str, Any]) -> Any:
        self.calls.append((tool, params))
        return {"tool": tool}


async def test_tools_that_are_only_names_go_to_the_executor() -> None:
    recorder = Recorder()
    made = Runtime(executor=recorder)
    made.register_tool("named")
    result = await made.execute({"actions": [call("a", "named", parameters={"x": 1})]})
    assert (result["a"].output, recorder.calls) == ({"tool": "named"}, [("named", {"x": 1})])


async def test_tools_of_every_form_come_with_the_constructor() -> None:
    async def plain(x: int) -> int:
        return x + 1

    recorder, registry = Recorder(), headway.tools.ToolRegistry()
    made = Runtime(tools=[plain, entry_of(tool_twice), "named"], executor=recorder, registry=registry)
    actions = [
        call("a", "plain", parameters={"x": 1}),
        call("b", "tool_twice", parameters={"x": 4}),
        call("c", "named"),
    ]
    result = await made.execute({"actions": actions})
    assert [action.output for action in result.results] == [2, 8, {"tool": "named"}]
    with pytest.raises(InvalidInput):
        Runtime(tools=[tool_twice, 5], registry=(untouched := headway.tools.ToolRegistry()))  # type: ignore[list-item]
    assert untouched.names() == []
    with pytest.raises(InvalidInput, match="tools must be a collection"):
        Runtime(tools="named")


def tool_twice(x: int) -> int:
    return 2 * x


async def test_set_executor_changes_who_runs_them_and_without_one_they_fail() -> None:
    made = Runtime()
    made.register_tool("named")
    plan = {"actions": [call("a", "named")]}
    assert (await made.execute(plan))["a"].error == "no executor is set for tool 'named'"

    async def execute(tool: str, params: dict[str, Any]) -> str:
        return f"ran {tool}"

    made.set_executor(execute)
    assert (await made.execute(plan))["a"].output == "ran named"
    made.set_executor(None)
    assert not (await made.execute(plan)).ok
    with pytest.raises(InvalidInput, match="a tool executor has a method"):
        made.set_executor(len)  # type: ignore[arg-type]


async def test_an_executor_is_told_about_the_call_if_it_asks() -> None:
    contexts: list[ToolContext] = []

    class Told:
        async def execute(self, tool: str, params: dict[str, Any], context: ToolContext) -> Any:
            contexts.append(context)
            if context.attempt == 1:
                raise ToolError("not yet")
            return {"tool": tool, "params": params, "key": context.state["key"]}

    made = Runtime(executor=Told(), state={"key": "here"}, clock=VirtualClock(autojump=True))
    made.register_tool("named")
    retried = call("a", "named", parameters={"x": 1}, failure_behavior="retry", max_retries=1, timeout_ms=60_000)
    result = await made.execute({"actions": [retried]})
    assert result["a"].output == {"tool": "named", "params": {"x": 1}, "key": "here"}
    assert [(context.action_id, context.attempt, context.job_id) for context in contexts] == [
        ("a", 1, result.job_id),
        ("a", 2, result.job_id),
    ]
    assert contexts[0].idempotency_key == contexts[1].idempotency_key
    assert contexts[0].deadline is not None


async def test_a_registered_schema_is_enforced_before_the_executor_is_asked() -> None:
    recorder = Recorder()
    made = Runtime(executor=recorder)
    parameters = {"type": "object", "properties": {"p": {"type": "string"}}, "required": ["p"]}
    made.register_tool_schema(ToolSchema(name="sch", parameters=parameters))
    assert [schema.name for schema in made.tool_schemas()] == ["sch"]
    assert made.tools["sch"].parameters == parameters
    result = await made.execute({"actions": [call("a", "sch")]})
    assert (result.outcome, recorder.calls) == ("rejected", [])
    with pytest.raises(InvalidInput):
        made.register_tool_schema({"name": "x"})  # type: ignore[arg-type]


async def test_an_entry_brings_its_limit_and_its_time_to_live() -> None:
    made = Runtime(clock=VirtualClock(autojump=True))

    @headway.tool(rate_limit=(1, 2.0), cache_ttl_secs=60)
    async def limited(x: int = 0) -> int:
        return x

    made.register_tool_entry(entry_of(limited))
    assert "limited" in made.registry
    bucket = made.rate_limiter.get("limited")
    assert bucket is not None
    assert (bucket.capacity, bucket.interval_s) == (1, 2.0)
    assert made.result_cache.ttl("limited") == 60


async def test_register_agent_basics_works_in_the_folder_given(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")
    made = Runtime()
    assert "read_file" in made.register_agent_basics(tmp_path)
    result = await made.execute({"actions": [call("a", "read_file", parameters={"path": "a.txt"})]})
    assert result["a"].output["content"] == "hello"


# -- gates -----------------------------------------------------------------------------------------------------------


async def test_capabilities_refuse_the_plan_whole() -> None:
    made, _ = runtime()
    made.set_capabilities(CapabilitySet(denied_tools=frozenset({"boom"})))
    result = await made.execute({"actions": [call("a"), call("b", "boom")]})
    assert (result.outcome, result["b"].error_code) == ("rejected", ErrorCode.CAPABILITY)
    assert result["a"].status is ActionStatus.SKIPPED
    made.set_capabilities(CapabilitySet(max_actions=1))
    assert (await made.execute({"actions": [call("a"), call("b")]})).outcome == "rejected"
    made.set_capabilities(None)
    assert (await made.execute({"actions": [call("a"), call("b")]})).ok
    with pytest.raises(InvalidInput):
        made.set_capabilities({"max_actions": 1})  # type: ignore[arg-type]


async def test_policies_see_resolved_parameters_and_deny_by_the_failure_behaviour() -> None:
    made, _ = runtime(policies=PolicyEngine())
    made.policies.deny_tool_param("np", "echo", "x", "rm -rf")
    plan = {
        "actions": [
            call("a", parameters={"x": "fine"}),
            call("b", parameters={"x": "rm -rf /"}, failure_behavior="skip"),
            call("c", dependencies=["a"]),
        ]
    }
    result = await made.execute(plan)
    assert result.ok
    assert (result["b"].status, result["b"].error_code) == (ActionStatus.SKIPPED, ErrorCode.POLICY_DENIED)
    assert result["b"].error == "policy 'np': param 'x' matches denied pattern 'rm -rf'"
    (violation,) = await events_of(made, kinds.POLICY_VIOLATION)
    assert violation.data == {"reasons": [result["b"].error]}
    through = {"actions": [call("a", parameters={"x": "rm -rf /"}, id="a")]}
    assert (await made.execute(through))["a"].status is ActionStatus.REJECTED


async def test_policies_judge_state_writes_too_and_collect_all_reasons() -> None:
    made, _ = runtime()
    made.policies.require_state("rs", "ready", True)
    made.policies.register("mine", lambda c: "not now" if c.type == "state_write" else None)
    result = await made.execute({"actions": [write("w", "k")]})
    assert "policy 'rs'" in str(result["w"].error)
    assert "not now" in str(result["w"].error)
    assert "k" not in made.state


async def test_a_sessions_rules_hold_for_its_runs_only() -> None:
    made, _ = runtime()
    session = made.policies.open_session()
    made.policies.deny_tool("nt", "echo", session=session)
    plan = {"actions": [call("a")]}
    assert (await made.execute(plan)).ok
    assert not (await made.execute(plan, session=session)).ok
    made.policies.close_session(session)
    assert not (await made.execute(plan, session=session)).ok
    with pytest.raises(NotFound):
        made.policies.deny_tool("nt", "echo", session=session)


# -- shared ----------------------------------------------------------------------------------------------------------


async def test_runtimes_that_share_a_state_take_turns_and_have_their_own_tools() -> None:
    state, log, policies = StateStore({"n": 0}), EventLog(), PolicyEngine()
    runtimes = [Runtime.with_shared(state, log, policies) for _ in range(3)]

    @headway.tool
    async def add(ctx: headway.ToolContext) -> object:
        n = ctx.state["n"]
        await asyncio.sleep(0)
        return headway.ToolResult(n, effects={"n": n + 1})

    for made in runtimes:
        made.register_tool(add)
    plan = {"actions": [call("a", "add")]}
    await asyncio.gather(*(made.execute(plan) for made in runtimes for _ in range(5)))
    assert state.get("n") == 15
    assert all(made.log is log and made.policies is policies for made in runtimes)
    runtimes[0].register_tool("own")
    assert "own" not in runtimes[1].registry


# -- compensation ----------------------------------------------------------------------------------------------------


async def test_an_abort_undoes_what_succeeded_the_last_first() -> None:
    made, _ = runtime()
    undone: list[Any] = []

    @headway.tool
    async def undo(what: Any) -> None:
        undone.append(what)
        if what == "b":
            raise RuntimeError("stuck")

    made.register_tool(undo)

    def undoable(name: str, **fields: Any) -> dict[str, Any]:
        compensation = {"type": "tool", "tool": "undo", "parameters": {"what": f"${name}.output"}}
        return call(name, parameters={"x": name}, reversibility="compensable", compensation=compensation, **fields)

    plan = {
        "actions": [
            undoable("a"),
            undoable("b", dependencies=["a"]),
            undoable("c", dependencies=["b"]),
            call("plain", dependencies=["c"], compensation={"type": "tool", "tool": "undo", "parameters": {"what": 0}}),
            call("f", "boom", dependencies=["plain"]),
        ]
    }
    result = await made.execute(plan)
    assert undone == ["c", "b", "a"]
    assert [result[name].compensated for name in ("a", "b", "c", "plain")] == [True, False, True, None]
    seen = [
        (e.kind, e.action_id) for e in await events_of(made, kinds.COMPENSATION_SUCCEEDED, kinds.COMPENSATION_FAILED)
    ]
    assert seen == [
        (kinds.COMPENSATION_SUCCEEDED, "c"),
        (kinds.COMPENSATION_FAILED, "b"),
        (kinds.COMPENSATION_SUCCEEDED, "a"),
    ]


async def test_a_compensation_may_name_an_action_of_the_plan_and_is_checked_at_admission() -> None:
    made, _ = runtime()
    undone: list[int] = []

    @headway.tool
    async def undo() -> None:
        undone.append(1)

    made.register_tool(undo)
    by_name = {"type": "action_ref", "action_id": "u"}
    plan = [
        call("u", "undo"),
        call("a", reversibility="compensable", compensation=by_name, dependencies=["u"]),
        call("f", "boom", dependencies=["a"]),
    ]
    await made.execute({"actions": plan})
    assert undone == [1, 1]
    for wrong, text in [
        ({"type": "action_ref", "action_id": "nope"}, "compensation names 'nope', which is no tool call of the plan"),
        ({"type": "tool", "tool": "nope"}, "compensation: tool 'nope' is not registered"),
        ({"type": "magic"}, "a compensation is"),
    ]:
        refused = await made.execute({"actions": [call("a", compensation=wrong)]})
        assert refused.outcome == "rejected"
        assert text in str(refused.error)


# -- principals, logs, builders ----------------------------------------------------------------------------------------


async def test_policies_see_on_whose_behalf_a_runtime_runs() -> None:
    made, _ = runtime(principal="ann")
    made.policies.register("no ann", lambda c: "not for her" if c.principal == "ann" else None)
    result = await made.execute({"actions": [call("a")]})
    assert result["a"].error == "policy 'no ann': not for her"
    assert (await events_of(made, kinds.JOB_CREATED))[0].data["principal"] == "ann"


async def test_a_new_log_is_told_of_the_limits_there_are() -> None:
    made, _ = runtime()
    made.set_rate_limit("echo", 5, 1)
    made.with_event_log(EventLog())
    assert [e.data["bucket"] for e in await events_of(made, kinds.LIMIT_CONFIGURED)] == ["echo"]


async def test_builders_set_what_the_constructor_sets() -> None:
    recorder, log = Recorder(), EventLog()
    made = Runtime().with_executor(recorder).with_event_log(log)
    made.register_tool("named")

    async def callback(context: ReplanContext) -> dict[str, Any]:
        return {"id": f"instead of {context.proposal.id}", "actions": [call("a", "named")]}

    assert made.with_replan(callback, ReplanConfig(max_replans=1)) is made
    aborts = {"id": "p", "actions": [call("a", state_dependencies=["nothing"], tool="named")]}
    assert (await made.execute(aborts)).proposal_id == "instead of p"
    assert made.log is log
    assert log.last_seq > 0
    assert recorder.calls == [("named", {})]
    with pytest.raises(Conflict):
        made.with_event_log(EventLog())


GUARD: dict[str, Any] = {"preconditions": [{"key": "q"}], "state_dependencies": ["k"]}
STATE_REASONS = "key 'q' has no value; state dependency 'k' not found"


@pytest.mark.parametrize(
    ("parameters", "reasons", "code"),
    [
        ({"n": "$a.output.n"}, STATE_REASONS, ErrorCode.PRECONDITION),
        ({"n": "$a.output.text"}, f"the value at /n is not of type 'integer'; {STATE_REASONS}", ErrorCode.VALIDATION),
        (
            {"n": "$a.output.no", "m": "$a.output.gone.0", "o": "$a.output.no"},
            "reference '$a.output.no' has no value; reference '$a.output.gone.0' has no value; " + STATE_REASONS,
            ErrorCode.VALIDATION,
        ),
    ],
)
async def test_an_action_is_refused_for_all_reasons_at_once_parameters_first(
    parameters: dict[str, Any], reasons: str, code: ErrorCode
) -> None:
    made, _ = runtime()

    @headway.tool
    async def typed(n: int, m: Any = None, o: Any = None) -> None:
        """Take a number."""

    made.register_tool(typed)
    made.policies.deny_tool("never", "typed")  # asked only of what the validator passes
    first = call("a", parameters={"x": {"n": 1, "text": "one"}})
    result = await made.execute({"actions": [first, call("b", "typed", parameters=parameters, **GUARD)]})
    assert (result["b"].status, result["b"].error, result["b"].error_code) == ("rejected", reasons, code)


async def test_the_actions_of_a_refused_plan_say_when() -> None:
    made, _ = runtime(clock=VirtualClock())
    result = await made.execute({"actions": [call("a", "nope"), call("b")]})
    assert [action.status for action in result.results] == ["rejected", "skipped"]
    assert {action.timestamp for action in result.results} == {rfc3339(made._powers.env.clock.time_ms())}


async def test_what_a_tool_returns_must_meet_its_schema() -> None:
    made = Runtime()

    @headway.tool(returns={"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})
    async def promised(secret: Any = None) -> Any:
        return secret

    made.register_tool(promised)
    good = await made.execute({"actions": [call("a", "promised", parameters={"secret": {"n": 1}})]})
    assert good["a"].output == {"n": 1}
    for value, place in (({"n": "hunter2"}, "'type' at /n"), ({}, "'required' at /"), ("hunter2", "'type' at /")):
        plan = {"actions": [call("a", "promised", parameters={"secret": value}, failure_behavior="retry")]}
        bad = await made.execute(plan)
        assert bad["a"].error == f"tool 'promised' returned what its schema does not allow: {place}"
        assert (bad["a"].error_code, bad["a"].attempts) == (ErrorCode.VALIDATION, 1)


# -- streaming, long-running, programs -------------------------------------------------------------------------------


async def test_a_stream_shows_its_chunks_and_gives_them_as_its_output() -> None:
    made, _ = runtime(clock=VirtualClock(autojump=True))

    @headway.tool
    async def count(to: int) -> AsyncIterator[str]:
        for number in range(to):
            yield f"{number} "

    made.register_tool(count)
    plan = {"actions": [call("a", "count", parameters={"to": 3}, invocation_mode="streaming")]}
    result = await made.execute(plan)
    assert result["a"].output == "0 1 2 "
    shown = [chunk for event in await events_of(made, kinds.ACTION_CHUNK) for chunk in event.data["chunks"]]
    assert "".join(shown) == "0 1 2 "
    order = [event.kind for event in await made.log.read() if event.action_id == "a"]
    assert order[-1] == kinds.ACTION_SUCCEEDED


async def test_a_mode_that_the_tool_does_not_have_is_refused_at_admission() -> None:
    made, _ = runtime()
    result = await made.execute({"actions": [call("a", invocation_mode="streaming")]})
    assert (result.outcome, result["a"].error) == ("rejected", "tool 'echo' cannot be invoked as streaming")


async def test_a_program_is_a_tool_and_ends_with_the_runtime(tmp_path: Path) -> None:
    program = tmp_path / "double.py"
    program.write_text(
        "import json, sys\n"
        "for line in sys.stdin:\n"
        "    call = json.loads(line)\n"
        "    if 'id' in call:\n"
        "        params = call['params'].get('parameters', call['params'])\n"
        "        print(json.dumps({'jsonrpc': '2.0', 'id': call['id'], 'result': 2 * params['n']}), flush=True)\n"
    )
    made = Runtime()
    tool = headway.tools.SubprocessTool([sys.executable, str(program)], name="double")
    made.register_subprocess_tool("twice", tool)
    result = await made.execute({"actions": [call("a", "twice", parameters={"n": 21})]})
    assert result["a"].output == 42, result["a"]
    assert tool.statistics().pid is not None
    await made.aclose()
    assert tool.statistics().pid is None
    with pytest.raises(InvalidInput):
        made.register_subprocess_tool("x", "rm -rf /")  # type: ignore[arg-type]


async def test_a_tool_registered_anew_does_not_answer_with_the_results_of_the_old_one() -> None:
    made = Runtime()
    for answer in (1, 2):

        @headway.tool(name="same", cache_ttl_secs=60)
        async def same(answer: int = answer) -> int:
            return answer

        made.register_tool(same)
        plan = {"actions": [call("a", "same", idempotent=True)]}
        assert (await made.execute(plan))["a"].output == answer


@pytest.mark.parametrize(
    "wrong",
    [
        lambda r: r.continue_from({}),
        lambda r: r.plan_and_execute(None),
        lambda r: r.plan_and_execute([{"actions": []}], 5),
        lambda r: r.execute(5),
        lambda r: r.execute_with_cancel({"actions": []}, "now"),
    ],
)
async def test_arguments_of_other_types_are_refused_in_one_line(wrong: Any) -> None:
    made = Runtime()
    with pytest.raises(InvalidInput) as caught:
        await wrong(made)
    assert "\n" not in caught.value.message
    assert made.log.last_seq == 0


@pytest.mark.parametrize(
    "wrong",
    [
        lambda r: r.register_tool(""),
        lambda r: r.register_tool("x" * 300),
        lambda r: r.register_tool_entry(5),
        lambda r: r.register_agent_basics(5),
        lambda r: r.load_checkpoint_from_file(5),
        lambda r: r.save_checkpoint_to_file("\0"),
        lambda r: r.restore_checkpoint(None),
        lambda r: r.set_cost_budget({"tool_calls": 1}),
        lambda r: r.set_rate_limit("t", "5", 1),
        lambda r: r.enable_tool_cache("t", -1),
        lambda r: r.set_replan_config({}),
    ],
)
def test_settings_of_other_types_are_refused_in_one_line(wrong: Any) -> None:
    made = Runtime()
    with pytest.raises(InvalidInput) as caught:
        wrong(made)
    assert "\n" not in caught.value.message
    assert (made.log.last_seq, made.registry.names()) == (0, [])


async def test_an_undone_action_is_not_reused_whatever_its_parameters_came_from() -> None:
    made, _ = runtime()
    calls: list[str] = []

    @headway.tool
    async def book(seat: int) -> int:
        calls.append("book")
        return seat

    @headway.tool
    async def unbook(seat: int) -> None:
        calls.append("unbook")

    made.register_tool(book)
    made.register_tool(unbook)
    undo = {"type": "tool", "tool": "unbook", "parameters": {"seat": "$b.output"}}
    booking = call("b", "book", idempotent=True, reversibility="compensable", compensation=undo)
    plan = [call("a", parameters={"x": 4}), {**booking, "parameters": {"seat": "$a.output"}}]
    for _ in range(2):
        await made.execute({"actions": [*plan, call("f", "boom", dependencies=["b"])]})
    assert calls == ["book", "unbook"] * 2


async def test_a_tool_cannot_continue_a_checkpoint_on_its_own_runtime() -> None:
    made, _ = runtime()
    await made.execute({"actions": [call("a")]})
    saved = made.save_checkpoint()

    @headway.tool
    async def nested() -> None:
        await made.continue_from(saved)

    made.register_tool(nested)
    result = await asyncio.wait_for(made.execute({"actions": [call("n", "nested")]}), 60)
    assert "a tool cannot execute a plan on the state that it runs on" in str(result["n"].error)
