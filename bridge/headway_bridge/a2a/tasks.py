"""The task service: sends, reads and cancels tasks. It knows jobs and the bridge's words, no dialect and no HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from functools import partial
from typing import Any, NamedTuple
from uuid import uuid4

import msgspec
from a2a.utils.errors import (
    InternalError,
    TaskNotCancelableError,
    TaskNotFoundError,
    UnsupportedOperationError,
)

from headway.errors import NotFound, one_line
from headway.events.fold import clone
from headway.events.views import JobRow, RunView
from headway.jobs.scope import scope_name
from headway.jobs.submission import Submission
from headway.plan.format import ActionProposal
from headway.plan.verify import Issue
from headway_bridge.a2a.context import Client
from headway_bridge.a2a.engine import TaskEngine
from headway_bridge.a2a.fields import bad_field
from headway_bridge.a2a.generation import Generation
from headway_bridge.a2a.interpreter import Interpreter, NeedInput, Reject, Reply, Run, WorkflowInterpreter
from headway_bridge.a2a.mapping import state_of, task_of
from headway_bridge.a2a.model import Message, Part, SendRequest, Status, Target, Task, TaskState, TextPart
from headway_bridge.a2a.origin import PROBES, Origin, is_nameless, job_id_for, job_ids_for, read_origin, shortened
from headway_bridge.a2a.outputs import whole_run
from headway_bridge.a2a.proposals import SOURCE, read_proposal
from headway_bridge.a2a.reach import Reach
from headway_bridge.a2a.streams import Frame, follow, single
from headway_bridge.auth import HOME_PRINCIPAL
from headway_bridge.bodies import body_done, body_is_large

CANCEL_REASON = "canceled by client"
"""The reason of a cancel whose request names none."""

MAX_SETTLED = 10_000
"""Contexts that are remembered as settled."""

_RESERVED_CONTEXT = "job:"  # how the scopes of jobs without a context are called


class Started(NamedTuple):
    """A job that a message has become."""

    row: JobRow
    origin: Origin


class TaskService:
    """Everything that A2A clients can do here.

    Methods raise the SDK's error classes for what a client did wrong; other exceptions are nobody's business but ours
    and must not be shown.
    """

    def __init__(self, engine: TaskEngine, interpreter: Interpreter | None = None) -> None:
        self._engine = engine
        self._settled: set[str] = set()  # contexts that have nothing to take over any more
        self._claimed: set[tuple[str, str, str]] = set()
        self.reach = Reach(engine.registry, engine.config)
        self._interpreter = interpreter or WorkflowInterpreter(self.reach.workflows)

    # -- send ----------------------------------------------------------------------------------------------------

    async def send(self, request: SendRequest, generation: Generation, client: Client) -> Task | Message:
        """Act on a message and return its task: ended, or as it stands if the request does not block."""
        started = await self._start(request, generation, client)
        if not isinstance(started, Started):
            return started
        row, origin = started
        if request.blocking and not row.finished:
            view = await client.while_there(self._engine.wait(row.job_id))
        else:
            view = await self._engine.run(row.job_id)
        return await self._task(view, origin, request.history_length)

    async def stream(self, request: SendRequest, generation: Generation, client: Client) -> AsyncGenerator[Frame, None]:
        """Act on a message and return the updates of its task, until it has ended."""
        started = await self._start(request, generation, client)
        if not isinstance(started, Started):
            return single(started)
        return follow(self._engine, started.row.job_id, started.origin, history_length=request.history_length)

    async def _start(self, request: SendRequest, generation: Generation, client: Client) -> Started | Task | Message:
        message = request.message
        self._check_context(message)
        if message.task_id is not None:
            await self._refuse_follow_up(message, client)
        config = self._engine.config
        read = partial(read_proposal, message, config.runtime.compat, config.admission.max_actions)
        proposal = await asyncio.to_thread(read) if body_is_large() else read()
        refused: Sequence[Issue] = ()
        title, workflow = None, None
        if proposal is None:
            body_done()
            outcome = await self._interpreter.interpret(message)
            if isinstance(outcome, Reply | NeedInput):
                return _reply(outcome, request, generation, self._engine.clock.time_ms())
            if isinstance(outcome, Run):
                proposal, title, workflow = outcome.proposal, outcome.title, outcome.workflow
            else:
                proposal, refused = _nothing(outcome)
        origin = Origin(
            generation=generation.name,
            context_id=message.context_id or uuid4().hex,
            tenant=client.caller.tenant,
            principal=client.caller.principal,
            client_id=request.client_id,
        )
        await self._take_over(message, origin)
        kept = shortened(message)
        kept.message_id = kept.message_id or uuid4().hex
        kept.context_id, kept.task_id = origin.context_id, request.client_id
        origin.message = kept
        message.parts = []
        row = await self._submit(self._submission(proposal, title, origin, refused, workflow), origin)
        body_done()
        return Started(row, origin)

    async def _take_over(self, message: Message, origin: Origin) -> None:
        """Let a context from the time before callers had names be that of who has the home's token."""
        context_id = message.context_id
        if context_id is None or origin.owner != ("", HOME_PRINCIPAL) or context_id in self._settled:
            return
        heir = scope_name(context_id, origin.principal, origin.tenant)
        await self._engine.inherit(context_id, heir, lambda created: is_nameless(created, context_id))
        if len(self._settled) >= MAX_SETTLED:
            self._settled.clear()
        self._settled.add(context_id)

    def _submission(
        self,
        proposal: ActionProposal,
        title: str | None,
        origin: Origin,
        refused: Sequence[Issue],
        workflow: str | None,
    ) -> Submission:
        return Submission(
            proposal,
            context_id=origin.context_id,
            title=title,
            source=SOURCE,
            principal=origin.principal,
            tenant=origin.tenant or None,
            reach=None if workflow in self.reach.workflows else self.reach.tool_names,
            origin=origin.to_dict(),
            record_rejected=True,
            refused=refused,
            remote=True,
        )

    async def _submit(self, submission: Submission, origin: Origin) -> JobRow:
        """Record the job; under the job id of its client's own id where there is one."""
        if origin.client_id is None:
            return await self._engine.submit(submission)
        claim = (*origin.owner, origin.client_id)
        if claim in self._claimed:
            raise _taken()
        self._claimed.add(claim)
        try:
            job_id = await self._free_job_id(origin.owner, origin.client_id)
            return await self._engine.submit(msgspec.structs.replace(submission, job_id=job_id))
        finally:
            self._claimed.discard(claim)

    async def _free_job_id(self, owner: tuple[str, str], client_id: str) -> str:
        if await self._find(client_id, owner) is not None:
            raise _taken()
        for probe in range(PROBES):
            job_id = job_id_for(owner, client_id, probe)
            if await self._view(job_id) is None:
                return job_id
        raise InternalError("no task id is free; choose another id")

    def _check_context(self, message: Message) -> None:
        if message.context_id is not None and message.context_id.startswith(_RESERVED_CONTEXT):
            raise bad_field("message.contextId", f"must not start with '{_RESERVED_CONTEXT}'")

    async def _refuse_follow_up(self, message: Message, client: Client) -> None:
        """Answer a message to an existing task: none takes any, as no task here waits for input."""
        assert message.task_id is not None
        view, origin = await self._need(message.task_id, client)
        if message.context_id is not None and message.context_id != origin.context_id:
            raise bad_field("message.contextId", "is not the task's")
        state = state_of(view.job).value
        raise UnsupportedOperationError(f"the task is {state} and takes no further message")

    # -- get, cancel, subscribe ----------------------------------------------------------------------------------

    async def get(self, target: Target, client: Client) -> tuple[Task, Origin]:
        """Return the task and where it came from."""
        view, origin = await self._need(target.task_id, client)
        return await self._task(view, origin, target.history_length), origin

    async def cancel(self, target: Target, client: Client) -> tuple[Task, Origin]:
        """Cancel the task and return it once it has ended, or still working if its tools take too long.

        The wait is ``a2a.cancel_wait`` seconds. Raises TaskNotCancelableError for a task that has ended.
        """
        view, origin = await self._need(target.task_id, client)
        job_id = view.job.job_id
        by = f"a2a:{client.caller.principal}"
        answer = await self._engine.cancel(job_id, reason=_reason(target.metadata), by=by)
        if answer == "already_finished":
            view = await self._engine.wait(job_id)  # its end may be on its way to the disk
            state = state_of(view.job).value
            raise TaskNotCancelableError(f"the task is already {state}")
        wait = self._engine.wait(job_id, timeout=self._engine.config.a2a.cancel_wait)
        view = await client.while_there(wait)
        return await self._task(view, origin, target.history_length), origin

    async def subscribe(
        self, target: Target, client: Client, *, after: int | None, replay: bool
    ) -> tuple[AsyncGenerator[Frame, None], Origin]:
        """Return the updates of an existing task.

        ``after`` is the last frame that the client has seen. Without it, ``replay`` starts at the task's first event,
        else the stream starts with the task as it stands, and then a task that has ended has no stream.
        """
        view, origin = await self._need(target.task_id, client)
        job_id = view.job.job_id
        if replay:
            return follow(self._engine, job_id, origin, seen=after or 0), origin
        if after is not None and after < view.last_seq:
            return follow(self._engine, job_id, origin, seen=after, task_first=True), origin
        if view.job.finished:
            state = state_of(view.job).value
            raise UnsupportedOperationError(f"the task is {state}; there is nothing to subscribe to")
        return follow(self._engine, job_id, origin, view=clone(view)), origin

    async def _task(self, view: RunView, origin: Origin, history_length: int | None) -> Task:
        return task_of(await whole_run(self._engine, view), origin, history_length)

    # -- looking up ----------------------------------------------------------------------------------------------

    async def _need(self, task_id: str, client: Client) -> tuple[RunView, Origin]:
        """Return the task that the caller knows by that id; not found is also what belongs to another."""
        found = await self._find(task_id, client.caller.owner)
        if found is None:
            raise TaskNotFoundError(f"there is no task '{one_line(task_id, 100)}'")
        return found

    async def _find(self, task_id: str, owner: tuple[str, str]) -> tuple[RunView, Origin] | None:
        for job_id in (task_id, *job_ids_for(owner, task_id)):
            view = await self._view(job_id)
            origin = read_origin(view.origin) if view is not None else None
            if view is None or origin is None or origin.owner != owner:
                continue
            if job_id == task_id or origin.client_id == task_id:
                return view, origin
        return None

    async def _view(self, job_id: str) -> RunView | None:
        if len(job_id) != 12 or not job_id.isalnum():
            return None
        try:
            return await self._engine.run(job_id)
        except NotFound:
            return None


