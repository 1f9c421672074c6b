"""The effect of each kind of event to the view of its run."""

from headway.events.event import Event
from headway.events.fold import clone, fold
from headway.events.views import JobRow, RunView
from headway.plan.results import ROLLED_BACK, ActionStatus, CostSummary, ErrorCode
from tests.unit.events.builders import Log, put


def test_created_shows_the_plan() -> None:
    log = Log()
    log.created(
        title="T",
        source="cli",
        context_id="c",
        principal="me",
        proposal={"id": "p"},
        origin={"protocol": "a2a"},
    )
    run = log.run()
    job = run.job
    assert (job.status, job.title, job.source, job.context_id) == ("queued", "T", "cli", "c")
    assert (job.principal, job.proposal_id, job.scope) == ("me", "p", "s")
    assert (job.created_ms, job.first_seq, job.last_seq, job.levels, job.actions) == (1000, 1, 1, 2, 3)
    assert [level.actions for level in run.levels] == [[0, 1], [2]]
    assert [(a.id, a.index, a.level, a.tool, a.needs) for a in run.actions] == [
        ("a0", 0, 0, "t0", []),
        ("a1", 1, 0, "t1", []),
        ("a2", 2, 1, "t2", ["a0", "a1"]),
    ]
    assert run.origin == {"protocol": "a2a"}
    assert run.action("a2") is run.actions[2]


def test_a_good_run() -> None:
    log = Log()
    log.created()
    log.add("job_started", pid=1, owner="x")
    log.add("level_started", level=0, actions=2)
    log.add("action_executing", "a0", level=0, attempt=1)
    log.add("action_progress", "a0", level=0, attempt=1, current=1, total=4, message="one")
    run = log.run()
    action = run.action("a0")
    assert run.job.status == "running"
    assert run.job.started_ms == 2000
    assert run.levels[0].started_ms == 3000
    assert (action.status, action.attempt, action.started_ms) == (ActionStatus.EXECUTING, 1, 4000)
    assert (action.progress, action.progress_text, action.done) == (0.25, "one", False)

    log.add("action_succeeded", "a0", level=0, attempt=1, output={"x": 1}, duration_ms=7.5, waited_ms=2, artifacts=[1])
    log.add("action_succeeded", "a1", level=0, attempt=1, output=None, duration_ms=1)
    log.add("level_finished", level=0, succeeded=2, failed=0, skipped=0, rejected=0)
    run = log.run()
    action = run.action("a0")
    assert (action.status, action.output, action.duration_ms, action.waited_ms) == ("succeeded", {"x": 1}, 7.5, 2.0)
    assert (action.finished_ms, action.artifacts, action.done) == (6000, [1], True)
    assert (run.levels[0].settled, run.levels[0].finished_ms, run.levels[0].finished_seq) == (2, 8000, 8)
    assert (run.job.levels_done, run.job.succeeded) == (1, 2)

    log.add("action_succeeded", "a2", level=1, attempt=1, output=3, duration_ms=1)
    log.add("level_finished", level=1)
    log.add("job_completed", cost={"tool_calls": 3, "actions_executed": 3, "total_duration_ms": 9.5})
    run = log.run()
    assert (run.job.status, run.job.finished, run.job.finished_ms, run.last_seq) == ("completed", True, 11000, 11)
    assert run.cost == CostSummary(tool_calls=3, actions_executed=3, total_duration_ms=9.5)
    result = run.result()
    assert result.ok
    assert result["a2"].output == 3


def test_state_changes_wait_for_the_end_of_their_level_and_commit_in_list_order() -> None:
    log = Log()
    log.created()
    log.add("action_succeeded", "a1", level=0, output=1, state_changes=put(k="a1", only=1))
    log.add("action_succeeded", "a0", level=0, output=1, state_changes=put(k="a0"))
    assert log.run().state == {}
    log.add("level_finished", level=0)
    assert log.run().state == {"k": "a1", "only": 1}  # a1 is listed after a0 though it finished before
    log.add("action_succeeded", "a2", level=1, output=1, state_changes={"only": {"op": "delete"}})
    log.add("level_finished", level=1)
    assert log.run().state == {"k": "a1"}


