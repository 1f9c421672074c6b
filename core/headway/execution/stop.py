"""The stop of a run before its end: its cause, and the words for its unstarted actions."""

from __future__ import annotations

from typing import NamedTuple

from headway.plan.results import CANCELED_PREFIX, SKIPPED_ABORT, SKIPPED_EARLIER_ABORT, ErrorCode

BREATH = 256
"""After how many actions that wait for nothing a run gives the loop a turn, so that a request to stop comes through."""


class Stop(NamedTuple):
    """The first cause wins: a run that was cancelled no longer aborts, and the other way round.

    ``here`` is the error of unstarted actions in the level that stopped, ``later`` that of later levels. ``outcome``
    and ``error`` are the job's.
    """

    here: str
    later: str
    code: ErrorCode
    outcome: str | None = None
    error: str | None = None
    rolls_back: bool = False


def aborted(action_id: str, error: str | None) -> Stop:
    """The stop of an action that failed with ``failure_behavior: abort``."""
    text = f"action '{action_id}' failed: {error}"
    return Stop(SKIPPED_ABORT, SKIPPED_EARLIER_ABORT, ErrorCode.ABORTED, "aborted", text, rolls_back=True)


def cancelled(reason: str) -> Stop:
    """The stop of a cancel or a kill."""
    text = f"{CANCELED_PREFIX}{reason}"
    return Stop(text, text, ErrorCode.CANCELED)


def exhausted(dimension: str, limit: int) -> Stop:
    """The stop of a budget that allows no more."""
    text = f"budget exhausted: {dimension} (limit {limit})"
    return Stop(text, text, ErrorCode.BUDGET_EXHAUSTED, "budget_exhausted", text)


def timed_out(outcome: str, why: str) -> Stop:
    """The stop of a job that took longer than it may; ``outcome`` says by which limit."""
    return Stop(f"not run: {why}", f"not run: {why}", ErrorCode.TIMEOUT, outcome, why)


def interrupted(why: str) -> Stop:
    """The stop of a run that cannot be recorded any more, or whose process died."""
    text = f"interrupted: {why}"
    return Stop(text, text, ErrorCode.INTERRUPTED, "interrupted", text)
