"""The daemon as a process: signals, crashes, rivals, and what is on disk afterwards."""

import asyncio
import os
import signal
import stat
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from headway.client import OperatorClient
from headway.client.daemon import find_daemon, read_daemon_file
from headway.errors import Conflict, InvalidPlan, Unavailable
from headway.events import kinds
from headway.events.event import Event
from headway.events.views import JobRow, RunView
from headway.home import Home
from headway.store import StoreReader
from headway_bridge.listeners import bind_tcp
from tests.integration.daemon_process import running, start


def call(action_id: str, tool: str, *after: str, **parameters: Any) -> dict[str, Any]:
    return {
        "id": action_id,
        "type": "tool_call",
        "tool": tool,
        "parameters": parameters,
        "dependencies": list(after),
    }


def plan(*actions: dict[str, Any]) -> dict[str, Any]:
    return {"actions": list(actions)}


LONG = plan(call("first", "quick", text="x"), call("long", "nap", "first", seconds=60), call("never", "quick", "long"))


async def until_executing(client: OperatorClient, job_id: str, action_id: str) -> None:
    async with aclosing(client.follow(job_id=job_id)) as batches:
        async for batch in batches:
            if any(event.kind == kinds.ACTION_EXECUTING and event.action_id == action_id for event in batch):
                return


async def until_cancelled(stream: AsyncIterator[Sequence[Event]]) -> None:
    async for batch in stream:
        if any(event.kind == kinds.RUN_CANCEL_REQUESTED for event in batch):
            return


@asynccontextmanager
async def stored(home: Home) -> AsyncIterator[StoreReader]:
    reader = await StoreReader.open(home.db)
    try:
        yield reader
    finally:
        await reader.close()


async def run_in_store(home: Home, job_id: str) -> RunView:
    async with stored(home) as reader:
        return await reader.run_view(job_id)


async def test_up_and_private(home: Home, tmp_path: Path) -> None:
    async with running(home, tmp_path) as daemon:
        assert daemon.status is not None
        info = read_daemon_file(home)
        assert info is not None
        assert (info.pid, info.url) == (daemon.process.pid, daemon.status.url)
        assert stat.S_IMODE(home.socket.stat().st_mode) == 0o600
        assert stat.S_IMODE(home.daemon_file.stat().st_mode) == 0o600
        assert {"nap", "doze", "read_file"} <= set(daemon.status.tools)
        assert daemon.status.workspace == str(tmp_path)


async def test_a_run_from_submission_to_result(home: Home, tmp_path: Path) -> None:
    async with running(home, tmp_path), OperatorClient(home, actor="me") as client:
        assert (await client.verify(LONG)).levels == [["first"], ["long"], ["never"]]
        row = await client.submit(plan(call("a", "quick", text="hi"), call("b", "doze", "a", seconds=0)), title="two")
        events: list[Event] = []
        async with aclosing(client.follow(job_id=row.job_id)) as batches:
            async for batch in batches:
                events.extend(batch)
                if batch[-1].kind in kinds.TERMINAL_JOB:
                    break
        assert events[0].kind == kinds.JOB_CREATED
        assert [event.seq for event in events] == sorted({event.seq for event in events})
        result = await client.result(row.job_id)
        assert result.ok
        assert result["a"].output == "hi"
        assert (await client.snapshot(row.job_id)).run == await client.job(row.job_id)
        levels = await client.checkpoints(job_id=row.job_id)
        assert [info.checkpoint_id for info in levels] == [f"{row.job_id}@L0", f"{row.job_id}@L1"]
        saved = await client.save_checkpoint(job_id=row.job_id, name="end")
        assert saved.kind == "manual"
        assert (await client.diff(saved.checkpoint_id)).changed == {}
        fork = await client.fork(f"{row.job_id}@L0")
        assert fork.forked_from == row.job_id
        audits = [event.data for event in await client.events() if event.kind == kinds.OPERATOR_ACTION]
        assert [(data["who"], data["what"]) for data in audits] == [
            ("me", "submit"),
            ("me", "save_checkpoint"),
            ("me", "fork"),
        ]
        for data in audits:
            assert (data["peer"]["uid"], data["peer"]["pid"]) == (os.getuid(), os.getpid())
        with pytest.raises(InvalidPlan) as caught:
            await client.submit(plan(call("x", "no_such_tool")))
        assert caught.value.issues[0].action_id == "x"


