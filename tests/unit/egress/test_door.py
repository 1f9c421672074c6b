"""The door: addresses are checked and pinned, redirects checked again, everything bounded, errors told in our words."""

from __future__ import annotations

import asyncio
import gzip
import logging
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from headway.egress import Door, Rules
from headway.errors import EgressError, EgressRefused, InvalidInput, TerminalToolError
from headway.secrets import Redactor, Secret
from headway.testing import VirtualClock
from tests.unit.egress.server import Names, Web, page, serving

SECRET = "sk-0123456789abcdefSECRET"
HERE = Rules(allow=("127.0.0.1",))


@asynccontextmanager
async def door(rules: Rules = HERE, **options: Any) -> AsyncIterator[Door]:
    made = Door(rules, **options)
    try:
        yield made
    finally:
        await made.aclose()


class TestAddresses:
    """The address that was checked is the address that is asked."""

    async def test_a_name_is_resolved_once_a_connection_and_pinned(self) -> None:
        names = Names(models_lan=[["127.0.0.1"], ["127.0.0.2"]])
        async with serving(x=page()) as web, door(resolve=names) as out:
            for _ in range(3):
                reply = await out.request("GET", f"http://models.lan:{web.port}/x")
                assert (reply.status, reply.body) == (200, b"hello")
            assert names.asked == ["models.lan"]
            assert web.got[0].headers["host"] == f"models.lan:{web.port}"

    async def test_a_name_that_changes_its_address_is_refused(self) -> None:
        names = Names(rebind_test=[["127.0.0.1"], ["127.0.0.2"]])
        async with serving(x=page(connection="close")) as web, door(resolve=names) as out:
            assert (await out.request("GET", f"http://rebind.test:{web.port}/x")).status == 200
            await out.aclose()
            with pytest.raises(EgressRefused, match=r"rebind\.test is 127\.0\.0\.2, which is this machine"):
                await out.request("GET", f"http://rebind.test:{web.port}/x")
            assert len(web.got) == 1

    async def test_one_bad_address_refuses_the_host(self) -> None:
        names = Names(mixed_test=[["1.1.1.1", "127.0.0.1"]])
        async with serving(x=page()) as web, door(Rules(), resolve=names) as out:
            with pytest.raises(EgressRefused, match="mixed"):
                await out.request("GET", f"http://mixed.test:{web.port}/x")
            assert web.got == []

    @pytest.mark.parametrize(
        "host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "[::ffff:127.0.0.1]"]
    )
    async def test_this_machine_in_every_spelling(self, host: str) -> None:
        async with serving(x=page()) as web, door(Rules()) as out:
            with pytest.raises(EgressError):
                await out.request("GET", f"http://{host}:{web.port}/x")
            assert web.got == []

    async def test_the_next_address_is_tried(self) -> None:
        async with serving(x=page()) as web:
            names = Names(two_test=[["127.0.0.9", "127.0.0.1"]])
            async with door(Rules(allow=("127.0.0.0/8",)), resolve=names) as out:
                assert (await out.request("GET", f"http://two.test:{web.port}/x")).status == 200

    async def test_a_host_without_addresses(self) -> None:
        async with door(resolve=Names(none_test=[[]], many_test=[[f"1.1.1.{n}" for n in range(40)]])) as out:
            for host in ("nowhere.test", "none.test", "many.test"):
                with pytest.raises(EgressError, match=rf"{host} cannot be reached \(ConnectError\)") as caught:
                    await out.request("GET", f"http://{host}/x")
                assert caught.value.details == {"reason": "connect"}

    async def test_a_refusal_is_final_for_a_plan(self) -> None:
        assert issubclass(EgressRefused, TerminalToolError)

    async def test_a_named_service(self) -> None:
        async with serving(x=page()) as web:
            strict = Door(Rules(only=("127.0.0.1",)))
            named = strict.to("127.0.0.1", connections=1)
            assert (await named.request("GET", f"http://127.0.0.1:{web.port}/x")).status == 200
            await named.aclose()
            with pytest.raises(EgressRefused, match="only"):
                await named.request("GET", "http://example.com/")
            with pytest.raises(EgressRefused, match="this machine"):
                await strict.request("GET", f"http://127.0.0.1:{web.port}/x")


