"""Questions to people from embedded runs: asked once, answered once, withdrawn, expired, remembered for a session."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import headway
from headway import CancellationToken, Runtime, StateStore
from headway.elicitation import Answer, Elicitation
from headway.errors import Conflict, InvalidInput, NotFound
from headway.events import kinds
from headway.events.fold import fold_all
from headway.events.log import EventLog
from headway.events.views import InboxView
from headway.jobs.handle import RunHandle
from headway.plan.results import ErrorCode
from headway.secrets.secret import Secret
from headway.testing import VirtualClock
from tests.unit.execution.kit import call, events_of, write


class Rig:
    """A runtime whose tool "deploy" asks, its calls, and a clock that stands still."""

    def __init__(self, **options: Any) -> None:
        self.clock = VirtualClock()
        self.calls: list[str] = []

        @headway.tool(permission="ask")
        async def deploy(env: str = "x") -> str:
            self.calls.append(env)
            return f"deployed {env}"

        @headway.tool
        async def echo(x: Any = None) -> Any:
            self.calls.append("echo")
            return x

        self.made = Runtime(tools=[deploy, echo], clock=self.clock, **options)
        self.made.elicitations.attend()

    async def start(self, *actions: dict[str, Any], **options: Any) -> RunHandle:
        run = self.made.start({"actions": list(actions)}, **options)
        await self.clock.advance(0)
        return run

    async def waiting(self) -> list[Elicitation]:
        return (await self.made.elicitations.inbox()).waiting()

    async def answer(self, choice: str, value: Any = None, **options: Any) -> Elicitation:
        (question,) = await self.waiting()
        found = await self.made.elicitations.answer(question.id, choice, value, **options)
        await self.clock.advance(0)
        return found


def deploy(name: str = "a", env: str = "x", **fields: Any) -> dict[str, Any]:
    return call(name, "deploy", parameters={"env": env}, **fields)


async def test_an_approved_call_runs_once_and_its_siblings_do_not_wait_for_it() -> None:
    rig = Rig(max_concurrency=1)
    run = await rig.start(deploy(), call("e", parameters={"x": 1}), call("z", dependencies=["a"]))
    assert rig.calls == ["echo"]
    (question,) = await rig.waiting()
    assert (question.kind, question.action_id, question.tool, question.parameters, question.blocking) == (
        "approval",
        "a",
        "deploy",
        {"env": "x"},
        1,
    )
    assert (run.view.job.status, run.view.job.waiting_for, run.view.action("a").waiting_for) == (
        "running",
        "approval",
        "approval",
    )
    await rig.clock.advance(5)
    answered = await rig.answer("allow", by="mia", reason="go")
    assert (answered.state, answered.by, answered.waited_ms) == ("answered", "mia", 5000)
    result = await run
    assert (result.ok, rig.calls, result["a"].waited_ms) == (True, ["echo", "x", "echo"], 5000)
    with pytest.raises(Conflict, match="was answered already by mia: allow"):
        await rig.made.elicitations.answer(question.id, "allow")
    assert await rig.waiting() == []
    assert (await rig.made.elicitations.get(question.id)).reason == "go"
    (event,) = await events_of(rig.made, kinds.ELICITATION_ANSWERED)
    assert (event.data["by"], event.data["waited_ms"], event.action_id) == ("mia", 5000, "a")


async def test_of_many_answers_given_concurrently_one_wins_and_the_others_conflict() -> None:
    rig = Rig()
    run = await rig.start(deploy())
    (question,) = await rig.waiting()
    choices = ["allow", "deny"] * 50
    answers = [rig.made.elicitations.answer(question.id, choice, by=str(n)) for n, choice in enumerate(choices)]
    found = await asyncio.gather(*answers, return_exceptions=True)
    assert [type(each) for each in found] == [Elicitation] + [Conflict] * 99
    assert (await run).ok
    assert (rig.calls, len(await events_of(rig.made, kinds.ELICITATION_ANSWERED))) == (["x"], 1)


@pytest.mark.parametrize(
    ("behavior", "choice", "status", "outcome", "ran"),
    [
        ("abort", "deny", "rejected", "aborted", False),
        ("skip", "deny", "skipped", None, True),
        ("skip", "abort", "rejected", "aborted", False),
    ],
)
async def test_a_denial_is_answered_by_the_failure_behaviour_and_an_abort_ends_the_run(
    behavior: str, choice: str, status: str, outcome: str | None, ran: bool
) -> None:
    rig = Rig()
    run = await rig.start(deploy(failure_behavior=behavior), call("z", dependencies=[]), write("w", "k", 1))
    await rig.answer(choice, reason="too late", by="mia")
    result = await run
    assert (result["a"].status, result["a"].error_code) == (status, ErrorCode.APPROVAL_DENIED)
    assert result["a"].error == "the approval was denied by mia: too late"
    assert (result.outcome, bool(rig.made.state.snapshot())) == (outcome, ran)


async def test_edited_parameters_are_validated_judged_again_recorded_and_run() -> None:
    rig = Rig()
    rig.made.policies.deny_tool_param("no-prod", "deploy", "env", "prod")
    run = await rig.start(deploy(), call("z", parameters={"x": "$a.output"}))
    with pytest.raises(InvalidInput, match='3 is not of type "string"'):
        await rig.answer("edit", {"env": 3})
    for wrong in (None, [], "x", {"nope": 1}):
        with pytest.raises(InvalidInput):
            await rig.answer("edit", wrong)
    await rig.answer("edit", {"env": "y"})
    result = await run
    assert (result["z"].output, rig.calls) == ("deployed y", ["y", "echo"])
    view = run.view.action("a")
    assert view.edited == {"env": "y"}
    denied = await rig.start(deploy())
    await rig.answer("edit", {"env": "production"})
    assert (await denied)["a"].error_code is ErrorCode.POLICY_DENIED
    assert rig.calls == ["y", "echo"]


async def test_an_allowance_for_the_session_holds_for_the_same_call_scope_and_principal_only() -> None:
    rig = Rig()
    run = await rig.start(deploy())
    await rig.answer("session")
    assert (await run).ok
    assert (await (await rig.start(deploy()))).ok
    assert rig.calls == ["x", "x"]
    other = await rig.start(deploy(env="y"))
    assert (await rig.waiting())[0].parameters == {"env": "y"}, "changed arguments ask again"
    await rig.answer("deny")
    assert not (await other).ok
    elsewhere = await rig.start(deploy(), scope=headway.Scope.new())
    await rig.answer("deny")
    assert not (await elsewhere).ok
    plan = headway.Submission({"actions": [deploy()]}, principal="mia")
    run = rig.made.start(plan)
    await rig.clock.advance(0)
    assert [question.principal for question in await rig.waiting()] == ["mia"]
    await rig.answer("deny")
    await run


async def test_what_was_allowed_for_a_session_is_read_from_the_log() -> None:
    log = EventLog(clock=VirtualClock())
    first = Rig(log=log)
    run = await first.start(deploy())
    await first.answer("session")
    await run
    log.desk = None  # as another process finds it
    second = Rig(log=log)
    assert (await (await second.start(deploy()))).ok
    assert second.calls == ["x"]


@pytest.mark.parametrize("kill", [False, True])
async def test_a_cancel_settles_what_waits_and_withdraws_its_question(kill: bool) -> None:
    rig, token = Rig(), CancellationToken()
    run = await rig.start(deploy(), cancel=token)
    (question,) = await rig.waiting()
    (token.kill if kill else token.cancel)("enough")
    await rig.clock.advance(0)
    result = await run
    assert (result["a"].status, result["a"].error) == ("skipped", "canceled: enough")
    assert await rig.waiting() == []
    assert len(await events_of(rig.made, kinds.ELICITATION_WITHDRAWN)) == 1
    with pytest.raises(Conflict, match="is withdrawn"):
        await rig.made.elicitations.answer(question.id, "allow")
    assert rig.calls == []


async def test_a_question_that_nobody_answers_expires_with_a_no() -> None:
    rig = Rig()
    rig.made.elicitations.attend(expires_secs=60)
    run = await rig.start(deploy())
    (question,) = await rig.waiting()
    assert question.expires_ms == question.asked_ms + 60_000
    await rig.clock.advance(59)
    assert not run.done
    await rig.clock.advance(1)
    result = await run
    assert result["a"].error == "the approval was denied: nobody answered in time"
    with pytest.raises(Conflict, match="expired: deny"):
        await rig.made.elicitations.answer(question.id, "allow")
    (event,) = await events_of(rig.made, kinds.ELICITATION_EXPIRED)
    assert (event.data["choice"], event.data["waited_ms"]) == ("deny", 60_000)


@pytest.mark.parametrize(
    ("choice", "value", "error"),
    [
        ("maybe", None, "an answer to question .* is one of allow, session, edit, deny, abort, not 'maybe'"),
        ("top_up", {"actions": 1}, "is one of"),
        ("allow", 5, "the answer 'allow' takes no value"),
        ("edit", None, "edited parameters are a JSON object"),
        ("edit", {"env": "x" * 1_100_000}, "the limit is 1,048,576"),
        (5, None, "is one of"),
    ],
)
async def test_an_answer_that_does_not_fit_changes_nothing(choice: Any, value: Any, error: str) -> None:
    rig = Rig()
    run = await rig.start(deploy())
    (question,) = await rig.waiting()
    before = rig.made.log.last_seq
    with pytest.raises(InvalidInput, match=error) as caught:
        await rig.made.elicitations.answer(question.id, choice, value)
    assert "\n" not in caught.value.message
    assert (rig.made.log.last_seq, await rig.waiting()) == (before, [question])
    run.cancel("done")
    await rig.clock.advance(0)
    await run


@pytest.mark.parametrize("name", ["nope", "nope.1", "", "x" * 5000, "\ud800", "a.1; drop", 5, None])
async def test_an_unknown_question_is_one_error(name: Any) -> None:
    rig = Rig()
    with pytest.raises((NotFound, InvalidInput)) as caught:
        await rig.made.elicitations.answer(name, "allow")
    assert "\n" not in caught.value.message


async def test_an_answer_cannot_put_a_secret_into_the_log() -> None:
    rig = Rig()
    rig.made.log.redactor.add("key", Secret("hunter2hunter2"))
    run = await rig.start(deploy())
    with pytest.raises(InvalidInput, match="holds the value of a secret"):
        await rig.answer("edit", {"env": "hunter2hunter2"})
    with pytest.raises(InvalidInput, match="holds the value of a secret"):
        await rig.answer("deny", reason="hunter2hunter2")
    await rig.answer("deny")
    assert not (await run).ok


async def test_a_callback_answers_and_one_that_fails_denies() -> None:
    seen: list[Elicitation] = []
    verdicts: list[Any] = [True, Answer("edit", {"env": "y"}), False, RuntimeError("no"), "yes", Answer("edit", 5)]

    async def callback(question: Elicitation) -> Any:
        seen.append(question)
        verdict = verdicts.pop(0)
        if isinstance(verdict, Exception):
            raise verdict
        return verdict

    rig = Rig(on_elicitation=callback)
    plan = {"actions": [deploy()]}
    assert [(await rig.made.execute(plan)).ok for _ in range(6)] == [True, True, False, False, False, False]
    assert rig.calls == ["x", "y"]
    assert len({question.id for question in seen}) == 6
    reasons = [event.data.get("reason") for event in await events_of(rig.made, kinds.ELICITATION_ANSWERED)]
    assert reasons[3:] == [
        "the callback failed with RuntimeError",
        "the callback failed with InvalidInput",
        "the callback's answer does not fit",
    ]


async def test_a_callback_may_leave_a_question_to_others() -> None:
    rig = Rig(on_elicitation=lambda question: None)
    run = await rig.start(deploy())
    await rig.answer("allow")
    assert (await run).ok


async def test_where_nobody_may_answer_what_asks_is_refused() -> None:
    rig = Rig()
    rig.made.elicitations.attend(False)
    refused = await rig.made.execute({"actions": [deploy()]})
    assert refused["a"].error == "tool 'deploy' asks for permission, and nobody has granted full_access"
    rig.made.policies.ask_tool("careful", "echo")
    asked = await rig.made.execute({"actions": [call("e")]})
    assert asked["e"].error == "policy 'careful' asks about tool 'echo', and nobody is there to answer"
    assert asked["e"].error_code is ErrorCode.APPROVAL_DENIED


async def test_a_grant_of_full_access_asks_nobody() -> None:
    rig = Rig()
    rig.made.set_permission_grant("full_access")
    assert (await rig.made.execute({"actions": [deploy()]})).ok
    assert not await events_of(rig.made, kinds.ELICITATION_REQUESTED)


async def test_the_inbox_has_the_most_blocking_question_first_and_failed_jobs() -> None:
    rig = Rig()
    one = await rig.start(deploy("short"))
    await rig.clock.advance(1)
    two = await rig.start(deploy("long"), call("z", dependencies=["long"]), scope=headway.Scope.new())
    three = await rig.start(deploy("late"), scope=headway.Scope.new())
    assert [question.action_id for question in await rig.waiting()] == ["long", "short", "late"]
    for run in (one, two, three):
        (question,) = [question for question in await rig.waiting() if question.job_id == run.job_id]
        await rig.made.elicitations.answer(question.id, "deny")
        await rig.clock.advance(0)
        await run
    inbox = await rig.made.elicitations.inbox()
    assert list(inbox.failed) == [one.job_id, two.job_id, three.job_id]
    assert inbox.failed[one.job_id].error.startswith("action 'short' failed: the approval was denied")
    assert inbox == fold_all(InboxView(), await rig.made.log.read(limit=1000))


async def test_state_shared_between_runtimes_shares_the_desk() -> None:
    state, log = StateStore(), EventLog(clock=VirtualClock())
    rig, other = Rig(state=state, log=log), Rig(state=state, log=log)
    run = await rig.start(deploy())
    (question,) = await other.waiting()
    await other.made.elicitations.answer(question.id, "allow")
    await rig.clock.advance(0)
    assert (await run).ok


async def test_where_nothing_asks_the_stage_is_left_out_and_a_rule_that_comes_brings_it_in() -> None:
    rig = Rig()
    run = await rig.start(call("e"))
    assert (await run).ok
    assert "approval" not in _stages(rig)
    rig.made.policies.ask_tool("careful", "echo")
    run = await rig.start(call("e"))
    assert "approval" in _stages(rig)
    await rig.answer("allow")
    assert (await run).ok
    rig.made.policies.unregister("careful")
    assert (await (await rig.start(call("e")))).ok
    assert "approval" not in _stages(rig)
    run = await rig.start(call("e"), deploy())
    assert "approval" in _stages(rig)
    await rig.answer("deny")
    await run


def _stages(rig: Rig) -> list[str]:
    """Return the names of the stages that the last run of the runtime's scope passes."""
    run = rig.made._scope.last
    assert run is not None
    return [stage.name for _, stage in run.stages._active]
