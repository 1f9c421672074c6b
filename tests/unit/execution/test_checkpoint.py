"""Checkpoints of an embedded runtime: saved, kept in files, restored, gone on from."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

import headway
from headway import CancellationToken, CostBudget, ReplanContext, Runtime
from headway.errors import Conflict, InvalidInput, InvalidPlan, NotFound, StoreError
from headway.events import kinds
from headway.events.checkpoint import RuntimeCheckpoint, kept_results
from headway.events.fold import fold_all
from headway.events.views import StateView
from headway.home import Home
from headway.jobs.checkpoint_file import write_checkpoint
from headway.learning.trajectory_store import TrajectoryStore
from headway.plan.results import ActionResult, ActionStatus, ErrorCode
from headway.secrets import Redactor
from headway.store import StoreLog
from headway.testing import settle
from tests.unit.execution.kit import bookings, call, events_of, runtime, write


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
        (b"{}", "missing required field `version`"),
        (b'{"checkpoint_id":"c","created_ms":1,"state":{}}', "missing required field `version`"),
        (b'{"version":1,"checkpoint_id":"c","created_ms":"x","state":{}}', "got `str` - at `$.created_ms`"),
        (b'{"version":1,"checkpoint_id":"c","created_ms":1,"state":[]}', "got `array` - at `$.state`"),
        (b'{"version":99,"checkpoint_id":"c","created_ms":1,"state":{}}', "has version 99, this Headway reads 2"),
        (b'{"version":-7,"checkpoint_id":"c","created_ms":1,"state":{}}', "has version -7"),
        (b'{"version":1,"checkpoint_id":"c","created_ms":1,"state":{"":1}}', "a state key is a string"),
        (b'{"version":1,"checkpoint_id":"c","created_ms":1,"state":{},"surprise":1}', "unknown field `surprise`"),
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
    one = RuntimeCheckpoint(1, "c", 1, {"k": 1})
    assert msgspec.json.decode(msgspec.json.encode(one), type=RuntimeCheckpoint) == one


Spoil = Callable[[dict[str, Any]], object]

SPOILT: dict[str, tuple[Spoil, str]] = {
    "a level that names what is not there": (lambda c: c["graph"].update(levels=[[0], [99]]), "names an action twice"),
    "no levels": (lambda c: c["graph"].pop("levels"), "the graph has no levels"),
    "an action left out": (lambda c: c["graph"].update(levels=[[0]]), "leave an action out"),
    "an action twice": (lambda c: c["graph"].update(levels=[[0], [0, 1]]), "names an action twice"),
    "levels the wrong way round": (lambda c: c["graph"].update(levels=[[1], [0]]), "before what it waits for"),
    "true for an index": (lambda c: c["graph"].update(levels=[[0], [True]]), "names an action twice"),
    "an edge to nowhere": (lambda c: c["graph"]["actions"][1].update(needs=["qq"]), "one that is not there"),
    "an edge that is no list": (lambda c: c["graph"]["actions"][1].update(needs="a"), "is no list"),
    "another plan's graph": (lambda c: c["graph"]["actions"].pop(), "its actions are others"),
    "a plan that is none": (lambda c: c["proposal"].update(actions=5), "actions"),
    "a result of no action": (lambda c: c["results"][0].update(action_id="zz"), "of no action"),
    "a result twice": (lambda c: c["results"].append(c["results"][0]), "twice there"),
    "a result that is not final": (lambda c: c["results"][0].update(status="executing"), "is not final"),
    "less than nothing spent": (lambda c: c.update(spent={"tool_calls": -50}), "spent tool_calls"),
    "an unknown dimension": (lambda c: c.update(spent={"hearts": 1}), "no budget has the dimension"),
    "a committed level that is not there": (lambda c: c.update(committed=[7]), "committed a level"),
    "a change of state that is none": (
        lambda c: c["results"][0].update(state_changes={"y": {"op": "zap"}}),
        "the result of action 'a' does not fit: a change of state is",
    ),
    "a change of a key that is none": (
        lambda c: c["results"][0].update(state_changes={"": {"op": "delete"}}),
        "the result of action 'a' does not fit: a state key is",
    ),
    "a graph that calls another tool": (
        lambda c: c["graph"]["actions"][1].update(tool="echo"),
        "the graph's tool of action 'f' is not that of the plan",
    ),
    "a graph of another type": (
        lambda c: c["graph"]["actions"][1].update(type="state_write"),
        "the graph's type of action 'f' is not that of the plan",
    ),
    "results without a plan": (lambda c: c.update(graph={}), "results and no plan"),
}


@pytest.mark.parametrize(("spoil", "text"), SPOILT.values(), ids=SPOILT)
async def test_a_file_whose_parts_do_not_fit_each_other_is_refused_whole(
    tmp_path: Path, spoil: Spoil, text: str
) -> None:
    made, _ = runtime(state={"k": 1})
    await made.execute({"actions": [call("a"), call("f", "boom", dependencies=["a"])]})
    path = tmp_path / "c.json"
    made.save_checkpoint_to_file(path)
    made.load_checkpoint_from_file(path)
    content = msgspec.json.decode(path.read_bytes())
    spoil(content)
    path.write_bytes(msgspec.json.encode(content))
    made.state.set("k", 2)
    before = made.log.last_seq
    with pytest.raises(InvalidInput) as caught:
        made.load_checkpoint_from_file(path)
    assert text in caught.value.message
    assert "\n" not in caught.value.message
    assert (dict(made.state.snapshot()), made.log.last_seq) == ({"k": 2}, before)


async def test_a_file_whose_plan_needs_other_tools_names_them(tmp_path: Path) -> None:
    made, _ = runtime()
    await made.execute({"actions": [call("a"), call("f", "boom", dependencies=["a"], failure_behavior="skip")]})
    made.save_checkpoint_to_file(tmp_path / "done.json")
    assert Runtime().load_checkpoint_from_file(tmp_path / "done.json").remaining() == []
    await made.execute({"actions": [call("a"), call("f", "boom", dependencies=["a"])]})
    assert made.save_checkpoint_to_file(tmp_path / "undone.json").remaining() == ["a", "f"]
    saved = made.save_checkpoint()
    saved.results = []
    write_checkpoint(saved, tmp_path / "left.json", Redactor())
    for name in ("undone.json", "left.json"):
        other = Runtime(state={"mine": 1})
        with pytest.raises(InvalidInput, match="not registered: boom, echo"):
            other.load_checkpoint_from_file(tmp_path / name)
        assert (dict(other.state.snapshot()), other.log.last_seq) == ({"mine": 1}, 0)


async def test_a_file_of_a_cancelled_run_names_the_tools_of_what_was_skipped_and_of_how_to_undo_it(
    tmp_path: Path,
) -> None:
    made, _ = runtime()
    token = CancellationToken()

    @headway.tool
    async def stop() -> None:
        token.cancel("enough")

    @headway.tool
    async def undo() -> None:
        """Undo nothing."""

    made.register_tool(stop)
    made.register_tool(undo)
    by_name = {"type": "tool", "tool": "undo"}
    by_action = {"type": "action_ref", "action_id": "s"}
    plan = [
        call("s", "stop", reversibility="compensable", compensation=by_name),
        call("t", dependencies=["s"], reversibility="compensable", compensation=by_action),
    ]
    await made.execute_with_cancel({"actions": plan}, token)
    assert made.save_checkpoint_to_file(tmp_path / "c.json").remaining() == ["t"]
    with pytest.raises(InvalidInput, match=r"not registered: echo, stop$"):
        Runtime().load_checkpoint_from_file(tmp_path / "c.json")
    plan[1]["compensation"] = by_name
    await made.execute_with_cancel({"actions": plan}, token)
    made.save_checkpoint_to_file(tmp_path / "d.json")
    with pytest.raises(InvalidInput, match=r"not registered: echo, stop, undo$"):
        Runtime().load_checkpoint_from_file(tmp_path / "d.json")


async def test_what_finished_in_a_half_done_level_is_there_when_it_goes_on() -> None:
    made, _ = runtime()
    saved: list[RuntimeCheckpoint] = []

    @headway.tool
    async def pay() -> headway.ToolResult:
        return headway.ToolResult("paid", effects={"paid": True})

    @headway.tool
    async def save() -> None:
        await settle()
        saved.append(made.save_checkpoint())
        raise RuntimeError("power cut")

    made.register_tool(pay)
    made.register_tool(save)
    needs = {"state_dependencies": ["paid"], "dependencies": ["a", "b"]}
    plan = [call("a", "pay", write_set=["paid"]), call("b", "save"), call("c", **needs)]
    assert (await made.execute({"actions": plan})).outcome == "aborted"
    assert (saved[0].state, saved[0].committed, saved[0].remaining()) == ({}, [], ["b", "c"])
    other, _ = runtime()
    other.register_tool(pay)
    other.register_tool(headway.tool(name="save")(_nothing))
    result = await other.continue_from(saved[0])
    assert (result.status, dict(other.state.snapshot())) == ("completed", {"paid": True})
    view = fold_all(StateView("runtime"), await other.log.read(limit=1000))
    assert view.state == {"paid": True}


async def _nothing() -> None:
    """Do nothing."""


async def test_a_run_that_goes_on_stays_under_the_rules_of_its_session() -> None:
    made, _ = runtime()
    session = made.policies.open_session()
    made.policies.deny_tool("no", "echo", session=session)
    token = CancellationToken()
    token.cancel()
    plan = {"actions": [call("a", failure_behavior="skip")]}
    await made.execute_with_cancel(plan, token, session=session)
    saved = made.save_checkpoint()
    assert saved.session == session
    assert (await made.continue_from(saved))["a"].error_code is ErrorCode.POLICY_DENIED
    assert (await made.continue_from(saved, session=made.policies.open_session()))["a"].attempts == 1
    made.policies.close_session(session)
    with pytest.raises(Conflict, match="which is not open"):
        await made.continue_from(saved)


async def test_a_run_that_goes_on_is_replanned_and_learned_from(tmp_path: Path) -> None:
    store = TrajectoryStore(tmp_path)

    async def callback(_: ReplanContext) -> dict[str, Any]:
        return {"actions": [call("ok")]}

    made, _ = runtime(replan=callback, trajectory_store=store)
    token = CancellationToken()
    token.cancel()
    await made.execute_with_cancel({"actions": [call("f", "boom")]}, token)
    result = await made.continue_from(made.save_checkpoint())
    assert (result.status, len(result.replan_lineage)) == ("completed", 2)
    assert "replan_success" in [trajectory.outcome for trajectory in store]


MIB = 1024 * 1024


async def test_a_state_of_more_than_a_value_may_have_is_saved_and_comes_back(tmp_path: Path) -> None:
    state = {f"k{i}": str(i) * MIB for i in range(9)} | {f"l{i}": str(i) * MIB for i in range(9)}
    made, _ = runtime(state=state)
    path = tmp_path / "c.json"
    saved = made.save_checkpoint_to_file(path)
    for restore in (made.load_checkpoint_from_file, lambda _: made.restore_checkpoint(saved)):
        made.state.replace({})
        restore(path)
        assert made.state.snapshot() == state


async def test_a_value_over_the_limit_is_refused() -> None:
    made, _ = runtime(state={"k": 1})
    saved = made.save_checkpoint()
    saved.state = {"k": "x" * 16 * MIB}
    before = made.log.last_seq
    with pytest.raises(InvalidInput, match="the limit is 16,777,216"):
        made.restore_checkpoint(saved)
    assert (dict(made.state.snapshot()), made.log.last_seq) == ({"k": 1}, before)


async def test_a_file_that_could_not_be_read_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, _ = runtime(state={"k": "x" * 300})
    path = tmp_path / "c.json"
    made.save_checkpoint_to_file(path)
    monkeypatch.setattr("headway.jobs.checkpoint_file.MAX_CHECKPOINT_BYTES", path.stat().st_size + 20)
    made.save_checkpoint_to_file(path)
    before = made.log.last_seq
    made.state.set("more", "x" * 300)
    with pytest.raises(StoreError, match="the limit is"):
        made.save_checkpoint_to_file(path)
    assert (names(tmp_path), made.log.last_seq) == (["c.json"], before)
    assert made.load_checkpoint_from_file(path).state == {"k": "x" * 300}


async def test_a_log_that_takes_no_more_leaves_the_state_as_it_was() -> None:
    made, _ = runtime(state={"k": 1})
    saved = made.save_checkpoint()
    made.state.set("k", 2)
    await made.log.close()
    with pytest.raises(StoreError, match="closed"):
        made.restore_checkpoint(saved)
    assert dict(made.state.snapshot()) == {"k": 2}


@pytest.mark.parametrize("when", ["sibling", "compensation"])
async def test_what_an_abort_is_undoing_is_to_be_done_again(when: str) -> None:
    """``book`` is cancelled while the checkpoint is taken: one that goes on from there must not count it as booked."""
    made, gate = runtime(state={"at": 1})
    calls: list[str] = []
    for entry in bookings(calls):
        made.register_tool_entry(entry)
    undone = {"reversibility": "compensable", "compensation": {"type": "tool", "tool": "cancel"}}
    by_gate = {"reversibility": "compensable", "compensation": {"type": "tool", "tool": "gate"}}
    plan = [
        call("p", **(by_gate if when == "compensation" else {}), expected_effects={"at": 2}),
        call("q", "book", dependencies=["p"], expected_effects={"booked": True}, **undone),
        call("f", "pay", dependencies=["q"]),
        *([call("g", "gate", dependencies=["q"])] if when == "sibling" else []),
    ]
    run = asyncio.create_task(made.execute({"actions": plan}))
    await gate.started.get()
    await settle()
    saved = made.save_checkpoint()
    assert saved.state == {"at": 1}
    assert [(r.rolled_back, r.state_changes) for r in saved.results[:2]] == [(True, {}), (True, {})]
    assert saved.remaining() == [action["id"] for action in plan]
    gate.open.set()
    assert (await run).outcome == "aborted"
    result = await made.continue_from(saved)
    assert (result.status, calls) == ("completed", ["book", "pay", "cancel", "book", "pay"])
    assert dict(made.state.snapshot()) == {"at": 2, "booked": True}


async def test_what_an_abort_has_undone_is_not_undone_twice() -> None:
    saved: list[RuntimeCheckpoint] = []

    async def callback(_: ReplanContext) -> None:
        made.state.set("at", 5)
        saved.append(made.save_checkpoint())

    made, _ = runtime(state={"at": 1}, replan=callback)
    await made.execute({"actions": [write("w", "at", 2), call("f", "boom", dependencies=["w"])]})
    assert [one.state for one in (*saved, made.save_checkpoint())] == [{"at": 5}, {"at": 5}]


def test_what_was_compensated_is_not_taken_over() -> None:
    results = [
        ActionResult("kept", ActionStatus.SUCCEEDED, state_changes={"k": {"op": "delete"}}),
        ActionResult("undone", ActionStatus.SUCCEEDED, compensated=True),
        ActionResult("stays", ActionStatus.SUCCEEDED, compensated=False),
        ActionResult("back", ActionStatus.SUCCEEDED, rolled_back=True),
        ActionResult("skipped", ActionStatus.SKIPPED, error_code=ErrorCode.TOOL_ERROR),
        ActionResult("cut", ActionStatus.SKIPPED, error_code=ErrorCode.CANCELED),
    ]
    kept = kept_results(results)
    assert [result.action_id for result in kept] == ["kept", "stays", "skipped"]
    assert kept[0].state_changes == {}


def last_kind_on_disk(home: Home) -> str:
    with closing(sqlite3.connect(home.db)) as file:
        (kind,) = file.execute("SELECT kind FROM events ORDER BY seq DESC LIMIT 1").fetchone()
        return str(kind)


async def test_a_durable_log_has_checkpoints_on_disk_when_they_are_acknowledged(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.prepare()
    log = await StoreLog.open(home)
    try:
        made, _ = runtime(log=log)
        await made.execute({"actions": [write("w", "k")]})
        saved = made.save_checkpoint()
        assert last_kind_on_disk(home) == kinds.CHECKPOINT_SAVED  # nothing else has had a turn
        made.restore_checkpoint(saved)
        assert last_kind_on_disk(home) == kinds.CHECKPOINT_RESTORED
    finally:
        await log.close()
    with pytest.raises(StoreError):
        made.save_checkpoint()