async def test_large_outputs_travel_on_request(home: Home, tmp_path: Path) -> None:
    text = "y" * 200_000
    async with running(home, tmp_path), OperatorClient(home) as client:
        row = await client.submit(plan(call("a", "quick", text=text)))
        async with aclosing(client.follow(job_id=row.job_id)) as batches:
            async for batch in batches:
                if batch[-1].kind in kinds.TERMINAL_JOB:
                    break
        assert (await client.job(row.job_id)).action("a").output["size"] > 200_000
        assert (await client.job(row.job_id, full=True)).action("a").output == text
        assert (await client.result(row.job_id))["a"].output == text


async def test_restore_conflicts_while_the_scope_runs(home: Home, tmp_path: Path) -> None:
    async with running(home, tmp_path), OperatorClient(home) as client:
        row = await client.submit(LONG)
        await until_executing(client, row.job_id, "long")
        with pytest.raises(Conflict):
            await client.restore(f"{row.job_id}@L0")
        assert await client.kill(row.job_id, "enough") == "requested"


async def test_sigterm_cancels_what_runs_and_ends(home: Home, tmp_path: Path) -> None:
    async with running(home, tmp_path, "--grace", "0.3") as daemon, OperatorClient(home) as client:
        row = await client.submit(LONG)
        await until_executing(client, row.job_id, "long")
        async with aclosing(client.follow(patience=0)) as stream:  # an open stream must not hold the end
            await anext(stream)
            daemon.signal(signal.SIGTERM)
            code, errors = await daemon.end()
        assert code == 0, errors  # after ten seconds the kernel's timer would have ended it
        assert errors == "headway: stopping: runs are being cancelled\n"
    run = await run_in_store(home, row.job_id)
    assert (run.job.status, run.job.cancel_reason) == ("cancelled", "shutdown")
    assert run.action("first").output == "x"
    assert run.action("long").error_code == "killed"
    assert run.action("never").error == "canceled: shutdown"
    assert not home.socket.exists()
    assert not home.daemon_file.exists()
    assert await find_daemon(home) is None


async def test_what_ends_within_the_grace_is_not_killed(home: Home, tmp_path: Path) -> None:
    async with running(home, tmp_path) as daemon, OperatorClient(home) as client:
        row = await client.submit(plan(call("a", "hold", path=str(tmp_path / "go")), call("b", "quick", "a")))
        await until_executing(client, row.job_id, "a")
        async with aclosing(client.follow(patience=0)) as stream:
            daemon.signal(signal.SIGTERM)
            await until_cancelled(stream)
            (tmp_path / "go").touch()
            assert (await daemon.end())[0] == 0
    run = await run_in_store(home, row.job_id)
    assert run.action("a").output == "woke"
    assert run.action("b").error == "canceled: shutdown"


async def test_ctrl_c_twice_kills(home: Home, tmp_path: Path) -> None:
    async with running(home, tmp_path) as daemon, OperatorClient(home) as client:
        row = await client.submit(plan(call("long", "doze", seconds=60)))
        await until_executing(client, row.job_id, "long")
        async with aclosing(client.follow(patience=0)) as stream:
            daemon.signal(signal.SIGINT)
            await until_cancelled(stream)
            daemon.signal(signal.SIGINT)
            code, errors = await daemon.end()
        assert code == 130
        assert "press Ctrl-C again to kill" in errors
    assert (await run_in_store(home, row.job_id)).action("long").error_code == "killed"
    async with stored(home) as reader:
        killed = [event for event in await reader.events(job_id=row.job_id) if event.kind == kinds.RUN_KILLED]
    assert [event.data["by"] for event in killed] == ["daemon"]  # the second Ctrl-C, not the end of the grace


@pytest.mark.parametrize("now", [False, True])
async def test_stop_by_an_operator(home: Home, tmp_path: Path, now: bool) -> None:
    async with running(home, tmp_path, "--grace", "0.2") as daemon, OperatorClient(home, actor="op") as client:
        row = await client.submit(LONG)
        await until_executing(client, row.job_id, "long")
        await client.stop(now=now)
        assert (await daemon.end())[0] == 0
    async with stored(home) as reader:
        events = await reader.events(0)
    stops = [event.data for event in events if event.kind == kinds.OPERATOR_ACTION and event.data["what"] == "stop"]
    assert [(data["who"], data["detail"]) for data in stops] == [("op", {"now": now})]
    assert (await run_in_store(home, row.job_id)).job.finished


