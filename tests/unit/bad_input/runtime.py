"""Valid calls of the runtime, its state, log, limits, policies and tokens."""

from __future__ import annotations

from typing import Any

import headway
from headway import CostBudget, EventLog, ReplanConfig, Runtime, RuntimeCheckpoint, StateStore
from headway.events.event import Event
from headway.events.views import JobRow, RunView
from headway.jobs.terms import Terms
from headway.limits import RateLimiter
from headway.limits.bucket import TokenBucket
from headway.plan.results import ActionResult, ActionStatus
from headway.policy import CapabilitySet, PolicyCall, PolicyEngine
from headway.policy.exec import ExecCall
from headway.testing import FakeDispatcher, ScriptedProvider, VirtualClock
from headway.tools.files.workspace import Workspace
from tests.unit.bad_input.kit import Made, New, build
from tests.unit.bad_input.plans import FEEDBACK, PLAN, SCHEMA, SMALL, WRITE
from tests.unit.bad_input.threads import with_thread


@headway.tool
async def echo(x: Any = None) -> Any:
    """Return what it gets."""
    return x


async def again(_context: Any) -> None:
    """Give up."""


async def execute(_tool: str, params: dict[str, Any]) -> Any:
    """Run a tool that is only a name."""
    return params


def take(view: RunView) -> None:
    """Take a report of progress."""
    assert view.job.job_id


def runtime(rig: Any) -> Runtime:
    """Return a runtime with a limit, a cache, a policy, a session, a thread and a model."""
    made = Runtime(state={"k": 1}, executor=execute, workspace=rig.folder, clock=VirtualClock(autojump=True))
    made.register_tool(echo)
    made.set_rate_limit("echo", 1000, 1.0)
    made.enable_tool_cache("echo", 5.0)
    made.policies.deny_tool("no-shell", "shell")
    rig.session = made.policies.open_session()
    with_thread(made)
    return made


def program(_: Any) -> headway.tools.SubprocessTool:
    """Return a tool that is a program; nothing starts it here."""
    return headway.tools.SubprocessTool(["true"], name="program")


def saved(rig: Any) -> str:
    """Return the name of a checkpoint file."""
    path = rig.folder / "saved.json"
    if not path.exists():
        Runtime(state={"k": 2}).save_checkpoint_to_file(path)
    return str(path)


CHECKPOINT = Made(
    RuntimeCheckpoint,
    checkpoint_id="c",
    created_ms=1,
    state={"k": 1},
    version=1,
    tools=["echo"],
    job_id="j",
    proposal=New(lambda _: PLAN),
    graph={
        "actions": [{"id": "w", "type": "state_write"}, {"id": "a", "type": "tool_call", "needs": ["w"]}],
        "levels": [[0], [1]],
    },
    results=[Made(ActionResult, action_id="w", status=ActionStatus.SUCCEEDED, output={"z": 1}, state_changes={})],
    committed=[0],
    spent={"actions": 1},
    session=None,
    buckets=[],
    cache_keys=[],
    metadata={},
    scope="runtime",
    seq=1,
    kind="manual",
    level=None,
    name="n",
    policies={"files": []},
)
SESSION = New(lambda rig: rig.session)
CALL = Made(
    PolicyCall,
    action_id="a",
    type="tool_call",
    tool="run",
    parameters={"cmd": ["ls"]},
    state={"k": 1},
    reads=["k"],
    writes=["k"],
    effects={"k": 1},
    session=None,
    principal=None,
    now=1.0,
)
ENTRY = {
    "schema": Made(headway.ToolSchema, name="t", parameters=SCHEMA, returns={"type": "object"}),
    "call": dict,
    "is_async": False,
    "context_param": None,
    "source": "user_defined",
    "permission": "allow",
    "category": "general",
    "writes_files": False,
    "check": None,
    "mode": "one_shot",
    "aclose": None,
    "estimate": {"tokens": 1},
    "shared": True,
    "command": None,
    "exclusive": False,
}
EVENT = Made(
    Event,
    kind="action_succeeded",
    data={"output": 1, "state_changes": {"k": {"op": "set", "value": 1}}},
    job_id="j",
    action_id="a",
    level=0,
    attempt=1,
    proposal_id="p",
    tenant=None,
    trace_id=None,
    ts=1,
    seq=0,
)
CREATED = Made(
    Event,
    kind="job_created",
    data={
        "scope": "s",
        "source": "s",
        "title": "t",
        "proposal": PLAN,
        "graph": {
            "actions": [{"id": "a", "type": "tool_call", "tool": "t", "needs": [], "after": []}],
            "levels": [[0]],
        },
    },
    job_id="j",
)

