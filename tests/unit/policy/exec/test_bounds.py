"""Hostile commands: a typed answer of one line, with bounded work, whatever they are."""

from __future__ import annotations

import inspect
import sys

import pytest

from headway.policy.exec import ExecCall, Verdict
from headway.policy.exec.reading import MAX_COMMAND, MAX_OPENERS, Unfit, _kept, read
from tests.unit.policy.exec.corpus import policy

POLICY = policy()
LONG = MAX_COMMAND

REFUSED = {
    "a NUL": ("ls\0", "the command has a NUL or half a surrogate pair"),
    "half a surrogate pair": ("ls \ud800", "the command has a NUL or half a surrogate pair"),
    "nothing": ("", "the command is empty"),
    "blanks": (" \n\t", "the command is empty"),
    "a megabyte": ("a" * 2**20, f"the command is longer than {MAX_COMMAND:,} characters"),
    "too many commands": ("a\n" * (LONG // 2), "the command runs too many others"),
}


@pytest.mark.parametrize(("command", "reason"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("mode", ["on_request", "on_failure", "never"])
def test_what_no_shell_could_get_is_denied_in_every_mode(command: str, reason: str, mode: str) -> None:
    found = POLICY.decide(ExecCall("shell", {"command": command}, command=command, sandboxed=True), mode)
    assert found.verdict is Verdict.DENY
    assert found.reason == reason
    with pytest.raises(Unfit):
        read(command)


DEEP = {
    "substitutions": "$(" * (LONG // 2),
    "closed substitutions": "echo " + "$(" * 200 + "rm x" + ")" * 200,
    "backticks": "`" * LONG,
    "subshells": "(" * LONG,
    "groups": "{ " * (LONG // 2),
    "double quotes": '"' * (LONG - 1),
    "quotes with substitutions": '"$(' * (LONG // 3),
    "processes": "<(" * (LONG // 2),
    "here-documents": "<<A " * (LONG // 4),
    "variables": "${" * (LONG // 2),
    "arithmetic": "$((" * (LONG // 3),
    "arrays": "a=(" * (LONG // 3),
    "ifs": "if a; then " * (LONG // 11),
    "functions": "f(){ " * (LONG // 5),
    "tests": "[[ " * (LONG // 3),
    "negations": "! " * (LONG // 2),
    "bash -c": "bash -c " * 2000,
    "env": "env " * 4000,
    "eval": "eval " * 3000,
    "find": "find -exec " * 1400,
    "xargs": "xargs " * 2700,
    "ssh": "ssh " * 4000,
    "aliases of each other": "alias a='b b'\nalias b='a a'\na",
    "an alias of itself": "alias a=a\na",
    "variables that double": ";".join(f"x{i}=$x{i - 1}$x{i - 1}" for i in range(300)),
    "unknown words": "git " + "$x " * 5000,
    "options": "git " + "-x " * 5000,
    "backslashes": "\\" * LONG,
    "ampersands": "&" * LONG,
    "globs": "/bin/" + "*" * 8000,
}


@pytest.mark.parametrize("command", DEEP.values(), ids=DEEP)
def test_what_is_nested_without_end_is_not_allowed(command: str) -> None:
    found = POLICY.decide(ExecCall("shell", {"command": command}, command=command, sandboxed=True), "on_request")
    assert found.verdict is not Verdict.ALLOW
    assert "\n" not in found.reason
    assert len(found.reason) < 700


def test_the_grammar_is_asked_only_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    import headway.policy.exec.reading as reading

    seen: list[str] = []
    parse = reading.parse

    def counting(text: str) -> object:
        seen.append(text)
        return parse(text)

    monkeypatch.setattr(reading, "parse", counting)
    _kept.cache_clear()
    for command in DEEP.values():
        seen.clear()
        read(command)
        assert sum(map(len, seen)) <= 4 * MAX_COMMAND
        assert all(sum(map(text.count, "([{`<")) <= MAX_OPENERS for text in seen)
    _kept.cache_clear()


def test_words_of_a_program_are_bounded_too() -> None:
    long = ExecCall("tool", {}, command=("a" * 20_000,))
    assert POLICY.decide(long, "never").reason == f"the command is longer than {MAX_COMMAND:,} characters"
    assert POLICY.decide(ExecCall("tool", {}, command=()), "never").reason == "the command is empty"
    assert POLICY.decide(ExecCall("tool", {}, command=("rm", "x"))).verdict is Verdict.DENY
    assert POLICY.decide(ExecCall("tool", {}, command=("env", "sh", "-c", "rm x"))).verdict is Verdict.DENY
    assert POLICY.decide(ExecCall("tool", {}, command=("ls", "; rm x"))).verdict is Verdict.ALLOW


def test_arguments_that_are_no_json_are_denied_not_asked_about() -> None:
    call = ExecCall("shell", {"command": "x", "n": float("nan")}, command="x")
    found = POLICY.decide(call, "on_request")
    assert (found.verdict, found.reason) == (Verdict.DENY, "the arguments of a call are not JSON")


def test_who_asks_from_deep_in_calls_is_refused_not_failed() -> None:
    nested = 'echo "$(' * 40 + "ls" + ')"' * 40

    def deep(levels: int) -> Verdict:
        if levels:
            return deep(levels - 1)
        _kept.cache_clear()
        return POLICY.decide(ExecCall("shell", {"command": nested}, command=nested), "on_request").verdict

    depth = len(inspect.stack())
    assert deep(sys.getrecursionlimit() - depth - 150) is Verdict.DENY
