"""Whatever changes the state, the log's fold gives the state that each run saw."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

import headway
from headway import EventLog, Runtime, StateStore
from headway.events import kinds
from headway.events.fold import fold_all
from headway.events.views import StateView
from headway.home import Home
from headway.policy import PolicyEngine
from headway.store import StoreLog
from tests.unit.execution.kit import call, events_of, runtime, write

READ = {"actions": [{"id": "r", "type": "state_read", "parameters": {"key": "k"}}]}


async def folded(log: EventLog, scope: str = "runtime") -> dict[str, Any]:
    """Return the state that the log gives."""
    return fold_all(StateView(scope), await log.read(limit=100_000)).state


async def test_a_state_given_to_the_constructor_is_in_the_log_once() -> None:
    made, _ = runtime(state={"k": 1, "deep": {"a": [1]}})
    for _ in range(2):
        assert (await made.execute(READ))["r"].output == 1
    assert await folded(made.log) == {"k": 1, "deep": {"a": [1]}}
    assert len(await events_of(made, kinds.STATE_COMMITTED)) == 1


async def test_nothing_is_recorded_where_nothing_changed_outside() -> None:
    made, _ = runtime()
    for value in range(3):
        await made.execute({"actions": [write("w", "k", value), write("x", "x")]})
    assert not await events_of(made, kinds.STATE_COMMITTED)
    assert await folded(made.log) == dict(made.state.snapshot()) == {"k": 2, "x": 1}


CHANGES: dict[str, Callable[[StateStore], object]] = {
    "set": lambda state: state.set("k", 2),
    "type": lambda state: state.set("k", 1.5),
    "true": lambda state: state.set("k", True),
    "delete": lambda state: state.delete("k"),
    "replace": lambda state: state.replace({"other": 3}),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_changes_between_runs_are_recorded(change: Callable[[StateStore], object]) -> None:
    made, _ = runtime(state={"k": 1})
    await made.execute(READ)
    change(made.state)
    await made.execute(READ)
    assert await folded(made.log) == dict(made.state.snapshot())
    assert len(await events_of(made, kinds.STATE_COMMITTED)) == 2


async def test_what_a_tool_does_to_the_state_behind_the_runs_back_is_recorded_by_the_next() -> None:
    made, _ = runtime()

    @headway.tool
    async def meddle() -> None:
        made.state.set("behind", 1)

    made.register_tool(meddle)
    await made.execute({"actions": [call("m", "meddle"), write("w", "k")]})
    await made.execute(READ)
    assert await folded(made.log) == {"behind": 1, "k": 1}


async def test_roll_backs_and_restores_need_no_further_record() -> None:
    made, _ = runtime(state={"k": 1})
    await made.execute({"actions": [write("w", "k", 2), call("f", "boom", dependencies=["w"])]})
    saved = made.save_checkpoint()
    await made.execute({"actions": [write("w", "k", 3)]})
    made.restore_checkpoint(saved)
    await made.execute(READ)
    assert len(await events_of(made, kinds.STATE_COMMITTED)) == 1
    assert await folded(made.log) == {"k": 1}


async def test_runtimes_on_one_log_and_one_state_record_once_and_on_two_states_each_change() -> None:
    log, state, policies = EventLog(), StateStore({"k": 1}), PolicyEngine()
    for _ in range(3):
        await Runtime.with_shared(state, log, policies).execute(READ)
    assert len(await log.read(kinds=[kinds.STATE_COMMITTED])) == 1
    await Runtime(state={"k": 2}, log=log).execute(READ)
    assert await folded(log) == {"k": 2}
    await Runtime(state={"mine": 1}, log=log, scope="other").execute(READ)
    assert (await folded(log), await folded(log, "other")) == ({"k": 2}, {"mine": 1})


async def test_a_log_that_was_there_before_is_told_the_whole_state() -> None:
    log = EventLog(last_seq=7)  # what it holds is not known here
    await Runtime(log=log).execute(READ)
    created = (await log.read(7, kinds=[kinds.JOB_CREATED]))[0]
    assert created.data["state"] == {}


async def test_a_change_between_runs_costs_a_look_at_what_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    made, _ = runtime(state={f"s{i}": i for i in range(1_000)})
    await made.execute(READ)
    looked_at = []

    def counted(before: Any, after: Any) -> bool:
        looked_at.append(before)
        return before == after

    monkeypatch.setattr("headway.jobs.state_log.equal", counted)
    made.state.set("s5", 5)  # as it was: no news
    made.state.set("s7", -7)
    await made.execute(READ)
    assert looked_at == [5, 7]
    assert (await events_of(made, kinds.STATE_COMMITTED))[-1].data["changes"] == {"s7": {"op": "set", "value": -7}}


ROOM = 1_000


@pytest.fixture
def small_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an event hold so little that a small state is too large for one."""
    monkeypatch.setattr("headway.jobs.state_log.MAX_VALUE_BYTES", ROOM)


