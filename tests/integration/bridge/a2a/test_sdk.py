"""The official SDK's client against a real server: v1.0, and its v0.3 transport."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx
import pytest
from a2a.client import A2ACardResolver, Client, ClientConfig, ClientFactory
from a2a.types import a2a_pb2 as pb
from a2a.utils.errors import (
    InvalidParamsError,
    TaskNotCancelableError,
    TaskNotFoundError,
    UnsupportedOperationError,
)
from google.protobuf.json_format import MessageToDict, ParseDict

from headway.events import kinds
from tests.integration.bridge.a2a.served import TIMEOUT, Served
from tests.unit.bridge.a2a.wire import PLAN, QUICK


@asynccontextmanager
async def sdk_client(served: Served, version: str, *, streaming: bool) -> AsyncIterator[Client]:
    """Yield a client that speaks the given version."""
    async with httpx.AsyncClient(timeout=TIMEOUT) as http:
        card = await A2ACardResolver(http, served.url).get_agent_card()  # the card is for everybody
        http.headers["Authorization"] = served.http.headers["Authorization"]
        kept = [interface for interface in card.supported_interfaces if interface.protocol_version == version]
        del card.supported_interfaces[:]
        card.supported_interfaces.extend(kept)
        client = ClientFactory(ClientConfig(streaming=streaming, httpx_client=http)).create(card)
        yield client
        del client


def request(data: Any) -> pb.SendMessageRequest:
    """Return a request with one data part."""
    message = {"messageId": uuid4().hex, "role": "ROLE_USER", "parts": [{"data": data}]}
    return ParseDict({"message": message}, pb.SendMessageRequest())


def kinds_of(updates: list[pb.StreamResponse]) -> list[str]:
    return [update.WhichOneof("payload") or "" for update in updates]


def results(status: pb.TaskStatus) -> dict[str, Any]:
    (data,) = [part.data for part in status.message.parts if part.HasField("data")]
    return dict(MessageToDict(data))


@pytest.fixture(params=["1.0", "0.3"])
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_send_and_get(served: Served, version: str) -> None:
    async with sdk_client(served, version, streaming=False) as client:
        (answer,) = [update async for update in client.send_message(request(QUICK))]
        task = answer.task
        assert task.status.state == pb.TASK_STATE_COMPLETED
        assert [artifact.name for artifact in task.artifacts] == ["a"]
        assert results(task.status)["status"] == "completed"
        got = await client.get_task(pb.GetTaskRequest(id=task.id))
        assert got.status == task.status
        assert got.context_id == task.context_id
        assert [message.role for message in got.history] == [pb.ROLE_USER]


async def test_stream(served: Served, version: str) -> None:
    served.gate.set()
    async with sdk_client(served, version, streaming=True) as client:
        updates = [update async for update in client.send_message(request(PLAN))]
    assert kinds_of(updates) == ["task", "status_update", *["artifact_update"] * 3, "status_update"]
    assert [u.artifact_update.artifact.name for u in updates[2:5]] == ["a", "b", "c"]
    assert all(u.artifact_update.last_chunk for u in updates[2:5])
    assert updates[-1].status_update.status.state == pb.TASK_STATE_COMPLETED
    assert len(results(updates[-1].status_update.status)["results"]) == 3


async def test_cancel_while_the_send_waits(served: Served, version: str) -> None:
    async with (
        sdk_client(served, version, streaming=False) as client,
        sdk_client(served, version, streaming=False) as other,
    ):
        send = asyncio.create_task(anext(aiter(client.send_message(request(PLAN)))))
        await served.started.wait()
        job_id = await served.newest_job()
        cancel = asyncio.create_task(other.cancel_task(pb.CancelTaskRequest(id=job_id)))
        await served.until(kinds.RUN_CANCEL_REQUESTED)
        served.gate.set()
        for task in ((await send).task, await cancel):
            assert task.id == job_id
            assert task.status.state == pb.TASK_STATE_CANCELED
            assert [artifact.name for artifact in task.artifacts] == ["a", "b"]
            assert results(task.status)["results"][2]["error"] == "canceled: canceled by client"
        with pytest.raises(TaskNotCancelableError):
            await other.cancel_task(pb.CancelTaskRequest(id=job_id))


async def test_subscribe(served: Served) -> None:
    async with (
        sdk_client(served, "1.0", streaming=False) as client,
        sdk_client(served, "1.0", streaming=True) as other,
    ):
        send = asyncio.create_task(anext(aiter(client.send_message(request(PLAN)))))
        await served.started.wait()
        job_id = await served.newest_job()
        updates = []
        async for update in other.subscribe(pb.SubscribeToTaskRequest(id=job_id)):
            updates.append(update)
            served.gate.set()
        assert kinds_of(updates) == ["task", "artifact_update", "artifact_update", "status_update"]
        assert [artifact.name for artifact in updates[0].task.artifacts] == ["a"]
        await send
        with pytest.raises(UnsupportedOperationError):
            await anext(aiter(other.subscribe(pb.SubscribeToTaskRequest(id=job_id))))


async def test_errors(served: Served, version: str) -> None:
    async with sdk_client(served, version, streaming=False) as client:
        for refused in (
            client.get_task(pb.GetTaskRequest(id="f" * 12)),
            client.cancel_task(pb.CancelTaskRequest(id="x")),
        ):
            with pytest.raises(TaskNotFoundError):
                await refused
        with pytest.raises(InvalidParamsError):
            await anext(aiter(client.send_message(request({"nothing": 1}))))


async def test_a_rejected_plan(served: Served, version: str) -> None:
    async with sdk_client(served, version, streaming=False) as client:
        answer = await anext(aiter(client.send_message(request({"tool": "nope"}))))
    assert answer.task.status.state == pb.TASK_STATE_REJECTED
    text = results(answer.task.status)["issues"][0]["message"]
    assert text == "tool 'nope' is not open to remote agents (see tools under [a2a] in headway.toml)"
