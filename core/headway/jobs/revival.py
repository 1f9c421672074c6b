"""Revival: a job whose process is gone resumes in this one, from its log.

Only where it can mean the same: in the workspace that it started in. By the write-ahead rule a finished action never
runs again; one that was in flight runs again if it is idempotent, and is failed as ``interrupted`` if it is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from headway.errors import InvalidInput
from headway.events import kinds
from headway.events.event import Event
from headway.events.fold.jobs import RETRY
from headway.events.views import JobRow
from headway.execution.compensation import undoable
from headway.execution.resumption import Resumption, resumption_of
from headway.jobs.admission import JobSpec, is_remote
from headway.jobs.closing import WHY
from headway.jobs.history import History
from headway.jobs.terms import terms_of
from headway.plan.graph import Graph, Node, plan_from_graph
from headway.plan.parse import recorded_proposal
from headway.plan.results import ActionResult
from headway.plan.verify import Issue
from headway.policy.gates import COMPENSATION, Gates
from headway.policy.pinned import Sources, pinned_rules, sources_of
from headway.secrets.reference import held, names_held
from headway.store import Reader
from headway.tools.registry import ToolRegistry

BUILTIN = "builtin"
"""The source of the tools that come with Headway."""


class CannotGoOn(Exception):
    """The job cannot resume here; the text says why."""


class Cancelled(CannotGoOn):
    """A cancel was what stopped the job: all it can get, here or elsewhere, is its end."""


class Revived(msgspec.Struct, frozen=True):
    """A job as its log left it: ``prior`` are the results that a fork took over, ``past`` what its run has behind it,
    None if it had not begun; ``spent`` is of its budget, ``added`` what people topped that up by.
    """

    spec: JobSpec
    plan: Graph
    prior: Sequence[ActionResult | None]
    spent: dict[str, int]
    past: Resumption | None = None
    added: dict[str, int] = {}


async def revive(
    store: Reader,
    row: JobRow,
    workspace: Path | None,
    registry: ToolRegistry,
    gates: Gates,
    code: str = "",
    *,
    attended: bool = False,
) -> Revived:
    """Return a job that can resume here; ``code`` is the digest of the code of the tools here, ``attended``
    says that somebody answers where a tool asks.

    Raises :class:`CannotGoOn` if it must be closed: it was cancelled, began in another workspace, or has yet to call
    tools that are not in ``registry``, or to do what ``gates`` do not allow, or has begun with other code of the tools
    that it has yet to call. One that was cancelled after it had aborted resumes all the same: what an abort undoes is
    undone.
    """
    created = await _first(store, row.job_id, kinds.JOB_CREATED)
    if created is None or not created.data.get("graph"):
        raise CannotGoOn(f"{WHY}, and it has no graph to go on by")
    data, spec = created.data, spec_of(row, created)
    plan = plan_from_graph(recorded_proposal(data["proposal"]), data["graph"])
    if any(held(name) is None for name in names_held(plan.proposal)):
        raise CannotGoOn(f"{WHY}, and its plan was given a Secret in memory, which ended with that process")
    taken_over = [result["action_id"] for result in data.get("results", ())]
    history = History(store)
    since = await _begun_anew(store, row)
    started = await _first(store, row.job_id, kinds.JOB_STARTED, since)
    added = dict(data.get("topped_up", {}))
    spent = {**data.get("spent", {}), **await history.spent(row.job_id, row.last_seq)}
    past = await _past(store, row, started, taken_over, since)
    needed = _tools_needed(plan, past)
    missing = sorted(needed - set(registry.names()))
    if missing:
        raise CannotGoOn(f"{WHY}, and tools that it has yet to call are not registered here: {', '.join(missing)}")
    if started is not None and spec.tools and spec.tools != code:  # not begun, it is as good as submitted now
        _refuse_edited(needed, registry)
    refused = _refused(plan, past, gates, registry, attended)
    if refused:
        raise CannotGoOn(f"{WHY}, and what it has yet to do is not allowed here: {refused[0]}")
    outstanding = await history.outstanding(row.job_id)
    for name, amount in outstanding.items():
        spent[name] = spent.get(name, 0) + amount  # whether those calls took effect, nobody knows
    past = msgspec.structs.replace(past, unsettled=bool(outstanding))
    if started is None:
        prior = [r if r is not None and r.action_id in taken_over else None for r in past.results]
        return Revived(spec, plan, prior, spent, added=added)
    if started.data.get("workspace") != _text(workspace):
        raise CannotGoOn(f"{WHY}, and this one works in another workspace")
    return Revived(spec, plan, (), spent, past, added)


def spec_of(row: JobRow, created: Event) -> JobSpec:
    """Return what the log keeps of a job beside its plan."""
    data = created.data
    return JobSpec(
        row.job_id,
        row.scope,
        row.source,
        row.title,
        row.context_id,
        row.principal,
        data.get("origin") or {},
        data.get("session"),
        data.get("budget"),
        is_remote(data),
        created.tenant,
        data.get("reach"),
        data.get("tools", ""),
        _policies(data.get("policies")),
        terms_of(data.get("terms")),
    )


async def _begun_anew(store: Reader, row: JobRow) -> int:
    """Return the seq of the last retry's beginning; 0 without one. What came before it is undone."""
    if not row.attempt:
        return 0
    found = await store.events(job_id=row.job_id, kinds=[kinds.JOB_REQUEUED], limit=1000, before=row.last_seq + 1)
    return max((event.seq for event in found if event.data.get("why") == RETRY), default=0)


