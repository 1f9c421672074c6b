"""Gates: who may run what. Capabilities and the permissions of tools judge a plan whole, at admission, compensations
included; policies judge each call just before each attempt, when its parameters and the state are known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from headway.plan.format import Action, ActionType
from headway.plan.graph import Graph, Node, reads
from headway.plan.verify import Issue
from headway.policy.call import PolicyCall
from headway.policy.engine import PolicyEngine
from headway.policy.risk import Tier, classify
from headway.policy.values import shown

if TYPE_CHECKING:
    from pathlib import Path

    from headway.policy.capabilities import CapabilitySet
    from headway.policy.exec.decision import Decision
    from headway.policy.pinned import Sources
    from headway.policy.risk import PermissionGrant
    from headway.tools.registry import ToolEntry, ToolRegistry

_NOTHING: Mapping[str, Any] = MappingProxyType({})

ASKS = "asks for permission"
"""The words for a tool whose permission is ``ask``."""

COMPENSATION = "compensation: "
"""The beginning of a finding about the call that would undo an action."""


class Gates:
    """The gates of one runtime; without any, everything may run."""

    def __init__(self, policies: PolicyEngine | None = None) -> None:
        self.policies = policies if policies is not None else PolicyEngine()
        self.capabilities: CapabilitySet | None = None
        self.grant: PermissionGrant | None = None

    def judge(self, plan: Graph, registry: ToolRegistry, *, attended: bool = False) -> Iterator[Issue]:
        """Yield why the plan as a whole may not run. ``attended`` says that somebody answers where a tool asks."""
        capabilities = self.capabilities
        if capabilities is not None and (text := capabilities.check_plan(len(plan.nodes))):
            yield Issue(text, check="capability")
        if capabilities is None and self.grant is None and not registry.restricted:
            return
        for node in plan.nodes:
            for prefix, call in _calls(node):
                if capabilities is not None:
                    for text in capabilities.check(call):
                        yield Issue(prefix + text, action_id=node.id, check="capability")
                for text in self._permission(call, registry.get(call.tool or ""), attended):
                    yield Issue(prefix + text, action_id=node.id, check="policy")

    def _permission(self, call: PolicyCall, entry: ToolEntry | None, attended: bool) -> list[str]:
        """Return the reasons why the permission of the call's tool, or the grant, does not reach for it."""
        if self.grant is not None:
            return self.grant.check(call, entry)
        if entry is None or entry.permission == "allow" or call.type != "tool_call":
            return []
        if entry.permission == "deny":
            return [f"tool '{entry.name}' is denied by its permission"]
        return [] if attended else [f"tool '{entry.name}' {ASKS}, and nobody has granted full_access"]

    def may_ask(self, plan: Graph, registry: ToolRegistry, pinned: Sources = ()) -> bool:
        """Return whether an action of the plan may need a person's approval, by the rules there are now."""
        if self.policies.asks(pinned) or self.policies.judges_commands(pinned):
            return True
        if self.grant is not None or not registry.restricted:
            return False
        tools = {call.tool for node in plan.nodes for _, call in _calls(node)}
        return any((entry := registry.get(tool)) is not None and entry.permission == "ask" for tool in tools if tool)

    def approval(
        self,
        node: Node,
        parameters: Mapping[str, Any],
        state: Mapping[str, Any],
        entry: ToolEntry | None,
        *,
        session: str | None,
        principal: str | None,
        now: float,
        tool: str | None = None,
        pinned: Sources = (),
        decision: Decision | None = None,
    ) -> list[str]:
        """Return why a person must approve this action first, or a call of ``tool`` that undoes it; ``[]``: nobody.

        A tool's permission asks unless a grant was given, which then reaches for it. ``pinned`` are the file policies
        of the job's start, ``decision`` is what the exec policy says: only the approval of exactly this call answers it
        beforehand.
        """
        asking = entry is not None and entry.permission == "ask" and self.grant is None
        reasons = [f"tool '{entry.name}' {ASKS}"] if asking and entry is not None else []
        call = _call(node, parameters, state, session, principal, now, tool)
        found = self.policies.approval(call, reasons, pinned)
        if decision is not None and decision.verdict == "ask" and not self.policies.approves(call, pinned):
            found = [*found, f"exec policy: {decision.reason}"]
        return found

    def decision(
        self,
        tool: str,
        parameters: Mapping[str, Any],
        entry: ToolEntry | None,
        *,
        principal: str | None,
        workspace: Path | None,
        confines: bool,
        pinned: Sources = (),
        approval: Any = None,
    ) -> Decision | None:
        """Return what the exec policy says of a call of ``tool``; None if it has nothing to say of any.

        ``confines`` says that the programs of tools run in a sandbox. ``approval`` is the mode of the job, if it has
        one of its own.
        """
        if not tool or not (approval is not None or self.policies.judges_commands(pinned)):
            return None
        from headway.policy.exec.policy import ExecCall

        folder = "" if workspace is None else str(workspace)
        starts = entry is None or entry.command is not None or entry.category == "shell"
        return self.policies.decide(
            ExecCall(
                tool,
                parameters,
                command=_command(entry, parameters),
                starts=starts,
                cwd=folder,
                workspace=folder,
                sandboxed=confines and entry is not None and entry.command is not None,
                principal=principal,
                tier=classify(entry, PolicyCall("", ActionType.TOOL_CALL.value, tool)),
            ),
            pinned,
            approval,
        )

    def effects_denied(self, keys: Iterable[str]) -> str | None:
        """Return the reason why a tool may not set these state keys, None if it may. The plan did not tell of them."""
        if self.grant is not None and not self.grant.tier.covers(Tier.SANDBOX_EDIT):
            return f"setting state needs {Tier.SANDBOX_EDIT.value}, the grant is {self.grant.tier.value}"
        capabilities = self.capabilities
        if capabilities is None or not capabilities.allowed_state_keys:
            return None
        beyond = next((key for key in keys if key not in capabilities.allowed_state_keys), None)
        return None if beyond is None else f"state key '{shown(beyond)}' is not allowed by the capabilities"

    def ask(
        self,
        node: Node,
        parameters: Mapping[str, Any],
        state: Mapping[str, Any],
        *,
        session: str | None,
        principal: str | None,
        now: float,
        tool: str | None = None,
        pinned: Sources = (),
    ) -> list[str]:
        """Return the reasons against this action, or against a call of ``tool`` that undoes it; ``[]`` if none.

        ``pinned`` are the file policies of the job's start.
        """
        return self.policies.check(_call(node, parameters, state, session, principal, now, tool), pinned)


