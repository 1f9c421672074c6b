"""The transition tables, every pair of them, and the fold that follows the same way."""

from __future__ import annotations

import random

import pytest

from headway.errors import InvalidTransition
from headway.events import kinds
from headway.events.event import Event
from headway.events.fold import fold
from headway.events.views import JobsView
from headway.jobs.transitions import FINAL, OPERATIONS, TRANSITIONS, JobStatus, Operation, move, require
from tests.sizes import cases

ALLOWED = {
    ("queued", "running"),
    ("queued", "paused"),
    ("queued", "failed"),
    ("queued", "cancelled"),
    ("running", "queued"),
    ("running", "paused"),
    ("running", "completed"),
    ("running", "failed"),
    ("running", "cancelled"),
    ("paused", "queued"),
    ("paused", "failed"),
    ("paused", "cancelled"),
}

ASKED = {
    ("queued", "start"): {"running"},
    ("queued", "cancel"): {"cancelled"},
    ("queued", "pause"): {"paused"},
    ("running", "progress"): {"running"},
    ("running", "complete"): {"completed"},
    ("running", "fail"): {"queued", "failed"},
    ("running", "cancel"): {"running", "cancelled"},
    ("running", "pause"): {"running", "paused"},
    ("paused", "cancel"): {"cancelled"},
    ("paused", "resume"): {"queued"},
    ("completed", "cancel"): {"completed"},
    ("failed", "cancel"): {"failed"},
    ("cancelled", "cancel"): {"cancelled"},
}

EVENTS = {
    ("queued", "running"): Event(kinds.JOB_STARTED, job_id="j"),
    ("queued", "paused"): Event(kinds.RUN_PAUSED, job_id="j"),
    ("running", "paused"): Event(kinds.RUN_PAUSED, job_id="j"),
    ("running", "queued"): Event(kinds.JOB_REQUEUED, {"why": "retry", "attempt": 1, "next_retry_ms": 5}, job_id="j"),
    ("paused", "queued"): Event(kinds.JOB_REQUEUED, {"why": "resume"}, job_id="j"),
    **{(now, "failed"): Event(kinds.JOB_FAILED, job_id="j") for now in ("queued", "running", "paused")},
    **{(now, "cancelled"): Event(kinds.JOB_CANCELLED, job_id="j") for now in ("queued", "running", "paused")},
    ("running", "completed"): Event(kinds.JOB_COMPLETED, job_id="j"),
}


@pytest.mark.parametrize("then", JobStatus)
@pytest.mark.parametrize("now", JobStatus)
def test_the_table_is_what_it_is(now: JobStatus, then: JobStatus) -> None:
    if (now.value, then.value) in ALLOWED:
        assert move("j", now, then) is then
    else:
        with pytest.raises(InvalidTransition, match=f"job j is {now.value} and cannot become {then.value}"):
            move("j", now, then)


@pytest.mark.parametrize("operation", Operation)
@pytest.mark.parametrize("now", JobStatus)
def test_each_operation_is_asked_of_each_status(now: JobStatus, operation: Operation) -> None:
    wanted = ASKED.get((now.value, operation.value))
    if wanted is None:
        with pytest.raises(InvalidTransition, match=f"job j is {now.value} and cannot ") as refused:
            require("j", now, operation)
        assert (refused.value.code, bool(refused.value.remedy)) == ("invalid_transition", True)
    else:
        require("j", now.value, operation)
        assert OPERATIONS[operation][now] == wanted


def test_operations_lead_only_where_the_table_does() -> None:
    for following in OPERATIONS.values():
        for now, then in following.items():
            assert then - {now} <= TRANSITIONS[now]
    assert {"completed", "failed", "cancelled"} == FINAL


def test_the_tables_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        TRANSITIONS[JobStatus.FAILED] = frozenset()  # type: ignore[index]
    with pytest.raises(TypeError):
        OPERATIONS[Operation.START] = {}  # type: ignore[index]
    with pytest.raises(TypeError):
        OPERATIONS[Operation.START][JobStatus.FAILED] = frozenset()  # type: ignore[index]


@pytest.mark.parametrize("seed", range(cases(200)))
def test_the_fold_goes_the_ways_of_the_table(seed: int) -> None:
    rng = random.Random(seed)
    view = fold(JobsView(), Event(kinds.JOB_CREATED, {"graph": {}}, job_id="j"))
    status, row = JobStatus.QUEUED, view.jobs["j"]
    for _ in range(20):
        if status in FINAL:
            break
        then = rng.choice(sorted(TRANSITIONS[status]))
        fold(view, EVENTS[status.value, then.value])
        status = move("j", status, then)
        assert row.status == status.value
        assert row.finished == (status in FINAL)
        assert row.next_retry_ms is None or status in (JobStatus.QUEUED, JobStatus.PAUSED)
