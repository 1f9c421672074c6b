"""Rules and modes as they are written: what is taken, and the one line for what is not."""

from __future__ import annotations

from typing import Any

import pytest

from headway import InvalidInput, Overloaded
from headway.policy.exec import AskForApproval, ExecPolicy, ExecRule, Layer, Reject, SessionApprovals, approval_of
from headway.policy.exec import approvals as approvals_file
from headway.policy.exec import policy as policy_file
from headway.policy.exec.approvals import binding_of
from headway.policy.exec.rule import rule_of

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"comand": "ls"}, "'comand' is not a known key; did you mean command?"),
    ({"zzz": "ls"}, "'zzz' is not a known key; there are action, tool, command"),
    ({"action": "deny"}, "a rule names a tool, a command, a command_exact or a path"),
    ({"action": "permit", "tool": "x"}, "action is one of deny, ask, allow, not 'permit'"),
    ({"tool": ""}, "tool must have 1 to"),
    ({"tool": 3}, "tool must be a text in quotes"),
    ({"command": "ls && rm"}, "a command is one command in plain words, without variables, pipes and operators"),
    ({"command": "$X"}, "a command is one command in plain words"),
    ({"command": "ls\nrm"}, "a command is one command in plain words"),
    ({"command": "ls 'x"}, "a command cannot be split into words"),
    ({"command": "  "}, "a command has 1 to 20 words"),
    ({"command": "x " * 21}, "a command has 1 to 20 words"),
    ({"command": "-x"}, "a command begins with a program, not with '-x'"),
    ({"command": "A=b ls"}, "a command begins with a program, not with 'A=b'"),
    ({"command": "ls \x1b"}, "a command must be printable"),
    ({"command": "ls", "command_exact": "ls"}, "command and command_exact exclude each other"),
    ({"command": "ls", "path": "x"}, "path is about a tool's parameter and command about a command"),
    ({"path": "../x"}, "path must not go up: it has '..' in it"),
    ({"path": "a/../../x"}, "path must not go up"),
    ({"path": "/etc"}, "path is relative to the workspace"),
    ({"path": "~/x"}, "path is relative to the workspace"),
    ({"tool": "x", "workspace": "w"}, "workspace is an absolute path without '..'"),
    ({"tool": "x", "workspace": "/w/../x"}, "workspace is an absolute path without '..'"),
    ({"tool": "x", "reason": "a\nb"}, "reason must be printable"),
    ({"action": "allow", "command": "bash"}, "'bash' runs whatever it is given: allow the command that it runs"),
    ({"action": "allow", "command": "/usr/bin/env"}, "'/usr/bin/env' runs whatever it is given"),
    ({"action": "allow", "command": "sudo -n"}, "'sudo -n' runs whatever it is given"),
]


