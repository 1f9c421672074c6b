"""Following a log: no gap, no duplicate, every wait ends, and nothing is held for a slow reader."""

import asyncio
import gc
import weakref
from collections.abc import Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.events.event import Event
from headway.events.log import EventLog
from headway.events.subscription import BATCH, Subscription
from headway.testing import settle


class StoredLog(EventLog):
    """A log whose memory holds the last events only, the rest being "on disk", as with the durable log."""

    def __init__(self, tail_limit: int) -> None:
        super().__init__(tail_limit=tail_limit)
        self.disk: list[Event] = []
        self.reads = 0

    def append(self, *events: Event) -> None:
        for event in events:
            event.seq = len(self.disk) + 1
            self.disk.append(event)
        self._publish(events)

    async def read(
        self, after: int = 0, *, job_id: str | None = None, kinds: Collection[str] | None = None, limit: int = 1000
    ) -> list[Event]:
        self.reads += 1
        await asyncio.sleep(0)  # what is committed meanwhile is found too, as with a query on another thread
        found = [e for e in self.disk if e.seq > after and job_id in (None, e.job_id)]
        await asyncio.sleep(0)
        return found[:limit]


async def collect(subscription: Subscription) -> list[int]:
    return [event.seq async for batch in subscription for event in batch]


def fill(log: EventLog, count: int, job_id: str | None = None) -> None:
    for _ in range(count):
        log.append(Event("x", job_id=job_id))


async def test_replay_then_live_then_the_end() -> None:
    log = EventLog()
    fill(log, 3)
    task = asyncio.create_task(collect(log.subscribe()))
    await settle()
    fill(log, 2)
    await settle()
    fill(log, 1)
    await log.close()
    assert await task == [1, 2, 3, 4, 5, 6]


async def test_it_starts_after_the_given_seq() -> None:
    log = EventLog()
    fill(log, 5)
    await log.close()
    assert await collect(log.subscribe(3)) == [4, 5]
    assert await collect(log.subscribe(-1)) == [1, 2, 3, 4, 5]
    assert await collect(log.subscribe(9)) == []


async def test_a_start_beyond_the_end_waits_for_its_turn() -> None:
    log = EventLog()
    everything, job = log.subscribe(3), log.subscribe(3, job_id="j")
    tasks = [asyncio.create_task(collect(s)) for s in (everything, job)]
    await settle()
    fill(log, 2, "k")
    await settle()
    fill(log, 3, "j")
    await settle()
    await log.close()
    assert await asyncio.gather(*tasks) == [[4, 5], [4, 5]]


async def test_batches_are_bounded_and_never_empty() -> None:
    log = EventLog()
    fill(log, 2 * BATCH + 1)
    await log.close()
    assert [len(batch) async for batch in log.subscribe()] == [BATCH, BATCH, 1]


async def test_a_long_replay_lets_other_tasks_run() -> None:
    log = EventLog()
    fill(log, 20 * BATCH, "other")
    fill(log, 1, "mine")
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(count())
    await log.close()
    await collect(log.subscribe())
    of_everything, turns = turns, 0
    assert await collect(log.subscribe(job_id="mine")) == [20 * BATCH + 1]
    task.cancel()
    assert of_everything >= 20
    assert turns >= 1


async def test_a_turn_of_the_loop_wakes_a_reader_once() -> None:
    log = EventLog()
    subscription = log.subscribe()
    waiting = asyncio.ensure_future(anext(subscription))
    await settle()
    fill(log, 100)
    assert log._wake_scheduled
    assert [e.seq for e in await waiting] == list(range(1, 101))


async def test_a_job_reader_sees_its_job_and_is_not_woken_for_others() -> None:
    log = EventLog()
    fill(log, 2, "b")
    fill(log, 2, "a")
    subscription = log.subscribe(job_id="a")
    assert [e.seq for e in await anext(subscription)] == [3, 4]
    waiting = asyncio.ensure_future(anext(subscription))
    await settle()
    waiter = subscription._waiter
    fill(log, 50, "b")
    log.append(Event("x"))
    await settle()
    assert subscription._waiter is waiter
    assert subscription.lag == 0  # what it does not want does not count as read by nobody
    fill(log, 1, "a")
    assert [e.seq for e in await waiting] == [56]


@pytest.mark.parametrize("job_id", [None, "a"])
async def test_a_reader_older_than_the_tail_reads_the_store(job_id: str | None) -> None:
    log = StoredLog(tail_limit=8)
    for n in range(3000):
        log.append(Event("x", job_id="a" if n % 3 else "b"))
    expected = [e.seq for e in log.disk if job_id in (None, e.job_id)]
    subscription = log.subscribe(job_id=job_id)
    got: list[int] = []
    async for batch in subscription:
        assert len(batch) <= BATCH
        got += [e.seq for e in batch]
        if len(log.disk) < 4000:  # the log grows faster than the tail while it is read
            for n in range(100):
                log.append(Event("x", job_id="a" if n % 3 else "b"))
                expected += [log.last_seq] if job_id in (None, log.disk[-1].job_id) else []
        else:
            await log.close()
    assert got == expected
    assert log.reads > 1


