"""All views of one place are what each fold alone makes of the same events."""

import random

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from headway.events.fold import fold_all
from headway.events.views import BudgetView, JobRow, JobsView, LimitsView, RunView
from headway.testing import event_stream
from headway_console.sources.folded import FINISHED, Folded


@given(st.integers(0, 2**32), st.integers(1, 15))
def test_it_folds_every_view(seed: int, jobs: int) -> None:
    events = event_stream(random.Random(seed), jobs=jobs)
    folded = Folded()
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
    straight = Folded()
    straight.fold(events)
    halfway = Folded()
    halfway.fold(events[:cut])
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(halfway), type=Folded)
    assert again == halfway
    again.fold(events[cut:])
    assert again == straight


def test_a_fresh_start_holds_what_was_folded() -> None:
    events = event_stream(random.Random(7))
    folded = Folded()
    folded.fold(events)
    start = folded.snapshot(events[-3:], older=len(events) - 3)
    assert (start.seq, start.jobs, start.runs, start.older) == (len(events), folded.jobs, folded.runs, len(events) - 3)
    assert start.events == events[-3:]
