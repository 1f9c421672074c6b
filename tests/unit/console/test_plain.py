"""Plain mode: events as lines of words."""

import pytest

from headway.events import kinds
from headway.events.event import Event
from headway_console.plain import PlainLines

CREATED = Event(
    kinds.JOB_CREATED,
    {
        "title": "audit",
        "graph": {"actions": [{"id": "list"}, {"id": "fetch"}], "levels": [[0], [1]]},
    },
    job_id="j1",
)


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (CREATED, "job j1: created: audit (2 actions, 2 levels)"),
        (Event(kinds.LEVEL_STARTED, {"actions": 1}, job_id="j1", level=1), "level 1: started: 1 action"),
        (Event(kinds.ACTION_EXECUTING, job_id="j1", action_id="fetch", level=1, attempt=1), "level 1: fetch: started"),
        (
            Event(
                kinds.ACTION_FAILED,
                {"error": "429 after 3 tries", "error_code": "tool_error"},
                job_id="j1",
                action_id="fetch",
                level=1,
            ),
            "level 1: fetch: failed: tool_error: 429 after 3 tries",
        ),
        (
            Event(
                kinds.ACTION_SUCCEEDED,
                {"output": {"secret": 1}, "duration_ms": 12, "waited_ms": 1500},
                job_id="j1",
                action_id="fetch",
                level=1,
            ),
            "level 1: fetch: succeeded in 12ms after waiting 1.5s",
        ),
        (
            Event(kinds.ACTION_SUCCEEDED, {"output": 1}, job_id="j1", action_id="fetch", level=1),
            "level 1: fetch: succeeded",
        ),
        (
            Event(kinds.ACTION_SKIPPED, {"error": "canceled: enough"}, job_id="j1", action_id="fetch", level=1),
            "level 1: fetch: skipped: canceled: enough",
        ),
        (
            Event(kinds.RATE_LIMIT_WAIT, {"bucket": "http"}, job_id="j1", action_id="fetch"),
            "level 1: fetch: waits for the rate limit of http",
        ),
        (
            Event(kinds.RUN_CANCEL_REQUESTED, {"reason": "enough", "by": "me"}, job_id="j1"),
            "job j1: cancel requested: enough (by me)",
        ),
        (
            Event(kinds.JOB_COMPLETED, {"cost": {"actions_executed": 2, "actions_skipped": 1}}, job_id="j1"),
            "job j1: completed: 2 actions executed, 1 skipped",
        ),
        (Event(kinds.JOB_FAILED, {"error": "no", "outcome": "aborted"}, job_id="j1"), "job j1: failed: aborted: no"),
        (Event(kinds.JOB_CANCELLED, {"reason": "enough"}, job_id="j1"), "job j1: cancelled: enough"),
        (Event(kinds.RECORDER_GAP, {"dropped": 3}), "recorder gap: 3 events were not recorded"),
    ],
)
def test_lines(event: Event, line: str) -> None:
    plain = PlainLines()
    plain.lines(CREATED)
    assert plain.lines(event) == [line]


@pytest.mark.parametrize("kind", [kinds.ACTION_PROGRESS, kinds.RATE_LIMIT_GRANT, kinds.BUDGET_SETTLED, "of_tomorrow"])
def test_what_only_refines_is_left_out(kind: str) -> None:
    assert PlainLines().lines(Event(kind, {}, job_id="j1", action_id="fetch")) == []


def test_with_several_jobs_each_line_names_its_own() -> None:
    plain = PlainLines(several=True)
    event = Event(kinds.ACTION_EXECUTING, job_id="j2", action_id="a", level=0)
    assert plain.lines(event) == ["job j2: level 0: a: started"]


def test_nothing_drives_the_terminal() -> None:
    event = Event(kinds.ACTION_FAILED, {"error": "x\x1b[2J\ny\u202e"}, job_id="j", action_id="\x1b]0;t\x07", level=0)
    [line] = PlainLines().lines(event)
    assert line.isprintable()