CALLS: dict[str, dict[str, Any]] = {
    "Runtime": {
        "tools": [echo],
        "state": {"k": 1},
        "log": New(lambda _: EventLog()),
        "policies": New(lambda _: PolicyEngine()),
        "executor": execute,
        "memgine": New(lambda _: headway.learning.Memgine()),
        "auto_distill": True,
        "trajectory_store": New(lambda rig: headway.learning.TrajectoryStore(rig.folder)),
        "replan": again,
        "on_elicitation": take,
        "registry": New(lambda _: headway.tools.ToolRegistry()),
        "clock": New(lambda _: VirtualClock()),
        "max_concurrency": 4,
        "concurrency": "level",
        "workspace": New(lambda rig: rig.folder),
        "limiter": New(lambda _: RateLimiter(VirtualClock())),
        "reuse": "ttl",
        "dispatcher": New(lambda _: FakeDispatcher(VirtualClock())),
        "scope": "mine",
        "principal": "me",
        "compat": "car",
        "sandbox": "auto",
        "secrets": New(lambda _: headway.secrets.Vault()),
    },
    "Runtime.with_shared": {
        "state": New(lambda _: StateStore()),
        "log": New(lambda _: EventLog()),
        "policies": New(lambda _: PolicyEngine()),
        "max_concurrency": 4,
    },
    "Runtime.with_executor": {"executor": execute},
    "Runtime.with_event_log": {"log": New(lambda _: EventLog())},
    "Runtime.with_replan": {"callback": again, "config": Made(ReplanConfig, max_replans=1)},
    "Runtime.with_inference": {"provider": New(lambda _: ScriptedProvider(default="yes"))},
    "Runtime.with_learning": {
        "memgine": New(lambda _: headway.learning.Memgine()),
        "auto_distill": True,
        "distiller": New(lambda _: headway.learning.LLMDistiller(ScriptedProvider())),
    },
    "Runtime.with_memgine": {"memgine": New(lambda _: headway.learning.Memgine())},
    "Runtime.with_trajectory_store": {"store": New(lambda rig: headway.learning.TrajectoryStore(rig.folder))},
    "Runtime.tool_schemas": {},
    "Runtime.register_tool": {"tool": echo},
    "Runtime.hook_reports": {},
    "Runtime.register_tool_schema": {"schema": ENTRY["schema"]},
    "Runtime.register_tool_entry": {"entry": Made(headway.tools.ToolEntry, **ENTRY)},
    "Runtime.register_subprocess_tool": {"name": "p", "tool": New(program)},
    "Runtime.aclose": {},
    "Runtime.register_agent_basics": {"workspace": New(lambda rig: str(rig.folder))},
    "Runtime.set_executor": {"executor": execute},
    "Runtime.remove_rate_limit": {"tool": "echo"},
    "Runtime.set_rate_limit": {"tool": "echo", "max_calls": 2, "interval_secs": 1.0},
    "Runtime.enable_tool_cache": {"tool": "echo", "ttl_secs": 1.0},
    "Runtime.set_cost_budget": {"budget": Made(CostBudget, tool_calls=5)},
    "Runtime.set_capabilities": {"capabilities": Made(CapabilitySet, allowed_tools=["echo"])},
    "Runtime.set_permission_grant": {"grant": "read_only"},
    "Runtime.before_tool": {"judge": execute, "name": "judge", "tools": ["echo"], "strict": True, "timeout_secs": 1.0},
    "Runtime.remove_before_tool": {"name": "judge"},
    "Runtime.set_replan_callback": {"callback": again},
    "Runtime.set_replan_config": {"config": Made(ReplanConfig, max_replans=1)},
    "Runtime.save_checkpoint": {"note": {"a": [1]}},
    "Runtime.save_checkpoint_to_file": {"path": New(lambda rig: rig.folder / "new.json")},
    "Runtime.load_checkpoint_from_file": {"path": New(saved)},
    "Runtime.restore_checkpoint": {"checkpoint": CHECKPOINT},
    "Runtime.continue_from": {
        "checkpoint": CHECKPOINT,
        "cancel": New(lambda _: headway.CancellationToken()),
        "session": SESSION,
    },
    "Runtime.fork": {"checkpoint": CHECKPOINT},
    "Runtime.start": {
        "plan": SMALL,
        "scope": New(lambda _: headway.Scope.new()),
        "budget": Made(CostBudget, tool_calls=5),
        "replan": again,
        "session": SESSION,
        "cancel": New(lambda _: headway.CancellationToken()),
        "progress": take,
    },
    "RunHandle.cancel": {"reason": "enough", "by": "me"},
    "RunHandle.kill": {"reason": "enough", "by": "me"},
    "RunHandle.events": {},
    "Scope": {"name": "s", "state": {"k": 1}},
    "Scope.new": {},
    "Submission": {
        "compat": "car",
        "plan": SMALL,
        "context_id": "c",
        "title": "t",
        "source": "s",
        "principal": "me",
        "tenant": "us",
        "reach": ["echo"],
        "origin": {"a": [1]},
        "job_id": "j",
        "session": "x",
        "budget": Made(CostBudget, tool_calls=5),
        "replan": again,
        "record_rejected": False,
        "remote": False,
        "refused": [],
        "candidates": None,
        "terms": Made(Terms, max_retries=1, wall_s=60.0),
    },
    "Runtime.resume": {"job_id": "j", "cancel": New(lambda _: headway.CancellationToken()), "session": SESSION},
    "Runtime.recover": {"on_restart": "resume"},
    "Runtime.load_state": {},
    "Runtime.unfinished": {},
    "Runtime.execute": {"proposal": {**PLAN, "actions": [WRITE]}, "session": SESSION},
    "Runtime.execute_with_cancel": {
        "proposal": SMALL,
        "cancel": New(lambda _: headway.CancellationToken()),
        "session": SESSION,
    },
    "Runtime.plan_and_execute": {
        "candidates": [SMALL],
        "planner_config": Made(headway.analysis.PlannerConfig),
        "feedback": FEEDBACK,
        "cancel": New(lambda _: headway.CancellationToken()),
        "session": SESSION,
    },
    "StateStore": {"values": {"k": {"m": [1]}}},
    "StateStore.get": {"key": "k", "default": None},
    "StateStore.keys": {},
    "StateStore.version": {"key": "k"},
    "StateStore.raw": {},
    "StateStore.snapshot": {},
    "StateStore.set": {"key": "k", "value": {"m": [1]}},
    "StateStore.delete": {"key": "k"},
    "StateStore.replace": {"values": {"k": {"m": [1]}}},
    "StateStore.apply": {"changes": {"k": {"op": "set", "value": [1]}, "l": {"op": "delete"}}},
    "StateStore.undo_of": {"keys": ["k"]},
    "CancellationToken": {},
    "CancellationToken.cancel": {"reason": "enough", "by": "me"},
    "CancellationToken.kill": {"reason": "enough", "by": "me"},
    "CancellationToken.is_cancelled": {},
    "CancellationToken.is_killed": {},
    "CancellationToken.linked": {},
    "CancellationToken.listen": {"callback": New(lambda _: list)},
    "EventLog": {"clock": New(lambda _: VirtualClock()), "last_seq": 0, "tail_limit": 0, "max_events": 10},
    "EventLog.sync": {},
    "EventLog.shed": {"upto": 0},
    "EventLog.statistics": {},
    "EventLog.append": {"*events": EVENT},
    "EventLog.pack": {"event": New(lambda _: headway.Event("action_succeeded", {}))},
    "EventLog.write": {"*events": EVENT},
    "EventLog.flush": {},
    "EventLog.read": {"after": 0, "job_id": "j", "kinds": ["a"], "limit": 10},
    "EventLog.subscribe": {"after": 0, "job_id": None},
    "EventLog.close": {},
    "Event": EVENT.fields,
    "RunView.result": {},
    "fold": {"view": New(lambda _: RunView(JobRow("j"))), "event": CREATED},
    "CostBudget": {
        "tool_calls": 1,
        "actions": 1,
        "duration_ms": 1,
        "tokens": 1,
        "usd_micros": 1,
        "on_exhausted": "ask",
    },
    "CostBudget.limits": {},
    "CostBudget.to_dict": {},
    "ReplanConfig": {"max_replans": 1, "delay_ms": 1, "verify_before_execute": True},
    "RateLimiter": {"clock": New(lambda _: VirtualClock())},
    "RateLimiter.get": {"tool": "t"},
    "RateLimiter.remove": {"tool": "t"},
    "RateLimiter.set_limit": {"tool": "t", "max_calls": 2, "interval_secs": 1.0},
    "RuntimeCheckpoint": CHECKPOINT.fields,
    "RuntimeCheckpoint.remaining": {},
    "ResultCache": {"clock": New(lambda _: VirtualClock()), "max_entries": 10, "max_bytes": 1000},
    "ResultCache.begin": {"tool": "t", "params": {"x": [1]}, "callback": New(lambda _: print), "principal": "ada"},
    "ResultCache.disable": {"tool": "t"},
    "ResultCache.enable": {"tool": "t", "ttl_secs": 5.0},
    "ResultCache.enabled": {"tool": "t"},
    "ResultCache.forget": {"tool": "t", "params": {"x": [1]}, "principal": "ada"},
    "ResultCache.keys": {},
    "ResultCache.lookup": {"tool": "t", "params": {"x": [1]}, "principal": "ada"},
    "ResultCache.statistics": {},
    "ResultCache.ttl": {"tool": "t"},
    "CapabilitySet": {
        "allowed_tools": ["a"],
        "denied_tools": ["b"],
        "allowed_state_keys": ["k"],
        "max_actions": 5,
    },
    "CapabilitySet.actions_within_budget": {"count": 3},
    "CapabilitySet.check": {"call": CALL},
    "CapabilitySet.check_plan": {"count": 3},
    "CapabilitySet.state_key_allowed": {"key": "k"},
    "CapabilitySet.tool_allowed": {"tool": "t"},
    "PolicyCall": CALL.fields,
    "PolicyEngine": {},
    "PolicyEngine.approval": {"call": CALL, "reasons": []},
    "PolicyEngine.approves": {"call": CALL},
    "PolicyEngine.ask_tool": {"name": "n", "tool": "t", "session": SESSION},
    "PolicyEngine.asks": {},
    "PolicyEngine.check": {"call": CALL},
    "PolicyEngine.close_session": {"session": SESSION},
    "PolicyEngine.decide": {
        "call": Made(ExecCall, tool="t", parameters={"command": "ls"}, command="ls", cwd="/w", workspace="/w"),
        "approval": "on_request",
    },
    "PolicyEngine.deny_tool": {"name": "n", "tool": "t", "session": SESSION},
    "PolicyEngine.deny_tool_param": {"name": "n", "tool": "t", "key": "k", "pattern": "p", "session": SESSION},
    "PolicyEngine.is_open": {"session": SESSION},
    "PolicyEngine.judges_commands": {},
    "PolicyEngine.names": {"session": SESSION},
    "PolicyEngine.open_session": {},
    "PolicyEngine.register": {"name": "n", "policy": New(lambda _: lambda call: None), "session": SESSION},
    "PolicyEngine.require_state": {"name": "n", "key": "k", "value": {"a": [1]}, "session": SESSION},
    "PolicyEngine.unregister": {"name": "n", "session": SESSION},
    "PolicyEngine.use_files": {"rules": New(lambda rig: headway.policy.load_policies(rig.folder))},
    "PermissionGrant": {"tier": "read_only"},
    "PermissionGrant.check": {"call": CALL, "entry": Made(headway.tools.ToolEntry, **ENTRY)},
    "PermissionGrant.check_plan": {"calls": [[CALL, None]]},
    "Tier.covers": {"other": headway.policy.Tier.READ_ONLY},
    "load_policies": {"folder": New(lambda rig: str(rig.folder))},
    "find_policies": {"project": New(lambda rig: str(rig.folder)), "start": New(lambda rig: str(rig.folder))},
    "watch_policies": {"engine": New(lambda _: PolicyEngine()), "folder": New(lambda rig: rig.folder), "wakes": None},
    "SystemClock": {},
    "SystemClock.now": {},
    "SystemClock.time_ms": {},
    "SystemClock.sleep": {"delay": 0.0},
    "SystemClock.call_later": {"delay": 0.0, "callback": New(lambda _: list)},
}
"""By name: the arguments of a call that is valid."""

