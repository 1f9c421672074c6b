"""The place of a run: in this process when it gets the home's lock, else in the daemon that has it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Protocol

from headway.errors import HomeLocked, StoreError, Unavailable

if TYPE_CHECKING:
    from headway.client import OperatorClient
    from headway.config import Config
    from headway.engine import Engine
    from headway.events.event import Event
    from headway.events.subscription import Subscription
    from headway.events.views import JobRow, RunView
    from headway.home import Home
    from headway.plan.format import ActionProposal
    from headway.plan.results import ProposalResult

SOURCE = "cli"
"""The name that the audit has for commands given on a command line."""

PATIENCE_S = 10.0
"""Seconds that a daemon which stopped answering is waited for before a run that it holds is given up on here."""


class Runner(Protocol):
    """The runner of jobs of one home. Everything raises :class:`headway.errors.HeadwayError`."""

    async def submit(self, proposal: ActionProposal, title: str) -> JobRow:
        """Start a job; it is committed when this returns."""

    async def fork(self, checkpoint_id: str) -> JobRow:
        """Start a job that continues from a checkpoint."""

    def batches(self, row: JobRow) -> AsyncGenerator[list[Event], None]:
        """Yield the job's events from its first, replayed and live."""

    async def run(self, job_id: str) -> RunView:
        """Return the run as it stands; large outputs may be references."""

    async def result(self, job_id: str) -> ProposalResult:
        """Return what a finished run came to, whole."""

    async def row(self, job_id: str) -> JobRow:
        """Return the job's row."""

    async def successor(self, job_id: str) -> str | None:
        """Return the id of the job that replaces this one after its abort, once that is decided; None if none does."""

    async def cancel(self, job_id: str, reason: str) -> str:
        """Stop softly."""

    async def kill(self, job_id: str, reason: str) -> str:
        """Stop hard."""

    async def close(self) -> None:
        """Let go of it."""


class LocalRunner:
    """Runs jobs in this process."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        # The command tells itself how its job ended: with a handler, logging does not print that on stderr as well.
        logging.getLogger("headway.jobs").addHandler(logging.NullHandler())

    async def submit(self, proposal: ActionProposal, title: str) -> JobRow:
        """Start a job; it is committed when this returns."""
        from headway.jobs.submission import Submission

        return await self.engine.submit(Submission(proposal, title=title))

    async def fork(self, checkpoint_id: str) -> JobRow:
        """Start a job that continues from a checkpoint."""
        return await self.engine.fork(checkpoint_id, by=SOURCE)

    async def batches(self, row: JobRow) -> AsyncGenerator[list[Event], None]:
        """Yield the job's events from its first, replayed and live; raise what keeps its end from the disk."""
        subscription = self.engine.subscribe(max(0, row.first_seq - 1), job_id=row.job_id)
        written = asyncio.create_task(self._end_written(row.job_id, subscription))
        try:
            async for batch in subscription:
                yield batch
            await written
        finally:
            written.cancel()
            subscription.close()

    async def _end_written(self, job_id: str, subscription: Subscription) -> None:
        """Wait for the job's end; if the disk refuses it, no event will tell of it: end the following instead."""
        try:
            if not (await self.engine.wait(job_id)).job.finished:
                await self.engine.log.flush()
        except StoreError:
            subscription.close()
            raise

    async def run(self, job_id: str) -> RunView:
        """Return the run as it stands."""
        return await self.engine.run(job_id)

    async def result(self, job_id: str) -> ProposalResult:
        """Return what a finished run came to, whole."""
        return (await self.engine.reader.run_view(job_id, resolve=True)).result()

    async def row(self, job_id: str) -> JobRow:
        """Return the job's row."""
        return await self.engine.row(job_id)

    async def successor(self, job_id: str) -> str | None:
        """Return the id of the job that replaces this one after its abort, once that is decided; None if none does."""
        return await self.engine.successor(job_id)

    async def cancel(self, job_id: str, reason: str) -> str:
        """Stop softly."""
        return await self.engine.cancel(job_id, reason, by=SOURCE)

    async def kill(self, job_id: str, reason: str) -> str:
        """Stop hard."""
        return await self.engine.kill(job_id, reason, by=SOURCE)

    async def close(self) -> None:
        """Close the engine; what still runs is cancelled."""
        await self.engine.close()


class RemoteRunner:
    """Hands jobs to the daemon of the home."""

    def __init__(self, client: OperatorClient, config: Config) -> None:
        self.client = client
        self._config = config

    async def submit(self, proposal: ActionProposal, title: str) -> JobRow:
        """Start a job; it is committed when this returns."""
        from headway.project import project_at

        folder = self._config.folder
        root = project_at(folder).root if folder is not None else None
        return await self.client.submit(proposal, title=title, project=root, digest=self._config.digest)

    async def fork(self, checkpoint_id: str) -> JobRow:
        """Start a job that continues from a checkpoint."""
        return await self.client.fork(checkpoint_id)

    async def batches(self, row: JobRow) -> AsyncGenerator[list[Event], None]:
        """Yield the job's events from its first, replayed and live."""
        after = max(0, row.first_seq - 1)
        async with aclosing(self.client.follow(after, job_id=row.job_id, patience=PATIENCE_S)) as batches:
            async for batch in batches:
                yield batch

    async def run(self, job_id: str) -> RunView:
        """Return the run as it stands."""
        return await self.client.job(job_id)

    async def result(self, job_id: str) -> ProposalResult:
        """Return what a finished run came to, whole."""
        return await self.client.result(job_id)

    async def row(self, job_id: str) -> JobRow:
        """Return the job's row."""
        return (await self.client.job(job_id)).job

    async def successor(self, job_id: str) -> str | None:
        """Return the id of the job that replaces this one after its abort, once that is decided; None if none does."""
        return await self.client.successor(job_id)

    async def cancel(self, job_id: str, reason: str) -> str:
        """Stop softly."""
        return await self.client.cancel(job_id, reason)

    async def kill(self, job_id: str, reason: str) -> str:
        """Stop hard."""
        return await self.client.kill(job_id, reason)

    async def close(self) -> None:
        """Close the connections; the daemon's jobs continue."""
        await self.client.close()


async def open_runner(home: Home, config: Config) -> LocalRunner | RemoteRunner:
    """Return the runner of ``home``. Raises :class:`HomeLocked` when another process has it and serves nobody."""
    from headway.engine import Engine

    try:
        return LocalRunner(await Engine.open(home, config, on_restart="fail"))
    except HomeLocked as locked:
        from headway.client import OperatorClient

        client = OperatorClient(home, actor=SOURCE)
        try:
            await client.status()
        except Unavailable:
            await client.close()
            raise locked from None
        return RemoteRunner(client, config)
