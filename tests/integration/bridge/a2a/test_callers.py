"""Callers: what is one's own is nobody else's, whatever ids are sent; and what nobody opened is out of reach."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from headway.client.token import TokenFile
from headway.config import Config
from headway.engine import Engine
from headway.errors import InvalidInput
from headway.events import kinds
from headway.home import Home
from headway.jobs.replan import ReplanConfig
from headway.jobs.scope import scope_name
from headway.jobs.submission import Submission
from headway.plan.parse import parse_proposal
from headway_bridge.a2a.origin import Origin
from headway_bridge.auth import Caller
from tests.integration.bridge.a2a.served import OPEN, TIMEOUT, Served, serving
from tests.unit.bridge.a2a.fakes import Known
from tests.unit.bridge.a2a.test_send import results_of, text_of
from tests.unit.bridge.a2a.wire import PLAN, QUICK, WIRES, Client, Wire

FIXTURES = Path(__file__).parents[3] / "fixtures"

CALLERS = {
    "ann": Caller("ann"),
    "bob": Caller("bob"),
    "acme": Caller("ann", "acme"),
    "odd": Caller("an", "n/ann"),
}


def read(key: str) -> Any:
    """A plan that reads a key of the state."""
    return {"actions": [{"id": "r", "type": "state_read", "parameters": {"key": key}}]}


def write(key: str, value: Any) -> Any:
    """A plan that writes a key of the state."""
    return {"actions": [{"id": "w", "type": "state_write", "parameters": {"key": key, "value": value}}]}


@contextlib.asynccontextmanager
async def clients(served: Served) -> AsyncIterator[dict[str, Client]]:
    """Yield a client for each of the callers."""
    async with contextlib.AsyncExitStack() as stack:
        made = {}
        for name in CALLERS:
            headers = {"Authorization": f"Bearer {name}"}
            http = httpx.AsyncClient(base_url=served.url, timeout=TIMEOUT, headers=headers)
            made[name] = Client(await stack.enter_async_context(http))
        yield made


@pytest.fixture
async def shared(tmp_path: Path) -> AsyncIterator[tuple[Served, dict[str, Client]]]:
    async with serving(tmp_path / "home", authenticator=Known(**CALLERS)) as served, clients(served) as made:
        yield served, made


async def run(client: Client, wire: Wire, plan: Any, context: str | None = None, task_id: str = "mine") -> Any:
    """Run a plan in a context and return its task."""
    params = wire.params(wire.data(plan), task_id=task_id)
    if context is not None:
        (params if wire.send == "tasks/send" else params["message"])[
            "sessionId" if wire.send == "tasks/send" else "contextId"
        ] = context
    return wire.task(await client.result(wire.send, params))


def output(task: Any) -> Any:
    (result,) = results_of(task)["results"]
    return result.get("output")


async def test_a_context_is_its_callers_alone(shared: tuple[Served, dict[str, Client]], wire: Wire) -> None:
    served, made = shared
    operators = Submission(parse_proposal(write("secret", "the operator's")), context_id="ops")
    await served.engine.wait((await served.engine.submit(operators)).job_id)
    for number, (name, client) in enumerate(made.items()):
        seen = output(await run(client, wire, read("secret"), "ops", f"r{number}"))
        assert seen is None, f"{name} reads what somebody else wrote: {seen}"
        await run(client, wire, write("secret", name), "ops", f"w{number}")
    for number, (name, client) in enumerate(made.items()):
        assert output(await run(client, wire, read("secret"), "ops", f"a{number}")) == name
    assert await served.engine.reader.scope_state("ops") == {"secret": "the operator's"}


ODD = ["caller//ann/ops", "caller/acme/ann/ops", "ops/", "/ops", "%2F", "#x", "../ops", "ops%2F", "n/ann/ops", " ops"]


async def test_no_context_is_written_like_anothers(shared: tuple[Served, dict[str, Client]]) -> None:
    served, made = shared
    wire = WIRES[0]
    for name, client in made.items():
        for context in ["ops", *ODD]:
            assert output(await run(client, wire, read("k"), context)) is None, (name, context)
            await run(client, wire, write("k", 1), context)
    rows = await served.engine.jobs(limit=1000)
    assert len({row.scope for row in rows}) == len(made) * (1 + len(ODD))
    with pytest.raises(InvalidInput, match="does not start with 'caller/'"):
        await served.engine.submit(Submission(parse_proposal(read("k")), context_id="caller//ann/ops"))


def test_scope_names_are_told_apart() -> None:
    texts = ["", "a", "/", "%", "#", "a/b", "a%2Fb", "%2F", "x" * 300, "x" * 301, "#" + "0" * 64, "é", "\ud800"]
    names = {scope_name(c, p, t) for c in texts for p in texts for t in texts if p or t}
    assert len(names) == len(texts) * (len(texts) ** 2 - 1)
    assert all(len(name) <= 1024 for name in names)
    assert scope_name("ops") == scope_name("ops", "", "") == scope_name("ops", None) == "ops"


async def test_a_foreign_task_is_an_unknown_task(shared: tuple[Served, dict[str, Client]], wire: Wire) -> None:
    served, made = shared
    send = asyncio.create_task(run(made["ann"], wire, PLAN, "ops"))
    await served.started.wait()
    job_id = await served.newest_job()
    known_as = "mine" if wire.send == "tasks/send" else job_id
    unknown = await made["bob"].error(wire.get, {"id": "f" * 12})
    for stranger in ("bob", "acme", "odd"):
        for task_id in {known_as, job_id}:
            for method in (wire.get, wire.cancel, wire.subscribe):
                error = await made[stranger].error(method, {"id": task_id})
                expected = {**unknown, "message": unknown["message"].replace("f" * 12, task_id)}
                assert (error["code"], error["message"]) == (expected["code"], expected["message"])
        if wire.send != "tasks/send":
            follow_up = wire.params(wire.data(QUICK), taskId=job_id)
            assert (await made[stranger].error(wire.send, follow_up))["code"] == -32001
    assert wire.state(wire.task(await made["ann"].result(wire.get, {"id": known_as}))) == "working"
    served.gate.set()
    assert wire.state(await send) == "completed"
    if wire.send == "tasks/send":  # the same id of the client's own, and a task of its own
        assert wire.state(await run(made["bob"], wire, QUICK)) == "completed"


async def test_jobs_say_whose_they_are(shared: tuple[Served, dict[str, Client]]) -> None:
    served, made = shared
    task = await run(made["acme"], WIRES[0], QUICK)
    (created,) = await served.engine.reader.events(kinds=[kinds.JOB_CREATED], job_id=task["id"])
    assert (created.tenant, created.data["principal"]) == ("acme", "ann")
    assert created.data["reach"] == sorted(OPEN["tools"])
    assert (await served.engine.row(task["id"])).principal == "ann"


NESTED = [
    {"actions": [{"id": "a", "type": "tool_call", "tool": "read_file", "parameters": {"path": "secret"}}]},
    {"actions": [{"id": "a", "type": "tool_call", "tool": "echo", "compensation": {"tool": "read_file"}}]},
    {
        "actions": [
            {"id": "a", "type": "tool_call", "tool": "echo"},
            {
                "id": "b",
                "type": "tool_call",
                "tool": "read_file",
                "dependencies": ["a"],
                "parameters": {"path": "secret"},
            },
        ]
    },
    {"actions": [{"id": "a", "type": "tool_call", "tool": "no_such_tool"}]},
    {"actions": [{"id": "a", "type": "tool_call", "tool": "READ_FILE", "parameters": {"path": "secret"}}]},
    {"actions": [{"id": "a", "type": "tool_call", "tool": "read_file ", "parameters": {"path": "secret"}}]},
]


@pytest.mark.parametrize("plan", NESTED)
async def test_what_is_not_named_is_out_of_reach(served: Served, wire: Wire, tmp_path: Path, plan: Any) -> None:
    (tmp_path / "secret").write_text("the 0600 file of root")
    task = await run(served.client, wire, plan)
    assert wire.state(task) in ("rejected", "failed")
    (issue,) = results_of(task)["issues"]
    assert issue["message"].endswith("is not open to remote agents (see tools under [a2a] in headway.toml)")
    assert "0600 file" not in json.dumps(task)
    assert (await served.engine.jobs(limit=1))[0].outcome == "rejected"


async def test_a_replan_does_not_reach_further(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("the 0600 file of root")
    async with serving(tmp_path / "home") as served:

        async def replan(_context: Any) -> Any:
            return NESTED[0]

        served.engine.with_replan(replan, ReplanConfig(max_replans=1))
        failing = {"actions": [{"id": "a", "type": "tool_call", "tool": "boom"}]}
        task = await run(served.client, WIRES[0], failing)
        job = await served.engine.successor(task["id"])
        rows = await served.engine.jobs()
        assert job is None or (await served.engine.wait(job)).job.outcome == "rejected"
        assert [row.outcome for row in rows] in (["rejected", "aborted"], ["aborted"])
        assert not any("0600" in json.dumps(e.data) for e in await served.engine.reader.events())


async def test_a_workflow_uses_what_is_not_named(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("meant for all")
    (tmp_path / "show.json").write_text(json.dumps(NESTED[0]))
    flows = {name: {"plan": str(tmp_path / "show.json")} for name in ("show", "hidden")}
    made = {"tools": {"workspace": str(tmp_path)}, "workflows": flows, "a2a": {"workflows": ["show"]}}
    async with serving(tmp_path / "home", Config.model_validate(made)) as served:
        task = await served.client.result("SendMessage", WIRES[0].params(WIRES[0].text("show")))
        assert "meant for all" in json.dumps(task)
        task = (await served.client.result("SendMessage", WIRES[0].params(WIRES[0].text("hidden"))))["task"]
        assert "hidden" not in text_of(task)
        card = (await served.http.get("/.well-known/agent-card.json")).json()
        assert [skill["id"] for skill in card["skills"]] == ["workflow:show"]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
async def test_another_user_of_the_machine_is_nobody(served: Served, tmp_path: Path) -> None:
    """In a child that has become somebody else: it reads no token, and without one it is told nothing."""
    (tmp_path / "secret").write_text("the 0600 file of root")
    message = {"message": WIRES[0].message({"data": NESTED[0]})}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": message}).encode()
    token_file = TokenFile(served.engine.home).path
    told = await asyncio.to_thread(as_nobody, served.url, body, token_file)
    assert told == b'401 Bearer realm="headway"'
    assert await served.engine.jobs() == []


def as_nobody(url: str, body: bytes, token_file: Path) -> bytes:
    """Try both doors as another user and return what was found."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            try:
                found = b"the token: " + token_file.read_bytes()
            except PermissionError:
                found = knock(url, body)
            os.write(theirs, found)
        finally:
            os._exit(0)
    os.close(theirs)
    with os.fdopen(ours, "rb") as pipe:
        found = pipe.read()
    os.waitpid(pid, 0)
    return found


