"""Egress: the one door through which Headway asks other machines.

A :class:`Door` sends HTTP requests under :class:`Rules`: the name of a host is resolved once for each connection, every
address is checked, and the connection goes to the address that was checked. Model services, webhooks, MCP over HTTP and
agents are asked through it; clients of Headway's own daemon alone have transports of their own. The names below are
imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway._lazy import attach

if TYPE_CHECKING:
    from headway.egress.door import Answer, Door, Reply
    from headway.egress.rules import Rules

_HOME = {"Answer": "door", "Door": "door", "Reply": "door", "Rules": "rules"}

__all__ = ["Answer", "Door", "Reply", "Rules"]

__getattr__, __dir__ = attach(__name__, _HOME)
