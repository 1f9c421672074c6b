"""The log in memory: order, numbers, times, reading, the end."""

import pytest

from headway import Runtime
from headway.errors import StoreError
from headway.events import kinds
from headway.events.event import Event
from headway.events.fold import fold_all
from headway.events.log import EventLog
from headway.events.views import JobRow, RunView
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


async def test_a_bounded_log_keeps_the_newest_and_whole_unfinished_jobs_and_says_what_is_gone() -> None:
    log = EventLog(max_events=100)
    log.append(Event(kinds.JOB_CREATED, {}, "open"))
    for number in range(500):
        log.append(Event(kinds.JOB_CREATED, {"n": number}, f"j{number}"), Event(kinds.JOB_COMPLETED, {}, f"j{number}"))
    assert len(await log.read(limit=5000)) == 1001  # the open job holds them
    log.append(Event(kinds.JOB_COMPLETED, {}, "open"))
    for _ in range(30):
        log.append(Event(kinds.OPERATOR_ACTION, {}))
    gap, *rest = await log.read(limit=5000)
    assert len(rest) <= 125
    assert (gap.kind, gap.data["dropped"], gap.seq) == (kinds.RECORDER_GAP, rest[0].seq - 1, rest[0].seq - 1)
    assert [event.seq for event in rest] == list(range(rest[0].seq, log.last_seq + 1))
    assert (await log.read(rest[0].seq - 1))[0] is rest[0]  # who has read up to there misses nothing
    await log.close()
    followed = [event async for batch in log.subscribe(5) for event in batch]
    assert [event.seq for event in followed] == [gap.seq, *(event.seq for event in rest)]
    assert followed[0].data["dropped"] == gap.data["dropped"] - 5


async def test_runs_go_on_in_a_bounded_log() -> None:
    made = Runtime(log=EventLog(max_events=50))
    writes = [{"id": f"w{i}", "type": "state_write", "parameters": {"key": "k", "value": i}} for i in range(40)]
    for _ in range(20):
        result = await made.execute({"actions": writes})
        events = await made.log.read(job_id=result.job_id, limit=5000)
        view = RunView(JobRow(result.job_id))
        assert fold_all(view, events).result() == result
    assert len(await made.log.read(limit=5000)) < 300
