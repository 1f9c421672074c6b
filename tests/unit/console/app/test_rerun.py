"""What a fork is said to run again is what it does run again."""

from headway.events.checkpoint import Checkpoint, kept_results
from headway.events.views import RunView
from headway.plan.results import ActionStatus, ErrorCode
from headway_console.rerun import is_kept, rerun, rerun_lines
from tests.unit.console.app.fakes import recorded, run_of


def runs() -> list[RunView]:
    """Every run of some recordings, as it ended and on the way there."""
    found = []
    for name in ("good-run", "failing-run", "cancelled-run"):
        events = recorded(name)
        job_id = next(event.job_id for event in events if event.job_id)
        places = (len(events) // 3, len(events) // 2, len(events))
        found += [run_of(events[:upto], job_id or "") for upto in places]
    return found


def test_it_is_what_the_checkpoint_leaves_to_do() -> None:
    compared = 0
    for run in runs():
        graph = {"actions": [{"id": action.id} for action in run.actions]}
        for seq in range(0, run.last_seq + 1, 7):
            settled = [
                result
                for action, result in zip(run.actions, run.result().results, strict=True)
                if action.done and (action.finished_seq or 0) <= seq
            ]
            point = Checkpoint(2, "ckpt", 0, {}, graph=graph, results=kept_results(settled))
            assert [action.id for action in rerun(run, seq).actions] == point.remaining()
            compared += 1
    assert compared > 100


def test_what_an_abort_undid_runs_again() -> None:
    [action] = run_of(recorded("good-run"), "900d00000001").actions[:1]
    seq = action.finished_seq or 0
    assert is_kept(action, seq)
    assert not is_kept(action, seq - 1)
    action.rolled_back = True
    assert not is_kept(action, seq)
    action.rolled_back, action.compensated = False, True
    assert not is_kept(action, seq)
    action.status, action.error_code = ActionStatus.SKIPPED, ErrorCode.TOOL_ERROR
    assert is_kept(action, seq)
    action.error_code = ErrorCode.CANCELED
    assert not is_kept(action, seq)


def words(run: RunView, seq: int) -> str:
    return "\n".join("".join(text for text, _ in line) for line in rerun_lines(rerun(run, seq)))


def test_the_lines_count_calls_and_know_what_is_not_known() -> None:
    run = run_of(recorded("good-run"), "900d00000001")
    assert "1 action runs again, 1 real tool call" in words(run, run.last_seq), "one was skipped for what it needs"
    everything = words(run, 0)
    assert f"{len(run.actions)} actions run again" in everything
    assert "9,476 tokens, money not recorded" in everything
    assert "1 never ran, so has no known cost" in everything
    begun = run_of(recorded("good-run")[:40], "900d00000001")
    assert "never ran, so have no known cost" in words(begun, 0)
    run.actions = [action for action in run.actions if action.status is ActionStatus.SUCCEEDED]
    assert words(run, run.last_seq) == "No action runs again: everything in the plan was done there."


def test_hostile_names_are_shown_and_not_obeyed() -> None:
    run = run_of(recorded("good-run"), "900d00000001")
    run.actions[0].id = "\x1b[2J[red]"
    run.actions[0].tool = "\x1b]52;c;x\x07"
    assert words(run, 0).replace("\n", "").isprintable()
