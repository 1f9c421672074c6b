"""The look of a run on the way and at its end."""

import io

import pytest

from headway.events.views import ActionView, JobRow, LevelView, RunView
from headway.plan.results import ActionStatus, ErrorCode
from headway.testing import VirtualClock
from headway_console.cli.following import result_lines
from headway_console.cli.progress import ProgressLine, progress_text


def view() -> RunView:
    return RunView(
        job=JobRow("j1", title="audit", status="running", levels=2, actions=4, created_ms=1000, started_ms=1000),
        levels=[LevelView(0, [0, 1], finished_ms=5), LevelView(1, [2, 3])],
        actions=[
            ActionView("a", 0, 0, status=ActionStatus.SUCCEEDED, started_ms=1, finished_ms=2),
            ActionView("b", 1, 0, status=ActionStatus.SUCCEEDED, started_ms=1, finished_ms=2),
            ActionView("c", 2, 1, status=ActionStatus.EXECUTING, started_ms=3, progress=0.45),
            ActionView("d\x1b[2J", 3, 1, waiting_for="rate_limit:fetch"),
        ],
    )


def test_progress_says_what_is_done_what_runs_and_what_waits() -> None:
    assert progress_text(view()) == (
        "[##########..........] 2/4 actions, level 1/2: c 45%, d\N{REPLACEMENT CHARACTER}[2J (rate_limit:fetch)"
    )


def test_progress_of_nothing() -> None:
    assert progress_text(RunView(job=JobRow("j"))) == "[....................] 0/0 actions, level 0/0"


async def test_the_line_fits_is_drawn_at_most_ten_times_a_second_and_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    clock, stream, run = VirtualClock(), io.StringIO(), view()
    line = ProgressLine(stream, clock=clock)
    for _ in range(100):
        line.batch(run)
        await clock.advance(0.01)
    frames = stream.getvalue().split("\r\x1b[K")[1:]
    assert 9 <= len(frames) <= 11
    assert all(len(frame) <= 39 for frame in frames)
    run.actions[2].finished_ms = 9
    line.batch(run)
    line.batch(run)
    assert "3/4 actions" not in stream.getvalue()
    await clock.advance(0.1)
    assert stream.getvalue().count("3/4 actions") == 1
    line.batch(run)
    line.close()
    await clock.advance(1)
    assert stream.getvalue().endswith("\r\x1b[K")


async def test_a_terminal_that_knows_no_unicode_gets_a_line_all_the_same() -> None:
    raw = io.BytesIO()
    run = view()
    run.actions[2].id = "prüfen"
    stream = io.TextIOWrapper(raw, encoding="ascii")
    ProgressLine(stream, clock=VirtualClock()).batch(run)
    assert b"pr?fen" in raw.getvalue()


def test_the_result_tells_how_it_ended_and_what_did_not_succeed() -> None:
    run = view()
    run.job.status, run.job.outcome, run.job.error = "failed", "aborted", "action 'c' failed"
    run.job.finished_ms = 3500
    run.job.succeeded, run.job.failed, run.job.skipped = 2, 1, 1
    run.actions[2].status, run.actions[2].error = ActionStatus.FAILED, "no\nluck"
    run.actions[3].status, run.actions[3].error_code = ActionStatus.SKIPPED, ErrorCode.ABORTED
    run.actions[3].error = "skipped due to abort"
    assert result_lines(run) == [
        "audit: failed in 2.5s: 2 succeeded, 1 failed, 1 skipped of 4 actions in 2 levels",
        "  aborted: action 'c' failed",
        "  level 1: c: failed: no\nluck",
        "  level 1: d\x1b[2J: skipped: skipped due to abort",
        "  job j1",
    ]


def test_a_cancelled_run_tells_why() -> None:
    run = view()
    run.job.status, run.job.cancel_reason = "cancelled", "enough"
    assert result_lines(run)[1] == "  enough"