def knock(url: str, body: bytes) -> bytes:
    """Post without a token, by a socket and nothing else: in a child of a program with threads."""
    host, port = url.removeprefix("http://").split(":")
    head = f"POST / HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(head.encode() + body)
        answer = connection.recv(65536).decode()
    challenge = next(line for line in answer.split("\r\n") if line.lower().startswith("www-authenticate: "))
    return f"{answer.split(' ')[1]} {challenge.split(': ', 1)[1]}".encode()


# -- homes from before there was a token ---------------------------------------------------------------------------


async def old_home(home: Home, *also: Submission) -> None:
    """Write what an earlier version left: tasks whose callers had no name, in scopes named like their contexts."""
    async with await Engine.open(
        home, Config.model_validate({"tools": {"workspace": str(home.path.parent)}})
    ) as engine:
        origin = Origin("1.0", "ops").to_dict()
        plan = parse_proposal(write("kept", "by the agent"))
        for submission in (Submission(plan, context_id="ops", principal="", origin=origin, source="a2a"), *also):
            await engine.wait((await engine.submit(submission)).job_id)


async def test_an_old_context_is_that_of_who_has_the_token(tmp_path: Path, wire: Wire) -> None:
    home = Home(tmp_path / "home")
    await old_home(home)
    async with serving(home.path) as served:
        (old,) = await served.engine.jobs()
        got = wire.task(await served.client.result(wire.get, {"id": old.job_id}))
        assert wire.state(got) == "completed"
        assert output(await run(served.client, wire, read("kept"), "ops", "r1")) == "by the agent"
        await run(served.client, wire, write("kept", "since"), "ops", "w1")
        assert output(await run(served.client, wire, read("kept"), "ops", "r2")) == "since"
        assert await served.engine.reader.scope_state("ops") == {"kept": "by the agent"}
    async with serving(home.path) as served:  # once is enough
        assert output(await run(served.client, wire, read("kept"), "ops", "r3")) == "since"
        moved = [e for e in await served.engine.reader.events() if e.kind == kinds.STATE_COMMITTED]
        assert [e.data["moved_from"] for e in moved] == ["ops"]


