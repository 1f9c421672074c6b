"""What ``headway send`` sends, and to whom with which token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import httpx
import msgspec
import pytest

from headway.client.agent import AgentClient
from headway.egress.frames import FrameReader
from headway.errors import EgressError, HeadwayError, InvalidInput, NotFound, Unavailable
from headway.testing import VirtualClock
from headway_console.cli.sending import message_of, same_server


def test_the_message_is_one_thing(tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text('{"actions": [9007199254740993, 3.0]}\n')
    assert message_of("hi", None, None, None) == [{"text": "hi"}]
    assert message_of(None, None, None, "hello") == [{"text": "hello"}]
    sent = msgspec.json.encode(message_of(None, None, plan, None))
    assert sent == b'[{"data":{"actions": [9007199254740993, 3.0]}}]', "byte for byte"
    assert msgspec.json.encode(message_of(None, f"@{plan}", None, None)) == sent
    assert msgspec.json.encode(message_of(None, '{"tool": 1}', None, None)) == b'[{"data":{"tool": 1}}]'
    for many in ((None, None, None, None), ("a", "{}", None, None), ("a", None, None, "b")):
        with pytest.raises(click.UsageError, match="give one of"):
            message_of(*many)


@pytest.mark.parametrize("text", ["", "{", '{"a": 1,}', "NaN", "[" * 100_000, "\udcff"])
def test_what_is_not_json_is_not_sent(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidInput, match="is not JSON"):
        message_of(None, text or " ", None, None)
    plan = tmp_path / "plan.json"
    plan.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InvalidInput, match=r"plan\.json: is not JSON"):
        message_of(None, None, plan, None)
    with pytest.raises(InvalidInput, match="cannot read"):
        message_of(None, "@" + str(tmp_path / "none"), None, None)


@pytest.mark.parametrize(
    ("given", "same"),
    [
        ("http://127.0.0.1:8420", True),
        ("http://127.0.0.1:8420/", True),
        ("http://localhost:8420/", True),
        ("http://[::1]:8420", True),
        ("http://127.0.0.1:8421", False),
        ("https://127.0.0.1:8420", False),
        ("http://127.0.0.1.evil.example:8420", False),
        ("http://127.0.0.1:8420@evil.example/", False),
        ("http://evil.example:8420", False),
        ("http://127.0.0.1:99999", False),
        ("http://127.0.0.1:8420/other", False),
    ],
)
def test_the_token_of_the_home_goes_to_its_daemon_only(given: str, same: bool) -> None:
    assert same_server(given, "http://127.0.0.1:8420") is same


@pytest.mark.parametrize(
    ("url", "token", "why"),
    [
        ("ftp://a", None, "an agent's address"),
        ("http://", None, "an agent's address"),
        ("http://u:p@a/", None, "without user"),
        ("http://agent.example/", "t" * 43, "not sent in clear to agent.example"),
    ],
)
def test_addresses_that_are_refused(url: str, token: str | None, why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        AgentClient(url, token)


def answering(status: int, **body: Any) -> AgentClient:
    """Return a client of an agent that always gives one answer."""

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["Authorization"] == "Bearer " + "t" * 43
        return httpx.Response(status, json=body)

    return AgentClient("http://localhost:1/", "t" * 43, transport=httpx.MockTransport(answer))


@pytest.mark.parametrize(
    ("status", "body", "kind", "text"),
    [
        (401, {}, InvalidInput, "refuses the token"),
        (503, {}, Unavailable, "try again later"),
        (200, {"error": {"code": -32001, "message": "there is\x1b[2J no"}}, NotFound, "there is"),
        (200, {"error": {"code": -32602, "message": "no"}}, InvalidInput, "no"),
        (200, {"error": {"code": -32603, "message": ""}}, HeadwayError, "error -32603"),
        (200, {"error": {"code": "x"}}, HeadwayError, "error -32603"),
        (200, {"result": 3}, Unavailable, "is not an A2A agent"),
        (404, {"detail": "Not Found"}, Unavailable, "is not an A2A agent"),
        (302, {}, Unavailable, "is not an A2A agent"),
    ],
)
async def test_answers_that_are_none(status: int, body: Any, kind: type[HeadwayError], text: str) -> None:
    client = answering(status, **body)
    with pytest.raises(kind, match=text) as caught:
        await client.get("x")
    assert "\x1b" not in str(caught.value)
    with pytest.raises(kind, match=text):
        async for _ in client.send([{"text": "hi"}]):
            pass
    await client.close()


def frame(n: int, state: str) -> bytes:
    update = {"statusUpdate": {"taskId": "t1", "status": {"state": state}}}
    return f"id: {n}\r\ndata: ".encode() + msgspec.json.encode({"result": update}) + b"\r\n\r\n"


async def test_a_lost_stream_is_taken_up_where_it_was() -> None:
    asked: list[tuple[str, str | None]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        method = msgspec.json.decode(request.content)["method"]
        asked.append((method, request.headers.get("Last-Event-ID")))
        last = len(asked) == 3
        body = frame(len(asked), "TASK_STATE_COMPLETED" if last else "TASK_STATE_WORKING")
        return httpx.Response(200, content=body, headers={"Content-Type": "text/event-stream"})

    clock = VirtualClock(autojump=True)
    client = AgentClient("http://localhost:1/", clock=clock, transport=httpx.MockTransport(answer))
    states = [update["statusUpdate"]["status"]["state"] async for update in client.send([{"text": "hi"}])]
    assert states == ["TASK_STATE_WORKING", "TASK_STATE_WORKING", "TASK_STATE_COMPLETED"]
    assert asked == [("SendStreamingMessage", None), ("SubscribeToTask", "1"), ("SubscribeToTask", "2")]
    await client.close()


async def test_an_agent_that_does_not_stream_is_asked_to_wait() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        method = msgspec.json.decode(request.content)["method"]
        asked.append(method)
        if method == "SendMessage":
            return httpx.Response(200, json={"result": {"message": {"parts": [{"text": "hi"}]}}})
        return httpx.Response(200, json={"error": {"code": -32004, "message": "no streams"}})

    client = AgentClient("http://localhost:1/", transport=httpx.MockTransport(answer))
    assert [update async for update in client.send([{"text": "hi"}])] == [{"message": {"parts": [{"text": "hi"}]}}]
    assert asked == ["SendStreamingMessage", "SendMessage"]
    await client.close()


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_frames_come_whole_however_bytes_arrive(end: bytes, size: int) -> None:
    lines = [b": ping", b"", b"id: 1", b"data: a", b"data:b", b"", b"event: x", b"", b"id: 2", b"data: c", b"", b""]
    stream = end.join(lines) + (b"x" if end == b"\r" else b"")
    reader = FrameReader(1000)
    found = [made for i in range(0, len(stream), size) for made in reader.feed(stream[i : i + size])]
    assert found == [("1", b"a\nb"), ("2", b"c")]


def test_an_endless_frame_is_given_up() -> None:
    reader = FrameReader(1000)
    assert list(reader.feed(b"data: " + b"x" * 900)) == []
    with pytest.raises(EgressError, match="larger than 1,000 bytes"):
        list(reader.feed(b"x" * 100))
