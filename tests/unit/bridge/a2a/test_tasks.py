"""Reading and cancelling tasks, in each generation."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from headway.config import Config
from headway.events import kinds
from headway.jobs.submission import Submission
from headway_bridge.a2a.context import Client as Connected
from headway_bridge.a2a.context import ClientGone
from headway_bridge.a2a.model import Target
from headway_bridge.a2a.origin import job_id_for
from headway_bridge.a2a.tasks import TaskService
from headway_bridge.auth import Caller
from tests.unit.bridge.a2a.fakes import HEADERS, OPEN, FakeEngine, app_of
from tests.unit.bridge.a2a.test_send import on, results_of
from tests.unit.bridge.a2a.wire import PLAN, QUICK, WIRES, Client, Wire, rpc


async def the_job(engine: FakeEngine) -> str:
    """Return the id of the first job."""
    (created, *_) = await engine.log.read(kinds={kinds.JOB_CREATED})
    assert created.job_id is not None
    return created.job_id


async def blocked(client: Client, wire: Wire, engine: FakeEngine) -> tuple[asyncio.Task[dict[str, Any]], str]:
    """Send a plan that waits in its second action; return the waiting send and the id to ask for."""
    send = asyncio.create_task(client.result(wire.send, wire.params(wire.data(PLAN), task_id="my own id")))
    await engine.started.wait()
    return send, "my own id" if wire.send == "tasks/send" else await the_job(engine)


async def test_a_cancel_while_the_send_still_waits(client: Client, wire: Wire, engine: FakeEngine) -> None:
    send, task_id = await blocked(client, wire, engine)
    cancel = asyncio.create_task(client.result(wire.cancel, {"id": task_id}))
    await until(engine, kinds.RUN_CANCEL_REQUESTED)
    assert not send.done()
    engine.gate.set()
    answers = [wire.task(await send), wire.task(await cancel)]
    for task in answers:
        assert task["id"] == task_id
        assert wire.state(task) == "canceled"
        assert [artifact["name"] for artifact in task["artifacts"]] == ["a", "b"]
        results = results_of(task)["results"]
        assert [result["status"] for result in results] == ["succeeded", "succeeded", "skipped"]
        assert results[2]["error"] == "canceled: canceled by client"
    assert answers[0]["artifacts"][0]["artifactId"] == answers[1]["artifacts"][0]["artifactId"]


async def until(engine: FakeEngine, kind: str) -> None:
    with engine.log.subscribe() as events:
        async for batch in events:
            if any(event.kind == kind for event in batch):
                return


async def test_a_cancel_may_give_its_reason(client: Client, engine: FakeEngine) -> None:
    wire = WIRES[0]
    send, task_id = await blocked(client, wire, engine)
    engine.gate.set()
    params = {"id": task_id, "metadata": {"reason": "too\ndear"}}
    cancel = await client.post(wire.cancel, params)
    await send
    if "result" in cancel:
        assert results_of(cancel["result"])["results"][-1]["error"] == "canceled: too dear"


async def test_a_cancel_does_not_wait_for_ever(wire: Wire) -> None:
    engine = FakeEngine(Config.model_validate({"a2a": {"cancel_wait": 0.0, **OPEN}}))
    async with on(engine) as client:
        send, task_id = await blocked(client, wire, engine)
        task = wire.task(await client.result(wire.cancel, {"id": task_id}))
        assert wire.state(task) == "working"
        assert task["metadata"]["cancel_requested"] is True
        engine.gate.set()
        assert wire.state(wire.task(await send)) == "canceled"


async def test_several_cancels_are_one(client: Client, wire: Wire, engine: FakeEngine) -> None:
    send, task_id = await blocked(client, wire, engine)
    cancels = [asyncio.create_task(client.result(wire.cancel, {"id": task_id})) for _ in range(5)]
    await until(engine, kinds.RUN_CANCEL_REQUESTED)
    engine.gate.set()
    assert {wire.state(wire.task(await cancel)) for cancel in cancels} == {"canceled"}
    assert wire.state(wire.task(await send)) == "canceled"
    assert len(await engine.log.read(kinds=kinds.TERMINAL_JOB)) == 1


@pytest.mark.parametrize("parts", [QUICK, {"tool": "boom"}, {"tool": "nope"}])
async def test_ended_tasks_cannot_be_canceled(client: Client, wire: Wire, parts: Any) -> None:
    task = wire.task(await client.result(wire.send, wire.params(wire.data(parts))))
    error = await client.error(wire.cancel, {"id": task["id"]})
    assert error["code"] == -32002
    assert wire.state(task) in error["message"] or wire.state(task) == "failed"


async def test_a_canceled_task_cannot_be_canceled(client: Client, wire: Wire, engine: FakeEngine) -> None:
    send, task_id = await blocked(client, wire, engine)
    cancel = asyncio.create_task(client.result(wire.cancel, {"id": task_id}))
    await until(engine, kinds.RUN_CANCEL_REQUESTED)
    engine.gate.set()
    await asyncio.gather(send, cancel)
    assert (await client.error(wire.cancel, {"id": task_id}))["code"] == -32002


@pytest.mark.parametrize("task_id", ["f" * 12, "x", "../../etc", "ä" * 12, "mine\0"])
async def test_unknown_tasks(client: Client, wire: Wire, task_id: str) -> None:
    for method in (wire.get, wire.cancel, wire.subscribe):
        error = await client.error(method, {"id": task_id})
        assert error["code"] == (-32001 if task_id.isprintable() else -32602)


@pytest.mark.parametrize("params", [{}, {"id": ""}, {"id": 7}, {"id": None}, {"id": "x" * 257}])
async def test_bad_task_ids(client: Client, wire: Wire, params: dict[str, Any]) -> None:
    assert (await client.error(wire.get, params))["code"] == -32602


async def test_a_running_task_shows_what_has_ended(client: Client, wire: Wire, engine: FakeEngine) -> None:
    send, task_id = await blocked(client, wire, engine)
    task = wire.task(await client.result(wire.get, {"id": task_id}))
    assert wire.state(task) == "working"
    assert [artifact["name"] for artifact in task["artifacts"]] == ["a"]
    assert "message" not in task["status"]
    engine.gate.set()
    await send


async def test_shared_methods_answer_in_the_shape_of_both(client: Client) -> None:
    for wire in WIRES[1:]:
        task = wire.task(await client.result(wire.send, wire.params(wire.data(QUICK))))
        got = await client.result("tasks/get", {"id": task["id"]})
        assert got["id"] == task["id"]
        assert got["kind"] == "task"
        assert got["sessionId"] == got["contextId"]
        artifact = got["artifacts"][0]
        assert (artifact["artifactId"], artifact["index"]) == ("action:a", 0)
        for part in (*artifact["parts"], *got["status"]["message"]["parts"]):
            assert part["kind"] == part["type"]


async def test_a_v1_task_is_read_by_an_older_client(client: Client) -> None:
    wire = WIRES[0]
    task = wire.task(await client.result(wire.send, wire.params(wire.data(QUICK))))
    got = await client.result("tasks/get", {"id": task["id"]})
    assert (got["id"], got["status"]["state"]) == (task["id"], "completed")


async def test_jobs_that_came_another_way_are_no_tasks(client: Client, wire: Wire, engine: FakeEngine) -> None:
    from headway.plan.parse import parse_proposal

    row = await engine.submit(Submission(parse_proposal(QUICK), source="cli"))
    await engine.wait(row.job_id)
    for method in (wire.get, wire.cancel):
        assert (await client.error(method, {"id": row.job_id}))["code"] == -32001


async def test_tasks_of_another_principal_are_not_found(engine: FakeEngine) -> None:
    from a2a.utils.errors import TaskNotFoundError

    service = TaskService(engine)
    wire = WIRES[2]
    from headway_bridge.a2a.v01 import V0_1

    request = V0_1.read_send(wire.params(wire.data(QUICK), task_id="x"))
    task = await service.send(request, V0_1, Connected(Caller("ann")))
    job_id = task.metadata["job_id"]
    assert job_id == job_id_for(("", "ann"), "x")
    for known_as in ("x", job_id):
        assert (await service.get(Target(known_as), Connected(Caller("ann"))))[0].task_id == "x"
        for stranger in (Connected(Caller("bob")), Connected(Caller("ann", "other"))):
            with pytest.raises(TaskNotFoundError):
                await service.get(Target(known_as), stranger)
            with pytest.raises(TaskNotFoundError):
                await service.cancel(Target(known_as), stranger)
    theirs = await service.send(
        V0_1.read_send(wire.params(wire.data(QUICK), task_id="x")), V0_1, Connected(Caller("bob"))
    )
    assert theirs.metadata["job_id"] != job_id


async def test_a_client_that_goes_leaves_its_task_running(engine: FakeEngine) -> None:
    wire = WIRES[0]
    from headway_bridge.a2a.v10 import V1_0

    gone = asyncio.Event()

    async def wait_gone() -> None:
        await gone.wait()

    service = TaskService(engine)
    request = V1_0.read_send(wire.params(wire.data(PLAN)))
    send = asyncio.create_task(service.send(request, V1_0, Connected(Caller("home"), wait_gone)))
    await engine.started.wait()
    gone.set()
    with pytest.raises(ClientGone):
        await send
    job_id = await the_job(engine)
    assert (await engine.run(job_id)).job.status == "running"
    engine.gate.set()
    assert (await engine.wait(job_id)).job.status == "completed"


async def test_the_same_id_space_after_a_restart(engine: FakeEngine) -> None:
    """Nothing about tasks is kept outside the log: a second application on it answers the same."""
    async with on(engine) as first:
        wire = WIRES[2]
        task = await first.result("tasks/send", wire.params(wire.data(QUICK), task_id="mine"))
        transport = httpx.ASGITransport(app_of(engine))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=HEADERS) as http:
            second = Client(http)
            got = await second.result("tasks/get", {"id": "mine"})
            assert got["status"] == task["status"]
            assert (await second.error("tasks/send", wire.params(wire.data(QUICK), task_id="mine")))["code"] == -32004


async def test_a_collision_of_ids_is_told_apart(client: Client, engine: FakeEngine) -> None:
    from headway.plan.parse import parse_proposal

    taken = job_id_for(("", "home"), "mine")
    await engine.submit(Submission(parse_proposal(QUICK), job_id=taken))
    wire = WIRES[2]
    assert (await client.error("tasks/get", {"id": "mine"}))["code"] == -32001
    task = await client.result("tasks/send", wire.params(wire.data(QUICK), task_id="mine"))
    assert task["metadata"]["job_id"] == job_id_for(("", "home"), "mine", 1)
    assert (await client.result("tasks/get", {"id": "mine"}))["id"] == "mine"


async def test_methods_that_are_not_there(client: Client) -> None:
    codes = {
        "Nope": -32601, "tasks/nope": -32601, "sendmessage": -32601, "ListTasks": -32004,
        "GetExtendedAgentCard": -32007, "agent/getAuthenticatedExtendedCard": -32007,
        "CreateTaskPushNotificationConfig": -32003, "tasks/pushNotificationConfig/set": -32003,
        "tasks/pushNotification/get": -32003,
    }  # fmt: skip
    for method, code in codes.items():
        assert (await client.error(method))["code"] == code, method


@pytest.mark.parametrize(
    ("method", "version", "fits"),
    [
        ("GetTask", "1.0", True), ("GetTask", "1.0.3", True), ("GetTask", "", True), ("GetTask", "1.7", False),
        ("GetTask", "2.0", False), ("GetTask", "0.3", False), ("GetTask", "x", False), ("GetTask", "1", False),
        ("tasks/get", "", True), ("tasks/get", "0.3", True), ("tasks/get", "0.1", True), ("tasks/get", "1.0", False),
        ("message/send", "1.0", False), ("tasks/send", "9.9", False),
    ],
)  # fmt: skip
async def test_versions(client: Client, method: str, version: str, fits: bool) -> None:
    unsupported = [
        (await client.error(method, {"id": "f" * 12}, headers={"A2A-Version": version}))["code"] == -32009,
        (await client.http.post("/", params={"A2A-Version": version}, json=rpc(method))).json()["error"]["code"]
        == -32009,
    ]
    assert unsupported == [not fits, not fits]


async def test_large_outputs_arrive_whole(client: Client, wire: Wire, engine: FakeEngine) -> None:
    reference = {"$blob": "sha256:1", "size": 100_000}

    async def large() -> Any:
        return reference

    engine.add("keep", large)
    for kept, expected in (({"sha256:1": [2**53 + 1]}, [2**53 + 1]), ({}, reference)):
        engine.reader.values = kept
        params = wire.params(wire.data({"tool": "keep"}), task_id=f"t{len(kept)}")
        task = wire.task(await client.result(wire.send, params))
        got = wire.task(await client.result(wire.get, {"id": task["id"]}))
        params = wire.params(wire.data({"tool": "keep"}), task_id=f"s{len(kept)}")
        frames = [frame for _, frame in await client.frames(wire.stream, params)]
        frames = [next(iter(frame.values())) if wire is WIRES[0] else frame for frame in frames]
        streamed = [frame["artifact"] for frame in frames if "artifact" in frame]
        for artifact in (task["artifacts"][0], got["artifacts"][0], streamed[0]):
            assert artifact["parts"][0]["data"]["result"] == expected
        for ended in (task, got, frames[-1]):
            assert results_of(ended)["results"][0]["output"] == expected
