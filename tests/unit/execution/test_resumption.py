"""The view of a run as those see it who resume it: what was settled, tried, cut off and undone."""

from __future__ import annotations

from headway.events import kinds
from headway.events.event import Event
from headway.events.fold import fold_all
from headway.execution.resumption import resumption_of
from headway.plan.results import ErrorCode
from tests.unit.events.builders import Log, put


def test_the_view_tells_what_is_being_undone_and_when_each_action_settled() -> None:
    log = Log()
    log.created([[0, 1]])
    log.add(kinds.ACTION_EXECUTING, "a1", attempt=1)
    log.add(kinds.ACTION_SUCCEEDED, "a1", attempt=1, output=1)
    log.add(kinds.ACTION_EXECUTING, "a0", attempt=1)
    log.add(kinds.ACTION_DEDUPLICATED, "a0", source="cache")
    log.add(kinds.ACTION_SUCCEEDED, "a0", output=1)
    log.add(kinds.COMPENSATION_STARTED, "a1", tool="t")
    run = log.run()
    assert [(a.finished_seq, a.attempt, a.compensating) for a in run.actions] == [(6, 0, False), (3, 1, True)]
    ended = [
        Event(kinds.COMPENSATION_SUCCEEDED, {"output": 1}, "job", "a1"),
        Event(kinds.COMPENSATION_FAILED, {"error": "no"}, "job", "a1"),
        Event(kinds.JOB_FAILED, {}, "job"),
    ]
    for end, compensated in zip(ended, (True, False, None), strict=True):
        action = fold_all(log.run(), [end]).action("a1")
        assert (action.compensated, action.compensating) == (compensated, False)


def test_what_settled_in_one_millisecond_is_in_the_order_of_the_log() -> None:
    log = Log()
    log.created([[0, 1, 2]])
    for name in ("a2", "a0", "a1"):
        log.add(kinds.ACTION_SUCCEEDED, name, attempt=1)
    for event in log.events:
        event.ts = 1000
    assert resumption_of(log.run(), {}).own == [2, 0, 1]


def test_who_waits_for_a_token_between_two_attempts_is_not_in_flight() -> None:
    log = Log()
    log.created([[0, 1, 2]])
    for name in ("a0", "a1", "a2"):
        log.add(kinds.ACTION_EXECUTING, name, attempt=1)
    for name in ("a1", "a2"):
        error = {"error": "no", "error_code": "tool_error", "duration_ms": 500}
        log.add(kinds.ACTION_RETRYING, name, attempt=1, delay_ms=100, **error)
        log.add(kinds.RATE_LIMIT_WAIT, name, bucket="t", next_ms=5)
    log.add(kinds.RATE_LIMIT_GRANT, "a2", bucket="t")
    past = resumption_of(log.run(), {})
    assert past.tried == {
        0: (1, "interrupted: the process ended during the call", ErrorCode.INTERRUPTED, 0.0),
        1: (1, "no", ErrorCode.TOOL_ERROR, 0.5),
        2: (1, "no", ErrorCode.TOOL_ERROR, 0.5),
    }
    assert [i for i, tried in past.tried.items() if tried.cut_off] == [0]


def test_a_roll_back_that_was_cut_in_two_goes_on_with_the_rest() -> None:
    log = Log()
    log.created([[0], [1]])
    log.add(kinds.ACTION_SUCCEEDED, "a0", attempt=1, state_changes=put(old=2, other=2, new=2))
    log.add(kinds.LEVEL_FINISHED, level=0)
    undo = {"old": {"op": "set", "value": 1}, "other": {"op": "set", "value": 1}, "new": {"op": "delete"}}
    assert resumption_of(log.run(), {"old": 1, "other": 1}).before == undo
    log.add(kinds.STATE_ROLLBACK, restored={"old": undo.pop("old")}, rolled_back=["a0"])
    assert resumption_of(log.run(), {"old": 1, "other": 1}).before == undo
    log.add(kinds.STATE_ROLLBACK, restored=undo, rolled_back=["a0"])
    assert resumption_of(log.run(), {"old": 1, "other": 1}).before == {}


def test_a_compensation_that_a_restart_cut_off_is_known() -> None:
    log = Log()
    log.created([[0, 1]])
    for name in ("a0", "a1"):
        log.add(kinds.ACTION_SUCCEEDED, name, attempt=1)
        log.add(kinds.COMPENSATION_STARTED, name, tool="t")
    log.add(kinds.COMPENSATION_SUCCEEDED, "a0", output=None)
    past = resumption_of(log.run(), {})
    assert past.undoing == {1}
    assert [r.compensated for r in past.results if r is not None] == [True, None]
