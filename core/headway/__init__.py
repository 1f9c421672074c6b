"""Headway: verify plans of tool calls, run them durably, steer them.

The names below are imported on first use, so that ``import headway`` costs next to nothing. The rest is in the rooms:
``headway.analysis``, ``clock``, ``elicitation``, ``inference``, ``learning``, ``limits``, ``policy``, ``secrets``,
``testing`` and ``tools``.
"""

from headway._lazy import attach
from headway._version import __version__ as __version__

_ROOMS = (
    "analysis",
    "clock",
    "elicitation",
    "inference",
    "learning",
    "limits",
    "policy",
    "secrets",
    "testing",
    "tools",
)

# Each public name, once: what type checkers read is written from it (python -m tests.stub).
_NAMES = {
    "cancellation": ("CancellationToken",),
    "control_plane": ("ControlPlane",),
    "engine": ("Engine",),
    "errors": (
        "Conflict",
        "EgressError",
        "EgressRefused",
        "HeadwayError",
        "HomeLocked",
        "InferenceError",
        "InferenceRefused",
        "InvalidConfig",
        "InvalidInput",
        "InvalidPlan",
        "InvalidTransition",
        "LogFull",
        "NotAnswered",
        "NotFound",
        "Overloaded",
        "SecretUnavailable",
        "StoreError",
        "StoreTooNew",
        "StoreUnreadable",
        "TerminalToolError",
        "ToolError",
        "Unavailable",
    ),
    "events.checkpoint": ("RuntimeCheckpoint",),
    "events.event": ("Event",),
    "events.fold": ("fold",),
    "events.log": ("EventLog",),
    "events.views": ("RunView",),
    "home": ("Home",),
    "jobs.handle": ("RunHandle",),
    "jobs.replan": ("ReplanConfig", "ReplanContext"),
    "jobs.scope": ("Scope",),
    "jobs.submission": ("Submission",),
    "limits.budget": ("CostBudget",),
    "plan.builder": ("Plan",),
    "plan.format": ("Action", "ActionProposal", "Precondition"),
    "plan.parse": ("parse_proposal",),
    "plan.results": ("ActionResult", "ActionStatus", "CostSummary", "ErrorCode", "ProposalResult", "ReplanStep"),
    "plan.verify": ("Issue", "VerifyReport", "verify"),
    "runtime": ("Runtime",),
    "script": ("run_sync",),
    "secrets.secret": ("Secret",),
    "state": ("StateStore",),
    "store": ("StoreLog",),
    "tools.context": ("ToolContext", "ToolResult"),
    "tools.decorator": ("tool",),
    "tools.schema": ("ToolSchema",),
}
_HOME = {name: home for home, names in _NAMES.items() for name in names}

__all__ = sorted((*_HOME, "__version__"))

__getattr__, __dir__ = attach(__name__, _HOME | dict.fromkeys(_ROOMS, ""))
