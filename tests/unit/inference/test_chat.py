"""One suite over every dialect: the same conversation leads to the same reply, whole and streamed, and fails alike."""

from __future__ import annotations

import logging
import traceback
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from headway.egress.frames import FrameReader
from headway.errors import InferenceError, InferenceRefused, InvalidInput
from headway.inference import ChatRequest, HttpProvider, Message, Piece, Prices, Reply, ToolCall, ToolOffer
from headway.inference.answer import Usage
from headway.inference.dialects.table import DIALECTS, dialect
from headway.testing import ScriptedProvider
from tests.unit.inference.recorded import ALL, Recorded, sse
from tests.unit.inference.server import Reply as Sent
from tests.unit.inference.server import Server, json_reply, running
from tests.unit.inference.test_http import Timers

KEY = "sk-key-123456"
HELLO = ChatRequest.of("Hi")
CALLS = (ToolCall("call_a", "weather", {"city": "Oslo", "days": 3}), ToolCall("call_b", "now", {}))

pytestmark = pytest.mark.parametrize("recorded", ALL.values(), ids=ALL)


@asynccontextmanager
async def provider(
    recorded: Recorded, *replies: Sent, **options: Any
) -> AsyncIterator[tuple[HttpProvider, Server, Timers]]:
    timers = Timers()
    async with running(*replies) as server:
        settings = {"model": "m", "clock": timers, "dialect": recorded.dialect, **options}
        async with HttpProvider(server.url, **settings) as made:
            yield made, server, timers


def streamed(body: bytes) -> Sent:
    return Sent(200, body, {"content-type": "text/event-stream"})


async def pieces(made: HttpProvider, request: ChatRequest = HELLO) -> list[Piece]:
    async with aclosing(made.stream(request)) as stream:
        return [piece async for piece in stream]


def test_every_dialect_is_held_to_this(recorded: Recorded) -> None:
    assert set(DIALECTS) == set(ALL)
    assert dialect(recorded.dialect).url.startswith("https://")


async def test_a_text(recorded: Recorded) -> None:
    prices = {"m": Prices(1_000_000, 2_000_000)}
    async with provider(recorded, json_reply(recorded.text), prices=prices) as (made, server, _):
        reply = await made.chat(HELLO)
        assert (await made.infer("Hi")).text == "Hällo there."
    assert reply == Reply("Hällo there.", (), Usage(21, 9, cost=39), "m-1", "stop")
    assert server.asked[0].path == recorded.path[0]


async def test_a_text_in_pieces(recorded: Recorded) -> None:
    async with provider(recorded, streamed(recorded.text_stream)) as (made, server, _):
        found = await pieces(made)
    assert [piece.text for piece in found if piece.text] == ["Häl", "lo there."]
    assert found[-1].reply == Reply("Hällo there.", (), Usage(21, 9), "m-1", "stop")
    assert [piece.reply for piece in found[:-1]] == [None] * (len(found) - 1)
    assert server.asked[0].path == recorded.path[1]


async def test_tool_calls(recorded: Recorded) -> None:
    async with provider(recorded, json_reply(recorded.call)) as (made, _, _t):
        assert await made.chat(HELLO) == Reply("", CALLS, Usage(21, 9), "m-1", "tool_calls")
    async with provider(recorded, streamed(recorded.call_stream)) as (made, _, _t):
        (last,) = await pieces(made)
    assert last.reply == Reply("", CALLS, Usage(21, 9), "m-1", "tool_calls")


async def test_an_answer_that_was_cut(recorded: Recorded) -> None:
    async with provider(recorded, json_reply(recorded.cut)) as (made, _, _t):
        reply = await made.chat(HELLO)
    assert (reply.text, reply.finish_reason) == ("Häl", "length")


async def test_what_is_sent(recorded: Recorded) -> None:
    request = ChatRequest.of(
        [
            Message("user", "Weather?"),
            Message("assistant", "Let me see.", (ToolCall("call_a", "weather", {"city": "Oslo"}),)),
            Message("tool", "rain", call_id="call_a"),
            Message("user", "And tomorrow?"),
        ],
        system="Be brief.",
        tools=[ToolOffer("weather", "Tell it.")],
        max_tokens=50,
        temperature=0.5,
    )
    async with provider(recorded, json_reply(recorded.text)) as (made, server, _):
        await made.chat(request)
        server.replies = [streamed(recorded.text_stream)]
        await pieces(made, request)
    assert server.asked[0].body == recorded.asked
    assert {name: server.asked[1].body.get(name) for name in recorded.asked} == recorded.asked


