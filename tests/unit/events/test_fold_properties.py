"""Properties of every stream: snapshots, filters, oracles, and data of any shape."""

import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.events import kinds
from headway.events.event import Event
from headway.events.fold import clone, fold, fold_all
from headway.events.views import BudgetView, InboxView, JobRow, JobsView, LimitsView, RunView, StateView
from headway.testing import event_stream
from headway.testing.streams import _Run

VIEWS: dict[str, Callable[[], Any]] = {
    "run": lambda: RunView(JobRow("job001")),
    "jobs": JobsView,
    "limits": LimitsView,
    "budget": BudgetView,
    "inbox": InboxView,
    "state": lambda: StateView("ctx0"),
    "fork's state": lambda: StateView("job:job002"),
}
each_view = pytest.mark.parametrize("make", VIEWS.values(), ids=VIEWS)
seeds = st.integers(0, 2**32)


def stream(seed: int, jobs: int = 4) -> list[Event]:
    return event_stream(random.Random(seed), jobs=jobs, actions=9)


def reread(events: list[Event]) -> list[Event]:
    return msgspec.json.decode(msgspec.json.encode(events), type=list[Event])


@each_view
@given(seed=seeds, part=st.floats(0, 1))
def test_a_snapshot_and_the_tail_make_the_whole(make: Callable[[], Any], seed: int, part: float) -> None:
    events = stream(seed)
    cut = round(part * len(events))
    snapshot = msgspec.json.encode(fold_all(make(), events[:cut]))
    view = fold_all(msgspec.json.decode(snapshot, type=type(make())), reread(events[max(0, cut - 5) :]))
    assert view == fold_all(make(), events)


@each_view
@given(seed=seeds, part=st.floats(0, 1))
def test_folding_on_a_clone_leaves_the_original_and_the_events(make: Callable[[], Any], seed: int, part: float) -> None:
    events = stream(seed)
    before = msgspec.json.encode(events)
    cut = round(part * len(events))
    view = fold_all(make(), events[:cut])
    kept = msgspec.json.encode(view)
    fold_all(clone(view), events[cut:])
    assert msgspec.json.encode(view) == kept
    assert msgspec.json.encode(events) == before


@given(seed=seeds)
def test_a_run_is_the_same_from_the_whole_log_and_from_its_own_events(seed: int) -> None:
    events = [event for event in stream(seed) if event.kind != kinds.STORE_PRUNED]
    jobs = fold_all(JobsView(), events)
    for job_id, row in jobs.jobs.items():
        run = fold_all(RunView(JobRow(job_id)), events)
        assert run == fold_all(RunView(JobRow(job_id)), [event for event in events if event.job_id == job_id])
        assert run.job == row
        assert row.finished
        statuses = [action.status for action in run.actions]
        counts = {"succeeded": row.succeeded, "failed": row.failed, "skipped": row.skipped, "rejected": row.rejected}
        if row.outcome != "rejected":
            assert counts == {status: statuses.count(status) for status in counts}  # type: ignore[arg-type]
            assert all(action.done and not action.waiting_for for action in run.actions)
        assert all(level.settled == len(level.actions) for level in run.levels) or row.outcome == "rejected"
        assert msgspec.json.decode(msgspec.json.encode(run.result()))["job_id"] == job_id


@given(seed=seeds)
def test_the_state_of_a_scope_is_what_its_run_says_it_is(seed: int) -> None:
    rng = random.Random(seed)
    parent = _Run(rng, "parent", 9, None)
    parent.scope, parent.context_id = "job:parent", None
    events = list(parent.events())
    runs = [parent]
    if parent.level_ended is not None:
        fork = _Run(rng, "fork", 9, parent)
        events += fork.events()
        runs.append(fork)
    for seq, event in enumerate(events, 1):
        event.seq = seq
    for run in runs:
        view = fold_all(StateView(run.scope), events)
        assert view.state == run.state
        assert (view.pending, view.jobs) == ({}, {})


@given(seed=seeds)
def test_nobody_is_left_waiting_when_all_jobs_have_ended(seed: int) -> None:
    for bucket in fold_all(LimitsView(), stream(seed)).buckets.values():
        assert (bucket.waiters, bucket.queue, bucket.next_ms) == (0, {}, None)


# -- data of any shape -----------------------------------------------------------------------------------------------

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.sampled_from(["a0", "a1", "ctx0", "succeeded", "set", "fetch", 10**30, 1e308, -1])
)
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)
KEYS = sorted({key for seed in range(20) for event in stream(seed) for key in event.data})


def spoil(value: Any, rng: random.Random, junk: Any, rate: float) -> Any:
    """Return the value with parts of it replaced by ``junk`` or left out."""
    if rng.random() < rate:
        return junk
    if isinstance(value, dict):
        return {key: spoil(item, rng, junk, rate) for key, item in value.items() if rng.random() > rate}
    if isinstance(value, list):
        return [spoil(item, rng, junk, rate) for item in value]
    return value


def fold_and_snapshot(events: list[Event]) -> None:
    for make in VIEWS.values():
        view = make()
        for event in events:
            view = fold(view, event)
        encoded = msgspec.json.encode(view)
        assert msgspec.json.decode(encoded, type=type(view)) == view
        clone(view)


@given(seed=seeds, junk=json_values, rate=st.sampled_from([0.02, 0.2]))
def test_spoilt_streams_never_raise_and_views_stay_sound(seed: int, junk: Any, rate: float) -> None:
    rng = random.Random(seed)
    events = stream(seed, jobs=3)
    for event in events:
        data = spoil(event.data, rng, junk, rate)
        event.data = data if isinstance(data, dict) else {}
        if rng.random() < rate:
            event.level = rng.choice((None, -1, 0, 99, 2**60))
            event.attempt = rng.choice((None, -1, 2**60))
            event.action_id = rng.choice((None, "", "a0"))
    fold_and_snapshot(events)


@given(
    events=st.lists(
        st.builds(
            Event,
            kind=st.sampled_from(sorted(kinds.ALL)),
            data=st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), json_values, max_size=6),
            job_id=st.sampled_from(["job001", "job002", None]),
            action_id=st.sampled_from(["a0", "a1", None]),
            level=st.sampled_from([None, 0, 1]),
            attempt=st.sampled_from([None, 1, 2]),
        ),
        max_size=20,
    )
)
def test_arbitrary_data_never_raises(events: list[Event]) -> None:
    for seq, event in enumerate(events, 1):
        event.seq = seq
    fold_and_snapshot(events)