async def test_a_tool_that_blocks_everything_cannot_hold_the_end(home: Home, tmp_path: Path) -> None:
    async with running(home, tmp_path, "--last-resort", "1") as daemon, OperatorClient(home) as client:
        submitting = asyncio.create_task(client.submit(plan(call("hog", "hog", seconds=60))))
        async with stored(home) as reader:
            while not (executing := await reader.events(0, kinds=[kinds.ACTION_EXECUTING])):  # noqa: ASYNC110 - its loop is blocked: only the store can tell
                await asyncio.sleep(0.02)
        daemon.signal(signal.SIGTERM)
        assert (await daemon.end())[0] == -signal.SIGALRM
        [answer] = await asyncio.gather(submitting, return_exceptions=True)
    job_id = executing[0].job_id
    assert job_id is not None
    # The answer and the tool's start are in a race: it was told before its loop stood still, or never.
    assert isinstance(answer, Unavailable) or (isinstance(answer, JobRow) and answer.job_id == job_id)
    async with running(home, tmp_path), OperatorClient(home) as client:
        assert (await client.job(job_id)).job.outcome == "interrupted"


async def test_kill_nine_then_restart(home: Home, tmp_path: Path) -> None:
    async with running(home, tmp_path) as daemon, OperatorClient(home) as client:
        row = await client.submit(LONG)
        await until_executing(client, row.job_id, "long")
        daemon.signal(signal.SIGKILL)
        await daemon.end()
        assert home.socket.exists(), "left behind"
        assert await find_daemon(home) is None
        with pytest.raises(Unavailable, match="no daemon answers"):
            await client.status()
    async with running(home, tmp_path), OperatorClient(home) as client:
        run = await client.job(row.job_id)
        assert (run.job.status, run.job.outcome) == ("failed", "interrupted")
        assert run.action("first").output == "x"
        assert run.action("long").error_code == "interrupted"
        seqs = [event.seq for event in await client.events(limit=10_000)]
        assert seqs == list(range(1, len(seqs) + 1))
        fork = await client.fork(f"{row.job_id}@L0")
        await client.kill(fork.job_id)


async def test_a_follower_survives_the_restart(home: Home, tmp_path: Path) -> None:
    seqs: list[int] = []

    async def follow(client: OperatorClient, until: str) -> None:
        async with aclosing(client.follow(patience=30)) as batches:
            async for batch in batches:
                seqs.extend(event.seq for event in batch)
                if any(event.data.get("title") == until for event in batch):
                    return

    async with OperatorClient(home) as client:
        async with running(home, tmp_path) as daemon:
            task = asyncio.create_task(follow(client, "two"))
            await client.submit(plan(call("a", "quick")), title="one")
            daemon.signal(signal.SIGKILL)
            await daemon.end()
        async with running(home, tmp_path):
            await client.submit(plan(call("a", "quick")), title="two")
            await task
    assert seqs == list(range(1, len(seqs) + 1))


async def test_a_second_daemon_is_told_who_has_the_home(home: Home, tmp_path: Path) -> None:
    async with running(home, tmp_path) as daemon:
        second = start(home, tmp_path)
        code, errors = await second.end()
        assert code == 2
        assert errors.count("\n") == 1
        assert f"process {daemon.process.pid} is writing to it" in errors
        assert await find_daemon(home) == daemon.status
        assert read_daemon_file(home) is not None


async def test_a_port_in_use_leaves_no_trace(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    (tmp_path / "work").mkdir()
    with closing(bind_tcp("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, errors = await start(home, tmp_path / "work", "--port", str(port)).end()
    assert code == 2
    assert errors == f"port {port} of 127.0.0.1 is in use: choose another with --port (0: any)\n"
    assert not home.path.exists()


@pytest.mark.parametrize("delay", [0.05, 0.3, 0.5, 0.7, 0.9, 1.2])
async def test_a_start_cut_short_ends(home: Home, tmp_path: Path, delay: float) -> None:
    daemon = start(home, tmp_path, fresh=True)
    await asyncio.sleep(delay)  # wherever that falls into the start: each must end
    daemon.signal(signal.SIGTERM)
    code, errors = await daemon.end()
    assert code in (0, -signal.SIGTERM), errors
    assert "Traceback" not in errors
    if code == 0:
        assert not home.daemon_file.exists()
        assert not home.socket.exists()


async def test_a_start_stopped_while_the_store_opens(
    home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from headway.config import Config
    from headway.engine import Engine
    from headway_bridge.server import run_daemon

    opening = asyncio.Event()
    ended: list[str] = []

    async def forever(home: Home, config: Config) -> Engine:
        opening.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")
        raise AssertionError

    monkeypatch.setattr(Engine, "open", forever)
    said: list[str] = []
    task = asyncio.create_task(run_daemon(home, Config(), port=0, say=said.append))
    await opening.wait()
    os.kill(os.getpid(), signal.SIGTERM)
    assert await task == 0
    assert ended == ["cancelled"]
    assert {path.name for path in home.path.iterdir()} <= {"a2a.token", "a2a.header"}
