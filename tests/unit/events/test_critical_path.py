"""The critical path, and why an action waits."""

import itertools
import random

import pytest

from headway.events.critical_path import critical_path, why_waiting
from headway.events.fold import fold_all
from headway.events.views import ActionView, JobRow, JobsView, LevelView, LimitsView, RunView
from headway.testing import event_stream
from tests.unit.events.builders import Log


def graph(edges: dict[str, str], weights: dict[str, float]) -> RunView:
    """Return a finished run whose actions are listed level by level: ``edges`` maps an id to "the ids it needs"."""
    level: dict[str, int] = {}
    for name, needs in edges.items():
        level[name] = 1 + max((level[need] for need in needs.split()), default=-1)
    actions = [
        ActionView(name, index, level[name], needs=needs.split(), duration_ms=weights.get(name, 0.0), finished_ms=1)
        for index, (name, needs) in enumerate(edges.items())
    ]
    levels = [LevelView(n, [a.index for a in actions if a.level == n]) for n in range(max(level.values()) + 1)]
    return RunView(JobRow("job"), levels=levels, actions=actions)


def test_the_longest_path_by_time_not_by_steps() -> None:
    run = graph({"a": "", "b": "", "c": "a", "d": "c", "e": "b"}, {"a": 1, "c": 1, "d": 1, "b": 2, "e": 9})
    assert critical_path(run, 0) == ["b", "e"]
    assert critical_path(run) == ["b", "e"]


def test_waits_count_and_order_edges_too() -> None:
    run = graph({"a": "", "b": "", "c": "a"}, {"a": 5, "b": 3, "c": 1})
    run.actions[1].waited_ms = 40
    run.actions[2].after = ["b"]
    assert critical_path(run, 0) == ["b", "c"]


def test_before_and_during_a_run() -> None:
    log = Log()
    log.created()
    assert critical_path(log.run(), 99_000) == []
    log.add("action_executing", "a1", level=0, attempt=1)
    assert critical_path(log.run(), 9_000) == ["a1"]
    assert critical_path(log.run()) == []
    log.add("action_succeeded", "a0", level=0, attempt=1, output=1, duration_ms=5_000)
    assert critical_path(log.run(), 6_000) == ["a0"]
    assert critical_path(log.run(), 8_000) == ["a1"]


def test_a_malformed_graph_has_an_answer() -> None:
    run = graph({"a": "", "b": "a"}, {"a": 1, "b": 1})
    run.actions[0].needs = ["b", "a", "nobody"]
    assert critical_path(run, 0) == ["a", "b"]


@pytest.mark.parametrize("seed", range(20))
def test_it_is_the_heaviest_of_all_paths(seed: int) -> None:
    rng = random.Random(seed)
    names = "abcdefgh"
    edges = {n: " ".join(rng.sample(names[:i], min(i, rng.randint(0, 2)))) for i, n in enumerate(names)}
    weights = {n: float(rng.randint(1, 50)) for n in names}
    run = graph(edges, weights)
    path = critical_path(run, 0)
    assert all(before in edges[after].split() for before, after in itertools.pairwise(path))

    def heaviest(name: str) -> float:
        return weights[name] + max((heaviest(need) for need in edges[name].split()), default=0.0)

    assert sum(weights[name] for name in path) == max(heaviest(name) for name in names)


def test_it_takes_linear_time_in_edges() -> None:
    wide = [f"a{n}" for n in range(2000)]
    run = graph({**dict.fromkeys(wide, ""), "end": " ".join(wide)}, {"a7": 5.0, "end": 1.0})
    assert critical_path(run, 0) == ["a7", "end"]


def why(log: Log, action_id: str = "a0", now_ms: int = 10_000) -> str:
    return why_waiting(log.run(), action_id, now_ms, fold_all(LimitsView(), log.events))


