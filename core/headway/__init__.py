"""Headway: verify plans of tool calls, run them durably, steer them.

The names below are imported on first use, so that ``import headway`` costs next to nothing. The rest is in the rooms:
``headway.analysis``, ``clock``, ``inference``, ``learning``, ``limits``, ``policy``, ``testing`` and ``tools``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway._lazy import attach
from headway._version import __version__

_ROOMS = ("analysis", "clock", "inference", "learning", "limits", "policy", "testing", "tools")

if TYPE_CHECKING:
    from headway import analysis as analysis
    from headway import clock as clock
    from headway import inference as inference
    from headway import learning as learning
    from headway import limits as limits
    from headway import policy as policy
    from headway import testing as testing
    from headway import tools as tools
    from headway.cancellation import CancellationToken
    from headway.engine import Engine
    from headway.errors import (
        Conflict,
        HeadwayError,
        HomeLocked,
        InferenceError,
        InferenceRefused,
        InvalidConfig,
        InvalidInput,
        InvalidPlan,
        InvalidTransition,
        LogFull,
        NotFound,
        StoreError,
        StoreTooNew,
        StoreUnreadable,
        TerminalToolError,
        ToolError,
        Unavailable,
    )
    from headway.events.checkpoint import RuntimeCheckpoint
    from headway.events.event import Event
    from headway.events.fold import fold
    from headway.events.log import EventLog
    from headway.events.views import RunView
    from headway.home import Home
    from headway.jobs.handle import RunHandle
    from headway.jobs.replan import ReplanConfig, ReplanContext
    from headway.jobs.scope import Scope
    from headway.jobs.submission import Submission
    from headway.limits.budget import CostBudget
    from headway.plan.builder import Plan
    from headway.plan.format import Action, ActionProposal, Precondition
    from headway.plan.parse import parse_proposal
    from headway.plan.results import ActionResult, ActionStatus, CostSummary, ErrorCode, ProposalResult, ReplanStep
    from headway.plan.verify import Issue, VerifyReport, verify
    from headway.runtime import Runtime
    from headway.script import run_sync
    from headway.state import StateStore
    from headway.store import StoreLog
    from headway.tools.context import ToolContext, ToolResult
    from headway.tools.decorator import tool
    from headway.tools.schema import ToolSchema

_HOME = {
    "Action": "plan.format",
    "ActionProposal": "plan.format",
    "ActionResult": "plan.results",
    "ActionStatus": "plan.results",
    "CancellationToken": "cancellation",
    "Conflict": "errors",
    "CostBudget": "limits.budget",
    "CostSummary": "plan.results",
    "Engine": "engine",
    "ErrorCode": "plan.results",
    "Event": "events.event",
    "EventLog": "events.log",
    "HeadwayError": "errors",
    "Home": "home",
    "HomeLocked": "errors",
    "InferenceError": "errors",
    "InferenceRefused": "errors",
    "InvalidConfig": "errors",
    "InvalidInput": "errors",
    "InvalidPlan": "errors",
    "InvalidTransition": "errors",
    "Issue": "plan.verify",
    "LogFull": "errors",
    "NotFound": "errors",
    "Plan": "plan.builder",
    "Precondition": "plan.format",
    "ProposalResult": "plan.results",
    "ReplanConfig": "jobs.replan",
    "ReplanContext": "jobs.replan",
    "ReplanStep": "plan.results",
    "RunHandle": "jobs.handle",
    "RunView": "events.views",
    "Runtime": "runtime",
    "RuntimeCheckpoint": "events.checkpoint",
    "Scope": "jobs.scope",
    "StateStore": "state",
    "StoreError": "errors",
    "StoreLog": "store",
    "StoreTooNew": "errors",
    "StoreUnreadable": "errors",
    "Submission": "jobs.submission",
    "TerminalToolError": "errors",
    "ToolContext": "tools.context",
    "ToolError": "errors",
    "ToolResult": "tools.context",
    "ToolSchema": "tools.schema",
    "Unavailable": "errors",
    "VerifyReport": "plan.verify",
    "fold": "events.fold",
    "parse_proposal": "plan.parse",
    "run_sync": "script",
    "tool": "tools.decorator",
    "verify": "plan.verify",
}

__all__ = [
    "Action",
    "ActionProposal",
    "ActionResult",
    "ActionStatus",
    "CancellationToken",
    "Conflict",
    "CostBudget",
    "CostSummary",
    "Engine",
    "ErrorCode",
    "Event",
    "EventLog",
    "HeadwayError",
    "Home",
    "HomeLocked",
    "InferenceError",
    "InferenceRefused",
    "InvalidConfig",
    "InvalidInput",
    "InvalidPlan",
    "InvalidTransition",
    "Issue",
    "LogFull",
    "NotFound",
    "Plan",
    "Precondition",
    "ProposalResult",
    "ReplanConfig",
    "ReplanContext",
    "ReplanStep",
    "RunHandle",
    "RunView",
    "Runtime",
    "RuntimeCheckpoint",
    "Scope",
    "StateStore",
    "StoreError",
    "StoreLog",
    "StoreTooNew",
    "StoreUnreadable",
    "Submission",
    "TerminalToolError",
    "ToolContext",
    "ToolError",
    "ToolResult",
    "ToolSchema",
    "Unavailable",
    "VerifyReport",
    "__version__",
    "fold",
    "parse_proposal",
    "run_sync",
    "tool",
    "verify",
]

if not TYPE_CHECKING:  # else every name would be there for a type checker, misspelt ones too
    __getattr__, __dir__ = attach(__name__, _HOME | dict.fromkeys(_ROOMS, ""))
