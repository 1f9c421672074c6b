"""Load on a daemon in a process of its own: floods are answered early, accepted work ends, memory stays bounded.

Nothing here asserts a time: the work that is accepted is held up until every refusal has come, so those were early.
"""

from __future__ import annotations

import asyncio
import json
import resource
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from headway.client.token import TokenFile
from headway.home import Home
from tests.integration.daemon_process import Daemon, running
from tests.sizes import cases, long_set

LIMIT = 300.0
MEGABYTE = 1024 * 1024
MOST_RSS = 250 * MEGABYTE


@pytest.fixture(autouse=True)
def files() -> Iterator[None]:
    """Let this process open as many files as the clients need."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(4096, before[1]) if before[1] != resource.RLIM_INFINITY else 4096
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(wanted, before[0]), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


class Answer:
    """One HTTP answer. ``state`` is the task's, None where there is none."""

    def __init__(self, data: bytes) -> None:
        head, _, body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        self.status = int(first.split()[1])
        self.headers = dict(line.lower().split(": ", 1) for line in lines)
        self.body: dict[str, Any] = json.loads(body)

    @property
    def state(self) -> str | None:
        state: str | None = self.body.get("result", {}).get("status", {}).get("state")
        return state

    @property
    def refused(self) -> bool:
        """True for a 503 as it must be."""
        return (
            self.status == 503
            and self.headers["content-type"] == "application/json"
            and int(self.headers["retry-after"]) > 0
            and self.body["error"]["code"] == -32603
        )


def send(tool: str, **parameters: Any) -> bytes:
    actions = [{"id": "a", "type": "tool_call", "tool": tool, "parameters": parameters}]
    part = {"kind": "data", "data": {"actions": actions}}
    message = {"kind": "message", "messageId": "m", "role": "user", "parts": [part]}
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": "message/send", "params": {"message": message}}).encode()


class Clients:
    """Clients of one daemon, each on a connection of its own."""

    def __init__(self, daemon: Daemon) -> None:
        assert daemon.status is not None
        self.pid = daemon.process.pid
        self.token = TokenFile(daemon.home).read()
        place = urlsplit(daemon.status.url)
        self.address = (place.hostname, place.port)
        self.writers: list[asyncio.StreamWriter] = []

    async def silent(self, data: bytes) -> None:
        _, writer = await asyncio.open_connection(*self.address)
        self.writers.append(writer)
        writer.write(data)

    async def ask(self, body: bytes) -> Answer:
        async with asyncio.timeout(LIMIT):
            reader, writer = await asyncio.open_connection(*self.address)
            try:
                head = (
                    "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n"
                    f"Authorization: Bearer {self.token}\r\nContent-Length: {len(body)}\r\n\r\n"
                )
                writer.write(head.encode() + body)
                return Answer(await reader.read())
            finally:
                writer.close()

    def rss(self) -> int:
        """Return the most memory that the daemon has had, in bytes."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("the kernel does not tell")

    def close(self) -> None:
        for writer in self.writers:
            writer.transport.abort()


async def until_refused(asked: list[asyncio.Task[Answer]], count: int) -> None:
    """Wait until so many have their answer, which all are refusals; the others wait for what they have asked."""
    async with asyncio.timeout(LIMIT):
        while sum(task.done() for task in asked) < count:
            await asyncio.wait([task for task in asked if not task.done()], return_when=asyncio.FIRST_COMPLETED)
    assert all(task.result().refused for task in asked if task.done())


async def test_a_flood_of_connections_is_answered_early_and_accepted_work_ends(home: Home, tmp_path: Path) -> None:
    many, most = cases(1000), cases(500)
    gate = tmp_path / "gate"
    async with running(home, tmp_path, "--admission", f"max_connections_per_peer = {most}") as daemon:
        clients = Clients(daemon)
        asked = [asyncio.create_task(clients.ask(send("hold", path=str(gate)))) for _ in range(many)]
        await until_refused(asked, many - most)
        gate.touch()
        answers = await asyncio.gather(*asked)
        # who has not sent its head when others come may have given its place to one of them: no place stays empty
        assert Counter(answer.state for answer in answers) == {"completed": most, None: many - most}
        assert all(answer.refused for answer in answers if answer.state is None)
        assert (await clients.ask(send("quick"))).state == "completed"
        assert clients.rss() <= MOST_RSS


async def test_half_open_heads_lock_nobody_out(home: Home, tmp_path: Path) -> None:
    many = cases(600)
    async with running(home, tmp_path, "--admission", f"max_unauthenticated = {many // 3}") as daemon:
        clients = Clients(daemon)
        try:
            for _ in range(many):
                await clients.silent(b"POST / HTTP/1.1\r\nHost: localh")
            answers = await asyncio.gather(*(clients.ask(send("quick")) for _ in range(20)))
            assert [answer.state for answer in answers] == ["completed"] * 20
            assert clients.rss() <= MOST_RSS
        finally:
            clients.close()


async def test_many_large_bodies_leave_memory_bounded(home: Home, tmp_path: Path) -> None:
    many = 50 if long_set() else 12
    async with running(home, tmp_path) as daemon:
        clients = Clients(daemon)
        body = send("weigh", text="x" * (8 * MEGABYTE - 1000))
        answers = await asyncio.gather(*(clients.ask(body) for _ in range(many)))
        accepted = [answer for answer in answers if answer.state == "completed"]
        assert accepted
        assert all(answer.refused for answer in answers if answer not in accepted)
        assert (await clients.ask(body)).state == "completed"
        assert clients.rss() <= MOST_RSS


async def test_few_files_are_few_connections_and_no_spin(home: Home, tmp_path: Path) -> None:
    async with running(home, tmp_path, "--files", "200") as daemon:
        clients = Clients(daemon)
        try:
            for _ in range(400):
                await clients.silent(b"P")
            assert (await clients.ask(send("quick"))).state == "completed"
        finally:
            clients.close()
        cpu = _cpu_ticks(clients.pid)
        assert (await clients.ask(send("quick"))).state == "completed"
        assert _cpu_ticks(clients.pid) - cpu < 100 * 10  # ten seconds of it: a spin would take all there is


def _cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
