"""The place of a run: in this process when it gets the home's lock, else in the daemon that has it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, aclosing
from typing import TYPE_CHECKING, Any, Protocol

from headway.clock import SYSTEM_CLOCK
from headway.errors import HomeLocked, NoAnswer, StoreError, Unavailable
from headway.owner import owner_of
from headway.secrets.output import redacted_output

if TYPE_CHECKING:
    from headway.client import DaemonStatus, OperatorClient
    from headway.config import Config
    from headway.engine import Engine
    from headway.events.event import Event
    from headway.events.subscription import Subscription
    from headway.events.views import JobRow, RunView
    from headway.home import Home
    from headway.plan.format import ActionProposal
    from headway.plan.results import ProposalResult
    from headway.store import Reader
    from headway_bridge.door import Door

SOURCE = "cli"
"""The name that the audit has for commands given on a command line."""

PATIENCE_S = 10.0
"""Seconds that a daemon which stopped answering is waited for before a run that it holds is given up on here."""


OPENING_S = 5.0
"""Seconds that the holder of a home gets to open its socket, or to end."""

POLL_S = 0.05
"""Seconds between two looks while waiting for that."""


class Runner(Protocol):
    """The runner of jobs of one home. Everything raises :class:`headway.errors.HeadwayError`."""

    async def submit(self, proposal: ActionProposal, title: str, source: str = "") -> JobRow:
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

    async def answer(self, elicitation_id: str, choice: str, value: Any = None) -> None:
        """Answer a question of the job."""

    def holds_interrupts(self) -> bool:
        """Take Ctrl-C from here on if it would end more than the job that was followed; return whether it does."""

    async def close(self) -> None:
        """Let go of it."""


class LocalRunner:
    """Runs jobs in this process."""

    is_run = False

    def __init__(self, engine: Engine, door: Door) -> None:
        self.engine = engine
        self._door = door
        # The command tells itself how its job ended: with a handler, logging does not print that on stderr as well.
        logging.getLogger("headway.jobs").addHandler(logging.NullHandler())
        self._output = redacted_output(engine.secrets.redactor)  # tools print into what the command prints
        self._output.__enter__()

    async def submit(self, proposal: ActionProposal, title: str, source: str = "") -> JobRow:
        """Start a job; it is committed when this returns."""
        from headway.jobs.submission import Submission

        return await self.engine.submit(Submission(proposal, title=title, source=source or None))

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

    async def answer(self, elicitation_id: str, choice: str, value: Any = None) -> None:
        """Answer a question of the job."""
        await self.engine.elicitations.answer(elicitation_id, choice, value, by=SOURCE)

    def holds_interrupts(self) -> bool:
        """Take Ctrl-C from here on if others have jobs in this process."""
        from headway_console.cli.staying import hold_interrupts

        return bool(self.engine.busy) and hold_interrupts(self.engine)

    async def close(self) -> None:
        """Stay until the jobs that others have started here have ended, then close the engine and the socket."""
        from headway_console.cli.staying import stay

        try:
            if self.engine.busy:
                await stay(self.engine)
            self.engine.drain("the process that holds the home ends")
            self._door.refuse()
        finally:
            try:
                await self.engine.close()
            finally:
                self._output.__exit__(None, None, None)
                await self._door.close()


class RemoteRunner:
    """Hands jobs to the process that holds the home: a daemon, or a headway run."""

    def __init__(self, home: Home, client: OperatorClient, config: Config, status: DaemonStatus) -> None:
        self.client = client
        self.status = status
        self._home = home
        self._config = config

    @property
    def is_run(self) -> bool:
        """True if a headway run answers there. It ends with its jobs, and a daemon may restart after them: what came of
        a job is read from the store.
        """
        return self.status.kind == "run"

    async def submit(self, proposal: ActionProposal, title: str, source: str = "") -> JobRow:
        """Start a job; it is committed when this returns."""
        from headway.project import project_at

        folder = self._config.folder
        root = project_at(folder).root if folder is not None else None
        return await self.client.submit(
            proposal, title=title, source=source or None, project=root, digest=self._config.digest
        )

    async def fork(self, checkpoint_id: str) -> JobRow:
        """Start a job that continues from a checkpoint."""
        return await self.client.fork(checkpoint_id)

    async def batches(self, row: JobRow) -> AsyncGenerator[list[Event], None]:
        """Yield the job's events from its first, replayed and live."""
        after = max(0, row.first_seq - 1)
        patience = 0 if self.is_run else PATIENCE_S
        try:
            async with aclosing(self.client.follow(after, job_id=row.job_id, patience=patience)) as batches:
                async for batch in batches:
                    yield batch
                    after = batch[-1].seq
        except NoAnswer:
            raise
        except (StoreError, Unavailable):
            async with self._read() as reader:  # it has ended, perhaps just after the job did
                while batch := await reader.events(after, row.job_id):
                    yield batch
                    after = batch[-1].seq

    async def run(self, job_id: str) -> RunView:
        """Return the run as it stands; large outputs may be references."""
        async with self._read() as reader:
            return await reader.run_view(job_id)

    async def result(self, job_id: str) -> ProposalResult:
        """Return what a finished run came to, whole."""
        async with self._read() as reader:
            return (await reader.run_view(job_id, resolve=True)).result()

    async def row(self, job_id: str) -> JobRow:
        """Return the job's row."""
        return (await self.run(job_id)).job

    async def successor(self, job_id: str) -> str | None:
        """Return the id of the job that replaces this one after its abort, once that is decided; None if none does."""
        try:
            return await self.client.successor(job_id)
        except NoAnswer:
            raise
        except (StoreError, Unavailable):  # it has ended
            pass
        from headway.jobs.history import History

        async with self._read() as reader:
            return await History(reader).successor(job_id)

    def _read(self) -> AbstractAsyncContextManager[Reader]:
        from headway_console.cli.reading import open_store

        return open_store(self._home)

    async def cancel(self, job_id: str, reason: str) -> str:
        """Stop softly."""
        return await self.client.cancel(job_id, reason)

    async def kill(self, job_id: str, reason: str) -> str:
        """Stop hard."""
        return await self.client.kill(job_id, reason)

    async def answer(self, elicitation_id: str, choice: str, value: Any = None) -> None:
        """Answer a question of the job."""
        await self.client.answer(elicitation_id, choice, value)

    def holds_interrupts(self) -> bool:
        """Leave Ctrl-C as it is: nothing runs here."""
        return False

    async def close(self) -> None:
        """Close the connections; the daemon's jobs continue."""
        await self.client.close()


