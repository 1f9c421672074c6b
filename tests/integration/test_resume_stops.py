"""Resume of a run that was stopping, or that is stopped or refused at once: what was tried is not forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import headway
from headway import CancellationToken, CostBudget, ProposalResult, Runtime
from headway.errors import Conflict, StoreError
from headway.events import kinds
from headway.events.event import Event
from headway.home import Home
from headway.jobs.history import History
from headway.plan.results import ActionStatus, ErrorCode
from headway.policy import CapabilitySet
from headway.store import StoreLog
from tests.integration.test_resume import die_after
from tests.unit.execution.kit import call, write

CUT_OFF = "interrupted: the process ended during the call"


@asynccontextmanager
async def on(path: Path, **options: Any) -> AsyncIterator[tuple[Runtime, list[str]]]:
    """Yield a runtime on the store at ``path``, and the calls that its tools get."""
    home = Home(path)
    home.prepare()
    log = await StoreLog.open(home)
    calls: list[str] = []

    async def do(name: str = "", fails: bool = False) -> headway.ToolResult:
        calls.append(name)
        if fails:
            raise RuntimeError(f"{name} failed")
        return headway.ToolResult(name, usage={"total_tokens": 10})

    try:
        made = Runtime(log=log, **options)
        made.register_tool(headway.tool(name="do", estimate={"tokens": 10})(do))
        yield made, calls
    finally:
        await log.close()


def do(name: str, fails: bool = False, **fields: Any) -> dict[str, Any]:
    """Return a call of ``do``."""
    return call(name, "do", parameters={"name": name, "fails": fails}, **fields)


async def whole(
    path: Path, actions: list[dict[str, Any]], budget: CostBudget | None = None
) -> tuple[list[Event], ProposalResult]:
    """Run the actions to their end; return the log and the result."""
    async with on(path) as (made, _):
        made.set_cost_budget(budget)
        result = await made.execute({"actions": actions})
        return await made.log.read(limit=10_000), result


def without(events: list[Event], upto: str, action: str, ended: set[str]) -> list[Event]:
    """Return the events up to the first of kind ``upto`` of ``action``, without the ends of the actions ``ended``."""
    last = next(i for i, event in enumerate(events) if event.kind == upto and event.action_id == action)
    settled = (*kinds.TERMINAL_ACTION, kinds.BUDGET_SETTLED)
    return [e for e in events[: last + 1] if not (e.action_id in ended and e.kind in settled)]


@pytest.mark.parametrize("idempotent", [False, True])
@pytest.mark.parametrize("budget_again", [False, True])
async def test_a_budget_that_was_used_up_still_stops_the_run(
    tmp_path: Path, idempotent: bool, budget_again: bool
) -> None:
    budget = CostBudget(tokens=20)
    actions = [
        write("w", "k"),
        do("flying", idempotent=idempotent, dependencies=["w"]),
        do("a", dependencies=["w"]),
        do("c", dependencies=["w"]),
        do("later", dependencies=["a"]),
    ]
    events, result = await whole(tmp_path / "whole", actions, budget)
    assert (result.outcome, result["c"].error_code) == ("budget_exhausted", ErrorCode.BUDGET_EXHAUSTED)
    for kind in (kinds.BUDGET_EXHAUSTED, kinds.ACTION_SKIPPED):
        path = tmp_path / kind
        await die_after(path, without(events, kind, "c", {"flying"}))
        async with on(path) as (made, calls):
            made.set_cost_budget(budget if budget_again else None)
            again = await made.resume(result.job_id)
            assert (again.status, again.outcome, again.error) == (result.status, result.outcome, result.error)
            assert calls == []
            assert (again["flying"].status, again["flying"].error_code) == (
                ActionStatus.FAILED,
                ErrorCode.INTERRUPTED,
            )
            assert (again["c"].status, again["later"].error) == (ActionStatus.SKIPPED, result["later"].error)
            assert made.state["k"] == 1
            assert not again["a"].rolled_back


async def half_done(path: Path) -> str:
    """Leave a job behind: two calls in flight, one waiting for its second attempt."""
    actions = [
        do("a", idempotent=True),
        do("b", idempotent=True, failure_behavior="skip"),
        do("r", True, failure_behavior="retry", max_retries=1),
        do("later", dependencies=["a"]),
    ]
    events, result = await whole(path / "whole", actions)
    known = without(events, kinds.ACTION_RETRYING, "r", {"a", "b"})
    assert [e.action_id for e in known if e.kind == kinds.ACTION_EXECUTING] == ["a", "b", "r"]
    await die_after(path / "cut", known)
    return result.job_id


def told(result: ProposalResult) -> dict[str, tuple[str, str | None, str | None, int]]:
    return {
        r.action_id: (r.status.value, r.error_code.value if r.error_code else None, r.error, r.attempts)
        for r in result.results
    }


CANCELLED = {
    "a": ("failed", "interrupted", CUT_OFF, 1),
    "b": ("skipped", "interrupted", CUT_OFF, 1),
    "r": ("failed", "canceled", "RuntimeError: r failed", 1),
    "later": ("skipped", "canceled", "canceled: enough", 0),
}


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_job_that_is_cancelled_as_it_goes_on_tells_what_was_tried(tmp_path: Path, at_once: bool) -> None:
    job_id = await half_done(tmp_path)
    token = CancellationToken()
    if at_once:
        token.cancel("enough")

    def cancel(_: headway.policy.PolicyCall) -> None:
        token.cancel("enough")

    async with on(tmp_path / "cut") as (made, calls):
        made.policies.register("cancel", cancel)
        result = await made.resume(job_id, token)
        assert (result.status, result.error, calls) == ("cancelled", "enough", [])
        assert told(result) == CANCELLED


async def test_what_was_dispatched_and_is_refused_now_has_failed(tmp_path: Path) -> None:
    job_id = await half_done(tmp_path)
    async with on(tmp_path / "cut") as (made, calls):
        made.policies.deny_tool("no more", "do")
        result = await made.resume(job_id)
        assert calls == []
        assert told(result)["a"][:2] + told(result)["a"][3:] == ("failed", "policy_denied", 1)
        assert told(result)["b"] == CANCELLED["b"]
        assert told(result)["r"] == ("failed", "tool_error", "RuntimeError: r failed", 1)
        assert (result.outcome, result["later"].error) == ("aborted", "skipped due to earlier abort")


async def test_calls_in_flight_when_the_process_ended_count_in_the_budget(tmp_path: Path) -> None:
    actions = [do("a", idempotent=True), do("b", dependencies=["a"])]
    budget = CostBudget(tool_calls=2, tokens=100)
    events, result = await whole(tmp_path / "whole", actions, budget)
    await die_after(tmp_path / "cut", without(events, kinds.ACTION_EXECUTING, "a", set()))
    async with on(tmp_path / "cut") as (made, calls):
        made.set_cost_budget(budget)
        again = await made.resume(result.job_id)
        spent = [e.data["spent"] for e in await made.log.read(kinds=[kinds.BUDGET_SETTLED], limit=100)]
    assert (again.outcome, calls, again["a"].attempts) == ("budget_exhausted", ["a"], 2)
    assert spent == [{"tool_calls": 1, "tokens": 10}, {"tool_calls": 2, "tokens": 20}]


@pytest.mark.parametrize("gate", ["capability", "permission", "grant"])
async def test_what_is_not_allowed_any_more_does_not_go_on(tmp_path: Path, gate: str) -> None:
    events, result = await whole(tmp_path / "whole", [do("a"), write("w", "k", dependencies=["a"])])
    known = without(events, kinds.JOB_CREATED, None, set())  # type: ignore[arg-type]
    await die_after(tmp_path / "cut", known)
    async with on(tmp_path / "cut") as (made, calls):
        if gate == "capability":
            made.set_capabilities(CapabilitySet(denied_tools={"do"}))
        elif gate == "permission":
            made.register_tool(
                headway.tool(name="do", permission="deny")(lambda name="", fails=False: calls.append(name))
            )
        else:
            made.set_permission_grant("read_only")
        with pytest.raises(Conflict, match="not allowed here: action 'a'"):
            await made.resume(result.job_id)
        assert (calls, await made.unfinished()) == ([], [result.job_id])
        (closed,) = await made.recover("fail")
        assert (closed.outcome, calls) == ("interrupted", [])


async def test_what_is_done_needs_no_leave_any_more(tmp_path: Path) -> None:
    events, result = await whole(tmp_path / "whole", [do("a"), write("w", "k", dependencies=["a"])])
    await die_after(tmp_path / "cut", without(events, kinds.ACTION_SUCCEEDED, "a", set()))
    async with on(tmp_path / "cut") as (made, calls):
        made.set_capabilities(CapabilitySet(denied_tools={"do"}))
        assert ((await made.resume(result.job_id)).status, calls) == ("completed", [])


async def test_a_log_that_is_closed_in_mid_run_is_not_said_to_hold_its_end(tmp_path: Path) -> None:
    async with on(tmp_path) as (made, calls):
        closing: list[asyncio.Task[None]] = []

        @headway.tool
        async def close() -> None:
            closing.append(asyncio.create_task(made.log.close()))
            await asyncio.sleep(0)

        made.register_tool(close)
        with pytest.raises(StoreError, match="closed"):
            await made.execute({"actions": [do("a"), call("c", "close", dependencies=["a"])]})
        await asyncio.gather(*closing)
    async with on(tmp_path) as (made, calls):
        (job_id,) = await made.unfinished()
        made.register_tool(headway.tool(name="close")(lambda: None))
        again = await made.resume(job_id)
        assert (again["a"].status, again["c"].error_code, calls) == (ActionStatus.SUCCEEDED, ErrorCode.INTERRUPTED, [])


def cut_after(events: list[Event], kind: str, action: str | None = None, nth: int = 0) -> list[Event]:
    """Return the events up to the nth of that kind, of that action."""
    places = [i for i, e in enumerate(events) if e.kind == kind and action in (None, e.action_id)]
    return events[: places[nth] + 1]


@pytest.mark.parametrize("how", ["cancelled", "fail"])
async def test_a_job_that_is_closed_leaves_the_state_that_the_log_says(tmp_path: Path, how: str) -> None:
    actions = [do("a", expected_effects={"k": 1}), do("b", idempotent=True), do("z", dependencies=["b"])]
    events, result = await whole(tmp_path / "whole", actions)
    known = without(events, kinds.ACTION_SUCCEEDED, "a", {"b"})
    request = Event(kinds.RUN_CANCEL_REQUESTED, {"reason": "enough", "by": ""}, result.job_id)
    await die_after(tmp_path / "cut", [*known, request] if how == "cancelled" else known)
    async with on(tmp_path / "cut") as (made, _):
        if how == "cancelled":
            await made.resume(result.job_id)
        else:
            await made.recover("fail")
        assert dict(made.state.snapshot()) == {"k": 1}
        await made.execute({"actions": [write("w", "q")]})
        scope = await (await made.log.reader()).scope_state("runtime")  # type: ignore[attr-defined]
        assert scope == dict(made.state.snapshot()) == {"k": 1, "q": 1}


UNDONE = {"reversibility": "compensable", "compensation": {"type": "action_ref", "action_id": "u"}}


def undo_tool(made: Runtime, calls: list[str]) -> None:
    @headway.tool
    async def undo() -> None:
        calls.append("undo")

    made.register_tool(undo)


@pytest.mark.parametrize("gone", ["denied", "missing"])
async def test_a_compensation_that_names_an_action_needs_its_tool(tmp_path: Path, gone: str) -> None:
    actions = [call("u", "undo"), do("a", dependencies=["u"], **UNDONE), do("b", True, dependencies=["a"])]
    async with on(tmp_path / "whole") as (made, calls):
        undo_tool(made, calls)
        result = await made.execute({"actions": actions})
        assert calls == ["undo", "a", "b", "undo"]
        events = await made.log.read(limit=1000)
    await die_after(tmp_path / "cut", cut_after(events, kinds.ACTION_SUCCEEDED, "a"))
    async with on(tmp_path / "cut") as (made, calls):
        if gone == "denied":
            undo_tool(made, calls)
            made.set_capabilities(CapabilitySet(denied_tools={"undo"}))
        with pytest.raises(Conflict, match="action 'u'" if gone == "denied" else "not registered here: undo"):
            await made.resume(result.job_id)
        assert calls == []


async def test_a_resumed_task_that_is_cancelled_commits_the_whole_level(tmp_path: Path) -> None:
    actions = [do("a", expected_effects={"k": 1}), call("g", "gate", idempotent=True)]
    inside = asyncio.Event()

    def gated(made: Runtime, opened: bool) -> None:
        @headway.tool
        async def gate() -> None:
            inside.set()
            if not opened:
                await asyncio.Event().wait()

        made.register_tool(gate)

    async with on(tmp_path / "whole") as (made, _):
        gated(made, opened=True)
        result = await made.execute({"actions": actions})
        events = await made.log.read(limit=1000)
    inside.clear()
    await die_after(tmp_path / "cut", without(events, kinds.ACTION_SUCCEEDED, "a", {"g"}))
    async with on(tmp_path / "cut") as (made, _):
        gated(made, opened=False)
        run = asyncio.create_task(made.resume(result.job_id))
        await inside.wait()
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        await made.log.flush()
        scope = await (await made.log.reader()).scope_state("runtime")  # type: ignore[attr-defined]
        assert scope == dict(made.state.snapshot()) == {"k": 1}
        assert (await made.log.read(kinds=[kinds.LEVEL_FINISHED]))[0].data["succeeded"] == 1


async def test_an_abort_that_was_cancelled_waits_for_who_can_undo_it(tmp_path: Path) -> None:
    undone = {"reversibility": "compensable", "compensation": {"type": "tool", "tool": "undo", "parameters": {}}}
    async with on(tmp_path / "whole") as (made, calls):
        undo_tool(made, calls)
        result = await made.execute({"actions": [do("a", **undone), do("b", True, dependencies=["a"])]})
        events = await made.log.read(limit=1000)
    request = Event(kinds.RUN_CANCEL_REQUESTED, {"reason": "enough", "by": ""}, result.job_id)
    await die_after(tmp_path / "cut", [*cut_after(events, kinds.ACTION_FAILED), request])
    async with on(tmp_path / "cut") as (made, calls):
        with pytest.raises(Conflict, match="not registered here: undo"):
            await made.resume(result.job_id)
        undo_tool(made, calls)
        again = await made.resume(result.job_id)
        assert (again.status, again["a"].compensated, calls) == ("cancelled", True, ["undo"])


async def test_a_run_that_goes_on_needs_nothing_to_undo_what_another_did(tmp_path: Path) -> None:
    undone = {"reversibility": "compensable", "compensation": {"type": "tool", "tool": "undo", "parameters": {}}}
    actions = [do("a", **undone), do("b", dependencies=["a"]), do("c", dependencies=["b"])]
    async with on(tmp_path / "whole") as (made, calls):
        undo_tool(made, calls)
        token = CancellationToken()
        made.policies.register("stop", lambda asked: token.cancel("later") and None if asked.action_id == "b" else None)
        await made.execute_with_cancel({"actions": actions}, token)
        kept = made.save_checkpoint()
        made.policies.unregister("stop")
        result = await made.continue_from(kept)
        assert result.status == "completed"
        events = await made.log.read(limit=1000)
    of_fork = [i for i, e in enumerate(events) if e.job_id == result.job_id and e.kind == kinds.JOB_STARTED]
    await die_after(tmp_path / "cut", events[: of_fork[0] + 1])
    async with on(tmp_path / "cut") as (made, calls):
        assert ((await made.resume(result.job_id)).status, calls) == ("completed", ["b", "c"])


RESERVED = Event(kinds.BUDGET_RESERVED, {"amounts": {"tool_calls": 1, "tokens": 5}}, "j", "a")
MADE = Event(kinds.ACTION_EXECUTING, {}, "j", "a", attempt=1)
SETTLED = Event(kinds.BUDGET_SETTLED, {}, "j", "a")
COUNTED = Event(kinds.BUDGET_SETTLED, {}, "j")
ENDED = Event(kinds.ACTION_SKIPPED, {"error": CUT_OFF}, "j", "a")


@pytest.mark.parametrize(
    ("events", "outstanding"),
    [
        ([], False),
        ([RESERVED], False),
        ([RESERVED, MADE], True),
        ([RESERVED, MADE, ENDED], True),
        ([RESERVED, MADE, SETTLED], False),
        ([RESERVED, MADE, COUNTED], False),
        ([RESERVED, MADE, COUNTED, RESERVED], False),
        ([RESERVED, MADE, SETTLED, RESERVED, MADE], True),
        ([MADE], False),
    ],
)
async def test_calls_that_nobody_settled_are_outstanding(
    tmp_path: Path, events: list[Event], outstanding: bool
) -> None:
    async with on(tmp_path) as (made, _):
        await made.log.write(*events)
        found = await History(await made.log.reader()).outstanding("j")  # type: ignore[attr-defined]
    assert found == ({"tool_calls": 1, "tokens": 5} if outstanding else {})


async def test_what_a_restart_counted_is_not_counted_by_the_next(tmp_path: Path) -> None:
    actions = [do("a", idempotent=True), do("b", dependencies=["a"])]
    budget = CostBudget(tool_calls=3)
    events, result = await whole(tmp_path / "whole", actions, budget)
    await die_after(tmp_path / "one", without(events, kinds.ACTION_EXECUTING, "a", set()))
    async with on(tmp_path / "one") as (made, calls):
        made.set_cost_budget(budget)
        assert ((await made.resume(result.job_id)).status, calls) == ("completed", ["a", "b"])
        again = await made.log.read(limit=1000)
    resumed = next(i for i, event in enumerate(again) if event.kind == kinds.RUN_RESUMED)
    for number in (1, 2, 3):
        assert [e.kind for e in again[resumed : resumed + 4]][number] in (
            kinds.BUDGET_SET,
            kinds.BUDGET_SETTLED,
            kinds.LEVEL_STARTED,
        )
        await die_after(tmp_path / f"two{number}", again[: resumed + 1 + number])
        async with on(tmp_path / f"two{number}") as (made, calls):
            made.set_cost_budget(budget)
            assert ((await made.resume(result.job_id)).status, calls) == ("completed", ["a", "b"])


async def test_a_call_cut_off_that_the_budget_does_not_pay_again_keeps_its_answer(tmp_path: Path) -> None:
    actions = [do("a", idempotent=True, failure_behavior="skip"), do("z")]
    events, result = await whole(tmp_path / "whole", actions)
    await die_after(tmp_path / "cut", without(events, kinds.ACTION_EXECUTING, "a", set()))
    async with on(tmp_path / "cut") as (made, calls):
        made.set_cost_budget(CostBudget(tool_calls=0))
        again = await made.resume(result.job_id)
    assert (again.outcome, calls) == ("budget_exhausted", [])
    assert told(again)["a"] == ("skipped", "interrupted", CUT_OFF, 1)
