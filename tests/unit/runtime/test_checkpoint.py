"""Checkpoints of an embedded runtime: saved, kept in files, restored, gone on from."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from headway import CancellationToken, CostBudget, Runtime
from headway.errors import Conflict, InvalidInput, InvalidPlan, NotFound, StoreError
from headway.events import kinds
from headway.runtime.checkpoint import RuntimeCheckpoint
from tests.unit.runtime.kit import call, events_of, runtime, write


def names(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir()]


async def test_a_checkpoint_holds_state_results_tools_buckets_and_keys() -> None:
    made, _ = runtime(state={"k": [1]})
    made.set_rate_limit("echo", 5, 1)
    made.enable_tool_cache("echo", 60)
    await made.execute({"id": "p", "actions": [call("a", parameters={"x": 1}), write("w", "n", 2)]})
    saved = made.save_checkpoint(note="before lunch")
    assert saved.state == {"k": [1], "n": 2}
    assert "echo" in saved.tools
    assert [result.action_id for result in saved.results] == ["a", "w"]
    assert (saved.proposal["id"], saved.remaining(), saved.metadata) == ("p", [], {"note": "before lunch"})
    assert saved.buckets[0]["bucket"] == "echo"
    assert len(saved.cache_keys) == 1
    await made.execute({"actions": [write("w", "k", 9)]})
    assert saved.state["k"] == [1]


async def test_restore_sets_the_state_and_says_so() -> None:
    made, _ = runtime(state={"k": 1})
    saved = made.save_checkpoint()
    await made.execute({"actions": [write("w", "k", 2), write("x", "new", 3)]})
    made.restore_checkpoint(saved)
    assert dict(made.state.snapshot()) == {"k": 1}
    (event,) = await events_of(made, kinds.CHECKPOINT_RESTORED)
    assert event.data["state"] == {"k": 1}
    with pytest.raises(InvalidInput):
        made.restore_checkpoint({"state": {}})  # type: ignore[arg-type]


async def test_files_go_to_another_runtime_and_back(tmp_path: Path) -> None:
    made, _ = runtime(state={"k": "ünïcode"})
    path = tmp_path / "point.json"
    made.save_checkpoint_to_file(path)
    made.save_checkpoint_to_file(str(path))  # over the old one
    assert names(tmp_path) == ["point.json"]
    other = Runtime()
    loaded = other.load_checkpoint_from_file(path)
    assert (other.state.get("k"), loaded.state) == ("ünïcode", {"k": "ünïcode"})


async def test_a_run_on_its_way_can_be_saved_and_not_restored_over() -> None:
    made, gate = runtime()
    plan = {"actions": [write("w", "k"), call("g", "gate", dependencies=["w"]), call("z", dependencies=["g"])]}
    run = asyncio.create_task(made.execute(plan))
    await gate.started.get()
    saved = made.save_checkpoint()
    assert (saved.state, saved.remaining()) == ({"k": 1}, ["g", "z"])
    with pytest.raises(Conflict, match="a run is working on the state"):
        made.restore_checkpoint(saved)
    gate.open.set()
    await run


async def test_continue_runs_only_what_was_left(tmp_path: Path) -> None:
    made, gate = runtime()
    made.set_cost_budget(CostBudget(tool_calls=3))
    token = CancellationToken()
    plan = {
        "actions": [
            call("a", parameters={"x": 5}, expected_effects={"done": 1}),
            call("g", "gate", dependencies=["a"]),
            call("z", dependencies=["g"], parameters={"x": "$a.output"}),
        ]
    }
    run = asyncio.create_task(made.execute_with_cancel(plan, token))
    await gate.started.get()
    token.cancel("power cut")
    gate.open.set()
    await run
    made.save_checkpoint_to_file(tmp_path / "c.json")
    other, _ = runtime()
    other.set_cost_budget(CostBudget(tool_calls=3))
    result = await other.continue_from(other.load_checkpoint_from_file(tmp_path / "c.json"))
    assert (result.status, result["z"].output, result["z"].attempts) == ("completed", 5, 1)
    executing = [event.action_id for event in await events_of(other, kinds.ACTION_EXECUTING)]
    assert executing == ["z"]
    assert (await events_of(other, kinds.BUDGET_SETTLED))[-1].data["spent"] == {"tool_calls": 3}
    assert (await events_of(other, kinds.JOB_CREATED))[-1].data["forked_from"]["job_id"] == msgspec.json.decode(
        (tmp_path / "c.json").read_bytes()
    )["job_id"]


async def test_continue_needs_a_plan_and_its_tools() -> None:
    made, _ = runtime()
    with pytest.raises(Conflict, match="holds no plan"):
        await made.continue_from(made.save_checkpoint())
    await made.execute({"actions": [call("a")]})
    with pytest.raises(InvalidPlan, match="tool 'echo' is not registered"):
        await Runtime().continue_from(made.save_checkpoint())


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "is not a checkpoint"),
        (b"{}", "missing required field `checkpoint_id`"),
        (b'{"checkpoint_id":"c","created_ms":"x","state":{}}', "Expected `int`, got `str` - at `$.created_ms`"),
        (b'{"checkpoint_id":"c","created_ms":1,"state":[]}', "Expected `object`, got `array` - at `$.state`"),
        (b'{"checkpoint_id":"c","created_ms":1,"state":{},"version":99}', "has version 99, this Headway reads 1"),
        (b"[" * 100_000, "is not a checkpoint"),
        (b"\xff\xfe", "is not a checkpoint"),
    ],
)
async def test_files_that_do_not_fit_are_refused_in_one_line_and_change_nothing(
    tmp_path: Path, body: bytes, text: str
) -> None:
    made, _ = runtime(state={"k": 1})
    path = tmp_path / "c.json"
    path.write_bytes(body)
    with pytest.raises(InvalidInput) as caught:
        made.load_checkpoint_from_file(path)
    assert text in caught.value.message
    assert "\n" not in caught.value.message
    assert dict(made.state.snapshot()) == {"k": 1}


async def test_places_that_cannot_be_read_or_written_are_told(tmp_path: Path) -> None:
    made, _ = runtime()
    with pytest.raises(NotFound):
        made.load_checkpoint_from_file(tmp_path / "none.json")
    with pytest.raises(InvalidInput):
        made.load_checkpoint_from_file(tmp_path)
    with pytest.raises(StoreError, match="cannot write the checkpoint"):
        made.save_checkpoint_to_file(tmp_path / "no" / "folder.json")


def test_a_checkpoint_encodes_and_decodes_equal() -> None:
    one = RuntimeCheckpoint("c", 1, {"k": 1})
    assert msgspec.json.decode(msgspec.json.encode(one), type=RuntimeCheckpoint) == one
