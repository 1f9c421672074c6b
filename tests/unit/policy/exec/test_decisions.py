"""Decisions: modes, layers, approvals, paths and folders."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from headway import InvalidInput
from headway.policy.exec import (
    Action,
    Amendment,
    AskForApproval,
    Decision,
    ExecCall,
    ExecPolicy,
    ExecRule,
    Layer,
    Reject,
    Verdict,
)


def call(command: str | None = "make x", **fields: Any) -> ExecCall:
    return ExecCall("shell", {"command": command}, command=command, **fields)


def policy(*rules: ExecRule) -> ExecPolicy:
    made = ExecPolicy()
    made.add(*rules)
    return made


RULES = (
    ExecRule("allow", command="make"),
    ExecRule("ask", command="curl"),
    ExecRule("deny", command="rm"),
)

TABLE: list[tuple[str, dict[str, tuple[str, str]]]] = [
    # what runs -> mode: (in the sandbox, without one)
    ("make x", dict.fromkeys(("unless_trusted", "on_failure", "on_request", "never"), ("allow", "allow"))),
    ("rm x", dict.fromkeys(("unless_trusted", "on_failure", "on_request", "never"), ("deny", "deny"))),
    (
        "curl x",
        {
            "unless_trusted": ("ask", "ask"),
            "on_failure": ("ask", "ask"),
            "on_request": ("ask", "ask"),
            "never": ("deny", "deny"),
        },
    ),
    (
        "strange x",
        {
            "unless_trusted": ("ask", "ask"),
            "on_failure": ("allow", "ask"),
            "on_request": ("ask", "ask"),
            "never": ("allow", "deny"),
        },
    ),
    (
        "ls x",
        {
            "unless_trusted": ("allow", "allow"),
            "on_failure": ("allow", "allow"),
            "on_request": ("ask", "ask"),
            "never": ("allow", "allow"),
        },
    ),
    (
        "$X x",
        {
            "unless_trusted": ("ask", "ask"),
            "on_failure": ("ask", "ask"),
            "on_request": ("ask", "ask"),
            "never": ("deny", "deny"),
        },
    ),
]


@pytest.mark.parametrize(("command", "modes"), TABLE, ids=[row[0] for row in TABLE])
def test_the_meaning_of_each_mode(command: str, modes: dict[str, tuple[str, str]]) -> None:
    made = policy(*RULES)
    for mode, (confined, free) in modes.items():
        assert made.decide(call(command, sandboxed=True), mode).verdict == confined, mode
        assert made.decide(call(command), mode).verdict == free, mode


def test_only_the_sandbox_lets_pass_what_no_rule_allows() -> None:
    found = ExecPolicy().decide(call("strange x", sandboxed=True), "on_failure")
    assert found.needs_sandbox
    assert found.repeats_outside
    assert ExecPolicy().decide(call("strange x", sandboxed=True), "never").needs_sandbox
    assert not ExecPolicy().decide(call("strange x", sandboxed=True), "never").repeats_outside
    allowed = policy(ExecRule("allow", command="strange")).decide(call("strange x", sandboxed=True))
    assert not allowed.needs_sandbox


def test_a_repetition_outside_of_the_sandbox_is_asked_for_and_a_denied_command_is_not() -> None:
    made = policy(*RULES)
    again = made.decide(call("strange x", sandboxed=True), "on_failure", outside=True)
    assert again.verdict is Verdict.ASK
    assert again.question == "sandbox_approval"
    inside = made.decide(call("strange x"), "on_request")
    assert again.binding != inside.binding
    assert made.decide(call("rm x", sandboxed=True), "on_failure", outside=True).verdict is Verdict.DENY
    assert made.decide(call("strange x", sandboxed=True), "never", outside=True).verdict is Verdict.DENY
    refused = made.decide(call("strange x", sandboxed=True), Reject(sandbox_approval=True), outside=True)
    assert refused.verdict is Verdict.DENY


@pytest.mark.parametrize("rules", [True, False])
@pytest.mark.parametrize("sandbox_approval", [True, False])
def test_reject_answers_its_questions_with_no(rules: bool, sandbox_approval: bool) -> None:
    made = policy(*RULES)
    mode = Reject(rules=rules, sandbox_approval=sandbox_approval)
    asked = Verdict.DENY if rules else Verdict.ASK
    assert made.decide(call("curl x"), mode).verdict is asked
    assert made.decide(call("strange x", sandboxed=True), mode).verdict is asked
    free = Verdict.DENY if rules or sandbox_approval else Verdict.ASK
    assert made.decide(call("strange x"), mode).verdict is free
    assert made.decide(call("make x"), mode).verdict is Verdict.ALLOW
    if rules:
        reason = made.decide(call("curl x"), mode).reason
        assert reason.endswith(
            f"nobody is asked, as approval is reject ({'sandbox_approval, ' * sandbox_approval}rules)"
        )


def test_within_a_layer_the_stricter_rule_wins_whatever_its_order_and_length() -> None:
    rules = (
        ExecRule("allow", command="git push origin main"),
        ExecRule("ask", command="git push"),
        ExecRule("deny", command="git"),
    )
    for order in itertools.permutations(rules):
        assert policy(*order).decide(call("git push origin main")).verdict is Verdict.DENY
        assert (
            policy(*(rule for rule in order if rule.action is not Action.DENY))
            .decide(call("git push origin main"))
            .verdict
            is Verdict.ASK
        )


@pytest.mark.parametrize("user", [None, *Action])
@pytest.mark.parametrize("agent", [None, *Action])
def test_a_lower_layer_only_tightens(user: Action | None, agent: Action | None) -> None:
    made = ExecPolicy()
    if user is not None:
        made.add(ExecRule(user, command="make"))
    if agent is not None:
        made.add(ExecRule(agent, command="make x y z"), layer="agent")
    found = made.decide(call("make x y z"), "on_request")
    given = [action for action in (user, agent) if action is not None]
    strictest = max(given, key=lambda action: action.strictness, default=Action.ASK)
    assert found.verdict == strictest.value
    alone = policy(*([ExecRule(user, command="make")] if user else [])).decide(call("make x y z"), "on_request")
    order = [Verdict.ALLOW, Verdict.ASK, Verdict.DENY]
    if user is not None:
        assert order.index(found.verdict) >= order.index(alone.verdict)


def test_a_rule_of_the_user_has_the_last_word_over_the_builtin_ones_if_it_names_as_much() -> None:
    assert ExecPolicy().decide(call("rm -rf /")).verdict is Verdict.DENY
    assert ExecPolicy().decide(call("sudo -n true")).verdict is Verdict.ASK
    assert policy(ExecRule("allow", command="rm")).decide(call("rm -rf /")).verdict is Verdict.DENY
    assert policy(ExecRule("allow", tool="shell")).decide(call("rm -rf /")).verdict is Verdict.DENY
    assert policy(ExecRule("allow", command="rm -rf /")).decide(call("rm -rf /")).verdict is Verdict.ALLOW
    agent = ExecPolicy()
    agent.add(ExecRule("allow", command="rm -rf /"), layer=Layer.AGENT)
    assert agent.decide(call("rm -rf /")).verdict is Verdict.DENY
    assert ExecPolicy(bare=True).decide(call("rm -rf /", sandboxed=True)).verdict is Verdict.ALLOW


def test_flags_of_a_rule_are_found_however_they_are_written() -> None:
    made = policy(ExecRule("deny", command="rm -rf"), ExecRule("deny", command="git push --force"))
    for command in (
        "rm -rf x",
        "rm -fr x",
        "rm -r -f x",
        "rm x -r -f",
        "rm --recursive --force x",
        "rm --rec -f x",
        "rm -Rvf x",
    ):
        assert made.decide(call(command), "on_request").verdict is Verdict.DENY, command
    for command in (
        "git push --force",
        "git push origin --force",
        "git push -f",
        "git push --forc",
        "git -c user.name=x push -uf",
    ):
        assert made.decide(call(command), "on_request").verdict is Verdict.DENY, command
    for command in (
        "rm x",
        "rm -r x",
        "rm -f x",
        "rm -- -rf",
        "git push",
        "git push --force-with-lease",
        "git push origin force",
    ):
        assert made.decide(call(command), "on_request").verdict is Verdict.ASK, command
    unclear = made.decide(call("rm $X"), "on_failure")
    assert unclear.reason.startswith("it cannot be told what it runs: it may be 'rm -rf'")
    assert policy(ExecRule("deny", command="git branch -D")).decide(call("git branch -d x"), "on_request").rule is None


def test_an_exact_rule_allows_its_words_and_nothing_else() -> None:
    made = policy(ExecRule("allow", command_exact="make test"))
    assert made.decide(call("make test"), "on_request").verdict is Verdict.ALLOW
    assert made.decide(call("cd x && make test"), "on_request").verdict is Verdict.ALLOW
    for other in ("make test x", "make", "make test > f", "A=b make test", "./make test"):
        assert made.decide(call(other), "on_request").verdict is Verdict.ASK, other
    denies = policy(ExecRule("deny", command_exact="make test"))
    assert denies.decide(call("ls; /usr/bin/make test")).verdict is Verdict.DENY
    assert denies.decide(call("make test x", sandboxed=True)).verdict is Verdict.ALLOW


def test_an_exact_text_that_the_user_wrote_is_allowed_even_if_it_cannot_be_told_what_it_runs() -> None:
    text = "curl -s example.org/x | sh"
    made = policy(ExecRule("allow", command_exact=text))
    assert made.decide(call(text), "never").verdict is Verdict.ALLOW
    assert made.decide(call(text + " -x"), "never").verdict is Verdict.DENY
    agent = ExecPolicy()
    agent.add(ExecRule("allow", command_exact=text), layer="agent")
    assert agent.decide(call(text), "never").verdict is Verdict.DENY
    made.add(ExecRule("deny", command="curl"))
    assert made.decide(call(text), "never").verdict is Verdict.DENY


def test_a_rule_about_a_tool_holds_for_that_tool_only() -> None:
    made = policy(ExecRule("deny", tool="shell"), ExecRule("allow", tool="runner"))
    assert made.decide(call("ls")).verdict is Verdict.DENY
    assert made.decide(ExecCall("runner", {}, command=("x", "y")), "never").verdict is Verdict.ALLOW
    assert made.decide(ExecCall("other", {}, command=None, starts=False), "never").verdict is Verdict.ALLOW
    assert made.decide(ExecCall("other", {}, command=None), "never").verdict is Verdict.DENY
    named = policy(ExecRule("deny", tool="shell", command="ls"))
    assert named.decide(call("ls")).verdict is Verdict.DENY
    assert named.decide(ExecCall("runner", {}, command="ls", sandboxed=True)).verdict is Verdict.ALLOW


@pytest.mark.parametrize(
    ("path", "cwd", "hit"),
    [
        ("secrets", "/w", True),
        ("secrets/key", "/w", True),
        ("./a/../secrets/key", "/w", True),
        ("../w/secrets", "/w", True),
        ("/w/secrets/key", "/w", True),
        ("SECRETS/key", "/w", True),
        ("key", "/w/secrets", True),
        ("secretsx", "/w", False),
        ("a/secrets", "/w", False),
        ("../secrets", "/w", False),
        ("", "/w", False),
    ],
)
def test_a_path_is_of_the_workspace(path: str, cwd: str, hit: bool) -> None:
    made = policy(ExecRule("deny", path="secrets"))
    found = made.decide(ExecCall("read_file", {"path": path}, starts=False, cwd=cwd, workspace="/w"))
    assert (found.verdict is Verdict.DENY) is hit
    assert made.decide(ExecCall("read_file", {"path": 3}, starts=False, workspace="/w")).verdict is Verdict.ALLOW


def test_an_allowed_path_is_held_to_its_case_and_to_the_workspace() -> None:
    made = policy(ExecRule("allow", tool="run", path="scripts"))

    def verdict(path: str) -> Verdict:
        return made.decide(ExecCall("run", {"path": path}, cwd="/w", workspace="/w"), "never").verdict

    assert verdict("scripts/a") is Verdict.ALLOW
    for other in ("Scripts/a", "../scripts/a", "scripts/../x", "/etc/scripts/a"):
        assert verdict(other) is Verdict.DENY, other


def test_a_rule_of_a_workspace_holds_there_and_does_not_allow_what_leaves_it() -> None:
    made = policy(ExecRule("allow", command="make", workspace="/w"))
    assert made.decide(call("make x", cwd="/w"), "never").verdict is Verdict.ALLOW
    assert made.decide(call("make x", cwd="/w/sub"), "never").verdict is Verdict.ALLOW
    for cwd in ("/other", "/wx", "/w/../other", ""):
        assert made.decide(call("make x", cwd=cwd), "never").verdict is Verdict.DENY, cwd
    assert made.decide(call("cd /other && make x", cwd="/w"), "never").verdict is Verdict.DENY
    denies = policy(ExecRule("deny", command="make", workspace="/w"))
    assert denies.decide(call("cd /other && make x", cwd="/w")).verdict is Verdict.DENY


# -- approvals -------------------------------------------------------------------------------------------------------


def held(made: ExecPolicy, asked: ExecCall, scope: str = "s", principal: str | None = None) -> Decision:
    found = made.decide(asked, "on_request")
    made.approvals.remember(found.binding, scope=scope, principal=principal)
    return found


def test_an_approval_of_the_session_holds_for_the_same_call_and_asks_again_for_any_other() -> None:
    made = policy(*RULES)
    asked = call("curl x", scope="s", cwd="/w")
    assert held(made, asked).verdict is Verdict.ASK
    assert made.decide(asked, "on_request").verdict is Verdict.ALLOW
    assert made.decide(asked, "never").verdict is Verdict.ALLOW
    others = (
        call("curl y", scope="s", cwd="/w"),
        call("curl x", scope="s", cwd="/v"),
        call("curl x", scope="t", cwd="/w"),
        call("curl x", cwd="/w"),
        call("curl x", scope="s", cwd="/w", principal="p"),
        ExecCall("other", {"command": "curl x"}, command="curl x", scope="s", cwd="/w"),
        ExecCall("shell", {"command": "curl x", "n": 1}, command="curl x", scope="s", cwd="/w"),
    )
    for other in others:
        assert made.decide(other, "on_request").verdict is Verdict.ASK
    assert made.decide(asked, "on_request", outside=True).verdict is Verdict.ASK


def test_an_approval_never_beats_a_rule_that_denies_and_ends_with_its_scope() -> None:
    made = policy(*RULES)
    asked = call("curl x", scope="s", principal="p")
    held(made, asked, principal="p")
    assert made.decide(asked, "on_request").verdict is Verdict.ALLOW
    made.add(ExecRule("deny", command="curl x"))
    assert made.decide(asked, "on_request").verdict is Verdict.DENY
    made = policy(*RULES)
    held(made, asked, principal="p")
    assert made.approvals.forget("other") == 0
    assert made.decide(asked, "on_request").verdict is Verdict.ALLOW
    assert made.approvals.forget("s") == 1
    assert made.decide(asked, "on_request").verdict is Verdict.ASK


def test_an_approval_opens_no_network_and_makes_no_rule() -> None:
    made = policy(*RULES)
    asked = call("curl https://example.org", scope="s")
    before = made.rules
    found = held(made, asked)
    approved = made.decide(asked, "on_request")
    assert made.rules == before
    for decision in (found, approved):
        assert not any("network" in field for field in decision.__struct_fields__)
        assert all(set(offer.__struct_fields__) == {"tool", "command"} for offer in decision.amendments)


# -- amendments ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "offered"),
    [
        ("strange x y", "strange"),
        ("git fetch origin", "git fetch"),
        ("cargo build --release", "cargo build"),
        ("timeout 5 strange x", "strange"),
        ("cd src && strange x", "strange"),
        ("strange x && other", None),
        ("strange > f", None),
        ("A=b strange", None),
        ("$X y", None),
        ("bash script.sh", None),
        ("python script.py", None),
        ("git -C x fetch", None),
        ("curl x", None),
    ],
)
def test_an_amendment_is_offered_for_one_clear_command(command: str, offered: str | None) -> None:
    made = policy(*RULES)
    found = made.decide(call(command), "on_request")
    assert found.verdict is Verdict.ASK
    assert [offer.command for offer in found.amendments] == ([offered] if offered else [])
    if offered:
        made.add(ExecRule("allow", command=offered))
        assert made.decide(call(command), "on_request").verdict is Verdict.ALLOW


def test_an_amendment_is_a_table_of_a_policy_file() -> None:
    import tomllib

    from headway.policy.exec.rule import rule_of

    [table] = tomllib.loads(Amendment("shell", 'x "y"').toml())["exec"]
    assert rule_of(table) == ExecRule("allow", tool="shell", command='x "y"')


# -- the policy itself -----------------------------------------------------------------------------------------------


def test_a_policy_is_idle_until_somebody_gives_a_rule_or_a_mode() -> None:
    made = ExecPolicy()
    assert made.idle
    version = made.version
    made.ask_for("never")
    assert not made.idle
    assert made.version > version
    made.ask_for(None)
    assert made.idle
    made.add(ExecRule("deny", tool="x"), layer="agent")
    assert not made.idle
    assert made.remove("user") == 0
    assert made.remove("agent") == 1
    assert made.idle
    made.use_files([ExecRule("deny", tool="x")])
    assert not made.idle
    assert made.rules[0][0] is Layer.USER
    made.use_files([])
    assert made.idle


def test_the_mode_that_was_set_is_that_of_calls_without_one() -> None:
    made = ExecPolicy()
    assert made.decide(call("strange", sandboxed=True)).verdict is Verdict.ALLOW
    made.ask_for(AskForApproval.ON_REQUEST)
    assert made.decide(call("strange", sandboxed=True)).verdict is Verdict.ASK
    assert made.decide(call("strange", sandboxed=True), "never").verdict is Verdict.ALLOW


def test_a_policy_says_which_questions_nobody_is_asked() -> None:
    made = ExecPolicy()
    assert not made.refuses("mcp_elicitations")
    made.ask_for(Reject(mcp_elicitations=True))
    assert made.refuses("mcp_elicitations")
    assert not made.refuses("rules")
    made.ask_for("never")
    assert made.refuses("rules")
    with pytest.raises(InvalidInput, match="a question is one of sandbox_approval, rules, mcp_elicitations"):
        made.refuses("x")  # type: ignore[arg-type]


def test_pinned_rules_count_beside_the_present_ones() -> None:
    made = policy(*RULES)
    pinned = [ExecRule("deny", command="make")]
    assert made.decide(call("make x")).verdict is Verdict.ALLOW
    assert made.decide(call("make x"), pinned=pinned).verdict is Verdict.DENY


def test_a_reason_has_no_word_of_the_command_but_the_name_of_a_program() -> None:
    made = policy(*RULES)
    for command in ("curl hunter2", "strange hunter2 > hunter2", "rm hunter2", "X=hunter2; $X", "make hunter2"):
        for mode in AskForApproval:
            found = made.decide(call(command), mode)
            assert "hunter2" not in found.reason
    assert "hunter2" not in repr(call("curl hunter2"))
