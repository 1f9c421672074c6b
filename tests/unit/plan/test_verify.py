"""verify: each check, what it says, and that execution agrees with it."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from headway import Issue, ToolSchema, verify
from headway.analysis import rank_proposals
from headway.plan.parse import parse_proposal
from headway.plan.verify import MAX_ISSUES, VerifyReport, shortened
from headway.policy import CapabilitySet
from headway.tools import ToolEntry, ToolRegistry
from tests.unit.execution.kit import call, runtime, write
from tests.unit.plan.test_graph import assertion


def checked(*actions: dict[str, Any], **options: Any) -> VerifyReport:
    return verify(parse_proposal({"actions": list(actions)}), **options)


def said(report: VerifyReport) -> list[tuple[str, str, str]]:
    return [(issue.check, issue.severity, issue.message) for issue in report.issues]


def not_run(report: VerifyReport) -> list[str]:
    assert report.evidence is not None
    return [check.name for check in report.evidence.checks if not check.ran]


def registry(name: str, **fields: Any) -> ToolRegistry:
    made = ToolRegistry()
    made.register(ToolEntry(ToolSchema(name=name), call=dict, is_async=False, **fields))
    return made


def test_a_good_plan_has_levels_a_state_and_no_issues() -> None:
    report = checked(write("w", "k", 5), call("a", state_dependencies=["k"], write_set=["u"]), tools=["echo"])
    assert (report.valid, report.issues) == (True, [])
    assert (report.levels, report.simulated_state) == ([["w"], ["a"]], {"k": 5})


NO_VALUE = "precondition will fail: key 'k' has no value"
NOT_HELD = "assertion failed: state['k'] is not the expected value"
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
        ([write("w", "k", 2), assertion("a", "k", 1)], {}, ("assertions", "error", NOT_HELD)),
        (
            [write("w", "k", 2), {**assertion("a", "k", 1), "failure_behavior": "skip"}],
            {},
            ("assertions", "warning", NOT_HELD),
        ),
        ([assertion("a", "k", None)], {}, ("assertions", "error", NOT_HELD)),
        ([assertion("a", "k", "$$a.output")], {"state": {"k": "$$a.output"}}, ("assertions", "error", NOT_HELD)),
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


@pytest.mark.parametrize(
    ("actions", "state"),
    [
        ([assertion("a", "k", 1)], {"k": 1.0}),
        ([write("w", "k", "$v.output"), assertion("a", "k", 1), call("v")], {}),  # known when it runs
        ([call("w", write_set=["k"]), assertion("a", "k", 1)], {}),
        ([call("v"), assertion("a", "k", {"x": ["$v.output"]})], {"k": 1}),
        ([assertion("a", "k", {"x": "$$a.output"})], {"k": {"x": "$a.output"}}),
    ],
)
def test_an_assertion_that_may_hold_is_no_finding(actions: list[dict[str, Any]], state: dict[str, Any]) -> None:
    assert said(checked(*actions, state=state)) == []


async def test_an_assertion_fails_with_the_text_that_verify_has() -> None:
    made, _ = runtime()
    result = await made.execute({"actions": [write("w", "k", 2), assertion("a", "k", 1)]})
    assert (result["a"].error, made.state.snapshot()) == (NOT_HELD, {})


@pytest.mark.parametrize(
    ("permission", "valid", "text"),
    [
        ("deny", False, "tool 'guarded' is denied by its permission"),
        ("ask", True, "tool 'guarded' asks for permission: a person approves it, or a grant of full_access"),
    ],
)
async def test_the_permissions_of_tools_are_told(permission: Any, valid: bool, text: str) -> None:
    made, _ = runtime()
    made.registry.register(ToolEntry(ToolSchema(name="guarded"), dict, is_async=False, permission=permission))
    undone = {"reversibility": "compensable", "compensation": {"type": "tool", "tool": "guarded"}}
    for action, prefix in ((call("a", "guarded"), ""), (call("a", **undone), "compensation: ")):
        report = checked(action, tools=made.registry)
        severity = "info" if valid else "error"
        assert (report.valid, said(report)) == (valid, [("permission", severity, prefix + text)])
        result = await made.execute({"actions": [action]})
        assert (result.outcome, result["a"].error_code) == ("rejected", "policy_denied")
        assert "; " not in (result["a"].error or "")  # told once


ESCAPED = {"expression": 5, "note": "$$a.output"}
CALC = ToolSchema(
    name="calc",
    parameters={"type": "object", "properties": {"expression": {"type": "string"}, "note": {"enum": ["$a.output"]}}},
)


def test_parameters_with_escapes_alone_are_checked() -> None:
    def messages(*actions: dict[str, Any]) -> list[str]:
        return [issue.message for issue in checked(*actions, schemas=[CALC], tools=["echo"]).issues]

    def undone(parameters: dict[str, Any]) -> dict[str, Any]:
        return call("a", compensation={"type": "tool", "tool": "calc", "parameters": parameters})

    wrong = '5 is not of type "string" (at /expression)'
    assert messages(call("a", "calc", parameters=ESCAPED)) == [wrong]
    assert messages(call("a", "calc", parameters={**ESCAPED, "expression": "5"})) == []
    assert messages(undone(ESCAPED)) == [f"compensation: {wrong}"]
    assert messages(undone({**ESCAPED, "expression": "5"})) == []
    assert messages(call("a"), call("b", "calc", parameters={**ESCAPED, "x": "$a.output"})) == []


def test_compensations_by_tools_that_nobody_gave_are_not_judged() -> None:
    by_tool = {"compensation": {"type": "tool", "tool": "nope"}}
    by_action = {"compensation": {"type": "action_ref", "action_id": "a"}}
    assert "compensation_resolution" in not_run(checked(call("a", **by_tool)))
    assert "compensation_resolution" not in not_run(checked(call("a", **by_action)))
    assert "compensation_resolution" not in not_run(checked(call("a", **by_tool), tools=["echo"]))
    found = checked(call("a", **by_tool), call("b", compensation={"type": "action_ref", "action_id": "x"}))
    assert "compensation_resolution" not in not_run(found)  # it has found something


def test_schemas_given_beside_a_registry_are_laid_over_a_copy_of_it() -> None:
    made, _ = runtime()
    wanted = ToolSchema(name="echo", parameters={"type": "object", "required": ["p"]})
    names = made.registry.names()
    known = made.registry.get("echo")
    assert known is not None
    before = known.schema
    report = checked(call("a"), call("b", "new"), call("c", "nope"), tools=made.registry, schemas=[wanted, CALC_NEW])
    assert [(issue.action_id, issue.message) for issue in report.issues if issue.severity == "error"] == [
        ("a", "missing required parameter 'p' for tool 'echo'"),
        ("b", "missing required parameter 'q' for tool 'new'"),
        ("c", "tool 'nope' is not registered"),
    ]
    assert (made.registry.names(), made.registry.get("echo"), known.schema) == (names, known, before)
    assert known.validate({}) == []
    assert checked(call("a"), tools=made.registry, schemas=[]).valid


CALC_NEW = ToolSchema(name="new", parameters={"type": "object", "required": ["q"]})


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
    assert not_run(report) == [
        "resource_bounds",
        "tool_existence",
        "param_schema",
        "references",
        "invocation_mode",
        "permission",
    ]
    assert evidence.assumptions == ["action 'a' assumes state key 'k'"]
    assert evidence.untested_regions == [
        "parameters of b come from other actions",
        "effects on state of b are not declared",
    ]
    assert evidence.residual_risks == ["a, b cannot be undone"]
    assert 0 < evidence.confidence < 1
    fuller = checked(call("a", expected_effects={"k": 1}), tools=registry("echo"), max_actions=5).evidence
    assert fuller is not None
    assert fuller.confidence == 1.0


def test_evidence_of_tools_that_are_only_names_or_schemas() -> None:
    assert not_run(checked(tools=["echo"], max_actions=1)) == [
        "param_schema",
        "references",
        "invocation_mode",
        "permission",
    ]
    schema = ToolSchema(name="sch", parameters={"type": "object"})
    assert not_run(checked(schemas=[schema], max_actions=1)) == ["invocation_mode", "permission"]
    assert not_run(checked(tools=registry("echo"), max_actions=1)) == []


def test_how_a_tool_is_invoked_is_judged_if_the_tool_is_there() -> None:
    streaming = call("a", invocation_mode="streaming")
    by_name = checked(streaming, tools=["echo"])
    assert (by_name.valid, by_name.issues) == (True, [])
    assert said(checked(streaming, tools=registry("echo"))) == [
        ("invocation_mode", "error", "tool 'echo' cannot be invoked as streaming")
    ]
    assert said(checked(streaming, tools=[])) == [("tool_existence", "error", "tool 'echo' is not registered")]
    assert checked(streaming, tools=registry("echo", mode="streaming")).valid
    (score,) = rank_proposals([parse_proposal({"actions": [streaming]})], tools=["echo"])
    assert score.valid


def test_issues_in_json_have_all_that_cars_have() -> None:
    report = checked(call("a", "nope"), write("w", "k"), write("x", "k"), call("b", state_dependencies=["z"]), tools=[])
    issues = json.loads(msgspec.json.encode(report))["issues"]
    assert issues[0] == {
        "message": "tool 'nope' is not registered",
        "severity": "error",
        "action_id": "a",
        "check": "tool_existence",
        "tier": "structural",
    }
    assert {issue["check"]: (issue["severity"], issue["tier"]) for issue in issues} == {
        "tool_existence": ("error", "structural"),
        "write_conflicts": ("warning", "heuristic"),
        "state_dependencies": ("error", "simulated"),
    }
    (graph,) = json.loads(msgspec.json.encode(checked(call("a"), call("a"))))["issues"]
    assert (graph["action_id"], graph["severity"], graph["tier"]) == (None, "error", "structural")
    assert Issue("denied", check="policy").tier == "structural"
    assert msgspec.convert({"message": "m", "check": "preconditions"}, Issue).tier == "simulated"


def test_levels_have_cars_name_too() -> None:
    report = checked(write("w", "k"), call("a", state_dependencies=["k"]))
    assert report.execution_levels == report.levels == [["w"], ["a"]]


@pytest.mark.parametrize(
    ("kind", "rest"), [("state_write", {"value": 1}), ("state_read", {}), ("assertion", {"expected": 1})]
)
def test_the_key_of_a_state_action_is_text(kind: str, rest: dict[str, Any]) -> None:
    def keyed(key: str) -> dict[str, Any]:
        return {"id": "s", "type": kind, "parameters": {"key": key, **rest}}

    for key in ("$e.output", "$e.output.name"):
        report = checked(call("e"), keyed(key), tools=["echo"])
        assert said(report) == [("shape", "error", f"the key of a {kind} must be plain text, not a reference")]
        assert report.simulated_state == {}
    for key in ("$HOME", "$$", "$e.outputs", "k"):
        assert checked(call("e"), keyed(key), state={key: 1}, tools=["echo"]).valid


def test_a_doubled_dollar_in_a_key_is_one() -> None:
    escaped = write("w", "$$e.output", 5)
    report = checked(call("e"), escaped, call("r", state_dependencies=["$e.output"], parameters={"x": 1}))
    assert report.valid
    assert (report.levels, report.simulated_state) == ([["e", "w"], ["r"]], {"$e.output": 5})
    reader = {"id": "r", "type": "state_read", "parameters": {"key": "$$e.output"}}
    assert checked(escaped, reader).levels == [["w"], ["r"]]
    assert checked(escaped, write("x", "$$e.output")).conflicts == [["w", "x", "$e.output"]]
    kept = checked({"id": "w", "type": "state_write", "parameters": {"key": "$$HOME", "value": "$$e.output"}})
    assert (kept.valid, kept.simulated_state) == (True, {})  # the value is known when it runs


async def test_capabilities_and_policies_see_the_key_that_is_written() -> None:
    made, _ = runtime()
    seen: list[tuple[str, ...]] = []
    made.policies.register("see", lambda policy_call: seen.append(policy_call.writes))
    made.set_capabilities(CapabilitySet(allowed_state_keys={"$e.output"}))
    result = await made.execute({"actions": [write("w", "$$e.output")]})
    assert (result.status, made.state.snapshot(), seen) == ("completed", {"$e.output": 1}, [("$e.output",)])
    refused = await made.execute({"actions": [call("e"), write("w", "$e.output")]})
    assert refused.outcome == "rejected"
    assert refused["w"].error == "the key of a state_write must be plain text, not a reference"


def test_fields_that_compat_ignores_are_warnings() -> None:
    raw = {"actions": [{"id": "a", "type": "tool_call", "tool": "t", "timeout": 5}], "x": 1}
    report = verify(raw, tools=["t"], compat="car")
    assert report.valid
    assert [(issue.severity, issue.action_id, issue.message, issue.check) for issue in report.issues] == [
        ("warning", None, 'unknown field "x"', "format"),
        ("warning", "a", 'actions[0]: unknown field "timeout": did you mean "timeout_ms"?', "format"),
    ]
    cyclic = {"actions": [{"id": "a", "type": "tool_call", "tool": "t", "dependencies": ["a"], "x": 1}]}
    assert [issue.check for issue in verify(cyclic, compat="car").issues] == ["format", "graph"]


def test_a_reference_that_could_mean_two_actions_is_told() -> None:
    raw = {
        "actions": [
            {"id": "a", "type": "tool_call", "tool": "t"},
            {"id": "a.output", "type": "tool_call", "tool": "t", "parameters": {"n": 1}},
            {"id": "b", "type": "tool_call", "tool": "t", "parameters": {"v": "$a.output.output.k", "w": "$a.output"}},
        ]
    }
    report = verify(raw)
    assert report.valid
    assert [(issue.action_id, issue.severity, issue.message) for issue in report.issues] == [
        ("b", "warning", "'$a.output.output.k' is the output of 'a.output', not a part of that of 'a'")
    ]


def test_many_issues_are_shortened_errors_first_and_the_rest_counted() -> None:
    few = [Issue("a", "warning"), Issue("b")]
    assert shortened(few) == few
    many = [Issue(f"w{i}", "warning") for i in range(5)] + [Issue("e1"), Issue("e2")]
    found = shortened(many, 3)
    assert [issue.message for issue in found] == ["e1", "e2", "w0", "4 more findings are left out"]
    report = VerifyReport(False, [Issue(str(i)) for i in range(1000)], levels=[["a"]])
    short = report.shortened()
    assert len(short.issues) == MAX_ISSUES + 1
    assert len(report.issues) == 1000
    assert (short.valid, short.levels) == (False, [["a"]])
