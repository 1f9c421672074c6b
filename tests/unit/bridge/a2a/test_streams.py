"""Streams: order, ids, replay, ends."""

from __future__ import annotations

from typing import Any

import pytest

from headway.events.log import EventLog
from headway_bridge.a2a.context import Client as Connected
from headway_bridge.a2a.model import Target
from headway_bridge.a2a.tasks import TaskService
from headway_bridge.a2a.v10 import V1_0
from headway_bridge.auth import Caller
from tests.unit.bridge.a2a.fakes import FakeEngine
from tests.unit.bridge.a2a.test_send import results_of
from tests.unit.bridge.a2a.wire import PLAN, QUICK, WIRES, Client, Wire, rpc


def kind_of(frame: dict[str, Any]) -> str:
    """Return task, status:STATE or artifact:NAME of a frame of any generation."""
    for name, value in frame.items():
        if name == "task":
            return "task"
        if name == "statusUpdate":
            return f"status:{value['status']['state'].removeprefix('TASK_STATE_').lower()}"
        if name == "artifactUpdate":
            return f"artifact:{value['artifact']['name']}"
    if frame.get("kind") == "task":
        return "task"
    if "artifact" in frame:
        return f"artifact:{frame['artifact']['name']}"
    return f"status:{frame['status']['state']}"


def first_kind(wire: Wire) -> str:
    return "status:submitted" if wire.send == "tasks/send" else "task"


async def test_a_stream_tells_everything_in_order(client: Client, wire: Wire, engine: FakeEngine) -> None:
    engine.gate.set()
    frames = await client.frames(wire.stream, wire.params(wire.data(PLAN)))
    kinds = [kind_of(frame) for _, frame in frames]
    assert kinds == [
        first_kind(wire), "status:working", "artifact:a", "artifact:b", "artifact:c", "status:completed",
    ]  # fmt: skip
    ids = [int(seq or 0) for seq, _ in frames]
    assert ids == sorted(set(ids))
    assert ids[0] > 0
    last = frames[-1][1]
    final = last.get("statusUpdate", last)
    assert len(results_of(final)["results"]) == 3
    if wire.send != "SendMessage":
        assert [frame.get("final") for _, frame in frames if "status" in frame and frame.get("kind") != "task"][-1]
        assert not any(frame.get("final") for _, frame in frames[:-1])
        assert all(f["lastChunk"] for _, f in frames if "artifact" in f)
    if wire.send == "tasks/send":
        assert {frame["id"] for _, frame in frames} == {"mine"}
        assert [f["artifact"]["index"] for _, f in frames if "artifact" in f] == [0, 1, 2]
        assert all(f["artifact"]["lastChunk"] for _, f in frames if "artifact" in f)


async def test_a_refused_plan_ends_its_stream(client: Client, wire: Wire) -> None:
    frames = await client.frames(wire.stream, wire.params(wire.data({"tool": "nope"})))
    rejected = "status:failed" if wire.send == "tasks/send" else "status:rejected"
    assert [kind_of(frame) for _, frame in frames] == [first_kind(wire), rejected]


async def test_no_stream_for_what_is_no_proposal(client: Client, wire: Wire) -> None:
    assert (await client.error(wire.stream, wire.params(wire.data({"x": 1}))))["code"] == -32602


async def test_an_older_client_replays_an_ended_task(client: Client) -> None:
    for wire in WIRES[1:]:
        frames = await client.frames(wire.stream, wire.params(wire.data(QUICK)))
        task_id = frames[0][1]["id"]
        again = await client.frames("tasks/resubscribe", {"id": task_id})
        assert [(seq, kind_of(frame)) for seq, frame in again] == [(seq, kind_of(frame)) for seq, frame in frames]
        seen = frames[1][0]
        rest = await client.frames("tasks/resubscribe", {"id": task_id}, headers={"Last-Event-ID": seen or ""})
        assert [seq for seq, _ in rest] == [seq for seq, _ in frames[2:]]


