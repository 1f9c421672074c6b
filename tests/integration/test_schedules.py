"""Schedules of an engine: jobs like any other, from headway.toml and by hand, on a clock that is moved."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from datetime import datetime
from pathlib import Path

import pytest

from headway.client import OperatorClient
from headway.clock import SYSTEM_CLOCK
from headway.config import load_config
from headway.engine import Engine
from headway.events import kinds
from headway.home import Home
from headway.jobs.schedules import Schedules
from headway.store import StoreLog
from headway.testing import VirtualClock, settle
from tests.integration.daemon_process import running

pytestmark = pytest.mark.anyio

NOON = round(datetime.fromisoformat("2026-06-01T12:00+00:00").timestamp() * 1000)
PLAN = {"actions": [{"id": "c", "type": "tool_call", "tool": "calculate", "parameters": {"expression": "6*7"}}]}
TOML = '[workflows.w]\nplan = "w.json"\n[schedules.hourly]\nworkflow = "w"\ncron = "0 * * * *"\n'


def project(path: Path, text: str = TOML, plan: object = PLAN) -> None:
    (path / "headway.toml").write_text(text)
    (path / "w.json").write_text(json.dumps(plan))


async def fired(engine: Engine, clock: VirtualClock, seconds: float) -> None:
    """Move the clock, and wait until what is due has been started and has ended."""
    await clock.advance(seconds)
    looking = engine.schedules._looking
    if looking is not None:
        await asyncio.wait([looking])
    await engine.idle()
    await settle()


async def test_a_slot_is_a_job_like_any_other(tmp_path: Path, home: Home) -> None:
    project(tmp_path)
    clock = VirtualClock(start_ms=NOON)
    async with await Engine.open(home, load_config(tmp_path, {}), clock=clock) as engine:
        await engine.keep_schedules()
        await fired(engine, clock, 3600)
        (row,) = await engine.jobs()
        assert (row.status, row.source, row.title) == ("completed", "schedule:hourly", "hourly")
        assert (await engine.schedules.get("hourly")).schedule.last_job == row.job_id
        by_hand = await engine.schedules.run("hourly", "me")
        assert (await engine.wait(by_hand, timeout=60)).job.status == "completed"


async def test_a_plan_that_admission_refuses_is_a_job_that_says_so(tmp_path: Path, home: Home) -> None:
    text = '[schedules.s]\nplan = "w.json"\ncron = "0 * * * *"\n'
    project(tmp_path, text, {"actions": [{"id": "c", "type": "tool_call", "tool": "gone", "parameters": {}}]})
    clock = VirtualClock(start_ms=NOON)
    async with await Engine.open(home, load_config(tmp_path, {}), clock=clock) as engine:
        await engine.keep_schedules()
        await fired(engine, clock, 3600)
        (row,) = await engine.jobs()
        assert (row.status, row.outcome, row.source) == ("failed", "rejected", "schedule:s")
        (tmp_path / "w.json").unlink()
        await fired(engine, clock, 3600)
        assert "there is no such file" in (await engine.schedules.get("s")).schedule.error


async def test_the_policy_for_missed_slots_holds_over_a_restart(tmp_path: Path, home: Home) -> None:
    project(tmp_path, TOML.replace("0 *", "*/10 *") + 'missed = "once"\n')
    async with await Engine.open(home, load_config(tmp_path, {}), clock=VirtualClock(start_ms=NOON)) as engine:
        await engine.keep_schedules()
    later = VirtualClock(start_ms=NOON + 65 * 60_000)
    async with await Engine.open(home, load_config(tmp_path, {}), clock=later) as engine:
        await engine.keep_schedules()
        await engine.idle()
        assert len(await engine.jobs()) == 1
        row = (await engine.schedules.get("hourly")).schedule
        assert (row.last_slot_ms, row.missed_slots) == (NOON + 60 * 60_000, 5)


async def test_a_change_of_headway_toml_is_followed(tmp_path: Path, home: Home) -> None:
    project(tmp_path, '[workflows.w]\nplan = "w.json"\n')
    clock = VirtualClock(start_ms=NOON)
    async with await Engine.open(home, load_config(tmp_path, {}), clock=clock) as engine:
        await engine.keep_schedules()
        assert "schedules" not in vars(engine), "nothing is paid where there is none"
        project(tmp_path)
        engine.look()
        await fired(engine, clock, 0)
        await fired(engine, clock, 3600)
        assert [row.source for row in await engine.jobs()] == ["schedule:hourly"]


async def test_who_does_not_keep_schedules_starts_nothing(tmp_path: Path, home: Home) -> None:
    project(tmp_path)
    clock = VirtualClock(start_ms=NOON)
    async with await Engine.open(home, load_config(tmp_path, {}), clock=clock) as engine:
        assert await engine.schedules.all() == []
        await clock.advance(7200)
        assert await engine.jobs() == []
        assert not [event for event in await engine.log.read() if event.kind in kinds.SCHEDULE]


async def test_a_daemon_makes_up_for_its_absence(tmp_path: Path, home: Home) -> None:
    """The store was last used two hours ago, by its clock; a daemon of the machine's clock finds it."""
    clock = VirtualClock(start_ms=SYSTEM_CLOCK.time_ms() - 2 * 3_600_000)
    log = await StoreLog.open(home, clock=clock)
    await Schedules(log).add("s", "w", cron="*/10 * * * *", missed="once")
    await log.close()
    (tmp_path / "w.json").write_text(json.dumps(PLAN))
    also = '[workflows.w]\nplan = "w.json"\n[schedules.t]\nworkflow = "w"\ncron = "@yearly"'
    async with running(home, tmp_path, "--also", also), OperatorClient(home) as client:
        async with aclosing(client.follow()) as batches:
            async for batch in batches:
                if any(event.kind == kinds.SCHEDULE_FIRED for event in batch):
                    break
        found = {info.schedule.name: info for info in await client.schedules()}
        assert (found["s"].schedule.fires, found["t"].schedule.source) == (1, "config")
        job_id = found["s"].schedule.last_job
        assert job_id is not None
        assert (await client.job(job_id)).job.source == "schedule:s"
