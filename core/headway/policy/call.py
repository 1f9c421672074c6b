"""The action as policies see it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from headway.arguments import expect
from headway.errors import InvalidInput
from headway.jsonvalue import copy_members
from headway.state import StateSnapshot

_NOTHING: Mapping[str, Any] = {}


class PolicyCall(msgspec.Struct, frozen=True, gc=False):
    """One action that is about to run, with what it was resolved to.

    ``type`` is the action's type by its wire name (``tool_call``, ``state_write``, …), ``tool`` None unless it calls
    one. ``parameters`` are those it would run with, references filled in; ``state`` is the level's snapshot. ``reads``
    and ``writes`` name the state keys it declares; ``effects`` maps those of ``writes`` whose value is known beforehand
    to that value: what a state write writes, and the ``expected_effects`` of a tool call. ``session`` is the policy
    session that the run belongs to, ``principal`` who asked for it. ``now`` is the clock's monotonic time in seconds,
    on which rate limits count.

    The mappings may be shared with the runtime; a policy written in Python gets copies (:func:`apart`).
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
    effects: Mapping[str, Any] = _NOTHING

    def __repr__(self) -> str:
        # Without the values: a repr ends in logs.
        return f"PolicyCall({self.action_id!r}, {self.type!r}, tool={self.tool!r})"


def apart(call: PolicyCall) -> PolicyCall:
    """Return ``call`` with lists and objects of its own: what is done to them changes no state and no action."""
    return msgspec.structs.replace(
        call,
        parameters=copy_members(call.parameters),
        state=StateSnapshot(call.state),
        effects=copy_members(call.effects),
    )


def refuse_malformed(call: object) -> None:
    """Raise :class:`InvalidInput` for what is no call, or has fields of other types; asked once something failed."""
    if not isinstance(call, PolicyCall):
        raise InvalidInput(f"a call is a PolicyCall, not {type(call).__name__}") from None
    expect(call.action_id, str, "the action_id of a call")
    expect(call.type, str, "the type of a call")
    for name in ("tool", "session", "principal"):
        if (text := getattr(call, name)) is not None:
            expect(text, str, f"the {name} of a call")
    for name in ("parameters", "state", "effects"):
        expect(getattr(call, name), Mapping, f"the {name} of a call")
    for name in ("reads", "writes"):
        keys = getattr(call, name)
        if isinstance(keys, str) or not all(isinstance(key, str) for key in expect(keys, Collection, name)):
            raise InvalidInput(f"the {name} of a call must be a collection of texts")
    if isinstance(call.now, bool) or not isinstance(call.now, int | float):
        raise InvalidInput(f"the now of a call must be a number, not {type(call.now).__name__}")
