"""All views of one place are what each fold alone makes of the same events."""

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.events.fold import fold_all
from headway.events.snapshot import FINISHED, Snapshot, answer_schema
from headway.events.views import BudgetView, JobRow, JobsView, LimitsView, RunView
from headway.testing import event_stream


@given(st.integers(0, 2**32), st.integers(1, 15))
def test_it_folds_every_view(seed: int, jobs: int) -> None:
    events = event_stream(random.Random(seed), jobs=jobs)
    folded = Snapshot()
    folded.fold(events)
    assert folded.seq == events[-1].seq
    assert folded.jobs == fold_all(JobsView(), events)
    assert folded.limits == fold_all(LimitsView(), events)
    assert folded.budgets == fold_all(BudgetView(), events)
    for job_id, run in folded.runs.items():
        assert run == fold_all(RunView(job=JobRow(job_id=job_id)), events)
    assert {row.job_id for row in folded.jobs.jobs.values() if not row.finished} <= set(folded.runs)
    assert sum(run.job.finished for run in folded.runs.values()) == min(
        FINISHED, sum(row.finished for row in folded.jobs.jobs.values())
    )


@given(st.integers(0, 2**32), st.floats(0, 1))
def test_packed_and_folded_on_it_is_the_same(seed: int, part: float) -> None:
    events = event_stream(random.Random(seed))
    cut = round(part * len(events))
    straight = Snapshot()
    straight.fold(events)
    halfway = Snapshot()
    halfway.fold(events[:cut])
    again = Snapshot.unpack(halfway.pack())
    assert again == halfway
    again.fold(events[cut:])
    assert again == straight


@given(st.integers(0, 2**32))
def test_an_answer_of_the_operator_api_is_read_back(seed: int) -> None:
    events = event_stream(random.Random(seed))
    folded = Snapshot(complete=False)
    folded.fold(events)
    job_id = next(iter(folded.runs))
    folded.runs = {job_id: folded.runs[job_id]}
    answer = msgspec.json.encode(folded.to_dict())
    assert Snapshot.answered(answer) == folded
    assert set(msgspec.json.decode(answer)) == {
        "seq",
        "complete",
        "jobs",
        "limits",
        "budgets",
        "inbox",
        "threads",
        "schedules",
        "run",
    }
    msgspec.json.decode(answer, type=answer_schema())
    old = msgspec.json.encode({"seq": 4, "jobs": folded.jobs, "later": 1})
    assert Snapshot.answered(old) == Snapshot(4, jobs=folded.jobs)


def test_a_view_that_is_not_in_the_table_is_refused() -> None:
    with pytest.raises(TypeError, match="there is no view nothing"):
        Snapshot(nothing=JobsView())


def test_events_told_twice_are_folded_once() -> None:
    events = event_stream(random.Random(7))
    once, twice = Snapshot(), Snapshot()
    once.fold(events)
    twice.fold(events[:100])
    twice.fold(events[50:])
    assert twice == once
