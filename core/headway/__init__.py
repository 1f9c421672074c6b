"""Headway: verify plans of tool calls, run them durably, steer them.

The names below are imported on first use, so that ``import headway`` costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway._lazy import attach
from headway._version import __version__

if TYPE_CHECKING:
    from headway.analysis.equivalence import Equivalence, equivalent
    from headway.analysis.montecarlo import MonteCarlo, simulate_monte_carlo
    from headway.analysis.optimization import Optimized, optimize
    from headway.analysis.schedule import Schedule, analyze_schedule
    from headway.analysis.scoring import PlannerConfig, PlanScore, ToolFeedback, rank_proposals
    from headway.analysis.simulation import Simulation, simulate
    from headway.analysis.transaction import TransactionConflict, transaction_check
    from headway.cancellation import CancellationToken
    from headway.clock import SYSTEM_CLOCK, Clock, SystemClock
    from headway.engine import Engine
    from headway.errors import (
        Conflict,
        HeadwayError,
        InferenceError,
        InferenceRefused,
        InvalidConfig,
        InvalidInput,
        InvalidPlan,
        LogFull,
        NotFound,
        TerminalToolError,
        ToolError,
        Unavailable,
    )
    from headway.events.checkpoint import RuntimeCheckpoint
    from headway.events.event import Event
    from headway.events.fold import fold
    from headway.events.log import EventLog
    from headway.events.views import RunView
    from headway.inference.answer import Completion
    from headway.inference.http import HttpProvider
    from headway.inference.local import LocalProvider
    from headway.inference.provider import InferenceProvider
    from headway.jobs.handle import RunHandle
    from headway.jobs.replan import FailedAction, ReplanConfig, ReplanContext
    from headway.jobs.scope import Scope
    from headway.jobs.submission import Submission
    from headway.learning.learner import Learner
    from headway.learning.llm import LLMDistiller
    from headway.learning.memory import Memgine
    from headway.learning.skill import DistilledSkill
    from headway.learning.skill_store import SkillStore
    from headway.learning.trajectory import TraceEvent, Trajectory, trajectory_of
    from headway.learning.trajectory_store import TrajectoryStore
    from headway.limits.bucket import RateLimiter
    from headway.limits.budget import CostBudget
    from headway.limits.cache import ResultCache
    from headway.plan.builder import Plan
    from headway.plan.format import Action, ActionProposal, Precondition
    from headway.plan.parse import parse_proposal
    from headway.plan.results import ActionResult, ActionStatus, CostSummary, ErrorCode, ProposalResult, ReplanStep
    from headway.plan.verify import Issue, VerifyReport, verify
    from headway.policy.call import PolicyCall
    from headway.policy.capabilities import CapabilitySet
    from headway.policy.engine import PolicyEngine
    from headway.policy.files import find_policies, load_policies
    from headway.policy.risk import PermissionGrant, Tier
    from headway.policy.watch import watch_policies
    from headway.runtime import Runtime
    from headway.script import run_sync
    from headway.state import StateStore
    from headway.tools.context import ToolContext, ToolResult
    from headway.tools.decorator import tool
    from headway.tools.executor import ContextualExecutor, ToolExecutor
    from headway.tools.inference import inference_tools
    from headway.tools.longrun import LongRunning, Poll, long_running
    from headway.tools.process.shell import register_shell
    from headway.tools.process.subprocess import Restart, SubprocessTool
    from headway.tools.registry import ToolEntry, ToolRegistry
    from headway.tools.schema import ToolSchema

_HOME = {
    "Action": "plan.format",
    "ActionProposal": "plan.format",
    "ActionResult": "plan.results",
    "ActionStatus": "plan.results",
    "CancellationToken": "cancellation",
    "CapabilitySet": "policy.capabilities",
    "Clock": "clock",
    "Completion": "inference.answer",
    "Conflict": "errors",
    "ContextualExecutor": "tools.executor",
    "CostBudget": "limits.budget",
    "CostSummary": "plan.results",
    "DistilledSkill": "learning.skill",
    "Engine": "engine",
    "Equivalence": "analysis.equivalence",
    "ErrorCode": "plan.results",
    "Event": "events.event",
    "EventLog": "events.log",
    "FailedAction": "jobs.replan",
    "HeadwayError": "errors",
    "HttpProvider": "inference.http",
    "InferenceError": "errors",
    "InferenceProvider": "inference.provider",
    "InferenceRefused": "errors",
    "InvalidConfig": "errors",
    "InvalidInput": "errors",
    "InvalidPlan": "errors",
    "Issue": "plan.verify",
    "LLMDistiller": "learning.llm",
    "Learner": "learning.learner",
    "LocalProvider": "inference.local",
    "LogFull": "errors",
    "LongRunning": "tools.longrun",
    "Memgine": "learning.memory",
    "MonteCarlo": "analysis.montecarlo",
    "NotFound": "errors",
    "Optimized": "analysis.optimization",
    "PermissionGrant": "policy.risk",
    "Plan": "plan.builder",
    "PlanScore": "analysis.scoring",
    "PlannerConfig": "analysis.scoring",
    "PolicyCall": "policy.call",
    "PolicyEngine": "policy.engine",
    "Poll": "tools.longrun",
    "Precondition": "plan.format",
    "ProposalResult": "plan.results",
    "RateLimiter": "limits.bucket",
    "ReplanConfig": "jobs.replan",
    "ReplanContext": "jobs.replan",
    "ReplanStep": "plan.results",
    "Restart": "tools.process.subprocess",
    "ResultCache": "limits.cache",
    "Runtime": "runtime",
    "RunHandle": "jobs.handle",
    "RunView": "events.views",
    "RuntimeCheckpoint": "events.checkpoint",
    "Scope": "jobs.scope",
    "SYSTEM_CLOCK": "clock",
    "Schedule": "analysis.schedule",
    "Simulation": "analysis.simulation",
    "SkillStore": "learning.skill_store",
    "StateStore": "state",
    "Submission": "jobs.submission",
    "SubprocessTool": "tools.process.subprocess",
    "SystemClock": "clock",
    "TerminalToolError": "errors",
    "Tier": "policy.risk",
    "ToolContext": "tools.context",
    "ToolEntry": "tools.registry",
    "ToolError": "errors",
    "ToolExecutor": "tools.executor",
    "ToolFeedback": "analysis.scoring",
    "ToolRegistry": "tools.registry",
    "ToolResult": "tools.context",
    "ToolSchema": "tools.schema",
    "TraceEvent": "learning.trajectory",
    "Trajectory": "learning.trajectory",
    "TrajectoryStore": "learning.trajectory_store",
    "TransactionConflict": "analysis.transaction",
    "Unavailable": "errors",
    "VerifyReport": "plan.verify",
    "analyze_schedule": "analysis.schedule",
    "equivalent": "analysis.equivalence",
    "find_policies": "policy.files",
    "fold": "events.fold",
    "inference_tools": "tools.inference",
    "load_policies": "policy.files",
    "long_running": "tools.longrun",
    "optimize": "analysis.optimization",
    "parse_proposal": "plan.parse",
    "rank_proposals": "analysis.scoring",
    "register_shell": "tools.process.shell",
    "run_sync": "script",
    "simulate": "analysis.simulation",
    "simulate_monte_carlo": "analysis.montecarlo",
    "tool": "tools.decorator",
    "trajectory_of": "learning.trajectory",
    "transaction_check": "analysis.transaction",
    "verify": "plan.verify",
    "watch_policies": "policy.watch",
}

__all__ = [
    "SYSTEM_CLOCK",
    "Action",
    "ActionProposal",
    "ActionResult",
    "ActionStatus",
    "CancellationToken",
    "CapabilitySet",
    "Clock",
    "Completion",
    "Conflict",
    "ContextualExecutor",
    "CostBudget",
    "CostSummary",
    "DistilledSkill",
    "Engine",
    "Equivalence",
    "ErrorCode",
    "Event",
    "EventLog",
    "FailedAction",
    "HeadwayError",
    "HttpProvider",
    "InferenceError",
    "InferenceProvider",
    "InferenceRefused",
    "InvalidConfig",
    "InvalidInput",
    "InvalidPlan",
    "Issue",
    "LLMDistiller",
    "Learner",
    "LocalProvider",
    "LogFull",
    "LongRunning",
    "Memgine",
    "MonteCarlo",
    "NotFound",
    "Optimized",
    "PermissionGrant",
    "Plan",
    "PlanScore",
    "PlannerConfig",
    "PolicyCall",
    "PolicyEngine",
    "Poll",
    "Precondition",
    "ProposalResult",
    "RateLimiter",
    "ReplanConfig",
    "ReplanContext",
    "ReplanStep",
    "Restart",
    "ResultCache",
    "RunHandle",
    "RunView",
    "Runtime",
    "RuntimeCheckpoint",
    "Schedule",
    "Scope",
    "Simulation",
    "SkillStore",
    "StateStore",
    "Submission",
    "SubprocessTool",
    "SystemClock",
    "TerminalToolError",
    "Tier",
    "ToolContext",
    "ToolEntry",
    "ToolError",
    "ToolExecutor",
    "ToolFeedback",
    "ToolRegistry",
    "ToolResult",
    "ToolSchema",
    "TraceEvent",
    "Trajectory",
    "TrajectoryStore",
    "TransactionConflict",
    "Unavailable",
    "VerifyReport",
    "__version__",
    "analyze_schedule",
    "equivalent",
    "find_policies",
    "fold",
    "inference_tools",
    "load_policies",
    "long_running",
    "optimize",
    "parse_proposal",
    "rank_proposals",
    "register_shell",
    "run_sync",
    "simulate",
    "simulate_monte_carlo",
    "tool",
    "trajectory_of",
    "transaction_check",
    "verify",
    "watch_policies",
]

if not TYPE_CHECKING:  # else every name would be there for a type checker, misspelt ones too
    __getattr__, __dir__ = attach(__name__, _HOME)
