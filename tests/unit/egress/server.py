"""A web server on loopback for tests of the door, and names for it that only the door's resolver knows."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class Got:
    """One request that came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Web:
    """Answers each path with the raw bytes that ``pages`` has for it; ``before`` is awaited first."""

    pages: dict[str, bytes] = field(default_factory=dict)
    got: list[Got] = field(default_factory=list)
    before: Callable[[], Awaitable[object]] | None = None
    port: int = 0
    open: int = 0
    most: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                    pairs = (line.partition(":") for line in head[1:] if line)
                    headers = {name.lower(): text.strip() for name, _, text in pairs}
                    body = await reader.readexactly(int(headers.get("content-length", "0")))
                    method, path, _ = head[0].split(" ")
                    self.got.append(Got(method, path, headers, body))
                    if self.before is not None:
                        await self.before()
                    writer.write(self.pages.get(path, page(b"", "404 Not Found")))
                    await writer.drain()
        finally:
            self.open -= 1
            writer.close()


def page(body: bytes = b"hello", status: str = "200 OK", **headers: str) -> bytes:
    """Return an answer as it is sent."""
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {text}" for name, text in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


@asynccontextmanager
async def serving(**pages: bytes) -> AsyncIterator[Web]:
    """Run a server on a free port; ``pages`` by their path without the slash."""
    web = Web({f"/{name}": answer for name, answer in pages.items()})
    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.ensure_future(web.serve(reader, writer)))

    listening = await asyncio.start_server(connected, "127.0.0.1", 0)
    web.port = listening.sockets[0].getsockname()[1]
    try:
        yield web
    finally:
        listening.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await listening.wait_closed()


class Names:
    """A resolver: each name has the addresses that are next in its list, the last ones for ever."""

    def __init__(self, **names: list[list[str]]) -> None:
        self._names = {name.replace("_", "."): answers for name, answers in names.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        if host not in self._names:
            raise OSError(f"no address of {host}")
        answers = self._names[host]
        return answers.pop(0) if len(answers) > 1 else answers[0]
