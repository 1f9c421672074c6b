"""The trajectory store: append-only, bounded, whole after a crash."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from headway import InvalidInput
from headway.errors import StoreError
from headway.learning import trajectory_store as module
from headway.learning.trajectory import TraceEvent, Trajectory
from headway.learning.trajectory_store import TrajectoryStore
from tests.unit.execution.kit import call
from tests.unit.learning.kit import traced, trajectory


def made(name: str, **fields: Any) -> Trajectory:
    return msgspec.structs.replace(trajectory(("fetch", None)), job_id=name, **fields)


def jobs(store: TrajectoryStore, **filters: Any) -> list[str]:
    return [found.job_id for found in store.read(**filters)]


async def test_what_was_appended_is_read(tmp_path: Path) -> None:
    store = TrajectoryStore(tmp_path / "deep" / "down")
    assert (list(store), store.files()) == ([], [])
    real = await traced(call("a", "boom", parameters={"text": "hunter2"}))
    store.append(real)
    store.append(made("second"))
    assert list(TrajectoryStore(store.folder)) == [real, made("second")]
    (file,) = store.files()
    assert file.name == "trajectories-000001.jsonl"
    assert file.stat().st_mode & 0o777 == 0o600
    assert b"hunter" not in file.read_bytes()


def test_filters(tmp_path: Path) -> None:
    store = TrajectoryStore(tmp_path)
    store.append(made("a", timestamp="2026-01-01T00:00:00.000Z", source="one"))
    store.append(made("b", timestamp="2026-01-02T00:00:00.000Z", outcome="failed"))
    store.append(made("c", timestamp="2026-01-03T00:00:00.000Z", outcome="failed"))
    assert jobs(store) == ["a", "b", "c"]
    assert jobs(store, outcome="failed") == ["b", "c"]
    assert jobs(store, source="one") == ["a"]
    assert jobs(store, since=1_767_312_000_000) == ["b", "c"]
    assert jobs(store, outcome="failed", limit=1) == ["b"]
    assert jobs(store, limit=0) == []
    assert jobs(store, since=2**53) == []


@pytest.mark.parametrize(
    "filters",
    [
        {"outcome": "great"},
        {"outcome": 1},
        {"source": 1},
        {"since": -1},
        {"since": 1.5},
        {"limit": -1},
        {"limit": True},
    ],
)
def test_a_filter_that_is_none_is_refused_at_once(tmp_path: Path, filters: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        TrajectoryStore(tmp_path).read(**filters)


def test_files_are_rotated_and_the_oldest_given_up(tmp_path: Path) -> None:
    size = len(msgspec.json.encode(made("1"))) + 1
    store = TrajectoryStore(tmp_path, max_file_bytes=2 * size, max_files=2)
    for n in range(1, 8):
        store.append(made(str(n)))
    assert [file.name for file in store.files()] == ["trajectories-000003.jsonl", "trajectories-000004.jsonl"]
    assert jobs(store) == ["5", "6", "7"]
    assert jobs(TrajectoryStore(tmp_path)) == ["5", "6", "7"]


def test_a_torn_last_line_is_left_out_and_ended(tmp_path: Path) -> None:
    store = TrajectoryStore(tmp_path)
    store.append(made("a"))
    (file,) = store.files()
    with file.open("ab") as end:
        end.write(b'{"proposal_id":"to')
    assert (jobs(store), store.damaged) == (["a"], 1)
    TrajectoryStore(tmp_path).append(made("b"))
    assert (jobs(store), store.damaged) == (["a", "b"], 1)
    assert file.read_bytes().count(b"\n") == 3


def test_lines_that_are_no_trajectories_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = TrajectoryStore(tmp_path)
    store.append(made("a"))
    (file,) = store.files()
    with file.open("ab") as end:
        end.write(b"\n\xff\n[]\n" + b"[" * 5000 + b"\n" + b'{"outcome":"great"}\n')
    store.append(made("b"))
    assert (jobs(store), store.damaged) == (["a", "b"], 4)
    monkeypatch.setattr(module, "LINE_LIMIT", 100)
    assert jobs(store) == []


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    store = TrajectoryStore(tmp_path, max_files=1, max_file_bytes=1)
    store.append(made("a"))
    store.append(made("b"))
    assert jobs(store) == ["b"]
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_disk_that_is_full_leaves_the_store_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = TrajectoryStore(tmp_path)
    store.append(made("a"))
    write = os.write

    def half(descriptor: int, data: bytes | memoryview) -> int:
        if len(data) < 100:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, bytes(data)[: len(data) // 2])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", half)
        with pytest.raises(StoreError, match="No space left on device"):
            store.append(made("b"))
    assert (jobs(store), store.damaged) == (["a"], 0)
    store.append(made("b"))
    assert jobs(store) == ["a", "b"]


def test_a_line_is_on_disk_when_append_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_size))
    store = TrajectoryStore(tmp_path)
    store.append(made("a"))
    assert synced[0] == store.files()[0].stat().st_size
    assert len(synced) == 2  # and the folder that has a new file


def test_threads_append_whole_lines(tmp_path: Path) -> None:
    stores = [TrajectoryStore(tmp_path, max_file_bytes=4096) for _ in range(2)]

    def work(number: int) -> None:
        for n in range(25):
            stores[number % 2].append(made(f"{number}-{n}"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(jobs(stores[0])) == sorted(f"{number}-{n}" for number in range(4) for n in range(25))
    assert stores[0].damaged == 0


def test_what_is_no_trajectory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = TrajectoryStore(tmp_path)
    odd = [
        {},
        made("a", events=[TraceEvent("x", data={"f": object()})]),
        made("\ud800"),
        made("a", duration_ms="long"),
    ]
    for value in odd:
        with pytest.raises(InvalidInput):
            store.append(value)  # type: ignore[arg-type]
    monkeypatch.setattr(module, "LINE_LIMIT", 10)
    with pytest.raises(InvalidInput, match="the limit is 10"):
        store.append(made("a"))
    assert store.files() == []


@pytest.mark.parametrize("folder", ["", "a\0b", 7, None, b"x", "\ud800"])
def test_a_folder_that_is_none_is_refused(folder: Any) -> None:
    with pytest.raises(InvalidInput):
        TrajectoryStore(folder)


def test_a_folder_that_is_a_file_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = TrajectoryStore(tmp_path / "file")
    with pytest.raises(StoreError, match="cannot write to"):
        store.append(made("a"))
    with pytest.raises(InvalidInput, match="cannot read"):
        list(store)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("linked", [False, True])
def test_what_is_no_regular_file_is_refused_and_not_opened(tmp_path: Path, linked: bool) -> None:
    store = TrajectoryStore(tmp_path / "store")
    store.folder.mkdir()
    file = store.folder / "trajectories-000001.jsonl"
    os.mkfifo(tmp_path / "fifo" if linked else file)
    if linked:
        file.symlink_to(tmp_path / "fifo")
    with pytest.raises(InvalidInput, match=r"cannot read .*: trajectories-000001\.jsonl is not a regular file"):
        list(store)
    with pytest.raises(InvalidInput, match="is not a regular file"):
        store.feedback()
    with pytest.raises(StoreError, match=r"cannot write to .*: trajectories-000001\.jsonl is not a regular file"):
        store.append(made("a", source="x" * 100_000))  # more than a pipe takes


@pytest.mark.timeout(20)
def test_a_file_that_is_exchanged_while_it_is_opened_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = TrajectoryStore(tmp_path)
    store.append(made("a"))
    (file,) = store.files()
    stat, regular = Path.stat, file.stat()
    file.unlink()
    os.mkfifo(file)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "stat", lambda self, **how: regular if self == file else stat(self, **how))
        with pytest.raises(InvalidInput, match="is not a regular file"):
            list(store)
        with pytest.raises(StoreError, match="is not a regular file"):
            store.append(made("b"))


@pytest.mark.parametrize("options", [{"max_files": 0}, {"max_file_bytes": 0}, {"max_files": "x"}])
def test_bounds_that_are_none_are_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        TrajectoryStore(tmp_path, **options)


async def test_feedback_is_the_share_of_attempts_that_succeeded(tmp_path: Path) -> None:
    store = TrajectoryStore(tmp_path)
    assert store.feedback().tool_success_rates == {}
    store.append(await traced(call("a", "flaky", failure_behavior="retry")))
    store.append(await traced(call("a"), call("b", "boom", failure_behavior="skip"), call("c", "nope")))
    store.append(await traced(call("a"), call("b", "boom", failure_behavior="skip")))
    assert store.feedback().tool_success_rates == {"flaky": 1 / 3, "echo": 1.0, "boom": 0.0}
    assert store.feedback().rate("never seen") == 0.5
    store.append(await traced(call("a", "flaky", failure_behavior="skip", max_retries=0)))
    assert store.feedback().tool_success_rates["flaky"] == 0.25


async def test_what_a_cache_answered_is_no_call_that_succeeded(tmp_path: Path) -> None:
    store = TrajectoryStore(tmp_path)
    again = {"failure_behavior": "retry", "idempotent": True}
    hits = [call(f"hit{n}", "flaky", dependencies=["a"], **again) for n in range(9)]
    store.append(await traced(call("a", "flaky", **again), *hits, cached="flaky"))
    assert store.feedback().tool_success_rates == {"flaky": 1 / 3}


def test_feedback_since(tmp_path: Path) -> None:
    store = TrajectoryStore(tmp_path)
    store.append(msgspec.structs.replace(trajectory(("t", "XError")), timestamp="2026-01-01T00:00:00.000Z"))
    store.append(msgspec.structs.replace(trajectory(("t", None)), timestamp="2026-01-03T00:00:00.000Z"))
    assert store.feedback().tool_success_rates == {"t": 0.5}
    assert store.feedback(since=1_767_312_000_000).tool_success_rates == {"t": 1.0}
    with pytest.raises(InvalidInput):
        store.feedback(since=-1)


def test_refusals_are_not_the_tools_fault(tmp_path: Path) -> None:
    store = TrajectoryStore(tmp_path)
    store.append(trajectory(("t", "error"), code="policy_denied"))
    assert store.feedback().tool_success_rates == {}


def test_files_that_did_not_grow_are_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = TrajectoryStore(tmp_path, max_file_bytes=1)
    store.append(trajectory(("t", None)))
    store.append(trajectory(("t", "XError")))
    assert store.feedback().tool_success_rates == {"t": 0.5}
    read: list[Path] = []
    lines = TrajectoryStore._lines
    monkeypatch.setattr(TrajectoryStore, "_lines", lambda self, path: (read.append(path), lines(self, path))[1])
    store.append(trajectory(("t", None)))
    assert store.feedback().tool_success_rates == {"t": 2 / 3}
    assert [path.name for path in read] == ["trajectories-000003.jsonl"]


def test_feedback_tells_of_so_many_tools_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_TOOLS", 2)
    store = TrajectoryStore(tmp_path)
    store.append(trajectory(("a", None), ("b", None), ("a", None), ("c", None)))
    assert store.feedback().tool_success_rates == {"a": 1.0, "c": 1.0}
