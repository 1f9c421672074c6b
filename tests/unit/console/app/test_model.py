"""The console's model: what it knows after what it was fed."""

import random

from headway.events import kinds
from headway.events.event import Event
from headway.events.fold import clone, fold_all
from headway.events.snapshot import Snapshot
from headway.events.views import BudgetView, JobRow, JobsView, LimitsView
from headway.testing import event_stream
from headway_console.model import ConsoleModel
from tests.unit.console.app.fakes import recorded, run_of


def model(**options: int) -> ConsoleModel:
    return ConsoleModel(lambda: 0, **options)


def job(job_id: str, seq: int) -> list[Event]:
    """A job that is created and started."""
    graph = {"actions": [{"id": "a", "type": "state_read"}], "levels": [[0]]}
    created = Event(kinds.JOB_CREATED, {"title": job_id, "graph": graph}, job_id=job_id, seq=seq, ts=1000 + seq)
    return [created, Event(kinds.JOB_STARTED, {"pid": 1}, job_id=job_id, seq=seq + 1, ts=1001 + seq)]


def ended(job_id: str, seq: int) -> Event:
    return Event(kinds.JOB_COMPLETED, {"cost": {}}, job_id=job_id, seq=seq, ts=1000 + seq)


def test_it_folds_what_the_fold_folds() -> None:
    events = event_stream(random.Random(7), jobs=5)
    known = model()
    for start in range(0, len(events), 17):
        known.feed(events[start : start + 17])
    assert known.jobs == fold_all(JobsView(), events)
    assert known.limits == fold_all(LimitsView(), events)
    assert known.budgets == fold_all(BudgetView(), events)
    assert known.events == events
    assert known.last_seq == events[-1].seq
    for job_id, run in known.runs.items():
        assert run == run_of(events, job_id)


def test_events_told_twice_are_taken_once() -> None:
    events = recorded("good-run")
    known = model()
    known.feed(events[:60])
    known.feed(events[40:])
    assert known.events == events


def test_every_change_changes_the_version() -> None:
    known = model()
    seen = {known.version}
    known.feed(job("one", 1))
    seen.add(known.version)
    known.choose("one")
    seen.add(known.version)
    known.feed(Snapshot())
    seen.add(known.version)
    assert len(seen) == 4


def test_a_snapshot_replaces_everything() -> None:
    events = recorded("good-run")
    known = model()
    known.feed(events)
    half = events[:90]
    jobs, limits, budgets = (fold_all(view, half) for view in (JobsView(), LimitsView(), BudgetView()))
    job_id = next(iter(jobs.jobs))
    run = run_of(half, job_id)
    start = Snapshot(
        90, jobs=jobs, limits=limits, budgets=budgets, runs={job_id: run}, events=half[80:], older=80, complete=False
    )
    known.feed(start)
    assert (known.epoch, known.complete) == (1, False)
    assert (known.last_seq, known.older, len(known.events)) == (90, 80, 10)
    known.feed(events[90:])
    assert known.run == run_of(events, job_id)
    assert known.jobs == fold_all(JobsView(), events)


def test_following_takes_each_run_that_begins() -> None:
    known = model()
    known.feed(job("one", 1))
    assert (known.current_id, known.pinned) == ("one", False)
    known.feed(job("two", 3))
    assert (known.current_id, known.pinned) == ("two", False)
    known.feed([Event(kinds.JOB_CREATED, {"title": "queued"}, job_id="three", seq=5)])
    assert known.current_id == "two", "it has not begun"


def test_a_run_that_ends_in_sight_stays_whatever_else_runs_or_begins() -> None:
    known = model()
    known.feed(job("one", 1))
    known.feed(job("two", 3))
    known.seen()
    known.feed([ended("two", 5)])
    assert (known.current_id, known.pinned, known.newer()) == ("two", True, 0)
    known.feed(job("three", 6))
    assert (known.current_id, known.pinned, known.newer()) == ("two", True, 1)
    known.choose(None)
    assert (known.current_id, known.pinned) == ("three", False)


