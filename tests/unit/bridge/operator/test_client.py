"""OperatorClient against a served application: every method, and every way of finding nobody."""

import asyncio
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from headway.client import OperatorClient
from headway.client.daemon import (
    DaemonInfo,
    find_daemon,
    read_daemon_file,
    remove_daemon_file,
    wait_for_daemon,
    wait_until_gone,
    write_daemon_file,
)
from headway.client.failures import error_of
from headway.errors import (
    Conflict,
    HeadwayError,
    InvalidInput,
    InvalidPlan,
    LogFull,
    NoAnswer,
    NotFound,
    StoreError,
    Unavailable,
)
from headway.events import kinds
from headway.events.event import Event
from headway.home import Home
from headway.plan.format import Action, ActionProposal, ActionType
from headway.plan.verify import Issue
from headway.testing import VirtualClock
from headway_bridge.listeners import UnixListener
from tests.unit.bridge.operator.conftest import listening
from tests.unit.bridge.operator.fakes import CHECKPOINT, FakeEngine

PLAN = {"actions": [{"id": "a", "type": "tool_call", "tool": "echo"}]}
C = CHECKPOINT.checkpoint_id


async def test_questions_are_read_and_answered(client: OperatorClient, engine: FakeEngine) -> None:
    job = await client.submit(PLAN)
    data = {"id": f"{job.job_id}.1", "kind": "input", "choices": ["answer", "deny"], "prompt": "how many?"}
    await engine.log.write(Event(kinds.ELICITATION_REQUESTED, data | {"schema": {"type": "integer"}}, job.job_id))
    inbox = await client.inbox()
    assert ([question.id for question in inbox.waiting], inbox.total) == ([data["id"]], 1)
    assert (await client.inbox(offset=1)).waiting == []
    with pytest.raises(InvalidInput, match="does not fit its schema"):
        await client.answer(str(data["id"]), "answer", "many")
    answered = await client.answer(str(data["id"]), "answer", 5, "counted")
    assert (answered.value, answered.reason, answered.by) == (5, "counted", "tester")
    assert await client.elicitation(str(data["id"])) == answered
    with pytest.raises(Conflict, match="was answered already by tester: answer"):
        await client.answer(str(data["id"]), "deny")


async def test_reads(client: OperatorClient, engine: FakeEngine) -> None:
    job = await client.submit(PLAN, title="t", source="s", context_id="c")
    status = await client.status()
    assert (status.pid, status.running, status.home) == (os.getpid(), 1, str(engine.home))
    assert (await client.snapshot(job.job_id)).run == await engine.run(job.job_id)
    assert await client.events() == await engine.log.read()
    assert [event.seq for event in await client.events(after=1, job_id=job.job_id, limit=1)] == [2]
    assert await client.jobs() == await engine.jobs()
    assert await client.jobs(status="failed", limit=5, before=10) == []
    assert await client.job(job.job_id) == await engine.run(job.job_id)
    assert [tool.name for tool in await client.tools()] == ["echo"]
    assert (await client.verify(PLAN, "c")).levels == [["a"]]
    await engine.finish(job.job_id)
    assert (await client.result(job.job_id)).ok


async def test_commands_name_their_actor(client: OperatorClient, engine: FakeEngine, stops: list[bool]) -> None:
    first, second = await client.submit(PLAN), await client.submit(PLAN)
    assert await client.cancel(first.job_id, "enough") == "requested"
    assert await client.kill(second.job_id) == "requested"
    assert await client.kill(second.job_id) == "already_finished"
    assert await client.checkpoints() == [CHECKPOINT]
    assert await client.checkpoints(scope="x") == []
    assert (await client.save_checkpoint(scope="x", name="n")).name == "n"
    assert (await client.diff(C)).changed == {"b": [1, 2]}
    assert (await client.restore(C)).added == {"a": 1}
    assert (await client.fork(C)).status == "running"
    assert await client.prune() == {"jobs": [], "events": 0}
    await client.stop()
    await client.stop(now=True)
    assert stops == [False, True]
    records = await engine.audited()
    assert {record["who"] for record in records} == {"tester"}
    whats = "submit submit cancel kill kill save_checkpoint restore fork prune stop stop"
    assert [record["what"] for record in records] == whats.split()


@pytest.mark.parametrize(
    "plan",
    [
        ActionProposal(actions=[Action(id="a", type=ActionType.TOOL_CALL, tool="echo")]),
        PLAN,
        '{"actions":[{"id":"a","type":"tool_call","tool":"echo"}]}',
        b'{"actions":[{"id":"a","type":"tool_call","tool":"echo"}]}',
    ],
    ids=["model", "mapping", "text", "bytes"],
)
async def test_plans_in_every_form(client: OperatorClient, plan: Any) -> None:
    job = await client.submit(plan)
    assert [action.id for action in (await client.job(job.job_id)).actions] == ["a"]


