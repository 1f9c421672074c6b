"""The control plane: each field and method does what its name says, through the room that owns it.

What each room does is tested there; ``docs/jobs.md`` says where. These fail if a method of the facade did nothing.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import headway
from headway.config import Config
from headway.control_plane import ControlPlane
from headway.errors import Conflict, InvalidInput, InvalidTransition, NotFound, OutsideWorkspace, StoreUnreadable
from headway.home import Home
from headway.inference import ModelInfo, ModelRegistry, RegisteredProvider
from headway.policy.exec.policy import ExecPolicy
from headway.testing import ScriptedProvider
from headway.tools.decorator import entry_of

pytestmark = pytest.mark.anyio


@headway.tool
async def add(left: int, right: int) -> int:
    """Add."""
    return left + right


@headway.tool(category="shell")
async def shell(command: str) -> str:
    """Stand for a tool that starts what it is given."""
    return f"ran {command}"


@headway.tool
async def hold() -> None:
    """Never return."""
    await asyncio.Event().wait()


CONFIG = {
    "workflows": {"sum": {"plan": "sum.json"}},
    "mcp": {"servers": {"absent": {"command": "/nonexistent/server"}, "off": {"command": "x", "enabled": False}}},
}
TOOLS = [entry_of(tool) for tool in (add, shell, hold)]
SUM = {"actions": [{"id": "s", "type": "tool_call", "tool": "add", "parameters": {"left": 1, "right": 2}}]}


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[ControlPlane]:
    """A control plane with tools, a scripted model, and MCP servers that cannot start."""
    told = {"told": {"on": ["jobs"], "sink": "jsonl", "path": str(tmp_path / "told.jsonl")}}
    config = Config.model_validate({**CONFIG, "hooks": told})
    async with await ControlPlane.open(Home(tmp_path / "home"), config, tools=TOOLS) as plane:
        script = ScriptedProvider(default="forty-two")
        models = RegisteredProvider("script", script, (ModelInfo("small"),), "small")
        plane.engine.with_models(ModelRegistry([models], default="script/small", configured="script/large"))
        yield plane


# -- fields ------------------------------------------------------------------------------------------------------------


async def test_the_fields_are_those_of_the_engine(plane: ControlPlane) -> None:
    engine = plane.engine
    assert plane.config is engine.config
    assert plane.model_registry is engine.models
    assert plane.thread_manager is engine.threads
    assert plane.tool_registry.get("add") is not None
    assert [server.name for server in plane.mcp_manager.reports()] == ["absent", "off"]
    assert isinstance(plane.exec_policy, ExecPolicy)
    assert plane.exec_policy is engine.policies.exec
    assert plane.jobs is engine.manager
    await plane.enqueue_job("elsewhere")
    await engine.log.flush()
    assert [hook.name for hook in plane.hooks] == ["told"]


async def test_it_takes_an_engine_and_leaves_it_open(tmp_path: Path) -> None:
    async with await headway.Engine.open(tmp_path / "home") as engine:
        plane = ControlPlane(engine)
        await plane.enqueue_job("elsewhere")
        assert (await plane.app_status()).jobs[0].title == "elsewhere"
    with pytest.raises(InvalidInput, match="an engine"):
        ControlPlane("home")  # type: ignore[arg-type]


async def test_a_store_that_cannot_be_read_is_an_error_and_no_empty_list(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.prepare()
    home.db.write_bytes(b"no database" * 1000)
    with pytest.raises(StoreUnreadable):
        await ControlPlane.open(home)


# -- threads, prompts and models ---------------------------------------------------------------------------------------


async def test_handle_thread_and_handle_prompt_really_answer(plane: ControlPlane) -> None:
    thread = await plane.handle_thread({"kind": "start"})
    said = await plane.handle_prompt({"prompt": "what is it?", "thread_id": thread.thread_id})
    assert said.output == "forty-two"
    read = await plane.handle_thread({"kind": "read", "thread_id": thread.thread_id})
    texts = msgspec.json.encode(read).decode()
    assert "what is it?" in texts
    assert "forty-two" in texts
    with pytest.raises(NotFound):
        await plane.handle_thread({"kind": "read", "thread_id": "nobody"})


async def test_provider_default_tells_configured_from_effective(plane: ControlPlane) -> None:
    found = plane.provider_default()
    assert (found.configured, found.effective) == ("script/large", "script/small")


async def test_thread_checkpoints_come_back_the_latest_last(plane: ControlPlane) -> None:
    thread = (await plane.handle_thread({"kind": "create"})).thread_id
    seqs = [await plane.save_thread_checkpoint(thread, name, {"n": name}) for name in "abc"]
    assert seqs == sorted(seqs)
    assert await plane.load_thread_checkpoint(thread) == {"n": "c"}
    assert await plane.load_thread_checkpoint(thread, "a") == {"n": "a"}
    with pytest.raises(NotFound):
        await plane.save_thread_checkpoint("nobody", "a", {})


# -- tools -------------------------------------------------------------------------------------------------------------


async def test_invoke_tool_judges_and_makes_a_call(plane: ControlPlane) -> None:
    found = await plane.invoke_tool({"name": "add", "arguments": {"left": 2, "right": 3}})
    assert (found.ok, found.output) == (True, 5)
    denied = await plane.invoke_tool({"name": "shell", "arguments": {"command": "git push"}}, "never")
    assert (denied.ok, denied.status) == (False, "denied")
    asked = await plane.invoke_tool({"name": "shell", "arguments": {"command": "git push"}}, "on_request")
    assert asked.elicitation_id is not None
    await plane.engine.elicitations.answer(asked.elicitation_id, "allow")
    assert (await plane.engine.wait(asked.job_id, 60)).actions[0].output == "ran git push"


async def test_a_thread_says_how_calls_are_judged_and_where_they_work(plane: ControlPlane, tmp_path: Path) -> None:
    push = {"name": "shell", "arguments": {"command": "git push"}}
    strict = await plane.handle_thread({"kind": "start", "approval_policy": "never", "sandbox": "require"})
    thread = strict.thread.id if strict.thread is not None else ""
    assert (await plane.invoke_tool(push, thread_id=thread)).status == "denied"
    assert (await plane.invoke_tool(push, "on_request", thread_id=thread)).status == "approval_required"
    assert (await plane.invoke_tool(push)).status == "completed"
    away = await plane.handle_thread({"kind": "start", "cwd": str(tmp_path / "elsewhere")})
    assert away.thread is not None
    with pytest.raises(OutsideWorkspace):
        await plane.invoke_tool(push, thread_id=away.thread.id)
    with pytest.raises(NotFound):
        await plane.invoke_tool(push, thread_id="nobody")
    with pytest.raises(InvalidInput, match="is no approval mode"):
        await plane.handle_thread({"kind": "start", "approval_policy": "sometimes"})


async def test_a_thread_that_requires_a_sandbox_starts_no_program_without_one(tmp_path: Path) -> None:
    config = Config.model_validate({"tools": {"sandbox": "off"}})
    async with await ControlPlane.open(Home(tmp_path / "home"), config, tools=TOOLS) as plane:
        started = await plane.handle_thread({"kind": "start", "sandbox": "require"})
        assert started.thread is not None
        call = {"name": "shell", "arguments": {"command": "ls"}}
        found = await plane.invoke_tool(call, thread_id=started.thread.id)
        assert (found.status, "a sandbox is required" in found.error) == ("denied", True)
        assert (await plane.invoke_tool(call)).status == "completed"


@pytest.mark.parametrize(
    "call", [{}, {"name": 3}, {"name": "add", "args": {}}, "add", {"name": "add", "arguments": [1]}]
)
async def test_what_is_no_call_is_refused(plane: ControlPlane, call: Any) -> None:
    with pytest.raises(InvalidInput, match="a call"):
        await plane.invoke_tool(call)


async def test_mcp_startup_has_each_server_in_one_list(plane: ControlPlane) -> None:
    startup = await plane.mcp_startup()
    assert [one.server_name for one in startup.failed] == ["absent"]
    assert (startup.ready, startup.cancelled) == ([], ["off"])


# -- jobs --------------------------------------------------------------------------------------------------------------


async def test_a_job_runs_a_plan_or_a_call(plane: ControlPlane) -> None:
    planned = await plane.enqueue_job("a sum", plan=SUM)
    called = await plane.enqueue_job("a call", call="add", arguments={"left": 2, "right": 2})
    outputs = [(await plane.engine.wait(job.job_id, 60)).actions[0].output for job in (planned, called)]
    assert outputs == [3, 4]


async def test_a_job_that_is_done_elsewhere_goes_from_hand_to_hand(plane: ControlPlane) -> None:
    job = await plane.enqueue_job("elsewhere")
    claim = await plane.set_job_running(job.job_id, "w1", lease_s=60)
    with pytest.raises(InvalidTransition):
        await plane.set_job_running(job.job_id, "w2")
    row = await plane.update_job_progress(job.job_id, claim, 40, "halfway")
    assert (row.progress, row.detail) == (40, "halfway")
    with pytest.raises(Conflict):
        await plane.complete_job(job.job_id, claim.token + 1)
    done = await plane.complete_job(job.job_id, claim, {"rows": 3})
    assert done.status == "completed"
    history = await plane.job_history(job.job_id)
    assert history.events[0].kind == "job_created"
    assert history.events[-1].kind == "job_completed"


async def test_a_try_that_failed_is_queued_again_or_failed_for_good(plane: ControlPlane) -> None:
    job = await plane.enqueue_job("elsewhere")
    claim = await plane.set_job_running(job.job_id)
    row = await plane.fail_job(job.job_id, claim, "no connection")
    assert (row.status, row.next_retry_ms is not None) == ("queued", True)
    other = await plane.enqueue_job("elsewhere too")
    claim = await plane.set_job_running(other.job_id)
    assert (await plane.fail_job(other.job_id, claim, "wrong", retryable=False)).status == "failed"


async def test_a_job_is_paused_resumed_and_cancelled(plane: ControlPlane) -> None:
    job = await plane.enqueue_job("long", call="hold")
    await plane.engine.log.flush()
    assert await plane.pause_job(job.job_id) in ("requested", "paused")
    assert await plane.cancel_job(job.job_id, "enough") in ("requested", "forced")
    waiting = await plane.enqueue_job("elsewhere")
    with pytest.raises((InvalidTransition, Conflict)):
        await plane.resume_job(waiting.job_id)
    assert await plane.cancel_job(waiting.job_id) == "forced"
    assert await plane.cancel_job(waiting.job_id) == "already_finished"
    await plane.engine.kill(job.job_id)


async def test_app_status_is_a_page_as_of_one_event(plane: ControlPlane) -> None:
    names = [f"job {n}" for n in range(5)]
    for name in names:
        await plane.enqueue_job(name)
    first = await plane.app_status(limit=3)
    assert [row.title for row in first.jobs] == names[:1:-1]
    rest = await plane.app_status(before=first.next_before, limit=3)
    assert [row.title for row in rest.jobs] == names[1::-1]
    assert first.unfinished == {"queued": 5}
    assert first.as_of_seq > 0


UNKNOWN: list[tuple[str, tuple[Any, ...]]] = [
    ("set_job_running", ()),
    ("update_job_progress", (1,)),
    ("complete_job", (1,)),
    ("fail_job", (1, "why")),
    ("cancel_job", ()),
    ("pause_job", ()),
    ("resume_job", ()),
    ("job_history", ()),
    ("load_thread_checkpoint", ()),
]


@pytest.mark.parametrize(("method", "arguments"), UNKNOWN, ids=[name for name, _ in UNKNOWN])
@pytest.mark.parametrize("name", ["nobody", "x" * 500, "'; drop table jobs --", "\x1b[31m"], ids=repr)
async def test_an_unknown_id_is_not_found_whatever_is_asked(
    plane: ControlPlane, method: str, arguments: tuple[Any, ...], name: str
) -> None:
    before = plane.engine.log.last_seq
    with pytest.raises((NotFound, InvalidInput)) as caught:
        await getattr(plane, method)(name, *arguments)
    assert isinstance(caught.value, NotFound) or name != "nobody"
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert plane.engine.log.last_seq == before