async def _past(store: Reader, row: JobRow, started: Event | None, taken_over: list[str], since: int) -> Resumption:
    """Return what the run has behind it; :class:`CannotGoOn` if a cancel was what stopped it."""
    run = await store.run_view(row.job_id, resolve=True)
    at_start = await store.scope_state(row.scope, upto=started.seq) if started is not None else {}
    exhausted = await _first(store, row.job_id, kinds.BUDGET_EXHAUSTED, since)
    past = resumption_of(run, at_start, taken_over, exhausted)
    if row.cancel_reason is None:
        return past
    asked = await _first(store, row.job_id, kinds.RUN_CANCEL_REQUESTED)
    stopped = past.stopped
    if asked is None or stopped is None or not stopped.stop.rolls_back or asked.seq < stopped.seq:
        raise Cancelled(WHY)
    killed = await _first(store, row.job_id, kinds.RUN_KILLED)
    kill_reason = killed.data["reason"] if killed is not None else None
    return msgspec.structs.replace(past, cancel_reason=row.cancel_reason, kill_reason=kill_reason)


def _to_come(plan: Graph, past: Resumption) -> Iterator[tuple[Node, bool]]:
    """Yield the actions that have something to come, and whether that is the action itself or only its undoing."""
    goes_on = past.stopped is None
    undoes = past.stopped is None or past.stopped.stop.rolls_back
    for node, result in zip(plan.nodes, past.results, strict=True):
        if result is None:
            if goes_on:
                yield node, True
        elif undoes and node.index in past.own and undoable(node, result) and result.compensated is None:
            yield node, False


def _tools_needed(plan: Graph, past: Resumption) -> set[str]:
    """Return the tools that may yet be called, by actions and to undo them."""
    needed: set[str] = set()
    tools = {node.id: node.tool for node in plan.nodes}
    for node, itself in _to_come(plan, past):
        undo = node.action.compensation
        undone_by = tools.get(undo.action_id or "", undo.tool) if undo is not None else None
        needed.update(name for name in (node.tool if itself else None, undone_by) if name)
    return needed


def _refused(plan: Graph, past: Resumption, gates: Gates, registry: ToolRegistry, attended: bool) -> list[str]:
    """Return why what is to come may not be done: capabilities and permissions may be others than they were."""
    issues: dict[str | None, list[Issue]] = {}
    for issue in gates.judge(plan, registry, attended=attended):
        issues.setdefault(issue.action_id, []).append(issue)
    if not issues:
        return []
    texts = [issue.message for issue in issues.get(None, ()) if past.stopped is None]
    for node, itself in _to_come(plan, past):
        found = [issue for issue in issues.get(node.id, ()) if itself or issue.message.startswith(COMPENSATION)]
        undo = node.action.compensation
        if undo is not None and undo.action_id:  # by a call such as that action makes
            found += [issue for issue in issues.get(undo.action_id, ()) if not issue.message.startswith(COMPENSATION)]
        texts += [f"action '{issue.action_id}': {issue.message}" for issue in found]
    return texts


def _refuse_edited(needed: set[str], registry: ToolRegistry) -> None:
    """Raise :class:`CannotGoOn` if tools that have yet to be called are of the project's code, which has changed."""
    edited = sorted(name for name in needed if (entry := registry.get(name)) is not None and entry.source != BUILTIN)
    if edited:
        raise CannotGoOn(
            f"{WHY}, and the code of tools that it has yet to call has changed: {', '.join(edited)};"
            " fork its last checkpoint to continue with what they are now"
        )


def _policies(kept: Any) -> Sources:
    try:
        sources = sources_of(kept)
        pinned_rules(sources)
    except InvalidInput as error:
        raise CannotGoOn(f"{WHY}, and {error.message}") from None
    return sources


async def _first(store: Reader, job_id: str, kind: str, after: int = 0) -> Event | None:
    found = await store.events(after, job_id=job_id, kinds=[kind], limit=1, resolve=True)
    return found[0] if found else None


def _text(workspace: Path | None) -> Any:
    return str(workspace) if workspace is not None else None
