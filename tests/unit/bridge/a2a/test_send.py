"""Sending: what becomes of a message, in each generation."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from headway.config import Config
from headway_bridge.a2a import DataPart, Message, NeedInput, Reply, TextPart
from tests.unit.bridge.a2a.fakes import HEADERS, FakeEngine, app_of
from tests.unit.bridge.a2a.wire import PLAN, QUICK, Client, Wire, rpc

BIG = 2**53 + 1


def results_of(task: dict[str, Any]) -> dict[str, Any]:
    """Return the ProposalResult in the final status message."""
    parts = [part["data"] for part in task["status"]["message"]["parts"] if "data" in part]
    assert len(parts) == 1
    return dict(parts[0])


def text_of(task: dict[str, Any]) -> str:
    return "".join(part.get("text", "") for part in task["status"]["message"]["parts"])


async def test_a_plan_runs_to_its_end(client: Client, wire: Wire) -> None:
    result = await client.result(wire.send, wire.params(wire.data(QUICK), contextId="thread"))
    task = wire.task(result)
    assert wire.state(task) == "completed"
    (artifact,) = task["artifacts"]
    assert (artifact["artifactId"], artifact["name"]) == ("action:a", "a")
    assert [part["data"] for part in artifact["parts"] if "data" in part] == [{"result": {"n": 3}}]
    assert results_of(task)["status"] == "completed"
    assert results_of(task)["results"][0]["output"] == {"n": 3}
    (message,) = task["history"]
    assert message["parts"][0]["data"] == QUICK
    assert message["messageId"]


async def test_the_context_is_the_thread(client: Client, wire: Wire, engine: FakeEngine) -> None:
    params = wire.params(wire.data(QUICK))
    if wire.send == "tasks/send":
        params["sessionId"] = "thread"
    else:
        params["message"]["contextId"] = "thread"
    task = wire.task(await client.result(wire.send, params))
    assert task["contextId"] == "thread"
    assert task.get("sessionId", "thread") == "thread"
    assert (await engine.run(task["metadata"]["job_id"])).job.context_id == "thread"


async def test_a_context_is_made_where_none_is_named(client: Client, wire: Wire, engine: FakeEngine) -> None:
    task = wire.task(await client.result(wire.send, wire.params(wire.data(QUICK))))
    assert len(task["contextId"]) == 32
    assert (await engine.run(task["metadata"]["job_id"])).job.context_id == task["contextId"]


async def test_tool_calls_are_one_plan_of_independent_actions(client: Client, wire: Wire, engine: FakeEngine) -> None:
    calls = [{"tool": "echo", "parameters": {"n": n}} for n in (1, 2)] + [{"tool": "echo"}]
    task = wire.task(await client.result(wire.send, wire.params(*map(wire.data, calls))))
    assert wire.state(task) == "completed"
    (proposal,) = engine.submitted
    assert [action.parameters for action in proposal.actions] == [{"n": 1}, {"n": 2}, {}]
    assert [a["parts"][0]["data"]["result"] for a in task["artifacts"]] == [{"n": 1}, {"n": 2}, {}]


async def test_integers_stay_what_they_are(client: Client, wire: Wire, engine: FakeEngine) -> None:
    seen: list[Any] = []

    async def keep(**parameters: Any) -> Any:
        seen.append(parameters)
        return {"same": parameters, "more": [3, BIG, 3.0]}

    engine.add("keep", keep)
    call = wire.data({"tool": "keep", "parameters": {"three": 3, "big": BIG, "float": 3.0}})
    request = rpc(wire.send, wire.params(call))
    response = await client.http.post("/", json=request)
    assert repr(seen) == repr([{"three": 3, "big": BIG, "float": 3.0}])
    assert f'"three":3,"big":{BIG},"float":3.0' in response.text
    assert f'"more":[3,{BIG},3.0]' in response.text
    task = wire.task(response.json()["result"])
    got = json.dumps(await client.result(wire.get, {"id": task["id"]}), separators=(",", ":"))
    assert got.count(f'"more":[3,{BIG},3.0]') == 2  # the artifact and the result
    stream = await client.http.post("/", json=rpc(wire.stream, wire.params(call, task_id="other")))
    assert f'"more":[3,{BIG},3.0]' in stream.text


async def test_a_failing_plan_keeps_its_error(client: Client, wire: Wire) -> None:
    plan = {
        "actions": [
            {"id": "a", "type": "tool_call", "tool": "boom"},
            {"id": "b", "type": "tool_call", "tool": "echo", "dependencies": ["a"]},
        ]
    }
    task = wire.task(await client.result(wire.send, wire.params(wire.data(plan))))
    assert wire.state(task) == "failed"
    (artifact,) = task["artifacts"]
    assert artifact["metadata"]["status"] == "failed"
    assert artifact["metadata"]["error"] == "it broke"
    assert [result["status"] for result in results_of(task)["results"]] == ["failed", "skipped"]


REFUSED: list[tuple[list[dict[str, Any]], str]] = [
    ([{"id": "a", "type": "tool_call", "tool": "nope"}], "tool 'nope' is not open to remote agents"),
    ([{"id": "a", "type": "tool_call", "tool": "echo"}] * 2, "duplicate"),
    (
        [
            {"id": "a", "type": "tool_call", "tool": "echo", "dependencies": ["b"]},
            {"id": "b", "type": "tool_call", "tool": "echo", "dependencies": ["a"]},
        ],
        "cycle",
    ),
    ([{"id": "a", "type": "tool_call", "tool": "write_file"}], "tool 'write_file' is not open to remote agents"),
    (
        [{"id": "a", "type": "tool_call", "tool": "echo", "compensation": {"tool": "write_file"}}],
        "tool 'write_file' is not open to remote agents",
    ),
]


@pytest.mark.parametrize(("actions", "problem"), REFUSED, ids=lambda value: value if isinstance(value, str) else "")
async def test_a_refused_plan_is_a_rejected_task(
    client: Client, wire: Wire, actions: list[dict[str, Any]], problem: str
) -> None:
    result = await client.result(wire.send, wire.params(wire.data({"actions": actions})))
    task = wire.task(result)
    assert wire.state(task) == ("failed" if wire.send == "tasks/send" else "rejected")
    assert problem in text_of(task)
    assert problem in results_of(task)["issues"][0]["message"]
    assert results_of(task)["outcome"] == "rejected"
    again = wire.task(await client.result(wire.get, {"id": task["id"]}))
    assert again["status"]["state"] == task["status"]["state"]
    assert results_of(again) == results_of(task)


BAD_PARTS: list[tuple[list[Any], str]] = [
    ([], "message.parts"),
    ([{"nothing": 1}], "message.parts[0].data"),
    ([{"actions": "x"}], "message.parts[0].data"),
    ([{"actions": [{"type": "no_such_type"}]}], "message.parts[0].data"),
    ([{"actions": []}, {"tool": "echo"}], "message.parts[0].data"),
    ([{"tool": "echo"}, {"actions": []}], "message.parts[1].data"),
    ([{"tool": 7}], "message.parts[0].data"),
    ([{"tool": "echo", "parameters": [1]}], "message.parts[0].data"),
    ([{"tool": "echo", "arguments": {}}], "message.parts[0].data"),
]


@pytest.mark.parametrize(("parts", "field"), BAD_PARTS)
async def test_what_is_no_proposal_makes_no_task(
    client: Client, wire: Wire, engine: FakeEngine, parts: list[Any], field: str
) -> None:
    error = await client.error(wire.send, wire.params(*map(wire.data, parts)))
    assert error["code"] == -32602
    assert field in error["message"]
    assert "\n" not in error["message"]
    assert engine.submitted == []
    assert engine.log.last_seq == 0


@pytest.mark.parametrize(
    "change",
    [{"message": None}, {"message": 7}, {"message": {}}, {"message": {"role": "agent", "parts": []}},
     {"configuration": 3}, {"metadata": []}],
)  # fmt: skip
async def test_malformed_params_are_named(client: Client, wire: Wire, change: dict[str, Any]) -> None:
    params = wire.params(wire.data(QUICK)) | change
    if wire.send == "tasks/send" and "configuration" in change:
        params["id"] = 3
    error = await client.error(wire.send, params)
    assert error["code"] == -32602


async def test_field_violations_are_typed_in_v1(client: Client) -> None:
    error = await client.error("SendMessage", {"message": {"role": "ROLE_USER", "parts": [{"text": "x"}]}})
    info, bad = error["data"]
    assert (info["reason"], info["domain"]) == ("INVALID_PARAMS", "a2a-protocol.org")
    assert bad["fieldViolations"] == [{"field": "message.messageId", "description": "is required"}]


async def test_files_and_push_are_refused_by_code(client: Client, wire: Wire) -> None:
    part = {"raw": "AAAA"} if wire.send == "SendMessage" else {"kind": "file", "file": {"bytes": "AAAA"}}
    assert (await client.error(wire.send, wire.params(part)))["code"] == -32005
    push = {"url": "http://localhost/x"}
    params = wire.params(wire.data(QUICK))
    if wire.send == "SendMessage":
        params["configuration"] = {"taskPushNotificationConfig": push}
    elif wire.send == "message/send":
        params["configuration"] = {"pushNotificationConfig": push}
    else:
        params["pushNotification"] = push
    assert (await client.error(wire.send, params))["code"] == -32003


@pytest.mark.parametrize(
    ("modes", "fits"), [([], True), (["text/*"], True), (["application/json"], True), (["image/png"], False)]
)
async def test_output_modes(client: Client, modes: list[str], fits: bool) -> None:
    wire = (await _wires())[0]
    params = wire.params(wire.data(QUICK)) | {"configuration": {"acceptedOutputModes": modes}}
    answer = await client.post("SendMessage", params)
    assert ("result" in answer) == fits
    if not fits:
        assert answer["error"]["code"] == -32005


async def _wires() -> list[Any]:
    from tests.unit.bridge.a2a.wire import WIRES

    return WIRES


async def test_a_send_that_does_not_block(client: Client, engine: FakeEngine) -> None:
    wires = (await _wires())[:2]
    for wire, option in zip(wires, ({"returnImmediately": True}, {"blocking": False}), strict=True):
        params = wire.params(wire.data(PLAN)) | {"configuration": option}
        task = wire.task(await client.result(wire.send, params))
        assert wire.state(task) in ("submitted", "working")
        assert "message" not in task["status"]
    engine.gate.set()


@pytest.mark.parametrize(("length", "kept"), [(None, 1), (0, 0), (1, 1), (5, 1)])
async def test_history_length(client: Client, wire: Wire, length: int | None, kept: int) -> None:
    params = wire.params(wire.data(QUICK))
    if wire.send == "tasks/send":
        params["historyLength"] = length
    else:
        params["configuration"] = {"historyLength": length}
    task = wire.task(await client.result(wire.send, params))
    assert len(task.get("history", [])) == kept
    got = wire.task(await client.result(wire.get, {"id": task["id"], "historyLength": length}))
    assert len(got.get("history", [])) == kept
    assert (await client.error(wire.get, {"id": task["id"], "historyLength": -1}))["code"] == -32602


async def test_a_large_message_is_kept_shortened(client: Client, wire: Wire, engine: FakeEngine) -> None:
    call = {"tool": "echo", "parameters": {"text": "x" * 100_000}}
    task = wire.task(await client.result(wire.send, wire.params(wire.data(call), wire.text("y" * 100_000))))
    data, text = task["history"][0]["parts"]
    assert data["data"]["omitted"] == "data"
    assert len(text["text"]) < 20_000
    assert len(task["artifacts"][0]["parts"][0]["data"]["result"]["text"]) == 100_000


async def test_text_without_workflows_is_rejected(client: Client, wire: Wire) -> None:
    task = wire.task(await client.result(wire.send, wire.params(wire.text("do something"))))
    assert wire.state(task) == ("failed" if wire.send == "tasks/send" else "rejected")
    assert "no workflows for remote agents" in text_of(task)


async def test_text_that_names_a_workflow_runs_it(wire: Wire, tmp_path: Path) -> None:
    (tmp_path / "audit.json").write_text(json.dumps(QUICK))
    (tmp_path / "hidden.json").write_text(json.dumps(QUICK))
    (tmp_path / "writes.json").write_text(json.dumps({"actions": [{"type": "tool_call", "tool": "write_file"}]}))
    flows = {name: {"plan": str(tmp_path / f"{name}.json")} for name in ("audit", "writes", "gone", "hidden")}
    named = {"workflows": ["audit", "writes", "gone"]}
    engine = FakeEngine(Config.model_validate({"workflows": flows, "a2a": named}))
    async with on(engine) as client:
        for name in ("audit", "writes"):  # which uses a tool that is not named itself
            task = wire.task(await client.result(wire.send, wire.params(wire.text(f" {name}\n"), task_id=name)))
            assert wire.state(task) == "completed"
            assert task["metadata"]["title"] == name
        for text, why in (("Audit", "audit, gone, writes"), ("gone", "cannot be read"), ("hidden", "audit, gone, w")):
            task = wire.task(await client.result(wire.send, wire.params(wire.text(text), task_id=text)))
            assert wire.state(task) in ("failed", "rejected")
            assert why in text_of(task)
            assert "hidden" not in text_of(task)
            assert str(tmp_path) not in json.dumps(task)
        params = wire.params(wire.data({"tool": "write_file"}), task_id="direct")
        task = wire.task(await client.result(wire.send, params))
        assert "not open to remote agents" in text_of(task)


def on(engine: FakeEngine, **options: Any) -> Any:
    class _Client:
        async def __aenter__(self) -> Client:
            transport = httpx.ASGITransport(app_of(engine, **options))
            self.http = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8420", headers=HEADERS)
            return Client(self.http)

        async def __aexit__(self, *_error: object) -> None:
            await self.http.aclose()
            await engine.close()

    return _Client()


class Talker:
    """An interpreter that talks."""

    async def interpret(self, message: Message) -> Any:
        if message.text == "?":
            return NeedInput("what?")
        if message.text == "!":
            raise RuntimeError("secret path /etc/shadow")
        return Reply([TextPart("hello"), DataPart({"n": BIG})])


async def test_an_interpreter_may_answer_without_a_task(wire: Wire) -> None:
    engine = FakeEngine()
    async with on(engine, interpreter=Talker()) as client:
        reply = await client.result(wire.send, wire.params(wire.text("hi"), contextId="t"))
        ask = await client.result(wire.send, wire.params(wire.text("?")))
        frames = await client.frames(wire.stream, wire.params(wire.text("hi")))
        failed = await client.post(wire.send, wire.params(wire.text("!")))
    assert str(BIG) in json.dumps(reply)
    assert len(frames) == 1
    assert "secret" not in json.dumps(failed)
    assert failed["error"]["code"] == -32603
    if wire.send == "tasks/send":
        assert (wire.state(reply), wire.state(ask)) == ("completed", "input-required")
        assert frames[0][1]["final"] is True
    else:
        message = reply.get("message", reply)
        assert message["role"] in ("agent", "ROLE_AGENT")
        assert message["contextId"] == "t"
        assert ask.get("message", ask)["metadata"] == {"input_required": True}
    assert engine.log.last_seq == 0


async def test_named_tools_alone_are_reachable(wire: Wire) -> None:
    engine = FakeEngine(Config.model_validate({"a2a": {"tools": ["write_file"]}}))
    async with on(engine) as client:
        states = []
        for tool in ("write_file", "echo"):
            params = wire.params(wire.data({"tool": tool}), task_id=tool)
            states.append(wire.state(wire.task(await client.result(wire.send, params))))
    assert states[0] == "completed"
    assert states[1] in ("rejected", "failed")


async def test_tools_that_ask_or_are_denied_are_out_of_reach(client: Client, wire: Wire, engine: FakeEngine) -> None:
    for permission in ("ask", "deny"):
        engine.add(permission, engine._slow, permission=permission)
        params = wire.params(wire.data({"tool": permission}), task_id=permission)
        task = wire.task(await client.result(wire.send, params))
        assert "not open to remote agents" in text_of(task)


async def test_a_message_to_an_ended_task_is_refused(client: Client) -> None:
    for wire in (await _wires())[:2]:
        task = wire.task(await client.result(wire.send, wire.params(wire.data(QUICK))))
        follow_up = wire.params(wire.data(QUICK), taskId=task["id"])
        assert (await client.error(wire.send, follow_up))["code"] == -32004
        follow_up["message"]["contextId"] = "another"
        assert (await client.error(wire.send, follow_up))["code"] == -32602
        unknown = wire.params(wire.data(QUICK), taskId="f" * 12)
        assert (await client.error(wire.send, unknown))["code"] == -32001


async def test_the_scopes_of_jobs_are_out_of_reach(client: Client, wire: Wire) -> None:
    params = wire.params(wire.data(QUICK), contextId="job:0123456789ab")
    assert (await client.error(wire.send, params))["code"] == -32602


async def test_a_v01_id_is_used_once(client: Client, engine: FakeEngine) -> None:
    wire = (await _wires())[2]
    params = wire.params(wire.data(PLAN), task_id="mine")
    first = asyncio.create_task(client.result("tasks/send", params))
    await engine.started.wait()
    assert (await client.error("tasks/send", params))["code"] == -32004
    engine.gate.set()
    task = await first
    assert task["id"] == "mine"
    assert (await client.error("tasks/send", params))["code"] == -32004
    job_id = task["metadata"]["job_id"]
    assert (await client.error("tasks/send", wire.params(wire.data(QUICK), task_id=job_id)))["code"] == -32004
    assert (await client.result("tasks/get", {"id": job_id}))["id"] == "mine"


async def test_v01_ids_of_two_at_once(client: Client, engine: FakeEngine) -> None:
    wire = (await _wires())[2]
    params = wire.params(wire.data(QUICK), task_id="x" * 256)
    answers = await asyncio.gather(*(client.post("tasks/send", params) for _ in range(5)))
    assert sum("result" in answer for answer in answers) == 1
    assert len(engine.submitted) == 1
    assert (await client.error("tasks/send", wire.params(wire.data(QUICK), task_id="x" * 257)))["code"] == -32602


async def test_notifications_get_no_answer(client: Client, wire: Wire, engine: FakeEngine) -> None:
    request = rpc(wire.send, wire.params(wire.data(PLAN)))
    del request["id"]
    response = await client.http.post("/", json=request)
    assert (response.status_code, response.content) == (202, b"")
    assert len(engine.submitted) == 1
    request["params"] = {}
    response = await client.http.post("/", json=request)
    assert (response.status_code, response.content) == (202, b"")
    engine.gate.set()
