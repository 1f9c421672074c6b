"""The handle of a run: its id, its events, its view and its end, for whoever started it."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
from collections.abc import AsyncGenerator, Callable, Generator
from typing import TYPE_CHECKING, Any

from headway.errors import HeadwayError, as_line, describe
from headway.events.event import Event
from headway.events.kinds import TERMINAL_JOB
from headway.events.views import JobRow, RunView

if TYPE_CHECKING:
    from headway.jobs.course import Course
    from headway.jobs.job import LiveJob
    from headway.jobs.scope import Scope
    from headway.plan.results import ProposalResult

_log = logging.getLogger("headway.jobs")


class RunHandle:
    """A run that was started: ``await`` it for its :class:`headway.ProposalResult`.

    A run that is replanned leads to several jobs: ``job_id`` is that of the first, ``job_ids`` all so far; the view
    and a cancel are of the present one. Leaving the handle, or cancelling a task that awaits it, leaves the run alone.
    """

    def __init__(self, course: Course, progress: Callable[[RunView], object] | None = None) -> None:
        self._course = course
        self.job_id: str = course.jobs[0].job_id
        self._last: tuple[str, RunView] | None = None
        self._awaited = False
        course.task.add_done_callback(self._over)
        self._following = asyncio.create_task(self._report(progress)) if progress is not None else None

    @property
    def job_ids(self) -> list[str]:
        """The ids of the jobs that this run has led to so far, the first one first."""
        return [job.job_id for job in self._course.jobs]

    @property
    def scope(self) -> Scope:
        """The scope that the run works on."""
        return self._course.scope

    @property
    def done(self) -> bool:
        """True once the run has ended and its result is there."""
        return self._course.task.done()

    @property
    def view(self) -> RunView:
        """The present job's run as far as it is committed: a copy, taken now."""
        job_id = self._course.jobs[-1].job_id
        found = self._course.supervisor.store.live_run(job_id)
        if found is not None:
            self._last = job_id, found
        elif self._last is None or self._last[0] != job_id:
            self._last = job_id, RunView(job=JobRow(job_id=job_id, scope=self.scope.name))
        return self._last[1]

    def cancel(self, reason: str = "canceled by caller", by: str = "") -> bool:
        """Ask the run to stop: nothing new starts, what is in flight ends. False if that was asked already."""
        return not self.done and self._course.token.cancel(reason, by)

    def kill(self, reason: str = "killed by caller", by: str = "") -> bool:
        """Ask the run to stop immediately: calls in flight are cut off too. False if that was asked already."""
        return not self.done and self._course.token.kill(reason, by)

    def __await__(self) -> Generator[Any, None, ProposalResult]:
        return self._result().__await__()

    def _over(self, task: asyncio.Task[ProposalResult]) -> None:
        """Keep the last view, which a log in memory may let go of; tell of a refusal that nobody else hears of."""
        _ = self.view
        if self._awaited or task.cancelled() or self._course.jobs[-1].end_recorded:
            return
        error = task.exception()
        if isinstance(error, HeadwayError):
            _log.warning("job %s did not run, and nobody awaits it: %s", self.job_id, error.message)

    async def _result(self) -> ProposalResult:
        self._awaited = True
        result = await asyncio.shield(self._course.task)
        if self._following is not None:
            await asyncio.shield(self._following)
        return result

    async def events(self) -> AsyncGenerator[Event, None]:
        """Yield the run's events, replayed from its first and then live, job by job, until the last one has ended."""
        async with contextlib.aclosing(self._batches()) as batches:
            async for batch in batches:
                for event in batch:
                    yield event

    async def _batches(self) -> AsyncGenerator[list[Event], None]:
        index = 0
        while (job := await self._course.job_at(index)) is not None:
            async with contextlib.aclosing(self._batches_of(job)) as batches:
                async for batch in batches:
                    yield batch
            index += 1

    async def _batches_of(self, job: LiveJob) -> AsyncGenerator[list[Event], None]:
        task = self._course.task
        with self._course.env.log.subscribe(job.since, job_id=job.job_id) as subscription:

            def over(_: object) -> None:
                if not job.end_recorded:  # nothing will tell of its end
                    subscription.close()

            task.add_done_callback(over)
            try:
                if job.end_recorded and not await self._has_end(job):
                    return  # the log has let go of it
                async for batch in subscription:
                    yield batch
                    if any(event.kind in TERMINAL_JOB for event in batch):
                        return
            finally:
                task.remove_done_callback(over)

    async def _has_end(self, job: LiveJob) -> bool:
        return bool(await self._course.env.log.read(job.since, job_id=job.job_id, kinds=TERMINAL_JOB, limit=1))

    async def _report(self, progress: Callable[[RunView], object]) -> None:
        """Call ``progress`` with the view at each news; what it raises is logged, and ends the reports only."""
        try:
            async with contextlib.aclosing(self._batches()) as batches:
                async for _ in batches:
                    reported = progress(self.view)
                    if inspect.isawaitable(reported):
                        await reported
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - a callback may raise anything; the run does not end for it
            _log.warning("job %s: the progress callback failed: %s", self.job_id, as_line(describe(error)))

    def __repr__(self) -> str:
        return f"RunHandle({self.job_id!r}, {'done' if self.done else 'running'})"
