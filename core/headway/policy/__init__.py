"""Policies: which actions may run.

Three gates that know nothing of each other: a :class:`~headway.policy.capabilities.CapabilitySet` (what an agent may
touch at all), a :class:`~headway.policy.engine.PolicyEngine` (rules in code, per session and in ``policies/*.toml``)
and a :class:`~headway.policy.risk.PermissionGrant` (how risky an action may be). Each is asked with a
:class:`~headway.policy.call.PolicyCall` and answers with reasons; no reason is a yes. None of them runs or waits for
anything. The names below are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway._lazy import attach

if TYPE_CHECKING:
    from headway.policy.call import PolicyCall
    from headway.policy.capabilities import CapabilitySet
    from headway.policy.engine import PolicyEngine
    from headway.policy.files import RuleSet, find_policies, load_policies
    from headway.policy.risk import PermissionGrant, Tier, classify
    from headway.policy.watch import PolicyChange, watch_policies

_HOME = {
    "CapabilitySet": "capabilities",
    "PermissionGrant": "risk",
    "PolicyCall": "call",
    "PolicyChange": "watch",
    "PolicyEngine": "engine",
    "RuleSet": "files",
    "Tier": "risk",
    "classify": "risk",
    "find_policies": "files",
    "load_policies": "files",
    "watch_policies": "watch",
}

__all__ = [
    "CapabilitySet",
    "PermissionGrant",
    "PolicyCall",
    "PolicyChange",
    "PolicyEngine",
    "RuleSet",
    "Tier",
    "classify",
    "find_policies",
    "load_policies",
    "watch_policies",
]

__getattr__, __dir__ = attach(__name__, _HOME)
