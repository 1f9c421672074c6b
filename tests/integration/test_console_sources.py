"""The console's two ways to a daemon, its store file and its operator API: a life, a death, and commands."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from headway.client import OperatorClient
from headway.events.views import JobRow
from headway.home import Home
from headway_console.commands import Command
from headway_console.model import ConsoleModel
from headway_console.source import Source
from headway_console.sources import RemoteSource, StoreSource
from headway_console.target import Target
from tests.integration.daemon_process import running

PLAN = {
    "actions": [
        {"id": "first", "type": "tool_call", "tool": "quick", "parameters": {"text": "[red]x"}},
        {"id": "keep", "type": "state_write", "parameters": {"key": "k", "value": 1}},
        {"id": "long", "type": "tool_call", "tool": "nap", "parameters": {"seconds": 60}, "dependencies": ["first"]},
        {"id": "never", "type": "tool_call", "tool": "quick", "dependencies": ["long"]},
    ]
}


class Watcher:
    """A model on a source."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.model = ConsoleModel(source.now_ms)
        self._fed = asyncio.Event()

    async def follow(self) -> None:
        async for item in self.source.batches():
            self.model.feed(item)
            self._fed.set()

    async def until(self, reached: Callable[[], bool]) -> None:
        """Wait until that is so; it is looked at after every item, and once a second."""
        with anyio.fail_after(25):
            while not reached():
                self._fed.clear()
                with anyio.move_on_after(1):
                    await self._fed.wait()

    def row(self, job_id: str) -> JobRow:
        return self.model.jobs.jobs.get(job_id) or JobRow(job_id=job_id)


@asynccontextmanager
async def watching(source: Source) -> AsyncIterator[Watcher]:
    await source.open()
    watcher = Watcher(source)
    task = asyncio.create_task(watcher.follow())
    try:
        yield watcher
    finally:
        await source.close()
        with anyio.fail_after(20):
            await task


KINDS = {
    "store": StoreSource,
    "remote": lambda home: RemoteSource(OperatorClient(home, actor="console"), title="a daemon"),
}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_run_is_followed_and_steered(kind: str, home: Home, tmp_path: Path) -> None:
    async with running(home, tmp_path), OperatorClient(home) as client, watching(KINDS[kind](home)) as watcher:
        commands = watcher.source.commands
        assert commands is not None
        assert (watcher.source.read_only, watcher.source.link.connected) == ("", True)
        job_id = (await client.submit(PLAN)).job_id
        await watcher.until(lambda: job_id in watcher.model.runs and watcher.row(job_id).levels_done == 1)
        assert watcher.model.runs[job_id].action("first").output == "[red]x"
        sent = [Command("cancel", Target("job", job_id), "enough"), Command("kill", Target("job", job_id), "now")]
        for command in sent:
            receipt = await watcher.source.send(command)
            assert (receipt.answer, receipt.command) == ("requested", command)
        await watcher.until(lambda: watcher.row(job_id).finished)
        assert watcher.row(job_id).status == "cancelled"
        assert watcher.model.runs[job_id] == await client.job(job_id) == await watcher.source.run(job_id)
        listed = await commands.checkpoints(job_id)
        assert [(entry.kind, entry.level) for entry in listed][:1] == [("level", 0)]
        diff = await commands.diff(listed[0].checkpoint_id)
        assert diff.checkpoint_id == listed[0].checkpoint_id
        point = Target("checkpoint", listed[0].checkpoint_id, job_id)
        sent += [Command("save", Target("job", job_id)), Command("restore", point), Command("fork", point)]
        saved, restored, forked = [await watcher.source.send(command) for command in sent[2:]]
        assert saved.made in {entry.checkpoint_id for entry in await commands.checkpoints(job_id)}
        assert restored.text.startswith(f"Restored {point.id}: ")
        fork = forked.made or ""
        await watcher.until(lambda: watcher.row(fork).forked_from == job_id)
        sent.append(Command("cancel", Target("job", fork)))
        assert (await watcher.source.send(sent[-1])).answer in ("requested", "forced")

        def audited() -> list[dict[str, Any]]:
            events = [event.data for event in watcher.model.events if event.kind == "operator_action"]
            return [data for data in events if data["who"] == "console"]

        await watcher.until(lambda: len(audited()) == len(sent))
        for data, command in zip(audited(), sent, strict=True):
            assert f"{data['what']} {data['target']}".startswith(command.audit)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_daemon_that_dies_is_noticed_and_one_that_comes_back_too(kind: str, home: Home, tmp_path: Path) -> None:
    async with (
        running(home, tmp_path) as daemon,
        OperatorClient(home) as client,
        watching(KINDS[kind](home)) as watcher,
    ):
        job_id = (await client.submit(PLAN)).job_id
        await watcher.until(lambda: watcher.row(job_id).levels_done == 1)
        daemon.signal(signal.SIGKILL)
        await daemon.end()
        await watcher.until(lambda: not watcher.source.link.connected)
        await watcher.until(lambda: watcher.source.commands is None)
        assert watcher.source.read_only
        assert watcher.row(job_id).status == "running"  # as far as anybody knows
        async with running(home, tmp_path):
            await watcher.until(lambda: watcher.row(job_id).finished)
            assert watcher.row(job_id).outcome == "interrupted"
            await watcher.until(lambda: watcher.source.link.connected and watcher.source.commands is not None)


async def test_a_store_is_shown_where_no_daemon_runs(home: Home, tmp_path: Path) -> None:
    async with running(home, tmp_path) as daemon, OperatorClient(home) as client:
        job_id = (await client.submit({"actions": PLAN["actions"][:2]})).job_id
        async with watching(StoreSource(home)) as watcher:
            await watcher.until(lambda: watcher.row(job_id).finished)
            daemon.signal(signal.SIGTERM)
            await daemon.end()
            await watcher.until(lambda: watcher.source.commands is None)
            assert watcher.source.link.connected  # nothing claims to run: what is shown is how things are
    async with watching(StoreSource(home)) as watcher:
        await watcher.until(lambda: watcher.row(job_id).finished)
        assert watcher.row(job_id).status == "completed"
