"""The statuses of a job, how it may go from one to another, and what may be asked of it in each::

             +---- retry, lease, restart ----+
             v                               |
    (new) -> queued ------------------> running ----> completed
             |  ^ |                      |  |
             |  | |  +------ pause ------+  +-------> failed, cancelled
             |  | v  v
             |  paused --------------------------------> failed, cancelled
             |    (resume)
             +-----------------------------------------> failed (refused at admission, interrupted), cancelled

A job that waits for its retry is queued, with the time of it; one that admission refuses is failed, outcome rejected.
"""

from __future__ import annotations

from collections.abc import Mapping
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


_NONE: frozenset[JobStatus] = frozenset()

TRANSITIONS = MappingProxyType(
    {
        JobStatus.QUEUED: frozenset({JobStatus.RUNNING, JobStatus.PAUSED, JobStatus.FAILED, JobStatus.CANCELLED}),
        JobStatus.RUNNING: frozenset(
            {JobStatus.QUEUED, JobStatus.PAUSED, JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED}
        ),
        JobStatus.PAUSED: frozenset({JobStatus.QUEUED, JobStatus.FAILED, JobStatus.CANCELLED}),
        JobStatus.COMPLETED: _NONE,
        JobStatus.FAILED: _NONE,
        JobStatus.CANCELLED: _NONE,
    }
)
"""From each status, the statuses that may follow."""

FINAL = frozenset(status for status, following in TRANSITIONS.items() if not following)
"""The statuses that nothing follows."""


class Operation(StrEnum):
    """A thing that may be asked of a job."""

    START = "start"
    PROGRESS = "progress"
    COMPLETE = "complete"
    FAIL = "fail"
    CANCEL = "cancel"
    PAUSE = "pause"
    RESUME = "resume"


def _of(**following: str) -> Mapping[JobStatus, frozenset[JobStatus]]:
    return MappingProxyType(
        {JobStatus(now): frozenset(map(JobStatus, then.split())) for now, then in following.items()}
    )


OPERATIONS: Mapping[Operation, Mapping[JobStatus, frozenset[JobStatus]]] = MappingProxyType(
    {
        Operation.START: _of(queued="running"),
        Operation.PROGRESS: _of(running="running"),
        Operation.COMPLETE: _of(running="completed"),
        Operation.FAIL: _of(running="queued failed"),  # queued: it waits for its retry
        Operation.CANCEL: _of(
            queued="cancelled",
            running="running cancelled",  # running: it has been asked to stop
            paused="cancelled",
            completed="completed",  # already finished: nothing happens
            failed="failed",
            cancelled="cancelled",
        ),
        Operation.PAUSE: _of(queued="paused", running="running paused"),  # running: calls are in flight yet
        Operation.RESUME: _of(paused="queued"),
    }
)
"""For each operation the statuses in which it may be asked for, and those that it may lead to."""

_WORDS = {
    Operation.START: "be set running",
    Operation.PROGRESS: "report progress",
    Operation.COMPLETE: "be completed",
    Operation.FAIL: "be failed",
    Operation.CANCEL: "be cancelled",
    Operation.PAUSE: "be paused",
    Operation.RESUME: "be resumed",
}


def move(job_id: str, now: JobStatus, then: JobStatus) -> JobStatus:
    """Return ``then`` if a job may go there from ``now``; raise :class:`InvalidTransition` otherwise."""
    if then not in TRANSITIONS[now]:
        raise InvalidTransition(f"job {job_id} is {now.value} and cannot become {then.value}")
    return then


def require(job_id: str, now: JobStatus | str, operation: Operation) -> None:
    """Raise :class:`InvalidTransition` unless ``operation`` may be asked of a job that is ``now``."""
    now = JobStatus(now)
    if now not in OPERATIONS[operation]:
        raise InvalidTransition(f"job {job_id} is {now.value} and cannot {_WORDS[operation]}")
