"""A replay shows, at every place and however it got there, what folding the events up to there gives."""

import asyncio
import contextlib
import math
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.errors import InvalidInput
from headway.events import kinds
from headway.events.event import Event
from headway.events.fold import fold_all
from headway.events.recording import Recording, write_recording
from headway.events.snapshot import Snapshot
from headway.events.views import BudgetView, JobRow, JobsView, LimitsView, RunView
from headway.testing import VirtualClock, event_stream, settle
from headway_console.model import ConsoleModel
from headway_console.resources import recordings
from headway_console.source import SPEEDS, Item, Source
from headway_console.sources import ReplaySource
from headway_console.sources.replay import BATCH, LISTED, MAX_SPEED
from tests.sizes import long_set

pytestmark = pytest.mark.anyio


class Watcher:
    """A console's model on a replay; ``items`` is everything it was given."""

    def __init__(self, source: ReplaySource, clock: VirtualClock, events: list[Event]) -> None:
        self.source = source
        self.clock = clock
        self.events = events
        self.model = ConsoleModel(source.now_ms)
        self.items: list[Item] = []
        self.times: list[int] = []

    async def follow(self) -> None:
        async for item in self.source.batches():
            self.items.append(item)
            self.times.append(self.source.now_ms())
            self.model.feed(item)

    @property
    def place(self) -> int:
        """The number of events that are shown."""
        return sum(event.seq <= self.source.seq for event in self.events)

    async def agrees(self) -> None:
        """Everything shown is what the events up to the present place make, and so is the time."""
        await settle()
        shown, model = self.events[: self.place], self.model
        assert model.last_seq == self.source.seq == (shown[-1].seq if shown else 0)
        assert model.jobs == fold_all(JobsView(), shown)
        assert model.limits == fold_all(LimitsView(), shown)
        assert model.budgets == fold_all(BudgetView(), shown)
        for job_id in model.jobs.jobs:
            own = [event for event in shown if event.job_id == job_id]
            expected = fold_all(RunView(job=JobRow(job_id=job_id)), own)
            assert await self.source.run(job_id) == expected
            assert model.runs.get(job_id, expected) == expected
        assert model.events == shown[len(shown) - len(model.events) :]
        assert model.older == len(shown) - len(model.events)
        first = self.events[0].ts
        latest = max([first, *(event.ts for event in shown)])
        coming = self.events[self.place].ts if self.place < len(self.events) else latest
        assert latest <= self.source.now_ms() <= max(latest, coming)
        assert self.source.position_ms == self.source.now_ms() - first


@contextlib.asynccontextmanager
async def watching(
    path: Path, events: list[Event], *, speed: float = 1.0, playing: bool = False
) -> AsyncIterator[Watcher]:
    """Record the events, replay the file and watch."""
    write_recording(path, "made up", events, redacted=False)
    clock = VirtualClock()
    source = ReplaySource(path, clock=clock, speed=speed, playing=playing)
    await source.open()
    watcher = Watcher(source, clock, events)
    task = asyncio.create_task(watcher.follow())
    await settle()
    try:
        yield watcher
    finally:
        await source.close()
        await task


def stream(seed: int, jobs: int = 6) -> list[Event]:
    return event_stream(random.Random(seed), jobs=jobs)


# -- places ------------------------------------------------------------------------------------------------------------

MOVES = st.one_of(
    st.tuples(st.just("seek"), st.integers(-5, 2000)),
    st.tuples(st.just("seek_time"), st.integers(-5, 2_000_000)),
    st.tuples(st.just("seek_percent"), st.floats(0, 100)),
    st.tuples(st.just("step"), st.integers(-700, 700)),
    st.tuples(st.just("step"), st.integers(-2, 2)),
    st.tuples(st.just("step_level"), st.integers(-3, 3)),
    st.tuples(st.just("set_speed"), st.sampled_from([*SPEEDS, MAX_SPEED])),
    st.tuples(st.just("advance"), st.floats(0, 60)),
    st.tuples(st.just("play"), st.none()),
    st.tuples(st.just("pause"), st.none()),
)


@given(seed=st.integers(0, 2**32), moves=st.lists(MOVES, min_size=1, max_size=12))
async def test_however_it_got_there(
    tmp_path_factory: pytest.TempPathFactory, seed: int, moves: list[tuple[str, float | None]]
) -> None:
    path = tmp_path_factory.mktemp("made") / "r.jsonl"
    async with watching(path, stream(seed, jobs=4)) as watcher:
        for name, value in moves:
            if name == "advance":
                await watcher.clock.advance(value or 0)
            elif value is None:
                getattr(watcher.source, name)()
            else:
                getattr(watcher.source, name)(value)
            await watcher.agrees()