def _command(entry: ToolEntry | None, parameters: Mapping[str, Any]) -> str | tuple[str, ...] | None:
    """Return what a call starts; None if that is not known. A tool of category shell has it as ``command``."""
    if entry is None:
        return None
    if entry.command is not None:
        try:
            return entry.command(dict(parameters))
        except Exception:  # noqa: BLE001 - it is the tool's code: what it cannot tell is not known
            return None
    given = parameters.get("command") if entry.category == "shell" else None
    if isinstance(given, list | tuple) and given and all(isinstance(word, str) for word in given):
        return tuple(given)
    return given if isinstance(given, str) else None


def _calls(node: Node) -> Iterator[tuple[str, PolicyCall]]:
    """Yield the action's own call, and the one that would undo it if that has a tool of its own, with its name."""
    yield "", _call(node, node.action.parameters)
    undo = node.action.compensation
    if undo is not None and undo.tool:
        yield COMPENSATION, _call(node, undo.parameters, tool=undo.tool)


def _call(
    node: Node,
    parameters: Mapping[str, Any],
    state: Mapping[str, Any] | None = None,
    session: str | None = None,
    principal: str | None = None,
    now: float = 0.0,
    tool: str | None = None,
) -> PolicyCall:
    """Return the call that ``node`` makes, or with ``tool`` the one that compensates it."""
    call = tool is None
    return PolicyCall(
        action_id=node.id,
        type=node.type.value if call else ActionType.TOOL_CALL.value,
        tool=node.tool if call else tool,
        parameters=parameters,
        state=state if state is not None else _NOTHING,
        reads=_reads(node.action) if call else (),
        writes=node.writes if call else (),
        session=session,
        principal=principal,
        now=now,
        effects=_effects(node, parameters) if call else _NOTHING,
    )


def _reads(action: Action) -> tuple[str, ...]:
    """Return the state keys that the action looks at, also those that must not be there: the answer tells of them."""
    keys = reads(action)
    if action.preconditions:
        keys += [precondition.key for precondition in action.preconditions if precondition.operator == "not_exists"]
    return tuple(keys)


def _effects(node: Node, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the state keys that the action sets with a value that is known before it runs."""
    if node.type is ActionType.TOOL_CALL:
        return node.action.expected_effects
    if node.type is ActionType.STATE_WRITE and node.key is not None:
        return {node.key: parameters.get("value")}
    return _NOTHING