class TestRedirects:
    """Each hop is checked as if it had been asked for itself."""

    async def test_none_is_followed_unasked(self) -> None:
        async with serving(a=page(status="302 Found", location="/b"), b=page(b"b")) as web, door() as out:
            reply = await out.request("GET", f"http://127.0.0.1:{web.port}/a")
            assert reply.status == 302
            reply = await out.request("GET", f"http://127.0.0.1:{web.port}/a", redirects=1)
            assert (reply.status, reply.body, reply.url) == (200, b"b", f"http://127.0.0.1:{web.port}/b")

    @pytest.mark.parametrize(
        ("location", "why"),
        [
            ("http://127.0.0.1:9/x", "this machine"),
            ("http://169.254.169.254/latest/meta-data/", "link-local"),
            ("http://inside.test/", "inside.test is 10.0.0.1, which is private"),
            ("//[::1]/", "this machine"),
            ("file:///etc/passwd", "only http"),
            ("http://u:p@example.com/", "user or a password"),
            ("http://a:b/", "not a web address"),
        ],
    )
    async def test_a_redirect_inwards_is_refused(self, location: str, why: str) -> None:
        names = Names(outside_test=[["127.0.0.1"]], inside_test=[["10.0.0.1"]])
        async with serving(a=page(status="302 Found", location=location)) as web:
            rules = Rules(allow=(f"outside.test:{web.port}",))
            async with door(rules, resolve=names) as out:
                with pytest.raises(EgressError, match=why.replace(".", r"\.").replace("[", r"\[")):
                    await out.request("GET", f"http://outside.test:{web.port}/a", redirects=5)
        assert len(web.got) == 1

    async def test_a_circle_ends(self) -> None:
        async with serving(a=page(status="307 X", location="/a")) as web, door() as out:
            with pytest.raises(EgressRefused, match="redirects more than 3 times"):
                await out.request("GET", f"http://127.0.0.1:{web.port}/a", redirects=3)
            assert len(web.got) == 4

    async def test_secrets_stay_with_their_origin(self) -> None:
        names = Names(one_test=[["127.0.0.1"]], two_test=[["127.0.0.1"]])
        async with serving(b=page(b"b")) as web, door(resolve=names) as out:
            web.pages["/a"] = page(status="302 Found", location=f"http://two.test:{web.port}/b")
            headers = {"authorization": SECRET, "x-api-key": SECRET, "cookie": SECRET, "accept": "text/plain"}
            reply = await out.request("GET", f"http://one.test:{web.port}/a", headers=headers, redirects=1)
            assert reply.body == b"b"
        first, second = web.got
        assert first.headers["x-api-key"] == SECRET
        assert not [text for text in second.headers.values() if SECRET in text]
        assert second.headers["accept"] == "text/plain"

    @pytest.mark.parametrize(
        ("status", "method", "body"),
        [("301 X", "GET", b""), ("302 X", "GET", b""), ("303 X", "GET", b""), ("307 X", "POST", b"data"),
         ("308 X", "POST", b"data")],
    )  # fmt: skip
    async def test_the_method_after_a_redirect(self, status: str, method: str, body: bytes) -> None:
        async with serving(a=page(status=status, location="/b"), b=page()) as web, door() as out:
            url = f"http://127.0.0.1:{web.port}/a"
            await out.request("POST", url, content=b"data", headers={"content-type": "text/x"}, redirects=1)
        assert (web.got[1].method, web.got[1].body) == (method, body)
        assert ("content-type" in web.got[1].headers) == bool(body)

    async def test_a_body_is_not_sent_elsewhere(self) -> None:
        async with serving(a=page(status="307 X", location="http://127.0.0.2:1/")) as web, door() as out:
            with pytest.raises(EgressRefused, match="its body is not sent there"):
                await out.request("POST", f"http://127.0.0.1:{web.port}/a", content=b"data", redirects=1)

    async def test_a_client_of_a_library_is_held_to_the_same(self) -> None:
        pages = {"a": page(status="302 Found", location="http://127.0.0.2:9/"), "b": page(b"b"), "c": page(b"longer")}
        http = Door(HERE).client(headers={"x": "y"}, follow_redirects=True, max_bytes=5)
        async with serving(**pages) as web, http:
            with pytest.raises(EgressRefused, match=r"127\.0\.0\.2 is this machine"):
                await http.get(f"http://127.0.0.1:{web.port}/a")
            assert (await http.get(f"http://127.0.0.1:{web.port}/b")).text == "b"
            with pytest.raises(EgressError, match="more than 5 bytes"):
                await http.get(f"http://127.0.0.1:{web.port}/c")
        assert web.got[0].headers["x"] == "y"

    async def test_a_client_of_a_library_reaches_only_the_hosts_that_are_named(self) -> None:
        names = Names(one_test=[["127.0.0.1"]], two_test=[["127.0.0.1"]])
        rules = Rules(allow=("127.0.0.1",), only=("one.test",))
        http = Door(rules, resolve=names).client(follow_redirects=True)
        async with serving(b=page(b"b")) as web, http:
            web.pages["/a"] = page(status="302 Found", location=f"http://two.test:{web.port}/b")
            assert (await http.get(f"http://one.test:{web.port}/b")).text == "b"
            for url in (f"http://one.test:{web.port}/a", f"http://two.test:{web.port}/b"):
                with pytest.raises(EgressRefused, match="only"):
                    await http.get(url)
        assert [got.path for got in web.got] == ["/b", "/a"]


