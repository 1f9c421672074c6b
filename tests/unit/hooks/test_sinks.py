"""The sinks, each against what is really at the other end: files, sockets, programs and a receiver on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import headway
from headway.clock import SYSTEM_CLOCK, within
from headway.config.hooks import HookConfig
from headway.egress import Door, Rules
from headway.errors import InvalidConfig
from headway.hooks.post import Post
from headway.hooks.program import MAX_OUTPUT, Program
from headway.hooks.signature import is_signed, sign
from headway.hooks.sinks import jsonl
from headway.hooks.sinks.jsonl import JsonlSink
from headway.hooks.sinks.sink import Around, NotTaken, Sink
from headway.hooks.sinks.socket import SocketSink
from headway.hooks.sinks.stdout import StdoutSink
from headway.hooks.sinks.table import SINKS
from headway.secrets.vault import Vault
from headway.testing import VirtualClock
from headway.tools.sandbox import Sandbox
from tests.unit.egress.server import page, serving

LINE = b'{"kind":"job_created","seq":1}\n'


def around(folder: Path, vault: Vault | None = None, **options: Any) -> Around:
    clock = options.pop("clock", SYSTEM_CLOCK)
    vault = vault if vault is not None else Vault()
    return Around(clock, Door(Rules(), clock=clock), vault, Sandbox("off", workspace=folder), folder)


def made(folder: Path, vault: Vault | None = None, **settings: Any) -> Sink:
    config = HookConfig(on=["jobs"], **settings)
    return SINKS[config.sink]("a", config, around(folder, vault))


def program(folder: Path, code: str) -> Sink:
    return made(folder, sink="command", command=[sys.executable, "-c", code])


# -- stdout and jsonl ------------------------------------------------------------------------------------------------


async def test_stdout_gets_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sink = made(tmp_path, sink="stdout")
    await sink.deliver([LINE, LINE])
    await sink.aclose()
    assert capsys.readouterr().out == 2 * LINE.decode()


async def test_stdout_that_is_closed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    sink = StdoutSink()
    with pytest.raises(NotTaken, match="standard output: it is closed"):
        await sink.deliver([LINE])
    await sink.aclose()


async def test_stdout_that_nobody_reads_hangs_in_its_thread_and_nothing_is_written_beside_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    free, wrote = threading.Event(), []

    class Slow:
        def write(self, text: str) -> None:
            free.wait(60)
            wrote.append(text)

        def flush(self) -> None:
            wrote.append("flushed")

    monkeypatch.setattr(sys, "stdout", Slow())
    clock, sink = VirtualClock(), StdoutSink()
    for _ in range(2):

        async def late() -> None:
            async with within(clock, 10):
                await sink.deliver([LINE])

        trying = asyncio.ensure_future(late())
        await clock.advance(10)
        with pytest.raises(TimeoutError):
            await trying
    free.set()
    await sink.deliver([b"{}\n"])
    await sink.aclose()
    assert wrote == [LINE.decode(), "flushed", "{}\n", "flushed"]


async def test_many_writers_of_one_file_leave_whole_lines(tmp_path: Path) -> None:
    sinks = [JsonlSink(tmp_path / "log.jsonl") for _ in range(64)]
    lines = [json.dumps({"n": n, "text": "x" * 3000}).encode() + b"\n" for n in range(64)]
    await asyncio.gather(*(sink.deliver([line] * 5) for sink, line in zip(sinks, lines, strict=True)))
    for sink in sinks:
        await sink.aclose()
    found = [json.loads(line)["n"] for line in (tmp_path / "log.jsonl").read_bytes().splitlines()]
    assert sorted(found) == sorted(5 * list(range(64)))
    assert (tmp_path / "log.jsonl").stat().st_mode & 0o777 == 0o600


async def test_a_full_disk_leaves_no_half_line_and_the_next_try_may_succeed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink, room = JsonlSink(tmp_path / "log.jsonl"), [40]
    await sink.deliver([LINE])
    write = os.write

    def filling(descriptor: int, data: Any) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        part = write(descriptor, bytes(data)[: room[0]])
        room[0] -= part
        return part

    monkeypatch.setattr(jsonl.os, "write", filling)
    with pytest.raises(NotTaken, match="no space left on device") as full:
        await sink.deliver([LINE, LINE])
    assert full.value.again
    assert (tmp_path / "log.jsonl").read_bytes() == LINE
    room[0] = 10**6
    await sink.deliver([LINE])
    await sink.aclose()
    assert (tmp_path / "log.jsonl").read_bytes() == 2 * LINE


@pytest.mark.parametrize("hostile", ["link", "fifo", "folder", "nowhere"])
async def test_only_a_plain_file_is_written_to(tmp_path: Path, hostile: str) -> None:
    path = tmp_path / "log.jsonl"
    if hostile == "link":
        (tmp_path / "other").write_bytes(b"")
        path.symlink_to(tmp_path / "other")
    elif hostile == "fifo":
        os.mkfifo(path)
    elif hostile == "folder":
        path.mkdir()
    else:
        path = tmp_path / "nowhere" / "log.jsonl"
    sink = JsonlSink(path)
    with pytest.raises(NotTaken):
        await sink.deliver([LINE])
    await sink.aclose()
    if hostile == "link":
        assert (tmp_path / "other").read_bytes() == b""


# -- webhook ---------------------------------------------------------------------------------------------------------


def vault_with(value: str) -> Vault:
    from headway.secrets.sources import EnvironmentSource

    os.environ["HEADWAY_TEST_HOOK_SECRET"] = value
    vault = Vault()
    vault.declare("hub", EnvironmentSource("HEADWAY_TEST_HOOK_SECRET"), tools=[], remote=False)
    return vault


async def test_a_receiver_verifies_the_signature_of_what_it_got(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADWAY_TEST_HOOK_SECRET", "")  # put back afterwards
    vault = vault_with("s3cret-of-the-hub")
    async with serving(hook=page(b"", "204 No Content")) as web:
        sink = made(tmp_path, vault, sink="webhook", url=f"http://127.0.0.1:{web.port}/hook", secret="secret://hub")
        await sink.deliver([LINE])
        await sink.aclose()
    [got] = web.got
    stamp, signature = got.headers["headway-timestamp"], got.headers["headway-signature"]
    assert (got.method, got.body, got.headers["headway-hook"]) == ("POST", LINE, "a")
    now = float(stamp)
    assert is_signed("s3cret-of-the-hub", stamp, got.body, signature, now=now + 299)
    assert not is_signed("s3cret-of-the-hub", stamp, got.body, signature, now=now + 301)
    assert not is_signed("s3cret-of-the-hub", stamp, got.body + b" ", signature, now=now)
    assert not is_signed("s3cret-of-the-hub", str(int(stamp) + 1), got.body, signature, now=now)
    assert not is_signed("another", stamp, got.body, signature, now=now)
    assert not is_signed("s3cret-of-the-hub", "x", got.body, signature, now=now)
    assert "s3cret" not in str(got)


def test_the_signature_is_hmac_sha256_of_time_and_body() -> None:
    """The value is that of ``printf '1700000000.{}' | openssl dgst -sha256 -hmac key``."""
    import hashlib
    import hmac

    assert sign("key", 1_700_000_000, b"{}") == "v1=" + hmac.new(b"key", b"1700000000.{}", hashlib.sha256).hexdigest()


@pytest.mark.parametrize(
    ("status", "again"),
    [("500 Oops", True), ("429 Slow Down", True), ("404 Not Found", False), ("302 Found", False), ("401 No", False)],
)
async def test_an_answer_tells_whether_another_try_makes_sense(tmp_path: Path, status: str, again: bool) -> None:
    async with serving(hook=page(b"hush", status, location="/other")) as web:
        sink = made(tmp_path, sink="webhook", url=f"http://127.0.0.1:{web.port}/hook")
        with pytest.raises(NotTaken) as refused:
            await sink.deliver([LINE])
        await sink.aclose()
    assert refused.value.again is again
    assert refused.value.text == f"127.0.0.1 answered with status {status[:3]}"
    assert len(web.got) == 1


async def test_a_webhook_that_hangs_is_left_after_its_time(tmp_path: Path) -> None:
    clock, came, never = VirtualClock(), asyncio.Event(), asyncio.Event()

    async def hang() -> None:
        came.set()
        await never.wait()

    async with serving(hook=page()) as web:
        web.before = hang
        around_it = around(tmp_path, clock=clock)
        post = Post("a", f"http://127.0.0.1:{web.port}/hook", None, door=around_it.door, vault=Vault(), clock=clock)
        sending = asyncio.ensure_future(post.send(LINE, 3.0))
        await came.wait()
        await clock.advance(3)
        with pytest.raises(NotTaken, match="took longer than 3 s"):
            await sending
        await post.aclose()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://h/x", "url is a web address"),
        ("http://user:pw@h/x", "without a user's name"),
        ("http://", "url is a web address"),
        ("http://h:port/x", "url is no web address"),
    ],
)
def test_an_address_that_makes_no_sense_is_refused_without_quoting_it(tmp_path: Path, url: str, said: str) -> None:
    with pytest.raises(InvalidConfig, match=said) as refused:
        made(tmp_path, sink="webhook", url=url)
    assert "pw" not in refused.value.message


async def test_a_webhook_goes_through_the_door(tmp_path: Path) -> None:
    sink = made(tmp_path, sink="webhook", url="http://169.254.169.254/latest")
    with pytest.raises(NotTaken, match=r"169\.254\.169\.254") as refused:
        await sink.deliver([LINE])
    assert not refused.value.again
    await sink.aclose()


# -- socket ----------------------------------------------------------------------------------------------------------


class Listener:
    """Listens on a Unix socket; keeps what each connection brings. ``reads`` lets it begin to read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.got: list[bytearray] = []
        self.ended: list[asyncio.Event] = []
        self.news = asyncio.Condition()
        self.reads = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got, ended = bytearray(), asyncio.Event()
        async with self.news:
            self.got.append(got)
            self.ended.append(ended)
            self.news.notify_all()
        writer.transport.pause_reading()  # type: ignore[attr-defined] # the transport of a socket has it
        await self.reads.wait()
        writer.transport.resume_reading()  # type: ignore[attr-defined] # the same
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                async with self.news:
                    got.extend(data)
                    self.news.notify_all()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        ended.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with self.news:
            await self.news.wait_for(holds)


