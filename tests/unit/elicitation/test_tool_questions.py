"""Questions of tools: ``ask`` returns the answer, its time is not the tool's, and no wait outlives its call."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from typing import Any, Literal

import pytest

import headway
from headway import CancellationToken, Runtime, ToolContext
from headway.elicitation import Answer
from headway.errors import Conflict, InvalidInput, NotAnswered
from headway.events import kinds
from headway.plan.results import ErrorCode
from tests.unit.elicitation.kit import Asking
from tests.unit.execution.kit import call, events_of


@dataclasses.dataclass
class Seat:
    """A seat on a train."""

    row: int
    window: bool = True


@headway.tool
async def colour(context: ToolContext) -> str:
    chosen: str = await context.ask(Literal["red", "blue"], "which colour?")
    return f"painted {chosen}"


@pytest.mark.parametrize(
    ("schema", "answer", "value"),
    [
        (bool, True, True),
        ({"type": "integer", "minimum": 1}, 5, 5),
        (Seat, {"row": 3}, Seat(3)),
        (str | None, None, None),
    ],
)
async def test_a_tool_gets_the_answer_as_it_asked_for_it(schema: Any, answer: Any, value: Any) -> None:
    got: list[Any] = []

    @headway.tool
    async def asks(context: ToolContext) -> None:
        got.append(await context.ask(schema, "what?"))

    rig = Asking(asks)
    run = await rig.start(call("a", "asks"))
    await rig.answer("answer", answer)
    assert (await run).ok
    assert got == [value]


async def test_the_question_says_what_is_wanted_and_the_answer_must_fit() -> None:
    rig = Asking(colour)
    run = await rig.start(call("a", "colour"), call("z", "colour", dependencies=["a"]))
    (question,) = await rig.waiting()
    assert (question.kind, question.prompt, question.tool, question.action_id, question.blocking) == (
        "input",
        "which colour?",
        "colour",
        "a",
        1,
    )
    assert (question.schema, question.choices) == (
        {"enum": ["red", "blue"], "type": "string"},
        ["answer", "deny", "abort"],
    )
    view = run.view
    assert (view.job.waiting_for, view.action("a").waiting_for, view.action("a").status) == (
        "input",
        "input",
        "executing",
    )
    for wrong in ("green", 5, None, {}):
        with pytest.raises(InvalidInput, match="does not fit its schema"):
            await rig.answer("answer", wrong)
    await rig.answer("answer", "red")
    await rig.answer("answer", "blue")
    result = await run
    assert (result["a"].output, result["z"].output) == ("painted red", "painted blue")
    assert run.view.job.waiting_for == ""


async def test_a_call_that_asks_holds_no_slot() -> None:
    rig = Asking(colour, max_concurrency=1)
    run = await rig.start(call("a", "colour"), call("b", "colour"), call("c", "colour"))
    assert len(await rig.waiting()) == 3
    for question in await rig.waiting():
        await rig.made.elicitations.answer(question.id, "answer", "red")
    await rig.clock.advance(0)
    assert (await run).ok


async def test_time_that_is_waited_for_a_person_is_not_the_tools() -> None:
    left: list[float | None] = []

    @headway.tool
    async def slow(context: ToolContext) -> str:
        await context.clock.sleep(1)
        chosen: str = await context.ask(str, "name?")
        left.append(context.remaining())
        await context.clock.sleep(1)
        return chosen

    @headway.tool
    async def late(context: ToolContext) -> None:
        await context.ask(str, "name?")
        await context.clock.sleep(10)

    rig = Asking(slow, late)
    run = await rig.start(call("a", "slow", timeout_ms=3000))
    await rig.clock.advance(1)
    await rig.clock.advance(3600)
    await rig.answer("answer", "mia")
    await rig.clock.advance(1)
    result = await run
    assert (result["a"].output, result["a"].duration_ms, left) == ("mia", 2000, [2.0])
    run = await rig.start(call("a", "slow", timeout_ms=3000))
    await rig.clock.advance(1)
    await rig.clock.advance(1.5)
    await rig.answer("answer", "zoe")  # before the time is up, which is then later
    await rig.clock.advance(1)
    assert (await run)["a"].output == "zoe"
    run = await rig.start(call("a", "late", timeout_ms=3000))
    await rig.clock.advance(100)
    await rig.answer("answer", "mia")
    await rig.clock.advance(3)
    assert (await run)["a"].error_code is ErrorCode.TIMEOUT


async def test_a_function_in_a_thread_blocks_until_its_answer() -> None:
    threads: list[int] = []

    @headway.tool
    def blocking(context: ToolContext) -> Any:
        threads.append(threading.get_ident())
        return context.ask_and_wait(int, "how many?")

    async with Runtime(tools=[blocking], on_elicitation=lambda question: Answer("answer", 7)) as made:
        assert (await made.execute({"actions": [call("a", "blocking")]}))["a"].output == 7
    assert threads != [threading.get_ident()]


@pytest.mark.parametrize("kill", [False, True])
async def test_no_wait_outlives_a_cancel(kill: bool) -> None:
    raised: list[str] = []

    @headway.tool
    def blocking(context: ToolContext) -> None:
        try:
            context.ask_and_wait(int, "how many?")
        except NotAnswered as error:
            raised.append(error.message)
            over.set()
            raise

    over, asked, token = threading.Event(), asyncio.Event(), CancellationToken()
    made = Runtime(tools=[blocking], on_elicitation=lambda question: asked.set())
    run = made.start({"actions": [call("a", "blocking")]}, cancel=token)
    await asked.wait()
    (token.kill if kill else token.cancel)("enough")
    result = await run
    assert result["a"].error_code is (ErrorCode.KILLED if kill else ErrorCode.TOOL_ERROR)
    assert await asyncio.to_thread(over.wait, 60)
    assert raised == ["canceled: enough"]
    assert (await made.elicitations.inbox()).waiting() == []
    assert len(await events_of(made, kinds.ELICITATION_WITHDRAWN)) == 1


async def test_a_tool_may_give_up_a_question_itself() -> None:
    @headway.tool
    async def hasty(context: ToolContext) -> str:
        asking = asyncio.ensure_future(context.ask(str, "name?"))
        await context.clock.sleep(5)
        asking.cancel()
        await context.clock.sleep(1)
        return "nobody"

    rig = Asking(hasty)
    run = await rig.start(call("a", "hasty"))
    assert len(await rig.waiting()) == 1
    await rig.clock.advance(5)
    assert await rig.waiting() == []
    await rig.clock.advance(1)
    assert (await run)["a"].output == "nobody"


async def test_a_no_and_an_expiry_are_errors_that_a_tool_may_catch_and_a_default_is_an_answer() -> None:
    @headway.tool
    async def careful(context: ToolContext, given: bool = False) -> str:
        options = {"default": "x"} if given else {}
        try:
            return f"got {await context.ask(str, 'name?', expires_secs=60, **options)}"
        except NotAnswered as error:
            return error.message

    rig = Asking(careful)
    run = await rig.start(call("a", "careful"))
    await rig.answer("deny", reason="no name", by="mia")
    assert (await run)["a"].output == "the question was denied by mia: no name"
    run = await rig.start(call("a", "careful"))
    await rig.clock.advance(60)
    assert (await run)["a"].output == "the question was denied: nobody answered in time"
    run = await rig.start(call("a", "careful", parameters={"given": True}))
    await rig.clock.advance(60)
    assert (await run)["a"].output == "got x"
    run = await rig.start(call("a", "careful", failure_behavior="skip"))
    await rig.answer("abort")
    assert (await run).outcome == "aborted"


async def test_signing_in_brings_no_value() -> None:
    @headway.tool
    async def book(context: ToolContext) -> str:
        await context.authorize("sign in to the shop", "https://shop.example/login")
        return "booked"

    rig = Asking(book)
    run = await rig.start(call("a", "book"))
    (question,) = await rig.waiting()
    assert (question.kind, question.detail) == ("auth", {"url": "https://shop.example/login"})
    with pytest.raises(InvalidInput, match="takes no value"):
        await rig.answer("allow", "hunter2")
    await rig.answer("allow")
    assert (await run)["a"].output == "booked"


async def test_a_retry_gets_the_answer_of_before() -> None:
    asked: list[str] = []

    @headway.tool
    async def flaky(context: ToolContext) -> str:
        asked.append(await context.ask(str, "name?"))
        if len(asked) < 2:
            raise RuntimeError("not yet")
        return asked[-1]

    rig = Asking(flaky)
    run = await rig.start(call("a", "flaky", failure_behavior="retry"))
    await rig.answer("answer", "mia")
    await rig.clock.advance(1)
    assert ((await run)["a"].output, asked) == ("mia", ["mia", "mia"])
    assert len(await events_of(rig.made, kinds.ELICITATION_REQUESTED)) == 1


@pytest.mark.parametrize(
    ("schema", "prompt", "options"),
    [
        ({"type": "nope"}, "what?", {}),
        (object(), "what?", {}),
        (str, "", {}),
        (str, "x" * 20_000, {}),
        (str, 5, {}),
        (str, "what?", {"default": 5}),
        (str, "what?", {"expires_secs": -1}),
        (str, "what?", {"expires_secs": float("nan")}),
        ({"type": "string", "format": "password"}, "your password?", {}),
        ({"type": "object", "properties": {"key": {"type": "string", "writeOnly": True}}}, "your key?", {}),
        (headway.Secret, "your key?", {}),
    ],
)
async def test_what_is_no_question_is_refused_before_anybody_is_asked(
    schema: Any, prompt: Any, options: dict[str, Any]
) -> None:
    refused: list[str] = []

    @headway.tool
    async def asks(context: ToolContext) -> None:
        with pytest.raises(InvalidInput) as caught:
            await context.ask(schema, prompt, **options)
        refused.append(caught.value.message)

    rig = Asking(asks)
    assert (await (await rig.start(call("a", "asks")))).ok
    assert "\n" not in refused[0]
    assert await events_of(rig.made, kinds.ELICITATION_REQUESTED) == []


async def test_where_nobody_may_answer_nobody_is_asked() -> None:
    rig = Asking(colour)
    rig.made.elicitations.attend(False)
    assert (await (await rig.start(call("a", "colour"))))["a"].error == "nobody is there to answer"
    with pytest.raises(NotAnswered):
        await ToolContext().ask(str, "name?")
    with pytest.raises(Conflict, match="would block the event loop"):
        ToolContext().ask_and_wait(str, "name?")
