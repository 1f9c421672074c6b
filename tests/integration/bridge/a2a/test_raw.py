"""The three generations as raw JSON-RPC over HTTP, on a real engine."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from headway.config import Config
from headway.events import kinds
from headway.events.event import Event
from headway.jobs.submission import Submission
from tests.integration.bridge.a2a.served import OPEN, Served, serving
from tests.unit.bridge.a2a.test_send import results_of
from tests.unit.bridge.a2a.test_streams import first_kind, kind_of
from tests.unit.bridge.a2a.wire import PLAN, QUICK, WIRES, Client, Wire, read_frames, rpc

BIG = 2**53 + 1


async def blocked(served: Served, wire: Wire) -> tuple[asyncio.Task[dict[str, Any]], str]:
    """Send a plan that waits in its second action; return the waiting send and the id to ask for."""
    send = asyncio.create_task(served.client.result(wire.send, wire.params(wire.data(PLAN), task_id="my own id")))
    await served.started.wait()
    return send, "my own id" if wire.send == "tasks/send" else await served.newest_job()


async def test_a_cancel_while_the_send_still_waits(served: Served, wire: Wire) -> None:
    send, task_id = await blocked(served, wire)
    cancel = asyncio.create_task(served.client.result(wire.cancel, {"id": task_id}))
    await served.until(kinds.RUN_CANCEL_REQUESTED)
    served.gate.set()
    for task in (wire.task(await send), wire.task(await cancel)):
        assert (task["id"], wire.state(task)) == (task_id, "canceled")
        assert [artifact["name"] for artifact in task["artifacts"]] == ["a", "b"]
        results = results_of(task)["results"]
        assert [result["status"] for result in results] == ["succeeded", "succeeded", "skipped"]
        assert results[2]["error"] == "canceled: canceled by client"
    assert (await served.client.error(wire.cancel, {"id": task_id}))["code"] == -32002


async def test_cancels_that_come_at_once(served: Served, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    send, task_id = await blocked(served, wire)
    answers = []
    cancel = served.engine.cancel

    async def counted(*args: Any, **more: Any) -> str:
        answers.append(await cancel(*args, **more))
        if len(answers) == 5:
            served.gate.set()
        return answers[-1]

    monkeypatch.setattr(served.engine, "cancel", counted)
    cancels = [asyncio.create_task(served.client.result(wire.cancel, {"id": task_id})) for _ in range(5)]
    tasks = [wire.task(await answer) for answer in (send, *cancels)]
    assert {wire.state(task) for task in tasks} == {"canceled"}
    assert len({json.dumps(results_of(task)) for task in tasks}) == 1


async def test_a_cancel_that_comes_as_soon_as_the_task_is_on_disk(
    served: Served, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job can be read, but its submission has not returned yet."""
    write, go = served.engine.log.write, asyncio.Event()

    async def held(*events: Event) -> int:
        seq = await write(*events)
        if events[0].kind == kinds.JOB_CREATED:
            await go.wait()
        return seq

    monkeypatch.setattr(served.engine.log, "write", held)
    send = asyncio.create_task(served.client.result(wire.send, wire.params(wire.data(PLAN), task_id="soon")))
    await served.until(kinds.JOB_CREATED)
    task_id = "soon" if wire.send == "tasks/send" else await served.newest_job()
    cancel = asyncio.create_task(served.client.result(wire.cancel, {"id": task_id}))
    await served.client.result(wire.get, {"id": task_id})  # by now the cancel has arrived
    go.set()
    await served.until(kinds.RUN_CANCEL_REQUESTED)
    served.gate.set()
    for answer in (send, cancel):
        assert wire.state(wire.task(await answer)) == "canceled"


async def test_a_cancel_does_not_wait_for_ever(tmp_path: Path, wire: Wire) -> None:
    config = Config.model_validate({"a2a": {"cancel_wait": 0.0, **OPEN}, "tools": {"workspace": str(tmp_path)}})
    async with serving(tmp_path / "home", config) as served:
        send, task_id = await blocked(served, wire)
        task = wire.task(await served.client.result(wire.cancel, {"id": task_id}))
        assert wire.state(task) == "working"
        assert task["metadata"]["cancel_requested"] is True
        assert wire.state(wire.task(await served.client.result(wire.cancel, {"id": task_id}))) == "working"
        served.gate.set()
        assert wire.state(wire.task(await send)) == "canceled"