LIMITER: dict[str, dict[str, Any]] = {
    "TokenBucket": {"name": "t", "capacity": 2, "interval_s": 1.0, "clock": New(lambda _: VirtualClock())},
    "TokenBucket.wait": {"callback": New(lambda _: print)},
}
"""Objects that ``Runtime.rate_limiter`` leads to."""

MORE: list[tuple[str, dict[str, Any]]] = [
    ("Runtime", {"inference": New(lambda _: ScriptedProvider(default="yes"))}),
    ("Runtime.execute", {"proposal": New(lambda _: '{"actions": []}')}),
    ("Runtime.register_agent_basics", {"workspace": New(lambda rig: rig.folder)}),
    ("fold", {"view": New(lambda _: RunView(JobRow("j"))), "event": EVENT}),
    ("PolicyEngine.check", {"call": Made(PolicyCall, **{**CALL.fields, "session": "x"})}),
]

CLASSES: dict[str, Any] = {"TokenBucket": TokenBucket, "Workspace": Workspace}
"""Callables that are reached by way of an exported class."""


def policies(rig: Any) -> PolicyEngine:
    """Return an engine with a rule and a session."""
    made = PolicyEngine()
    made.deny_tool_param("no-wipe", "run", "cmd", "rm")
    made.require_state("k", "k", 1)
    rig.session = made.open_session()
    return made