def test_why_an_action_waits_from_the_queue_to_its_end() -> None:
    log = Log()
    log.created([[0, 1], [2], [3]])
    assert why(log) == "waits for the job to start"
    log.add("job_started")
    assert why(log) == "ready: waits for a free slot"
    assert why(log, "a2") == "waits for a0 and a1 to finish"
    log.add("action_executing", "a0", level=0, attempt=1)
    assert why(log, now_ms=5_500) == "running for 2.5 s"
    log.add("action_retrying", "a0", level=0, attempt=1, error="refused\nagain", error_code="tool_error", delay_ms=1600)
    assert why(log, now_ms=4_100) == "waits for attempt 2 in 1.5 s after: refused again"
    log.add("action_executing", "a0", level=0, attempt=2)
    assert why(log, now_ms=200_000) == "running for 3 min 17 s, attempt 2"
    log.add("action_succeeded", "a0", level=0, attempt=2, output=1, duration_ms=1200)
    assert why(log) == "succeeded after 1.2 s"
    assert why(log, "a2") == "waits for a1 to finish"
    log.add("run_paused", by="me")
    assert why(log, "a1") == "waits for the run to be resumed"
    log.add("run_resumed", by="me")
    log.add("run_cancel_requested", reason="enough [red]", by="me")
    assert why(log, "a1") == "will be skipped: the run was canceled: enough [red]"
    log.add("action_skipped", "a1", level=0, error="canceled: enough [red]", error_code="canceled")
    assert why(log, "a1") == "skipped: canceled: enough [red]"
    log.add("job_cancelled", reason="enough", cost={})
    assert why(log, "a2") == "never ran: the job is cancelled"


def test_why_with_a_rate_limit() -> None:
    log = Log()
    log.created()
    log.add("job_started")
    facts = {"bucket": "fetch", "capacity": 5, "interval_s": 10, "tokens": 0, "at_ms": 3000}
    log.add("rate_limit_wait", "a0", level=0, **facts, waiters=1, next_ms=5000)
    expected = "waits for the rate limit of fetch: 0.5 of 5 tokens, the next comes in 1.0 s"
    assert why(log, now_ms=4_000) == expected
    assert why_waiting(log.run(), "a0", 4_000) == "waits for the rate limit of fetch: its next token comes in 1.0 s"
    log.add("rate_limit_wait", "a1", level=0, **facts, waiters=2)
    assert why(log, "a1", now_ms=4_000) == expected + ", 2 wait"
    assert why_waiting(log.run(), "a1", 4_000) == "waits for the rate limit of fetch"


def test_why_behind_a_level_or_a_failure() -> None:
    log = Log()
    log.created([[0, 1, 2, 3], [4]])
    log.events[0].data["graph"]["actions"][4]["needs"] = ["a0"]
    log.add("job_started")
    log.add("action_succeeded", "a0", level=0, output=1)
    assert why(log, "a4") == "waits for level 0 to finish: 1 of 4 actions are done"
    log.events[0].data["graph"]["actions"][4]["needs"] = ["a0", "a1"]
    log.add("action_skipped", "a1", level=0, error="E", error_code="tool_error", duration_ms=100)
    assert why(log, "a1") == "skipped after 0.1 s: E"
    assert why(log, "a4") == "will be skipped: a1 did not succeed"


def test_why_names_few_of_many() -> None:
    log = Log()
    log.created([[0, 1, 2, 3, 4], [5]])
    log.add("job_started")
    assert why(log, "a5") == "waits for a0, a1, a2 and 2 more to finish"


def test_why_of_nobody() -> None:
    log = Log()
    log.created()
    with pytest.raises(KeyError):
        why(log, "nobody")


@pytest.mark.parametrize("seed", range(10))
def test_there_is_one_line_for_every_action_at_every_time(seed: int) -> None:
    events = event_stream(random.Random(seed), jobs=2, actions=8, noise=False)
    for cut in range(0, len(events) + 1, 7):
        limits = fold_all(LimitsView(), events[:cut])
        now_ms = events[cut - 1].ts if cut else 0
        for job_id in fold_all(JobsView(), events[:cut]).jobs:
            run = fold_all(RunView(JobRow(job_id)), events[:cut])
            ids = {action.id for action in run.actions}
            assert set(critical_path(run, now_ms)) <= ids
            for action_id in ids:
                sentence = why_waiting(run, action_id, now_ms, limits)
                assert sentence
                assert "\n" not in sentence
