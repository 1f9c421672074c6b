"""A job that this process holds: queued or running."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from headway.cancellation import CancellationToken
from headway.jobs.transitions import JobStatus, move
from headway.plan.results import ActionResult

if TYPE_CHECKING:
    from headway.execution.resumption import Resumption
    from headway.execution.run import Run
    from headway.jobs.admission import JobSpec
    from headway.plan.graph import Graph


class LiveJob:
    """The plan of a job, its token and, once it runs, its run. ``done`` is set when its end is committed."""

    def __init__(
        self,
        spec: JobSpec,
        plan: Graph,
        prior: Sequence[ActionResult | None] = (),
        spent: dict[str, int] | None = None,
        past: Resumption | None = None,
    ) -> None:
        self.spec = spec
        self.plan = plan
        self.prior = prior
        self.spent = spent
        self.past = past
        self.token = CancellationToken()
        self.run: Run | None = None
        self.status = JobStatus.QUEUED
        self.done = asyncio.Event()

    @property
    def job_id(self) -> str:
        """The job's id."""
        return self.spec.job_id

    @property
    def ending(self) -> bool:
        """Whether the terminal event is in the log, so that no request can change the end."""
        return self.run is not None and self.run.sealed

    def move(self, status: JobStatus) -> None:
        """Take the next status; :class:`headway.errors.InvalidTransition` if the table does not have it."""
        self.status = move(self.job_id, self.status, status)
