"""The fold of jobs, state, limits and budgets."""

import pytest

from headway.events.fold import fold_all
from headway.events.views import BucketView, BudgetRow, BudgetView, JobsView, LimitsView, PendingChanges, StateView
from tests.unit.events.builders import Log, put
from tests.unit.events.test_fold_run import carried

# -- jobs ------------------------------------------------------------------------------------------------------------


def test_jobs_are_listed_oldest_first_and_pruned_ones_leave() -> None:
    log = Log()
    for job_id in ("one", "two", "three"):
        log.job_id = job_id
        log.created()
    log.add("job_started", job_id="two")
    log.add("unheard_of", job_id="one")
    log.add("job_started", job_id="never created")
    view = fold_all(JobsView(), log.events)
    assert list(view.jobs) == ["one", "two", "three"]
    assert [row.status for row in view.jobs.values()] == ["queued", "running", "queued"]
    assert view.jobs["one"].last_seq == 5
    log.add("store_pruned", job_id=None, jobs=["one", "four"], events=3, reason="keep_days")
    view = fold_all(view, log.events)
    assert list(view.jobs) == ["two", "three"]
    assert view.last_seq == 7


def test_a_refused_job() -> None:
    log = Log()
    log.add("job_created", scope="s", proposal={"id": "p"}, graph={})
    log.add("job_failed", outcome="rejected", error="unknown tool", cost={}, issues=[{"message": "unknown tool"}])
    row = fold_all(JobsView(), log.events).jobs["job"]
    assert (row.status, row.outcome, row.error, row.levels, row.actions) == ("failed", "rejected", "unknown tool", 0, 0)


# -- state -----------------------------------------------------------------------------------------------------------


def test_a_scope_has_the_state_of_all_its_jobs() -> None:
    log = Log("one")
    log.created()
    log.add("action_succeeded", "a1", level=0, output=1, state_changes=put(k="a1"))
    log.add("action_succeeded", "a0", level=0, output=1, state_changes=put(k="a0", j=[1]))
    view = fold_all(StateView("s"), log.events)
    assert view.state == {}
    assert view.jobs == {"one": {"a0": 0, "a1": 1, "a2": 2}}
    assert view.pending == {
        "one": [PendingChanges("a1", 1, 0, put(k="a1")), PendingChanges("a0", 0, 0, put(k="a0", j=[1]))]
    }
    log.add("level_finished", level=0)
    log.add("job_completed", cost={})
    log.job_id = "elsewhere"
    log.created(scope="other")
    log.add("action_succeeded", "a0", level=0, output=1, state_changes=put(k="other"))
    log.add("level_finished", level=0)
    log.job_id = "two"
    log.created()
    log.add("action_succeeded", "a0", level=0, output=1, state_changes={"j": {"op": "delete"}, "l": {"op": "?"}})
    log.add("level_finished", level=0)
    view = fold_all(view, log.events)
    assert view.state == {"k": "a1"}
    assert (list(view.jobs), view.pending) == (["two"], {})
    assert view.last_seq == len(log.events)


@pytest.mark.parametrize("end", ["job_failed", "job_cancelled", "job_completed"])
def test_changes_of_a_level_that_never_ended_are_not_kept(end: str) -> None:
    log = Log()
    log.created()
    log.add("action_succeeded", "a0", level=0, output=1, state_changes=put(k=1))
    log.add(end, cost={})
    log.add("level_finished", level=0)
    view = fold_all(StateView("s"), log.events)
    assert (view.state, view.pending, view.jobs) == ({}, {}, {})