def test_a_run_that_ended_before_it_was_seen_is_not_kept() -> None:
    known = model()
    known.feed([*job("one", 1), ended("one", 3), *job("two", 4)])
    assert (known.current_id, known.pinned) == ("two", False)
    known.feed([ended("two", 6)])  # nobody has painted it
    known.feed(job("three", 7))
    assert known.current_id == "three"


def test_a_run_that_ended_while_the_place_was_lost_stays() -> None:
    known = model()
    events = [*job("one", 1), *job("two", 3)]
    known.feed(events)
    known.seen()
    events += [ended("two", 5), *job("three", 6)]
    known.feed(Snapshot(7, jobs=fold_all(JobsView(), events)))
    assert (known.current_id, known.pinned) == ("two", True)


def test_in_a_recording_the_place_alone_says_what_is_in_sight() -> None:
    known = ConsoleModel(lambda: 0, keeps_ended=False)
    known.feed(job("one", 1))
    known.seen()
    known.feed([ended("one", 3)])
    known.feed(job("two", 4))
    assert known.current_id == "two"


def test_a_pinned_run_holds_until_the_operator_leaves_it() -> None:
    known = model()
    known.feed(job("one", 1))
    known.pin()
    known.feed(job("two", 3))
    assert (known.current_id, known.pinned, known.newer()) == ("one", True, 1)
    known.feed([ended("one", 5)])
    assert known.current_id == "one"
    known.choose(None)
    assert (known.current_id, known.pinned) == ("two", False)


def test_it_is_opening_until_something_is_known() -> None:
    known = model()
    assert known.opening
    known.feed(Snapshot())
    assert not known.opening


def test_live_jobs_are_those_not_finished() -> None:
    known = model()
    known.feed(job("one", 1))
    known.feed(job("two", 3))
    known.feed([ended("one", 5)])
    assert [row.job_id for row in known.live_jobs()] == ["two"]
    assert known.busy
    known.feed([ended("two", 6)])
    assert known.live_jobs() == []
    assert not known.busy


def test_a_run_begun_before_the_view_is_asked_for_and_folded_on() -> None:
    events = recorded("good-run")
    before, after = events[:90], events[90:]
    job_id = next(event.job_id for event in events if event.job_id)
    known = model()
    known.feed(Snapshot(seq=90, jobs=fold_all(JobsView(), before)))
    assert known.missing == job_id
    known.feed(after[:20])
    assert known.run is None
    fetched = run_of(events[:100], job_id)  # read from the store ten events later
    known.install(job_id, clone(fetched))
    assert known.missing is None
    assert known.run == run_of(events[:110], job_id)
    known.feed(after[20:])
    assert known.run == run_of(events, job_id)


def test_a_run_that_the_source_does_not_know_is_not_asked_for_again() -> None:
    known = model()
    known.feed(Snapshot(seq=4, jobs=JobsView({"gone": JobRow(job_id="gone")})))
    assert known.missing == "gone"
    known.install("gone", None)
    assert known.missing is None


def test_finished_runs_are_let_go_but_not_the_one_looked_at() -> None:
    known = model(max_runs=2)
    known.choose("job0")
    seq = 1
    for number in range(5):
        known.feed([*job(f"job{number}", seq), ended(f"job{number}", seq + 2)])
        seq += 3
    assert set(known.runs) == {"job0", "job4"}
    known.choose("job1")
    assert known.missing == "job1"


def test_old_events_are_counted_not_kept() -> None:
    known = model(max_events=100)
    for seq in range(1, 251):
        known.feed([Event("x", seq=seq, ts=seq)])
    assert known.older + len(known.events) == 250
    assert 100 <= len(known.events) <= 110
    assert known.first == known.older
    assert known.event_at(249) is known.events[-1]
    assert known.event_at(0) is None
