"""The event stream: replay then live, exact resumption, keep-alives, back-pressure, ends."""

import asyncio
from contextlib import aclosing
from typing import Any

import msgspec
import pytest

from headway.client import OperatorClient
from headway.client.wire import KEEP_ALIVE_S
from headway.errors import Conflict, NotFound, Unavailable
from headway.events.event import Event
from headway.events.log import EventLog
from headway.home import Home
from headway.testing import VirtualClock
from headway_bridge.operator import operator_app, stream
from headway_bridge.operator.context import Operator
from headway_bridge.operator.stream import event_stream
from tests.unit.bridge.operator.conftest import listening
from tests.unit.bridge.operator.fakes import FakeEngine
from tests.unit.bridge.operator.waiting import until


async def take(batches: Any, count: int) -> list[Event]:
    """Read events until there are ``count``, and leave."""
    events: list[Event] = []
    async with aclosing(batches):
        async for batch in batches:
            assert batch
            events.extend(batch)
            if len(events) >= count:
                break
    return events


def numbered(first: int, count: int, job: str | None = None) -> list[Event]:
    return [Event("x", {"n": first + n}, job) for n in range(count)]


def frames(chunks: list[bytes]) -> list[tuple[int, list[Event]]]:
    """Return (id, events) of each message of a stream."""
    found = []
    for message in b"".join(chunks).split(b"\n\n"):
        fields = dict(line.split(b": ", 1) for line in message.split(b"\n") if line and not line.startswith(b":"))
        if fields.get(b"event") == b"events":
            found.append((int(fields[b"id"]), msgspec.json.decode(fields[b"data"], type=list[Event])))
    return found


async def test_replay_then_live(client: OperatorClient, engine: FakeEngine) -> None:
    await engine.log.write(*numbered(1, 1200))
    batches = client.follow()
    seqs: list[int] = []
    async with aclosing(batches):
        async for batch in batches:
            seqs.extend(event.seq for event in batch)
            if len(seqs) == 1200:
                await engine.log.write(*numbered(1201, 3))
            if len(seqs) == 1203:
                break
    assert seqs == list(range(1, 1204))


async def test_follow_from_a_seq_and_of_one_job(client: OperatorClient, engine: FakeEngine) -> None:
    plan = {"actions": []}
    job, other = await client.submit(plan), await client.submit(plan)
    await engine.log.write(*numbered(0, 3, job.job_id), *numbered(0, 3, other.job_id))
    events = await take(client.follow(after=job.last_seq, job_id=job.job_id), 3)
    assert [event.data["n"] for event in events] == [0, 1, 2]
    assert {event.job_id for event in events} == {job.job_id}


async def test_events_arrive_equal(client: OperatorClient, engine: FakeEngine) -> None:
    text = "line\r\nline\u2028\x00\u00e9\U0001f600"
    data = {"text": text, "big": 2**53 + 1, "real": 3.0, "none": None, "data:": ["\n\n"]}
    await engine.log.write(Event("odd kind", data, "j", "a", 2, 3, "p", "t", "tr"))
    (event,) = await take(client.follow(), 1)
    assert event == (await engine.log.read())[0]


async def test_last_event_id_wins_over_after(app: Any, home: Home, engine: FakeEngine) -> None:
    await engine.log.write(*numbered(1, 10))
    async with (
        listening(home, app),
        OperatorClient(home) as client,
        client._transport.stream("/events", {"follow": 1, "after": 2}, {"Last-Event-ID": "7"}) as response,
    ):
        assert response.headers["content-type"].startswith("text/event-stream")
        chunks = []
        async for chunk in response.aiter_bytes():
            chunks.append(chunk)
            if b"event: events" in b"".join(chunks):
                break
    assert [(last, len(batch)) for last, batch in frames(chunks)] == [(10, 3)]


async def test_reconnects_without_gap_or_repeat(app: Any, home: Home, engine: FakeEngine) -> None:
    """The daemon goes away twice; its successor has the same log."""
    await engine.log.write(*numbered(1, 5))
    seen: list[int] = []

    async def follow(client: OperatorClient) -> None:
        async with aclosing(client.follow(patience=20)) as batches:
            async for batch in batches:
                seen.extend(event.seq for event in batch)
                if seen[-1] >= 15:
                    return

    async with OperatorClient(home) as client:
        task = asyncio.create_task(follow(client))
        for last in (5, 10, 15):
            async with listening(home, operator_app(engine, on_stop=bool)):  # type: ignore[arg-type]
                await until(lambda last=last: bool(seen) and seen[-1] >= last)  # type: ignore[misc]
            await engine.log.write(*numbered(last + 1, 5))
        await task
    assert seen == list(range(1, 16))


async def test_patience_ends(home: Home) -> None:
    clock = VirtualClock(autojump=True)
    async with OperatorClient(home, clock=clock) as client:
        with pytest.raises(Unavailable, match="headway serve"):
            await take(client.follow(patience=15), 1)
    assert 10 < clock.now() <= 15


async def test_no_patience_at_all(home: Home, app: Any, engine: FakeEngine) -> None:
    await engine.log.write(*numbered(1, 1))
    async with OperatorClient(home) as client:
        batches = client.follow(patience=0)
        async with listening(home, app):
            await anext(batches)
        with pytest.raises(Unavailable, match="ended the event stream"):
            await anext(batches)


