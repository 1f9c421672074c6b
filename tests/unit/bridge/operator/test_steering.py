"""Jobs that are paused, resumed, retried, forked, asked about by a filter: by the operator API and the command line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import headway
from headway.client import OperatorClient
from headway.config import Config
from headway.engine import Engine
from headway.errors import Conflict, InvalidInput, InvalidTransition, NotFound
from headway.events import kinds
from headway.home import Home
from headway_bridge.operator import operator_app
from headway_console.cli import main
from tests.unit.bridge.operator.conftest import listening
from tests.unit.execution.kit import Gate, call, write


class Place:
    """An engine behind the socket of its home."""

    def __init__(self, engine: Engine, gate: Gate, client: OperatorClient) -> None:
        self.engine = engine
        self.gate = gate
        self.client = client
        self.failing = True

    async def run(self, *words: str) -> int:
        """Run ``headway jobs`` on the home, beside the loop; return its exit code."""
        return await asyncio.to_thread(main, ["jobs", *words, "--home", str(self.engine.home.path)])

    async def commands(self) -> list[dict[str, Any]]:
        return [event.data for event in await self.engine.log.read(kinds=[kinds.OPERATOR_ACTION])]


@pytest.fixture
async def place(home: Home) -> AsyncIterator[Place]:
    gate = Gate()

    @headway.tool(name="gate")
    async def gated(name: str = "") -> str:
        return await gate(name)

    @headway.tool
    async def fails() -> str:
        if made.failing:
            raise RuntimeError("bad")
        return "good"

    async with await Engine.open(home, Config(), tools=[gated, fails]) as engine:
        app = operator_app(engine, on_stop=lambda now: None, url="http://127.0.0.1:1", started_ms=5)
        async with listening(home, app), OperatorClient(home, actor="tester") as client:
            made = Place(engine, gate, client)
            yield made
            gate.open.set()


async def test_a_job_is_paused_and_resumed(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    plan = {"actions": [call("g", "gate"), write("w", "k", 1, dependencies=["g"])]}
    row = await place.client.submit(plan)
    await place.gate.started.get()
    assert await place.client.pause(row.job_id, "lunch") == "requested"
    place.gate.open.set()
    async for batch in place.client.follow(job_id=row.job_id):
        if any(event.kind == kinds.RUN_PAUSED for event in batch):
            break
    with pytest.raises(InvalidTransition):
        await place.client.pause(row.job_id)
    assert await place.run("resume", row.job_id) == 0
    assert capsys.readouterr().out == f"{row.job_id}: queued\n"
    assert (await place.engine.wait(row.job_id)).job.status == "completed"
    with pytest.raises(InvalidTransition):
        await place.client.resume(row.job_id)
    page = await place.client.history(row.job_id, limit=2)
    assert [event.kind for event in page.events] == [kinds.JOB_CREATED, kinds.JOB_STARTED]
    rest = await place.client.history(row.job_id, page.next_after or 0, 1000)
    assert rest.next_after is None
    assert rest.events[-1].kind == kinds.JOB_COMPLETED
    assert [(data["who"], data["what"]) for data in await place.commands()][1:] == [
        ("tester", "pause"),
        ("cli", "resume"),
    ]


async def test_what_failed_is_retried_and_forked(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    row = await place.client.submit({"actions": [write("w", "k", 1), call("f", "fails", dependencies=["w"])]})
    assert (await place.engine.wait(row.job_id)).job.status == "failed"
    place.failing = False
    again = await place.client.retry(row.job_id)
    assert (await place.engine.wait(again.job_id)).job.status == "completed"
    assert await place.run("fork", row.job_id, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (await place.engine.wait(said["into"])).job.forked_from == row.job_id
    with pytest.raises(Conflict):
        await place.client.retry(again.job_id)
    with pytest.raises(NotFound):
        await place.client.fork_from_failure("nope")


async def test_command_line_and_api_give_one_report(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    jobs = place.engine.manager
    rows = [await jobs.enqueue_job(f"part {n}") for n in range(6)]
    claimed = [rows[0].job_id, rows[1].job_id]
    for job_id in claimed:
        await jobs.set_job_running(job_id)
    where = "title:part work:external"

    assert await place.run("pause", "--where", where, "--json") == 0
    looked = json.loads(capsys.readouterr().out)
    report = await place.client.bulk("pause", where)
    assert (looked["done"], [item["job_id"] for item in looked["items"]]) == (False, [row.job_id for row in rows])
    assert [item["verdict"] for item in looked["items"]] == [item.verdict for item in report.items] == ["matches"] * 6

    assert await place.run("pause", "--where", where, "--yes", "--json") == 1  # two refuse
    done = json.loads(capsys.readouterr().out)
    for job_id in [row.job_id for row in rows[2:]]:
        await jobs.resume_job(job_id)
    report = await place.client.bulk("pause", where, dry_run=False)
    mine = [(item["job_id"], item["verdict"], item.get("message", "")) for item in done["items"]]
    assert mine == [(item.job_id, item.verdict, item.message) for item in report.items]
    assert report.counts() == {"refused": 2, "paused": 4}

    assert await place.run("resume", "--where", "waiting:resume") == 0  # nobody is there to ask
    shown = capsys.readouterr()
    assert "nothing is done: --yes does it" in shown.err
    assert shown.out.count("matches") == 4
    assert await place.run("cancel", "--where", "waiting:resume", "--yes") == 0
    assert capsys.readouterr().out.endswith("4 forced\n")
    audited = [data for data in await place.commands() if data["what"].startswith("bulk")]
    assert [data["what"] for data in audited] == ["bulk pause", "bulk pause", "bulk cancel"]
    assert audited[-1]["detail"]["answer"] == {"forced": 4}

    assert await place.run("ls", "--where", "status:running title:part", "--json") == 0
    listed = json.loads(capsys.readouterr().out)
    found = await place.client.jobs(where="title:part", status="running")
    assert [row["job_id"] for row in listed] == [row.job_id for row in found] == claimed[::-1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["cancel"], "Give either a job or --where FILTER"),
        (["cancel", "a", "--where", "*"], "Give either a job or --where FILTER"),
        (["pause", "a", "--yes"], "--yes goes with --where"),
        (["kill", "--where", "stauts:running", "--yes"], "no field 'stauts' at 0: did you mean 'status'?"),
        (["ls", "--where", "age:old"], "'old' at 4 is not what 'age' is compared with"),
    ],
)
async def test_what_is_not_meant_so_is_said(
    place: Place, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert await place.run(*words) == 2
    assert said in capsys.readouterr().err


async def test_a_bad_bulk_is_400(place: Place) -> None:
    for action, where in (("delete", "*"), ("cancel", ""), ("cancel", "x" * 3000)):
        with pytest.raises(InvalidInput):
            await place.client.bulk(action, where, dry_run=False)
    assert await place.commands() == []


def test_the_path_of_a_home_is_a_folder(tmp_path: Path) -> None:
    assert main(["jobs", "pause", "a", "--home", str(tmp_path / "none")]) == 3
