"""The HTTP provider against a real server on loopback."""

from __future__ import annotations

import asyncio
import gzip
import logging
import ssl
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from headway.clock import SystemClock, TimerHandle
from headway.errors import InferenceError, InferenceRefused, InvalidInput
from headway.inference.answer import Prices, Usage
from headway.inference.http import HttpProvider
from tests.unit.inference.server import Reply, Server, json_reply, running

KEY = "sk-test-0123456789abcdefSECRET"


class Timers(SystemClock):
    """Waits at once and remembers; timers fire when the test says so."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.timers: list[Callable[[], object]] = []

    async def sleep(self, delay: float) -> None:  # type: ignore[override]
        self.slept.append(delay)

    def time_ms(self) -> int:  # type: ignore[override]
        return 1_700_000_000_000  # Tue, 14 Nov 2023 22:13:20 GMT

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> TimerHandle:  # type: ignore[override]
        self.timers.append(lambda: callback(*args))
        return asyncio.get_running_loop().call_later(3600, int)

    async def fire(self) -> None:
        self.timers[-1]()
        await asyncio.sleep(3600)


@asynccontextmanager
async def provider(*replies: Reply, **options: Any) -> AsyncIterator[tuple[HttpProvider, Server, Timers]]:
    timers = Timers()
    async with running(*replies) as server:
        settings = {"model": "m", "embedding_model": "e", "clock": timers, **options}
        async with HttpProvider(server.url, **settings) as made:
            yield made, server, timers


def chat(text: Any = "hello", **more: Any) -> dict[str, Any]:
    return {
        "model": "m-2024",
        "choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 11, "completion_tokens": 7},
        **more,
    }


def vectors(*rows: list[float], **more: Any) -> dict[str, Any]:
    data = [{"object": "embedding", "index": at, "embedding": row} for at, row in enumerate(rows)]
    return {"model": "e-1", "data": data, "usage": {"prompt_tokens": 4, "total_tokens": 4}, **more}


class TestAsking:
    """Requests as they are sent, and the results that come of answers."""

    async def test_infer(self) -> None:
        prices = {"m": Prices(1_000_000, 2_000_000)}
        async with provider(json_reply(chat()), prices=prices) as (made, server, _):
            answer = await made.infer("p", system="s", max_tokens=5, temperature=0.5, stop=["x"], seed=3)
        assert (answer.text, answer.model, answer.finish_reason) == ("hello", "m-2024", "stop")
        assert answer.usage == Usage(11, 7, cost=25)
        (asked,) = server.asked
        assert asked.path == "/v1/chat/completions"
        assert asked.body == {
            "model": "m",
            "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "p"}],
            "temperature": 0.5,
            "max_tokens": 5,
            "stop": ["x"],
            "seed": 3,
        }
        assert "authorization" not in asked.headers
        assert asked.headers["accept-encoding"] == "identity"
        assert asked.headers["user-agent"].startswith("headway/")

    async def test_only_what_was_given_is_sent(self) -> None:
        async with provider(json_reply(chat()), length_field="max_completion_tokens") as (made, server, _):
            await made.infer("p")
            await made.infer("p", max_tokens=5)
        first, second = (asked.body for asked in server.asked)
        assert first == {"model": "m", "messages": [{"role": "user", "content": "p"}], "temperature": 0.0}
        assert second["max_completion_tokens"] == 5

    async def test_embed_in_the_order_asked(self) -> None:
        body = vectors([1.0, 2.0], [3.0, 4.0])
        body["data"].reverse()
        async with provider(json_reply(body), prices={"e": Prices(250_000)}) as (made, server, _):
            found = await made.embed(["a", "b"])
        assert found == [[1.0, 2.0], [3.0, 4.0]]
        assert (found.usage, found.model) == (Usage(4, 0, cost=1), "e-1")
        (asked,) = server.asked
        assert (asked.path, asked.body) == (
            "/v1/embeddings",
            {"model": "e", "input": ["a", "b"], "encoding_format": "float"},
        )

    async def test_classify_by_vectors(self) -> None:
        async with provider(json_reply(vectors([1.0, 0.0], [0.0, 1.0], [1.0, 0.0]))) as (made, server, _):
            ranked = await made.classify("t", ["a", "b"])
        assert ranked[0][0] == "b"
        assert server.asked[0].body["input"] == ["t", "a", "b"]

    @pytest.mark.parametrize("options", [{"embedding_model": None}, {"classify_by": "prompt"}])
    async def test_classify_by_prompt(self, options: dict[str, Any]) -> None:
        async with provider(json_reply(chat("2")), **options) as (made, server, _):
            assert await made.classify("t", ["a", "b"]) == [("b", 1.0), ("a", 0.0)]
        assert server.asked[0].path == "/v1/chat/completions"

    async def test_connections_are_used_again_and_closed(self) -> None:
        async with provider(json_reply(chat())) as (made, server, _):
            for _ in range(3):
                await made.infer("p")
            assert server.connections == 1
            await made.aclose()
            await made.infer("p")
            assert server.connections == 2

    def test_a_provider_outlives_its_loop(self) -> None:
        made: list[HttpProvider] = []

        async def once() -> None:
            async with running(json_reply(chat())) as server:
                if not made:
                    made.append(HttpProvider(server.url, model="m"))
                made[0]._service.url = made[0]._service.url.copy_with(port=int(server.url.split(":")[2].split("/")[0]))
                await made[0].infer("p")
                await made[0].aclose()

        asyncio.run(once())
        asyncio.run(once())

    async def test_text_goes_through_whole(self) -> None:
        text = "é\0\x1b[31m[bold]\u2028😀"
        async with provider(json_reply(chat(text))) as (made, server, _):
            assert (await made.infer(text)).text == text
        assert server.asked[0].body["messages"][0]["content"] == text


class TestAnswers:
    """Answers that are not as they should be."""

    async def test_what_a_service_does_not_tell_is_estimated(self) -> None:
        bare = {"choices": [{"message": {"content": "x" * 8}}]}
        async with provider(json_reply(bare), prices={"m": Prices(1_000_000, 1_000_000)}) as (made, _, _t):
            answer = await made.infer("y" * 8, system="z" * 4)
        assert (answer.model, answer.finish_reason) == ("m", "stop")
        assert answer.usage == Usage(3, 2, estimated=True, cost=5)

    async def test_no_content_is_an_empty_text(self) -> None:
        async with provider(json_reply(chat(None))) as (made, _, _t):
            assert (await made.infer("p")).text == ""

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"<html>not json</html>",
            b"[]",
            b'{"choices": 5}',
            b'{"choices": [{"message": {"content": ["x"]}}]}',
            b'{"choices": [{"message": {"content": "\xff"}}]}',
            b'{"choices": [{"message": {"content": "\\ud800"}}]}',
            b"[" * 100_000,
        ],
    )
    async def test_something_else_is_one_line(self, body: bytes) -> None:
        async with provider(Reply(200, body)) as (made, server, _):
            with pytest.raises(InferenceError) as caught:
                await made.infer("p")
        assert str(caught.value) == "the service answered something that is not a chat completion"
        assert len(server.asked) == 1

    async def test_no_choice(self) -> None:
        async with provider(json_reply({"choices": []})) as (made, _, _t):
            with pytest.raises(InferenceError, match="without a choice"):
                await made.infer("p")

    @pytest.mark.parametrize(
        ("body", "text"),
        [
            (vectors([1.0]), "gave 1 embeddings for 2 texts"),
            (vectors([1.0], [1.0], [1.0]), "gave 3 embeddings for 2 texts"),
            (vectors([1.0], [1.0, 2.0]), "of different lengths"),
            (vectors([], []), "of different lengths"),
            ({"data": [{"index": 0, "embedding": [1.0]}] * 2}, "gave 2 embeddings for 2 texts"),
            ({"data": [{"index": 0, "embedding": ["x"]}]}, "not a list of embeddings"),
        ],
    )
    async def test_vectors_that_do_not_fit(self, body: Any, text: str) -> None:
        async with provider(json_reply(body)) as (made, _, _t):
            with pytest.raises(InferenceError, match=text):
                await made.embed(["a", "b"])

    @pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"1e999"])
    async def test_a_vector_of_no_numbers(self, number: bytes) -> None:
        async with provider(Reply(200, b'{"data": [{"embedding": [%b]}]}' % number)) as (made, _, _t):
            with pytest.raises(InferenceError):
                await made.embed(["a"])

    async def test_an_absurd_count_of_tokens_is_not_believed(self) -> None:
        body = chat(usage={"prompt_tokens": -5, "completion_tokens": 2**60})
        async with provider(json_reply(body)) as (made, _, _t):
            assert (await made.infer("y" * 8)).usage == Usage(2, 2, estimated=True)

    @pytest.mark.parametrize(
        ("usage", "expected"),
        [
            ({"prompt_tokens": 5.0, "completion_tokens": 3.0}, Usage(5, 3)),
            ({"prompt_tokens": 5.5, "completion_tokens": 3}, Usage(2, 3, estimated=True)),
            ({"prompt_tokens": "5", "completion_tokens": 3}, Usage(2, 3, estimated=True)),
            ({"prompt_tokens": True, "completion_tokens": [3]}, Usage(2, 2, estimated=True)),
            ({"prompt_tokens": 1e300, "completion_tokens": -0.0}, Usage(2, 0, estimated=True)),
            ({"prompt_tokens": 10**30, "completion_tokens": 3}, Usage(2, 3, estimated=True)),
            ("many", Usage(2, 2, estimated=True)),
            ([5, 3], Usage(2, 2, estimated=True)),
        ],
    )
    async def test_no_answer_is_thrown_away_for_odd_numbers(self, usage: Any, expected: Usage) -> None:
        async with provider(json_reply(chat("x" * 8, usage=usage))) as (made, _, _t):
            answer = await made.infer("y" * 8)
        assert (answer.text, answer.usage) == ("x" * 8, expected)
        async with provider(json_reply(vectors([1.0], usage=usage))) as (made, _, _t):
            assert await made.embed(["a"]) == [[1.0]]

    @pytest.mark.parametrize("odd", [5, ["m"], {"name": "m"}, False, ""])
    async def test_no_answer_is_thrown_away_for_an_odd_name(self, odd: Any) -> None:
        body = chat("hi", model=odd)
        body["choices"][0]["finish_reason"] = odd
        async with provider(json_reply(body)) as (made, _, _t):
            answer = await made.infer("p")
        assert (answer.text, answer.model, answer.finish_reason) == ("hi", "m", "stop")
        async with provider(json_reply(vectors([1.0], model=odd))) as (made, _, _t):
            assert (await made.embed(["a"])).model == "e"

    async def test_a_long_answer_is_cut_off(self) -> None:
        async with provider(json_reply(chat("x" * 2000)), max_response_bytes=1000) as (made, server, _):
            with pytest.raises(InferenceError, match="answered more than 1,000 bytes"):
                await made.infer("p")
        assert len(server.asked) == 1

    async def test_a_compressed_answer_is_not_unpacked(self) -> None:
        reply = Reply(200, gzip.compress(b" " * 10_000_000), {"content-encoding": "gzip"})
        async with provider(reply) as (made, _, _t):
            with pytest.raises(InferenceError, match="compressed its answer though it was asked not to"):
                await made.infer("p")


class TestTryingAgain:
    """Retries, waits and time limits, on the injected clock."""

    @pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 529])
    async def test_a_busy_service_is_asked_again(self, status: int) -> None:
        async with provider(Reply(status), Reply(status), json_reply(chat())) as (made, server, timers):
            assert (await made.infer("p")).text == "hello"
        assert len(server.asked) == 3
        assert timers.slept == [0.5, 1.0]

    async def test_it_ends(self) -> None:
        async with provider(Reply(503), retries=5) as (made, _, timers):
            with pytest.raises(InferenceError) as caught:
                await made.infer("p")
        assert str(caught.value) == f"{made.name} failed (503 Service Unavailable); tried 6 times"
        assert caught.value.details == {"status": 503}
        assert timers.slept == [0.5, 1.0, 2.0, 4.0, 8.0]

    @pytest.mark.parametrize(
        ("header", "waits"),
        [
            ("7", 7.0),
            (" 0 ", 0.0),
            ("Tue, 14 Nov 2023 22:13:30 GMT", 10.0),
            ("Tue, 14 Nov 2023 22:13:00 GMT", 0.0),
            ("soon", 0.5),
            ("-3", 0.5),
            ("1.5", 0.5),
            ("nan", 0.5),
            ("9" * 65, 0.5),
            ("Tue, 99 Nov 99999 22:13:30 GMT", 0.5),
        ],
    )
    async def test_retry_after(self, header: str, waits: float) -> None:
        async with provider(Reply(429, headers={"retry-after": header}), json_reply(chat())) as (made, _, timers):
            await made.infer("p")
        assert timers.slept == [waits]

    async def test_a_service_that_asks_for_an_hour_is_not_waited_for(self) -> None:
        async with provider(Reply(429, headers={"retry-after": "3600"})) as (made, server, timers):
            with pytest.raises(InferenceError) as caught:
                await made.infer("p")
        assert str(caught.value) == f"{made.name} is asked too often (429 Too Many Requests); it asks to wait 3,600 s"
        assert (len(server.asked), timers.slept) == (1, [])

    async def test_a_spent_quota_is_final(self) -> None:
        reply = json_reply({"error": {"code": "insufficient_quota", "message": "x"}}, 429)
        async with provider(reply) as (made, server, _):
            with pytest.raises(InferenceRefused, match=r"429 Too Many Requests, insufficient_quota"):
                await made.infer("p")
        assert len(server.asked) == 1

    async def test_no_retries(self) -> None:
        async with provider(Reply(500), retries=0) as (made, _, timers):
            with pytest.raises(InferenceError, match=r"failed \(500 Internal Server Error\)$"):
                await made.infer("p")
        assert timers.slept == []

    async def test_a_broken_connection_is_tried_again(self) -> None:
        async with provider(Reply(raw=b""), Reply(raw=b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nx")) as (
            made,
            server,
            timers,
        ):
            with pytest.raises(InferenceError, match=r"broke \(RemoteProtocolError\); tried 3 times"):
                await made.infer("p")
        assert len(server.asked) == 3
        assert timers.slept == [0.5, 1.0]

    async def test_nobody_there(self) -> None:
        async with running(Reply()) as server:
            url = server.url
        timers = Timers()
        async with HttpProvider(url, model="m", clock=timers) as made:
            with pytest.raises(InferenceError, match=r"cannot be reached \(ConnectError\); tried 3 times"):
                await made.infer("p")

    async def test_a_service_that_says_nothing(self) -> None:
        timers = Timers()
        async with (
            running(Reply(before=timers.fire)) as server,
            HttpProvider(server.url, model="m", timeout=30, clock=timers) as made,
        ):
            with pytest.raises(InferenceError) as caught:
                await made.infer("p")
        assert str(caught.value) == f"{made.name} did not answer within 30 s"

    async def test_a_cancelled_call_is_cancelled(self) -> None:
        reached = asyncio.Event()

        async def hang() -> None:
            reached.set()
            await asyncio.sleep(3600)

        async with provider(Reply(before=hang), max_concurrency=1) as (made, server, _):
            task = asyncio.create_task(made.infer("p"))
            await reached.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            server.replies = [json_reply(chat())]
            assert (await made.infer("p")).text == "hello"


class TestRefusals:
    """Errors that say what to change and nothing of what the server wrote."""

    @pytest.mark.parametrize(
        ("status", "text"),
        [
            (401, "wants a key (401 Unauthorized): name its environment variable as api_key_env"),
            (307, "redirects (307 Temporary Redirect), which is not followed: give the right base_url"),
            (404, "has no chat/completions there, or not that model (404 Not Found)"),
            (400, "refused the request (400 Bad Request)"),
            (418, "refused the request (418 I'm a Teapot)"),
            (599 - 98, "refused the request (501 Not Implemented)"),
            (499, "refused the request (499)"),
            (204, "refused the request (204 No Content)"),
        ],
    )
    async def test_each_says_what_to_change(self, status: int, text: str) -> None:
        reply = Reply(status, b"" if status == 204 else b"secret body", {"location": "/elsewhere"})
        async with provider(reply) as (made, server, _):
            with pytest.raises(InferenceRefused) as caught:
                await made.infer("p")
        assert str(caught.value) == f"{made.name} {text}"
        assert caught.value.details == {"status": status}
        assert len(server.asked) == 1

    @pytest.mark.parametrize(
        ("error", "shown"),
        [
            ({"code": "context_length_exceeded"}, "400 Bad Request, context_length_exceeded"),
            ({"code": None, "type": "invalid_request_error"}, "400 Bad Request, invalid_request_error"),
            ({"code": KEY}, "400 Bad Request"),
            ({"code": 5}, "400 Bad Request"),
        ],
    )
    async def test_of_the_body_only_known_codes_are_told(self, error: Any, shown: str) -> None:
        async with provider(json_reply({"error": error}, 400)) as (made, _, _t):
            with pytest.raises(InferenceRefused) as caught:
                await made.infer("p")
        assert str(caught.value) == f"{made.name} refused the request ({shown})"

    async def test_an_endless_error_is_not_read_to_its_end(self) -> None:
        async with provider(Reply(400, b"x" * 1_000_000)) as (made, _, _t):
            with pytest.raises(InferenceRefused, match="400 Bad Request"):
                await made.infer("p")


class TestKey:
    """The key goes to the service and nowhere else."""

    async def test_it_is_read_at_each_call(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async with provider(json_reply(chat()), api_key_env="TEST_KEY") as (made, server, _):
            monkeypatch.setenv("TEST_KEY", f"{KEY}\n")
            await made.infer("p")
            monkeypatch.setenv("TEST_KEY", "other")
            await made.infer("p")
        assert [asked.headers["authorization"] for asked in server.asked] == [f"Bearer {KEY}", "Bearer other"]

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (None, "needs a key: set the environment variable TEST_KEY"),
            ("  ", "needs a key: set the environment variable TEST_KEY"),
            ("a\nb", "the key in TEST_KEY holds characters that no key has"),
            ("schlüssel", "the key in TEST_KEY holds characters that no key has"),
        ],
    )
    async def test_without_one_nothing_is_sent(
        self, value: str | None, text: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if value is None:
            monkeypatch.delenv("TEST_KEY", raising=False)
        else:
            monkeypatch.setenv("TEST_KEY", value)
        async with provider(json_reply(chat()), api_key_env="TEST_KEY") as (made, server, _):
            assert (made.lacks("infer") or "").endswith(text)
            with pytest.raises(InferenceRefused, match=text):
                await made.infer("p")
        assert server.asked == []

    async def test_it_is_in_no_error_log_or_repr(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setenv("TEST_KEY", KEY)
        caplog.set_level(logging.DEBUG)
        echo = json_reply({"error": {"message": f"bad key {KEY}", "code": KEY, "type": KEY}}, 401, x_key=KEY)
        async with provider(echo, api_key_env="TEST_KEY") as (made, server, _):
            with pytest.raises(InferenceRefused) as caught:
                await made.infer("p")
            server.replies = [Reply(500, KEY.encode()), Reply(raw=KEY.encode())]
            with pytest.raises(InferenceError) as broken:
                await made.infer("p")
        assert server.asked[0].headers["authorization"] == f"Bearer {KEY}"
        assert str(caught.value) == f"{made.name} refused the key in TEST_KEY (401 Unauthorized)"
        said = [repr(made), repr(vars(made)), repr(caught.value), repr(broken.value), repr(caught.value.details)]
        said += traceback.format_exception(caught.value) + traceback.format_exception(broken.value)
        assert not [text for text in said if KEY in text]
        ours = [record.getMessage() for record in caplog.records if not record.name.startswith("httpcore")]
        assert not [text for text in ours if KEY in text]
        sent = [record.getMessage() for record in caplog.records if "send_request" in record.getMessage()]
        assert sent
        assert not [text for text in sent if KEY in text]


class TestSettings:
    """Arguments of the constructor."""

    @pytest.mark.parametrize(
        ("url", "text"),
        [
            (5, "base_url must be a text, not int"),
            ("", "must start with https://"),
            ("ftp://host/v1", "must start with https://"),
            ("https://", "must start with https://"),
            ("https://user:hunter2@host/v1", "must not hold a user or a password"),
            ("https://host/v1?key=hunter2", "must end with its path"),
            ("https://host/v1#x", "must end with its path"),
            ("https://ho st/v1", "not a web address"),
            ("https://host:99999999/v1", "not a web address"),
            ("https://\0/v1", "not a web address"),
            ("https://\ud800/v1", "not a web address"),
        ],
    )
    def test_an_address_that_is_none(self, url: Any, text: str) -> None:
        with pytest.raises(InvalidInput, match=text) as caught:
            HttpProvider(url)
        assert "hunter2" not in str(caught.value)

    @pytest.mark.parametrize("url", ["https://api.example.com/v1", "http://localhost:8000", "http://[::1]:1/v1"])
    def test_a_key_goes_over_tls_or_to_this_machine(self, url: str) -> None:
        assert HttpProvider(url, api_key_env="K", model="m").name in url
        with pytest.raises(InvalidInput, match="a key is sent over https only"):
            HttpProvider("http://gpu-box:8000/v1", api_key_env="K")
        HttpProvider("http://gpu-box:8000/v1", model="m")

    @pytest.mark.parametrize(
        "options",
        [
            {"model": ""},
            {"model": 5},
            {"model": "a\nb"},
            {"embedding_model": " x"},
            {"api_key_env": "x" * 300},
            {"classify_by": "magic"},
            {"length_field": "tokens"},
            {"prices": 5},
            {"prices": {"m": 5}},
            {"prices": {5: Prices()}},
            {"timeout": 0},
            {"timeout": float("nan")},
            {"connect_timeout": "1"},
            {"max_wait": -1},
            {"retries": -1},
            {"retries": 1.5},
            {"max_response_bytes": 0},
            {"max_concurrency": 0},
        ],
    )
    def test_settings_that_make_no_sense(self, options: dict[str, Any]) -> None:
        with pytest.raises(InvalidInput):
            HttpProvider("https://host/v1", **options)

    def test_parts_follow_from_the_models(self) -> None:
        def lacking(**options: Any) -> list[str]:
            made = HttpProvider("https://host/v1", **options)
            return [part for part in ("infer", "embed", "classify") if made.lacks(part)]

        assert lacking() == ["infer", "embed", "classify"]
        assert lacking(model="m") == ["embed"]
        assert lacking(embedding_model="e") == ["infer"]
        assert lacking(embedding_model="e", classify_by="prompt") == ["infer", "classify"]
        assert lacking(model="m", classify_by="vectors") == ["embed", "classify"]
        reason = HttpProvider("https://host/v1").lacks("embed")
        assert reason == "the inference provider 'host' has no embed: it needs embedding_model=…"

    def test_repr_names_the_service_and_its_models(self) -> None:
        made = HttpProvider("https://host/v1", model="m", api_key_env="K")
        assert repr(made) == "HttpProvider('https://host/v1', model='m', embedding_model=None)"
        assert (made.name, made.max_concurrency) == ("host", 8)

    async def test_tls_is_verified_and_proxies_are_for_others(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        async with provider(json_reply(chat())) as (made, _, _t):
            assert (await made.infer("p")).text == "hello"
        made = HttpProvider("https://host/v1", model="m")
        context: Any = made._service._door.transport(None, 1)._pool._ssl_context
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
        await made.aclose()
