"""The whole table: every valid call, by name, and what is not in it and why."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from enum import Enum
from typing import Any

from tests.unit.bad_input import control_plane, engine, inference, learning, plans, runtime, threads, tools
from tests.unit.bad_input.kit import public_names

Variants = dict[str, list[dict[str, Any]]]


def _joined(*parts: Any) -> Variants:
    found: Variants = {}
    for part in parts:
        for name, arguments in (*part.CALLS.items(), *getattr(part, "MORE", ())):
            found.setdefault(name, []).append(arguments)
    return found


CALLS: Variants = _joined(plans, runtime, threads, tools, learning, inference)
"""By name: the arguments of valid calls."""

SUBJECTS: dict[str, Any] = {
    **plans.SUBJECTS,
    **runtime.SUBJECTS,
    **tools.SUBJECTS,
    **learning.SUBJECTS,
    **inference.SUBJECTS,
}
"""By class: what makes the object that a method is called on."""

OUTSIDE: Variants = _joined(engine, control_plane)
"""By name: the arguments of valid calls of what has a disk behind it: an engine, and its control plane."""

CONFLICTS = frozenset(
    {
        "HttpProvider.chat",
        "HttpProvider.stream",
        "LocalProvider.chat",
        "LocalProvider.stream",
        "Runtime.resume",
        "ToolContext.ask_and_wait",
    }
)
"""Calls that are refused here whatever their arguments: no job is unfinished, this is the event loop, no service
answers.
"""

WAITS = frozenset({"SystemClock.sleep", "EventLog.subscribe", "Engine.subscribe"})
"""Calls that may well wait for long, or for something that does not come."""

RECORD = "a record that Headway hands out, or that a tool or a callback hands in and that is checked there"
ERROR = "an error: tried with every value by test_an_error_says_one_line_whatever_it_is_told"
PROTOCOL = "a protocol: its methods are whoever's implements it"
ENUM = "an enumeration: Python's own look-up by value"

EXEMPT: dict[str, str] = {
    **dict.fromkeys(
        (
            "ActionResult",
            "ChatRequest",
            "Completion",
            "CostSummary",
            "Equivalence",
            "Issue",
            "McpServerStatus",
            "McpStartup",
            "Message",
            "ModelInfo",
            "MonteCarlo",
            "Optimized",
            "Piece",
            "PlanScore",
            "ProposalResult",
            "ReplanContext",
            "RegisteredProvider",
            "ReplanStep",
            "Reply",
            "Resolution",
            "RunView",
            "Schedule",
            "Simulation",
            "ToolCall",
            "ToolOffer",
            "TransactionConflict",
            "VerifyReport",
        ),
        RECORD,
    ),
    "CostSummary.count": "how a run counts: what it is given comes from there",
    "Engine": "made by Engine.open alone",
    "Engine.watch": "takes nothing, and goes on until it is closed",
    "RunView.action": "a look-up: what it has no action for is a KeyError, as of a mapping",
    "RunHandle": "made by Runtime.start and Engine.start alone",
    "run_sync": "for code outside of a loop: tried by test_run_sync_runs_a_plan_with_tools",
    "Engine.open": "tried by test_an_engine_opens_or_says_why_not",
    "ControlPlane.open": "tried by test_an_engine_opens_or_says_why_not",
    "SubprocessTool.call": "what it is sent is tried by test_a_program_is_asked_in_json_or_not_at_all",
}
"""Callables that the table leaves out, and why."""

ELSEWHERE = frozenset(
    {
        "DeterministicDistiller",
        "Home",
        "InferRequest",
        "Metered",
        "PolicyChange",
        "Prices",
        "Provider",
        "Removal",
        "RuleSet",
        "Sandbox",
        "SandboxState",
        "SimulatedAction",
        "StoreLog",
        "Usage",
        "Workspace",
        "classify",
        "entry_of",
        "load_tool_files",
        "register_agent_basics",
        "score_proposal",
        "shell_tool",
    }
)
"""Names of the store, and of rooms only, whose bad input the tests of their own rooms try."""

UNTRIED: dict[str, str] = {
    "ToolContext.progress": "a sink of the runtime's",
    "ToolContext.chunks": "a sink of the runtime's",
    "ToolContext.ask": "a sink of the runtime's",
    "ToolContext.cancel": "a view of the runtime's token",
    "ToolContext.sandbox": "the runtime's",
    "PolicyEngine.approval.pinned": "policies that the runtime has read from the log",
    "PolicyEngine.approves.pinned": "policies that the runtime has read from the log",
    "HttpProvider.door": "the way out, of the configuration",
    "HttpProvider.key": "how a key is read, of the configuration",
    "PolicyEngine.decide.pinned": "policies that the runtime has read from the log",
    "PolicyEngine.judges_commands.pinned": "policies that the runtime has read from the log",
    "PolicyEngine.asks.pinned": "policies that the runtime has read from the log",
    "PolicyEngine.check.pinned": "policies that the runtime has read from the log",
}
"""Arguments that the table leaves out, and why."""


def callables() -> Iterator[tuple[str, Any]]:
    """Yield (name, callable) of every public function, constructor and method."""
    for name, found in public_names().items():
        if name in ELSEWHERE:
            continue
        if not callable(found) or _apart(found):
            continue
        yield name, found
        if inspect.isclass(found):
            yield from _methods(name, found)


def _apart(found: Any) -> bool:
    """Return whether ``found`` is of a kind that the table is not about: errors, protocols, plain enumerations."""
    if not inspect.isclass(found):
        return False
    if issubclass(found, Enum):
        return not _own_methods(found)
    return issubclass(found, BaseException) or getattr(found, "_is_protocol", False)


def _methods(owner: str, kind: type) -> Iterator[tuple[str, Any]]:
    for name in _own_methods(kind):
        yield f"{owner}.{name}", getattr(kind, name)


def _own_methods(kind: type) -> list[str]:
    """Return the public methods that a class, or a base of it that is ours, defines."""
    found = []
    for name in sorted(dir(kind)):
        home = next((base for base in kind.__mro__ if name in vars(base)), None)
        if name.startswith("_") or home is None or not home.__module__.startswith("headway"):
            continue
        if callable(getattr(kind, name, None)) and not isinstance(getattr(kind, name), Enum):
            found.append(name)
    return found
