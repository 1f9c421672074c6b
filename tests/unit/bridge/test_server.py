"""A daemon's life on an engine that runs nothing: up, answering, stopping, gone."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Any

import httpx
import pytest

from headway.client import OperatorClient
from headway.client.daemon import DaemonInfo, find_daemon, read_daemon_file
from headway.client.token import TokenFile
from headway.errors import HeadwayError, InvalidConfig, Unavailable
from headway.home import Home
from headway_bridge import server
from headway_bridge.listeners import bind_tcp, url_of
from headway_bridge.server import serve
from headway_bridge.shutdown import Stop
from tests.unit.bridge.operator.fakes import FakeEngine

PLAN = {"actions": [{"id": "a", "type": "tool_call", "tool": "echo"}]}


@pytest.fixture
def engine(home: Home) -> FakeEngine:
    return FakeEngine(home)


def left(home: Home) -> list[str]:
    """Return the files of a home beside its token's, which stay."""
    return [path.name for path in home.path.iterdir() if path.name not in ("a2a.token", "a2a.header")]


class Served:
    """A daemon in a task of the test."""

    def __init__(self, stop: Stop, task: asyncio.Task[int], info: DaemonInfo) -> None:
        self.stop = stop
        self.task = task
        self.info = info


@asynccontextmanager
async def serving(engine: Any, **more: Any) -> AsyncIterator[Served]:
    stop = Stop(lambda text: None)
    ready: asyncio.Future[DaemonInfo] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(engine, port=0, stop=stop, on_ready=ready.set_result, **more))
    await asyncio.wait([task, ready], return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        await task
    try:
        yield Served(stop, task, await ready)
    finally:
        stop.request()
        await task


async def test_both_doors_answer_before_it_is_ready(engine: FakeEngine, home: Home) -> None:
    async with serving(engine) as served:
        assert read_daemon_file(home) == served.info
        assert served.info.socket == str(home.socket)
        status = await find_daemon(home)
        assert status is not None
        assert (status.url, status.pid) == (served.info.url, served.info.pid)
        headers = {"Authorization": f"Bearer {TokenFile(home).read()}"}
        async with httpx.AsyncClient(base_url=served.info.url, trust_env=False, headers=headers) as http:
            card = await http.get("/.well-known/agent.json")
            assert card.status_code == 200
            assert (await http.get("/operator/v1/status")).status_code == 404, "the operator API is not on TCP"


async def test_the_end_leaves_nothing_behind(engine: FakeEngine, home: Home) -> None:
    before = asyncio.all_tasks()
    async with serving(engine) as served, OperatorClient(home) as client:
        await client.submit(PLAN)
    assert served.task.result() == 0
    assert engine.closed_with == [("shutdown", 5.0)]
    assert left(home) == []
    assert await find_daemon(home) is None
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("now", [False, True])
async def test_stop_by_an_operator(engine: FakeEngine, home: Home, now: bool) -> None:
    async with serving(engine) as served, OperatorClient(home) as client:
        job = await client.submit(PLAN)
        await client.stop(now=now)
        assert await served.task == 0
    assert engine.closed_with == [("shutdown", 0.0 if now else 5.0)]
    assert engine.killed == ([(job.job_id, "shutdown", "daemon")] if now else [])
    assert (await engine.row(job.job_id)).cancel_reason == "shutdown"


async def test_streams_show_the_end_and_do_not_hold_it(engine: FakeEngine, home: Home) -> None:
    async with serving(engine) as served, OperatorClient(home) as client:
        job = await client.submit(PLAN)
        seen: list[str] = []

        async def follow() -> None:
            async for batch in client.follow(patience=0):
                seen.extend(event.kind for event in batch)
                served.stop.request()

        with pytest.raises(Unavailable):
            await follow()
        assert seen[-1] == "job_cancelled"
        assert (await engine.row(job.job_id)).status == "cancelled"


class SlowEngine(FakeEngine):
    """Takes as long to close as the test wants, or until its jobs are killed."""

    def __init__(self, home: Home) -> None:
        super().__init__(home)
        self.closing = asyncio.Event()
        self.may_close = asyncio.Event()

    async def kill(self, job_id: str, reason: str = "", by: str = "") -> str:
        self.may_close.set()
        return await super().kill(job_id, reason, by)

    async def close(self, reason: str = "shutdown", grace: float = 5.0) -> None:
        self.closing.set()
        await self.may_close.wait()
        await super().close(reason, grace)


async def test_while_it_stops_it_answers_but_takes_no_work(home: Home) -> None:
    engine = SlowEngine(home)
    async with serving(engine) as served, OperatorClient(home) as client:
        job = await client.submit(PLAN)
        served.stop.request()
        await engine.closing.wait()
        assert (await client.status()).stopping is True
        with pytest.raises(Unavailable, match="stopping"):
            await client.submit(PLAN)
        assert await client.cancel(job.job_id) == "requested"
        engine.may_close.set()
        await served.task


async def test_a_second_wish_kills_what_the_first_waits_for(home: Home) -> None:
    engine = SlowEngine(home)
    async with serving(engine) as served, OperatorClient(home) as client:
        job = await client.submit(PLAN)
        await client.stop()
        await engine.closing.wait()
        await client.stop(now=True)
        assert await served.task == 0
    assert engine.killed == [(job.job_id, "shutdown", "daemon")]


async def test_an_engine_that_does_not_close_is_left(
    home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server, "ENGINE_END_S", 0.05)
    engine = SlowEngine(home)
    async with serving(engine) as served:
        served.stop.request()
        assert await served.task == 0
    assert "did not close" in caplog.text
    assert not home.socket.exists()


async def test_a_stop_that_was_there_first(engine: FakeEngine, home: Home) -> None:
    stop = Stop()
    stop.request()
    ready: list[DaemonInfo] = []
    assert await serve(engine, port=0, stop=stop, on_ready=ready.append) == 0  # type: ignore[arg-type]
    assert ready == []
    assert left(home) == []


async def test_a_start_that_fails_closes_the_engine(engine: FakeEngine, home: Home) -> None:
    with closing(bind_tcp("127.0.0.1", 0)) as taken:
        with pytest.raises(InvalidConfig, match="in use"):
            await serve(engine, port=taken.getsockname()[1])  # type: ignore[arg-type]
        assert engine.closed_with
    other = FakeEngine(home)
    home.socket.write_text("mine")
    with pytest.raises(HeadwayError, match="not a socket"):
        await serve(other, port=0)  # type: ignore[arg-type]
    assert other.closed_with


async def test_a_server_that_breaks_ends_the_daemon(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(engine: Any, **_: Any) -> Any:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            raise RuntimeError("no")

        return app

    monkeypatch.setattr(server, "a2a_app", broken)
    with pytest.raises(Unavailable, match="did not start"):
        async with serving(engine):
            pass
    assert engine.closed_with
    assert left(engine.home) == []


async def test_a_given_listener_is_used(engine: FakeEngine) -> None:
    with closing(bind_tcp("localhost", 0)) as listener:
        url = url_of(listener)
        async with serving(engine, listener=listener) as served:
            assert served.info.url == url
    with closing(socket.socket()) as probe:
        probe.settimeout(1)
        with pytest.raises(OSError, match="refused"):
            probe.connect(("127.0.0.1", int(url.rsplit(":", 1)[1])))
