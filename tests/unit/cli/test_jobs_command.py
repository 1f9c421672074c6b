"""``headway jobs show`` and ``headway events``: who gave the commands, by their own word and by the system's."""

import asyncio
import json
from pathlib import Path

import pytest

from headway.events import kinds
from headway.events.event import Event
from headway.home import Home
from headway.store import StoreLog
from headway_console.cli import main
from headway_console.summary import operator_text, summary
from tests.unit.store.runs import whole_run

pytestmark = pytest.mark.anyio

PEER = {"uid": 1001, "user": "zoe", "pid": 77, "program": "headway"}
COMMAND = {"who": "cli", "what": "cancel", "target": "a", "detail": {"reason": "r"}, "peer": PEER}


@pytest.mark.parametrize(
    ("peer", "text"),
    [
        (PEER, "cli cancel a (zoe, headway 77)"),
        ({"uid": 1001, "pid": 77}, "cli cancel a (user 1001, process 77)"),
        ({"uid": 0, "user": "root"}, "cli cancel a (root)"),
        ({"address": "127.0.0.1:99"}, "cli cancel a (from 127.0.0.1:99)"),
        ({}, "cli cancel a"),
        ("nonsense", "cli cancel a"),
    ],
)
def test_a_command_names_its_peer(peer: object, text: str) -> None:
    assert summary(Event(kinds.OPERATOR_ACTION, COMMAND | {"peer": peer})) == text
    assert operator_text(COMMAND | {"peer": peer}, target=False) == text.replace(" a", "", 1)


async def test_a_job_shows_the_commands_that_concern_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = Home(tmp_path / "home")
    log = await StoreLog.open(home)
    await log.write(*whole_run("a"), Event(kinds.OPERATOR_ACTION, COMMAND))
    await log.write(Event(kinds.OPERATOR_ACTION, COMMAND | {"target": "b"}))
    await log.close()
    assert await asyncio.to_thread(main, ["jobs", "show", "a", "--home", str(home)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "  by cli cancel (zoe, headway 77)"
    assert await asyncio.to_thread(main, ["jobs", "show", "a", "--json", "--home", str(home)]) == 0
    assert json.loads(capsys.readouterr().out)["commands"] == [COMMAND]
    assert await asyncio.to_thread(main, ["events", "--home", str(home)]) == 0
    assert "cli cancel a (zoe, headway 77)" in capsys.readouterr().out
