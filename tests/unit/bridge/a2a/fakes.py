"""An engine without a store or a runtime: it runs actions one by one and writes real events to a log in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from headway.clock import SYSTEM_CLOCK, Clock
from headway.config import Config
from headway.errors import Conflict, InvalidPlan, NotFound
from headway.events import kinds
from headway.events.event import Event
from headway.events.fold import fold_all
from headway.events.log import EventLog
from headway.events.subscription import Subscription
from headway.events.views import JobRow, RunView
from headway.jobs.admission import beyond
from headway.jobs.submission import Submission
from headway.plan.format import ActionProposal, new_id
from headway.plan.graph import Graph
from headway.plan.results import CostSummary
from headway.plan.verify import admit, refuse
from headway.tools.registry import ToolEntry, ToolRegistry
from headway.tools.schema import ToolSchema
from headway_bridge.a2a import a2a_app
from headway_bridge.auth import HOME_PRINCIPAL, Caller, Denied, TokenAuthenticator, bearer_token

Tool = Callable[..., Awaitable[Any]]


async def _echo(**parameters: Any) -> Any:
    return parameters


async def _boom(**_parameters: Any) -> Any:
    raise ValueError("it broke")


class Known:
    """An authenticator that knows callers by bearer tokens of the test's."""

    schemes: Mapping[str, dict[str, Any]] = TokenAuthenticator.schemes
    challenge = TokenAuthenticator.challenge

    def __init__(self, **callers: Caller) -> None:
        self.callers = {name.encode(): caller for name, caller in callers.items()}

    async def authenticate(self, scope: Any) -> Caller | Denied | None:
        """Return the caller of the token."""
        given = bearer_token(scope)
        return self.callers.get(given, Denied("the token is nobody's")) if isinstance(given, bytes) else given


def app_of(engine: Any, **more: Any) -> Any:
    """Return the A2A application of ``engine``, which lets ``home`` in by a token of that name."""
    return a2a_app(engine, authenticator=Known(home=Caller(HOME_PRINCIPAL)), **more)


HEADERS = {"Authorization": "Bearer home"}
"""The headers of who is let in there."""

OPEN = {"tools": ["boom", "echo", "keep", "slow"]}
"""The ``[a2a]`` of a fake engine."""