LARGE: dict[str, Any] = {f"k{i}": "x" * 200 for i in range(9)}


async def told_in_parts(log: EventLog) -> list[list[str]]:
    """Return the keys of each ``state_committed``; fail if one is larger than an event can be."""
    told = [event.data["changes"] for event in await log.read(kinds=[kinds.STATE_COMMITTED])]
    assert all(len(msgspec.json.encode(changes)) <= ROOM for changes in told)
    return [list(changes) for changes in told]


@pytest.mark.usefixtures("small_events")
async def test_a_large_state_is_told_in_several_events() -> None:
    made, _ = runtime(state=LARGE)
    await made.execute(READ)
    assert await folded(made.log) == LARGE
    assert await told_in_parts(made.log) == [["k0", "k1", "k2"], ["k3", "k4", "k5"], ["k6", "k7", "k8"]]
    made.state.replace({"y": "y" * 900, **dict.fromkeys("abcdefgh", 1)})
    await made.execute(READ)
    assert await folded(made.log) == dict(made.state.snapshot())


@pytest.mark.usefixtures("small_events")
async def test_a_large_state_that_the_log_may_not_have_is_told_whole_in_several_events() -> None:
    made, _ = runtime(state={"old": 1})

    @headway.tool
    async def meddle() -> None:
        made.state.replace(LARGE)

    made.register_tool(meddle)
    await made.execute({"actions": [call("m", "meddle")]})
    await made.execute(READ)
    assert await folded(made.log) == LARGE  # without `old`
    assert "state" not in (await events_of(made, kinds.JOB_CREATED))[-1].data
    assert [event.data.get("whole") for event in await events_of(made, kinds.STATE_COMMITTED)] == [
        None,
        True,
        None,
        None,
    ]
    before = made.log.last_seq
    await made.execute(READ)
    assert not await made.log.read(before, kinds=[kinds.STATE_COMMITTED])


@pytest.mark.usefixtures("small_events")
async def test_a_large_checkpoint_is_restored_by_several_events() -> None:
    made, _ = runtime(state=LARGE)
    saved = made.save_checkpoint()
    made.state.replace({"other": 1})
    await made.execute(READ)
    before = made.log.last_seq
    made.restore_checkpoint(saved)
    assert [event.kind for event in await made.log.read(before)] == [
        kinds.CHECKPOINT_RESTORED,
        kinds.STATE_COMMITTED,
        kinds.STATE_COMMITTED,
    ]
    assert await folded(made.log) == dict(made.state.snapshot()) == LARGE


MIB = 1024 * 1024


async def _full() -> str:
    """Return the largest value there can be."""
    return "z" * (16 * MIB - 2)


async def test_a_durable_log_takes_states_of_any_size_and_values_up_to_the_limit(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.prepare()
    state = {"full": "x" * (16 * MIB - 2), "more": "y" * MIB}
    log = await StoreLog.open(home)
    try:
        made, _ = runtime(log=log, state=state)
        assert (await made.execute({"actions": [write("w", "k", 0)]})).ok
        made.restore_checkpoint(made.save_checkpoint())
        made.register_tool(headway.tool(name="fill")(_full))
        assert (await made.execute({"actions": [call("f", "fill"), write("w", "full", "$f.output")]})).ok
    finally:
        await log.close()
    log = await StoreLog.open(home)
    try:
        again, _ = runtime(log=log)
        await again.load_state()
        assert again.state.snapshot() == {**state, "full": await _full(), "k": 0}
        again, _ = runtime(log=log, state=state)  # it does not know what the log has
        again._scope.record.forget()
        assert (await again.execute(READ)).ok
        await again.load_state()
        assert again.state.snapshot() == state
    finally:
        await log.close()