async def test_integers_stay_what_they_are_through_the_store(served: Served, wire: Wire) -> None:
    for size in (1, 100_000):  # in the event, and in a blob beside it
        call = {"tool": "echo", "parameters": {"n": 3, "big": BIG, "text": "x" * size}}
        answer = await served.http.post("/", json=rpc(wire.send, wire.params(wire.data(call), task_id=f"t{size}")))
        assert answer.text.count(f'"n":3,"big":{BIG},"text":"{"x" * size}"') >= 2
        task = wire.task(answer.json()["result"])
        got = json.dumps(await served.client.result(wire.get, {"id": task["id"]}), separators=(",", ":"))
        assert got.count(f'"n":3,"big":{BIG},"text":"{"x" * size}"') >= 2
        stream = await served.http.post("/", json=rpc(wire.stream, wire.params(wire.data(call), task_id=f"s{size}")))
        assert stream.text.count(f'"n":3,"big":{BIG},"text":"{"x" * size}"') >= 2


async def events_of(response: httpx.Response) -> AsyncIterator[tuple[str | None, dict[str, Any]]]:
    """Yield the frames of a stream as they arrive."""
    text = ""
    async for line in response.aiter_lines():
        text += line + "\n"
        if not line:
            for frame in read_frames(text):
                yield frame
            text = ""


async def test_a_stream_arrives_as_things_happen(served: Served, wire: Wire) -> None:
    request = rpc(wire.stream, wire.params(wire.data(PLAN)))
    seen: list[tuple[str | None, str]] = []
    async with served.http.stream("POST", "/", json=request) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        async for seq, frame in events_of(response):
            seen.append((seq, kind_of(frame)))
            if seen[-1][1] == "artifact:a":
                await served.started.wait()
                served.gate.set()
    assert [kind for _, kind in seen] == [
        first_kind(wire), "status:working", "artifact:a", "artifact:b", "artifact:c", "status:completed",
    ]  # fmt: skip
    ids = [int(seq or 0) for seq, _ in seen]
    assert ids == sorted(set(ids))


async def test_a_lost_stream_is_taken_up_again(served: Served, wire: Wire) -> None:
    request = rpc(wire.stream, wire.params(wire.data(PLAN)))
    last = ""
    async with served.http.stream("POST", "/", json=request) as response:
        async for seq, frame in events_of(response):
            last = seq or ""
            if kind_of(frame) == "artifact:a":
                break
    task_id = "mine" if wire.send == "tasks/send" else await served.newest_job()
    again = asyncio.create_task(served.client.frames(wire.subscribe, {"id": task_id}, headers={"Last-Event-ID": last}))
    await served.started.wait()
    served.gate.set()
    rest = [kind_of(frame) for _, frame in await again]
    assert rest[-3:] == ["artifact:b", "artifact:c", "status:completed"]
    assert rest[:-3] == (["task"] if wire.send == "SendMessage" else [])


