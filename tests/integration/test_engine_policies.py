"""Policy files beside headway.toml: in force from the start, followed while the engine runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from headway.config import load_config
from headway.engine import Engine
from headway.errors import InvalidConfig
from headway.events import kinds
from headway.home import Home
from tests.integration.test_engine import opened
from tests.unit.execution.kit import call

DENY = "deny_tool = ['echo']\n"


def project(root: Path, policies: str) -> Path:
    (root / "headway.toml").write_text("")
    (root / "policies").mkdir()
    file = root / "policies" / "rules.toml"
    file.write_text(policies)
    return file


async def test_files_deny_from_the_start_and_changes_are_taken_or_told(tmp_path: Path) -> None:
    file = project(tmp_path, DENY)
    async with opened(tmp_path / "home", load_config(tmp_path)) as rig:
        denied = await rig.engine.wait(await rig.submit(call("a")), 30)
        assert (denied.job.outcome, denied.action("a").error_code) == ("aborted", "policy_denied")
        told = rig.engine.subscribe(rig.engine.log.last_seq)
        file.write_text("deny_tool = [\n")
        seen = [event async for batch in _first(told) for event in batch]
        assert seen[0].kind == kinds.POLICIES_REFUSED
        assert "rules.toml" in seen[0].data["error"]
        assert (await rig.engine.wait(await rig.submit(call("a")), 30)).job.status == "failed"
        told = rig.engine.subscribe(rig.engine.log.last_seq)
        file.write_text("deny_tool = ['other']\n")
        seen = [event async for batch in _first(told) for event in batch]
        assert (seen[0].kind, seen[0].data) == (kinds.POLICIES_LOADED, {"files": ["rules.toml"], "rules": 1})
        assert (await rig.engine.wait(await rig.submit(call("a")), 30)).job.status == "completed"


async def _first(subscription: object):  # type: ignore[no-untyped-def]
    async for batch in subscription:  # type: ignore[attr-defined]
        yield batch
        return


async def test_files_that_cannot_be_understood_keep_the_engine_from_opening(tmp_path: Path) -> None:
    project(tmp_path, "deny_tool = 5\n")
    with pytest.raises(InvalidConfig, match=r"rules\.toml"):
        await Engine.open(Home(tmp_path / "home"), load_config(tmp_path))
    assert not (tmp_path / "home").exists()


async def test_a_folder_that_comes_later_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headway.jobs.policy_files.LOOK_S", 0.01)
    (tmp_path / "headway.toml").write_text("")
    async with opened(tmp_path / "home", load_config(tmp_path)) as rig:
        assert (await rig.engine.wait(await rig.submit(call("a")), 30)).job.status == "completed"
        told = rig.engine.subscribe(rig.engine.log.last_seq)
        later = tmp_path / "made"
        later.mkdir()
        (later / "rules.toml").write_text(DENY)
        later.rename(tmp_path / "policies")
        seen = [event async for batch in _first(told) for event in batch]
        assert (seen[0].kind, seen[0].data) == (kinds.POLICIES_LOADED, {"files": ["rules.toml"], "rules": 1})
        assert (await rig.engine.wait(await rig.submit(call("a")), 30)).job.outcome == "aborted"


async def test_a_folder_that_is_removed_stays_in_force_and_is_read_when_it_is_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headway.watching.LOOK_MS", 50)
    folder = project(tmp_path, DENY).parent
    async with opened(tmp_path / "home", load_config(tmp_path)) as rig:
        await rig.engine.log.flush()
        told = rig.engine.subscribe(rig.engine.log.last_seq)
        shutil.rmtree(folder)
        seen = [event async for batch in _first(told) for event in batch]
        gone = f"{folder} is gone: its policies stay in force"
        assert [(event.kind, event.data) for event in seen] == [(kinds.POLICIES_REFUSED, {"error": gone})]
        assert f"policies: {gone}" in caplog.messages
        assert (await rig.engine.wait(await rig.submit(call("a")), 30)).action("a").error_code == "policy_denied"
        told = rig.engine.subscribe(rig.engine.log.last_seq)
        folder.mkdir()
        (folder / "new.toml").write_text("deny_tool = ['other']\n")
        seen = [event async for batch in _first(told) for event in batch]
        assert [(event.kind, event.data["files"]) for event in seen] == [(kinds.POLICIES_LOADED, ["new.toml"])]
        assert (await rig.engine.wait(await rig.submit(call("a")), 30)).job.status == "completed"
