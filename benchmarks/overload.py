"""Overload: 50 bodies of 8 MiB at the same time, of which a daemon has room for four. The refused are told soon."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks._figure import Figure, at_most
from headway.client.glance import glance
from headway.client.token import TokenFile
from headway.errors import HeadwayError
from headway.home import Home

SECONDS = 40
ROUNDS = 3
CALLERS = 50
BYTES = 8 * 1024 * 1024
CHUNK = 256 * 1024
STARTING_S = 20.0


def _body() -> bytes:
    action = {"id": "a", "type": "tool_call", "tool": "calculate", "parameters": {"expression": ""}}
    part = {"kind": "data", "data": {"actions": [action]}}
    message = {"kind": "message", "messageId": "m", "role": "user", "parts": [part]}
    asked = {"jsonrpc": "2.0", "id": 1, "method": "message/send", "params": {"message": message}}
    action["parameters"] = {"expression": "1" * (BYTES - len(json.dumps(asked)))}
    return json.dumps(asked).encode()


async def _ask(address: tuple[str, int], token: str, body: bytes) -> tuple[int, float]:
    """Send ``body`` and read meanwhile; return the status and the seconds until it came."""
    reader, writer = await asyncio.open_connection(*address)
    began = time.perf_counter()
    head = (
        f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n"
        f"Authorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode())

    async def send() -> None:
        for start in range(0, len(body), CHUNK):
            writer.write(body[start : start + CHUNK])
            await writer.drain()

    sending = asyncio.create_task(send())
    try:
        first = await reader.readline()
        return int(first.split()[1]), time.perf_counter() - began
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        writer.close()


async def _round(address: tuple[str, int], token: str, body: bytes) -> list[float]:
    """Return the times of the refusals."""
    answers = await asyncio.gather(*(_ask(address, token, body) for _ in range(CALLERS)))
    return sorted(took for status, took in answers if status == 503)


def _started(home: Home) -> tuple[str, int]:
    until = time.monotonic() + STARTING_S
    while True:
        try:
            host, _, port = str(glance(home)["url"]).removeprefix("http://").rstrip("/").rpartition(":")
            return host, int(port)
        except HeadwayError:
            if time.monotonic() >= until:
                raise
            time.sleep(0.1)


def run() -> Iterator[Figure]:
    """Yield the figures: of the rounds the best, as the callers and the daemon share a machine."""
    with tempfile.TemporaryDirectory(prefix="headway-bench-") as folder:
        home = Home(Path(folder) / "home")
        env = {**os.environ, "HEADWAY_HOME": str(home.path), "XDG_CONFIG_HOME": folder}
        command = [sys.executable, "-m", "headway_console.cli", "serve", "--port", "0"]
        quiet = subprocess.DEVNULL
        daemon = subprocess.Popen(command, cwd=folder, env=env, stdin=quiet, stdout=quiet, stderr=quiet)
        try:
            address = _started(home)
            token, body = TokenFile(home).read() or "", _body()
            rounds = [asyncio.run(_round(address, token, body)) for _ in range(ROUNDS)]
        finally:
            daemon.terminate()
            daemon.wait()
    name = f"{CALLERS} bodies of 8 MiB at the same time: "
    middle = min(told[len(told) // 2] for told in rounds)
    yield Figure(f"{name}the middle refusal", middle, "s wall")
    yield Figure(f"{name}the last refusal", min(told[-1] for told in rounds), "s wall", at_most(1.0))
