"""Schedules: one job a slot, whoever looks, over restarts and changes of the clocks; on a clock that tests move."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import msgspec
import pytest

from headway.config import Config
from headway.errors import Closing, Conflict, InvalidInput, InvalidPlan, NotFound
from headway.events import kinds
from headway.events.event import Event
from headway.events.fold import fold_all
from headway.events.log import EventLog
from headway.events.views import ScheduleRow, SchedulesView
from headway.home import Home
from headway.jobs.schedules import CATCH_UP, MAX_SCHEDULES, Schedules, job_of
from headway.store import Store, StoreLog, store_of
from headway.testing import VirtualClock, settle
from tests.unit.store.runs import created

pytestmark = pytest.mark.anyio

NOON = round(datetime.fromisoformat("2026-06-01T12:00+00:00").timestamp() * 1000)
MINUTE = 60_000
HOUR = 60 * MINUTE


class Rig:
    """A log with schedules. ``jobs`` are (schedule, job id) of what was started, ``failure`` what starting raises."""

    def __init__(self, log: EventLog, clock: VirtualClock) -> None:
        self.log, self.clock = log, clock
        self.jobs: list[tuple[str, str]] = []
        self.failure: Exception | None = None
        self.workflows = {"w": 1}
        self.looking: list[Schedules] = []
        self.schedules = self.another()

    def another(self) -> Schedules:
        made = Schedules(self.log, self.start, lambda: self.workflows)
        self.looking.append(made)
        return made

    async def start(self, row: ScheduleRow, job_id: str) -> str:
        if self.failure is not None:
            raise self.failure
        self.jobs.append((row.name, job_id))
        await self.log.write(msgspec.structs.replace(created(job_id)))
        return job_id

    @property
    def store(self) -> Store:
        return store_of(self.log)

    async def advance(self, seconds: float) -> None:
        await self.clock.advance(seconds)
        for _ in range(5):  # what a task writes is committed by a thread
            if tasks := [one._looking for one in self.looking if one._looking is not None]:
                await asyncio.wait(tasks)
            await self.log.flush()
            await settle()

    async def slots(self, name: str = "s") -> list[int]:
        found = await self.store.events(kinds=[kinds.SCHEDULE_FIRED], limit=1000)
        return [event.data["slot_ms"] for event in found if event.data["name"] == name and "slot_ms" in event.data]


@asynccontextmanager
async def rig(path: Path | None = None, *, start_ms: int = NOON) -> AsyncIterator[Rig]:
    clock = VirtualClock(start_ms=start_ms)
    log = EventLog(clock=clock) if path is None else await StoreLog.open(Home(path), clock=clock)
    made = Rig(log, clock)
    try:
        yield made
    finally:
        await made.schedules.close()
        await log.close()


def config(**schedules: dict[str, object]) -> Config:
    return Config.model_validate({"schedules": schedules})


async def test_a_schedule_starts_one_job_a_slot() -> None:
    async with rig() as made:
        await made.schedules.attend()
        info = await made.schedules.add("s", "w", cron="*/10 * * * *", by="me")
        assert (info.status, info.next_ms) == ("active", NOON + 10 * MINUTE)
        for _ in range(3):
            await made.advance(600)
        assert await made.slots() == [NOON + n * 10 * MINUTE for n in (1, 2, 3)]
        assert made.jobs == [("s", job_of("s", slot)) for slot in await made.slots()]
        row = (await made.schedules.get("s")).schedule
        assert (row.fires, row.last_job, row.missed_slots, row.by) == (3, made.jobs[-1][1], 0, "me")


async def test_a_single_time_disables_itself() -> None:
    async with rig() as made:
        await made.schedules.attend()
        await made.schedules.add("s", "w", at="2026-06-01T14:30:00+02:00")
        await made.advance(3600)
        assert await made.slots() == [NOON + 30 * MINUTE]
        info = await made.schedules.get("s")
        assert (info.status, info.next_ms) == ("done", None)
        assert made.clock.pending == 0, "nothing is waited for"
        with pytest.raises(InvalidInput, match="is over"):
            await made.schedules.add("late", "w", at="2026-06-01T12:00:00+00:00")


@pytest.mark.parametrize(
    ("change", "slots"),
    [
        ("2026-03-28T12:00+01:00", ["2026-03-29T03:30+02:00", "2026-03-30T02:30+02:00"]),
        ("2026-10-24T12:00+02:00", ["2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"]),
    ],
)
async def test_both_changes_of_the_clocks(change: str, slots: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headway.jobs.schedules.LOOK_S", 86_400.0)
    async with rig(start_ms=round(datetime.fromisoformat(change).timestamp() * 1000)) as made:
        await made.schedules.attend()
        await made.schedules.add("s", "w", cron="30 2 * * *", timezone="Europe/Berlin")
        for _ in range(8):
            await made.advance(6 * 3600)
        assert await made.slots() == [round(datetime.fromisoformat(slot).timestamp() * 1000) for slot in slots]


@pytest.mark.parametrize("stored", [False, True], ids=["memory", "sqlite"])
async def test_two_schedulers_on_one_log_start_one_job_a_slot(stored: bool, tmp_path: Path) -> None:
    async with rig(tmp_path / "home" if stored else None) as made:
        other = made.another()
        await made.schedules.attend()
        await made.schedules.add("s", "w", cron="* * * * *")
        await other.attend()
        for _ in range(20):
            await made.advance(30)
        await other.close()
        assert [slot for _, slot in made.jobs] == [job_of("s", NOON + n * MINUTE) for n in range(1, 11)]
        assert await made.slots() == [NOON + n * MINUTE for n in range(1, 11)]


@pytest.mark.parametrize(
    ("missed", "made_up", "lost"), [("skip", [], 6), ("once", [60], 5), ("all", [10, 20, 30, 40, 50, 60], 0)]
)
async def test_what_was_missed_while_nothing_ran_is_made_up_for_by_the_policy(
    missed: str, made_up: list[int], lost: int, tmp_path: Path
) -> None:
    async with rig(tmp_path / "home") as made:
        await made.schedules.add("s", "w", cron="*/10 * * * *", missed=missed)
        await made.clock.advance(3600 + 300)
    async with rig(tmp_path / "home", start_ms=NOON + 65 * MINUTE) as made:
        await made.schedules.attend()
        assert await made.slots() == [NOON + n * MINUTE for n in made_up]
        row = (await made.schedules.get("s")).schedule
        assert (len(made.jobs), row.missed_slots) == (len(made_up), lost)
        await made.advance(300)
        assert (await made.slots())[len(made_up) :] == [NOON + 70 * MINUTE], "the next one is on time"
        await made.schedules.close()
        await made.another().attend()
        assert len(made.jobs) == len(made_up) + 1, "a slot is settled once"


async def test_making_up_is_bounded_and_says_so(tmp_path: Path) -> None:
    async with rig(tmp_path / "home") as made:
        await made.schedules.add("s", "w", cron="* * * * *", missed="all")
    async with rig(tmp_path / "home", start_ms=NOON + 1000 * MINUTE + 61_000) as made:
        await made.schedules.attend()
        slots = await made.slots()
        assert slots == [NOON + n * MINUTE for n in range(1001 - CATCH_UP, 1002)]
        (told,) = await made.store.events(kinds=[kinds.SCHEDULE_MISSED])
        assert told.data["more"] is True


async def test_a_job_whose_fire_was_not_recorded_is_not_started_again() -> None:
    """As after a crash between the two."""
    async with rig() as made:
        await made.schedules.add("s", "w", cron="0 * * * *")
        job_id = job_of("s", NOON + HOUR)
        await made.log.write(created(job_id))
        await made.clock.advance(3600 + 600)
        await made.schedules.attend()
        row = (await made.schedules.get("s")).schedule
        assert (made.jobs, row.last_job, row.missed_slots) == ([], job_id, 0)


async def test_a_broken_schedule_is_told_and_the_others_run(caplog: pytest.LogCaptureFixture) -> None:
    async with rig() as made:
        await made.schedules.attend(
            config(
                good={"workflow": "w", "cron": "0 * * * *"},
                bad={"workflow": "w", "cron": "99 * * * *"},
                lost={"workflow": "gone", "cron": "@daily"},
                both={"workflow": "w", "plan": "p.json", "cron": "@daily"},
                off={"workflow": "w", "cron": "0 * * * *", "enabled": False},
            )
        )
        found = {info.schedule.name: info for info in await made.schedules.all()}
        assert {name: info.status for name, info in found.items()} == {
            "good": "active",
            "bad": "broken",
            "lost": "broken",
            "both": "broken",
            "off": "disabled",
        }
        assert "99 * * * *" in found["bad"].problem
        assert "no workflow 'gone'" in found["lost"].problem
        assert "'bad' is broken" in caplog.text
        await made.advance(3600)
        assert [name for name, _ in made.jobs] == ["good"]
        with pytest.raises(Conflict, match="broken"):
            await made.schedules.run("bad")


async def test_what_headway_toml_says_is_taken_over() -> None:
    async with rig() as made:
        await made.schedules.attend(
            config(a={"workflow": "w", "cron": "0 * * * *"}, b={"workflow": "w", "cron": "@daily"})
        )
        await made.schedules.declare(config(a={"workflow": "w", "cron": "0 * * * *"}))
        assert [info.schedule.name for info in await made.schedules.all()] == ["a"]
        added = await made.store.events(kinds=[kinds.SCHEDULE_ADDED])
        assert len(added) == 2, "what is as it was is not added again"
        made.schedules.redeclare(config(a={"workflow": "w", "cron": "30 * * * *"}))
        await made.advance(1800)
        assert await made.slots("a") == [NOON + 30 * MINUTE]
        with pytest.raises(Conflict, match=r"headway\.toml"):
            await made.schedules.remove("a")


async def test_a_paused_schedule_starts_nothing_and_misses_nothing() -> None:
    async with rig() as made:
        await made.schedules.attend()
        await made.schedules.add("s", "w", cron="*/10 * * * *", missed="all")
        assert (await made.schedules.pause("s", "me")).status == "paused"
        with pytest.raises(Conflict, match="paused already"):
            await made.schedules.pause("s")
        await made.advance(3600)
        assert made.jobs == []
        assert (await made.schedules.resume("s")).next_ms == NOON + 70 * MINUTE
        with pytest.raises(Conflict, match="not paused"):
            await made.schedules.resume("s")
        await made.advance(600)
        assert await made.slots() == [NOON + 70 * MINUTE]


async def test_remove_ends_it_and_run_starts_it_beside_its_times() -> None:
    async with rig() as made:
        await made.schedules.attend()
        await made.schedules.add("s", "w", cron="0 * * * *")
        job_id = await made.schedules.run("s", "me")
        assert made.jobs == [("s", job_id)]
        assert (await made.schedules.get("s")).next_ms == NOON + HOUR
        await made.schedules.remove("s", "me")
        await made.advance(3600)
        assert len(made.jobs) == 1
        for call in (made.schedules.get, made.schedules.remove, made.schedules.run, made.schedules.pause):
            with pytest.raises(NotFound, match="no schedule 's'"):
                await call("s")


async def test_what_cannot_be_started_is_recorded_and_the_next_slot_comes() -> None:
    async with rig() as made:
        await made.schedules.attend()
        await made.schedules.add("s", "w", cron="0 * * * *")
        made.failure = InvalidPlan("the plan has no actions")
        await made.advance(3600)
        info = await made.schedules.get("s")
        assert (info.status, info.schedule.error, info.schedule.last_job) == ("active", "the plan has no actions", None)
        made.failure = None
        await made.advance(3600)
        row = (await made.schedules.get("s")).schedule
        assert (len(made.jobs), row.error) == (1, "")


async def test_what_is_not_taken_now_is_started_later() -> None:
    async with rig() as made:
        await made.schedules.attend()
        await made.schedules.add("s", "w", cron="0 * * * *")
        made.failure = Closing("no new work is taken")
        await made.advance(3600)
        assert await made.slots() == []
        made.failure = None
        await made.advance(30)
        assert await made.slots() == [NOON + HOUR]


async def test_there_are_so_many_and_no_more() -> None:
    async with rig() as made:
        for number in range(MAX_SCHEDULES):
            await made.log.write(
                Event(kinds.SCHEDULE_ADDED, {"name": f"s{number}", "workflow": "w", "cron": "@yearly", "source": "api"})
            )
        with pytest.raises(Conflict, match="100 schedules"):
            await made.schedules.add("more", "w", cron="@daily")
        await made.schedules.declare(config(more={"workflow": "w", "cron": "@daily"}))
        assert len(await made.schedules.all()) == MAX_SCHEDULES


@pytest.mark.parametrize(
    ("name", "workflow", "given"),
    [
        ("s/x", "w", {"cron": "@daily"}),
        ("", "w", {"cron": "@daily"}),
        ("x" * 65, "w", {"cron": "@daily"}),
        ("s\n", "w", {"cron": "@daily"}),
        ("s", "nobody", {"cron": "@daily"}),
        ("s", "w", {}),
        ("s", "w", {"cron": "@daily", "at": "2030-01-01"}),
        ("s", "w", {"cron": "@daily", "missed": "never"}),
        ("s", "w", {"cron": "@daily", "timezone": "x"}),
        ("s", "w", {"cron": 7}),
    ],
)
async def test_bad_input_changes_nothing(name: str, workflow: str, given: dict[str, str]) -> None:
    async with rig() as made:
        with pytest.raises(InvalidInput) as caught:
            await made.schedules.add(name, workflow, **given)
        assert "\n" not in caught.value.message
        assert made.log.last_seq == 0


async def test_a_name_is_taken_once() -> None:
    async with rig() as made:
        await made.schedules.add("s", "w", cron="@daily")
        with pytest.raises(Conflict, match="already"):
            await made.schedules.add("s", "w", cron="@hourly")


async def test_the_view_is_a_fold_that_survives_a_store(tmp_path: Path) -> None:
    async with rig(tmp_path / "home") as made:
        await made.schedules.attend()
        await made.schedules.add("s", "w", cron="*/10 * * * *", missed="once")
        await made.advance(1800)
        await made.schedules.pause("s", "me")
        view = await made.store.schedules_view()
        assert view.schedules == fold_all(SchedulesView(), await made.store.events(limit=1000)).schedules
        assert view.schedules["s"].paused
        assert (await made.store.snapshot()).schedules == view
        assert msgspec.json.decode(msgspec.json.encode(view), type=SchedulesView) == view
    strange = SchedulesView()
    for kind in sorted(kinds.SCHEDULE):
        for data in ({}, {"name": 7}, {"name": "s", "slot_ms": "x", "count": -1, "until_ms": None, "missed": 3}):
            fold_all(strange, [Event(kind, data)])
    msgspec.json.encode(strange)
