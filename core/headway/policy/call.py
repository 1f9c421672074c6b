"""The action as policies see it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

_NOTHING: Mapping[str, Any] = {}


class PolicyCall(msgspec.Struct, frozen=True, gc=False):
    """One action that is about to run, with what it was resolved to.

    ``type`` is the action's type by its wire name (``tool_call``, ``state_write``, …), ``tool`` None unless it calls
    one. ``parameters`` are those it would run with, references filled in; ``state`` is the level's snapshot. ``reads``
    and ``writes`` name the state keys it declares. ``session`` is the policy session that the run belongs to,
    ``principal`` who asked for it. ``now`` is the clock's monotonic time in seconds, on which rate limits count.

    Both mappings are shared with the runtime: read them only.
    """

    action_id: str
    type: str
    tool: str | None = None
    parameters: Mapping[str, Any] = _NOTHING
    state: Mapping[str, Any] = _NOTHING
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    session: str | None = None
    principal: str | None = None
    now: float = 0.0

    def __repr__(self) -> str:
        # Without the values: a repr ends in logs.
        return f"PolicyCall({self.action_id!r}, {self.type!r}, tool={self.tool!r})"