class TestBounds:
    """Time, size, connections."""

    async def test_size(self) -> None:
        async with serving(x=page(b"x" * 1001)) as web, door(max_bytes=1000) as out:
            url = f"http://127.0.0.1:{web.port}/x"
            with pytest.raises(EgressError, match="answered more than 1,000 bytes") as caught:
                await out.request("GET", url)
            assert caught.value.details == {"reason": "size"}
            assert len((await out.request("GET", url, max_bytes=1001)).body) == 1001

    async def test_a_compressed_answer_is_not_unpacked(self) -> None:
        bomb = page(gzip.compress(b" " * 1_000_000), content_encoding="gzip")
        async with serving(x=bomb) as web, door() as out:
            with pytest.raises(EgressError, match="compressed its answer though"):
                await out.request("GET", f"http://127.0.0.1:{web.port}/x", headers={"accept-encoding": "gzip"})
            assert web.got[0].headers["accept-encoding"] == "identity"

    async def test_silence(self) -> None:
        clock = VirtualClock()

        async def wait() -> None:
            await clock.advance(31)
            await asyncio.Event().wait()

        async with serving(x=page()) as web, door(clock=clock) as out:
            web.before = wait
            with pytest.raises(EgressError, match=r"(did not answer within|took longer than) 30 s") as caught:
                await out.request("GET", f"http://127.0.0.1:{web.port}/x", timeout=30)
            assert caught.value.details == {"reason": "timeout"}

    @pytest.mark.parametrize(
        ("options", "why"),
        [({"timeout": 30}, "did not answer within 30 s"), ({"longest": 30}, "took longer than 30 s")],
    )
    async def test_silence_in_the_midst_of_an_answer(self, options: dict[str, Any], why: str) -> None:
        clock = VirtualClock()
        begun: list[asyncio.Task[None]] = []

        async def read(url: str) -> None:
            async with door(clock=clock) as out, out.stream("GET", url, **options) as answer:
                async for chunk in answer.chunks():
                    assert chunk == b"a" * 5
                    begun.append(asyncio.create_task(clock.advance(31)))

        async with serving(x=page(b"a" * 10)[:-5]) as web:
            with pytest.raises(EgressError, match=why):
                await read(f"http://127.0.0.1:{web.port}/x")
        await begun[0]

    async def test_a_reader_s_own_timeout_is_its_own(self) -> None:
        async with serving(x=page()) as web, door() as out:
            with pytest.raises(TimeoutError):
                async with out.stream("GET", f"http://127.0.0.1:{web.port}/x"):
                    raise TimeoutError

    async def test_connections(self) -> None:
        async with serving(x=page()) as web, door(connections=2) as out:
            web.before = lambda: asyncio.sleep(0)
            url = f"http://127.0.0.1:{web.port}/x"
            replies = await asyncio.gather(*(out.request("GET", url) for _ in range(20)))
            assert [reply.status for reply in replies] == [200] * 20
            assert web.most <= 2

    async def test_a_door_outlives_a_loop(self) -> None:
        out = Door(HERE)

        async def once() -> int:
            async with serving(x=page()) as web:
                try:
                    return (await out.request("GET", f"http://127.0.0.1:{web.port}/x")).status
                finally:
                    await out.aclose()

        for _ in range(2):
            assert await asyncio.to_thread(asyncio.run, once()) == 200

    async def test_a_cancelled_request_gives_its_connection_back(self) -> None:
        async with serving(x=page()) as web, door(connections=1) as out:
            reached = asyncio.Event()

            async def hang() -> None:
                reached.set()
                await asyncio.Event().wait()

            web.before = hang
            task = asyncio.create_task(out.request("GET", f"http://127.0.0.1:{web.port}/x"))
            await reached.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            web.before = None
            assert (await out.request("GET", f"http://127.0.0.1:{web.port}/x")).status == 200

    @pytest.mark.parametrize(
        "options",
        [
            {"connections": 0},
            {"connect_timeout": 0},
            {"max_bytes": -1},
            {"proxy": "ftp://x"},
            {"proxy": 5},
            {"clock": 5},
        ],
    )
    def test_settings_that_make_no_sense(self, options: dict[str, Any]) -> None:
        with pytest.raises(InvalidInput):
            Door(**options)

    @pytest.mark.parametrize("url", ["", "http://", "x", "http://a b", "http://\ud800/", 5, "http://x:99999999/"])
    async def test_what_is_no_address(self, url: Any) -> None:
        with pytest.raises((InvalidInput, EgressRefused)):
            await Door().request("GET", url)

    async def test_a_header_that_is_none(self) -> None:
        async with serving(x=page()) as web, door() as out:
            for headers in ({"x": "a\r\nb: c"}, {"x": "\ud800"}):
                with pytest.raises(InvalidInput, match="cannot be sent"):
                    await out.request("GET", f"http://127.0.0.1:{web.port}/x", headers=headers)
            assert web.got == []