def cache(_: Any) -> headway.limits.ResultCache:
    """Return a cache that holds a result."""
    made = headway.limits.ResultCache(VirtualClock())
    made.enable("t", 10)
    flight = made.begin("t", {}, print)
    flight.succeed(1)  # type: ignore[union-attr] # the first call is a flight
    return made


def log(_: Any) -> EventLog:
    """Return a log with an event."""
    made = EventLog(clock=VirtualClock())
    made.append(Event("a", {}, "j"))
    return made


def limiter(_: Any) -> RateLimiter:
    """Return a limiter with a bucket."""
    made = RateLimiter(VirtualClock())
    made.set_limit("t", 1, 1.0)
    return made


def started(_: Any) -> headway.RunHandle:
    """Return the handle of a run."""
    return Runtime().start({"actions": []})


SUBJECTS: dict[str, Any] = {
    "RunHandle": started,
    "RunView": lambda _: RunView(JobRow("j")),
    "Scope": lambda _: headway.Scope("s"),
    "Runtime": runtime,
    "StateStore": lambda _: StateStore({"k": 1, "n": {"m": [1]}}),
    "CancellationToken": lambda _: headway.CancellationToken(),
    "EventLog": log,
    "CostBudget": lambda _: CostBudget(tool_calls=1),
    "ResultCache": cache,
    "CapabilitySet": lambda _: CapabilitySet(allowed_tools={"t"}, allowed_state_keys={"k"}, max_actions=5),
    "PolicyEngine": policies,
    "PermissionGrant": lambda _: headway.policy.PermissionGrant(),
    "Tier": lambda _: headway.policy.Tier.SANDBOX_EDIT,
    "SystemClock": lambda _: headway.clock.SystemClock(),
    "RateLimiter": limiter,
    "RuntimeCheckpoint": lambda rig: build(CHECKPOINT, rig),
    "TokenBucket": lambda _: TokenBucket("t", 1, 1.0, VirtualClock()),
}