async def test_lag_counts_what_is_still_to_be_read() -> None:
    log = EventLog()
    subscription = log.subscribe()
    assert subscription.lag == 0
    fill(log, 2 * BATCH)
    assert subscription.lag == 2 * BATCH
    await anext(subscription)
    assert subscription.lag == BATCH


async def test_close_ends_a_waiting_reader() -> None:
    log = EventLog()
    subscription = log.subscribe()
    task = asyncio.create_task(collect(subscription))
    await settle()
    subscription.close()
    subscription.close()
    assert await task == []
    assert not log._waiting
    with pytest.raises(StopAsyncIteration):
        await anext(subscription)


async def test_close_ends_a_reader_that_has_more_to_read() -> None:
    log = EventLog()
    fill(log, 3 * BATCH)
    with log.subscribe() as subscription:
        await anext(subscription)
    with pytest.raises(StopAsyncIteration):
        await anext(subscription)


async def test_a_closing_log_ends_every_reader_also_one_that_comes_later() -> None:
    log = EventLog()
    tasks = [asyncio.create_task(collect(log.subscribe(job_id=job))) for job in (None, "a", "b")]
    await settle()
    fill(log, 1, "a")
    await log.close()
    assert await asyncio.gather(*tasks) == [[1], [1], []]
    assert await collect(log.subscribe()) == [1]


async def test_a_cancelled_wait_loses_nothing() -> None:
    log = EventLog()
    subscription = log.subscribe()
    waiting = asyncio.ensure_future(anext(subscription))
    await settle()
    fill(log, 1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not log._waiting
    assert [e.seq for e in await anext(subscription)] == [1]


async def test_a_cancelled_read_of_the_store_loses_nothing() -> None:
    log = StoredLog(tail_limit=1)
    fill(log, 10)
    subscription = log.subscribe()
    reading = asyncio.ensure_future(anext(subscription))
    await asyncio.sleep(0)
    assert log.reads == 1
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert [e.seq for e in await anext(subscription)] == list(range(1, 11))


async def test_two_tasks_may_not_read_one_subscription() -> None:
    log = EventLog()
    subscription = log.subscribe()
    waiting = asyncio.ensure_future(anext(subscription))
    await settle()
    with pytest.raises(RuntimeError, match="another task"):
        await anext(subscription)
    fill(log, 1)
    assert len(await waiting) == 1


async def test_a_forgotten_subscription_is_freed() -> None:
    log = EventLog()

    class Watched(Subscription):
        __slots__ = ("__weakref__",)

    subscription = Watched(log, 0, None)
    fill(log, 1)
    await anext(subscription)
    gone = weakref.ref(subscription)
    del subscription
    gc.collect()
    assert gone() is None


def test_a_log_outlives_its_loops() -> None:
    """Embedding code may call asyncio.run more than once: a wake-up lost with a loop must not block the next one."""
    log = EventLog()

    async def leave_a_wake_up_behind() -> None:
        waiting = asyncio.ensure_future(anext(log.subscribe(log.last_seq)))
        await settle()
        fill(log, 1)
        waiting.cancel()

    async def follow() -> list[int]:
        waiting = asyncio.ensure_future(anext(log.subscribe(log.last_seq)))
        await settle()
        fill(log, 1)
        return [e.seq for e in await asyncio.wait_for(waiting, 60)]

    asyncio.run(leave_a_wake_up_behind())
    assert asyncio.run(follow()) == [2]
    assert asyncio.run(follow()) == [3]


def test_a_reader_left_on_a_dead_loop_does_not_block_the_log() -> None:
    log = EventLog()
    loop = asyncio.new_event_loop()
    task = loop.create_task(anext(log.subscribe()))  # type: ignore[arg-type]
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    fill(log, 2)
    assert log.last_seq == 2
    assert not log._waiting
    task._log_destroy_pending = False  # type: ignore[attr-defined]


@given(
    steps=st.lists(st.tuples(st.sampled_from(["append", "turn"]), st.sampled_from(["a", "b"]), st.integers(1, 40))),
    tail_limit=st.integers(1, 20),
    starts=st.lists(st.tuples(st.integers(0, 30), st.sampled_from([None, "a", "b"])), min_size=1, max_size=4),
)
def test_every_reader_sees_each_of_its_events_once_in_order(
    steps: list[tuple[str, str, int]], tail_limit: int, starts: list[tuple[int, str | None]]
) -> None:
    async def main() -> None:
        log = StoredLog(tail_limit)
        tasks = [asyncio.create_task(collect(log.subscribe(after, job_id=job))) for after, job in starts]
        for what, job_id, count in steps:
            if what == "append":
                fill(log, count, job_id)
            else:
                for _ in range(count % 4):
                    await asyncio.sleep(0)
        await log.close()
        for (after, job), seqs in zip(starts, await asyncio.gather(*tasks), strict=True):
            assert seqs == [e.seq for e in log.disk if e.seq > after and job in (None, e.job_id)]

    asyncio.run(main())