class TestWords:
    """Errors and logs hold no secret."""

    async def test_no_secret_is_told(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        redactor = Redactor()
        redactor.add("HOST", Secret("hidden-name-1234"))
        raised: list[BaseException] = []
        async with serving(big=page(SECRET.encode() * 9)) as web, door(redactor=redactor, resolve=Names()) as out:
            origin = f"http://127.0.0.1:{web.port}"
            web.pages[f"/broken?key={SECRET}"] = SECRET.encode() + b"\r\n\r\n"
            web.pages["/away"] = page(status="302 X", location=f"http://user:{SECRET}@10.0.0.1/{SECRET}")
            for url, options in [
                (f"{origin}/broken?key={SECRET}", {}),
                (f"{origin}/big", {"max_bytes": 5}),
                (f"{origin}/away", {"redirects": 1}),
                ("http://hidden-name-1234.test/x", {}),
            ]:
                with pytest.raises(EgressError) as caught:
                    await out.request("GET", url, headers={"authorization": SECRET}, **options)
                raised.append(caught.value)
        said = [text for error in raised for text in (str(error), repr(error), *traceback.format_exception(error))]
        said += [repr(error.details) for error in raised if isinstance(error, EgressError)]
        said += [record.getMessage() for record in caplog.records if not record.name.startswith("httpcore")]
        assert not [text for text in said if SECRET in text]
        assert "hidden-name" not in str(raised[-1])
        assert all("\n" not in str(error) for error in raised)

    async def test_no_cookie_is_kept(self) -> None:
        async with serving(x=page(set_cookie="a=b")) as web, door() as out:
            for _ in range(2):
                await out.request("GET", f"http://127.0.0.1:{web.port}/x")
            assert not [got for got in web.got if "cookie" in got.headers]


class TestProxies:
    """A proxy is used only where one was asked for, and never between this machine and itself."""

    @pytest.mark.parametrize("through", ["given", "environment"])
    async def test_names_are_the_proxys_to_resolve(self, through: str, monkeypatch: pytest.MonkeyPatch) -> None:
        async with serving() as web:
            url = f"http://127.0.0.1:{web.port}"
            web.pages["http://far.test/x"] = page(b"by proxy")
            for name in ("no_proxy", "NO_PROXY", "https_proxy", "all_proxy", "http_proxy"):
                monkeypatch.delenv(name, raising=False)
            monkeypatch.setenv(
                "HTTP_PROXY" if through == "environment" else "NO_PROXY", url if through == "environment" else ""
            )
            async with door(Rules(), proxy=url if through == "given" else "environment", resolve=Names()) as out:
                assert (await out.request("GET", "http://far.test/x")).body == b"by proxy"
                with pytest.raises(EgressRefused, match="private"):
                    await out.request("GET", "http://10.0.0.1/x")

    async def test_the_environment_alone_changes_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        async with serving(x=page()) as web, door() as out:
            assert (await out.request("GET", f"http://127.0.0.1:{web.port}/x")).status == 200
        assert Door().proxy_for(httpx.URL("http://example.com")) is None
        assert Door(proxy="environment").proxy_for(httpx.URL("http://localhost")) is None


def test_a_door_shows_its_rules_only() -> None:
    assert repr(Door(HERE, proxy="http://user:hunter2@proxy.test:1")) == f"Door({HERE!r})"
    assert isinstance(Web().pages, dict)
