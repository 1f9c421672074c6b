"""Requests of the three generations, as raw JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx

PLAN = {
    "actions": [
        {"id": "a", "type": "tool_call", "tool": "echo", "parameters": {"n": 3}},
        {"id": "b", "type": "tool_call", "tool": "slow", "parameters": {"n": 4}, "dependencies": ["a"]},
        {"id": "c", "type": "tool_call", "tool": "echo", "parameters": {"n": 5}, "dependencies": ["b"]},
    ]
}
"""Three levels; the second waits for the test."""

QUICK = {"actions": [{"id": "a", "type": "tool_call", "tool": "echo", "parameters": {"n": 3}}]}


def rpc(method: str, params: Any = None, request_id: Any = 1) -> dict[str, Any]:
    """Return a JSON-RPC request."""
    return {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}


class Wire:
    """One generation: how to send data or text, get and cancel, and where its answers keep things."""

    send: str
    stream: str
    get = "tasks/get"
    cancel = "tasks/cancel"
    subscribe = "tasks/resubscribe"

    def message(self, *parts: dict[str, Any], **more: Any) -> dict[str, Any]:
        raise AssertionError

    def data(self, value: Any) -> dict[str, Any]:
        raise AssertionError

    def text(self, value: str) -> dict[str, Any]:
        raise AssertionError

    def params(self, *parts: dict[str, Any], task_id: str = "mine", **more: Any) -> dict[str, Any]:
        return {"message": self.message(*parts, **more)}

    def task(self, result: dict[str, Any]) -> dict[str, Any]:
        return result

    def state(self, task: dict[str, Any]) -> str:
        return str(task["status"]["state"])


class V10Wire(Wire):
    name = "1.0"
    send = "SendMessage"
    stream = "SendStreamingMessage"
    get = "GetTask"
    cancel = "CancelTask"
    subscribe = "SubscribeToTask"

    def message(self, *parts: dict[str, Any], **more: Any) -> dict[str, Any]:
        return {"messageId": uuid4().hex, "role": "ROLE_USER", "parts": list(parts), **more}

    def data(self, value: Any) -> dict[str, Any]:
        return {"data": value}

    def text(self, value: str) -> dict[str, Any]:
        return {"text": value}

    def task(self, result: dict[str, Any]) -> dict[str, Any]:
        return dict(result.get("task", result))

    def state(self, task: dict[str, Any]) -> str:
        return super().state(task).removeprefix("TASK_STATE_").lower().replace("_", "-")


class V03Wire(Wire):
    name = "0.3"
    send = "message/send"
    stream = "message/stream"

    def message(self, *parts: dict[str, Any], **more: Any) -> dict[str, Any]:
        return {"kind": "message", "messageId": uuid4().hex, "role": "user", "parts": list(parts), **more}

    def data(self, value: Any) -> dict[str, Any]:
        return {"kind": "data", "data": value}

    def text(self, value: str) -> dict[str, Any]:
        return {"kind": "text", "text": value}


class V01Wire(V03Wire):
    name = "0.1"
    send = "tasks/send"
    stream = "tasks/sendSubscribe"

    def message(self, *parts: dict[str, Any], **more: Any) -> dict[str, Any]:
        return {"role": "user", "parts": list(parts), **more}

    def data(self, value: Any) -> dict[str, Any]:
        return {"type": "data", "data": value}

    def text(self, value: str) -> dict[str, Any]:
        return {"type": "text", "text": value}

    def params(self, *parts: dict[str, Any], task_id: str = "mine", **more: Any) -> dict[str, Any]:
        return {"id": task_id, "message": self.message(*parts, **more)}


WIRES: list[Any] = [V10Wire(), V03Wire(), V01Wire()]


class Client:
    """Posts JSON-RPC and takes the answers apart."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def post(self, method: str, params: Any = None, **more: Any) -> dict[str, Any]:
        """Return the whole answer."""
        response = await self.http.post("/", json=rpc(method, params), **more)
        assert response.status_code == 200, response.text
        return dict(response.json())

    async def result(self, method: str, params: Any = None, **more: Any) -> dict[str, Any]:
        """Return the result; fail on an error."""
        answer = await self.post(method, params, **more)
        assert "error" not in answer, answer
        return dict(answer["result"])

    async def error(self, method: str, params: Any = None, **more: Any) -> dict[str, Any]:
        """Return the error; fail on a result."""
        answer = await self.post(method, params, **more)
        assert "result" not in answer, answer
        return dict(answer["error"])

    async def frames(self, method: str, params: Any = None, **more: Any) -> list[tuple[str | None, dict[str, Any]]]:
        """Return the ids and results of a whole stream."""
        response = await self.http.post("/", json=rpc(method, params), **more)
        assert response.headers["content-type"].startswith("text/event-stream"), response.text
        return list(read_frames(response.text))


def read_frames(text: str) -> Iterator[tuple[str | None, dict[str, Any]]]:
    """Yield (id, result) of each event in a stream's text; a JSON-RPC error as it is."""
    for block in text.replace("\r\n", "\n").split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line and not line.startswith(":"))
        if "data" in fields:
            answer = json.loads(fields["data"])
            yield fields.get("id"), answer.get("result", answer)
