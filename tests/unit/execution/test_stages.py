"""Stages: their table, what they hold, when they are asked, and the states of a pending action between them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

import headway
from headway import CancellationToken, CostBudget, Runtime
from headway.errors import InvalidTransition
from headway.events import kinds
from headway.execution.asking import Answer, Question
from headway.execution.pending import PendingAction, State
from headway.execution.stages import table
from headway.execution.stages.stage import End, Flow, Refused, Stage
from headway.plan.format import Action, ActionType
from headway.plan.graph import Node
from headway.plan.results import ErrorCode
from headway.policy import PolicyCall
from headway.testing import VirtualClock
from tests.unit.execution.kit import call, events_of, runtime, write


def pending() -> PendingAction:
    """Return a pending action that is queued."""
    return PendingAction(Node(0, Action(id="a", type=ActionType.TOOL_CALL, tool="echo")))


class NoWait:
    """A wait that remembers whether it was given up."""

    gone = False

    def cancel(self) -> None:
        self.gone = True


WAY = (State.QUEUED, State.LAUNCHING, State.IN_FLIGHT, State.ENDED, State.SETTLED)


def test_a_pending_action_goes_its_way_and_no_other() -> None:
    for before, after in pairwise(WAY):
        action = pending()
        for state in WAY[1 : WAY.index(before) + 1]:
            action.move(state)
        for other in State:
            if other in (before, State.QUEUED, State.IN_FLIGHT, State.LAUNCHING) and other is not after:
                with pytest.raises(InvalidTransition, match=f"'a' cannot go from {before} to {other}"):
                    action.move(other)
        action.move(after)
    with pytest.raises(InvalidTransition, match="from settled to queued"):
        action.move(State.QUEUED)


def test_a_parked_action_says_on_what_and_counts_its_waiting() -> None:
    action, wait = pending(), NoWait()
    action.park("rate", wait, 1.0)
    assert repr(action) == "<PendingAction 'a', parked on rate>"
    with pytest.raises(InvalidTransition, match="from parked to launching"):
        action.move(State.LAUNCHING)
    action.resume(3.0)
    assert (action.state, action.parked_on, action.waited, wait.gone) == (State.QUEUED, "", 2.0, False)
    action.park("budget", wait, 4.0)
    action.give_up_wait(5.0)
    action.give_up_wait(9.0)
    assert (action.state, action.waited, wait.gone) == (State.QUEUED, 3.0, True)


def test_the_table_has_the_stages_in_their_order() -> None:
    names = [stage.name for stage in table.STAGES]
    assert names == ["validate", "policy", "before_tool", "approval", "reuse", "budget", "rate", "exclusive"]
    assert [stage.name for stage in table.STAGES if stage.each_attempt] == ["policy", "budget", "rate", "exclusive"]


async def test_a_new_stage_is_a_class_and_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, str, int]] = []

    class Curfew(Stage):
        """Lets nothing named b pass, holds c back once, and takes note of everything."""

        name = "curfew"
        each_attempt = True

        def enter(self, action: PendingAction, flow: Flow) -> bool:
            seen.append(("enter", action.node.id, action.attempt))
            if action.node.id == "b":
                raise Refused("after dark", ErrorCode.POLICY_DENIED)
            if action.node.id == "c" and action.attempt == 0:
                flow.park(action, self.name, self.env.clock.call_later(5, flow.resume, action))
                return False
            return True

        def leave(self, action: PendingAction, end: End | None) -> None:
            seen.append(("leave" if end is None else "end", action.node.id, action.attempt))

    monkeypatch.setattr(table, "STAGES", (*table.STAGES, Curfew))
    made, _ = runtime(clock=VirtualClock(autojump=True))
    undo = {"type": "tool", "tool": "echo"}
    plan = [
        call("c", "flaky", failure_behavior="retry", reversibility="compensable", compensation=undo),
        call("b", dependencies=["c"]),
    ]
    result = await made.execute({"actions": plan})
    assert (result["b"].status, result["b"].error, result["c"].attempts) == ("rejected", "after dark", 3)
    assert result["c"].waited_ms == 5000 + 100 + 200
    assert seen == [
        ("enter", "c", 0),
        ("end", "c", 1),
        ("enter", "c", 1),
        ("end", "c", 2),
        ("enter", "c", 2),
        ("end", "c", 3),
        ("enter", "b", 0),
        ("leave", "b", 0),
        ("enter", "c", 0),  # the compensation passes the same stages
        ("end", "c", 0),
    ]


async def test_stages_without_a_rule_are_not_entered(monkeypatch: pytest.MonkeyPatch) -> None:
    made, _ = runtime()
    entered: list[str] = []

    def spy(stage: type[Stage]) -> type[Stage]:
        class Spy(stage):  # type: ignore[valid-type, misc]  # the class is a value here
            def enter(self, action: PendingAction, flow: Flow) -> bool:
                entered.append(self.name)
                return bool(super().enter(action, flow))

        return Spy

    monkeypatch.setattr(table, "STAGES", tuple(map(spy, table.STAGES)))
    await made.execute({"actions": [call("a")]})
    assert entered == ["validate"]
    entered.clear()
    made.set_rate_limit("other", 1, 1)
    made.policies.deny_tool("no", "other")
    made.enable_tool_cache("other", 5)
    made.set_cost_budget(CostBudget(actions=9))
    await made.execute({"actions": [call("a")]})
    assert entered == ["validate", "policy", "reuse", "budget", "rate"]


async def test_a_rule_that_comes_in_mid_run_holds_for_what_has_not_started() -> None:
    made, _ = runtime(clock=VirtualClock(autojump=True))

    @headway.tool
    async def ban() -> None:
        made.policies.deny_tool("no", "echo")

    @headway.tool
    async def limit() -> None:
        made.policies.unregister("no")
        made.set_rate_limit("echo", 1, 3600)

    made.register_tool(ban)
    made.register_tool(limit)
    plan = [
        call("a"),
        call("ban", "ban", dependencies=["a"]),
        call("b", dependencies=["ban"], failure_behavior="skip"),
        call("limit", "limit", dependencies=["ban"]),
        call("c", dependencies=["limit"]),
        call("d", dependencies=["limit"]),
    ]
    result = await made.execute({"actions": plan})
    assert result["b"].error_code is ErrorCode.POLICY_DENIED
    assert (result["c"].waited_ms, result["d"].waited_ms) == (None, 3_600_000)


async def test_policies_are_asked_of_each_attempt_and_the_last_error_stays() -> None:
    made, _ = runtime(clock=VirtualClock(autojump=True))
    asked: list[str] = []

    def twice(asking: PolicyCall) -> str | None:
        asked.append(asking.action_id)
        return "enough" if len(asked) > 2 else None

    made.policies.register("twice", twice)
    result = await made.execute({"actions": [call("a", "boom", failure_behavior="retry", max_retries=9)]})
    assert (asked, result["a"].attempts) == (["a"] * 3, 2)
    assert (result["a"].status, result["a"].error) == ("failed", "ValueError: boom!")
    assert result["a"].error_code is ErrorCode.POLICY_DENIED
    (told,) = await events_of(made, kinds.POLICY_VIOLATION)
    assert told.data["reasons"] == ["policy 'twice': enough"]


class Inbox:
    """A port that asks about what the test says, and answers when the test does."""

    attended = True

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.asked: list[Question] = []
        self.answered: list[Callable[[Answer], object]] = []
        self.waits: list[NoWait] = []

    def ask(self, question: Question, answered: Callable[[Answer], object]) -> Answer | NoWait:
        self.asked.append(question)
        if self.answers:
            return self.answers.pop(0)
        self.answered.append(answered)
        self.waits.append(NoWait())
        return self.waits[-1]


def asking(*answers: Answer, about: tuple[str, ...] = ("echo",), **options: Any) -> tuple[Runtime, Inbox]:
    """Return a runtime whose policies ask about some tools, and its port."""
    made, _ = runtime(**options)
    inbox = made._powers.env.asking = Inbox(*answers)  # type: ignore[assignment]  # NoWait is a Wait
    for tool in about:
        made.policies.ask_tool("ask", tool)
    return made, inbox


async def test_an_approval_is_asked_once_before_the_first_attempt() -> None:
    made, inbox = asking(
        Answer("allow"),
        Answer("deny", reason="not today", by="mia"),
        Answer("deny"),
        about=("flaky", "echo"),
        clock=VirtualClock(autojump=True),
    )
    made.set_cost_budget(CostBudget(actions=5))
    plan = [
        call("a", "flaky", failure_behavior="retry"),
        call("b", failure_behavior="skip", parameters={"x": "$a.output"}),
        call("c", failure_behavior="skip", dependencies=["b", "a"]),
        call("d", failure_behavior="skip", dependencies=["a"]),
    ]
    result = await made.execute({"actions": plan})
    assert (result["a"].attempts, result["a"].status) == (3, "succeeded")
    assert (result["b"].status, result["b"].error, result["b"].error_code) == (
        "skipped",
        "the approval was denied by mia: not today",
        ErrorCode.APPROVAL_DENIED,
    )
    assert result["d"].error == "the approval was denied"
    assert [(q.action_id, q.tool, dict(q.parameters or {})) for q in inbox.asked] == [
        ("a", "flaky", {}),
        ("b", "echo", {"x": 7}),
        ("d", "echo", {}),
    ]


@pytest.mark.parametrize("allowed", [True, False])
async def test_an_action_waits_for_its_approval_and_holds_no_slot(allowed: bool) -> None:
    clock = VirtualClock()
    made, inbox = asking(clock=clock, max_concurrency=1)
    running = asyncio.create_task(made.execute({"actions": [call("a"), call("b", failure_behavior="skip")]}))
    await clock.advance(3)
    inbox.answered[1](Answer("allow"))
    await clock.advance(1)
    inbox.answered[0](Answer("allow" if allowed else "deny", reason="no"))
    await clock.advance(0)
    result = await running
    assert (result["b"].status, result["b"].waited_ms) == ("succeeded", 3000)
    if allowed:
        assert (result["a"].status, result["a"].waited_ms) == ("succeeded", 4000)
    else:
        assert (result["a"].status, result["a"].error) == ("rejected", "the approval was denied: no")
        assert (result.outcome, result["a"].waited_ms) == ("aborted", 4000)


async def test_an_abort_ends_the_run_whatever_the_plan_says_about_failures() -> None:
    made, _ = asking(Answer("abort", reason="stop it"))
    plan = [write("w", "k"), call("a", failure_behavior="skip", dependencies=["w"]), call("b", dependencies=["a"])]
    result = await made.execute({"actions": plan})
    assert (result.outcome, result["a"].status, result["b"].status) == ("aborted", "rejected", "skipped")
    assert not made.state.snapshot()


async def test_a_cancel_takes_the_question_back() -> None:
    clock, token = VirtualClock(), CancellationToken()
    made, inbox = asking(clock=clock)
    running = asyncio.create_task(made.execute_with_cancel({"actions": [call("a")]}, token))
    await clock.advance(1)
    token.cancel("enough")
    await clock.advance(1)
    assert (running.result()["a"].error, inbox.waits[0].gone) == ("canceled: enough", True)


@pytest.mark.parametrize("allowed", [True, False])
async def test_a_compensation_waits_for_its_approval_too(allowed: bool) -> None:
    clock = VirtualClock()
    made, inbox = asking(Answer("allow"), clock=clock)
    undo = {"type": "tool", "tool": "echo", "parameters": {"x": "undo"}}
    plan = [call("a", reversibility="compensable", compensation=undo), call("b", "boom", dependencies=["a"])]
    running = asyncio.create_task(made.execute({"actions": plan}))
    await clock.advance(1)
    question = inbox.asked[-1]
    assert (question.action_id, question.tool, question.parameters) == ("a", "echo", {"x": "undo"})
    assert question.choices == ("allow", "deny")
    inbox.answered[0](Answer("allow" if allowed else "deny", reason="leave it"))
    await clock.advance(0)
    assert (await running)["a"].compensated is allowed
    failed = await events_of(made, kinds.COMPENSATION_FAILED)
    expected = [] if allowed else ["the approval was denied: leave it"]
    assert [event.data["error"] for event in failed] == expected


async def test_what_a_refused_action_holds_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    class Last(Stage):
        """Refuses what has passed all others."""

        def enter(self, action: PendingAction, flow: Flow) -> bool:
            raise Refused("no", ErrorCode.POLICY_DENIED)

    monkeypatch.setattr(table, "STAGES", (*table.STAGES, Last))
    made, _ = runtime(clock=VirtualClock())
    made.set_rate_limit("echo", 1, 3600)
    made.set_cost_budget(CostBudget(actions=1, tool_calls=1))
    fields = {"idempotent": True, "failure_behavior": "skip"}
    result = await made.execute({"actions": [call("a", **fields), call("b", **fields)]})
    assert [r.error for r in result.results] == ["no", "no"], "nothing of a was left when b came"
    bucket = made.rate_limiter.get("echo")
    assert bucket is not None
    assert bucket.tokens == 1
    assert (await events_of(made, kinds.BUDGET_SETTLED))[-1].data == {
        "reserved": {"actions": 0, "tool_calls": 0},
        "spent": {"actions": 0, "tool_calls": 0},
    }