@asynccontextmanager
async def listening(path: Path) -> AsyncIterator[Listener]:
    """Listen; all connections are closed by their other ends when this is left."""
    listener = Listener(path)
    server = await asyncio.start_unix_server(listener.serve, str(path))
    try:
        yield listener
    finally:
        server.close()
        for ended in listener.ended:
            await ended.wait()


async def test_a_listener_gets_lines_on_one_connection_and_a_new_one_after_a_break(tmp_path: Path) -> None:
    sink = SocketSink(tmp_path / "s")
    with pytest.raises(NotTaken, match="no such file") as refused:
        await sink.deliver([LINE])
    assert refused.value.again
    async with listening(tmp_path / "s") as there:
        there.reads.set()
        for _ in range(3):
            await sink.deliver([LINE])
        await there.until(lambda: there.got == [bytearray(3 * LINE)])
        await sink.aclose()
        await sink.deliver([LINE])
        await there.until(lambda: there.got == [bytearray(3 * LINE), bytearray(LINE)])
        await sink.aclose()


async def test_a_listener_that_reads_nothing_costs_its_time_and_gets_no_half_line_after_it(tmp_path: Path) -> None:
    clock, sink = VirtualClock(), SocketSink(tmp_path / "s")

    async def late() -> None:
        async with within(clock, 10):
            await sink.deliver([b"x" * 8_000_000 + b"\n"])

    async with listening(tmp_path / "s") as there:
        trying = asyncio.ensure_future(late())
        await there.until(lambda: len(there.got) == 1)
        await clock.advance(10)
        with pytest.raises(TimeoutError):
            await trying
        there.reads.set()
        await sink.deliver([LINE])
        await there.until(lambda: len(there.got) == 2 and there.got[1] == LINE)
        assert len(there.got[0]) < 8_000_000
        await sink.aclose()


