"""Invocations: one call of a tool as a job of its own, judged in a mode of its own, and what became of it.

A call that is denied, or that somebody has to be asked about, is an answer and no error. What is asked goes on once it
is answered: the job waits, and :attr:`Invocation.job_id` leads to its end.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec.structs import replace

from headway.arguments import expect, path_of, plain
from headway.errors import InvalidInput, NotFound, OutsideWorkspace, one_line
from headway.events import kinds
from headway.events.event import Event
from headway.execution.asking import APPROVAL
from headway.jobs.submission import Submission
from headway.jobs.terms import Terms
from headway.jsonvalue import to_json
from headway.plan.builder import Plan
from headway.plan.format import FailureBehavior
from headway.plan.results import ActionStatus, ErrorCode
from headway.store import store_of

if TYPE_CHECKING:
    from headway.events.log import EventLog
    from headway.events.views import ActionView
    from headway.jobs.powers import Powers
    from headway.jobs.supervisor import Supervisor
    from headway.policy.exec.decision import Decision
    from headway.tools.registry import ToolEntry

CWD = "cwd"
"""The parameter of a tool that says where it works."""

Kind = Literal["shell", "tool"]
Status = Literal["completed", "failed", "timeout", "denied", "approval_required", "user_input_required", "cancelled"]

_REFUSED = frozenset((ErrorCode.POLICY_DENIED, ErrorCode.APPROVAL_DENIED, ErrorCode.CAPABILITY))
_STOPPED = frozenset((ErrorCode.CANCELED, ErrorCode.KILLED))


class ToolCall(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A call to be made: the tool's name and its arguments. ``timeout_ms`` bounds the call itself."""

    name: str
    arguments: Mapping[str, Any] = {}
    timeout_ms: int | None = None

    def __repr__(self) -> str:
        # Without the values: a repr ends in logs.
        return f"ToolCall({self.name!r})"


class Invocation(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a call.

    ``status`` is completed, failed, timeout, denied or cancelled; or approval_required, user_input_required: then
    ``elicitation_id`` is the question that is open, and the call goes on once it is answered. ``execution_kind`` is
    shell for a tool that starts a program, else tool. ``precheck`` is what the exec policy said of the call, None where
    it has nothing to say.
    """

    status: Status
    execution_kind: Kind
    job_id: str = ""
    output: Any = None
    error: str = ""
    elicitation_id: str | None = None
    precheck: Decision | None = None

    @property
    def ok(self) -> bool:
        """True if the call was made and succeeded."""
        return self.status == "completed"


async def invoke(
    supervisor: Supervisor,
    powers: Powers,
    call: ToolCall,
    approval: Any = None,
    cwd: Path | str | None = None,
    *,
    confined: bool = False,
) -> Invocation:
    """Make one call as a job and return what became of it, or the question on which it waits.

    ``approval`` is the mode in which the exec policy judges it, None the one that is set. ``cwd`` is where it works:
    the workspace, or a folder in it for a tool with a parameter ``cwd``. ``confined`` denies a tool that starts
    programs where they run without a sandbox. Raises :class:`NotFound` for an unknown tool,
    :class:`InvalidPlan` for arguments that its schema refuses, :class:`OutsideWorkspace`.
    """
    env = powers.env
    call = expect(call, ToolCall, "a call")
    name = plain(call.name, "a tool's name")
    entry = env.registry.get(name)
    if entry is None:
        raise NotFound(f"there is no tool '{one_line(name, 100)}'")
    terms = Terms(work=f"call:{name}", approval=approval)
    arguments = to_json(expect(call.arguments, Mapping, "arguments"))
    if cwd is not None:
        arguments = _placed(entry, arguments, path_of(cwd, "cwd"), env.workspace)
    kind: Kind = "shell" if entry.command is not None or entry.category == "shell" else "tool"
    if confined and kind == "shell" and env.sandbox.mode == "off":
        return Invocation(
            status="denied", execution_kind=kind, error="a sandbox is required, and [tools] sandbox is off"
        )
    decision = env.gates.decision(
        name,
        arguments,
        entry,
        principal=powers.principal,
        workspace=env.workspace,
        confines=env.sandbox.mode != "off",
        approval=approval,
    )
    if decision is not None and decision.verdict == "deny":
        return Invocation(status="denied", execution_kind=kind, error=decision.reason, precheck=decision)
    plan = Plan(source="invoke_tool")
    plan.call(name, **arguments)
    proposal = plan.proposal()
    action = proposal.actions[0].replace(failure_behavior=FailureBehavior.SKIP, timeout_ms=call.timeout_ms)
    submission = Submission(
        replace(proposal, actions=[action]), title=f"call of {name}", source="invoke_tool", terms=terms
    )
    course = await supervisor.submit(powers, submission)
    return await _outcome(env.log, course.jobs[0].job_id, kind, decision)


async def _outcome(log: EventLog, job_id: str, kind: Kind, decision: Decision | None) -> Invocation:
    """Wait until the job of a call has ended or asks, and return what became of it."""
    asked = await _until_asked_or_over(log, job_id)
    if asked is not None:
        status: Status = "approval_required" if asked.data.get("kind") == APPROVAL else "user_input_required"
        question = str(asked.data.get("id"))
        return Invocation(status=status, execution_kind=kind, job_id=job_id, elicitation_id=question, precheck=decision)
    [made] = (await store_of(log).run_view(job_id, resolve=True)).actions
    return Invocation(
        status=_status_of(made),
        execution_kind=kind,
        job_id=job_id,
        output=made.output,
        error=made.error or "",
        precheck=decision,
    )


async def _until_asked_or_over(log: EventLog, job_id: str) -> Event | None:
    """Return the question that a job waits on, None once it has ended."""
    row = await store_of(log).job(job_id)
    subscription = log.subscribe(row.first_seq - 1, job_id=job_id)
    try:
        async for batch in subscription:
            for event in batch:
                if event.kind == kinds.ELICITATION_REQUESTED:
                    return event
                if event.kind in kinds.TERMINAL_JOB:
                    return None
    finally:
        subscription.close()
    return None


def _placed(entry: ToolEntry, arguments: dict[str, Any], cwd: Path, workspace: Path | None) -> dict[str, Any]:
    """Return the arguments of a call that is to work in ``cwd``."""
    place, home = cwd.resolve(), None if workspace is None else workspace.resolve()
    if home is None or not place.is_relative_to(home):
        raise OutsideWorkspace(f"a call works in the workspace, and not in {one_line(str(cwd), 200)}")
    if CWD in entry.schema.parameters.get("properties", {}):
        return {CWD: str(place), **arguments}
    if place != home:
        raise InvalidInput(f"tool '{one_line(entry.name, 100)}' works in the workspace: it takes no {CWD}")
    return arguments


def _status_of(action: ActionView) -> Status:
    code = action.error_code
    if action.status is ActionStatus.SUCCEEDED:
        return "completed"
    if code in _REFUSED:
        return "denied"
    if code in _STOPPED:
        return "cancelled"
    return "timeout" if code == ErrorCode.TIMEOUT else "failed"
