"""``headway replay`` without a terminal, and ``headway recordings check``."""

import json
from pathlib import Path

import pytest

from headway_console.cli import main
from headway_console.resources import recordings

SHIPPED = sorted(recordings().glob("*.jsonl"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_recordings_are_sound_and_tell_their_story(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recordings", "check", str(path)]) == 0
    assert capsys.readouterr() == (f"{path}: ok\n", "")
    assert main(["replay", str(path), "--json"]) == 0
    story = json.loads(capsys.readouterr().out)
    assert story["events"] == len(path.read_text(encoding="utf-8").splitlines()) - 1
    assert {job["status"] for job in story["jobs"]} <= {"completed", "failed", "cancelled"}
    assert main(["replay", str(path), "--plain"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == story["title"]
    for job in story["jobs"]:
        assert any(line.startswith(f"job {job['job_id']}: {job['status']}") for line in lines)


def test_without_a_terminal_a_replay_is_plain(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(SHIPPED[0]), "--plain"]) == 0
    plain = capsys.readouterr().out
    assert main(["replay", str(SHIPPED[0])]) == 0
    assert capsys.readouterr().out == plain


def test_what_is_no_recording(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"format": "something else"}\n')
    gone = tmp_path / "gone.jsonl"
    for path in (bad, gone):
        for arguments in (["recordings", "check", path], ["replay", path], ["replay", path, "--json"]):
            assert main([str(argument) for argument in arguments]) == 2
            captured = capsys.readouterr()
            assert captured.out == ""
            [line] = captured.err.splitlines()
            assert line.startswith("headway: error: ")
            assert path.name in line


def test_every_file_gets_its_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(SHIPPED[0]), str(tmp_path / "gone.jsonl")]
    assert main(["recordings", "check", *files, "--json"]) == 2
    answers = json.loads(capsys.readouterr().out)
    assert [(answer["path"], answer["ok"]) for answer in answers] == [(files[0], True), (files[1], False)]
    assert main(["recordings", "check"]) == 2


def test_a_torn_last_line_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torn = tmp_path / "torn.jsonl"
    torn.write_bytes(SHIPPED[0].read_bytes()[:-20])
    assert main(["replay", str(torn), "--plain"]) == 0
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) > 10
    assert f"{torn}:" in captured.err
