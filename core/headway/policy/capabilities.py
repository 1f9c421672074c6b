"""``CapabilitySet``: what an agent may touch at all, whatever the policies say."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from headway.arguments import plain
from headway.errors import InvalidInput
from headway.numbers import whole_number
from headway.policy.call import PolicyCall, refuse_malformed
from headway.policy.values import MAX_KEY, shown

_NONE: frozenset[str] = frozenset()
_SETS = ("allowed_tools", "denied_tools", "allowed_state_keys")


class CapabilitySet(msgspec.Struct, frozen=True, omit_defaults=True):
    """The tools, the state keys and the number of actions that an agent may use.

    ``allowed_tools`` and ``allowed_state_keys`` allow everything while they are empty. ``denied_tools`` wins over
    ``allowed_tools``. ``max_actions`` bounds the actions of one plan; None does not. Sets may be given as any
    collection of names. Raises ``InvalidInput`` for what is no such thing.
    """

    allowed_tools: frozenset[str] = _NONE
    denied_tools: frozenset[str] = _NONE
    allowed_state_keys: frozenset[str] = _NONE
    max_actions: int | None = None

    def __post_init__(self) -> None:
        for name in _SETS:
            msgspec.structs.force_setattr(self, name, _names(getattr(self, name), f"capability {name}"))
        if self.max_actions is not None:
            whole_number(self.max_actions, "capability max_actions", 0)

    def tool_allowed(self, tool: str) -> bool:
        """Return whether ``tool`` may be called."""
        plain(tool, "a tool's name", MAX_KEY)
        return tool not in self.denied_tools and (not self.allowed_tools or tool in self.allowed_tools)

    def state_key_allowed(self, key: str) -> bool:
        """Return whether the state's ``key`` may be read and written."""
        plain(key, "a state key", MAX_KEY)
        return not self.allowed_state_keys or key in self.allowed_state_keys

    def actions_within_budget(self, count: int) -> bool:
        """Return whether a plan may have ``count`` actions."""
        whole_number(count, "a plan's number of actions", 0)
        return self.max_actions is None or count <= self.max_actions

    def check(self, call: PolicyCall) -> list[str]:
        """Return why ``call`` is beyond the capabilities, by its tool or a state key; ``[]`` if it is not."""
        try:
            return self._check(call)
        except (AttributeError, TypeError):
            refuse_malformed(call)
            raise

    def _check(self, call: PolicyCall) -> list[str]:
        found = []
        tool = call.tool
        if tool is not None and (tool in self.denied_tools or (self.allowed_tools and tool not in self.allowed_tools)):
            found.append(f"tool '{shown(tool)}' is not allowed by the capabilities")
        if self.allowed_state_keys:
            found += [
                f"state key '{shown(key)}' is not allowed by the capabilities"
                for key in dict.fromkeys((*call.reads, *call.writes))
                if key not in self.allowed_state_keys
            ]
        return found

    def check_plan(self, count: int) -> str | None:
        """Return why a plan of ``count`` actions is too long, or None."""
        if self.actions_within_budget(count):
            return None
        return f"the plan has {count} actions, the capabilities allow {self.max_actions}"


def _names(value: Any, what: str) -> frozenset[str]:
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise InvalidInput(f"{what} must be a collection of names, not {type(value).__name__}")
    return frozenset(plain(name, f"a name in {what}", MAX_KEY) for name in value)
