"""Rules written for an operator: what they approve is read back as it was, and nothing unsound is left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.errors import InvalidConfig, InvalidInput
from headway.policy.engine import PolicyEngine
from headway.policy.files import load_policies
from headway.policy.tables import read_rules
from headway.policy.writing import APPROVED, add_rule, approve_rule
from tests.unit.policy.kit import call

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
scalars = texts | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=8
)


@given(tool=texts.filter(bool), parameters=st.dictionaries(texts, values, max_size=4), other=values)
def test_a_rule_approves_that_call_and_no_other(tool: str, parameters: dict[str, Any], other: Any) -> None:
    import tomllib

    rules, issues = read_rules(Path("inbox.toml"), tomllib.loads(approve_rule(tool, parameters)), {})
    assert not issues
    (rule,) = rules
    assert rule.approves(call(tool, parameters))  # type: ignore[attr-defined]  # an Approve
    assert not rule.approves(call(tool, {**parameters, "one more": other}))  # type: ignore[attr-defined]
    assert not rule.approves(call(f"{tool}x", parameters))  # type: ignore[attr-defined]


@pytest.mark.parametrize("value", [None, [None], float("inf"), 2**63, {"a": {"b": None}}, "x" * 30_000])
def test_what_no_rule_can_say_is_refused(value: Any) -> None:
    with pytest.raises(InvalidInput):
        approve_rule("t", {"x": value})


def test_rules_are_added_to_their_file(tmp_path: Path) -> None:
    folder = tmp_path / "policies"
    path = add_rule(folder, approve_rule("deploy", {"env": "staging"}))
    assert path == folder / APPROVED
    assert add_rule(folder, approve_rule("wire", {"amount": 5})) == path
    engine = PolicyEngine()
    engine.use_files(load_policies(folder))
    asks = ["its permission asks"]
    assert engine.approval(call("deploy", {"env": "staging"}), asks) == []
    assert engine.approval(call("wire", {"amount": 5.0}), asks) == []
    assert engine.approval(call("wire", {"amount": 6}), asks) == asks
    assert sorted(each.name for each in folder.iterdir()) == [APPROVED]


def test_nothing_is_written_beside_what_is_unsound(tmp_path: Path) -> None:
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "own.toml").write_text("deny_tols = []\n")
    with pytest.raises(InvalidConfig, match="deny_tols"):
        add_rule(folder, approve_rule("t", {}))
    assert [each.name for each in folder.iterdir()] == ["own.toml"]
    (folder / "own.toml").unlink()
    (folder / APPROVED).write_text('deny_tool = ["x"]\n')
    with pytest.raises(InvalidConfig):
        add_rule(folder, "[[approve]]\nnope = 1\n")
    assert (folder / APPROVED).read_text() == 'deny_tool = ["x"]\n'
    (folder / APPROVED).unlink()
    (folder / APPROVED).symlink_to(tmp_path / "elsewhere.toml")
    (tmp_path / "elsewhere.toml").write_text("")
    with pytest.raises(InvalidConfig, match="is a link"):
        add_rule(folder, approve_rule("t", {}))