async def test_seek_equals_playing_to_it(tmp_path: Path) -> None:
    """At random places: to go there from anywhere or to have come step by step is the same."""
    events = event_stream(random.Random(11), jobs=100, actions=16)
    assert len(events) > LISTED
    rng = random.Random(5)
    async with watching(tmp_path / "r.jsonl", events) as sought, watching(tmp_path / "s.jsonl", events) as played:
        for place in sorted(rng.sample(range(len(events) + 1), 12 if long_set() else 3)):
            sought.source.seek(rng.randint(0, len(events)))
            sought.source.seek(place)
            played.source.step(place - played.place)
            await sought.agrees()
            await played.agrees()
            assert sought.source.seq == played.source.seq == place
            assert sought.source.now_ms() == played.source.now_ms()


@pytest.mark.parametrize("name", ["cancelled-run", "failing-run", "good-run"])
async def test_seek_equals_playing_to_it_in_what_ships(tmp_path: Path, name: str) -> None:
    events = list(Recording(recordings() / f"{name}.jsonl"))
    rng = random.Random(name)
    async with watching(tmp_path / "r.jsonl", events) as sought, watching(tmp_path / "s.jsonl", events) as played:
        played.source.play()
        for _ in range(8):
            await played.clock.advance(rng.random() * 3)
            await played.agrees()
            sought.source.seek(rng.randint(0, len(events)))
            sought.source.seek(played.source.seq)
            await sought.agrees()
            assert sought.model.jobs == played.model.jobs
            assert sought.model.runs == played.model.runs
            assert sought.model.limits == played.model.limits
            assert sought.model.budgets == played.model.budgets


async def test_seek_is_clamped_and_lands_before_what_is_not_there(tmp_path: Path) -> None:
    events = [Event("a", ts=10 * n, seq=n) for n in (2, 4, 6)]
    async with watching(tmp_path / "r.jsonl", events) as watcher:
        for asked, shown in ((99, 6), (5, 4), (-1, 0), (1, 0), (2, 2)):
            watcher.source.seek(asked)
            await watcher.agrees()
            assert watcher.source.seq == shown
        assert watcher.source.last_seq == 6


async def test_seek_by_time(tmp_path: Path) -> None:
    events = [Event("a", ts=5000 + 100 * n, seq=n + 1) for n in range(5)]
    async with watching(tmp_path / "r.jsonl", events) as watcher:
        for asked, shown, position in ((150, 2, 150), (200, 3, 200), (-1, 1, 0), (1e9, 5, 400)):
            watcher.source.seek_time(round(asked))
            await settle()
            assert (watcher.source.seq, watcher.source.position_ms) == (shown, position)
        watcher.source.seek_percent(50)
        await settle()
        assert (watcher.source.seq, watcher.source.now_ms(), watcher.source.duration_ms) == (3, 5200, 400)


async def test_small_steps_on_are_events_and_others_fresh_starts(tmp_path: Path) -> None:
    async with watching(tmp_path / "r.jsonl", stream(3, jobs=60)) as watcher:
        watcher.source.step()
        watcher.source.step(BATCH)
        await watcher.agrees()
        assert [len(item) if isinstance(item, list) else item for item in watcher.items] == [1, BATCH]
        watcher.source.step(BATCH + 1)
        watcher.source.step(-1)
        await watcher.agrees()
        assert [type(item) for item in watcher.items[2:]] == [Snapshot, Snapshot]
        watcher.source.seek(watcher.source.seq)
        await settle()
        assert len(watcher.items) == 4


async def test_levels(tmp_path: Path) -> None:
    events = stream(8)
    ends = [event.seq for event in events if event.kind == kinds.LEVEL_FINISHED]
    async with watching(tmp_path / "r.jsonl", events) as watcher:
        watcher.source.play()
        seen = []
        for _ in ends:
            watcher.source.step_level()
            await watcher.agrees()
            seen.append(watcher.source.seq)
        assert seen == ends
        assert not watcher.source.playing
        watcher.source.step_level()
        await watcher.agrees()
        assert watcher.source.seq == events[-1].seq
        watcher.source.step_level(-1)
        watcher.source.step_level(-2)
        await watcher.agrees()
        assert watcher.source.seq == ends[-3] if events[-1].seq != ends[-1] else ends[-4]
        watcher.source.step_level(-len(ends))
        await watcher.agrees()
        assert watcher.source.seq == 0


