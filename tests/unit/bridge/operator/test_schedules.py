"""Schedules by the operator API, and by ``headway schedule`` where a daemon has the home."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from headway.client import OperatorClient
from headway.config import load_config
from headway.engine import Engine
from headway.errors import Conflict, InvalidInput, NotFound
from headway.events import kinds
from headway.home import Home
from headway_bridge.operator import operator_app
from headway_console.cli import main
from tests.unit.bridge.operator.conftest import listening

pytestmark = pytest.mark.anyio

PLAN = {"actions": [{"id": "c", "type": "tool_call", "tool": "calculate", "parameters": {"expression": "1"}}]}


@pytest.fixture
async def engine(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Engine]:
    (tmp_path / "headway.toml").write_text('[workflows.w]\nplan = "w.json"\n')
    (tmp_path / "w.json").write_text(json.dumps(PLAN))
    monkeypatch.chdir(tmp_path)
    async with await Engine.open(home, load_config(tmp_path, {})) as engine:
        app = operator_app(engine, on_stop=lambda now: None, url="http://127.0.0.1:1", started_ms=5)
        async with listening(home, app):
            yield engine


async def test_every_command_is_answered_and_audited(engine: Engine) -> None:
    async with OperatorClient(engine.home, actor="tester") as client:
        assert await client.schedules() == []
        made = await client.add_schedule("s", "w", cron="@daily", timezone="Europe/Berlin", missed="once")
        assert (made.status, made.schedule.missed, made.schedule.by) == ("active", "once", "tester")
        assert await client.schedules() == [made]
        job_id = await client.run_schedule("s")
        assert (await engine.wait(job_id, timeout=60)).job.source == "schedule:s"
        assert (await client.pause_schedule("s")).status == "paused"
        assert (await client.resume_schedule("s")).status == "active"
        assert (await client.snapshot()).schedules.schedules["s"].last_job == job_id
        assert (await client.remove_schedule("s")).schedule.name == "s"
        with pytest.raises(NotFound):
            await client.pause_schedule("s")
        with pytest.raises(InvalidInput, match="no cron expression"):
            await client.add_schedule("s", "w", cron="99 * * * *")
        await client.add_schedule("s", "w", cron="@daily")
        with pytest.raises(Conflict):
            await client.add_schedule("s", "w", cron="@daily")
    audit = [event.data["what"] for event in await engine.log.read(kinds=[kinds.OPERATOR_ACTION])]
    assert audit == ["schedule", "schedule run", "schedule pause", "schedule resume", "schedule remove", "schedule"]


async def test_the_command_line_asks_the_daemon(engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    async def run(*words: str) -> int:
        return await asyncio.to_thread(main, ["schedule", *words, "--home", str(engine.home.path)])

    assert await run("add", "s", "w", "--cron", "@daily") == 0
    assert "no daemon" not in capsys.readouterr().err
    assert await run("run", "s", "--json") == 0
    job_id = json.loads(capsys.readouterr().out)["job_id"]
    assert (await engine.wait(job_id, timeout=60)).job.status == "completed"
    assert await run("run", "nobody") == 2
    assert await run("rm", "s") == 0
    assert await engine.schedules.all() == []
