"""A trajectory: what one run did, without what it did it with.

Made from the event log alone, so a run that was replayed or resumed gives the same one. Parameters and outputs are
kept as digests, errors as their class: a trajectory may be stored for long and shown to a model.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import msgspec

from headway.arguments import expect, expect_many
from headway.clock import rfc3339
from headway.errors import InvalidInput, one_line
from headway.events import kinds
from headway.events.event import Event, refuse_malformed
from headway.events.fold.values import integer, mapping, real_or_none, sequence, text, text_or_none
from headway.events.views import ActionView, RunView
from headway.learning.digest import digest, error_class, label, size_of
from headway.numbers import whole_number

Outcome = Literal["success", "failed", "replan_success", "replan_exhausted"]
OUTCOMES = ("success", "failed", "replan_success", "replan_exhausted")

MOST_EVENTS = 4096
"""The most events that a trajectory keeps: the first, and the newest of the others."""
MOST_ACTIONS = 1000
"""The largest plan whose shape is kept."""
_MOST_KEYS = 100
_LONGEST_NAME = 256

_REPLAN = frozenset(
    {kinds.REPLAN_ATTEMPTED, kinds.REPLAN_PROPOSAL_RECEIVED, kinds.REPLAN_REJECTED, kinds.REPLAN_EXHAUSTED}
)


class TraceEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """One step of a run. ``ts`` is ms since 1970, ``state_keys`` the keys it changed, ``reward`` 1 or 0 where it ended.

    ``data``: job_created has ``actions`` (id, type, tool, needs and after as places in that list; the plan's shape);
    an attempt has ``parameters`` and a success ``output`` (digests), ``bytes``, ``reused`` (true where the output is an
    earlier call's and none was made); a failure ``error_class``, ``error_code``, ``error`` (digest).
    """

    kind: str
    action_id: str | None = None
    tool: str | None = None
    data: dict[str, Any] = {}
    ts: int = 0
    attempt: int | None = None
    duration_ms: float | None = None
    state_keys: list[str] = []
    reward: float | None = None


class Trajectory(msgspec.Struct, frozen=True, omit_defaults=True):
    """One finished run. ``timestamp`` is its end as RFC 3339; ``dropped_events`` did not fit.

    ``replan_attempts`` counts the plans made anew up to this run. ``domain`` and ``skill`` are what the proposal's
    context says of itself: its field of work, and the skill that it follows. Raises :class:`InvalidInput` for an
    outcome that is none, or counts that are none.
    """

    proposal_id: str
    source: str
    action_count: int
    events: list[TraceEvent]
    outcome: Outcome
    timestamp: str
    duration_ms: float
    replan_attempts: int = 0
    job_id: str = ""
    domain: str = "general"
    skill: str | None = None
    dropped_events: int = 0

    def __post_init__(self) -> None:
        if self.outcome not in OUTCOMES:
            raise InvalidInput(f"an outcome is one of {', '.join(OUTCOMES)}")
        whole_number(self.action_count, "action_count", 0)
        whole_number(self.replan_attempts, "replan_attempts", 0)

    @property
    def succeeded(self) -> bool:
        """True if the run reached its end, by its first plan or by a new one."""
        return self.outcome in ("success", "replan_success")

    @property
    def plan(self) -> list[dict[str, Any]]:
        """The plan's shape, an entry an action; empty where it was too large or refused."""
        first = self.events[0] if self.events else None
        if first is None or first.kind != kinds.JOB_CREATED:
            return []
        return [entry for entry in sequence(first.data.get("actions")) if type(entry) is dict]


def trajectory_of(run: RunView, events: Iterable[Event]) -> Trajectory:
    """Return the trajectory of a finished run from its view and its events; those of other jobs are not looked at.

    The events between the runs of a replan, which are of no job, count for the run that failed before them. Pure: no
    clock, no randomness. Raises :class:`InvalidInput` while the run has not finished.
    """
    if not isinstance(run, RunView):
        raise InvalidInput(f"a trajectory is made from a RunView, not {type(run).__name__}")
    if not run.job.finished:
        raise InvalidInput(f"run {run.job.job_id} has not finished")
    trace = _Trace(run)
    for event in expect_many(events, "events"):
        try:
            if _of(run.job.job_id, event):
                trace.add(event)
        except (AttributeError, TypeError):
            refuse_malformed(event)
            raise
    return trace.close()


def plain_trajectory(trajectory: object) -> Trajectory:
    """Return a copy of a trajectory that is JSON all through; :class:`InvalidInput` for what is none."""
    return _decode(line_of(trajectory))


def line_of(trajectory: object) -> bytes:
    """Return a trajectory as a line of JSON; :class:`InvalidInput` for what is none, or is not JSON."""
    expect(trajectory, Trajectory, "a trajectory")
    try:
        line = _encode(trajectory) + b"\n"
        _decode(line)
    except (TypeError, ValueError, RecursionError, OverflowError, msgspec.MsgspecError) as error:
        raise InvalidInput(f"the trajectory is not JSON: {one_line(str(error), 200)}") from None
    return line


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Trajectory).decode


class _Trace:
    """A trajectory in the making."""

    def __init__(self, run: RunView) -> None:
        self.run = run
        self.kept: deque[TraceEvent] = deque(maxlen=MOST_EVENTS - 1)
        self.seen = 0
        self.parameters: dict[str, str] = {}
        self.reusing: set[str | None] = set()
        self.context: Mapping[str, Any] = {}
        self.proposed = 0
        self.replans = 0
        self.exhausted = False

    def add(self, event: Event) -> None:
        kind = event.kind
        if kind == kinds.JOB_CREATED:
            self._created(mapping(event.data.get("proposal")))
            self.replans = max(0, integer(mapping(event.data.get("replan_of")).get("attempt")))
            return
        if kind == kinds.REPLAN_EXHAUSTED:
            self.exhausted = True
            self.replans = max(self.replans, integer(event.data.get("attempts")))
        if kind == kinds.ACTION_DEDUPLICATED:
            self.reusing.add(event.action_id)
        elif kind == kinds.ACTION_EXECUTING:  # a crash came between the two, and a call is made after all
            self.reusing.discard(event.action_id)
        tell = _TOLD.get(kind)
        if tell is not None:
            self.seen += 1
            self.kept.append(self._event(event, tell(event.data)))

    def close(self) -> Trajectory:
        job = self.run.job
        ended = job.finished_ms or job.created_ms
        began = job.started_ms or job.created_ms
        outcome: Outcome
        if job.status == "completed":
            outcome = "replan_success" if self.replans else "success"
        else:
            outcome = "replan_exhausted" if self.exhausted else "failed"
        first = TraceEvent(kinds.JOB_CREATED, data={"actions": _shape(self.run)}, ts=job.created_ms)
        return Trajectory(
            proposal_id=job.proposal_id,
            source=job.source[:_LONGEST_NAME],
            action_count=max(len(self.run.actions), self.proposed),
            events=[first, *self.kept],
            outcome=outcome,
            timestamp=rfc3339(ended),
            duration_ms=float(max(0, ended - began)),
            replan_attempts=self.replans,
            job_id=job.job_id,
            domain=label(self.context.get("domain")) or _domain(job.source),
            skill=label(self.context.get("skill")),
            dropped_events=self.seen - len(self.kept),
        )

    def _created(self, proposal: Mapping[str, Any]) -> None:
        self.context = mapping(proposal.get("context"))
        self.proposed = len(sequence(proposal.get("actions")))
        for action in sequence(proposal.get("actions")):
            name = text_or_none(mapping(action).get("id"))
            if name is not None:
                self.parameters[name] = digest(mapping(action).get("parameters", {}))

    def _event(self, event: Event, data: dict[str, Any]) -> TraceEvent:
        name = event.action_id
        place = self.run.positions.get(name) if name is not None else None
        tool = self.run.actions[place].tool if place is not None else None
        if event.kind == kinds.ACTION_EXECUTING and name in self.parameters:
            data["parameters"] = self.parameters[name]
        if event.kind == kinds.ACTION_SUCCEEDED and name in self.reusing:
            data["reused"] = True
        changes = event.data.get("restored" if event.kind == kinds.STATE_ROLLBACK else "state_changes")
        return TraceEvent(
            kind=event.kind,
            action_id=name[:_LONGEST_NAME] if name is not None else None,
            tool=tool[:_LONGEST_NAME] if tool is not None else None,
            data=data,
            ts=event.ts,
            attempt=event.attempt,
            duration_ms=real_or_none(event.data.get("duration_ms")),
            state_keys=[str(key)[:_LONGEST_NAME] for key in list(mapping(changes))[:_MOST_KEYS]],
            reward=_REWARD.get(event.kind),
        )


def _of(job_id: str, event: Event) -> bool:
    if event.job_id is None and event.kind in _REPLAN:
        return event.data.get("failed_job") == job_id
    return event.job_id == job_id


def _shape(run: RunView) -> list[dict[str, Any]]:
    """Return the plan's actions in list order, what each needs as places in that list."""
    if len(run.actions) > MOST_ACTIONS:
        return []
    return [_entry(action, run.positions) for action in run.actions]


def _entry(action: ActionView, positions: Mapping[str, int]) -> dict[str, Any]:
    entry: dict[str, Any] = {"id": action.id[:_LONGEST_NAME], "type": action.type}
    if action.tool is not None:
        entry["tool"] = action.tool[:_LONGEST_NAME]
    for name in ("needs", "after"):
        places = sorted({positions[other] for other in getattr(action, name) if other in positions})
        if places:
            entry[name] = places
    return entry


def _domain(source: str) -> str:
    """Return the field of work that a run is of when its plan does not say: who made the plan."""
    named = label(source)
    return named if named is not None and named != "unknown" else "general"


def _nothing(data: Mapping[str, Any]) -> dict[str, Any]:
    return {}


def _success(data: Mapping[str, Any]) -> dict[str, Any]:
    return {"output": digest(data.get("output")), "bytes": size_of(data.get("output"))}


def _failure(data: Mapping[str, Any]) -> dict[str, Any]:
    error, code = text_or_none(data.get("error")), label(data.get("error_code"))
    told: dict[str, Any] = {"error_class": error_class(error, code), "error": digest(text(error))}
    if code is not None:
        told["error_code"] = code
    return told


def _attempt(data: Mapping[str, Any]) -> dict[str, Any]:
    return {"attempt": integer(data.get("attempt"))}


def _dimension(data: Mapping[str, Any]) -> dict[str, Any]:
    return {"dimension": label(data.get("dimension")) or "", "limit": integer(data.get("limit"))}


_TOLD: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    kinds.ACTION_EXECUTING: _nothing,
    kinds.ACTION_RETRYING: _failure,
    kinds.ACTION_SUCCEEDED: _success,
    kinds.ACTION_FAILED: _failure,
    kinds.ACTION_REJECTED: _failure,
    kinds.ACTION_SKIPPED: _failure,
    kinds.STATE_ROLLBACK: _nothing,
    kinds.RUN_CANCEL_REQUESTED: _nothing,
    kinds.RUN_KILLED: _nothing,
    kinds.BUDGET_EXHAUSTED: _dimension,
    kinds.REPLAN_ATTEMPTED: _attempt,
    kinds.REPLAN_PROPOSAL_RECEIVED: _attempt,
    kinds.REPLAN_REJECTED: _attempt,
    kinds.REPLAN_EXHAUSTED: _nothing,
}
"""The kinds that a trajectory keeps, and what it keeps of their data."""

_REWARD = {kinds.ACTION_SUCCEEDED: 1.0, kinds.ACTION_FAILED: 0.0, kinds.ACTION_REJECTED: 0.0}
