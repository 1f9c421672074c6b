"""Exec policy: which programs a plan may start, by typed rules, a mode of asking, and what was approved.

A shell command is read with a real grammar (:mod:`.reading`), so that rules see the programs in it wherever they
stand: behind ``&&``, in ``$(…)``, ``bash -c`` or ``xargs``. What cannot be read is never allowed by a prefix rule.
The names below are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway._lazy import attach

if TYPE_CHECKING:
    from headway.policy.exec.approvals import SessionApprovals
    from headway.policy.exec.asking import ApprovalMode, AskForApproval, Reject, approval_of
    from headway.policy.exec.decision import Amendment, Decision, Verdict
    from headway.policy.exec.policy import ExecCall, ExecPolicy
    from headway.policy.exec.rule import Action, ExecRule, Layer

_HOME = {
    "Action": "rule",
    "Amendment": "decision",
    "ApprovalMode": "asking",
    "AskForApproval": "asking",
    "Decision": "decision",
    "ExecCall": "policy",
    "ExecPolicy": "policy",
    "ExecRule": "rule",
    "Layer": "rule",
    "Reject": "asking",
    "SessionApprovals": "approvals",
    "Verdict": "decision",
    "approval_of": "asking",
}

__all__ = [
    "Action",
    "Amendment",
    "ApprovalMode",
    "AskForApproval",
    "Decision",
    "ExecCall",
    "ExecPolicy",
    "ExecRule",
    "Layer",
    "Reject",
    "SessionApprovals",
    "Verdict",
    "approval_of",
]

__getattr__, __dir__ = attach(__name__, _HOME)