# -- playing -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("speed", SPEEDS)
async def test_each_event_comes_at_its_time(tmp_path: Path, speed: float) -> None:
    events = stream(2, jobs=2)
    async with watching(tmp_path / "r.jsonl", events, speed=speed, playing=True) as watcher:
        last = events[-1].ts - events[0].ts
        for part in (0.1, 0.35, 0.7):
            await watcher.clock.advance(last * part / 1000 / speed - watcher.clock.now())
            await watcher.agrees()
            due = [event for event in events if event.ts - events[0].ts <= last * part + 0.001]
            assert watcher.source.seq == due[-1].seq
            assert watcher.source.position_ms == pytest.approx(last * part, abs=1)
        await watcher.clock.advance(last / 1000 / speed)
        await watcher.agrees()
        assert (watcher.source.seq, watcher.source.playing) == (events[-1].seq, False)
        assert watcher.source.position_ms == watcher.source.duration_ms == last


async def test_what_is_painted_has_recorded_time(tmp_path: Path) -> None:
    events = stream(2, jobs=2)
    async with watching(tmp_path / "r.jsonl", events, playing=True) as watcher:
        await watcher.clock.advance(100_000)
        batches = [item for item in watcher.items if isinstance(item, list)]
        assert watcher.times == [batch[-1].ts for batch in batches]
        assert [event for batch in batches for event in batch] == events


async def test_at_once(tmp_path: Path) -> None:
    events = stream(4, jobs=20)
    async with watching(tmp_path / "r.jsonl", events, speed=MAX_SPEED, playing=True) as watcher:
        await watcher.agrees()
        assert watcher.clock.now() == 0
        assert (watcher.source.seq, watcher.source.playing) == (events[-1].seq, False)
        assert math.isinf(watcher.source.speed)
        assert not any(isinstance(item, Snapshot) for item in watcher.items)


async def test_pause_and_play(tmp_path: Path) -> None:
    events = [Event("a", ts=1000 * n, seq=n) for n in range(1, 20)]
    async with watching(tmp_path / "r.jsonl", events, playing=True) as watcher:
        await watcher.clock.advance(3.5)
        watcher.source.pause()
        await watcher.clock.advance(100)
        assert (watcher.source.seq, watcher.source.position_ms, watcher.source.playing) == (4, 3500, False)
        watcher.source.play()
        await watcher.clock.advance(0.499)
        assert watcher.source.seq == 4
        await watcher.clock.advance(0.001)
        assert (watcher.source.seq, watcher.source.now_ms()) == (5, 5000)
        watcher.source.set_speed(10)
        await watcher.clock.advance(0.55)
        assert (watcher.source.seq, watcher.source.position_ms) == (10, 9500)


async def test_play_from_the_end_begins_anew(tmp_path: Path) -> None:
    events = [Event("a", ts=1000 * n, seq=n) for n in range(1, 5)]
    async with watching(tmp_path / "r.jsonl", events, playing=True) as watcher:
        await watcher.clock.advance(50)
        assert (watcher.source.seq, watcher.source.playing) == (4, False)
        watcher.source.play()
        await settle()
        assert (watcher.source.seq, watcher.source.playing, watcher.model.epoch) == (1, True, 1)
        await watcher.clock.advance(1)
        await watcher.agrees()
        assert watcher.source.seq == 2


async def test_stepping_pauses(tmp_path: Path) -> None:
    events = [Event("a", ts=1000 * n, seq=n) for n in range(1, 9)]
    async with watching(tmp_path / "r.jsonl", events, playing=True) as watcher:
        await watcher.clock.advance(2.5)
        watcher.source.step()
        await watcher.clock.advance(50)
        assert (watcher.source.seq, watcher.source.playing, watcher.source.now_ms()) == (4, False, 4000)
        watcher.source.step(-3)
        await watcher.agrees()
        assert (watcher.source.seq, watcher.source.now_ms()) == (1, 1000)


async def test_a_slow_follower_misses_nothing(tmp_path: Path) -> None:
    events = stream(6, jobs=12)
    path = tmp_path / "r.jsonl"
    write_recording(path, "made up", events, redacted=False)
    clock = VirtualClock()
    source = ReplaySource(path, clock=clock, speed=60)
    await source.open()
    got: list[Event] = []
    batches = source.batches()
    while len(got) < len(events):
        item = await anext(batches)
        assert isinstance(item, list)
        assert 0 < len(item) <= BATCH
        got += item
        await clock.advance(90)
    assert got == events
    await batches.aclose()  # type: ignore[attr-defined]  # every async generator has it
    await source.close()


