"""Policy files: each kind of rule, strict reading, and what is found where."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from headway.errors import InvalidConfig, InvalidInput, UnsafeFile
from headway.policy.call import PolicyCall
from headway.policy.engine import PolicyEngine
from headway.policy.files import find_policies, load_policies
from tests.unit.policy.kit import SECRET, call, write


def engine_of(folder: Path, text: str, name: str = "base.toml") -> PolicyEngine:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    engine = PolicyEngine()
    engine.use_files(load_policies(folder))
    return engine


def test_deny_tool(tmp_path: Path) -> None:
    engine = engine_of(tmp_path, '\ndeny_tool = ["shell", "curl"]\n')
    assert engine.check(call("shell")) == ["policy 'base.toml:2': tool 'shell' denied by policy"]
    assert engine.check(call("shells")) == engine.check(write("shell")) == []


def test_deny_keyword_looks_everywhere(tmp_path: Path) -> None:
    engine = engine_of(tmp_path, 'deny_keyword = ["rm -rf", "passwd", "rm -rf"]\n')
    found = engine.check(call("x", {"a": [{"b": "rm -rf / "}], "/etc/passwd": 1}))
    assert found == [
        "policy 'base.toml:1': the parameters contain denied keyword 'rm -rf'",
        "policy 'base.toml:1': the parameters contain denied keyword 'passwd'",
    ]
    assert len(engine.check(write("passwd"))) == 1
    assert engine.check(call("x", {"a": "RM -RF"})) == []


def test_deny_keyword_looks_at_what_a_call_sets(tmp_path: Path) -> None:
    engine = engine_of(tmp_path, 'deny_keyword = ["DROP"]\n')
    denied = ["policy 'base.toml:1': the effects contain denied keyword 'DROP'"]
    assert engine.check(call("x", effects={"q": ["DROP it"]})) == engine.check(call("x", effects={"DROP": 1})) == denied
    assert engine.check(call("x", effects={"q": "drop"})) == []
    (unreadable,) = engine.check(call("x", effects={"q": object()}))
    assert unreadable == "policy 'base.toml:1': the effects are not JSON, so the action is denied"
    assert len(engine.check(write("DROP"))) == 1


def test_deny_tool_param(tmp_path: Path) -> None:
    engine = engine_of(
        tmp_path,
        """
        [[deny_tool_param]]
        name = "inside"
        tool = "fetch"
        param = "url"
        contains = "169.254."
        [[deny_tool_param]]
        tool = "fetch"
        param = "depth"
        equals = 0
        [[deny_tool_param]]
        tool = "fetch"
        param = "either"
        equals = ["x"]
        contains = "y"
        """,
    )
    assert engine.check(call("fetch", {"url": "http://169.254.1.1"})) == [
        "policy 'inside': param 'url' matches denied pattern '169.254.'"
    ]
    assert engine.check(call("fetch", {"depth": 0.0})) == ["policy 'base.toml:7': param 'depth' has a denied value"]
    for allowed in ({}, {"depth": False}, {"depth": "0"}, {"url": "x"}, {"either": "x"}):
        assert engine.check(call("fetch", allowed)) == []
    assert (
        len(engine.check(call("fetch", {"either": ["x"]}))) == len(engine.check(call("fetch", {"either": "yy"}))) == 1
    )
    assert engine.check(call("other", {"depth": 0})) == []


def test_allow_tool_param_denies_what_is_not_listed_or_missing(tmp_path: Path) -> None:
    engine = engine_of(
        tmp_path,
        """
        [[allow_tool_param]]
        tool = "deploy"
        param = "to"
        allow = ["staging", 1, { a = true }]
        """,
    )
    for value in ("staging", 1, 1.0, {"a": True}):
        assert engine.check(call("deploy", {"to": value})) == []
    for value in (SECRET, True, {"a": 1}, ["staging"], None):
        assert engine.check(call("deploy", {"to": value})) == [
            "policy 'base.toml:2': param 'to' is not one of the allowed values"
        ]
    assert engine.check(call("deploy")) == [
        "policy 'base.toml:2': param 'to' is missing, and only listed values are allowed"
    ]
    assert engine.check(call("other", {"to": "x"})) == []


def test_two_allowlists_of_one_parameter_must_both_hold(tmp_path: Path) -> None:
    rule = '[[allow_tool_param]]\ntool = "t"\nparam = "p"\nallow = {}\n'
    (tmp_path / "a.toml").write_text(rule.format([1, 2]))
    engine = engine_of(tmp_path, rule.format([2, 3]), "b.toml")
    assert [len(engine.check(call("t", {"p": value}))) for value in (1, 2, 3, 4)] == [1, 0, 1, 2]
    assert engine_of(tmp_path, rule.format([])).check(call("t", {"p": 1}))


def test_deny_tool_param_matching_is_unanchored_and_linear(tmp_path: Path) -> None:
    engine = engine_of(
        tmp_path,
        """
        [[deny_tool_param_matching]]
        name = "wipe"
        tool = "run"
        param = "cmd"
        matches = '(?i)rm\\s+-[a-z]*r'
        [[deny_tool_param_matching]]
        tool = "run"
        param = "slow"
        matches = '(x+x+)+y'
        """,
    )
    denied = ["policy 'wipe': param 'cmd' matches denied expression '(?i)rm\\s+-[a-z]*r'"]
    assert engine.check(call("run", {"cmd": "sudo RM  -fr /"})) == denied
    assert engine.check(call("run", {"cmd": ["ls", {"then": "rm -r ü"}]})) == denied
    assert engine.check(call("run", {"cmd": "ls", "slow": "x" * 100_000})) == []
    assert engine.check(call("run", {"slow": "x" * 4_000_000})) == [
        "policy 'base.toml:7': a text is too long for the regular expression that looks at it, so the action is denied"
    ]
    assert engine.check(call("run", {})) == engine.check(call("other", {"cmd": "rm -r"})) == []
    assert engine.check(call("run", {"cmd": f"{SECRET}\ud800"})) == [
        "policy 'wipe': the parameters hold a text that is not valid, so the action is denied"
    ]


RATE = '[[rate_limit_tool]]\nname = "{0}"\ntool = "t"\nmax_calls = {1}\ninterval_secs = {2}\n'


def at(engine: PolicyEngine, *times: float, tool: str = "t", **fields: Any) -> list[int]:
    return [len(engine.check(call(tool, now=now, **fields))) for now in times]


def test_rate_limit_tool_is_a_window_that_slides(tmp_path: Path) -> None:
    engine = engine_of(tmp_path, RATE.format("r", 2, 10))
    assert at(engine, 100.0, 105.0, 106.0, 109.9, 110.0, 110.1, 114.9, 115.0) == [0, 0, 1, 1, 0, 1, 1, 0]
    assert engine.check(call("t", now=115.0)) == ["policy 'r': tool 't' is limited to 2 calls in 10 seconds"]
    assert at(engine, 115.0, tool="other") == [0]


def test_a_call_that_is_denied_is_not_counted(tmp_path: Path) -> None:
    engine = engine_of(tmp_path, RATE.format("r", 1, 10) + RATE.format("q", 2, 100))
    engine.deny_tool_param("p", "t", "bad", "x")
    assert at(engine, 0, 1, parameters={"bad": "x"}) == [1, 1]
    assert at(engine, 2, 3, 12, 22, 32) == [0, 1, 0, 1, 1]
    assert at(engine, 102) == [0]


def test_a_reload_keeps_the_counts_of_limits_that_stay(tmp_path: Path) -> None:
    engine = engine_of(tmp_path, RATE.format("r", 1, 10) + RATE.format("r2", 2, 10))
    assert at(engine, 0) == [0]
    (tmp_path / "base.toml").write_text('deny_tool = ["x"]\n' + RATE.format("renamed", 1, 10) + RATE.format("q", 5, 10))
    engine.use_files(load_policies(tmp_path))
    assert at(engine, 1, 11) == [1, 0]
    (tmp_path / "base.toml").write_text(RATE.format("r", 1, 60))
    engine.use_files(load_policies(tmp_path))
    assert at(engine, 12, 70, 71) == [1, 1, 0]


def test_a_limit_that_is_changed_gives_no_calls_back(tmp_path: Path) -> None:
    def changed(*limits: str) -> None:
        (tmp_path / "base.toml").write_text("".join(limits))
        engine.use_files(load_policies(tmp_path))

    engine = engine_of(tmp_path, RATE.format("r", 1, 2) + RATE.format("s", 3, 3600))
    assert at(engine, 0, 10, 20, 30) == [0, 0, 0, 1]
    changed(RATE.format("r", 2, 3600))
    assert at(engine, 40) == [1]
    changed(RATE.format("r", 2, 25), RATE.format("other", 4, 3600))
    assert at(engine, 40, 41) == [0, 2]  # the call at 20 still counts
    changed(RATE.format("r", 5, 3600))
    assert at(engine, 42, 43) == [0, 1]  # it remembers four: the longest memory is carried on
    changed(RATE.format("r", 1, 60).replace('"t"', '"u"'))
    assert at(engine, 44, 45) == [0, 0]


def test_rules_with_a_condition(tmp_path: Path) -> None:
    engine = engine_of(
        tmp_path,
        """
        [[rule]]
        name = "https"
        when = 'tool == "fetch" && !params.url.startsWith("https://")'
        message = "only https\\tplease"
        [[rule]]
        name = "frozen"
        when = '''
            type == "state_write" && has(state.frozen) && state.frozen
              && principal != "admin"
        '''
        deny = true
        """,
    )
    assert engine.check(call("fetch", {"url": "http://x"})) == ["policy 'https': only https please"]
    assert engine.check(call("fetch", {"url": "https://x"})) == []
    assert engine.check(write(state={"frozen": True})) == ["policy 'frozen': denied by policy"]
    assert engine.check(write(state={"frozen": True}, principal="admin")) == engine.check(write()) == []
    (reason,) = engine.check(call("fetch", {"uri": SECRET}))
    assert reason.startswith("policy 'https': its condition cannot be evaluated: a key that it names is not there")
    assert reason.endswith("so the action is denied")


def test_files_are_merged_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b.toml", "a.toml", "c.toml.off", ".d.toml"):
        (tmp_path / name).write_text('deny_tool = ["t"]\n')
    rules = load_policies(tmp_path)
    assert [path.name for path in rules.files] == ["a.toml", "b.toml"]
    engine = PolicyEngine()
    engine.register("code", lambda _: "no")
    engine.use_files(rules)
    assert engine.file_rules is rules
    assert [line.split("'")[1] for line in engine.check(call("t"))] == ["code", "a.toml:1", "b.toml:1"]
    engine.use_files(None)
    assert engine.check(call("t")) == ["policy 'code': no"]
    assert engine.unregister("a.toml:1") == 0


def test_no_files_are_no_rules(tmp_path: Path) -> None:
    engine = PolicyEngine()
    engine.use_files(load_policies(tmp_path))
    assert engine.idle


TABLE = '[[{0}]]\ntool = "t"\nparam = "p"\n'


@pytest.mark.parametrize(
    ("text", "issue"),
    [
        ("deny_tool = [", "base.toml:1: "),
        (
            'a = 1\n\ndeny_tool = ["x"]\n',
            "base.toml:1: a is not a known key; there are allow_tool_param, approve",
        ),
        ("\ndeny_tols = []", "base.toml:2: deny_tols is not a known key; did you mean deny_tool?"),
        ("deny_tool = 'x'", "base.toml:1: deny_tool is wrong: it must be a list of texts"),
        ("deny_tool = [1]", "base.toml:1: deny_tool is wrong: it must be a list of texts"),
        ("deny_keyword = ['']", "base.toml:1: deny_keyword is wrong: each of its texts must have 1 to 1000 characters"),
        ("deny_tool_param = 1", "base.toml:1: deny_tool_param must be tables: [[deny_tool_param]]"),
        ("[deny_tool_param]", "base.toml:1: deny_tool_param must be tables: [[deny_tool_param]]"),
        ("[[rate_limit_tool]]", "base.toml:1: rate_limit_tool.tool is required and missing"),
        ("\n[[rule]]\nwhen = 'true'\ndeny = true", "base.toml:2: rule.name is required and missing"),
        ("[[rule]]\nname = 'n'\nwhen = 'true'", "base.toml:1: rule.deny or message is required"),
        ("[[rule]]\nname = 'n'\nwhen = 'true'\ndeny = false", "base.toml:4: rule.deny can only be true"),
        ("[[rule]]\nname = 'n'\nwhen = 'true'\ndeny = 'no'", "base.toml:4: rule.deny can only be true"),
        ("[[rule]]\nname = 'n'\nwhen = 'tru'\ndeny = true", "base.toml:3: rule.when is wrong: the condition has an"),
        (
            "[[rule]]\nname = 'n'\nwhen = '1 +'\ndeny = true",
            "base.toml:3: rule.when is wrong: the condition is not a C",
        ),
        ("[[rule]]\nname = 'n'\nwhen = 1\ndeny = true", "base.toml:3: rule.when must be a text in quotes"),
        ('[[rule]]\nname = "\\u001b"\nwhen = "true"\ndeny = true', "base.toml:2: rule.name must be printable"),
        ("[[rule]]\nname = 'n'\nwhen = 'true'\nmessage = 1", "base.toml:4: rule.message must be a text in quotes"),
        (TABLE.format("deny_tool_param"), "base.toml:1: deny_tool_param.contains or equals is required"),
        (TABLE.format("deny_tool_param") + "contains = ''", "base.toml:4: deny_tool_param.contains is wrong: it must"),
        (TABLE.format("deny_tool_param") + "equals = 2026-01-01", "base.toml:4: deny_tool_param.equals has a date"),
        (TABLE.format("deny_tool_param") + "matches = 'x'", "base.toml:4: deny_tool_param.matches is not a known key"),
        (TABLE.format("allow_tool_param"), "base.toml:1: allow_tool_param.allow is required and missing"),
        (TABLE.format("allow_tool_param") + "allow = 'x'", "base.toml:4: allow_tool_param.allow must be a list of val"),
        (TABLE.format("allow_tool_param") + "allow = [[2026-01-01]]", "base.toml:4: allow_tool_param.allow has a date"),
        (
            TABLE.format("deny_tool_param_matching") * 2 + "matches = '['",
            "base.toml:1: deny_tool_param_matching.matches is required and missing",
        ),
        (
            TABLE.format("deny_tool_param_matching") + "matches = 'x'\n"
            "[[deny_tool_param_matching]]\ntool='t'\nparam='p'\nmatches = '['",
            "base.toml:8: deny_tool_param_matching.matches is wrong: not a regular expression of RE2: missing ]",
        ),
        (
            TABLE.format("deny_tool_param_matching") + "matches = '((a{100}){100}){10}'",
            "base.toml:4: deny_tool_param_matching.matches is wrong",
        ),
        (RATE.format("n", 0, 1), "base.toml:4: rate_limit_tool.max_calls is wrong: it must be a whole number"),
        (RATE.format("n", "true", 1), "base.toml:4: rate_limit_tool.max_calls is wrong: it must be a whole number"),
        (RATE.format("n", 10**9, 1), "base.toml:4: rate_limit_tool.max_calls must be at most 1000000"),
        (RATE.format("n", "9" * 5000, 1), "base.toml: has a number that is too long"),
        (RATE.format("n", 1, "nan"), "base.toml:5: rate_limit_tool.interval_secs is wrong: it must be a number"),
        (RATE.format("n", 1, "inf"), "base.toml:5: rate_limit_tool.interval_secs is wrong: it must be a number"),
        (RATE.format("n", 1, -1), "base.toml:5: rate_limit_tool.interval_secs is wrong: it must be a number"),
        ("deny_tool = " + "[" * 5000 + "]" * 5000, "base.toml: has a number that is too long, or is nested too deep"),
    ],
)
def test_what_is_not_understood_is_an_error_with_file_and_line(tmp_path: Path, text: str, issue: str) -> None:
    (tmp_path / "base.toml").write_text(text)
    with pytest.raises(InvalidConfig) as caught:
        load_policies(tmp_path)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path}/{issue}")
    assert "\n" not in message
    assert "\x1b" not in message


def test_all_that_is_wrong_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("deny_tool = 1\nx = 1\n")
    (tmp_path / "b.toml").write_text("oops")
    (tmp_path / "c.toml").write_text("deny_tool = ['fine']")
    (tmp_path / "d.toml").mkdir()
    (tmp_path / "e.toml").symlink_to("nowhere")
    (tmp_path / "f.toml").write_bytes(b"# \xff")
    os.mkfifo(tmp_path / "g.toml")
    with pytest.raises(InvalidConfig) as caught:
        load_policies(tmp_path)
    places = [issue.removeprefix(f"{tmp_path}/").split(" ")[0] for issue in caught.value.details["issues"]]
    assert places == ["a.toml:1:", "a.toml:2:", "b.toml:1:", "d.toml:", "e.toml:", "f.toml:", "g.toml:"]


def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "none", tmp_path / "file"):
        with pytest.raises(InvalidConfig, match="cannot be read"):
            load_policies(folder)
    for bad in (None, 1, "a\0b"):
        for use in (load_policies, find_policies):
            with pytest.raises(InvalidInput, match="a folder of policies is a path"):
                use(bad)  # type: ignore[arg-type]


def test_policies_are_those_beside_the_configuration(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b" / "c"
    deep.mkdir(parents=True)
    (tmp_path / "policies").mkdir()
    assert find_policies(tmp_path) is None
    (tmp_path / "policies" / "base.toml").write_text("")
    (tmp_path / "a" / "policies").mkdir()
    (tmp_path / "a" / "policies" / "code.py").write_text("")
    (tmp_path / "a" / "b" / "policies").write_text("a file")
    assert find_policies(str(tmp_path), deep) == find_policies(tmp_path) == tmp_path / "policies"


@pytest.mark.parametrize(("project", "start"), [("a/b", "a/b"), ("a/b", "a/b/c"), (".", "a/b"), ("", "a/not/there")])
def test_policies_elsewhere_on_the_way_up_are_an_error(tmp_path: Path, project: str, start: str) -> None:
    (tmp_path / "a" / "b" / "c").mkdir(parents=True)
    (tmp_path / "a" / "policies").mkdir()
    (tmp_path / "a" / "policies" / "near.toml").write_text("")
    with pytest.raises(InvalidConfig) as caught:
        find_policies(tmp_path / project, tmp_path / start)
    assert str(caught.value) == (
        f"{tmp_path}/a/policies: policies are read beside headway.toml only, in {tmp_path / project}/policies: "
        "move them there, or give this folder another name"
    )


def test_policies_above_a_folder_that_everyone_may_write_to_concern_nobody(tmp_path: Path) -> None:
    project = tmp_path / "open" / "mine"
    project.mkdir(parents=True)
    (tmp_path / "open" / "policies").mkdir()
    (tmp_path / "open" / "policies" / "theirs.toml").write_text("")
    (tmp_path / "open").chmod(0o1777)
    assert find_policies(project) is None


def test_policies_that_others_could_have_written_are_refused(tmp_path: Path) -> None:
    engine_of(tmp_path / "policies", 'deny_tool = ["x"]\n')
    folder = find_policies(tmp_path)
    assert folder is not None
    (file,) = folder.iterdir()
    file.chmod(0o666)
    with pytest.raises(InvalidConfig, match=f"everyone may write to it: chmod go-w {file}"):
        load_policies(folder)
    file.chmod(0o644)
    folder.chmod(0o777)
    with pytest.raises(UnsafeFile, match=f"everyone may write to it: chmod go-w {folder}"):
        load_policies(folder)


def test_a_folder_that_is_locked_is_not_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(_: Path) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", locked)
    with pytest.raises(InvalidConfig, match="policies: cannot be read: Permission denied"):
        find_policies(tmp_path)


def test_a_call_of_a_strange_shape_is_denied(tmp_path: Path) -> None:
    engine = engine_of(tmp_path, 'deny_tool = ["x"]\n')
    assert engine.check(PolicyCall("a", "tool_call", ["x"])) == [  # type: ignore[arg-type]
        "policy 'base.toml:1': it failed with TypeError, so the action is denied"
    ]
