"""Whatever changes the state, the log's fold gives the state that each run saw."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import headway
from headway import EventLog, PolicyEngine, Runtime, StateStore
from headway.events import kinds
from headway.events.fold import fold_all
from headway.events.views import StateView
from tests.unit.runtime.kit import call, events_of, runtime, write

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