class FakeReader:
    """Large values, by the hash in their reference."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    async def resolve(self, value: Any) -> Any:
        """Return the value, or say that it is gone."""
        if value["$blob"] not in self.values:
            raise NotFound(f"there is no {value['$blob']}")
        return self.values[value["$blob"]]


class FakeEngine:
    """All that :class:`headway_bridge.a2a.engine.TaskEngine` asks for. ``gate`` holds the tool ``slow`` back."""

    def __init__(self, config: Config | None = None, clock: Clock = SYSTEM_CLOCK) -> None:
        self.config = config or Config.model_validate({"a2a": OPEN})
        self.clock = clock
        self.log = EventLog(clock=clock)
        self.registry = ToolRegistry()
        self.reader = FakeReader()
        self.gate = asyncio.Event()
        self.started = asyncio.Event()
        self.inherited: list[tuple[str, str]] = []
        self.submitted: list[ActionProposal] = []
        self._cancels: dict[str, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.add("echo", _echo)
        self.add("boom", _boom)
        self.add("slow", self._slow)
        self.add("write_file", _echo, writes_files=True)

    def add(self, name: str, tool: Tool, **more: Any) -> None:
        """Register a tool."""
        self.registry.register(ToolEntry(ToolSchema(name=name), tool, is_async=True, **more))

    async def _slow(self, **parameters: Any) -> Any:
        self.started.set()
        await self.gate.wait()
        return parameters

    async def submit(self, plan: ActionProposal | Submission) -> JobRow:
        """Record the job and start it."""
        submission = plan if isinstance(plan, Submission) else Submission(plan)
        proposal, context_id = submission.proposal, submission.context_id
        job_id = submission.job_id or new_id()
        if await self.log.read(job_id=job_id, limit=1):
            raise Conflict(f"job {job_id} exists")
        self.submitted.append(proposal)
        compiled, error = self._admit(submission)
        if error is not None and not submission.record_rejected:
            raise error
        data: dict[str, Any] = {
            "scope": submission.scope or f"job:{job_id}",
            "source": submission.source,
            "title": submission.title or "",
            "context_id": context_id,
            "principal": submission.principal,
            "origin": msgspec.json.decode(msgspec.json.encode(submission.origin or {})),
            "proposal": proposal.to_dict(),
            "graph": compiled.to_json() if compiled is not None else {},
        }
        self._append(kinds.JOB_CREATED, data, job_id, proposal_id=proposal.id)
        if compiled is None:
            issues = [msgspec.to_builtins(issue) for issue in error.issues] if error else []
            data = {"outcome": "rejected", "error": str(error), "issues": issues, "cost": {}}
            self._append(kinds.JOB_FAILED, data, job_id)
        else:
            task = asyncio.create_task(self._execute(job_id, compiled))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return (await self.run(job_id)).job

    def _admit(self, submission: Submission) -> tuple[Graph | None, InvalidPlan | None]:
        proposal, reach = submission.proposal, submission.reach
        if reach is not None and (found := list(beyond(proposal, reach))):
            return None, refuse(found)
        try:
            plan, issues = admit(proposal, (), self.registry)
        except InvalidPlan as error:
            return None, error
        issues = [*submission.refused, *issues]
        return (None, refuse(issues)) if issues else (plan, None)

    def _append(self, kind: str, data: dict[str, Any], job_id: str, **more: Any) -> None:
        self.log.append(Event(kind, data, job_id, **more))

    async def _execute(self, job_id: str, plan: Graph) -> None:
        self._append(kinds.JOB_STARTED, {"pid": 1, "owner": "fake"}, job_id)
        failed = ""
        for number, level in enumerate(plan.levels):
            self._append(kinds.LEVEL_STARTED, {"actions": len(level)}, job_id, level=number)
            counts = {"succeeded": 0, "failed": 0, "skipped": 0, "rejected": 0}
            for i in level:
                node = plan.nodes[i]
                stop = f"canceled: {self._cancels[job_id]}" if job_id in self._cancels else failed
                ended = await self._action(job_id, node, number, stop)
                counts[ended] += 1
                failed = failed or ("skipped due to abort" if ended == "failed" else "")
            self._append(kinds.LEVEL_FINISHED, counts, job_id, level=number)
        cost = msgspec.to_builtins(CostSummary())
        if job_id in self._cancels:
            self._append(kinds.JOB_CANCELLED, {"reason": self._cancels[job_id], "cost": cost}, job_id)
        elif failed:
            data = {"outcome": "aborted", "error": "an action failed", "cost": cost}
            self._append(kinds.JOB_FAILED, data, job_id)
        else:
            self._append(kinds.JOB_COMPLETED, {"cost": cost}, job_id)

    async def _action(self, job_id: str, node: Any, level: int, stop: str) -> str:
        where = {"action_id": node.id, "level": level}
        if stop:
            code = "canceled" if stop.startswith("canceled") else "aborted"
            self._append(kinds.ACTION_SKIPPED, {"error": stop, "error_code": code}, job_id, **where)
            return "skipped"
        self._append(kinds.ACTION_EXECUTING, {}, job_id, attempt=1, **where)
        entry = self.registry.get(node.tool)
        assert entry is not None
        try:
            output = await entry.call(**node.action.parameters)
        except ValueError as error:
            data = {"error": str(error), "error_code": "tool_error", "duration_ms": 1.0}
            self._append(kinds.ACTION_FAILED, data, job_id, attempt=1, **where)
            return "failed"
        self._append(kinds.ACTION_SUCCEEDED, {"output": output, "duration_ms": 1.0}, job_id, attempt=1, **where)
        return "succeeded"

    async def inherit(self, scope: str, heir: str, theirs: Callable[[Event], bool]) -> bool:
        """Do nothing: no state is kept here."""
        self.inherited.append((scope, heir))
        return False

    async def wait(self, job_id: str, timeout: float | None = None) -> RunView:
        """Wait for the job's end; a timeout of 0 does not wait at all."""
        view = await self.run(job_id)
        if view.job.finished or timeout == 0:
            return view
        with self.log.subscribe(view.last_seq, job_id=job_id) as events:
            async for batch in events:
                if any(event.kind in kinds.TERMINAL_JOB for event in batch):
                    break
        return await self.run(job_id)

    async def cancel(self, job_id: str, reason: str = "", by: str = "") -> str:
        """Ask the job to stop."""
        if (await self.run(job_id)).job.finished:
            return "already_finished"
        if job_id not in self._cancels:
            self._cancels[job_id] = reason
            self._append(kinds.RUN_CANCEL_REQUESTED, {"reason": reason, "by": by}, job_id)
        return "requested"

    async def run(self, job_id: str) -> RunView:
        """Fold the job's events."""
        events = await self.log.read(job_id=job_id, limit=10_000)
        if not events:
            raise NotFound(f"there is no job {job_id}")
        return fold_all(RunView(job=JobRow(job_id=job_id)), events)

    def subscribe(self, after: int = 0, job_id: str | None = None) -> Subscription:
        """Follow the job's events."""
        return self.log.subscribe(after, job_id=job_id)

    async def close(self) -> None:
        """Let everything run to its end."""
        self.gate.set()
        await asyncio.gather(*self._tasks)
        await self.log.close()
