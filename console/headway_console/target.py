"""Targets: what an act is done to. An act never guesses: it gets its target, and its dialog names it."""

from __future__ import annotations

import msgspec

from headway.events.views import Elicitation, JobRow
from headway_console.text import clean

KINDS = {
    "job": "run",
    "level": "level",
    "action": "action",
    "event": "event",
    "bucket": "bucket",
    "budget": "budget",
    "checkpoint": "checkpoint",
    "question": "question",
}
"""The kinds of targets, and the word for each."""


class Target(msgspec.Struct, frozen=True):
    """One thing by its kind (see :data:`KINDS`) and id. ``job_id`` is the job that it belongs to, if one.

    Two targets are equal if they are the same thing: ``title`` is for people, and may change.
    """

    kind: str
    id: str
    job_id: str | None = None
    title: str = ""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Target):
            return NotImplemented
        return (self.kind, self.id, self.job_id) == (other.kind, other.id, other.job_id)

    def __hash__(self) -> int:
        return hash((self.kind, self.id, self.job_id))

    @property
    def noun(self) -> str:
        """The word for its kind."""
        return KINDS.get(self.kind, self.kind)

    @property
    def name(self) -> str:
        """Its title and id, as dialogs say it."""
        title = clean(self.title)
        return f"{title} ({clean(self.id)})" if title and title != clean(self.id) else clean(self.id)


def job_target(job: JobRow) -> Target:
    """Return a job as a target."""
    return Target("job", job.job_id, job.job_id, job.title or job.source)


def question_target(question: Elicitation) -> Target:
    """Return an open question as a target."""
    return Target("question", question.id, question.job_id, question.prompt)