def test_a_rollback_undoes_finished_levels_and_drops_waiting_changes() -> None:
    log = Log()
    log.add("state_committed", job_id=None, scope="s", changes=put(k=0))
    log.created([[0], [1, 2]])
    log.add("action_succeeded", "a0", level=0, output=1, state_changes=put(k=1, new=1))
    log.add("level_finished", level=0)
    log.add("action_succeeded", "a1", level=1, output=1, state_changes=put(k=2))
    restored = {"k": {"op": "set", "value": 0}, "new": {"op": "delete"}}
    log.add("state_rollback", restored=restored, rolled_back=["a0", "a1"])
    log.add("level_finished", level=1)
    assert fold_all(StateView("s"), log.events).state == {"k": 0}


def test_restores_and_changes_outside_runs() -> None:
    log = Log()
    log.add("state_committed", job_id=None, scope="s", changes=put(a=1, b=1))
    log.add("state_committed", job_id=None, scope="t", changes=put(a=9))
    assert fold_all(StateView("s"), log.events).state == {"a": 1, "b": 1}
    log.add("checkpoint_restored", job_id=None, scope="s", checkpoint_id="c", state={"z": 1}, by="me")
    log.add("checkpoint_restored", job_id=None, scope="t", checkpoint_id="c", state={}, by="me")
    view = fold_all(StateView("s"), log.events)
    assert view.state == {"z": 1}
    log.add("state_committed", job_id=None, scope="s", changes=put(y=1))
    assert fold_all(view, log.events).state == {"z": 1, "y": 1}
    assert log.events[2].data["state"] == {"z": 1}  # the event is as it was
    log.add("state_committed", job_id=None, scope="s", changes=put(n=1), whole=True)
    log.add("state_committed", job_id=None, scope="t", changes=put(n=2), whole=True)
    log.add("state_committed", job_id=None, scope="s", changes=put(m=1))
    assert fold_all(view, log.events).state == {"n": 1, "m": 1}
    log.add("state_committed", job_id=None, scope="s", changes=put(n=3), whole="yes")
    assert fold_all(view, log.events).state == {"n": 3, "m": 1}


def test_a_fork_has_the_state_it_was_given_and_only_open_levels_pending() -> None:
    log = Log()
    results = [
        carried("a0", state_changes=put(k=1)),
        carried("a1", state_changes=put(k=2)),
        carried("a2", state_changes=put(k=3)),
    ]
    log.created([[0, 1], [2, 3]], results=results, state={"k": 2, "x": 1}, forked_from={"job_id": "old"})
    view = fold_all(StateView("s"), log.events)
    assert view.state == {"k": 2, "x": 1}
    assert [entry.action_id for entry in view.pending["job"]] == ["a2"]
    log.add("level_finished", level=1)
    assert fold_all(view, log.events).state == {"k": 3, "x": 1}


def test_a_fork_at_a_level_that_had_not_ended_commits_it_though_all_its_results_are_there() -> None:
    log = Log()
    source = {"job_id": "old", "level": 0}
    results = [carried("a0"), carried("a1"), carried("a2", state_changes=put(k=3))]
    log.created(results=results, state={}, forked_from=source)
    log.add("level_finished", level=1)
    assert fold_all(StateView("s"), log.events).state == {"k": 3}
    assert log.run().state == {"k": 3}
    assert log.run().job.levels_done == 2


def test_a_level_is_done_once_however_often_it_is_said() -> None:
    log = Log()
    log.created(results=[carried("a0"), carried("a1")], forked_from={"job_id": "old", "level": 0})
    log.add("level_finished", level=0)
    log.add("level_finished", level=9)
    assert log.run().job.levels_done == 1


# -- limits ----------------------------------------------------------------------------------------------------------


def facts(tokens: float, at_ms: int, **more: object) -> dict[str, object]:
    return {"bucket": "fetch", "capacity": 5, "interval_s": 10, "tokens": tokens, "at_ms": at_ms, **more}