def test_a_rollback_restores_and_marks() -> None:
    log = Log()
    log.created()
    log.add("action_succeeded", "a0", level=0, output="o", state_changes=put(k=1, new=1))
    log.add("level_finished", level=0)
    log.add("action_succeeded", "a2", level=1, output="o", state_changes=put(later=1))
    restored = {"k": {"op": "set", "value": 0}, "new": {"op": "delete"}}
    log.add("state_rollback", restored=restored, rolled_back=["a0", "a2", "nobody"])
    log.add("level_finished", level=1)
    run = log.run()
    assert run.state == {"k": 0}
    for action_id in ("a0", "a2"):
        action = run.action(action_id)
        assert (action.rolled_back, action.state_changes, action.error) == (True, {}, ROLLED_BACK)
        assert (action.status, action.output) == ("succeeded", "o")
    assert not run.action("a1").rolled_back


def test_a_retry_waits_then_runs_again() -> None:
    log = Log()
    log.created()
    log.add("action_executing", "a0", level=0, attempt=1)
    log.add("action_progress", "a0", level=0, attempt=1, current=1, total=2, message="half")
    log.add(
        "action_retrying", "a0", level=0, attempt=1, error="E", error_code="tool_error", delay_ms=200, duration_ms=5
    )
    action = log.run().action("a0")
    assert (action.waiting_for, action.waiting_until_ms) == ("retry", 4200)
    assert (action.error, action.error_code, action.status) == ("E", ErrorCode.TOOL_ERROR, "validated")
    log.add("action_executing", "a0", level=0, attempt=2)
    action = log.run().action("a0")
    assert (action.waiting_for, action.waiting_until_ms, action.attempt) == ("", None, 2)
    assert (action.progress, action.progress_text, action.started_ms) == (None, "", 2000)
    log.add("action_succeeded", "a0", level=0, attempt=2, output=1, duration_ms=9)
    action = log.run().action("a0")
    assert (action.error, action.error_code, action.attempt, action.duration_ms) == (None, None, 2, 9.0)


def test_rate_limit_waits() -> None:
    log = Log()
    log.created()
    log.add("rate_limit_wait", "a0", level=0, bucket="fetch", next_ms=9000)
    action = log.run().action("a0")
    assert (action.waiting_for, action.waiting_until_ms) == ("rate_limit:fetch", 9000)
    log.add("rate_limit_grant", "a0", level=0, bucket="fetch")
    action = log.run().action("a0")
    assert (action.waiting_for, action.waiting_until_ms) == ("", None)


def test_an_action_cancelled_while_it_waits_waits_no_more() -> None:
    log = Log()
    log.created()
    log.add("rate_limit_wait", "a0", level=0, bucket="fetch", next_ms=9000)
    log.add("action_skipped", "a0", level=0, error="canceled: x", error_code="canceled")
    action = log.run().action("a0")
    assert (action.waiting_for, action.waiting_until_ms) == ("", None)


def test_failures_of_every_sort() -> None:
    log = Log()
    log.created([[0, 1, 2]])
    log.add("action_executing", "a0", level=0, attempt=1)
    failed = {"error": "boom", "error_code": "tool_error", "duration_ms": 3, "waited_ms": 1, "terminal": True}
    log.add("action_failed", "a0", level=0, attempt=1, **failed)
    log.add("action_rejected", "a1", level=0, error="no such tool", error_code="validation")
    log.add("action_skipped", "a2", level=0, error="skipped due to abort", error_code="aborted")
    log.add("job_failed", outcome="aborted", error="boom", cost={"retries": 2}, issues=[{"message": "m"}])
    run = log.run()
    a0, a1, a2 = run.actions
    assert (a0.status, a0.error, a0.error_code, a0.terminal, a0.duration_ms) == (
        "failed",
        "boom",
        "tool_error",
        True,
        3.0,
    )
    assert (a1.status, a1.error_code, a1.attempt) == ("rejected", "validation", 0)
    assert (a2.status, a2.error) == ("skipped", "skipped due to abort")
    job = run.job
    assert (job.status, job.outcome, job.error) == ("failed", "aborted", "boom")
    assert (job.succeeded, job.failed, job.skipped, job.rejected) == (0, 1, 1, 1)
    assert (run.cost.retries, run.issues) == (2, [{"message": "m"}])


