"""headway.toml changes while an engine runs: what can change does, what cannot is named, what is broken is left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from headway.config import load_config
from headway.engine import Engine
from headway.errors import Conflict, InvalidPlan
from headway.events import kinds
from headway.home import Home

pytestmark = pytest.mark.anyio

PLAN = {"actions": [{"id": "c", "type": "tool_call", "tool": "calculate", "parameters": {"expression": "1"}}]}


def write(project: Path, text: str) -> None:
    (project / "headway.toml").write_text(text)


@pytest.fixture
async def engine(tmp_path: Path, home: Home) -> AsyncIterator[Engine]:
    write(tmp_path, "[budgets]\nactions = 5\n")
    async with await Engine.open(home, load_config(tmp_path, {})) as engine:
        yield engine


async def told(engine: Engine) -> list[tuple[str, dict[str, object]]]:
    await engine.log.flush()
    wanted = (kinds.CONFIG_RELOADED, kinds.CONFIG_REFUSED)
    return [(event.kind, event.data) for event in await engine.log.read() if event.kind in wanted]


async def test_what_can_change_does(engine: Engine, tmp_path: Path) -> None:
    write(
        tmp_path,
        "[budgets]\nactions = 0\n[rate_limits.calculate]\nmax_calls = 7\ninterval_secs = 2.0\n"
        "[runtime]\nmax_concurrency = 3\ngrant = 'full_access'\n[store]\nkeep_days = 1.0\n",
    )
    engine.look()
    assert engine.config.budgets.actions == 0
    assert engine.env.max_concurrency == 3
    bucket = engine.rate_limiter.get("calculate")
    assert bucket is not None
    assert (bucket.capacity, bucket.interval_s) == (7, 2.0)
    run = await engine.wait((await engine.submit(PLAN)).job_id, timeout=60)
    assert run.job.outcome == "budget_exhausted"
    write(tmp_path, '[capabilities]\ndenied_tools = ["calculate"]\n')
    engine.look()
    assert engine.rate_limiter.get("calculate") is None
    with pytest.raises(InvalidPlan, match="calculate"):
        await engine.submit(PLAN)
    first, second = await told(engine)
    assert first[0] == kinds.CONFIG_RELOADED
    assert set(first[1]["changed"]) == {  # type: ignore[call-overload]
        "budgets.actions",
        "rate_limits.calculate",
        "runtime.max_concurrency",
        "runtime.grant",
        "store.keep_days",
    }
    assert second[1]["restart"] == []


async def test_what_cannot_change_waits_for_a_restart(engine: Engine, tmp_path: Path) -> None:
    write(tmp_path, '[budgets]\nactions = 4\n[a2a]\nport = 1\n[tools]\nworkspace = "sub"\n')
    (tmp_path / "sub").mkdir()
    engine.look()
    assert await told(engine) == [
        (kinds.CONFIG_RELOADED, {"changed": ["budgets.actions"], "restart": ["tools.workspace", "a2a.port"]})
    ]
    assert engine.config.a2a.port == 8420
    assert engine.config.tools.workspace is None
    with pytest.raises(Conflict, match=r"tools\.workspace, a2a\.port needs headway restart"):
        engine.require_caller(None, load_config(tmp_path, {}).digest)
    write(tmp_path, "[budgets]\nactions = 4\n")
    engine.require_caller(None, load_config(tmp_path, {}).digest)


async def test_each_key_that_is_not_taken_is_named_in_the_event_and_in_the_log(
    engine: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = "[budgets]\nactions = 5\n[workflows.w]\nplan = 'w.json'\n[tools]\nsandbox = 'off'\n"
    write(tmp_path, text + "[a2a]\nworkflows = ['w']\ncancel_wait = 1.0\nhost = '0.0.0.0'\n[store]\nkeep_days = 1.0\n")
    engine.look()
    waiting = ["tools.sandbox", "a2a.host", "a2a.workflows", "workflows.w"]
    ((kind, data),) = await told(engine)
    assert (kind, data["changed"]) == (kinds.CONFIG_RELOADED, ["store.keep_days", "a2a.cancel_wait"])
    assert sorted(data["restart"]) == sorted(waiting)  # type: ignore[call-overload]
    assert (engine.config.workflows, engine.config.tools.sandbox) == ({}, "auto")
    (line,) = caplog.messages
    assert line.startswith("headway.toml changed and waits for headway restart: ")
    assert all(key in line for key in waiting)
    write(tmp_path, text + "[a2a]\nport = 'many'\n")
    engine.look()
    assert caplog.messages[1].startswith(f"headway.toml was not taken over: {tmp_path / 'headway.toml'}:")


async def test_a_broken_file_keeps_what_was_and_names_the_line(engine: Engine, tmp_path: Path) -> None:
    write(tmp_path, "[budgets]\nactions = 3\ntokens = 'many'\n")
    engine.look()
    engine.look()
    ((kind, data),) = await told(engine)
    assert kind == kinds.CONFIG_REFUSED
    assert str(data["error"]).startswith(f"{tmp_path / 'headway.toml'}:3: budgets.tokens")
    assert engine.config.budgets.actions == 5
    write(tmp_path, "[budgets]\nactions = 3\n")
    engine.look()
    assert engine.config.budgets.actions == 3


async def test_a_submit_of_a_command_that_has_read_the_file_already_is_not_refused(
    engine: Engine, tmp_path: Path
) -> None:
    write(tmp_path, "[budgets]\nactions = 4\n")
    engine.require_caller(None, load_config(tmp_path, {}).digest)
    assert engine.config.budgets.actions == 4


async def test_changes_are_seen_without_being_asked(engine: Engine, tmp_path: Path) -> None:
    async def watch() -> None:
        async for _ in engine.watch():
            pass

    watching = asyncio.create_task(watch())
    subscription = engine.subscribe(engine.log.last_seq)
    write(tmp_path, "[budgets]\nactions = 4\n")
    async with asyncio.timeout(60):
        async for batch in subscription:
            if any(event.kind == kinds.CONFIG_RELOADED for event in batch):
                break
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    assert engine.config.budgets.actions == 4