def test_a_bucket_from_its_first_token_to_its_queue() -> None:
    log = Log()
    log.add("limit_configured", job_id=None, **facts(5, 100))
    view = fold_all(LimitsView(), log.events)
    assert view.buckets == {"fetch": BucketView("fetch", 5.0, 10.0, 5.0, 100)}
    log.add("rate_limit_wait", "a0", **facts(0.5, 200, waiters=1, next_ms=1200))
    log.add("rate_limit_wait", "a1", **facts(0.5, 200, waiters=2, next_ms=1200))
    bucket = fold_all(view, log.events).buckets["fetch"]
    assert (bucket.tokens, bucket.at_ms, bucket.waiters, bucket.next_ms, bucket.waits) == (0.5, 200, 2, 1200, 2)
    assert bucket.queue == {"job/a0": 2000, "job/a1": 3000}
    log.add("rate_limit_grant", "a0", **facts(0, 1200, waiters=1, waited_ms=1000))
    bucket = fold_all(view, log.events).buckets["fetch"]
    assert (bucket.grants, bucket.waited_ms, bucket.waiters, list(bucket.queue)) == (1, 1000.0, 1, ["job/a1"])
    log.add("rate_limit_grant", "a1", **facts(0, 3200, waiters=0, waited_ms=3000))
    bucket = fold_all(view, log.events).buckets["fetch"]
    assert (bucket.grants, bucket.waited_ms, bucket.waiters, bucket.next_ms) == (2, 4000.0, 0, None)
    assert bucket.level(5200) == 1.0


def test_who_is_cancelled_while_waiting_has_left_the_queue() -> None:
    log = Log()
    for n in range(3):
        log.add("rate_limit_wait", f"a{n}", **facts(0, 0, waiters=n + 1, next_ms=900))
    log.add("action_skipped", "a1", error="canceled: x", error_code="canceled")
    view = fold_all(LimitsView(), log.events)
    assert view.buckets["fetch"].waiters == 2
    log.add("job_cancelled", reason="x", cost={})
    bucket = fold_all(view, log.events).buckets["fetch"]
    assert (bucket.waiters, bucket.queue, bucket.next_ms) == (0, {}, None)


def test_a_limit_configured_anew_keeps_its_counts() -> None:
    log = Log()
    log.add("rate_limit_grant", "a0", **facts(1, 5, waiters=0, waited_ms=0))
    log.add("limit_configured", job_id=None, bucket="fetch", capacity=50, interval_s=1, tokens=50, at_ms=9)
    bucket = fold_all(LimitsView(), log.events).buckets["fetch"]
    assert (bucket.capacity, bucket.interval_s, bucket.tokens, bucket.grants) == (50.0, 1.0, 50.0, 1)


# -- budgets ---------------------------------------------------------------------------------------------------------


def test_a_budget_from_its_limits_to_its_end() -> None:
    log = Log()
    log.created(spent={"tool_calls": 2, "actions": 4})
    log.add("budget_set", limits={"tool_calls": 10, "duration_ms": 5000})
    log.add("budget_reserved", "a0", reserved={"tool_calls": 1}, spent={"tool_calls": 2})
    log.add("budget_settled", "a0", reserved={"tool_calls": 0}, spent={"tool_calls": 3, "duration_ms": 40})
    log.add("budget_warning", dimension="tool_calls", spent=8, limit=10)
    log.add("budget_warning", dimension="tool_calls", spent=9, limit=10)
    log.add("budget_exhausted", dimension="tool_calls", spent=10, limit=10)
    log.add("budget_set", job_id=None, limits={"tool_calls": 1})
    view = fold_all(BudgetView(), log.events)
    assert view.budgets == {
        "job": BudgetRow(
            job_id="job",
            limits={"tool_calls": 10, "duration_ms": 5000},
            spent={"tool_calls": 3, "actions": 4, "duration_ms": 40},
            reserved={"tool_calls": 0},
            warned=["tool_calls"],
            exhausted="tool_calls",
            since_ms=2000,
            at_ms=7000,
        )
    }
    log.add("store_pruned", job_id=None, jobs=["job"], events=8, reason="max_bytes")
    assert fold_all(view, log.events).budgets == {}
