"""Permission to call: the permissions of tools, the grant, and compensations under the same rules."""

from __future__ import annotations

from typing import Any

import pytest

import headway
from headway import Runtime, ToolResult
from headway.errors import InvalidInput
from headway.events import kinds
from headway.plan.results import ErrorCode
from headway.policy import CapabilitySet, PermissionGrant, Tier
from tests.unit.execution.kit import call, events_of, runtime, write


def with_permission(permission: Any) -> tuple[Runtime, list[str]]:
    """Return a runtime whose tool "guarded" has that permission, and the calls that it got."""
    made, _ = runtime()
    calls: list[str] = []

    @headway.tool(permission=permission)
    async def guarded() -> str:
        calls.append("guarded")
        return "done"

    made.register_tool(guarded)
    return made, calls


PLAN = {"actions": [write("w", "k"), call("g", "guarded")]}


@pytest.mark.parametrize(
    ("permission", "grant", "refusal"),
    [
        ("allow", None, None),
        ("allow", "sandbox_edit", None),
        ("allow", "read_only", "tool 'guarded' needs sandbox_edit, the grant is read_only"),
        ("ask", None, "tool 'guarded' asks for permission, and nobody has granted full_access"),
        ("ask", "sandbox_edit", "tool 'guarded' needs full_access, the grant is sandbox_edit"),
        ("ask", Tier.FULL_ACCESS, None),
        ("deny", None, "tool 'guarded' is denied by its permission"),
        ("deny", PermissionGrant("full_access"), "tool 'guarded' is denied by its permission"),
    ],
)
async def test_permission_and_grant(permission: str, grant: Any, refusal: str | None) -> None:
    made, calls = with_permission(permission)
    made.set_permission_grant(grant)
    result = await made.execute(PLAN)
    if refusal is None:
        assert (result.status, calls) == ("completed", ["guarded"])
    else:
        assert (result.status, result.outcome, calls) == ("failed", "rejected", [])
        assert (result["g"].error, result["g"].error_code) == (refusal, ErrorCode.POLICY_DENIED)
        assert not made.state.snapshot()


async def test_a_grant_can_be_lifted_and_none_but_a_tier_is_one() -> None:
    made, calls = with_permission("allow")
    made.set_permission_grant("read_only")
    assert (await made.execute(PLAN)).outcome == "rejected"
    for wrong in ("root", 5, {}):
        with pytest.raises(InvalidInput):
            made.set_permission_grant(wrong)  # type: ignore[arg-type]
    assert (await made.execute(PLAN)).outcome == "rejected"
    made.set_permission_grant(None)
    assert (await made.execute(PLAN)).ok
    assert calls == ["guarded"]


def undone_by_guarded(**action: Any) -> dict[str, Any]:
    """Return a plan that aborts after an action that "guarded" undoes."""
    undo = {"type": "tool", "tool": "guarded"}
    first = call("a", reversibility="compensable", compensation=undo, **action)
    return {"actions": [first, call("f", "boom", dependencies=["a"])]}


async def test_a_compensation_is_called_only_if_an_action_might_call_it() -> None:
    made, calls = with_permission("deny")
    result = await made.execute(undone_by_guarded())
    assert result["a"].error == "compensation: tool 'guarded' is denied by its permission"
    made, calls = with_permission("allow")
    made.set_capabilities(CapabilitySet(denied_tools=frozenset({"guarded"})))
    result = await made.execute(undone_by_guarded())
    assert result["a"].error == "compensation: tool 'guarded' is not allowed by the capabilities"
    made.set_capabilities(None)
    assert (await made.execute(undone_by_guarded()))["a"].compensated is True
    assert calls == ["guarded"]


async def test_policies_are_asked_about_a_compensation_when_it_is_due() -> None:
    made, calls = with_permission("allow")
    made.policies.deny_tool("no", "guarded")
    result = await made.execute(undone_by_guarded())
    assert (result["a"].compensated, calls) == (False, [])
    (failed,) = await events_of(made, kinds.COMPENSATION_FAILED)
    assert failed.data["error"] == "policy 'no': tool 'guarded' denied by policy"
    assert await events_of(made, kinds.POLICY_VIOLATION)


@headway.tool(idempotent=True)
async def look(**found: Any) -> ToolResult:
    return ToolResult("seen", effects=found or None)


async def test_read_only_changes_nothing() -> None:
    made, _ = runtime()
    made.register_tool(look)
    made.set_permission_grant("read_only")
    assert (await made.execute({"actions": [call("l", "look")]})).ok
    for declared in ({"expected_effects": {"k": 1}}, {"write_set": ["k"]}):
        refused = await made.execute({"actions": [call("l", "look", **declared)]})
        assert refused["l"].error == "tool 'look' needs sandbox_edit, the grant is read_only"
    undeclared = await made.execute({"actions": [call("l", "look", parameters={"k": 1})]})
    assert undeclared["l"].error_code is ErrorCode.CAPABILITY
    assert "setting state needs sandbox_edit, the grant is read_only" in (undeclared["l"].error or "")
    assert not made.state.snapshot()
    made.set_permission_grant("sandbox_edit")
    assert (await made.execute({"actions": [call("l", "look", expected_effects={"k": 1})]})).ok
    assert (await made.execute({"actions": [call("l", "look", parameters={"l": 2})]})).ok
    assert made.state.snapshot() == {"k": 1, "l": 2}


async def test_policies_see_what_an_action_sets() -> None:
    made, _ = runtime()
    seen: list[tuple[tuple[str, ...], dict[str, Any]]] = []
    made.policies.register("see", lambda policy: seen.append((policy.writes, dict(policy.effects))))
    effects = {"expected_effects": {"e": 1}, "write_set": ["w"]}
    await made.execute(
        {"actions": [call("a", parameters={"x": 5}), write("s", "k", "$a.output"), call("b", **effects)]}
    )
    assert seen == [((), {}), (("e", "w"), {"e": 1}), (("k",), {"k": 5})]


@pytest.mark.parametrize("operator", ["exists", "not_exists", "eq"])
async def test_a_precondition_reads_its_key(operator: str) -> None:
    made, _ = runtime(state={"secret": 1})
    made.set_capabilities(CapabilitySet(allowed_state_keys=frozenset({"notes"})))
    test = {"key": "secret", "operator": operator}
    result = await made.execute({"actions": [write("w", "notes", preconditions=[test])]})
    assert result.outcome == "rejected"
    assert result["w"].error == "state key 'secret' is not allowed by the capabilities"


async def test_an_action_as_compensation_stands_under_the_policies_too() -> None:
    made, calls = with_permission("allow")
    plan = undone_by_guarded()
    plan["actions"][0]["compensation"] = {"type": "action_ref", "action_id": "g"}
    plan["actions"].append(call("g", "guarded", dependencies=["f"]))
    made.policies.deny_tool("no", "guarded")
    assert (await made.execute(plan))["a"].compensated is False
    assert calls == []