async def test_what_the_daemon_refuses_is_raised_at_once(client: OperatorClient) -> None:
    with pytest.raises(NotFound):
        await take(client.follow(job_id="nope"), 1)
    with pytest.raises(Conflict, match="seq 0"):
        await take(client.follow(after=99), 1)


async def test_a_stream_ends_with_its_log(client: OperatorClient, engine: FakeEngine) -> None:
    await engine.log.write(*numbered(1, 2))
    await engine.log.close()
    with pytest.raises(Unavailable):
        await take(client.follow(patience=0), 1)


async def test_streams_do_not_hold_the_shutdown(app: Any, home: Home, engine: FakeEngine) -> None:
    await engine.log.write(*numbered(1, 1))
    operator: Operator = app.state.operator
    async with OperatorClient(home) as client:
        async with listening(home, app):
            readers = [client.follow(patience=0) for _ in range(3)]
            for reader in readers:
                await anext(reader)
            assert operator.streams == 3
        assert operator.streams == 0
        for reader in readers:
            with pytest.raises(Unavailable):
                await anext(reader)


async def test_a_client_that_leaves_frees_its_stream(client: OperatorClient, app: Any, engine: FakeEngine) -> None:
    await engine.log.write(*numbered(1, 1))
    before = asyncio.all_tasks()
    await take(client.follow(), 1)
    operator: Operator = app.state.operator
    await until(lambda: not operator.streams and not asyncio.all_tasks() - before)
    assert engine.log._waiting == {}


async def test_keep_alive_comes_after_silence(home: Home) -> None:
    clock = VirtualClock()
    engine = FakeEngine(home, clock)
    operator = Operator(engine, bool, "", 0)  # type: ignore[arg-type]
    async with aclosing(event_stream(operator, 0, None).body_iterator) as messages:  # type: ignore[type-var]
        await anext(messages)
        waiting = asyncio.ensure_future(anext(messages))
        await clock.advance(KEEP_ALIVE_S - 0.01)
        assert not waiting.done()
        await clock.advance(0.01)
        assert await waiting == b": keep-alive\n\n"
        waiting = asyncio.ensure_future(anext(messages))
        await clock.advance(1)
        await engine.log.write(*numbered(1, 1))
        assert b"event: events" in await waiting
        assert clock.pending == 0
    assert operator.streams == 0


async def test_a_slow_reader_is_told_its_lag_once_and_misses_nothing(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "FAR_BEHIND", 2000)
    log = EventLog()
    await log.write(*numbered(1, 5000))
    engine = FakeEngine(home, log=log)
    await log.close()
    operator = Operator(engine, bool, "", 0)  # type: ignore[arg-type]
    with pytest.raises(Unavailable):
        operator.follow(0, None)
    engine.log = EventLog()
    await engine.log.write(*numbered(1, 5000))
    chunks: list[bytes] = []
    async with aclosing(event_stream(operator, 0, None).body_iterator) as messages:  # type: ignore[type-var]
        async for chunk in messages:
            chunks.append(bytes(chunk))
            if sum(len(batch) for _, batch in frames([chunks[-1]])) and frames([chunks[-1]])[-1][0] == 5000:
                break
    assert [chunk for chunk in chunks if b"event: lag" in chunk] == [b'event: lag\ndata: {"behind":4500}\n\n']
    assert [event.seq for _, batch in frames(chunks) for event in batch] == list(range(1, 5001))


async def test_lag_reaches_the_caller(client: OperatorClient, engine: FakeEngine) -> None:
    await engine.log.write(*numbered(1, 10_700))
    lags: list[int] = []
    events = await take(client.follow(on_lag=lags.append), 10_700)
    assert [event.seq for event in events] == list(range(1, 10_701))
    assert lags == [10_200]


async def test_a_large_batch_is_several_messages(home: Home) -> None:
    engine = FakeEngine(home)
    await engine.log.write(*(Event("x", {"text": "y" * 100_000}) for _ in range(40)))
    operator = Operator(engine, bool, "", 0)  # type: ignore[arg-type]
    chunks = []
    async with aclosing(event_stream(operator, 0, None).body_iterator) as messages:  # type: ignore[type-var]
        async for chunk in messages:
            chunks.append(bytes(chunk))
            if b"id: 40\n" in chunk:
                break
    assert max(map(len, chunks)) < stream.MAX_MESSAGE + 1000
    assert [event.seq for _, batch in frames(chunks) for event in batch] == list(range(1, 41))


async def test_a_stalled_reader_stops_the_reading_of_the_log(
    client: OperatorClient, app: Any, engine: FakeEngine
) -> None:
    """Nobody reads the socket: the server must stop at its buffers instead of encoding the whole log."""
    await engine.log.write(*(Event("x", {"text": "y" * 10_000}) for _ in range(5000)))
    async with client._transport.stream("/events", {"follow": 1}, {}):
        operator: Operator = app.state.operator
        await until(lambda: operator.streams == 1)
        (subscription,) = operator._streams
        cursors: list[int] = []

        def stands_still() -> bool:
            cursors.append(subscription.cursor)
            return len(cursors) > 500 and len(set(cursors[-500:])) == 1

        await until(stands_still)
        assert subscription.lag > 3000, "50 MB do not fit into socket buffers"