def _taken() -> UnsupportedOperationError:
    return UnsupportedOperationError("there is a task of this id already, and it takes no further message")


def _nothing(outcome: Reject) -> tuple[ActionProposal, Sequence[Issue]]:
    issue = Issue(one_line(outcome.reason), check="message")
    return ActionProposal(source=SOURCE, actions=[]), [issue]


def _reason(metadata: dict[str, Any]) -> str:
    given = metadata.get("reason")
    return one_line(given, 200) or CANCEL_REASON if isinstance(given, str) else CANCEL_REASON


def _reply(outcome: Reply | NeedInput, request: SendRequest, generation: Generation, now_ms: int) -> Task | Message:
    """Return an answer that is no task, or, for a generation without such answers, one that only looks like a task."""
    asks = isinstance(outcome, NeedInput)
    parts: list[Part] = [TextPart(outcome.prompt)] if isinstance(outcome, NeedInput) else outcome.parts
    message = Message(
        role="agent",
        parts=parts,
        message_id=uuid4().hex,
        context_id=request.message.context_id or uuid4().hex,
        metadata={"input_required": True} if asks else {},
    )
    if not generation.replies_with_task:
        return message
    state = TaskState.INPUT_REQUIRED if asks else TaskState.COMPLETED
    status = Status(state, now_ms, message)
    return Task(request.client_id or uuid4().hex, message.context_id or "", status)
