"""The endpoint as HTTP sees it: errors, types, sizes, the card."""

from __future__ import annotations

import json
import logging
from typing import Any

import httpx
import pytest
from a2a.client.card_resolver import parse_agent_card
from a2a.compat.v0_3 import types as v03

from headway.config import Config
from headway.errors import LogFull, StoreError, Unavailable
from tests.unit.bridge.a2a.fakes import FakeEngine
from tests.unit.bridge.a2a.test_send import on
from tests.unit.bridge.a2a.wire import QUICK, WIRES, Client, Wire, rpc

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("body", "code", "request_id"),
    [
        (b"{", -32700, None),
        (b"", -32700, None),
        (b"[]", -32600, None),
        (b'[{"jsonrpc":"2.0","id":1,"method":"GetTask"}]', -32600, None),
        (b'{"jsonrpc":"1.0","id":5,"method":"GetTask"}', -32600, 5),
        (b'{"jsonrpc":"2.0","id":"x","method":"Nope"}', -32601, "x"),
        (b'{"jsonrpc":"2.0","id":"x","method":"GetTask","params":[]}', -32602, "x"),
        (b"[" * 70, -32600, None),
    ],
)
async def test_what_is_not_a_request(client: Client, body: bytes, code: int, request_id: Any) -> None:
    response = await client.http.post("/", content=body, headers=JSON)
    assert response.status_code == 200
    answer = response.json()
    assert (answer["jsonrpc"], answer["id"], answer["error"]["code"]) == ("2.0", request_id, code)
    assert "\n" not in answer["error"]["message"]


async def test_typed_details_are_for_v1(client: Client) -> None:
    new = await client.error("GetTask", {"id": "f" * 12})
    assert new["data"][0]["@type"] == "type.googleapis.com/google.rpc.ErrorInfo"
    assert new["data"][0]["reason"] == "TASK_NOT_FOUND"
    old = await client.error("tasks/get", {"id": "f" * 12})
    assert not isinstance(old.get("data"), list)


async def test_safety_speaks_json_rpc(client: Client) -> None:
    big = b'{"x":"' + b"x" * (10 * 1024 * 1024) + b'"}'
    for status, code, options in (
        (421, -32600, {"headers": {**JSON, "Host": "evil.example"}, "content": b"{}"}),
        (403, -32600, {"headers": {**JSON, "Origin": "http://evil.example"}, "content": b"{}"}),
        (415, -32005, {"headers": {"Content-Type": "text/plain"}, "content": b"{}"}),
        (413, -32600, {"headers": JSON, "content": big}),
    ):
        response = await client.http.post("/", **options)
        assert response.status_code == status
        answer = response.json()
        assert answer["error"]["code"] == code
        assert answer["id"] is None


async def test_a_plan_of_many_megabytes_is_decoded_aside(client: Client, wire: Wire) -> None:
    call = {"tool": "echo", "parameters": {"text": "x" * 3_000_000, "n": 2**53 + 1}}
    task = wire.task(await client.result(wire.send, wire.params(wire.data(call))))
    assert task["artifacts"][0]["parts"][0]["data"]["result"]["n"] == 2**53 + 1


async def test_aliases_of_older_clients(client: Client) -> None:
    wire = WIRES[2]
    request = rpc("tasks/send", wire.params(wire.data(QUICK)))
    assert (await client.http.post("/tasks/send", json=request)).json()["result"]["id"] == "mine"
    assert (await client.http.post("/tasks/get", json=rpc("tasks/get", {"id": "mine"}))).json()["result"][
        "id"
    ] == "mine"


async def test_other_verbs_and_places(client: Client) -> None:
    assert (await client.http.get("/")).status_code == 405
    assert (await client.http.get("/nowhere")).status_code == 404


@pytest.mark.parametrize(
    ("failure", "text"),
    [
        (RuntimeError("secret /home/x"), "internal error"),
        (StoreError("secret /home/x"), "internal error"),
        (LogFull("secret /home/x"), "the store takes no new work"),
        (Unavailable("secret"), "no new work is taken now"),
    ],
)
async def test_internal_texts_stay_inside(
    client: Client, wire: Wire, engine: FakeEngine, failure: Exception, text: str,
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    async def fail(*_args: Any, **_more: Any) -> Any:
        raise failure

    monkeypatch.setattr(engine, "submit", fail)
    with caplog.at_level(logging.WARNING, "headway.a2a"):
        error = await client.error(wire.send, wire.params(wire.data(QUICK)))
    assert (error["code"], error["message"]) == (-32603, text)
    assert "secret" not in json.dumps(error)
    assert caplog.records


@pytest.mark.parametrize("path", ["/.well-known/agent-card.json", "/.well-known/agent.json"])
async def test_the_card_is_read_by_every_generation(client: Client, path: str) -> None:
    response = await client.http.get(path)
    body = response.json()
    card = parse_agent_card(json.loads(response.text))
    assert [(i.url, i.protocol_binding, i.protocol_version) for i in card.supported_interfaces] == [
        ("http://127.0.0.1:8420/", "JSONRPC", "1.0"), ("http://127.0.0.1:8420/", "JSONRPC", "0.3"),
    ]  # fmt: skip
    assert card.capabilities.streaming
    assert not card.capabilities.push_notifications
    old = v03.AgentCard.model_validate(body)
    assert old.url == "http://127.0.0.1:8420/"
    assert old.preferred_transport == "JSONRPC"
    assert {"name", "url", "version", "capabilities", "skills"} <= body.keys()
    assert [skill["id"] for skill in body["skills"]] == ["boom", "echo", "slow"]
    again = await client.http.get(path, headers={"If-None-Match": response.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_the_card_says_what_the_configuration_says() -> None:
    config = Config.model_validate(
        {
            "a2a": {
                "tools": ["write_file", "nope"],
                "workflows": ["audit"],
                "name": "Audit",
                "description": "Audits.",
                "public_url": "https://a.example/x",
            },
            "workflows": {"audit": {"plan": "audit.json", "description": "Audits a folder."}, "b": {"plan": "b.json"}},
        }
    )
    async with on(FakeEngine(config)) as client:
        body = (await client.http.get("/.well-known/agent-card.json", headers={"Host": "a.example"})).json()
    assert (body["name"], body["description"], body["url"]) == ("Audit", "Audits.", "https://a.example/x")
    assert [(skill["id"], skill["tags"]) for skill in body["skills"]] == [
        ("write_file", ["tool"]), ("workflow:audit", ["workflow"]),
    ]  # fmt: skip
    assert body["skills"][1]["description"] == "Audits a folder."


async def test_a_foreign_host_does_not_get_the_card(client: Client) -> None:
    response = await client.http.get("/.well-known/agent-card.json", headers={"Host": "evil.example"})
    assert response.status_code == 421
    assert isinstance(client.http, httpx.AsyncClient)
