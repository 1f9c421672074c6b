"""The shipped recordings: what the runtime records today, sound, and as interesting as the snapshots need them."""

import importlib.util
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from headway.events import kinds
from headway.events.event import Event
from headway.events.fold import fold_all
from headway.events.recording import Recording, check
from headway.events.views import BudgetView, JobRow, RunView
from headway.plan.results import ErrorCode

NAMES = ("cancelled-run", "failing-run", "good-run")

RECORDINGS = Path(__file__).parents[3] / "recordings"
"""The source tree's: the script that makes them is not in the wheel."""


def script() -> ModuleType:
    """recordings/make.py as a module."""
    spec = importlib.util.spec_from_file_location("make_recordings", RECORDINGS / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


make = script()


def path_of(name: str) -> Path:
    return RECORDINGS / f"{name}.jsonl"


def events_of(name: str) -> list[Event]:
    return list(Recording(path_of(name)))


def run_of(name: str) -> RunView:
    events = events_of(name)
    [job_id] = {event.job_id for event in events if event.job_id}
    return fold_all(RunView(job=JobRow(job_id=job_id)), events)


def test_these_ship() -> None:
    assert sorted(make.RECIPES) == sorted(NAMES) == sorted(path.stem for path in RECORDINGS.glob("*.jsonl"))


@pytest.mark.parametrize("name", NAMES)
def test_the_runtime_records_the_same_today(name: str, tmp_path: Path) -> None:
    fresh = tmp_path / "fresh.jsonl"
    make.make(name, fresh)
    assert fresh.read_bytes() == path_of(name).read_bytes(), "run recordings/make.py and look at the difference"


def test_the_script_checks_in_another_process() -> None:
    """Another hash seed, another process id, no pytest: the same bytes."""
    made = subprocess.run(
        [sys.executable, "-W", "error", RECORDINGS / "make.py", "--check"],
        capture_output=True,
        text=True,
        env={"PYTHONHASHSEED": "12345", "PATH": ""},
        timeout=50,
        check=False,
    )
    assert (made.returncode, made.stdout, made.stderr) == (0, "", "")


def test_the_check_tells_what_is_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(make, "FOLDER", tmp_path)
    assert make.main(["--check"]) == 1
    assert "good-run.jsonl, cancelled-run.jsonl, failing-run.jsonl" in capsys.readouterr().err
    assert make.main([]) == 0
    assert make.main(["--check"]) == 0
    (tmp_path / "failing-run.jsonl").write_text("old")
    assert make.main(["--check"]) == 1
    assert "not what recordings/make.py makes: failing-run.jsonl;" in capsys.readouterr().err


@pytest.mark.parametrize("name", NAMES)
def test_they_are_sound_and_may_be_shared(name: str) -> None:
    assert check(path_of(name)) == []
    assert Recording(path_of(name)).header.title
    events = events_of(name)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert 5_000 < events[-1].ts - events[0].ts < 60_000
    run = run_of(name)
    assert len(run.levels) >= 5
    assert all(event.kind in kinds.ALL for event in events)


@pytest.mark.parametrize("name", NAMES)
def test_each_has_waits_and_a_budget(name: str) -> None:
    counts = Counter(event.kind for event in events_of(name))
    assert counts[kinds.RATE_LIMIT_WAIT] >= 3
    assert counts[kinds.BUDGET_SET] == 1
    text = path_of(name).read_text()
    assert "[" in text
    assert any(character in text for character in ("\\u001b", "\\u009b", "�"))


def test_the_good_run() -> None:
    events, run = events_of("good-run"), run_of("good-run")
    counts = Counter(event.kind for event in events)
    assert (run.job.status, run.job.failed, run.job.skipped) == ("completed", 0, 2)
    assert counts[kinds.BUDGET_WARNING] == 1
    assert counts[kinds.BUDGET_EXHAUSTED] == 0
    assert counts[kinds.ACTION_RETRYING] == 2
    assert counts[kinds.ACTION_PROGRESS] > 20
    skipped = {action.id: action.error_code for action in run.actions if action.error_code}
    assert skipped == {"convert-mar": ErrorCode.TOOL_ERROR, "cover-mar": ErrorCode.DEPENDENCY}
    text = run.action("summary").output["text"]
    assert all(part in text for part in ("[red]", "\x1b[31m", "\x9b2J", "見出し", "\u202e", "\u200d", "\x00"))
    [budget] = fold_all(BudgetView(), events).budgets.values()
    assert 0.8 <= budget.spent["tool_calls"] / budget.limits["tool_calls"] < 1


def test_the_cancelled_run() -> None:
    run = run_of("cancelled-run")
    events = events_of("cancelled-run")
    assert run.job.status == "cancelled"
    assert (run.job.cancel_reason or "").startswith("wrong archive, see [TICKET-7] ")
    asked = next(n for n, event in enumerate(events) if event.kind == kinds.RUN_CANCEL_REQUESTED)
    level = run.levels[2]
    settled_after = {event.action_id: event.kind for event in events[asked:] if event.kind in kinds.TERMINAL_ACTION}
    in_level = Counter(settled_after[run.actions[i].id] for i in level.actions if run.actions[i].id in settled_after)
    assert in_level == {kinds.ACTION_SUCCEEDED: 2, kinds.ACTION_SKIPPED: 3}  # those in flight went on to their end
    canceled = [action for action in run.actions if action.error_code is ErrorCode.CANCELED]
    assert len(canceled) == run.job.skipped == 11
    assert all((action.error or "").startswith("canceled: wrong archive") for action in canceled)


def test_the_failing_run() -> None:
    run = run_of("failing-run")
    events = events_of("failing-run")
    counts = Counter(event.kind for event in events)
    assert (run.job.status, run.job.outcome) == ("failed", "aborted")
    assert counts[kinds.STATE_ROLLBACK] == 1
    assert run.state == {}
    assert run.action("deploy-gateway").attempt == 3
    assert run.action("deploy-gateway").error_code is ErrorCode.TOOL_ERROR
    assert run.action("deploy-auth").rolled_back
    assert run.action("deploy-edge").rolled_back  # it was in flight and went on to its end
    assert run.action("announce").error_code is ErrorCode.ABORTED
