"""The exec policy in runs: what it denies is rejected before it starts, what it asks about waits for a person."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

import headway
from headway import Runtime
from headway.elicitation import Answer, Elicitation
from headway.events import kinds
from headway.plan.results import ActionStatus, ErrorCode
from headway.policy import load_policies
from headway.policy.exec import ExecRule
from headway.tools.decorator import entry_of
from tests.unit.execution.kit import call, events_of

RULES = (
    ExecRule("deny", command="git push", name="no push"),
    ExecRule("ask", command="curl", name="downloads"),
    ExecRule("allow", command="make"),
)


class Rig:
    """A runtime whose tool "sh" notes the commands that it is given; nothing is started."""

    def __init__(self, *rules: ExecRule, **options: Any) -> None:
        self.ran: list[str] = []

        @headway.tool(category="shell")
        async def sh(command: str) -> str:
            self.ran.append(command)
            return command

        @headway.tool
        async def write(path: str) -> str:
            self.ran.append(path)
            return path

        @headway.tool
        async def fail() -> None:
            raise headway.TerminalToolError("no")

        self.runtime = Runtime(tools=[sh, write, fail], **options)
        if rules:
            self.runtime.policies.exec.add(*rules)

    async def run(self, *commands: str, **fields: Any) -> list[headway.ActionResult]:
        actions = [
            call(f"a{number}", "sh", parameters={"command": command}, **fields)
            for number, command in enumerate(commands)
        ]
        result = await self.runtime.execute({"actions": actions})
        return list(result.results)


async def test_a_denied_command_is_rejected_and_the_log_says_why() -> None:
    rig = Rig(*RULES)
    made, denied = await rig.run("make x", "bash -c 'git push secret-branch'", failure_behavior="skip")
    assert made.status is ActionStatus.SUCCEEDED
    assert denied.error_code is ErrorCode.POLICY_DENIED
    assert denied.error == "exec policy: rule no push denies 'git'"
    assert rig.ran == ["make x"]
    [event] = await events_of(rig.runtime, kinds.POLICY_VIOLATION)
    assert event.data["reasons"] == [denied.error]


async def test_what_asks_is_refused_where_nobody_answers() -> None:
    rig = Rig(*RULES)
    [found] = await rig.run("curl x", failure_behavior="skip")
    assert found.error_code is ErrorCode.APPROVAL_DENIED
    assert found.error == "exec policy: rule downloads asks for 'curl', and nobody is there to answer"
    [found] = await rig.run("$X y", failure_behavior="skip")
    assert found.error_code is ErrorCode.APPROVAL_DENIED
    assert rig.ran == []


async def test_an_approved_call_runs_once_and_one_with_other_arguments_asks_again() -> None:
    asked: list[Any] = []

    async def decide(question: Elicitation) -> Answer:
        asked.append((question.prompt, question.parameters, question.detail))
        return Answer("session" if "y" in str(question.parameters) else "allow")

    rig = Rig(*RULES, on_elicitation=decide)
    await rig.run("curl x")
    await rig.run("curl x")
    assert len(asked) == 2
    assert asked[0] == (
        "exec policy: rule downloads asks for 'curl'",
        {"command": "curl x"},
        {"exec": {"tier": "full_access", "rule": "downloads", "question": "rules", "amendments": []}},
    )
    await rig.run("curl y")
    await rig.run("curl y")
    assert len(asked) == 3
    await rig.run("curl z")
    assert len(asked) == 4
    assert rig.ran == ["curl x", "curl x", "curl y", "curl y", "curl z"]
    await rig.run("cargo test")
    assert asked[-1][2]["exec"]["amendments"] == [{"tool": "sh", "command": "cargo test"}]


async def test_an_edit_is_judged_again_and_no_answer_lifts_a_denial() -> None:
    async def decide(question: Elicitation) -> Answer:
        return Answer("edit", {"command": "git push"})

    rig = Rig(*RULES, on_elicitation=decide)
    [found] = await rig.run("curl x", failure_behavior="skip")
    assert found.error_code is ErrorCode.POLICY_DENIED
    assert rig.ran == []


async def test_the_mode_never_asks_nobody() -> None:
    async def decide(question: Elicitation) -> Answer:
        raise AssertionError("nobody is to be asked")

    rig = Rig(*RULES, on_elicitation=decide)
    rig.runtime.policies.exec.ask_for("never")
    for command in ("curl x", "strange x", "$X"):
        [found] = await rig.run(command, failure_behavior="skip")
        assert found.error_code is ErrorCode.POLICY_DENIED, command
        assert "approval is never" in (found.error or "")
    assert rig.ran == []


async def test_only_the_approval_of_exactly_this_call_answers_beforehand(tmp_path: Path) -> None:
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "a.toml").write_text(
        '[[exec]]\naction = "ask"\ncommand = "curl"\n\n'
        '[[approve]]\ntool = "sh"\n\n'
        '[[approve]]\ntool = "sh"\nparameters = { command = "curl x" }\n'
    )
    rig = Rig()
    rig.runtime.policies.use_files(load_policies(folder))
    first, second = await rig.run("curl x", "curl y", failure_behavior="skip")
    assert first.status is ActionStatus.SUCCEEDED
    assert second.error_code is ErrorCode.APPROVAL_DENIED
    assert second.error == "exec policy: rule a.toml:1 asks for 'curl', and nobody is there to answer"


async def test_rules_of_files_come_and_go_with_the_files(tmp_path: Path) -> None:
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "a.toml").write_text('[[exec]]\naction = "deny"\ncommand = "make"\nreason = "not here"\n')
    rig = Rig()
    policies = rig.runtime.policies
    policies.use_files(load_policies(folder))
    assert not policies.idle
    [found] = await rig.run("make x", failure_behavior="skip")
    assert found.error == "exec policy: rule a.toml:1 denies 'make': not here"
    (folder / "a.toml").write_text('deny_tool = ["other"]\n')
    version = policies.version
    policies.use_files(load_policies(folder))
    assert policies.version > version
    assert policies.exec.idle
    [found] = await rig.run("make x")
    assert found.status is ActionStatus.SUCCEEDED
    policies.use_files(None)
    assert policies.idle


async def test_rules_that_held_when_the_job_began_count_too() -> None:
    from headway.policy import PolicyEngine
    from headway.policy.exec import ExecCall

    policies = PolicyEngine()
    pinned = (("a.toml", '[[exec]]\naction = "deny"\ncommand = "make"\n'),)
    asked = ExecCall("sh", {"command": "make x"}, command="make x")
    assert not policies.judges_commands()
    assert policies.judges_commands(pinned)
    assert not policies.judges_commands((("a.toml", 'deny_tool = ["x"]\n'),))
    assert policies.decide(asked, pinned).reason == "rule a.toml:1 denies 'make'"
    policies.exec.add(ExecRule("allow", command="make"))
    assert policies.decide(asked).verdict == "allow"
    assert policies.decide(asked, pinned).verdict == "deny"


async def test_a_path_and_a_tool_are_judged_for_tools_that_start_nothing_too(tmp_path: Path) -> None:
    rules = (ExecRule("deny", path="secrets"), ExecRule("deny", tool="fail"))
    rig = Rig(*rules, workspace=tmp_path)
    plan = [
        call("a", "write", parameters={"path": "secrets/key"}, failure_behavior="skip"),
        call("b", "write", parameters={"path": "notes"}, failure_behavior="skip"),
        call("c", "fail", failure_behavior="skip"),
    ]
    result = await rig.runtime.execute({"actions": plan})
    assert rig.ran == ["notes"]
    assert result["a"].error_code is ErrorCode.POLICY_DENIED
    assert result["c"].error_code is ErrorCode.POLICY_DENIED


async def test_a_compensation_is_judged_too() -> None:
    rig = Rig(*RULES)
    undo = {"type": "tool", "tool": "sh", "parameters": {"command": "git push"}}
    plan = [
        call("a", "sh", parameters={"command": "make x"}, reversibility="compensable", compensation=undo),
        call("b", "fail", dependencies=["a"]),
    ]
    await rig.runtime.execute({"actions": plan})
    assert rig.ran == ["make x"]
    assert [event.data["reasons"] for event in await events_of(rig.runtime, kinds.POLICY_VIOLATION)] == [
        ["exec policy: rule no push denies 'git'"]
    ]


async def test_the_tools_of_programs_say_what_they_start(tmp_path: Path) -> None:
    from headway.tools.files.workspace import Workspace
    from headway.tools.process.shell import shell_tool
    from headway.tools.process.subprocess import SubprocessTool

    workspace = Workspace(tmp_path)
    text = shell_tool(workspace)
    assert text.command is not None
    assert text.command({"command": "ls && rm x"}) == "ls && rm x"
    words = shell_tool(workspace, allow=["git"])
    assert words.command is not None
    assert words.command({"command": "git #x\n push"}) == ("git", "#x", "push")
    program = SubprocessTool([sys.executable, "-m", "x"], name="p").entry()
    assert program.command is not None
    assert program.command({}) == (sys.executable, "-m", "x")


@pytest.mark.parametrize("confined", [True, False])
async def test_a_sandbox_lets_pass_what_no_rule_allows_and_off_does_not(tmp_path: Path, confined: bool) -> None:
    from headway.policy.gates import Gates
    from headway.tools.files.workspace import Workspace
    from headway.tools.process.shell import shell_tool

    gates = Gates()
    gates.policies.exec.ask_for("never")
    entry = shell_tool(Workspace(tmp_path))
    found = gates.decision(
        "shell", {"command": "strange x"}, entry, principal=None, workspace=tmp_path, confines=confined
    )
    assert found is not None
    assert found.verdict == ("allow" if confined else "deny")
    assert found.needs_sandbox is confined

    @headway.tool(category="shell")
    async def own(command: str) -> str:
        return command

    free = gates.decision(
        "own", {"command": "strange x"}, entry_of(own), principal=None, workspace=tmp_path, confines=confined
    )
    assert free is not None
    assert free.verdict == "deny", "a tool of one's own runs in no sandbox"


async def test_a_real_shell_is_kept_from_a_denied_command(tmp_path: Path) -> None:
    from headway.tools.files.workspace import Workspace
    from headway.tools.process.shell import shell_tool

    marker = tmp_path / "marker"
    runtime = Runtime(tools=[shell_tool(Workspace(tmp_path))], workspace=tmp_path, sandbox="off")
    runtime.policies.exec.add(ExecRule("deny", command="touch"), ExecRule("allow", command="mkdir"))
    plan = [
        call("a", "shell", parameters={"command": f"sh -c 't''ouch {marker}'"}, failure_behavior="skip"),
        call("b", "shell", parameters={"command": "mkdir made"}, failure_behavior="skip"),
    ]
    async with runtime:
        result = await runtime.execute({"actions": plan})
    assert result["a"].error_code is ErrorCode.POLICY_DENIED
    assert result["b"].status is ActionStatus.SUCCEEDED
    assert (tmp_path / "made").is_dir()
    assert not marker.exists()


async def test_a_runtime_without_such_rules_does_not_even_load_them() -> None:
    program = (
        "import asyncio, sys, headway\n"
        "@headway.tool(category='shell')\n"
        "async def sh(command: str) -> str: return command\n"
        "plan = {'actions': [{'id': 'a', 'type': 'tool_call', 'tool': 'sh', 'parameters': {'command': 'rm x'}}]}\n"
        "runtime = headway.Runtime(tools=[sh])\n"
        "runtime.policies.deny_tool('x', 'y')\n"
        "assert asyncio.run(runtime.execute(plan)).results[0].status == 'succeeded'\n"
        "print([name for name in sys.modules if 'tree_sitter' in name or 'policy.exec' in name])\n"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert out.decode().strip() == "[]"
