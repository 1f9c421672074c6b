"""Gates: who may run what. Capabilities and the permission grant judge a plan whole, at admission; policies judge
each action just before its first attempt, when its parameters and the state are known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from headway.plan.graph import Node, Plan, reads, writes
from headway.plan.verify import Issue
from headway.policy.call import PolicyCall
from headway.policy.engine import PolicyEngine

if TYPE_CHECKING:
    from headway.policy.capabilities import CapabilitySet
    from headway.policy.risk import PermissionGrant
    from headway.tools.registry import ToolRegistry


class Gates:
    """The gates of one runtime; without any, everything may run."""

    def __init__(self, policies: PolicyEngine | None = None) -> None:
        self.policies = policies if policies is not None else PolicyEngine()
        self.capabilities: CapabilitySet | None = None
        self.grant: PermissionGrant | None = None

    def judge(self, plan: Plan, registry: ToolRegistry) -> Iterator[Issue]:
        """Yield why the plan as a whole may not run."""
        capabilities, grant = self.capabilities, self.grant
        if capabilities is None and grant is None:
            return
        if capabilities is not None and (text := capabilities.check_plan(len(plan.nodes))):
            yield Issue(text, check="capability")
        for node in plan.nodes:
            call = _call(node, node.action.parameters)
            if capabilities is not None:
                for text in capabilities.check(call):
                    yield Issue(text, action_id=node.id, check="capability")
            if grant is not None:
                for text in grant.check(call, registry.get(node.tool or "")):
                    yield Issue(text, action_id=node.id, check="policy")

    def ask(
        self,
        node: Node,
        parameters: Mapping[str, Any],
        state: Mapping[str, Any],
        *,
        session: str | None,
        principal: str | None,
        now: float,
    ) -> list[str]:
        """Return why the policies deny this action; ``[]`` if it may run."""
        return self.policies.check(_call(node, parameters, state, session, principal, now))


def _call(
    node: Node,
    parameters: Mapping[str, Any],
    state: Mapping[str, Any] | None = None,
    session: str | None = None,
    principal: str | None = None,
    now: float = 0.0,
) -> PolicyCall:
    action = node.action
    return PolicyCall(
        action_id=node.id,
        type=node.type.value,
        tool=node.tool,
        parameters=parameters,
        state=state if state is not None else {},
        reads=tuple(reads(action)),
        writes=tuple(writes(action)),
        session=session,
        principal=principal,
        now=now,
    )
