"""Overload over A2A: what is refused says so in HTTP's words and in JSON-RPC's, and what was accepted ends."""

from __future__ import annotations

import asyncio
import gc
import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from headway.config import Config
from headway.plan.verify import MAX_ISSUES
from tests.integration.bridge.a2a.served import OPEN, serving
from tests.sizes import cases

LONGEST_STEP = 0.05
"""Seconds of CPU that one step of the event loop may take."""


def send(actions: list[dict[str, Any]], *, blocking: bool = True, **message: Any) -> dict[str, Any]:
    data = {"kind": "data", "data": {"actions": actions}}
    whole = {"kind": "message", "messageId": "m", "role": "user", "parts": [data], **message}
    params = {"message": whole, "configuration": {"blocking": blocking}}
    return {"jsonrpc": "2.0", "id": 7, "method": "message/send", "params": params}


def call(tool: str, name: str = "a", **parameters: Any) -> dict[str, Any]:
    return {"id": name, "type": "tool_call", "tool": tool, "parameters": parameters}


def config(tmp_path: Path, **admission: Any) -> Config:
    return Config.model_validate({"tools": {"workspace": str(tmp_path)}, "a2a": OPEN, "admission": admission})


async def test_beyond_the_jobs_that_may_wait_is_503_and_the_others_end(tmp_path: Path) -> None:
    async with serving(tmp_path / "home", config(tmp_path, max_waiting=2)) as served:
        sends = [asyncio.create_task(served.http.post("/", json=send([call("slow", n=1)], contextId="c")))]
        await served.started.wait()
        for _ in range(2):
            answer = await served.http.post("/", json=send([call("slow", n=2)], blocking=False, contextId="c"))
            assert answer.json()["result"]["status"]["state"] == "submitted"
        for _ in range(3):
            answer = await served.http.post("/", json=send([call("echo")]))
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            error = answer.json()["error"]
            assert answer.json()["id"] == 7
            assert error["code"] == -32603
            assert error["message"] == "2 jobs wait for their turn, and no more are taken: try again later"
            assert error["data"] == {"reason": "overloaded"}
        served.gate.set()
        assert (await sends[0]).json()["result"]["status"]["state"] == "completed"


async def test_a_plan_of_too_many_actions_is_no_task(tmp_path: Path) -> None:
    async with serving(tmp_path / "home", config(tmp_path, max_actions=3)) as served:
        before = served.engine.log.last_seq
        answer = await served.http.post("/", json=send([call("echo", f"a{i}") for i in range(4)]))
        error = answer.json()["error"]
        assert error["code"] == -32602
        assert "the plan has 4 actions; the limit is 3 (max_actions under [admission])" in json.dumps(error)
        assert served.engine.log.last_seq == before


async def test_a_rejected_task_lists_some_of_its_many_issues(tmp_path: Path) -> None:
    async with serving(tmp_path / "home") as served:
        answer = await served.http.post("/", json=send([call("missing", f"a{i}") for i in range(300)]))
        status = answer.json()["result"]["status"]
        assert status["state"] == "rejected"
        (data,) = [part["data"] for part in status["message"]["parts"] if part["kind"] == "data"]
        assert len(data["issues"]) == MAX_ISSUES + 1
        assert data["issues"][-1]["message"] == "200 more findings are left out"


async def test_no_step_of_the_loop_is_long_while_a_plan_of_many_actions_is_admitted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps are measured in CPU time of their thread, which does not depend on what else the machine does."""
    steps: list[float] = []
    run = asyncio.Handle._run

    def measured(self: asyncio.Handle) -> None:
        began = time.thread_time()
        run(self)
        steps.append(time.thread_time() - began)

    actions = [call("echo", f"a{i}", n=i) for i in range(cases(10_000))]
    body = json.dumps(send(actions, blocking=False, contextId="c")).encode()
    head = (
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n"
        f"Content-Length: {len(body)}\r\n"
    )
    async with serving(tmp_path / "home") as served:
        busy = asyncio.create_task(served.http.post("/", json=send([call("slow")], contextId="c")))
        await served.started.wait()
        place = urlsplit(served.url)
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        gc.collect()
        gc.freeze()  # as the daemon does: what was there before is no part of it
        monkeypatch.setattr(asyncio.Handle, "_run", measured)
        try:
            who = f"Authorization: {served.http.headers['authorization']}\r\n\r\n"
            writer.write(head.encode() + who.encode() + body)
            answer = await reader.read()
        finally:
            monkeypatch.undo()
            gc.unfreeze()
        writer.close()
        assert b'"state":"submitted"' in answer
        served.gate.set()
        await busy
    assert max(steps) <= LONGEST_STEP


async def test_a_large_plan_is_taken_whole(tmp_path: Path) -> None:
    async with serving(tmp_path / "home") as served:
        actions = [call("echo", f"a{i}", big=2**53 + i, text="x" * 200) for i in range(1000)]
        answer = await served.http.post("/", json=send(actions))
        result = answer.json()["result"]
        assert result["status"]["state"] == "completed"
        assert len(result["artifacts"]) == 1000
        assert str(2**53 + 1) in answer.text