async def open_runner(home: Home, config: Config) -> LocalRunner | RemoteRunner:
    """Return the runner of ``home``: in this process, or through the socket of the one that holds the home.

    Raises :class:`HomeLocked` when another process has it and serves nobody.
    """
    deadline = SYSTEM_CLOCK.now() + OPENING_S
    while True:
        late = SYSTEM_CLOCK.now() >= deadline
        # An engine that another process keeps from the home is not loaded first: it is half of what a command costs.
        if late or owner_of(home.alive_file) is None:
            try:
                return await _local(home, config)
            except HomeLocked:
                if late:  # by now who holds it would have opened its socket, or be gone
                    raise
        found = await _remote(home, config)
        if found is not None:
            return found
        await SYSTEM_CLOCK.sleep(POLL_S)


async def _local(home: Home, config: Config) -> LocalRunner:
    from headway.engine import Engine
    from headway_bridge.door import Door

    engine = await Engine.open(home, config, on_restart="fail")
    try:
        return LocalRunner(engine, Door(engine))
    except BaseException:
        await engine.close()
        raise


async def _remote(home: Home, config: Config) -> RemoteRunner | None:
    """Return the runner behind the home's socket; None if nobody answers there, or only to say that it ends."""
    from headway.client import OperatorClient

    client = OperatorClient(home, actor=SOURCE)
    try:
        status = await client.status()
    except NoAnswer:
        await client.close()
        raise
    except Unavailable:
        status = None
    if status is not None and not status.stopping:
        return RemoteRunner(home, client, config, status)
    await client.close()
    return None
