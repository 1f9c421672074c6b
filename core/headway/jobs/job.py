"""A job that this process holds: waiting for its turn, or running."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from headway.jobs.transitions import JobStatus, move

if TYPE_CHECKING:
    from headway.cancellation import CancellationToken
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

    def admitted(self, spec: JobSpec, plan: Graph) -> None:
        """Take note that the job is in the log, or about to be."""
        self.spec, self.plan = spec, plan

    @property
    def ending(self) -> bool:
        """True once the terminal event is in the log, so that no request can change the end."""
        return self.done.is_set() or (self.run is not None and self.run.sealed)

    def move(self, status: JobStatus) -> None:
        """Take the next status; :class:`headway.errors.InvalidTransition` if the table does not have it."""
        self.status = move(self.job_id, self.status, status)