def test_cancel_kill_pause() -> None:
    log = Log()
    log.created()
    log.add("job_started")
    log.add("run_paused", by="me")
    assert log.run().job.status == "paused"
    log.add("run_resumed", by="me")
    assert log.run().job.status == "running"
    log.add("run_cancel_requested", reason="enough", by="me")
    assert (log.run().job.status, log.run().job.cancel_reason) == ("running", "enough")
    log.add("run_killed", reason="now", by="me")
    log.add("job_cancelled", reason="now", cost={})
    assert (log.run().job.status, log.run().job.cancel_reason) == ("cancelled", "now")


def carried(action_id: str, status: str = "succeeded", **fields: object) -> dict[str, object]:
    return {"action_id": action_id, "status": status, "attempts": 2, "duration_ms": 4, **fields}


def test_a_fork_starts_with_the_results_it_brings() -> None:
    log = Log()
    results = [
        carried("a0", output=5, state_changes=put(k=1)),
        carried("a1", "failed", error="E", error_code="timeout"),
    ]
    source = {"job_id": "old", "checkpoint_id": "old@L0", "level": 0, "seq": 9}
    log.created(forked_from=source, state={"k": 1}, results=[*results, carried("gone")], spent={"actions": 2})
    run = log.run()
    a0, a1, a2 = run.actions
    assert (a0.status, a0.output, a0.attempt, a0.duration_ms, a0.done) == ("succeeded", 5, 2, 4.0, True)
    assert (a1.status, a1.error, a1.error_code) == ("failed", "E", "timeout")
    assert (a2.status, a2.done) == ("proposed", False)
    assert (run.levels[0].settled, run.levels[0].finished_seq, run.levels[1].finished_seq) == (2, 1, None)
    job = run.job
    assert (job.forked_from, job.levels_done, job.succeeded, job.failed) == ("old", 1, 1, 1)
    assert run.state == {}  # what this run wrote: nothing yet


def test_a_fork_out_of_the_middle_of_a_level_commits_the_whole_level() -> None:
    log = Log()
    log.created(results=[carried("a0", state_changes=put(k="a0", mine=1))], forked_from={"job_id": "old"})
    log.add("action_succeeded", "a1", level=0, attempt=1, output=1, state_changes=put(k="a1"))
    log.add("level_finished", level=0)
    run = log.run()
    assert run.state == {"k": "a1", "mine": 1}
    assert (run.levels[0].settled, run.job.levels_done) == (2, 1)


def test_events_of_other_jobs_are_not_looked_at() -> None:
    log = Log()
    log.created()
    log.add("action_succeeded", "a0", job_id="other", level=0, output=1)
    log.add("job_completed", job_id="other")
    run = log.run()
    assert run.job.status == "queued"
    assert run.last_seq == 1


def test_unknown_kinds_and_actions_are_skipped_but_counted_as_seen() -> None:
    log = Log()
    log.created()
    before = log.run()
    log.add("approval_requested_v9", "a0", anything=1)
    log.add("action_succeeded", "nobody", level=7, output=1)
    run = log.run()
    assert run.last_seq == 3
    assert run.actions == before.actions


def test_seen_events_are_ignored_and_unnumbered_ones_are_not() -> None:
    log = Log()
    log.created()
    done = log.add("action_succeeded", "a0", level=0, output=1)
    run = log.run()
    once = clone(run)
    for event in log.events:
        run = fold(run, event)
    assert run == once
    run = fold(run, Event("action_failed", {"error": "x"}, job_id="job", action_id="a1", level=0))
    assert run.job.failed == 1
    assert run.last_seq == done.seq


def test_a_clone_shares_nothing_that_can_be_changed() -> None:
    log = Log()
    log.created()
    log.add("action_succeeded", "a0", level=0, output={"deep": [1, {"x": 1}]}, state_changes=put(k=[1]))
    run = log.run()
    twin = clone(run)
    assert twin == run
    assert type(twin) is RunView
    twin.actions[0].output["deep"][1]["x"] = 2
    twin.actions[0].state_changes["k"]["value"].append(2)
    twin.job.title = "changed"
    twin.levels[0].actions.append(9)
    assert run == log.run()


def test_positions_are_not_encoded_compared_or_stale() -> None:
    log = Log()
    log.created()
    run = log.run()
    assert run.positions == {"a0": 0, "a1": 1, "a2": 2}
    other = log.run()
    assert "positions" not in vars(other)
    assert run == other
    log = Log()
    log.created([[0]])
    run.last_seq = 0
    assert fold(run, log.events[0]).positions == {"a0": 0}
    assert RunView(JobRow("job")).positions == {}
