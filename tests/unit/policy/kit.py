"""Calls for the tests of policies."""

from __future__ import annotations

from typing import Any

from headway.policy.call import PolicyCall

SECRET = "hunter2"


def call(tool: str | None = "run", parameters: dict[str, Any] | None = None, **fields: Any) -> PolicyCall:
    """Return a call of ``tool``."""
    kind = fields.pop("type", "tool_call")
    return PolicyCall(fields.pop("action_id", "a"), kind, tool, parameters or {}, **fields)


def write(key: str = "k", **fields: Any) -> PolicyCall:
    """Return a state write."""
    return call(None, {"key": key, "value": 1}, type="state_write", writes=(key,), effects={key: 1}, **fields)
