"""The look of a state: one glyph of one cell, an ASCII twin, a word, and the name of a colour.

Colour is never alone: the glyph differs and the word is there, so nothing is lost without colours or without seeing
them. The colour is a theme variable, ``$state-<tone>``.
"""

from __future__ import annotations

import msgspec

from headway.events.views import ActionView, JobRow, LevelView
from headway.plan.results import ActionStatus, ErrorCode

TONES: tuple[str, ...] = ("running", "succeeded", "failed", "skipped", "waiting", "pending", "cancelled")
"""The colours a theme gives to states, as ``$state-<tone>``."""


class Look(msgspec.Struct, frozen=True):
    """One state: ``glyph`` and ``ascii`` are one cell wide, ``word`` is at most 9 cells, that of a job at most 10."""

    glyph: str
    ascii: str
    word: str
    tone: str


PENDING = Look("○", ".", "pending", "pending")
READY = Look("◌", "o", "ready", "pending")
QUEUED = Look("◔", "q", "queued", "waiting")
RUNNING = Look("●", ">", "running", "running")
WAITING = Look("◆", "?", "waiting", "waiting")
RETRYING = Look("↻", "r", "retrying", "waiting")
SUCCEEDED = Look("✔", "+", "succeeded", "succeeded")
CACHED = Look("≡", "=", "cached", "succeeded")
FAILED = Look("✖", "x", "failed", "failed")
REJECTED = Look("✖", "x", "rejected", "failed")
CANCELLED = Look("⊘", "-", "cancelled", "cancelled")
SKIPPED = Look("┄", "s", "skipped", "skipped")
TIMED_OUT = Look("⧖", "t", "timed out", "failed")
BUDGET = Look("$", "$", "no budget", "cancelled")
COMPLETED = Look("✔", "+", "completed", "succeeded")
PAUSED = Look("◆", "?", "paused", "waiting")
LOST = Look("✖", "x", "cut off", "failed")
CANCELLING = Look("⊘", "-", "cancelling", "cancelled")

_JOBS = {
    "queued": Look("◔", "q", "queued", "pending"),
    "running": RUNNING,
    "paused": PAUSED,
    "completed": COMPLETED,
    "failed": FAILED,
    "cancelled": CANCELLED,
}


def action_look(action: ActionView, level: LevelView | None = None) -> Look:
    """Return how an action stands. ``level`` tells an action that may start from one that is not there yet."""
    status = action.status
    if status is ActionStatus.SUCCEEDED:
        return SUCCEEDED
    if status is ActionStatus.EXECUTING:
        return RUNNING
    if status is ActionStatus.FAILED:
        return _FAILURES.get(action.error_code, FAILED) if action.error_code else FAILED
    if status is ActionStatus.REJECTED:
        return REJECTED
    if status is ActionStatus.SKIPPED:
        return _SKIPS.get(action.error_code, SKIPPED) if action.error_code else SKIPPED
    waiting = action.waiting_for
    if waiting:
        if waiting.startswith("rate_limit"):
            return QUEUED
        return RETRYING if waiting.startswith("retry") else WAITING
    if level is not None and level.started_ms is not None and level.finished_ms is None:
        return READY
    return PENDING


_FAILURES = {
    ErrorCode.TIMEOUT: TIMED_OUT,
    ErrorCode.CANCELED: CANCELLED,
    ErrorCode.KILLED: Look("⊘", "-", "killed", "cancelled"),
    ErrorCode.INTERRUPTED: LOST,
}
_SKIPS = {
    ErrorCode.CANCELED: CANCELLED,
    ErrorCode.KILLED: CANCELLED,
    ErrorCode.BUDGET_EXHAUSTED: BUDGET,
    ErrorCode.TIMEOUT: TIMED_OUT,
}


def cancelling(job: JobRow) -> bool:
    """Return whether a cancel or kill was asked for (that is in the log) and the job has not ended yet."""
    return job.cancel_reason is not None and not job.finished


def job_look(job: JobRow) -> Look:
    """Return how a job stands."""
    look = _JOBS.get(job.status, PENDING)
    if job.status == "failed" and job.outcome == "rejected":
        return REJECTED
    if cancelling(job):
        return CANCELLING
    if job.status == "running" and job.waiting_for:
        return WAITING
    return look


class Shapes(msgspec.Struct, frozen=True):
    """The characters that panels are drawn with; :data:`ASCII` has a twin for each."""

    full: str
    empty: str
    held: str
    mark: str
    rail: str
    open: str
    closed: str
    dot: str
    dash: str
    more: str
    arrow: str
    cursor: str
    sigma: str

    def look(self, look: Look) -> str:
        """Return the glyph of a state in this set."""
        return look.ascii if self.full == "=" else look.glyph


UNICODE = Shapes("━", "─", "╍", "┃", "┃", "▾", "▸", "·", "–", "…", "→", "▌", "Σ")
ASCII = Shapes("=", "-", "~", "|", "|", "v", ">", "-", "-", "~", "->", ">", "all")


def bar(shapes: Shapes, width: int, fraction: float) -> tuple[str, str]:
    """Return the filled and the empty part of a bar; something begun or unfinished always shows."""
    if width <= 0:
        return "", ""
    full = round(max(0.0, min(1.0, fraction)) * width)
    if full == 0 and fraction > 0:
        full = 1
    elif full == width and fraction < 1 and width > 1:
        full = width - 1
    return shapes.full * full, shapes.empty * (width - full)
