"""The fold: CPU time per event for each view, for a run of 1,000 actions, for a copy of it and a snapshot."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import msgspec

from benchmarks._figure import Figure
from benchmarks._pace import PACE
from headway.events.critical_path import critical_path
from headway.events.event import Event
from headway.events.fold import clone, fold, fold_all
from headway.events.views import BudgetView, JobRow, JobsView, LimitsView, RunView, StateView
from headway.testing import event_stream

SECONDS = 10

_VIEWS: dict[str, Callable[[], Any]] = {
    "JobsView": JobsView,
    "LimitsView": LimitsView,
    "BudgetView": BudgetView,
    "StateView": lambda: StateView("ctx0"),
    "RunView (log of all jobs)": lambda: RunView(JobRow("job003")),
}


def _best_us(work: Callable[[], object], per: int) -> float:
    """Return the CPU time of the fastest round, in µs for each of ``per`` pieces."""

    def once() -> float:
        began = time.process_time()
        work()
        return time.process_time() - began

    return PACE.best_of(once, rounds=7) / per * 1e6


def _wide_run(actions: int) -> list[Event]:
    """Return the events of one flat run: start, progress and success of each action."""
    graph = {
        "actions": [{"id": f"a{n}", "type": "tool_call", "tool": "noop", "needs": []} for n in range(actions)],
        "levels": [list(range(actions))],
    }
    events = [Event("job_created", {"scope": "s", "graph": graph}, "job"), Event("job_started", {}, "job")]
    change = {"k": {"op": "set", "value": 1}}
    for n in range(actions):
        action_id = f"a{n}"
        events.append(Event("action_executing", {}, "job", action_id, 0, 1))
        events.append(Event("action_progress", {"current": 1, "total": 2, "message": "half"}, "job", action_id, 0, 1))
        data = {"output": {"n": n}, "state_changes": change, "duration_ms": 1.5}
        events.append(Event("action_succeeded", data, "job", action_id, 0, 1))
    events.append(Event("level_finished", {"succeeded": actions}, "job", level=0))
    events.append(Event("job_completed", {"cost": {"tool_calls": actions}}, "job"))
    for seq, event in enumerate(events, 1):
        event.seq, event.ts = seq, seq
    return events


def _one_by_one(events: list[Event]) -> RunView:
    view = RunView(JobRow("job"))
    for event in events:
        view = fold(view, event)
    return view


def _empty() -> RunView:
    return RunView(JobRow("job"))


def _folded(make: Callable[[], Any], events: list[Event]) -> object:
    return fold_all(make(), events)


def run() -> Iterator[Figure]:
    """Measure; return the figures."""
    events = event_stream(random.Random(1), jobs=60, actions=40)
    for name, make in _VIEWS.items():
        yield Figure(f"fold into {name}", _best_us(partial(_folded, make, events), len(events)), "µs/event")
    wide = _wide_run(1000)
    view = fold_all(RunView(JobRow("job")), wide)
    assert view.job.succeeded == 1000
    assert view.job.status == "completed"
    created = wide[:1]
    one = len(wide)
    yield Figure("fold_all, one run of 1,000 actions", _best_us(lambda: _folded(_empty, wide), one), "µs/event")
    yield Figure("fold one by one, the same", _best_us(lambda: _one_by_one(wide), one), "µs/event")
    yield Figure("job_created with 1,000 actions", _best_us(lambda: _folded(_empty, created), 1000), "µs/action")
    yield Figure("clone a run of 1,000 actions", _best_us(lambda: clone(view), 1000), "µs/action")
    yield Figure("encode it as JSON", _best_us(lambda: msgspec.json.encode(view), 1000), "µs/action")
    yield Figure("critical path", _best_us(lambda: critical_path(view, 0), 1000), "µs/action")
