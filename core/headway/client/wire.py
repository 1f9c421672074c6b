"""Answers of the operator API that no view or result says already. Both of its sides import it from here."""

from __future__ import annotations

from typing import Any

import msgspec

from headway.events.event import Event
from headway.events.views import JobRow, ScheduleRow
from headway.tools.sandbox import SandboxState

API_PREFIX = "/operator/v1"
"""The prefix of the operator API's routes."""

ACTOR_HEADER = "X-Headway-Actor"
"""The header that names who commands, for the audit (UTF-8). Without it: the daemon's own user, ``unix:<uid>``."""

KEEP_ALIVE_S = 15.0
"""Seconds of silence after which an event stream sends a comment, so that both ends see a dead connection."""


class DaemonStatus(msgspec.Struct):
    """A daemon's own account: ``url`` is its A2A endpoint, ``running`` and ``queued`` count jobs.

    ``workspace`` is the folder that file tools work in, "" if there is none; ``project`` and ``root`` are the name and
    the folder of its project. ``sandbox`` is that of the programs that tools start. ``auth`` is what the A2A endpoint
    asks of its callers: "token" or "none"; ``header`` the file with the header that it wants.
    ``restarting`` says that it waits for its jobs to end; ``kind`` is "daemon", or "run" for a command that runs a
    plan and ends with its jobs.
    """

    version: str
    pid: int
    home: str
    url: str
    started_ms: int
    last_seq: int
    running: int = 0
    queued: int = 0
    stopping: bool = False
    tools: list[str] = []
    workspace: str = ""
    project: str = ""
    root: str = ""
    sandbox: SandboxState | None = None
    auth: str = ""
    header: str = ""
    kind: str = "daemon"
    restarting: bool = False


class JobAnswer(msgspec.Struct):
    """The answer to a command on a job, and the job as it then stood.

    Of a cancel or a kill forced, requested or already_finished, of a pause paused or requested, of a resume queued.
    """

    answer: str
    job: JobRow


class ScheduleInfo(msgspec.Struct):
    """A schedule as it stands. ``status`` is active, paused, disabled, done (nothing comes any more) or broken.

    ``next_ms`` is its next time; ``problem`` says what is wrong with one that is broken.
    """

    schedule: ScheduleRow
    status: str
    next_ms: int | None = None
    problem: str = ""


class ScheduleRun(msgspec.Struct):
    """A schedule that was started by hand: the job that came of it."""

    name: str
    job_id: str


class BulkItem(msgspec.Struct, omit_defaults=True):
    """The verdict on one job: what it answered, or "refused" with the reason; before anything is done, "matches".

    ``into`` is the job that came of it, by a retry or a fork.
    """

    job_id: str
    status: str
    verdict: str
    title: str = ""
    message: str = ""
    code: str = ""
    into: str = ""


class BulkReport(msgspec.Struct):
    """The verdicts of a bulk operation, oldest job first. ``done`` is False for a look: then nothing was changed."""

    action: str
    where: str
    done: bool
    items: list[BulkItem] = []

    @property
    def refused(self) -> int:
        """The number of jobs that refused."""
        return sum(item.verdict == "refused" for item in self.items)

    def counts(self) -> dict[str, int]:
        """Return how many jobs there are of each verdict."""
        counts: dict[str, int] = {}
        for item in self.items:
            counts[item.verdict] = counts.get(item.verdict, 0) + 1
        return counts


class JobHistory(msgspec.Struct):
    """A page of a job's history: its events in order, and ``next_after``, from which the next page goes on, if any."""

    job: JobRow
    events: list[Event]
    next_after: int | None = None


class Successor(msgspec.Struct, omit_defaults=True):
    """The job that replaces one which aborted; ``decided`` is False while its replanning is in progress."""

    job_id: str | None = None
    decided: bool = True


class ToolInfo(msgspec.Struct):
    """One tool that plans may call. ``parameters`` and ``returns`` are JSON Schemas."""

    name: str
    description: str = ""
    parameters: dict[str, Any] = {}
    returns: dict[str, Any] | None = None
    idempotent: bool = False
    rate_limit: dict[str, Any] | None = None
    source: str = ""
    permission: str = "allow"
    category: str = ""
    writes_files: bool = False
