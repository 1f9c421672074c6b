"""Risk tiers: how much harm an action can do, and how much one may do without asking."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import TYPE_CHECKING

from headway.arguments import expect, expect_many, expect_one_of
from headway.errors import InvalidInput
from headway.policy.call import PolicyCall, refuse_malformed
from headway.policy.values import shown

if TYPE_CHECKING:
    from headway.tools.registry import ToolEntry

_IN_PROCESS = frozenset({"builtin", "user_defined"})
_ON_STATE = frozenset({"state_write", "state_read", "assertion"})


class Tier(StrEnum):
    """The most that an action can do.

    ``read_only`` changes nothing, ``sandbox_edit`` changes state and files of the workspace, ``full_access`` anything
    else. Tiers are compared by :meth:`covers`; ``<`` would compare their names.
    """

    READ_ONLY = "read_only"
    SANDBOX_EDIT = "sandbox_edit"
    FULL_ACCESS = "full_access"

    def covers(self, other: Tier) -> bool:
        """Return whether who may do this may do ``other``."""
        return _RANK[self] >= _RANK[expect(other, Tier, "a tier")]


_RANK = {tier: rank for rank, tier in enumerate(Tier)}


def classify(entry: ToolEntry | None, call: PolicyCall) -> Tier:
    """Return the tier of ``call``, whose tool is ``entry`` (None for one that is not known, and for actions on state).

    It follows from what is declared, and what is not declared counts as the worst:

    ============================================================================  ============
    anything that declares a state key it writes                                  sandbox_edit at least
    reading state, an assertion                                                   read_only
    writing state                                                                 sandbox_edit
    a tool that is unknown, in category ``shell``, with permission ask or deny,
    or run outside of this process (source ``subprocess``, ``mcp`` and so on)     full_access
    a tool that writes files                                                      sandbox_edit
    an idempotent tool                                                            read_only
    any other tool                                                                sandbox_edit
    ============================================================================  ============
    """
    if call.type == "tool_call":
        if entry is None or entry.category == "shell" or entry.source not in _IN_PROCESS or entry.permission != "allow":
            return Tier.FULL_ACCESS
        reads_only = entry.schema.idempotent and not entry.writes_files
    elif call.type in _ON_STATE:
        reads_only = call.type != "state_write"
    else:
        return Tier.FULL_ACCESS
    return Tier.READ_ONLY if reads_only and not call.writes else Tier.SANDBOX_EDIT


class PermissionGrant:
    """The tier that a caller was given. Raises ``InvalidInput`` for what is no tier."""

    __slots__ = ("tier",)

    def __init__(self, tier: Tier | str = Tier.SANDBOX_EDIT) -> None:
        self.tier = Tier(expect_one_of(tier, tuple(Tier), "a tier"))

    def check(self, call: PolicyCall, entry: ToolEntry | None) -> list[str]:
        """Return why the grant does not reach ``call``; ``[]`` if it does. None reaches a tool with permission deny."""
        try:
            return self._check(call, entry)
        except Exception:
            refuse_malformed(call)
            _entry(entry)
            raise

    def _check(self, call: PolicyCall, entry: ToolEntry | None) -> list[str]:
        if call.type == "tool_call" and entry is not None and entry.permission == "deny":
            return [f"tool '{shown(entry.name)}' is denied by its permission"]
        needed = classify(entry, call)
        if self.tier.covers(needed):
            return []
        what = f"tool '{shown(call.tool or '')}'" if call.type == "tool_call" else shown(str(call.type))
        return [f"{what} needs {needed.value}, the grant is {self.tier.value}"]

    def check_plan(self, calls: Iterable[tuple[PolicyCall, ToolEntry | None]]) -> list[str]:
        """Return why a plan of these actions is refused, one line an action; ``[]`` if the grant reaches for all.

        One action above the grant refuses the whole plan: half of it would not do what was meant.
        """
        found = []
        for pair in expect_many(calls, "calls"):
            if not isinstance(pair, tuple | list) or len(pair) != 2:
                raise InvalidInput("calls are pairs of a PolicyCall and a ToolEntry or None")
            call, entry = pair
            refuse_malformed(call)
            found += [f"action '{shown(call.action_id)}': {reason}" for reason in self.check(call, entry)]
        return found

    def __repr__(self) -> str:
        return f"PermissionGrant({self.tier.value!r})"


def _entry(value: object) -> None:
    from headway.tools.registry import ToolEntry

    if value is not None:
        expect(value, ToolEntry, "a tool's entry")
