"""Prompts: a model really answers, and what it did is recorded whole; requests by kind."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from headway import Runtime
from headway.errors import Conflict, InferenceError, InferenceRefused, InvalidInput, NotFound
from headway.events import kinds as k
from headway.inference import (
    ChatRequest,
    Message,
    ModelInfo,
    ModelRegistry,
    Prices,
    RegisteredProvider,
    Reply,
    ToolCall,
)
from headway.inference.answer import Usage
from headway.store import store_of
from headway.testing import ScriptedProvider
from headway.threads import CliRuntimeOverrides, PromptRequest
from headway.threads.requests import Create, Fork, List, Read, Start
from tests.unit.threads.conftest import Made


async def test_a_prompt_is_answered_and_recorded(made: Made) -> None:
    made.script.queue(Reply("exactly this", (), Usage(30, 12, cost=5), "small-1"))
    answer = await made.prompts().handle_prompt(PromptRequest(prompt="Say it", system="Be brief"))
    assert (answer.output, answer.model, answer.finish_reason) == ("exactly this", "small-1", "stop")
    assert (answer.input_tokens, answer.output_tokens, answer.cost) == (30, 12, 5)
    assert answer.resolution.name == "script/small"
    threads = (await made.again()).threads
    row = await threads.get(answer.thread_id)
    assert (row.status, row.messages, row.turns, row.turn) == ("idle", 2, 1, None)
    assert (row.input_tokens, row.output_tokens, row.cost, row.answered_by) == (30, 12, 5, "script/small")
    asked, answered = await threads.messages(row.id)
    assert (asked.message, answered.message) == (Message("user", "Say it"), Message("assistant", "exactly this"))
    assert (answered.id, answered.turn) == (answer.message_id, answer.turn)
    state = await threads.load_checkpoint(row.id, answer.checkpoint_id)
    assert state == {"turn": answer.turn, "message_id": answered.id, "model": "script/small"}
    request = made.script.calls[0].request
    assert isinstance(request, ChatRequest)
    assert (request.system, request.model) == ("Be brief", "small")


async def test_the_model_sees_the_whole_thread(made: Made) -> None:
    prompts = made.prompts()
    first = await prompts.handle_prompt({"prompt": "one"})
    await prompts.handle_prompt({"prompt": "two", "thread_id": first.thread_id})
    fork = await made.threads.fork(first.thread_id, 1)
    await prompts.handle_prompt({"prompt": "other", "thread_id": fork.id})
    seen = [[one.text for one in call.request.messages] for call in made.script.calls]  # type: ignore[union-attr]
    assert seen == [["one"], ["one", "an answer", "two"], ["one", "an answer", "other"]]


async def test_calls_of_tools_are_kept(made: Made) -> None:
    call = ToolCall("1", "weather", {"city": "Oslo"})
    made.script.queue(Reply("", (call,), Usage(1, 1), "m", "tool_calls"))
    answer = await made.prompts().handle_prompt({"prompt": "weather?"})
    assert answer.calls == [call]
    stored = (await (await made.again()).threads.messages(answer.thread_id))[1]
    assert stored.message.calls == (call,)


async def test_settings_by_precedence(made: Made) -> None:
    """Overrides, then the request, then the thread, then the default."""
    prompts, threads = made.prompts(), made.threads
    row = await threads.create(settings={"model": "big", "cwd": "/thread", "approval_policy": "never"})
    answer = await prompts.handle_prompt({"prompt": "x", "thread_id": row.id})
    assert answer.resolution.name == "script/big"
    assert answer.settings == {"model": "big", "cwd": "/thread", "approval_policy": "never"}
    answer = await prompts.handle_prompt({"prompt": "x", "thread_id": row.id, "model": "s"})
    assert answer.resolution.name == "script/small"
    overrides = CliRuntimeOverrides(model="big", cwd="/flag", sandbox="require", max_tokens=7, temperature=0.5)
    answer = await prompts.handle_prompt({"prompt": "x", "thread_id": row.id, "model": "s", "max_tokens": 9}, overrides)
    assert answer.resolution.name == "script/big"
    assert answer.settings["cwd"] == "/flag"
    assert answer.settings["sandbox"] == "require"
    request = made.script.calls[-1].request
    assert isinstance(request, ChatRequest)
    assert (request.max_tokens, request.temperature) == (7, 0.5)
    after = await threads.get(row.id)
    assert (after.model, after.cwd, after.sandbox) == ("big", "/thread", None), "an override is for one turn"


async def test_a_model_that_fails(made: Made) -> None:
    made.script.fail(InferenceRefused("no key", status=401))
    prompts = made.prompts()
    row = await made.threads.create()
    with pytest.raises(InferenceRefused, match="no key"):
        await prompts.handle_prompt({"prompt": "x", "thread_id": row.id})
    after = await (await made.again()).threads.get(row.id)
    assert (after.status, after.error, after.messages, after.turn) == ("failed", "no key", 1, None)
    assert after.checkpoints == {}


async def test_a_provider_that_breaks_tells_its_type_only(made: Made) -> None:
    made.script.fail(RuntimeError("sk-secret"))
    row = await made.threads.create()
    with pytest.raises(InferenceError, match=r"^the model's provider raised RuntimeError$"):
        await made.prompts().handle_prompt({"prompt": "x", "thread_id": row.id})
    assert (await made.threads.get(row.id)).error == "RuntimeError"


async def test_nothing_is_written_for_a_model_that_is_not_there(made: Made) -> None:
    made.registry = ModelRegistry()
    before = made.log.last_seq
    with pytest.raises(NotFound, match="there is no default"):
        await made.prompts().handle_prompt({"prompt": "x"})
    with pytest.raises(NotFound):
        await made.prompts().handle_prompt({"prompt": "x", "thread_id": "nobody"})
    assert made.log.last_seq == before


class Slow(ScriptedProvider):
    """Answers when it is told to."""

    def __init__(self) -> None:
        super().__init__(default="at last")
        self.reached, self.go = asyncio.Event(), asyncio.Event()

    async def _chat(self, request: ChatRequest) -> Reply:
        self.reached.set()
        await self.go.wait()
        return await super()._chat(request)


async def test_one_turn_at_a_time_and_a_cancelled_one_is_recorded(made: Made) -> None:
    slow = Slow()
    made.registry = ModelRegistry([RegisteredProvider("slow", slow, (ModelInfo("m"),), "m")])
    prompts, threads = made.prompts(), made.threads
    row = await threads.create()
    running = asyncio.create_task(prompts.handle_prompt({"prompt": "x", "thread_id": row.id}))
    await slow.reached.wait()
    assert (await threads.get(row.id)).status == "running"
    with pytest.raises(Conflict, match="in the midst of turn"):
        await prompts.handle_prompt({"prompt": "y", "thread_id": row.id})
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await prompts.aclose()
    after = await threads.get(row.id)
    assert (after.status, after.error, after.messages) == ("failed", "it was cancelled", 1)
    slow.go.set()
    assert (await prompts.handle_prompt({"prompt": "z", "thread_id": row.id})).output == "at last"


async def test_a_message_starts_a_turn_that_ends(made: Made) -> None:
    slow = Slow()
    made.registry = ModelRegistry([RegisteredProvider("slow", slow, (ModelInfo("m"),), "m")])
    prompts = made.prompts()
    row = await made.threads.create()
    answer = await prompts.handle_thread({"kind": "message", "thread_id": row.id, "input": "hi"})
    assert (answer.status, answer.thread_id) == ("accepted", row.id)
    assert answer.turn == (await made.threads.get(row.id)).turn
    slow.go.set()
    await asyncio.gather(*prompts._running)
    after = await made.threads.get(row.id)
    assert (after.status, after.messages) == ("idle", 2)
    ended = await store_of(made.log).events(kinds=[k.THREAD_TURN_ENDED])
    assert [(event.data["turn"], event.data["status"]) for event in ended] == [(answer.turn, "completed")]


async def test_the_goal_counts_what_a_turn_used_and_stops_the_next(made: Made) -> None:
    prompts = made.prompts()
    row = await made.threads.create()
    await made.threads.set_goal(row.id, "little", 40)
    made.script.queue(Reply("a", (), Usage(30, 12), "m"))
    await prompts.handle_prompt({"prompt": "x", "thread_id": row.id})
    goal = await made.threads.goal(row.id)
    assert goal is not None
    assert (goal.tokens_used, goal.status) == (42, "budget_limited")
    with pytest.raises(Conflict, match="has used its 40 tokens"):
        await prompts.handle_prompt({"prompt": "y", "thread_id": row.id})
    assert len(made.script.calls) == 1


async def test_a_request_that_is_sent_twice_is_answered_once(made: Made) -> None:
    prompts = made.prompts()
    row = await made.threads.create()
    request = PromptRequest(prompt="x", thread_id=row.id, message_id="1")
    await prompts.handle_prompt(request)
    with pytest.raises(Conflict, match="has a message '1' already"):
        await prompts.handle_prompt(request)
    assert len(made.script.calls) == 1


async def test_failover_is_told(made: Made) -> None:
    other = ScriptedProvider(default="instead", prices=Prices(1_000_000, 1_000_000))
    made.registry = ModelRegistry(
        [
            RegisteredProvider("script", made.script, (ModelInfo("small"),), "small"),
            RegisteredProvider("other", other, (ModelInfo("m"),), "m"),
        ],
        failover=["other/m"],
    )
    made.script.fail(InferenceError("busy"))
    answer = await made.prompts().handle_prompt({"prompt": "x"})
    assert (answer.output, answer.resolution.name, answer.resolution.used_fallback) == ("instead", "other/m", True)
    assert (await made.threads.get(answer.thread_id)).answered_by == "other/m"


UNKNOWN = [
    {"kind": "resume"}, {"kind": "fork"}, {"kind": "read"}, {"kind": "set_name", "name": "x"},
    {"kind": "goal_set", "objective": "x"}, {"kind": "goal_get"}, {"kind": "goal_clear"},
    {"kind": "goal_record_progress", "token_delta": 1}, {"kind": "archive"}, {"kind": "unarchive"}, {"kind": "delete"},
    {"kind": "message", "input": "x"},
]  # fmt: skip


class TestRequests:
    """handle_thread: one request a kind, one error for what is not there."""

    @pytest.mark.parametrize("request_", UNKNOWN, ids=lambda one: one["kind"])
    async def test_an_unknown_thread_is_the_same_error_for_every_kind(self, made: Made, request_: Any) -> None:
        before = made.log.last_seq
        with pytest.raises(NotFound, match=r"^there is no thread 'nobody'$"):
            await made.prompts().handle_thread({**request_, "thread_id": "nobody"})
        assert made.log.last_seq == before

    @pytest.mark.parametrize(
        "request_",
        [{}, {"kind": "explode"}, {"kind": "list", "limit": "9"}, {"kind": "read"}, {"kind": "list", "colour": 1},
         5, None, "list", {"kind": "fork", "thread_id": 5}, {"kind": "start", "sandbox": "open"}, Read(thread_id=5)],
    )  # fmt: skip
    async def test_what_is_no_request_is_one_line(self, made: Made, request_: Any) -> None:
        with pytest.raises(InvalidInput) as caught:
            await made.prompts().handle_thread(request_)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(
        ("request_", "overrides"),
        [({}, None), ({"prompt": 5}, None), ({"prompt": "x", "colour": 1}, None), ({"prompt": "x"}, {"model": 5}),
         ({"prompt": "x"}, {"colour": 1}), ({"prompt": "x" * 1_000_001}, None), ({"prompt": "x", "temperature": 9},
          None), ({"prompt": "\ud800"}, None), (None, None)],
    )  # fmt: skip
    async def test_what_is_no_prompt_is_one_line(self, made: Made, request_: Any, overrides: Any) -> None:
        before = made.log.last_seq
        with pytest.raises(InvalidInput) as caught:
            await made.prompts().handle_prompt(request_, overrides)
        assert "\n" not in str(caught.value)
        assert made.log.last_seq == before

    async def test_each_kind(self, made: Made) -> None:
        ask = made.prompts().handle_thread
        created = await ask(Create(metadata={"a": 1}))
        assert created.thread is not None
        assert (created.status, created.thread.metadata) == ("created", {"a": 1})
        assert (created.thread.model, created.thread.provider) == ("small", "script"), "the default of now"
        started = await ask(Start(model="big", cwd="/work", approval_policy="never", sandbox="off", name="mine"))
        assert started.thread is not None
        thread = started.thread.id
        assert (started.status, started.thread_id) == ("started", thread)
        assert (started.thread.model, started.thread.cwd, started.thread.sandbox) == ("big", "/work", "off")
        resumed = await ask({"kind": "resume", "thread_id": thread, "history": [{"id": "1", "text": "hello"}]})
        assert resumed.thread is not None
        assert (resumed.status, resumed.thread.messages, resumed.thread.cwd) == ("resumed", 1, "/work")
        forked = await ask(Fork(thread_id=thread, at=0))
        assert forked.thread is not None
        assert (forked.status, forked.thread.forked_from) == ("forked", thread)
        assert (await ask({"kind": "set_name", "thread_id": thread, "name": "ours"})).thread.name == "ours"  # type: ignore[union-attr]
        goal = await ask({"kind": "goal_set", "thread_id": thread, "objective": "win", "token_budget": 5})
        assert goal.goal is not None
        await ask({"kind": "goal_record_progress", "thread_id": thread, "token_delta": 2, "record_continuation": True})
        found = (await ask({"kind": "goal_get", "thread_id": thread})).goal
        assert found is not None
        assert (found.tokens_used, found.continuations) == (2, 1)
        assert (await ask({"kind": "goal_clear", "thread_id": thread})).status == "cleared"
        assert (await ask({"kind": "goal_clear", "thread_id": thread})).status == "empty"
        assert (await ask({"kind": "goal_get", "thread_id": thread})).status == "empty"
        read = await ask({"kind": "read", "thread_id": thread})
        assert ([one.message.text for one in read.messages], read.total, read.next) == (["hello"], 1, None)
        assert (await ask({"kind": "archive", "thread_id": thread})).status == "archived"
        listed = await ask(List())
        assert thread not in [row.id for row in listed.threads]
        assert (await ask({"kind": "unarchive", "thread_id": thread})).status == "unarchived"
        assert (await ask({"kind": "delete", "thread_id": thread})).status == "deleted"
        msgspec.json.encode(read)

    async def test_a_model_of_nobody_starts_no_thread(self, made: Made) -> None:
        with pytest.raises(NotFound):
            await made.prompts().handle_thread(Start(provider="nobody"))
        assert await made.threads.list_threads() == ([], None)


async def test_through_a_runtime() -> None:
    script = ScriptedProvider(default="hello")
    registry = ModelRegistry([RegisteredProvider("script", script, (ModelInfo("m"),), "m")])
    async with Runtime().with_models(registry) as runtime:
        made = await runtime.handle_thread({"kind": "start", "name": "mine"})
        answer = await runtime.handle_prompt({"prompt": "hi", "thread_id": made.thread_id})
        assert answer.output == "hello"
        assert made.thread_id is not None
        await runtime.save_thread_checkpoint(made.thread_id, "mine", {"x": 1})
        assert await runtime.load_thread_checkpoint(made.thread_id) == {"x": 1}
        assert runtime.models is registry