async def test_another_model_of_the_same_service(recorded: Recorded) -> None:
    async with provider(recorded, json_reply(recorded.text)) as (made, server, _):
        await made.chat(ChatRequest.of("Hi", model="other/model"))
    asked = server.asked[0]
    assert asked.body.get("model", asked.path.partition(":")[0]) in ("other/model", "/v1/models/other%2Fmodel")


@pytest.mark.parametrize("size", [1, 2, 7, 64])
def test_however_it_is_cut_into_packets(recorded: Recorded, size: int) -> None:
    for stream, text, calls in ((recorded.text_stream, "Hällo there.", ()), (recorded.call_stream, "", CALLS)):
        reader, frames = dialect(recorded.dialect).reader(HELLO, "m"), FrameReader(10_000)
        said = [
            reader.feed(frame.data)
            for at in range(0, len(stream), size)
            for frame in frames.feed(stream[at : at + size])
        ]
        assert ("".join(said), reader.reply().text, reader.reply().calls) == (text, text, calls)


class TestFailing:
    """Errors are typed, of one line, and hold nothing of what the service wrote."""

    @pytest.mark.parametrize("stream", [False, True])
    async def test_too_often(self, recorded: Recorded, stream: bool) -> None:
        busy = json_reply(recorded.busy, 429, retry_after="7")
        good = streamed(recorded.text_stream) if stream else json_reply(recorded.text)
        async with provider(recorded, busy, good) as (made, server, timers):
            reply = (await pieces(made))[-1].reply if stream else await made.chat(HELLO)
            assert reply is not None
            assert (reply.text, timers.slept, len(server.asked)) == ("Hällo there.", [7.0], 2)
            server.replies = [json_reply(recorded.busy, 429, retry_after="3600")]
            with pytest.raises(InferenceError) as caught:
                await (pieces(made) if stream else made.chat(HELLO))
        assert str(caught.value) == (
            f"{made.name} is asked too often (429 Too Many Requests, {recorded.codes[0]}); it asks to wait 3,600 s"
        )
        assert caught.value.details == {"status": 429}
        assert not isinstance(caught.value, InferenceRefused)

    @pytest.mark.parametrize("stream", [False, True])
    async def test_a_wrong_key(
        self, recorded: Recorded, stream: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setenv("MODEL_KEY", KEY)
        caplog.set_level(logging.DEBUG)
        options = {"api_key_env": "MODEL_KEY"}
        async with provider(recorded, json_reply(recorded.refused, 401), **options) as (made, server, _):
            with pytest.raises(InferenceRefused) as caught:
                await (pieces(made) if stream else made.chat(HELLO))
        code = recorded.codes[1]
        assert str(caught.value) == f"{made.name} refused the key in MODEL_KEY (401 Unauthorized, {code})"
        assert server.asked[0].headers[recorded.key[0]] == recorded.key[1]
        said = [repr(made), repr(caught.value), *traceback.format_exception(caught.value)]
        said += [record.getMessage() for record in caplog.records]
        assert not [text for text in said if KEY in text]

    async def test_a_failure_in_the_midst_of_a_stream(self, recorded: Recorded) -> None:
        async with provider(recorded, streamed(recorded.failing_stream)) as (made, server, _):
            stream = made.stream(HELLO)
            assert (await anext(stream)).text == "Häl"
            with pytest.raises(InferenceError) as caught:
                await anext(stream)
        assert str(caught.value) == f"the service failed while it answered ({recorded.codes[2]})"
        assert len(server.asked) == 1

    async def test_a_stream_that_ends_too_early(self, recorded: Recorded) -> None:
        whole = recorded.text_stream
        half = whole[: whole.index(b"lo there.") - 40]
        async with provider(recorded, streamed(half)) as (made, _, _t):
            with pytest.raises(InferenceError, match="ended its stream before the answer was whole"):
                await pieces(made)

    async def test_a_connection_that_breaks_in_the_midst(self, recorded: Recorded) -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 99999\r\n\r\n"
        async with provider(recorded, Sent(raw=head + recorded.text_stream)) as (made, server, _):
            with pytest.raises(InferenceError, match="broke"):
                await pieces(made)
        assert len(server.asked) == 1

    @pytest.mark.parametrize("body", [b"", b"[]", b"5", b"<html>", b'{"a": 1}', b"\xff", b"[" * 9000])
    async def test_something_else(self, recorded: Recorded, body: bytes) -> None:
        async with provider(recorded, Sent(200, body)) as (made, server, _):
            with pytest.raises(InferenceError) as caught:
                await made.chat(HELLO)
            server.replies = [streamed(b"data: " + body + b"\n\n")]
            with pytest.raises(InferenceError):
                await pieces(made)
        assert "\n" not in str(caught.value)

    async def test_arguments_that_are_no_object(self, recorded: Recorded) -> None:
        call = {"functionCall": {"name": "w", "args": [1]}}
        broken = recorded.call_stream.replace(b"3}", b"3")
        if recorded.dialect == "gemini":
            broken = sse({"candidates": [{"content": {"parts": [call]}, "finishReason": "STOP"}]})
        async with provider(recorded, streamed(broken)) as (made, _, _t):
            with pytest.raises(InferenceError):
                await pieces(made)

    async def test_what_a_service_does_not_take(self, recorded: Recorded) -> None:
        takes = {
            "openai": {"stop", "seed"},
            "openai-responses": set(),
            "anthropic": {"stop"},
            "gemini": {"stop", "seed"},
        }
        async with provider(recorded, json_reply(recorded.text)) as (made, server, _):
            for name, value in (("stop", ("x",)), ("seed", 3)):
                request = ChatRequest.of("Hi", **{name: value})  # type: ignore[arg-type]
                if name in takes[recorded.dialect]:
                    await made.chat(request)
                else:
                    with pytest.raises(InferenceRefused, match=f"takes no {name}"):
                        await made.chat(request)
        assert len(server.asked) == len(takes[recorded.dialect])


async def test_a_slot_is_given_back(recorded: Recorded) -> None:
    async with provider(recorded, streamed(recorded.text_stream), max_concurrency=1) as (made, _, _t):
        for _ in range(3):
            stream = made.stream(HELLO)
            await anext(stream)
            await stream.aclose()
        assert (await pieces(made))[-1].reply is not None


async def test_the_script_answers_alike(recorded: Recorded) -> None:
    """The provider of tests keeps the same promises as those of the vendors."""
    script = ScriptedProvider(Reply("", CALLS, Usage(21, 9), "m-1", "tool_calls"), "Hällo there.", InferenceError("x"))
    assert (await script.chat(HELLO)).calls == CALLS
    found = [piece async for piece in script.stream(HELLO)]
    assert "".join(piece.text for piece in found) == "Hällo there."
    assert found[-1].reply is not None
    assert found[-1].reply.usage.output_tokens > 0
    with pytest.raises(InferenceError):
        await script.chat(HELLO)
    assert script.prompts == ["Hi"] * 3


class TestRequests:
    """Conversations that nobody can be asked are refused in one line."""

    @pytest.mark.parametrize(
        "make",
        [
            lambda: ChatRequest.of([]),
            lambda: ChatRequest.of([5]),  # type: ignore[list-item]
            lambda: ChatRequest.of("x" * 1_000_001),
            lambda: ChatRequest.of("\ud800"),
            lambda: ChatRequest.of("x", model=""),
            lambda: ChatRequest.of("x", temperature=9),
            lambda: ChatRequest.of("x", tools=[ToolOffer("a"), ToolOffer("a")]),
            lambda: ChatRequest.of([Message("user", "x" * 900_000)] * 9),
            lambda: Message("robot", "x"),  # type: ignore[arg-type]
            lambda: Message("user", "x", CALLS),
            lambda: Message("tool", "x"),
            lambda: Message("user", "x", call_id="a"),
        ],
    )
    def test_it_is_refused(self, recorded: Recorded, make: Any) -> None:
        with pytest.raises(InvalidInput):
            make()

    async def test_no_dialect_of_that_name(self, recorded: Recorded) -> None:
        with pytest.raises(InvalidInput, match="is no dialect: openai, openai-responses, anthropic, gemini"):
            HttpProvider("https://x", model="m", dialect="klingon")

    async def test_no_model(self, recorded: Recorded) -> None:
        made = HttpProvider("https://x", dialect=recorded.dialect)
        with pytest.raises(InferenceRefused, match="it needs model="):
            await made.chat(HELLO)