@pytest.mark.parametrize(
    ("plan", "text"),
    [
        ("{", "not valid JSON"),
        (b"\xff", "not valid JSON"),
        ('{"actions":[]} x', "not valid JSON"),
        ('{"actions":[]},"title":"x"', "not valid JSON"),
        ("[]", "not a JSON object"),
        ('"' + "x" * 9_000_000 + '"', "the limit is"),
        ({"actions": [{"type": "tool_call", "tool": "nope"}]}, "nope"),
        ({"actions": 1}, "actions"),
        ({1: object()}, "not valid JSON"),
    ],
)
async def test_bad_plans_are_invalid_plans(client: OperatorClient, engine: FakeEngine, plan: Any, text: str) -> None:
    with pytest.raises(InvalidPlan, match=text) as caught:
        await client.submit(plan)
    assert "\n" not in str(caught.value)
    assert engine.log.last_seq == 0


async def test_errors_come_back_as_what_they_were(client: OperatorClient, engine: FakeEngine) -> None:
    with pytest.raises(NotFound, match="no job 'nope'"):
        await client.job("nope")
    job = await client.submit(PLAN)
    with pytest.raises(Conflict, match="no result yet"):
        await client.result(job.job_id)
    engine.busy = True
    with pytest.raises(Conflict, match="scope"):
        await client.restore(C)
    with pytest.raises(InvalidInput):
        await client.events(limit=0)
    with pytest.raises(InvalidPlan) as caught:
        await client.submit({"actions": [{"id": "z", "type": "tool_call", "tool": "nope"}]})
    assert caught.value.issues == [Issue("unknown tool 'nope'", action_id="z", check="tool")]


@pytest.mark.parametrize("job_id", ["../status", "a/../../status", "a?x=1", "a#b", "%2e%2e", "\u00e9"])
async def test_ids_stay_inside_their_route(client: OperatorClient, job_id: str) -> None:
    with pytest.raises(NotFound):
        await client.job(job_id)


@pytest.mark.parametrize("job_id", ["", ".", ".."])
async def test_ids_that_are_none(client: OperatorClient, job_id: str) -> None:
    with pytest.raises(InvalidInput, match="not an id"):
        await client.job(job_id)


@pytest.mark.parametrize(
    ("status", "content", "kind"),
    [
        (404, b'{"error":{"code":"not_found","message":"m"}}', NotFound),
        (507, b'{"error":{"code":"log_full","message":"m"}}', LogFull),
        (500, b'{"error":{"code":"store_error","message":"m"}}', StoreError),
        (413, b'{"error":{"code":"too_large","message":"m"}}', InvalidInput),
        (500, b'{"error":{"code":"of the future","message":"m"}}', HeadwayError),
        (502, b"<html>", Unavailable),
        (404, b'{"detail":"Not Found"}', Unavailable),
    ],
)
def test_error_of(status: int, content: bytes, kind: type[HeadwayError]) -> None:
    error = error_of(status, content)
    assert type(error) is kind
    assert error.message == "m" or kind is Unavailable


async def test_nobody_there(home: Home, tmp_path: Path) -> None:
    for place in (home, home.path, str(tmp_path / "no" / "such")):
        async with OperatorClient(place) as client:
            with pytest.raises(Unavailable, match="start one with: headway serve"):
                await client.status()
    assert await find_daemon(home) is None


async def test_a_socket_that_a_dead_daemon_left_is_no_daemon(home: Home) -> None:
    write_daemon_file(home, DaemonInfo(os.getpid(), str(home.socket), "", "0", 1))
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(home.socket))
    dead.close()
    async with OperatorClient(home) as client:
        with pytest.raises(Unavailable, match="no daemon answers"):
            await client.status()
    assert await find_daemon(home) is None
    with pytest.raises(Unavailable, match="ended before"):
        await wait_for_daemon(home, alive=lambda: False)
    clock = VirtualClock(autojump=True)
    with pytest.raises(Unavailable, match="within 2 s"):
        await wait_for_daemon(home, timeout=2, clock=clock)


async def test_a_daemon_that_says_nothing_times_out(home: Home) -> None:
    silent = UnixListener(home)
    try:
        async with OperatorClient(home, timeout=0.05) as client:
            with pytest.raises(NoAnswer, match="did not answer in time"):
                await client.status()
        assert await find_daemon(home, timeout=0.05) is None
    finally:
        silent.close()


