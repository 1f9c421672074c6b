"""The director of the demo: starts the runs of a round when it is their time, saves a checkpoint, cancels."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from headway.clock import SYSTEM_CLOCK, Clock
from headway.errors import HeadwayError
from headway_console.cli.demo.plans import Entry, entries

if TYPE_CHECKING:
    from headway.config import Config
    from headway.events.views import JobRow
    from headway.home import Home
    from headway_console.cli.runner import LocalRunner, RemoteRunner

ROUND_S = 60.0
REASON = "the demo shows a cancel"


class Director:
    """Starts runs on ``runner``; ``started`` is told of each once it is on disk."""

    def __init__(
        self,
        runner: LocalRunner | RemoteRunner,
        *,
        alone: bool,
        started: Callable[[JobRow], object] = lambda row: None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._runner = runner
        self._alone = alone
        self._started = started
        self._clock = clock

    async def round(self, workspace: Path, *, pace: float = 1.0) -> None:
        """Start the runs of one round and return when all of them have ended.

        With ``alone`` nobody is there to cancel the long one, so this does.
        """
        begin = self._clock.now()
        try:
            async with asyncio.TaskGroup() as group:
                for entry in entries(workspace, pace=pace):
                    group.create_task(self._run(entry, begin))
        except* HeadwayError as errors:
            raise _first(errors) from None

    async def submit(self, workspace: Path) -> None:
        """Start the runs of a round together, and wait for none of them."""
        from headway.plan.parse import parse_proposal

        for entry in entries(workspace):
            await self._runner.submit(parse_proposal(entry.plan), entry.title)

    async def rounds(self, workspace: Path) -> None:
        """Start a round every minute until this is cancelled; one waits until the round before the last has ended."""
        before: asyncio.Task[None] | None = None
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    begin = self._clock.now()
                    present = group.create_task(self.round(workspace))
                    if before is not None:
                        await before
                    before = present
                    await self._until(begin + ROUND_S)
        except* HeadwayError as errors:
            raise _first(errors) from None

    async def _run(self, entry: Entry, begin: float) -> None:
        from headway.plan.parse import parse_proposal

        await self._until(begin + entry.at_s)
        row = await self._runner.submit(parse_proposal(entry.plan), entry.title)
        self._started(row)
        if entry.cancel_s is not None and self._alone:
            await self._until(begin + entry.cancel_s)
            await self._runner.cancel(row.job_id, REASON)
        await self._end(row)
        if entry.checkpoint is not None:
            await self._save(row.job_id, entry.checkpoint)

    async def _end(self, row: JobRow) -> None:
        from headway.events.fold import fold
        from headway.events.views import JobRow, RunView

        run = RunView(job=JobRow(job_id=row.job_id))
        async with contextlib.aclosing(self._runner.batches(row)) as batches:
            async for batch in batches:
                for event in batch:
                    run = fold(run, event)
                if run.job.finished:
                    return

    async def _save(self, job_id: str, name: str) -> None:
        from headway_console.cli.runner import SOURCE, LocalRunner

        runner = self._runner
        if isinstance(runner, LocalRunner):
            await runner.engine.save_checkpoint(job_id=job_id, name=name, by=SOURCE)
        else:
            await runner.client.save_checkpoint(job_id=job_id, name=name)

    async def _until(self, when: float) -> None:
        await self._clock.sleep(max(0.0, when - self._clock.now()))


def _first(group: BaseExceptionGroup[HeadwayError]) -> HeadwayError:
    """Return the first error of a group, however deep it lies."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, HeadwayError)
    return error


class Backstage:
    """A director on a thread beside the console, from ``with`` to its end. Failures of its own end it silently."""

    def __init__(self, home: Home, config: Config, workspace: Path) -> None:
        self._home = home
        self._config = config
        self._workspace = workspace
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._main, name="headway-demo", daemon=True)

    def __enter__(self) -> Backstage:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop)
        self._thread.join(5)

    def _main(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._task = self._loop.create_task(self._direct())
        try:
            self._loop.run_until_complete(asyncio.wait([self._task]))
        finally:
            self._loop.close()

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _direct(self) -> None:
        from headway.client import OperatorClient
        from headway_console.cli.runner import RemoteRunner

        async with OperatorClient(self._home, actor="demo") as client:
            with contextlib.suppress(HeadwayError):  # the daemon has stopped: the console tells
                runner = RemoteRunner(self._home, client, self._config, await client.status())
                await Director(runner, alone=False).rounds(self._workspace)
