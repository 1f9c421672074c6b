"""Retries of jobs: after which errors, when, and the event that says so."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from headway.events import kinds
from headway.events.event import Event
from headway.events.fold.jobs import RETRY
from headway.plan.results import ActionResult, ActionStatus, ErrorCode

BASE_S = 0.5
"""Seconds until the first retry; each further one waits twice as long."""

LONGEST_WAIT_S = 3600.0

MAY_PASS = frozenset({ErrorCode.TOOL_ERROR, ErrorCode.TIMEOUT})
"""The errors that another try may not meet. What was refused, denied, used up or killed is no better the next time."""


def delay_s(attempt: int) -> float:
    """Return the seconds before retry number ``attempt`` (from 1): 0.5, 1, 2, …"""
    return min(LONGEST_WAIT_S, BASE_S * 2.0 ** (attempt - 1))


def may_pass(results: Iterable[ActionResult | None]) -> bool:
    """Return whether all that failed in a run did so by an error that may pass."""
    bad = [r for r in results if r is not None and r.status in (ActionStatus.FAILED, ActionStatus.REJECTED)]
    return bool(bad) and all(result.error_code in MAY_PASS and not result.terminal for result in bad)


class Retries(NamedTuple):
    """The retries of a job: ``attempt`` so far, of at most ``most``."""

    attempt: int = 0
    most: int = 0

    def next(self, job_id: str, error: str | None, now_ms: int) -> Event | None:
        """Return the event that queues a failed job for its next try; None if it has had all."""
        attempt = self.attempt + 1
        if attempt > self.most:
            return None
        due = now_ms + round(delay_s(attempt) * 1000)
        return requeued(job_id, RETRY, error=error, attempt=attempt, next_retry_ms=due)


def requeued(job_id: str, why: str, **more: object) -> Event:
    """Return the event that queues a job again: ``why`` is retry, lease, restart or resume."""
    return Event(kinds.JOB_REQUEUED, {"why": why} | {key: value for key, value in more.items() if value}, job_id)
