"""The corpus: every command gets the verdict that stands beside it, in the strictest and in the loosest mode."""

from __future__ import annotations

import pytest

from headway.policy.exec import AskForApproval, ExecCall, Verdict
from tests.unit.policy.exec.corpus import CAUGHT, CLEAN, policy

POLICY = policy()


def _id(text: str) -> str:
    return ascii(text)[1:-1][:60]


@pytest.mark.parametrize(("command", "verdict", "why"), CAUGHT, ids=[_id(row[0]) for row in CAUGHT])
def test_a_command_that_must_be_caught(command: str, verdict: str, why: str) -> None:
    call = ExecCall("shell", {"command": command}, command=command)
    found = POLICY.decide(call, "on_request")
    assert found.verdict == verdict, f"{why}: {found.reason}"
    assert "\n" not in found.reason
    never = POLICY.decide(call, AskForApproval.NEVER)
    assert never.verdict is Verdict.DENY or command == "echo hi", f"{why}: {never.reason}"


@pytest.mark.parametrize(("command", "why"), CLEAN, ids=[_id(row[0]) for row in CLEAN])
def test_a_command_that_must_not_be_caught(command: str, why: str) -> None:
    found = POLICY.decide(ExecCall("shell", {"command": command}, command=command), "on_request")
    assert found.verdict is Verdict.ALLOW, f"{why}: {found.reason}"
    assert not found.binding
    assert not found.amendments


def test_the_corpus_is_large_and_says_each_command_once() -> None:
    commands = [row[0] for row in CAUGHT] + [row[0] for row in CLEAN]
    assert len(CAUGHT) >= 150
    assert len(CLEAN) >= 75
    assert len(set(commands)) == len(commands)
    assert all(row[-1] for row in (*CAUGHT, *CLEAN))
