"""The fate of a daemon when the console on it is left: when none is there, and when one does not answer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from headway.errors import NoAnswer
from headway.home import Home
from headway_bridge.listeners import UnixListener
from headway_console.app import QuitChoice
from headway_console.cli import after


@pytest.fixture
def silent(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A daemon that takes connections and says nothing."""
    monkeypatch.setattr(after, "PATIENCE_S", 0.02)
    monkeypatch.setattr(after, "GLANCE_S", 0.01)
    listener = UnixListener(home)
    yield
    listener.close()


@pytest.mark.parametrize("choice", [None, *QuitChoice])
async def test_without_a_daemon_there_is_nothing_to_do(
    home: Home, choice: QuitChoice | None, capsys: pytest.CaptureFixture[str]
) -> None:
    await after.settle(home, choice)
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("silent")
async def test_a_stop_that_nobody_answers_is_an_error(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(NoAnswer, match="did not answer in time"):
        await after.settle(home, QuitChoice.STOP)
    assert capsys.readouterr().err == "headway: waiting up to 0.02 s for the daemon to answer\n"


@pytest.mark.usefixtures("silent")
async def test_where_runs_go_on_a_silent_daemon_is_told(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    await after.settle(home, QuitChoice.CONTINUE)
    assert capsys.readouterr().err == "headway: the daemon does not answer now; headway stop ends it when it does\n"
