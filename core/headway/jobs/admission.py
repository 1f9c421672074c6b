"""Admission: a proposal becomes a job, or is refused before anything of it runs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from headway.errors import InvalidInput, InvalidPlan, as_line, one_line
from headway.events import kinds
from headway.events.event import Event
from headway.execution.environment import Environment
from headway.jobs.state_log import committed, parts, setting
from headway.jobs.terms import Terms
from headway.plan.format import ActionProposal, ActionType
from headway.plan.graph import Graph
from headway.plan.results import ActionResult, ActionStatus, CostSummary, ErrorCode, ProposalResult
from headway.plan.verify import Issue, admit, refuse, shortened

if TYPE_CHECKING:
    from headway.policy.pinned import Sources

NOT_RUN = "not run: the plan was rejected"


class JobSpec(msgspec.Struct, frozen=True):
    """The facts of a job beside its plan.

    ``scope`` names the state it works on, ``origin`` is the caller's own data, ``session`` that of the policies,
    ``budget`` the limits that its own submission has set, ``remote`` that a caller elsewhere asked for it, ``reach``
    the tools that its plans may call (None: any), ``tools`` the digest of the code that it began with, ``policies`` the
    file policies of its start, ``terms`` what is agreed of its retries and limits.
    """

    job_id: str
    scope: str
    source: str = ""
    title: str = ""
    context_id: str | None = None
    principal: str | None = None
    origin: dict[str, Any] = {}
    session: str | None = None
    budget: dict[str, Any] | None = None
    remote: bool = False
    tenant: str | None = None
    reach: Sequence[str] | None = None
    tools: str = ""
    policies: Sources = ()
    terms: Terms = Terms()

    def created(self, proposal: dict[str, Any], graph: dict[str, Any], **fork: Any) -> Event:
        """Return the ``job_created`` event."""
        data: dict[str, Any] = {"scope": self.scope, "source": self.source, "title": self.title}
        for name in ("context_id", "principal", "origin", "session", "budget", "remote", "tools"):
            value = getattr(self, name)
            if value:
                data[name] = value
        if self.reach is not None:
            data["reach"] = list(self.reach)
        if self.policies:
            from headway.policy.pinned import kept

            data["policies"] = kept(self.policies)
        if terms := self.terms.kept():
            data["terms"] = terms
        data.update(fork, proposal=proposal, graph=graph)
        return Event(kinds.JOB_CREATED, data, self.job_id, proposal_id=proposal["id"], tenant=self.tenant or None)


def check(
    env: Environment,
    proposal: ActionProposal,
    state: Mapping[str, Any],
    refused: Sequence[Issue] = (),
    reach: Collection[str] | None = None,
    *,
    recorded: bool = False,
    remote: bool = False,
) -> Graph:
    """Return the plan of a proposal that may run against ``state``; :class:`InvalidPlan` with all issues otherwise.

    ``refused`` adds findings that admission cannot make: who submits may not do this. A plan that calls a tool out of
    ``reach`` is looked at no further: whether there is such a tool, and what it takes, is not told. ``remote`` says
    that a caller elsewhere asks.
    """
    if reach is not None and (found := list(beyond(proposal, reach))):
        raise refuse(found)
    plan, issues = admit(proposal, state, env.registry, recorded=recorded, secrets=env.vault, remote=remote)
    issues = [*issues, *env.gates.judge(plan, env.registry, attended=env.asking.attended), *refused]
    if issues:
        raise refuse(issues)
    return plan


def beyond(proposal: ActionProposal, reach: Collection[str]) -> Iterator[Issue]:
    """Yield a finding for each call of a tool that is out of reach, those that would undo an action too."""
    for action in proposal.actions:
        named = [action.tool] if action.type is ActionType.TOOL_CALL else []
        if action.compensation is not None:
            named.append(action.compensation.tool)
        for tool in dict.fromkeys(named):
            if tool and tool not in reach:
                why = "is not open to remote agents (see tools under [a2a] in headway.toml)"
                yield Issue(f"tool '{one_line(tool, 100)}' {why}", action_id=action.id, check="reach")


def plain(proposal: ActionProposal) -> dict[str, Any]:
    """Return what :meth:`ActionProposal.to_dict` does, action by action: what ``job_created`` records."""
    made = msgspec.structs.replace(proposal, actions=[]).to_dict()
    made["actions"] = [action.to_dict() for action in proposal.actions]
    return made


def title_of(proposal: ActionProposal) -> str:
    """Return what a list calls the plan: its context's ``title`` or ``goal``, else its source and id."""
    for name in ("title", "goal"):
        value = proposal.context.get(name)
        if isinstance(value, str) and value.strip():
            return one_line(value, 120)
    return one_line(f"{proposal.source} {proposal.id}" if proposal.source != "unknown" else proposal.id, 120)


