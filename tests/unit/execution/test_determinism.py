"""The same story gives the same log, event by event: in memory and on disk, and in any process.

What differs from run to run are ids that were drawn, the process, and the wall time of the proposal; all other times
are virtual here, so they are compared too.
"""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.events.event import Event
from headway.home import Home
from headway.plan.graph import compile_plan
from headway.plan.parse import parse_proposal
from headway.store import StoreLog, StoreReader
from headway.testing import VirtualClock
from tests.sizes import cases
from tests.unit.execution.model import told
from tests.unit.execution.stories import Stage, Story, World, stories

ON_DISK = cases(48)  # stories
IN_OTHER_PROCESSES = cases(80)
ROOT = Path(__file__).parents[3]


async def in_memory(story: Story) -> list[dict[str, Any]]:
    """Return the log of a story, as it is kept in memory."""
    stage = Stage(story.world)
    await stage.run(story.actions)
    return normalised(await stage.runtime.log.read(limit=100_000))


async def on_disk(story: Story) -> list[dict[str, Any]]:
    """Return the log of a story, as it is read from a store that was closed."""
    with tempfile.TemporaryDirectory() as folder:
        home = Home(folder)
        log = await StoreLog.open(home, clock=VirtualClock())
        try:
            await Stage(story.world, log).run(story.actions)
        finally:
            await log.close()
        async with await StoreReader.open(home.db) as reader:
            return normalised(await reader.events(limit=100_000, resolve=True))


def normalised(events: list[Event]) -> list[dict[str, Any]]:
    """Return events without what may differ: ids are numbered as they come, the process and the plan's time go."""
    text = msgspec.json.encode(events).decode()
    ids = dict.fromkeys(name for event in events for name in (event.job_id, event.proposal_id) if name)
    for number, name in enumerate(ids):
        text = text.replace(name, f"id{number}")
    plain: list[dict[str, Any]] = msgspec.json.decode(text)
    for event in plain:
        event.get("data", {}).pop("pid", None)
        event.get("data", {}).get("proposal", {}).pop("timestamp", None)
    assert [event["seq"] for event in plain] == list(range(1, len(plain) + 1))
    return plain


@given(stories())
async def test_a_story_told_twice_gives_the_same_log(story: Story) -> None:
    told(story)
    assert await in_memory(story) == await in_memory(story)


@settings(max_examples=ON_DISK)
@given(stories())
async def test_a_story_told_to_the_disk_gives_the_log_that_it_gives_in_memory(story: Story) -> None:
    told(story)
    first, second = await on_disk(story), await on_disk(story)
    assert first == second
    assert first == await in_memory(story)


def print_logs() -> None:
    """Print the logs of some stories, one a line: the same stories in every process."""

    @settings(max_examples=IN_OTHER_PROCESSES, derandomize=True, database=None, deadline=None)
    @given(stories())
    def tell(story: Story) -> None:
        told(story)
        print(msgspec.json.encode(asyncio.run(in_memory(story))).decode())

    tell()


def test_processes_that_hash_differently_give_the_same_logs() -> None:
    code = "from tests.unit.execution.test_determinism import print_logs; print_logs()"
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("1", "2")
    ]
    first, second = ([msgspec.json.decode(log) for log in p.communicate()[0].splitlines()] for p in started)
    assert [process.returncode for process in started] == [0, 0]
    assert len(first) == len(second) >= IN_OTHER_PROCESSES
    for one, other in zip(first, second, strict=True):
        assert one == other


@given(stories(), st.integers(0, 2**32))
async def test_the_order_in_which_calls_end_changes_no_level_and_no_state(story: Story, seed: int) -> None:
    story, other = unhurried(story), unhurried(story)
    chance = random.Random(seed)
    other.world.calls = {
        name: [(chance.randint(1, 400_000), how) for _, how in script] for name, script in story.world.calls.items()
    }
    one, two = [await seen(s) for s in (story, other)]
    assert one == two


def unhurried(story: Story) -> Story:
    """Return the story with no time limit, no cancel and no call that is made for two: what may depend on time."""
    actions, calls = [], {}
    for action in story.actions:
        action = {name: value for name, value in action.items() if name not in ("timeout_ms", "idempotent")}
        if "tool" in action:
            calls[action["id"]] = story.world.calls[action["parameters"]["name"]]
            action["parameters"] = {**action["parameters"], "name": action["id"]}
        actions.append(action)
    world: World = replace(story.world, calls=calls, stop_at=None, kill=False)
    return Story(actions, compile_plan(parse_proposal({"actions": actions}), world.state), world)


async def seen(story: Story) -> tuple[Any, ...]:
    """Return what no order of ends may change: of a level that aborted, which actions had started is left out."""
    stage = Stage(story.world)
    history = stage.history(await stage.run(story.actions))
    level_of = {node.id: node.level for node in story.plan.nodes}
    aborted_at = min(
        (level_of[name] for name, end in history.ends.items() if end.status in ("failed", "rejected")), default=None
    )
    ends = {
        name: end._replace(waited=0, used=None) for name, end in history.ends.items() if level_of[name] != aborted_at
    }
    return history.status, history.outcome, history.state, aborted_at, ends
