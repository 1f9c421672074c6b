"""The executor agrees with a small reference model on random plans, and its log with what it returns.

Who was called, when and in which order, how each action ended, what state is left: to the microsecond of virtual time,
with failures, retries, timeouts, rate limits, equal calls, few slots, cancels and kills.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings

from headway.events import kinds
from headway.events.event import Event
from headway.events.fold import fold_all
from headway.events.views import JobRow, RunView, StateView
from tests.sizes import cases
from tests.unit.execution.kit import events_of
from tests.unit.execution.model import told
from tests.unit.execution.stories import Stage, Story, stories

STORIES = cases(400)


@settings(max_examples=STORIES)
@given(stories())
async def test_runs_agree_with_the_model(story: Story) -> None:
    expected = told(story)
    stage = Stage(story.world)
    result = await stage.run(story.actions)
    assert stage.history(result) == expected
    executing = await events_of(stage.runtime, kinds.ACTION_EXECUTING)
    assert [(event.action_id, event.attempt) for event in executing] == [start[1:] for start in expected.starts]


@given(stories())
async def test_what_execute_returns_and_keeps_is_what_the_fold_gives(story: Story) -> None:
    stage = Stage(story.world)
    result = await stage.run(story.actions)
    events = await stage.runtime.log.read(limit=100_000)
    view = fold_all(RunView(JobRow(result.job_id)), events)
    assert view.result() == result
    state: dict[str, Any] = story.world.state
    created = Event(kinds.CHECKPOINT_RESTORED, {"checkpoint_id": "c", "scope": "runtime", "state": state})
    scope = fold_all(StateView("runtime"), [created, *events])
    assert scope.state == dict(stage.runtime.state.snapshot())
