"""Headway: verify plans of tool calls, run them durably, steer them.

The names below are imported on first use, so that ``import headway`` costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headway._version import __version__

if TYPE_CHECKING:
    from headway.clock import SYSTEM_CLOCK, Clock, SystemClock
    from headway.engine import Engine
    from headway.errors import (
        Conflict,
        HeadwayError,
        InvalidConfig,
        InvalidInput,
        InvalidPlan,
        LogFull,
        NotFound,
        TerminalToolError,
        ToolError,
        Unavailable,
    )
    from headway.events.event import Event
    from headway.events.fold import fold
    from headway.events.log import EventLog
    from headway.limits.budget import CostBudget
    from headway.plan.model import Action, ActionProposal, Precondition, ToolSchema
    from headway.plan.parse import parse_proposal
    from headway.plan.result import ActionResult, ActionStatus, CostSummary, ErrorCode, ProposalResult
    from headway.plan.verify import Issue, VerifyReport, verify
    from headway.policy.call import PolicyCall
    from headway.policy.capabilities import CapabilitySet
    from headway.policy.engine import PolicyEngine
    from headway.policy.files import find_policies, load_policies
    from headway.policy.risk import PermissionGrant, Tier
    from headway.policy.watch import watch_policies
    from headway.runtime.cancel import CancellationToken
    from headway.runtime.facade import Runtime
    from headway.state import StateStore
    from headway.tools.context import ToolContext, ToolResult
    from headway.tools.decorator import tool

_HOME = {
    "Action": "plan.model",
    "ActionProposal": "plan.model",
    "ActionResult": "plan.result",
    "ActionStatus": "plan.result",
    "CancellationToken": "runtime.cancel",
    "CapabilitySet": "policy.capabilities",
    "Clock": "clock",
    "Conflict": "errors",
    "CostBudget": "limits.budget",
    "CostSummary": "plan.result",
    "Engine": "engine",
    "ErrorCode": "plan.result",
    "Event": "events.event",
    "EventLog": "events.log",
    "HeadwayError": "errors",
    "InvalidConfig": "errors",
    "InvalidInput": "errors",
    "InvalidPlan": "errors",
    "Issue": "plan.verify",
    "LogFull": "errors",
    "NotFound": "errors",
    "PermissionGrant": "policy.risk",
    "PolicyCall": "policy.call",
    "PolicyEngine": "policy.engine",
    "Precondition": "plan.model",
    "ProposalResult": "plan.result",
    "Runtime": "runtime.facade",
    "SYSTEM_CLOCK": "clock",
    "StateStore": "state",
    "SystemClock": "clock",
    "TerminalToolError": "errors",
    "Tier": "policy.risk",
    "ToolContext": "tools.context",
    "ToolError": "errors",
    "ToolResult": "tools.context",
    "ToolSchema": "plan.model",
    "Unavailable": "errors",
    "VerifyReport": "plan.verify",
    "find_policies": "policy.files",
    "fold": "events.fold",
    "load_policies": "policy.files",
    "parse_proposal": "plan.parse",
    "tool": "tools.decorator",
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
    "Conflict",
    "CostBudget",
    "CostSummary",
    "Engine",
    "ErrorCode",
    "Event",
    "EventLog",
    "HeadwayError",
    "InvalidConfig",
    "InvalidInput",
    "InvalidPlan",
    "Issue",
    "LogFull",
    "NotFound",
    "PermissionGrant",
    "PolicyCall",
    "PolicyEngine",
    "Precondition",
    "ProposalResult",
    "Runtime",
    "StateStore",
    "SystemClock",
    "TerminalToolError",
    "Tier",
    "ToolContext",
    "ToolError",
    "ToolResult",
    "ToolSchema",
    "Unavailable",
    "VerifyReport",
    "__version__",
    "find_policies",
    "fold",
    "load_policies",
    "parse_proposal",
    "tool",
    "verify",
    "watch_policies",
]


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'headway' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"headway.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