def rejection(spec: JobSpec, proposal: dict[str, Any], error: InvalidPlan) -> tuple[Event, Event]:
    """Return the events of a job that admission refuses."""
    issues = [msgspec.to_builtins(issue) for issue in shortened(error.issues)]
    ids = [action["id"] for action in proposal.get("actions", ())]
    rejected = _rejected(ids, _findings(error))
    cost = CostSummary(actions_rejected=rejected, actions_skipped=len(ids) - rejected)
    data = {"outcome": "rejected", "error": error.message, "issues": issues, "cost": msgspec.to_builtins(cost)}
    return spec.created(proposal, {}), Event(kinds.JOB_FAILED, data, spec.job_id, proposal_id=proposal["id"])


def rejected_result(job_id: str, proposal: ActionProposal, error: InvalidPlan, at: str) -> ProposalResult:
    """Return the result of a run that admission refuses: the actions at fault rejected, the others skipped.

    ``at`` is the time of the refusal, in RFC 3339, for the actions' ``timestamp``.
    """
    texts, codes = _findings(error), _codes(error)
    results = []
    for action in proposal.actions:
        if action.id in texts or not texts:
            text = as_line("; ".join(texts.get(action.id, [error.message])))
            code = codes.get(action.id, codes.get(None, ErrorCode.VALIDATION))
            status = ActionStatus.REJECTED
        else:
            text, code, status = NOT_RUN, ErrorCode.ABORTED, ActionStatus.SKIPPED
        results.append(ActionResult(action.id, status, error=text, error_code=code, timestamp=at))
    rejected = _rejected([action.id for action in proposal.actions], texts)
    cost = CostSummary(actions_rejected=rejected, actions_skipped=len(results) - rejected)
    return ProposalResult(proposal.id, job_id, "failed", results, cost, "rejected", error.message)


def _findings(error: InvalidPlan) -> dict[str, list[str]]:
    """Return what admission found, by the action at fault."""
    texts: dict[str, list[str]] = {}
    for issue in error.issues:
        if isinstance(issue, Issue) and issue.action_id is not None:
            texts.setdefault(issue.action_id, []).append(issue.message)
    return texts


def _codes(error: InvalidPlan) -> dict[str | None, ErrorCode]:
    """Return the code of the first finding against each action at fault, and under None against the plan."""
    of_check = {
        "capability": ErrorCode.CAPABILITY,
        "reach": ErrorCode.CAPABILITY,
        "policy": ErrorCode.POLICY_DENIED,
        "preconditions": ErrorCode.PRECONDITION,
        "state_dependencies": ErrorCode.PRECONDITION,
        "assertions": ErrorCode.PRECONDITION,
    }
    codes: dict[str | None, ErrorCode] = {}
    for issue in error.issues:
        if isinstance(issue, Issue):
            codes.setdefault(issue.action_id, of_check.get(issue.check, ErrorCode.VALIDATION))
    return codes


def _rejected(ids: Sequence[str], texts: Mapping[str, Sequence[str]]) -> int:
    """Return how many actions count as rejected: those at fault, or all if it is the plan's."""
    return sum(name in texts for name in ids) if texts else len(ids)


def checkpoint_restored(checkpoint_id: str, scope: str, state: dict[str, Any], by: str = "") -> list[Event]:
    """Return the events that set a scope's state, to be appended as one: one, and more for what does not fit in it."""
    first, *more = parts(state)
    data = {"checkpoint_id": checkpoint_id, "scope": scope, "state": first, "by": by}
    return [Event(kinds.CHECKPOINT_RESTORED, data), *(committed(scope, setting(part)) for part in more)]


def is_remote(created: Mapping[str, Any]) -> bool:
    """Return whether a job, by the data of its ``job_created``, was asked for by a caller elsewhere.

    Logs of earlier versions say no more than that it came by A2A.
    """
    return bool(created.get("remote", created.get("source") == "a2a"))


def refuse_secrets(env: Environment, **texts: str | None) -> None:
    """Raise :class:`InvalidInput` for a name that a caller chose and that holds the value of a secret.

    Such names are ids, by which states and jobs are found again: they cannot be redacted.
    """
    for what, text in texts.items():
        if text is not None and env.vault.redactor.names_in(text):
            raise InvalidInput(f"the {what.replace('_', ' ')} holds the value of a secret: choose another")