async def test_a_daemon_that_accepts_nothing_is_there(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headway.client.transport.CONNECT_S", 0.05)
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as first:
        listening.bind(str(home.socket))
        listening.listen(0)
        first.connect(str(home.socket))
        async with OperatorClient(home) as client:
            with pytest.raises(NoAnswer):
                await client.status()


async def test_an_answer_that_cannot_be_decoded_is_an_error_of_ours(home: Home) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc")
        writer.close()

    async with await asyncio.start_unix_server(answer, home.socket), OperatorClient(home) as client:
        with pytest.raises(Unavailable):
            await client.status()


async def test_something_else_that_listens(home: Home) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>")
        await writer.drain()
        writer.close()

    unix = UnixListener(home)
    server = await asyncio.start_unix_server(answer, sock=unix.socket)
    async with server, OperatorClient(home) as client:
        with pytest.raises(Unavailable, match="another version"):
            await client.status()
        with pytest.raises(Unavailable, match="not a Headway daemon"):
            await anext(client.follow())
    unix.remove()


async def test_an_answer_that_breaks_off(home: Home) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 600\r\n\r\n{")
        await writer.drain()
        writer.close()

    unix = UnixListener(home)
    server = await asyncio.start_unix_server(answer, sock=unix.socket)
    async with server, OperatorClient(home) as client:
        with pytest.raises(Unavailable, match="broke off"):
            await client.status()
    unix.remove()


async def test_a_long_home_has_a_short_private_socket(
    app: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headway.home.runtime_folder", lambda: Path("/tmp") / f"hw-test-{os.getpid()}")
    home = Home(tmp_path / ("x" * 120))
    home.prepare()
    try:
        assert home.socket.parent != home.path
        async with listening(home, app), OperatorClient(home) as client:
            assert (await client.status()).url == "http://127.0.0.1:1"
            assert home.socket.stat().st_mode & 0o777 == 0o600
        home.socket.parent.chmod(0o755)
        with pytest.raises(Unavailable, match="not private"):
            OperatorClient(home)
    finally:
        home.socket.parent.rmdir()


def test_a_client_needs_one_place() -> None:
    with pytest.raises(InvalidInput, match="home or a URL"):
        OperatorClient()
    with pytest.raises(InvalidInput, match="home or a URL"):
        OperatorClient("/x", url="http://127.0.0.1:1")


async def test_a_url_that_is_none() -> None:
    with pytest.raises(InvalidInput, match="not the address"):
        OperatorClient(url="http://[::")
    async with OperatorClient(url="http://127.0.0.1:1/", token="t0ken") as client:
        with pytest.raises(Unavailable, match=r"no daemon answers at http://127\.0\.0\.1:1"):
            await client.status()
        assert "t0ken" not in repr(client) + repr(vars(client))


def test_daemon_file_is_written_whole_and_removed_by_its_owner(home: Home) -> None:
    assert read_daemon_file(home) is None
    mine = DaemonInfo(1, "s", "u", "v", 2)
    write_daemon_file(home, mine)
    assert read_daemon_file(home) == mine
    assert home.daemon_file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in home.path.iterdir()] == ["daemon.json"]
    remove_daemon_file(home, DaemonInfo(1, "s", "u", "v", 3))
    assert home.daemon_file.exists()
    remove_daemon_file(home, mine)
    remove_daemon_file(home, mine)
    assert not home.daemon_file.exists()
    home.daemon_file.write_text('{"pid": 1')
    assert read_daemon_file(home) is None


def test_daemon_file_in_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot write"):
        write_daemon_file(Home(tmp_path / "none"), DaemonInfo(1, "s", "u", "v", 2))


async def test_wait_until_gone(home: Home) -> None:
    clock = VirtualClock(autojump=True)
    assert await wait_until_gone(home, os.getpid(), clock=clock), "its file is gone"
    write_daemon_file(home, DaemonInfo(os.getpid(), "s", "u", "v", 2))
    assert not await wait_until_gone(home, os.getpid(), timeout=1, clock=clock)
    assert clock.now() >= 1
    assert await wait_until_gone(home, os.getpid() + 1, clock=clock), "another daemon has come"


async def test_wait_for_daemon_waits_for_file_and_answer(home: Home, app: Any) -> None:
    async with listening(home, app):
        status = await find_daemon(home)
        assert status is not None
        write_daemon_file(home, DaemonInfo(status.pid, "s", "u", "v", 2))
        assert await wait_for_daemon(home) == status
