"""The terms of a job: what it is, how urgent, how often it is tried again, how long it may take, and who is asked."""

from __future__ import annotations

from typing import Any

import msgspec

from headway.arguments import plain_or_empty
from headway.errors import InvalidInput
from headway.events.views import EXTERNAL
from headway.numbers import positive_seconds, whole_number

PRIORITIES = 100
"""Priorities go from minus this to this."""

MAX_RETRIES = 3
"""The retries of a job of the job API, by default."""

MOST_RETRIES = 20

GRACE_S = 5.0
"""Seconds after a cancel until what is in flight is killed, by default, for a job of the job API."""


class Terms(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The terms of a job; ``job_created`` records those that are not at their default.

    ``work`` is empty for a plan of the caller's, else "call:TOOL", "workflow:NAME" or "external". ``key`` is a digest
    of the request by which its repetition is known. The jobs of a greater ``priority`` run first. A job that fails by
    an error that may pass is run anew up to ``max_retries`` times. It fails when a try takes longer than ``wall_s``
    seconds, or when its calls in flight let ``idle_s`` seconds go by without an event; ``grace_s`` seconds after a
    cancel what is still in flight is killed. None: no such limit. ``approval`` is the mode in which the exec policy
    judges its calls (:func:`headway.policy.exec.asking.approval_of`), in the place of the one that is set.
    """

    work: str = ""
    key: str = ""
    priority: int = 0
    max_retries: int = 0
    wall_s: float | None = None
    idle_s: float | None = None
    grace_s: float | None = None
    approval: Any = None

    def __post_init__(self) -> None:
        plain_or_empty(self.work, "a job's work", 1100)
        plain_or_empty(self.key, "a job's key", 1100)
        priority: object = self.priority
        if isinstance(priority, bool) or not isinstance(priority, int) or abs(priority) > PRIORITIES:
            raise InvalidInput(f"a priority is a whole number from -{PRIORITIES} to {PRIORITIES}")
        if whole_number(self.max_retries, "max_retries", 0) > MOST_RETRIES:
            raise InvalidInput(f"max_retries must be at most {MOST_RETRIES}")
        for name in ("wall_s", "idle_s", "grace_s"):
            if getattr(self, name) is not None:
                positive_seconds(getattr(self, name), name)
        if self.approval is not None:
            from headway.policy.exec.asking import approval_of

            approval_of(self.approval)

    @property
    def external(self) -> bool:
        """True for a job that is done elsewhere."""
        return self.work == EXTERNAL

    @property
    def limited(self) -> bool:
        """True if there is a limit to watch."""
        return not (self.wall_s is None and self.idle_s is None and self.grace_s is None)

    def kept(self) -> dict[str, Any]:
        """Return what the log keeps; nothing of terms that are all at their default."""
        made: dict[str, Any] = msgspec.to_builtins(self)
        return made


def terms_of(kept: Any) -> Terms:
    """Return the terms that the data of a ``job_created`` holds; the default for what cannot be understood."""
    try:
        return msgspec.convert(kept, Terms) if kept else Terms()
    except (InvalidInput, msgspec.ValidationError):
        return Terms()