def is_there(pid: int) -> bool:
    """Return whether a process runs: one that ended and that nobody has reaped does not."""
    try:
        return b") Z " not in Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False


# -- command ---------------------------------------------------------------------------------------------------------


async def test_a_program_gets_the_event_on_stdin_and_its_end(tmp_path: Path) -> None:
    code = "import sys; open('got', 'a').write(sys.stdin.read())"
    sink = program(tmp_path, code)
    long = b'{"text":"' + b"x" * 300_000 + b'"}\n'
    await sink.deliver([LINE])
    await sink.deliver([long])
    await sink.aclose()
    assert (tmp_path / "got").read_bytes() == LINE + long


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import sys; sys.exit('no room')", "it ended with exit code 1: no room"),
        ("import os; os.kill(os.getpid(), 9)", "it was ended by signal 9"),
        (f"print('x' * {MAX_OUTPUT + 1})", "it wrote more than 65,536 bytes"),
    ],
)
async def test_a_program_that_dies_is_said_in_a_line(tmp_path: Path, code: str, said: str) -> None:
    sink = program(tmp_path, code)
    with pytest.raises(NotTaken) as refused:
        await sink.deliver([LINE])
    assert refused.value.text == said


async def test_a_program_that_does_not_exist_is_said_in_a_line(tmp_path: Path) -> None:
    sink = made(tmp_path, sink="command", command=["/nowhere/x"])
    with pytest.raises(NotTaken, match="/nowhere/x"):
        await sink.deliver([LINE])


async def test_a_program_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    code = (
        "import os, pathlib, subprocess, time; p = subprocess.Popen(['sleep', '1000']);"
        "pathlib.Path('part').write_text(str(p.pid)); os.rename('part', 'pid'); time.sleep(1000)"
    )
    running = asyncio.ensure_future(program(tmp_path, code).deliver([LINE]))
    while not (tmp_path / "pid").exists():  # noqa: ASYNC110 - a program tells of itself by a file
        await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    child = int((tmp_path / "pid").read_text())
    while is_there(child):  # noqa: ASYNC110 - it is not our child: nobody tells of its end
        await asyncio.sleep(0.01)


async def test_without_a_sandbox_no_program_runs_where_one_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refusing(Sandbox):
        async def confine(self, child: Any) -> Any:
            assert child.own
            assert not child.writes
            raise headway.TerminalToolError("there is none")

    run = Program("a", ["true"], sandbox=Refusing(), clock=SYSTEM_CLOCK, folder=tmp_path)
    with pytest.raises(NotTaken, match="there is none") as refused:
        await run.run(LINE)
    assert not refused.value.again
