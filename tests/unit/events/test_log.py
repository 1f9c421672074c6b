"""The log in memory: order, numbers, times, reading, the end."""

import pytest

from headway.errors import StoreError
from headway.events.event import Event
from headway.events.log import EventLog
from headway.testing import VirtualClock


def test_append_numbers_events_in_order_and_needs_no_loop() -> None:
    log = EventLog(clock=VirtualClock(start_ms=5000))
    log.append(Event("a"), Event("b", ts=7))
    log.append(Event("c"))
    assert log.last_seq == 3
    assert [(e.kind, e.seq, e.ts) for e in log._tail] == [("a", 1, 5000), ("b", 2, 7), ("c", 3, 5000)]


async def test_write_returns_the_seq_of_its_last_event() -> None:
    log = EventLog()
    assert await log.write(Event("a"), Event("b")) == 2
    assert await log.flush() == 2


async def test_read_filters_by_seq_job_and_kind_up_to_a_limit() -> None:
    log = EventLog()
    for n in range(10):
        log.append(Event("even" if n % 2 == 0 else "odd", job_id=f"j{n % 3}"))

    async def seqs(after: int = 0, **how: object) -> list[int]:
        return [e.seq for e in await log.read(after, **how)]  # type: ignore[arg-type]

    assert await seqs() == list(range(1, 11))
    assert await seqs(8) == [9, 10]
    assert await seqs(99) == []
    assert await seqs(2, limit=3) == [3, 4, 5]
    assert await seqs(job_id="j0") == [1, 4, 7, 10]
    assert await seqs(job_id="j0", kinds={"even"}) == [1, 7]
    assert await seqs(1, kinds=["odd"], limit=2) == [2, 4]
    assert await seqs(limit=0) == []


async def test_an_event_of_another_log_is_copied_not_renumbered() -> None:
    first, second = EventLog(), EventLog()
    event = Event("a")
    second.append(Event("before"))
    first.append(event)
    second.append(event)
    assert event.seq == 1
    assert [e.seq for e in await second.read()] == [1, 2]


async def test_a_closed_log_takes_nothing_and_can_still_be_read() -> None:
    log = EventLog()
    log.append(Event("a"))
    await log.close()
    await log.close()
    assert log.closed
    with pytest.raises(StoreError, match="closed"):
        log.append(Event("b"))
    with pytest.raises(StoreError, match="closed"):
        await log.write(Event("b"))
    assert [e.kind for e in await log.read()] == ["a"]


async def test_publish_bounds_the_tail_and_keeps_its_place() -> None:
    log = EventLog(last_seq=100, tail_limit=10)
    log._publish([])
    for seq in range(101, 201):
        log._publish([Event("x", seq=seq)])
    assert log.last_seq == 200
    assert 10 <= len(log._tail) <= 20
    assert log._tail_after == log._tail[0].seq - 1
    assert [e.seq for e in await log.read(198)] == [199, 200]
