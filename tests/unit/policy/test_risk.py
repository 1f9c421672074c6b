"""Risk tiers: what follows from what a tool declares, and what a grant reaches."""

from __future__ import annotations

from typing import Any

import pytest

from headway.errors import InvalidInput
from headway.policy.risk import PermissionGrant, Tier, classify
from headway.tools.registry import ToolEntry
from headway.tools.schema import ToolSchema
from tests.unit.policy.kit import call, write

READ, EDIT, FULL = Tier.READ_ONLY, Tier.SANDBOX_EDIT, Tier.FULL_ACCESS


def entry(idempotent: bool = False, name: str = "run", **fields: Any) -> ToolEntry:
    return ToolEntry(ToolSchema(name=name, idempotent=idempotent), lambda: None, False, **fields)


@pytest.mark.parametrize(
    ("found", "tier"),
    [
        (None, FULL),
        (entry(), EDIT),
        (entry(idempotent=True), READ),
        (entry(idempotent=True, source="builtin"), READ),
        (entry(source="builtin"), EDIT),
        (entry(idempotent=True, writes_files=True), EDIT),
        (entry(idempotent=True, category="shell"), FULL),
        (entry(idempotent=True, source="subprocess"), FULL),
        (entry(idempotent=True, source="mcp"), FULL),
        (entry(idempotent=True, source="something new"), FULL),
        (entry(idempotent=True, permission="ask"), FULL),
        (entry(idempotent=True, permission="deny"), FULL),
    ],
)
def test_the_tier_of_a_tool_call(found: ToolEntry | None, tier: Tier) -> None:
    assert classify(found, call()) is tier


@pytest.mark.parametrize(
    ("kind", "tier"), [("state_read", READ), ("assertion", READ), ("state_write", EDIT), ("something new", FULL)]
)
def test_the_tier_of_other_actions(kind: str, tier: Tier) -> None:
    assert classify(None, call(None, type=kind)) is tier


@pytest.mark.parametrize("kind", ["tool_call", "state_read", "assertion"])
def test_what_says_that_it_writes_state_reads_not_only(kind: str) -> None:
    found = entry(idempotent=True) if kind == "tool_call" else None
    assert classify(found, call(type=kind)) is READ
    assert classify(found, call(type=kind, writes=("k",))) is EDIT
    assert classify(entry(idempotent=True, source="mcp"), call(writes=("k",))) is FULL


def test_the_shipped_tools_that_read_are_read_only(tmp_path: Any) -> None:
    from headway.tools import ToolRegistry, Workspace, register_agent_basics

    registry = ToolRegistry()
    register_agent_basics(registry, Workspace(tmp_path))
    tiers = {found.name: classify(found, call(found.name)) for found in registry.entries()}
    assert {name for name, tier in tiers.items() if tier is EDIT} == {"write_file", "edit_file"}
    assert set(tiers.values()) == {READ, EDIT}


def test_a_tier_covers_itself_and_what_is_below() -> None:
    order = [READ, EDIT, FULL]
    assert [[mine.covers(other) for other in order] for mine in order] == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]


def test_a_grant_refuses_what_is_above_it() -> None:
    grant = PermissionGrant("read_only")
    assert grant.tier is READ
    assert grant.check(call(), entry(idempotent=True)) == []
    assert grant.check(call(), entry()) == ["tool 'run' needs sandbox_edit, the grant is read_only"]
    assert grant.check(write(), None) == ["state_write needs sandbox_edit, the grant is read_only"]
    assert PermissionGrant().tier is EDIT
    assert PermissionGrant().check(call(), entry()) == []
    assert PermissionGrant().check(call("x"), None) == ["tool 'x' needs full_access, the grant is sandbox_edit"]
    assert PermissionGrant(FULL).check(call("x"), None) == []


def test_no_grant_reaches_a_denied_tool() -> None:
    denied = entry(permission="deny")
    assert PermissionGrant(FULL).check(call(), denied) == ["tool 'run' is denied by its permission"]
    assert PermissionGrant(FULL).check(call(), entry(permission="ask")) == []


def test_a_plan_is_refused_whole_and_says_why() -> None:
    calls = [
        (call("run", action_id="a"), entry(idempotent=True)),
        (call("sh", action_id="b"), entry(category="shell", name="sh")),
        (write(action_id="c"), None),
        (call("zz", action_id="d"), None),
    ]
    assert PermissionGrant().check_plan(calls) == [
        "action 'b': tool 'sh' needs full_access, the grant is sandbox_edit",
        "action 'd': tool 'zz' needs full_access, the grant is sandbox_edit",
    ]
    assert PermissionGrant(FULL).check_plan(calls) == []
    assert PermissionGrant().check_plan([]) == []


@pytest.mark.parametrize("bad", ["root", "", None, 1, [], "READ_ONLY", "\x1b[1m\nroot"])
def test_what_is_no_tier_is_refused(bad: Any) -> None:
    with pytest.raises(InvalidInput, match="one of read_only, sandbox_edit, full_access") as caught:
        PermissionGrant(bad)
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)