async def test_a_client_that_hangs_up_does_not_stop_its_task(served: Served, wire: Wire) -> None:
    body = json.dumps(rpc(wire.send, wire.params(wire.data(PLAN)))).encode()
    host, port = served.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    head = (
        f"POST / HTTP/1.1\r\nHost: {host}\r\nAuthorization: {served.http.headers['Authorization']}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    await served.started.wait()
    writer.close()
    await writer.wait_closed()
    job_id = await served.newest_job()
    served.gate.set()
    assert (await served.engine.wait(job_id)).job.status == "completed"


async def test_a_plan_of_ten_megabytes(served: Served) -> None:
    plan = {"actions": [], "context": {"x": "x" * 10 * 1024 * 1024}}
    response = await served.http.post("/", json=rpc("SendMessage", WIRES[0].params({"data": plan})))
    assert response.status_code == 413
    assert "larger than 8,388,608 bytes" in response.json()["error"]["message"]
    assert await served.engine.jobs() == []

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(160):
            yield b" " * 65536

    response = await served.http.post("/", content=pieces(), headers={"Content-Type": "application/json"})
    assert response.status_code == 413


async def test_a_foreign_host_over_the_wire(served: Served) -> None:
    request = rpc("GetTask", {"id": "f" * 12})
    assert (await served.http.post("/", json=request, headers={"Host": "evil.example"})).status_code == 421
    assert (await served.http.post("/", json=request, headers={"Origin": "http://evil.example"})).status_code == 403
    assert (await served.http.post("/", json=request, headers={"Origin": served.url})).status_code == 200


async def test_refused_plans_and_unknown_tools(served: Served, wire: Wire) -> None:
    for number, tool in enumerate(("nope", "write_file")):
        params = wire.params(
            wire.data({"tool": tool, "parameters": {"path": "x", "content": "y"}}), task_id=f"t{number}"
        )
        task = wire.task(await served.client.result(wire.send, params))
        assert wire.state(task) in ("rejected", "failed")
        assert tool in results_of(task)["issues"][0]["message"]
        assert "artifacts" not in task
    failed = wire.params(wire.data({"tool": "boom"}), task_id="boom")
    task = wire.task(await served.client.result(wire.send, failed))
    assert wire.state(task) == "failed"
    assert task["artifacts"][0]["metadata"]["error"] == "ValueError: it broke"
    text = wire.params(wire.text("hello"), task_id="text")
    assert "no workflows for remote agents" in json.dumps(await served.client.result(wire.send, text))


async def test_after_a_crash_tasks_have_a_true_end(served: Served, wire: Wire, tmp_path: Path) -> None:
    """The store as a ``kill -9`` leaves it, taken up by another process."""
    done = wire.task(await served.client.result(wire.send, wire.params(wire.data(QUICK), task_id="done")))
    send, task_id = await blocked(served, wire)
    shutil.copytree(tmp_path / "home", tmp_path / "crashed", ignore=shutil.ignore_patterns("*.sock", "*.lock"))
    async with serving(tmp_path / "crashed") as after:
        got = wire.task(await after.client.result(wire.get, {"id": done["id"]}))
        assert got["status"]["state"] == done["status"]["state"]
        assert results_of(got) == results_of(done)
        orphan = wire.task(await after.client.result(wire.get, {"id": task_id}))
        assert wire.state(orphan) == "failed"
        results = results_of(orphan)
        assert results["outcome"] == "interrupted"
        assert [result["status"] for result in results["results"]] == ["succeeded", "failed", "skipped"]
        assert [artifact["name"] for artifact in orphan["artifacts"]] == ["a", "b"]
        assert (await after.client.error(wire.cancel, {"id": task_id}))["code"] == -32002
        if wire.send == "tasks/send":
            taken = wire.params(wire.data(QUICK), task_id=task_id)
            assert (await after.client.error(wire.send, taken))["code"] == -32004
        if wire.send != "SendMessage":
            frames = await after.client.frames(wire.subscribe, {"id": task_id})
            assert kind_of(frames[-1][1]) == "status:failed"
    served.gate.set()
    await send


async def test_a_stop_of_the_daemon_ends_streams_with_their_tasks(served: Served, wire: Wire) -> None:
    stream = asyncio.create_task(served.client.frames(wire.stream, wire.params(wire.data(PLAN))))
    send = asyncio.create_task(served.client.result(wire.send, wire.params(wire.data(PLAN), task_id="other")))
    await served.until(kinds.JOB_STARTED, 2)
    closing = asyncio.create_task(served.engine.close("shutdown"))
    await served.until(kinds.RUN_CANCEL_REQUESTED)
    served.gate.set()
    assert kind_of((await stream)[-1][1]) == "status:canceled"
    assert wire.state(wire.task(await send)) == "canceled"
    await closing
    error = await served.client.error(wire.send, wire.params(wire.data(QUICK), task_id="late"))
    assert error["code"] == -32603


async def test_two_tasks_of_one_thread_run_one_after_the_other(served: Served, wire: Wire) -> None:
    def params(number: int) -> dict[str, Any]:
        made = wire.params(wire.data(PLAN), task_id=f"t{number}", contextId="thread")
        return {**made, "sessionId": "thread"} if wire.send == "tasks/send" else made

    first = asyncio.create_task(served.client.result(wire.send, params(1)))
    await served.started.wait()
    second = asyncio.create_task(served.client.result(wire.send, params(2)))
    await served.until(kinds.JOB_CREATED, 2)
    waiting = await served.newest_job()
    queued = "t2" if wire.send == "tasks/send" else waiting
    assert wire.state(wire.task(await served.client.result(wire.get, {"id": queued}))) == "submitted"
    canceled = wire.task(await served.client.result(wire.cancel, {"id": queued}))
    assert wire.state(canceled) == "canceled"
    assert "artifacts" not in canceled
    assert wire.state(wire.task(await second)) == "canceled"
    served.gate.set()
    assert wire.state(wire.task(await first)) == "completed"


async def test_jobs_of_an_operator_are_no_tasks(served: Served, wire: Wire) -> None:
    from headway.plan.parse import parse_proposal

    row = await served.engine.submit(Submission(parse_proposal(QUICK), source="cli"))
    assert (await served.client.error(wire.cancel, {"id": row.job_id}))["code"] == -32001
    assert isinstance(served.client, Client)
