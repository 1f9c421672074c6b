"""Views of runs with many actions are copied in steps, and are what a copy in one step is."""

from __future__ import annotations

import asyncio
from typing import Any

from headway.events.event import Event
from headway.events.log import EventLog
from headway.store.live import STEP, LiveJobs


def created(count: int) -> Event:
    actions = [{"id": f"a{i}", "type": "tool_call", "tool": "t"} for i in range(count)]
    graph = {"actions": actions, "levels": [list(range(count))]}
    proposal = {"id": "p", "actions": actions}
    return Event("job_created", {"scope": "s", "proposal": proposal, "graph": graph}, "j", proposal_id="p")


def settled(index: int) -> Event:
    return Event("action_succeeded", {"output": index}, "j", action_id=f"a{index}", level=0)


async def test_a_run_of_many_actions_is_copied_in_steps() -> None:
    log = EventLog()
    live = LiveJobs(log, bounded=False)
    log.append(created(3 * STEP))
    steps = 0

    async def count() -> None:
        nonlocal steps
        while True:
            steps += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    found: Any = await live.run_in_steps("j")
    counting.cancel()
    assert steps >= 3
    assert found == live.run("j")
    found.actions[0].needs.append("x")
    assert live.run("j") != found


async def test_what_happens_meanwhile_is_in_the_copy_whole() -> None:
    log = EventLog()
    live = LiveJobs(log, bounded=False)
    log.append(created(3 * STEP))
    copying = asyncio.create_task(live.run_in_steps("j"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    log.append(settled(1))
    live.shared_run("j")  # somebody asks, and the view is folded on
    found = await copying
    assert found is not None
    assert found == live.run("j")
    assert found.actions[1].output == 1


async def test_there_is_no_run_of_an_unknown_job() -> None:
    assert await LiveJobs(EventLog(), bounded=False).run_in_steps("j") is None