# -- the rest of a source ----------------------------------------------------------------------------------------------


async def test_it_is_a_source_that_only_shows(tmp_path: Path) -> None:
    async with watching(tmp_path / "r.jsonl", stream(1)) as watcher:
        source: Source = watcher.source
        assert (source.title, source.live, source.commands) == ("made up", False, None)
        assert source.read_only == "a recording cannot be changed"
        assert source.replay is watcher.source
        assert source.link.connected
        assert await source.run("nobody") is None
        with pytest.raises(ValueError, match="above 0"):
            watcher.source.set_speed(0)
        await source.open()  # again: nothing happens


async def test_following_again_begins_where_it_stands(tmp_path: Path) -> None:
    async with watching(tmp_path / "r.jsonl", stream(1)) as watcher:
        watcher.source.seek(30)
        await watcher.agrees()
        again = watcher.source.batches()
        item = await anext(again)
        assert isinstance(item, Snapshot)
        assert item.seq == 30
        assert item.jobs == watcher.model.jobs
        await again.aclose()  # type: ignore[attr-defined]  # every async generator has it


async def test_damage_is_told(tmp_path: Path) -> None:
    events = stream(1)
    path = tmp_path / "r.jsonl"
    write_recording(path, "", events, redacted=False)
    path.write_bytes(path.read_bytes() + b"nonsense\n")
    source = ReplaySource(path, playing=False)
    assert source.title == "r"
    assert source.now_ms() == 0
    await source.open()
    assert source.title == "r"
    assert source.link.connected
    assert source.link.detail.startswith(f"1 line was left out of r.jsonl: line {len(events) + 2} is not an event")
    await source.close()
    await source.close()


async def test_no_recording(tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_text("hello")
    source = ReplaySource(tmp_path / "r.jsonl")
    with pytest.raises(InvalidInput, match="not a Headway recording"):
        await source.open()
    await source.close()
    with pytest.raises(ValueError, match="above 0"):
        ReplaySource(tmp_path / "r.jsonl", speed=0)


async def test_an_empty_recording(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    write_recording(path, "nothing", [])
    clock = VirtualClock()
    source = ReplaySource(path, clock=clock)
    await source.open()
    task = asyncio.create_task(anext(source.batches()))  # type: ignore[arg-type]  # an async generator's is a coroutine
    source.seek(5)
    source.step_level()
    source.play()
    await clock.advance(10)
    assert not task.done()
    assert (source.seq, source.last_seq, source.position_ms, source.duration_ms) == (0, 0, 0, 0)
    assert not source.playing
    await source.close()
    with pytest.raises(StopAsyncIteration):
        await task


async def test_a_seek_waits_for_the_index(tmp_path: Path) -> None:
    """A file larger than what is indexed at once: seeks and plays are right all the same."""
    events = [Event(kinds.LEVEL_FINISHED if n % 3000 == 0 else "a", ts=n, seq=n, level=0) for n in range(1, 12_001)]
    path = tmp_path / "r.jsonl"
    write_recording(path, "long", events)
    source = ReplaySource(path, playing=False, clock=VirtualClock())
    await source.open()
    assert (source.last_seq, source.duration_ms) == (12_000, 11_999)
    batches = source.batches()
    source.seek(11_000)
    item = await anext(batches)
    assert isinstance(item, Snapshot)
    assert (item.seq, len(item.events), item.older) == (11_000, LISTED, 11_000 - LISTED)
    source.step_level()
    await anext(batches)
    assert source.seq == 12_000
    await batches.aclose()  # type: ignore[attr-defined]  # every async generator has it
    await source.close()


async def test_closing_while_indexing(tmp_path: Path) -> None:
    events = [Event("a", ts=n, seq=n) for n in range(1, 12_001)]
    path = tmp_path / "r.jsonl"
    write_recording(path, "long", events)
    source = ReplaySource(path, clock=VirtualClock())
    await source.open()
    source.seek(12_000)
    task = asyncio.create_task(anext(source.batches()))  # type: ignore[arg-type]  # an async generator's is a coroutine
    await asyncio.sleep(0)
    await source.close()
    with pytest.raises(StopAsyncIteration):
        await task
