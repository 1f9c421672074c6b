"""The scheduler: which job runs when.

The jobs of one scope run one at a time, in the order of submission, on the scope's state. Scopes run side by side,
at most ``max_jobs`` at once; who finds no room stays queued.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress

from headway.errors import StoreError
from headway.execution.environment import Environment
from headway.execution.run import Run
from headway.jobs.live import LiveJob
from headway.jobs.transitions import JobStatus
from headway.limits.budget import BudgetMeter, CostBudget
from headway.state import StateStore

_log = logging.getLogger("headway.jobs")

RETRY_S = 1.0
"""Seconds between two attempts to give a job its end in a log that takes nothing."""


class Scope:
    """One state and the jobs that work on it. In memory while it has jobs or somebody holds it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.state = StateStore()
        self.loaded = False
        self.jobs: deque[LiveJob] = deque()
        self.turn = asyncio.Lock()
        self.holders = 0
        self.worker: asyncio.Task[None] | None = None


class Scheduler:
    """Runs jobs.

    ``load`` returns the state of a scope that is not in use yet. ``close`` gives a job the end that the log allows, or
    raises :class:`StoreError` while the log takes none.
    """

    def __init__(
        self,
        env: Environment,
        load: Callable[[str], Awaitable[StateStore]],
        close: Callable[[str], Awaitable[None]],
        budget: CostBudget | None = None,
        max_jobs: int = 32,
    ) -> None:
        self._env = env
        self._load = load
        self._close = close
        self._budget = budget
        self._room = asyncio.Semaphore(max_jobs)
        self._scopes: dict[str, Scope] = {}
        self._jobs: dict[str, LiveJob] = {}
        self._endings: set[asyncio.Task[None]] = set()

    def __iter__(self) -> Iterator[LiveJob]:
        return iter(list(self._jobs.values()))

    def get(self, job_id: str) -> LiveJob | None:
        """Return the live job of that id."""
        return self._jobs.get(job_id)

    async def state(self, scope: str) -> StateStore:
        """Return the present state of ``scope``."""
        entry = self._scopes.get(scope)
        return entry.state if entry is not None and entry.loaded else await self._load(scope)

    @asynccontextmanager
    async def hold(self, name: str, fresh: bool = False) -> AsyncIterator[Scope]:
        """Hold a scope, its state loaded, so that jobs and restores come to it one after the other.

        Its jobs run on meanwhile, none is added by others, and the state stays the one that they work on.
        ``fresh`` says that nobody has used it before: there is nothing to load.
        """
        scope = self._scopes.get(name)
        if scope is None:
            scope = self._scopes[name] = Scope(name)
        scope.holders += 1
        try:
            async with scope.turn:
                if not scope.loaded:
                    scope.state = StateStore() if fresh else await self._load(name)
                    scope.loaded = True
                yield scope
        finally:
            scope.holders -= 1
            self._let_go(scope)

    def _let_go(self, scope: Scope) -> None:
        if not (scope.jobs or scope.holders):
            del self._scopes[scope.name]

    def add(self, job: LiveJob, scope: Scope) -> None:
        """Queue a job whose ``job_created`` is in the log, in its scope, which the caller holds."""
        scope.jobs.append(job)
        self._jobs[job.job_id] = job
        if scope.worker is None:
            scope.worker = asyncio.create_task(self._work(scope), name=f"headway-scope-{scope.name}")

    async def drop_queued(self, job: LiveJob) -> bool:
        """End a cancelled job that has not started, at once; False if it has started meanwhile."""
        scope = self._scopes.get(job.spec.scope)
        if job.run is not None or scope is None or job not in scope.jobs:
            return False
        job.run = Run(self._env, job.job_id, job.plan, scope.state, job.token, None, job.prior, past=job.past)
        ending = asyncio.create_task(self._run(job))  # a task: who asked may go away before it has ended
        self._endings.add(ending)
        ending.add_done_callback(self._endings.discard)
        await job.done.wait()
        return True

    async def _work(self, scope: Scope) -> None:
        """Run the jobs of a scope one after the other, until there are none."""
        while scope.jobs:
            job = scope.jobs[0]
            async with self._room:
                if job.run is None:
                    meter = BudgetMeter(self._budget, job.spent) if self._budget is not None else None
                    job.run = Run(
                        self._env,
                        job.job_id,
                        job.plan,
                        scope.state,
                        job.token,
                        meter,
                        job.prior,
                        principal=job.spec.principal,
                        past=job.past,
                    )
                    if not job.token.is_cancelled():
                        job.move(JobStatus.RUNNING)
                    await self._run(job)
                    if job.run.refused is not None:  # what it changed is not in the log
                        scope.state = await self._load(scope.name)
                else:
                    await job.done.wait()  # cancelled in the queue: its end is being written
            scope.jobs.popleft()
        scope.worker = None
        self._let_go(scope)

    async def _run(self, job: LiveJob) -> None:
        assert job.run is not None
        try:
            result = await job.run.execute()
            job.move(JobStatus(result.status))
        except StoreError as error:
            _log.error("job %s: its end is not on disk yet: %s", job.job_id, error)
            if job.run.refused is not None:
                await self._closed(job)
        except Exception:  # noqa: BLE001 - a fault of ours must not keep the scope's other jobs from running
            _log.exception("job %s: its end failed", job.job_id)
        finally:
            self._jobs.pop(job.job_id, None)
            job.done.set()

    async def _closed(self, job: LiveJob) -> None:
        """Wait until a job whose run the log did not take whole has its end there: somebody may wait for that.

        A log that is closed leaves it to the next process.
        """
        while not self._env.log.closed:
            await self._env.clock.sleep(RETRY_S)
            with suppress(StoreError):
                await self._close(job.job_id)
                return
