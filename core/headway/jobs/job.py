"""A job that this process holds: waiting for its turn, or running."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from headway.cancellation import soon
from headway.jobs.transitions import JobStatus, move

if TYPE_CHECKING:
    from headway.cancellation import CancellationToken
    from headway.clock import Clock
    from headway.execution.resumption import Resumption
    from headway.execution.run import Run
    from headway.jobs.admission import JobSpec
    from headway.plan.graph import Graph
    from headway.plan.results import ActionResult


class LiveJob:
    """A job from the call that starts it to its end; ``done`` is set when that end is committed.

    ``spec`` and ``plan`` are None until it is admitted, ``run`` until its turn comes. ``prior`` holds the results that
    a fork takes over, ``past`` what a run that resumes has behind it. Its first event comes after seq ``since``.
    """

    def __init__(self, job_id: str, token: CancellationToken, since: int) -> None:
        self.job_id = job_id
        self.token = token
        self.since = since
        self.spec: JobSpec | None = None
        self.plan: Graph | None = None
        self.prior: Sequence[ActionResult | None] = ()
        self.past: Resumption | None = None
        self.run: Run | None = None
        self.size = 0  # bytes of its plan and graph, as far as the supervisor counts them
        self.status = JobStatus.QUEUED
        self.done = asyncio.Event()
        self.end_recorded = False  # its terminal event is in the log
        self.replaces: str | None = None  # the job that aborted, and that this one was proposed for
        self.attempt = 0  # retries so far
        self.due_ms: int | None = None  # while it waits for its next retry
        self._change: asyncio.Future[None] | None = None

    def admitted(self, spec: JobSpec, plan: Graph) -> None:
        """Take note that the job is in the log, or about to be."""
        self.spec, self.plan = spec, plan

    @property
    def ending(self) -> bool:
        """True once the terminal event is in the log, so that no request can change the end."""
        return self.done.is_set() or (self.run is not None and self.run.sealed and not self.run.aside)

    @property
    def paused(self) -> bool:
        """True while it is paused: it takes no place, and may stay so for ever."""
        return self.status is JobStatus.PAUSED

    @property
    def standing(self) -> bool:
        """True while no run of it is under way: before its turn, or between two of its runs."""
        return self.run is None or bool(self.run.aside)

    def is_aside(self) -> bool:
        """True while it waits for something other than its turn or a place: to be resumed, or for its retry."""
        return self.paused or self.due_ms is not None

    def tell(self) -> None:
        """Have who waits for a change of the job look at it."""
        change, self._change = self._change, None
        if change is not None and not change.done():
            change.set_result(None)

    async def changed(self, clock: Clock, until_ms: int | None = None) -> None:
        """Wait until :meth:`tell`, a request of the token, or the time ``until_ms``."""
        loop = asyncio.get_running_loop()
        change = self._change = loop.create_future()
        unlisten = self.token.listen(lambda: soon(loop, self.tell))
        timer = clock.call_later((until_ms - clock.time_ms()) / 1000, self.tell) if until_ms is not None else None
        try:
            if not self.token.is_cancelled():
                await change
        finally:
            unlisten()
            if timer is not None:
                timer.cancel()

    def move(self, status: JobStatus) -> None:
        """Take the next status; :class:`headway.errors.InvalidTransition` if the table does not have it."""
        self.status = move(self.job_id, self.status, status)
