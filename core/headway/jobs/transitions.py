"""The statuses of a job and how it may go from one to another::

queued ──> running ──> completed
  │          │  ^ ├──> failed
  │          v  │ └──> cancelled
  │        paused ───> failed, cancelled
  └──────────────────> failed (refused or interrupted), cancelled

running ──> queued     waits for a retry
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType

from headway.errors import InvalidTransition


class JobStatus(StrEnum):
    """The status of a job. The last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


_FINAL: frozenset[JobStatus] = frozenset()

TRANSITIONS = MappingProxyType(
    {
        JobStatus.QUEUED: frozenset({JobStatus.RUNNING, JobStatus.FAILED, JobStatus.CANCELLED}),
        JobStatus.RUNNING: frozenset(
            {JobStatus.QUEUED, JobStatus.PAUSED, JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED}
        ),
        JobStatus.PAUSED: frozenset({JobStatus.RUNNING, JobStatus.FAILED, JobStatus.CANCELLED}),
        JobStatus.COMPLETED: _FINAL,
        JobStatus.FAILED: _FINAL,
        JobStatus.CANCELLED: _FINAL,
    }
)
"""From each status, the statuses that may follow."""


def move(job_id: str, now: JobStatus, then: JobStatus) -> JobStatus:
    """Return ``then`` if a job may go there from ``now``; raise :class:`InvalidTransition` otherwise."""
    if then not in TRANSITIONS[now]:
        raise InvalidTransition(f"job {job_id} is {now.value} and cannot become {then.value}")
    return then
