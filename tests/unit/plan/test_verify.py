"""verify: each check, what it says, and that execution agrees with it."""

from __future__ import annotations

from typing import Any

import pytest

from headway import ToolSchema, verify
from headway.plan.parse import parse_proposal
from headway.plan.verify import VerifyReport
from tests.unit.runtime.kit import call, write


def checked(*actions: dict[str, Any], **options: Any) -> VerifyReport:
    return verify(parse_proposal({"actions": list(actions)}), **options)


def said(report: VerifyReport) -> list[tuple[str, str, str]]:
    return [(issue.check, issue.severity, issue.message) for issue in report.issues]


def test_a_good_plan_has_levels_a_state_and_no_issues() -> None:
    report = checked(write("w", "k", 5), call("a", state_dependencies=["k"], write_set=["u"]), tools=["echo"])
    assert (report.valid, report.issues) == (True, [])
    assert (report.levels, report.simulated_state) == ([["w"], ["a"]], {"k": 5})


NO_VALUE = "precondition will fail: key 'k' has no value"
UNMET = {"preconditions": [{"key": "k"}]}


@pytest.mark.parametrize(
    ("actions", "options", "expected"),
    [
        ([call("a", dependencies=["a"])], {}, ("graph", "error", "the plan has a cycle: a -> a")),
        ([call("a"), call("a")], {}, ("graph", "error", "duplicate action id 'a'")),
        ([call("a", "nope")], {"tools": []}, ("tool_existence", "error", "tool 'nope' is not registered")),
        ([call("a", **UNMET)], {}, ("preconditions", "error", NO_VALUE)),
        ([call("a", failure_behavior="skip", **UNMET)], {}, ("preconditions", "warning", NO_VALUE)),
        (
            [call("a", state_dependencies=["x"])],
            {},
            ("state_dependencies", "error", "state dependency 'x' not available at this point"),
        ),
        ([call("a"), call("b")], {}, ("loop_detection", "warning", "duplicate tool call: echo (2x)")),
        (
            [call("a"), call("b"), call("c")],
            {},
            ("loop_detection", "warning", "repeated identical tool call: echo (3x) — likely loop"),
        ),
        (
            [write("a", "k"), write("b", "k")],
            {},
            ("write_conflicts", "warning", "write conflict on 'k' with action a (no dependency declared)"),
        ),
        ([write("a", "k")], {"max_actions": 0}, ("resource_bounds", "warning", "excessive actions: 1 (limit 0)")),
        ([{"id": "a", "type": "state_write"}], {}, ("shape", "error", "state_write requires 'key' parameter")),
    ],
)
def test_each_check_says_what_it_found(
    actions: list[dict[str, Any]], options: dict[str, Any], expected: tuple[str, str, str]
) -> None:
    report = checked(*actions, **options)
    assert expected in said(report)
    assert report.valid is (expected[1] != "error")
    assert report.evidence is not None
    (check,) = [c for c in report.evidence.checks if c.name == expected[0]]
    assert check.ran
    assert check.findings >= 1


def test_parameter_schemas_given_beside_names_are_enforced() -> None:
    schema = ToolSchema(name="sch", parameters={"type": "object", "required": ["p"]})
    report = checked(call("a", "sch"), schemas=[schema])
    assert said(report) == [("param_schema", "error", "missing required parameter 'p' for tool 'sch'")]
    assert report.issues[0].tier == "structural"


def test_conflicts_name_both_writers_and_the_key() -> None:
    assert checked(write("a", "k"), write("b", "k")).conflicts == [["a", "b", "k"]]


def test_evidence_says_what_did_not_run_and_what_stays_open() -> None:
    report = checked(
        call("a", assumptions=[{"key": "k", "expected_value": 1}], expected_effects={"k": 1}),
        call("b", parameters={"x": "$a.output"}),
    )
    evidence = report.evidence
    assert evidence is not None
    assert [c.name for c in evidence.checks if not c.ran] == ["resource_bounds", "tool_existence", "param_schema"]
    assert evidence.assumptions == ["action 'a' assumes state key 'k'"]
    assert evidence.untested_regions == [
        "parameters of b come from other actions",
        "effects on state of b are not declared",
    ]
    assert evidence.residual_risks == ["a, b cannot be undone"]
    assert 0 < evidence.confidence < 1
    fuller = checked(call("a", expected_effects={"k": 1}), tools=["echo"], max_actions=5).evidence
    assert fuller is not None
    assert fuller.confidence == 1.0