async def test_v1_subscribes_to_live_tasks_only(client: Client) -> None:
    wire = WIRES[0]
    frames = await client.frames(wire.stream, wire.params(wire.data(QUICK)))
    task_id = frames[0][1]["task"]["id"]
    assert (await client.error("SubscribeToTask", {"id": task_id}))["code"] == -32004
    last = frames[-1][0] or ""
    assert (await client.error("SubscribeToTask", {"id": task_id}, headers={"Last-Event-ID": last}))["code"] == -32004


async def test_v1_comes_back_where_it_was(client: Client) -> None:
    wire = WIRES[0]
    frames = await client.frames(wire.stream, wire.params(wire.data(QUICK)))
    task_id = frames[0][1]["task"]["id"]
    seen = frames[1][0] or ""
    back = await client.frames("SubscribeToTask", {"id": task_id}, headers={"Last-Event-ID": seen})
    assert [kind_of(frame) for _, frame in back] == ["task", "artifact:a", "status:completed"]
    assert back[0][1]["task"]["status"]["state"] == "TASK_STATE_WORKING"
    assert [seq for seq, _ in back[1:]] == [seq for seq, _ in frames[2:]]


@pytest.mark.parametrize("after", ["x", "-1", "1e9", "9" * 30])
async def test_a_broken_last_event_id_is_none(client: Client, after: str) -> None:
    wire = WIRES[1]
    frames = await client.frames(wire.stream, wire.params(wire.data(QUICK)))
    task_id = frames[0][1]["id"]
    again = await client.frames("tasks/resubscribe", {"id": task_id}, headers={"Last-Event-ID": after})
    assert len(again) == len(frames)


async def test_a_subscriber_gets_the_task_as_it_stands_and_then_the_rest(engine: FakeEngine) -> None:
    service = TaskService(engine)
    wire = WIRES[0]
    stream = await service.stream(V1_0.read_send(wire.params(wire.data(PLAN))), V1_0, Connected(Caller("home")))
    first = await anext(stream)
    task_id = first.update.task_id  # type: ignore[union-attr]
    await engine.started.wait()
    late, _ = await service.subscribe(Target(task_id), Connected(Caller("home")), after=None, replay=False)
    now = V1_0.write_update((await anext(late)).update)["task"]
    assert now["status"]["state"] == "TASK_STATE_WORKING"
    assert [artifact["name"] for artifact in now["artifacts"]] == ["a"]
    caught_up = engine.log.last_seq
    current, _ = await service.subscribe(Target(task_id), Connected(Caller("home")), after=caught_up, replay=False)
    assert (await anext(current)).seq == caught_up
    engine.gate.set()
    early = [kind_of(V1_0.write_update(frame.update)) async for frame in stream]
    rest = [kind_of(V1_0.write_update(frame.update)) async for frame in late]
    assert early == ["status:working", "artifact:a", "artifact:b", "artifact:c", "status:completed"]
    assert rest == ["artifact:b", "artifact:c", "status:completed"]
    assert [kind_of(V1_0.write_update(frame.update)) async for frame in current] == rest


async def test_a_cancel_is_seen_on_the_stream(engine: FakeEngine) -> None:
    service = TaskService(engine)
    wire = WIRES[0]
    stream = await service.stream(V1_0.read_send(wire.params(wire.data(PLAN))), V1_0, Connected(Caller("home")))
    task_id = (await anext(stream)).update.task_id  # type: ignore[union-attr]
    await engine.started.wait()
    await engine.cancel(task_id, "enough")
    engine.gate.set()
    frames = [V1_0.write_update(frame.update) async for frame in stream]
    assert [kind_of(frame) for frame in frames] == [
        "status:working", "artifact:a", "status:working", "artifact:b", "status:canceled",
    ]  # fmt: skip
    assert frames[2]["statusUpdate"]["metadata"]["cancel_requested"] is True


async def test_a_stream_whose_log_ends_says_so(
    client: Client, wire: Wire, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = EventLog()
    await ended.close()
    monkeypatch.setattr(engine, "subscribe", lambda after=0, job_id=None: ended.subscribe(after, job_id=job_id))
    text = (await client.http.post("/", json=rpc(wire.stream, wire.params(wire.data(QUICK))))).text
    assert '"code":-32603' in text
    assert "subscribe again" in text
    assert ("event: error" in text) == (wire.send == "SendMessage")