async def test_an_old_context_is_nobody_elses(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    await old_home(home)
    async with serving(home.path, authenticator=Known(**CALLERS)) as served, clients(served) as made:
        (old,) = await served.engine.jobs()
        for client in made.values():
            assert (await client.error("GetTask", {"id": old.job_id}))["code"] == -32001
            assert output(await run(client, WIRES[0], read("kept"), "ops")) is None


async def test_an_old_context_that_an_operator_shared_is_the_operators(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    await old_home(home, Submission(parse_proposal(write("secret", "the operator's")), context_id="ops", source="cli"))
    async with serving(home.path) as served:
        for key in ("secret", "kept"):
            assert output(await run(served.client, WIRES[0], read(key), "ops")) is None


async def test_an_old_context_moves_when_its_tasks_have_ended(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    await old_home(home)
    async with serving(home.path) as served:
        origin = Origin("1.0", "ops").to_dict()
        job = await served.engine.submit(Submission(parse_proposal(PLAN), context_id="ops", origin=origin))
        await served.started.wait()
        params = WIRES[0].params(WIRES[0].data(read("kept")), contextId="ops")
        error = await served.client.error("SendMessage", params)
        assert (error["code"], "still works in this context" in error["message"]) == (-32004, True)
        served.gate.set()
        await served.engine.wait(job.job_id)
        assert output(await run(served.client, WIRES[0], read("kept"), "ops")) == "by the agent"


async def test_a_home_of_the_earlier_version(tmp_path: Path) -> None:
    """What that version left itself: see ``tests/fixtures/agents.py``."""
    home = Home(tmp_path / "home")
    home.prepare()
    with tarfile.open(FIXTURES / "agents.tar.xz") as packed:
        packed.extractall(home.path, filter="data")
    v1, v01 = WIRES[0], WIRES[2]
    async with serving(home.path) as served:
        rows = {row.context_id: row for row in reversed(await served.engine.jobs())}
        got = await served.client.result("GetTask", {"id": rows["ops"].job_id})
        assert got["status"]["state"] == "TASK_STATE_COMPLETED"
        assert (await served.client.result("tasks/get", {"id": "my-task"}))["sessionId"] == "chat"
        taken = v01.params(v01.data(QUICK), task_id="my-task")
        assert (await served.client.error("tasks/send", taken))["code"] == -32004
        assert output(await run(served.client, v1, read("kept"), "ops")) == "by the agent"
        assert output(await run(served.client, v01, read("said"), "chat", "next")) == "hello"
        for key in ("kept", "secret"):
            assert output(await run(served.client, v1, read(key), "shared")) is None
        state = await served.engine.reader.scope_state("shared")
        assert state == {"kept": "by the agent", "secret": "the operator's"}
    async with serving(home.path, authenticator=Known(**CALLERS)) as served, clients(served) as made:
        for client in made.values():
            assert (await client.error("tasks/get", {"id": "my-task"}))["code"] == -32001
            assert output(await run(client, v1, read("kept"), "ops")) is None