@pytest.mark.parametrize(("table", "text"), WRONG, ids=[str(row[0])[:50] for row in WRONG])
def test_a_wrong_rule_is_refused_in_one_line(table: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        rule_of(table)
    assert text in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.code
    assert caught.value.remedy


def test_a_rule_asks_unless_it_says_otherwise_and_says_what_it_is() -> None:
    assert rule_of({"tool": "x"}).action == "ask"
    rule = rule_of({"action": "deny", "tool": "x", "command": "git push", "workspace": "/w/"})
    assert rule.workspace == "/w"
    assert rule.says() == "deny tool 'x', command 'git push', workspace '/w'"
    assert rule_of({"path": "a//b/./c"}).path == "a/b/c"
    assert ExecRule("deny", command="bash") == rule_of({"action": "deny", "command": "bash"})


MODES = {
    "unless_trusted": AskForApproval.UNLESS_TRUSTED,
    "on_failure": AskForApproval.ON_FAILURE,
    "on-failure": AskForApproval.ON_FAILURE,
    "On-Request": AskForApproval.ON_REQUEST,
    "never": AskForApproval.NEVER,
    "deny": AskForApproval.NEVER,
    "suggest": AskForApproval.ON_REQUEST,
    "ask": AskForApproval.ON_REQUEST,
    "auto": AskForApproval.UNLESS_TRUSTED,
    "auto-review": AskForApproval.UNLESS_TRUSTED,
    "bypass": AskForApproval.UNLESS_TRUSTED,
    "full-access": AskForApproval.UNLESS_TRUSTED,
    "yolo": AskForApproval.UNLESS_TRUSTED,
}


@pytest.mark.parametrize(("name", "mode"), MODES.items())
def test_words_of_other_programs_come_to_a_mode(name: str, mode: AskForApproval) -> None:
    assert approval_of(name).mode is mode


def test_no_word_comes_to_allow_everything() -> None:
    from headway.policy.exec import ExecCall, Verdict

    for name in (*MODES, "reject"):
        free = ExecPolicy().decide(ExecCall("shell", {}, command="strange x"), name)
        assert free.verdict is not Verdict.ALLOW, name
    assert ExecPolicy().decide(ExecCall("shell", {}, command="strange x"), "deny").verdict is Verdict.DENY


def test_reject_is_a_table_and_bare_it_rejects_all() -> None:
    assert approval_of({"reject": {"rules": True}}).reject == Reject(rules=True)
    assert approval_of(Reject(mcp_elicitations=True)).refuses("mcp_elicitations")
    assert not approval_of(Reject(mcp_elicitations=True)).refuses("rules")
    for question in ("rules", "sandbox_approval", "mcp_elicitations"):
        assert approval_of("reject").refuses(question)  # type: ignore[arg-type]
        assert approval_of("never").refuses(question)  # type: ignore[arg-type]
        assert not approval_of("on_request").refuses(question)  # type: ignore[arg-type]
    assert approval_of(approval_of("never")) == approval_of("never")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("alow", "'alow' is no approval mode"),
        ("nevr", "did you mean never?"),
        ("", "'' is no approval mode"),
        (None, "None is no approval mode"),
        (3, "3 is no approval mode"),
        ({"reject": {"rule": True}}, "reject has no 'rule'; did you mean rules?"),
        ({"reject": 1}, "reject is a table of sandbox_approval, rules, mcp_elicitations"),
        ({"reject": {"rules": 1}}, "reject.rules"),
        ({"x": 1}, 'an approval as a table is {"reject"'),
        ("a" * 10_000, "is no approval mode"),
    ],
)
def test_an_unknown_mode_is_refused_and_never_guessed(value: object, text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        approval_of(value)
    assert text in caught.value.message
    assert len(caught.value.message) < 400


def test_rules_are_added_to_two_layers_only(monkeypatch: pytest.MonkeyPatch) -> None:
    made = ExecPolicy()
    for layer in ("builtin", Layer.BUILTIN, "x", None):
        with pytest.raises(InvalidInput):
            made.add(ExecRule("deny", tool="x"), layer=layer)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput):
        made.add("deny")  # type: ignore[arg-type]
    with pytest.raises(InvalidInput):
        made.decide("ls")  # type: ignore[arg-type]
    monkeypatch.setattr(policy_file, "MAX_RULES", 1)
    made.add(ExecRule("deny", tool="x"))
    with pytest.raises(InvalidInput, match="at most 1 rules"):
        made.add(ExecRule("deny", tool="y"))
    assert made.idle is False


def test_approvals_are_bounded_and_bound_to_a_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    held = SessionApprovals()
    for binding, scope, principal in (("x", "s", None), ("a" * 64, "", None), ("a" * 64, "s", "")):
        with pytest.raises(InvalidInput):
            held.remember(binding, scope=scope, principal=principal)
    assert len(held) == 0
    monkeypatch.setattr(approvals_file, "MAX_APPROVALS", 1)
    held.remember("a" * 64, scope="s")
    held.remember("a" * 64, scope="s")
    with pytest.raises(Overloaded):
        held.remember("b" * 64, scope="s")
    assert len(held) == 1
    assert held.holds("a" * 64, scope="s")
    assert not held.holds("a" * 64, scope=None)


def test_a_binding_knows_the_order_of_nothing_and_the_difference_of_everything() -> None:
    assert binding_of("t", {"a": 1, "b": 2}, "/w") == binding_of("t", {"b": 2, "a": 1}, "/w")
    different = {
        binding_of("t", {"a": 1}, "/w"),
        binding_of("t", {"a": True}, "/w"),
        binding_of("t", {"a": "1"}, "/w"),
        binding_of("t", {"a": 1.5}, "/w"),
        binding_of("t", {"a": 1}, "/v"),
        binding_of("u", {"a": 1}, "/w"),
        binding_of("t", {"a": "\ud800"}, "/w"),
    }
    assert len(different) == 7
    with pytest.raises(InvalidInput):
        binding_of("t", {"a": object()}, "/w")
