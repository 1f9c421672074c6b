"""Calls of single tools: what becomes of them, in each mode of asking, and what happens to those that wait."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import headway
from headway.config import Config
from headway.errors import InvalidInput, InvalidPlan, NotFound, OutsideWorkspace
from headway.home import Home
from headway.jobs.invocation import Invocation, ToolCall
from headway.policy.exec.rule import ExecRule
from headway.tools.decorator import entry_of

pytestmark = pytest.mark.anyio


@headway.tool
async def add(left: int, right: int = 1) -> int:
    """Add."""
    return left + right


@headway.tool
async def echo(text: str, cwd: str = "") -> str:
    """Return the text, and where it works."""
    return f"{text} in {cwd}" if cwd else text


@headway.tool(category="shell")
async def shell(command: str) -> str:
    """Stand for a tool that starts what it is given."""
    return f"ran {command}"


@headway.tool
async def broken() -> None:
    """Fail."""
    raise ValueError("no such luck")


@headway.tool
async def endless() -> None:
    """Never return."""
    await asyncio.Event().wait()


@headway.tool(permission="ask")
async def deploy(where: str) -> str:
    """Ask first."""
    return f"deployed to {where}"


@headway.tool
async def curious(context: headway.ToolContext) -> str:
    """Ask for a value."""
    colour = await context.ask(str, "which colour?")
    return f"it is {colour}"


TOOLS = [entry_of(tool) for tool in (add, echo, shell, broken, endless, deploy, curious)]


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[headway.Engine]:
    """An engine with the tools, in a workspace of its own."""
    (tmp_path / "work").mkdir()
    config = Config.model_validate({"tools": {"workspace": str(tmp_path / "work")}})
    async with await headway.Engine.open(Home(tmp_path / "home"), config, tools=TOOLS) as engine:
        yield engine


async def made(
    engine: headway.Engine, name: str, approval: Any = None, cwd: Any = None, **arguments: Any
) -> Invocation:
    call = ToolCall(name=name, arguments=arguments)
    return await asyncio.wait_for(engine.manager.invoke_tool(call, approval, cwd), 60)


async def test_a_call_comes_back_with_its_output_and_is_a_job(engine: headway.Engine) -> None:
    found = await made(engine, "add", left=2, right=3)
    assert (found.ok, found.status, found.output, found.execution_kind) == (True, "completed", 5, "tool")
    row = await engine.row(found.job_id)
    assert (row.status, row.source, row.title) == ("completed", "invoke_tool", "call of add")


async def test_arguments_are_values_and_never_references(engine: headway.Engine) -> None:
    text = "$call.output and $$ and $other.output"
    assert (await made(engine, "echo", text=text)).output == text
    assert (await made(engine, "echo", text="$call.output")).output == "$call.output"


async def test_a_tool_that_fails_is_an_answer(engine: headway.Engine) -> None:
    found = await made(engine, "broken")
    assert (found.ok, found.status) == (False, "failed")
    assert "no such luck" in found.error


async def test_a_call_that_takes_too_long_says_so(engine: headway.Engine) -> None:
    call = ToolCall(name="endless", timeout_ms=20)
    found = await engine.manager.invoke_tool(call)
    assert (found.ok, found.status) == (False, "timeout")


@pytest.mark.parametrize(
    ("approval", "command", "status"),
    [
        ("never", "git push", "denied"),
        ("deny", "git push", "denied"),
        ("on_request", "git push", "approval_required"),
        ("unless_trusted", "git push", "approval_required"),
        ("unless_trusted", "ls", "completed"),
        ({"reject": {"rules": True}}, "git push", "denied"),
        (None, "git push", "completed"),
    ],
    ids=str,
)
async def test_the_mode_of_the_call_decides(engine: headway.Engine, approval: Any, command: str, status: str) -> None:
    if isinstance(approval, dict):
        engine.policies.exec.add(ExecRule("ask", command="git push"))
    found = await made(engine, "shell", approval, command=command)
    assert (found.status, found.execution_kind) == (status, "shell")
    assert found.ok == (status == "completed")
    if approval is not None:
        assert found.precheck is not None
        assert found.precheck.reason
    if status == "denied":
        assert found.job_id == "", "nothing ran, and nothing was queued"
        assert await engine.jobs() == []


async def test_what_was_asked_goes_on_once_it_is_answered(engine: headway.Engine) -> None:
    found = await made(engine, "shell", "on_request", command="git push")
    assert found.elicitation_id is not None
    assert (await engine.row(found.job_id)).waiting_for == "approval"
    await engine.elicitations.answer(found.elicitation_id, "allow")
    view = await engine.wait(found.job_id, 60)
    assert (view.job.status, view.actions[0].output) == ("completed", "ran git push")


async def test_a_mode_holds_at_every_attempt_and_over_a_restart(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    engine = await headway.Engine.open(home, tools=TOOLS)
    found = await made(engine, "shell", "on_request", command="git push")
    assert found.status == "approval_required"
    events = await engine.log.read(job_id=found.job_id, limit=100)
    [created] = [event for event in events if event.kind == "job_created"]
    assert created.data["terms"]["approval"] == "on_request"
    await engine.close(grace=0)


async def test_a_tool_that_asks_by_itself_waits_too(engine: headway.Engine) -> None:
    asked = await made(engine, "deploy", where="home")
    assert asked.status == "approval_required"
    value = await made(engine, "curious")
    assert value.status == "user_input_required"
    assert value.elicitation_id is not None
    await engine.elicitations.answer(value.elicitation_id, "answer", "blue")
    view = await engine.wait(value.job_id, 60)
    assert view.actions[0].output == "it is blue"


async def test_a_denial_is_an_answer_too(engine: headway.Engine) -> None:
    asked = await made(engine, "deploy", where="home")
    assert asked.elicitation_id is not None
    await engine.elicitations.answer(asked.elicitation_id, "deny", reason="not today")
    view = await engine.wait(asked.job_id, 60)
    assert view.actions[0].error_code == "approval_denied"


async def test_where_a_call_works(engine: headway.Engine, tmp_path: Path) -> None:
    work = tmp_path / "work"
    (work / "deep").mkdir()
    (work / "out").symlink_to(tmp_path)
    assert (await made(engine, "echo", cwd=work / "deep", text="hi")).output == f"hi in {work / 'deep'}"
    assert (await made(engine, "add", cwd=work, left=1)).output == 2
    with pytest.raises(InvalidInput, match="takes no cwd"):
        await made(engine, "add", cwd=work / "deep", left=1)
    for elsewhere in (tmp_path, work / "..", work / "out", "/etc"):
        with pytest.raises(OutsideWorkspace):
            await made(engine, "echo", cwd=elsewhere, text="hi")


async def test_what_cannot_be_called_is_refused_and_changes_nothing(engine: headway.Engine) -> None:
    with pytest.raises(NotFound, match="there is no tool 'nothing'"):
        await made(engine, "nothing")
    with pytest.raises(InvalidPlan, match="missing required parameter 'left'"):
        await made(engine, "add")
    with pytest.raises(InvalidInput, match="is no approval mode"):
        await made(engine, "add", "sometimes", left=1)
    with pytest.raises(InvalidInput, match="a call"):
        await engine.manager.invoke_tool({"name": "add"})  # type: ignore[arg-type]
    assert await engine.jobs() == []
    assert "secret" not in repr(ToolCall(name="add", arguments={"password": "secret"}))
