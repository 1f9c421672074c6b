"""The operator API as methods: what a console, a command line or a script may ask of a daemon."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

import msgspec

from headway.client.follow import Follower
from headway.client.transport import Transport
from headway.client.wire import (
    BulkReport,
    DaemonStatus,
    JobAnswer,
    JobHistory,
    ScheduleInfo,
    ScheduleRun,
    Successor,
    ToolInfo,
)
from headway.clock import SYSTEM_CLOCK, Clock
from headway.errors import InvalidInput, InvalidPlan, StoreError, Unavailable, one_line
from headway.events.checkpoint import CheckpointInfo, StateDiff
from headway.events.event import Event
from headway.events.snapshot import Snapshot
from headway.events.views import Elicitation, InboxPage, JobRow, RunView
from headway.home import Home, check_private
from headway.plan.format import ActionProposal
from headway.plan.parse import MAX_BYTES, PlanLike, as_proposal
from headway.plan.results import ProposalResult
from headway.plan.verify import VerifyReport

Proposal = PlanLike
"""A plan as the methods take it: a model, a mapping, or JSON, which travels byte for byte: numbers stay as they are."""

PATIENCE_S = 15.0
"""Seconds that :meth:`OperatorClient.follow` tries to come back after the stream broke."""

SLOW_S = 300.0
"""Seconds for a command whose work depends on how much there is (prune, bulk)."""


class OperatorClient:
    """A connection to one daemon, as an async context manager.

    It goes over the Unix socket of ``home``, or over ``url`` with ``token``. ``actor`` is who the audit names (default:
    the daemon's own user); ``timeout`` is the longest silence before an answer, in seconds. Nothing is sent before the
    first call.

    Every method raises the :mod:`headway.errors` class that the daemon named, with its message, and
    :class:`Unavailable` when no daemon answers: no socket, one that a dead daemon left, a daemon that stops; its
    subclass :class:`~headway.errors.NoAnswer` when one is there that does not answer in time.
    """

    def __init__(
        self,
        home: Home | Path | str | None = None,
        *,
        url: str | None = None,
        token: str | None = None,
        actor: str | None = None,
        timeout: float = 30.0,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        if (home is None) == (url is None):
            raise InvalidInput("an operator client needs a home or a URL, and not both")
        socket = None
        if home is not None:
            place = home if isinstance(home, Home) else Home(home)
            socket = place.socket
            if socket.parent != place.path:
                _check_folder(socket.parent)
        self._clock = clock
        self._transport = Transport(socket=socket, url=url, token=token, actor=actor, timeout=timeout)
        self._ask = self._transport.ask

    async def __aenter__(self) -> OperatorClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection; streams end. Closing twice is harmless."""
        await self._transport.close()

    # -- reading -------------------------------------------------------------------------------------------------

    async def status(self) -> DaemonStatus:
        """Return what the daemon says of itself."""
        return await self._ask("GET", "/status", DaemonStatus)

    async def snapshot(self, job_id: str | None = None) -> Snapshot:
        """Return the views as of one seq; with a job id, that run too (:class:`NotFound`)."""
        return Snapshot.answered(await self._ask("GET", "/snapshot", msgspec.Raw, query={"job": job_id}))

    async def events(self, after: int = 0, job_id: str | None = None, limit: int = 1000) -> list[Event]:
        """Return up to ``limit`` events (at most 10,000) with ``seq > after``, oldest first."""
        query = {"after": after, "job": job_id, "limit": limit}
        return await self._ask("GET", "/events", list[Event], query=query)

    def follow(
        self,
        after: int = 0,
        job_id: str | None = None,
        *,
        patience: float = PATIENCE_S,
        on_lag: Callable[[int], object] | None = None,
    ) -> AsyncGenerator[list[Event], None]:
        """Follow the log from just after seq ``after``: non-empty batches in seq order, replay first, then live.

        A broken connection is made anew, with back-off, from the last event received, until ``patience`` seconds
        (0: none) have passed without one; then :class:`Unavailable`. ``on_lag(behind)`` is called when the daemon
        says that this reader is more than 10,000 events behind. Close the iterator (``contextlib.aclosing``) when
        leaving it early.
        """
        follower = Follower(self._transport, self._clock, after=after, job_id=job_id, patience=patience, on_lag=on_lag)
        return follower.batches()

    async def jobs(
        self, status: str | None = None, limit: int = 100, before: int | None = None, where: str | None = None
    ) -> list[JobRow]:
        """Return jobs, newest first, that the filter ``where`` means; ``before`` is the ``first_seq`` of the last one
        of the page before.
        """
        query = {"status": status, "limit": limit, "before": before, "where": where}
        return await self._ask("GET", "/jobs", list[JobRow], query=query)

    async def job(self, job_id: str, *, full: bool = False) -> RunView:
        """Return one run, whole; outputs of more than 64 KiB are references unless ``full``."""
        return await self._ask("GET", f"/jobs/{_segment(job_id)}", RunView, query={"full": 1 if full else None})

    async def result(self, job_id: str) -> ProposalResult:
        """Return what a finished run came to, large outputs included; :class:`Conflict` while it runs."""
        return await self._ask("GET", f"/jobs/{_segment(job_id)}/result", ProposalResult)

    async def tools(self) -> list[ToolInfo]:
        """Return the tools that plans may call, by name."""
        return await self._ask("GET", "/tools", list[ToolInfo])

    async def verify(self, proposal: Proposal, context_id: str | None = None) -> VerifyReport:
        """Check a plan against the daemon's tools and the context's state; nothing runs."""
        body = {"proposal": _raw(proposal), "context_id": context_id}
        return await self._ask("POST", "/verify", VerifyReport, body=body)

    # -- commands ------------------------------------------------------------------------------------------------

    async def submit(
        self,
        proposal: Proposal,
        *,
        context_id: str | None = None,
        title: str | None = None,
        source: str | None = None,
        project: str | None = None,
        digest: str | None = None,
    ) -> JobRow:
        """Start a plan; the job is on disk when this returns. :class:`InvalidPlan` holds the verifier's ``issues``.

        With ``project`` (the real path of its folder) and ``digest`` (of its configuration), a daemon that has others
        refuses: :class:`Conflict`.
        """
        body = {
            "proposal": _raw(proposal),
            "context_id": context_id,
            "title": title,
            "source": source,
            "project": project,
            "digest": digest,
        }
        return await self._ask("POST", "/jobs", JobRow, body=body)

    async def successor(self, job_id: str) -> str | None:
        """Return the id of the job that replaces this one after its abort, once that is decided; None if none does."""
        while not (answer := await self._ask("GET", f"/jobs/{_segment(job_id)}/successor", Successor)).decided:
            pass  # the daemon waits before it answers so
        return answer.job_id

    async def cancel(self, job_id: str, reason: str | None = None) -> str:
        """Stop a job softly: ``requested``, ``forced`` (it had not started) or ``already_finished``."""
        body = {"reason": reason} if reason is not None else {}
        return (await self._ask("POST", f"/jobs/{_segment(job_id)}/cancel", JobAnswer, body=body)).answer

    async def kill(self, job_id: str, reason: str | None = None) -> str:
        """Stop a job hard, tools in flight included; the same answers."""
        body = {"reason": reason} if reason is not None else {}
        return (await self._ask("POST", f"/jobs/{_segment(job_id)}/kill", JobAnswer, body=body)).answer

    async def inbox(self, limit: int = 100, offset: int = 0) -> InboxPage:
        """Return a page of the questions that wait for a person, the most blocking first, and the jobs that failed."""
        return await self._ask("GET", "/elicitations", InboxPage, query={"limit": limit, "offset": offset})

    async def elicitation(self, elicitation_id: str) -> Elicitation:
        """Return a question, whole, open or closed."""
        return await self._ask("GET", f"/elicitations/{_segment(elicitation_id)}", Elicitation)

    async def answer(self, elicitation_id: str, choice: str, value: Any = None, reason: str = "") -> Elicitation:
        """Answer a question and return it: see :meth:`headway.elicitation.Elicitations.answer`."""
        body = {"choice": choice, "value": value, "reason": reason}
        return await self._ask("POST", f"/elicitations/{_segment(elicitation_id)}/answer", Elicitation, body=body)

    async def schedules(self) -> list[ScheduleInfo]:
        """Return every schedule with its next time, those that are broken among them."""
        return await self._ask("GET", "/schedules", list[ScheduleInfo])

    async def add_schedule(
        self,
        name: str,
        workflow: str,
        *,
        cron: str | None = None,
        at: str | None = None,
        timezone: str = "UTC",
        missed: str = "skip",
    ) -> ScheduleInfo:
        """Add a schedule and return it: see :meth:`headway.jobs.schedules.Schedules.add`."""
        body = {"name": name, "workflow": workflow, "cron": cron, "at": at, "timezone": timezone, "missed": missed}
        return await self._ask("POST", "/schedules", ScheduleInfo, body=body)

    async def run_schedule(self, name: str) -> str:
        """Start what a schedule names now; return the job's id."""
        return (await self._ask("POST", f"/schedules/{_segment(name)}/run", ScheduleRun)).job_id

    async def pause_schedule(self, name: str) -> ScheduleInfo:
        """Start nothing for a schedule until it is resumed."""
        return await self._ask("POST", f"/schedules/{_segment(name)}/pause", ScheduleInfo)

    async def resume_schedule(self, name: str) -> ScheduleInfo:
        """Follow a paused schedule again."""
        return await self._ask("POST", f"/schedules/{_segment(name)}/resume", ScheduleInfo)

    async def remove_schedule(self, name: str) -> ScheduleInfo:
        """Remove a schedule that was added, and return it as it was."""
        return await self._ask("POST", f"/schedules/{_segment(name)}/remove", ScheduleInfo)

    async def pause(self, job_id: str, reason: str | None = None) -> str:
        """Pause a job: ``paused``, or ``requested`` while calls are in flight."""
        body = {"reason": reason} if reason is not None else {}
        return (await self._ask("POST", f"/jobs/{_segment(job_id)}/pause", JobAnswer, body=body)).answer

    async def resume(self, job_id: str) -> str:
        """Queue a paused job again: ``queued``."""
        return (await self._ask("POST", f"/jobs/{_segment(job_id)}/resume", JobAnswer)).answer

    async def retry(self, job_id: str) -> JobRow:
        """Run a job that waits for its retry now, or one that failed or was cancelled anew; return what runs."""
        return await self._ask("POST", f"/jobs/{_segment(job_id)}/retry", JobRow)

    async def fork_from_failure(self, job_id: str) -> JobRow:
        """Continue a job that failed or was cancelled from the last level that it finished; return the new job."""
        return await self._ask("POST", f"/jobs/{_segment(job_id)}/fork", JobRow)

    async def history(self, job_id: str, after: int = 0, limit: int = 100) -> JobHistory:
        """Return a page of a job's events with a seq over ``after``."""
        return await self._ask(
            "GET", f"/jobs/{_segment(job_id)}/history", JobHistory, query={"after": after, "limit": limit}
        )

    async def bulk(self, action: str, where: str, *, dry_run: bool = True, reason: str | None = None) -> BulkReport:
        """Ask ``action`` of all jobs that the filter ``where`` means; with ``dry_run`` only look which those are."""
        body = {"action": action, "where": where, "dry_run": dry_run, "reason": reason}
        return await self._ask("POST", "/jobs/bulk", BulkReport, body=body, timeout=SLOW_S)

    async def checkpoints(self, job_id: str | None = None, scope: str | None = None) -> list[CheckpointInfo]:
        """Return the checkpoints of a job, of a scope, or all, oldest first."""
        return await self._ask("GET", "/checkpoints", list[CheckpointInfo], query={"job": job_id, "scope": scope})

    async def save_checkpoint(
        self, *, job_id: str | None = None, scope: str | None = None, name: str | None = None
    ) -> CheckpointInfo:
        """Save the present state of a scope, or of a job's scope."""
        body = {"job_id": job_id, "scope": scope, "name": name}
        return await self._ask("POST", "/checkpoints", CheckpointInfo, body=body)

    async def diff(self, checkpoint_id: str) -> StateDiff:
        """Return what a restore would change."""
        return await self._ask("GET", f"/checkpoints/{_segment(checkpoint_id)}/diff", StateDiff)

    async def restore(self, checkpoint_id: str) -> StateDiff:
        """Set a scope's state to the checkpoint's; :class:`Conflict` while a job runs in the scope."""
        return await self._ask("POST", f"/checkpoints/{_segment(checkpoint_id)}/restore", StateDiff)

    async def fork(self, checkpoint_id: str) -> JobRow:
        """Start a new job in a new scope from the checkpoint; the old run is not changed."""
        return await self._ask("POST", f"/checkpoints/{_segment(checkpoint_id)}/fork", JobRow)

    async def prune(self) -> dict[str, Any]:
        """Remove finished jobs that retention no longer keeps; return what went."""
        return await self._ask("POST", "/prune", dict[str, Any], timeout=SLOW_S)

    async def restart(self, *, now: bool = False, timeout_s: float | None = None) -> None:
        """Have the daemon start anew once its jobs have ended, within ``timeout_s``; ``now`` cancels them."""
        await self._ask("POST", "/restart", dict[str, Any], body={"now": now, "timeout_s": timeout_s})

    async def stop(self, *, now: bool = False) -> None:
        """Stop the daemon: runs are cancelled and get a grace to end, or are killed immediately with ``now``."""
        await self._ask("POST", "/stop", dict[str, Any], body={"now": now})


def _check_folder(folder: Path) -> None:
    """Refuse a socket in a shared folder that somebody else could have made."""
    try:
        check_private(folder)
    except FileNotFoundError:
        return
    except StoreError as error:
        raise Unavailable(error.message) from None


def _segment(text: str) -> str:
    """Return an id as one path segment, so that no id can name another route."""
    if not text or text in (".", ".."):
        raise InvalidInput(f"{text!r} is not an id")
    return quote(text, safe="@:")


def _raw(proposal: Proposal) -> msgspec.Raw:
    """Return a plan as JSON, checked for syntax and size only: the daemon judges the rest."""
    try:
        if isinstance(proposal, ActionProposal):
            data = proposal.to_json().encode()
        elif isinstance(proposal, Mapping):
            data = msgspec.json.encode(proposal)
        elif not isinstance(proposal, str | bytes):
            data = as_proposal(proposal).to_json().encode()
        else:
            data = proposal.encode() if isinstance(proposal, str) else bytes(proposal)
            if len(data) <= MAX_BYTES:
                msgspec.json.decode(data, type=msgspec.Raw)
    except RecursionError:
        raise InvalidPlan("the plan is nested too deeply") from None
    except (msgspec.DecodeError, UnicodeError, TypeError, ValueError, OverflowError) as error:
        raise InvalidPlan(f"the plan is not valid JSON: {one_line(str(error))}") from None
    if len(data) > MAX_BYTES:
        raise InvalidPlan(f"the plan is {len(data):,} bytes; the limit is {MAX_BYTES:,}")
    return msgspec.Raw(data)
