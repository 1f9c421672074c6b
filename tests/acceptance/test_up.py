"""``headway up`` and ``headway console`` on a terminal: the console opens, and leaving it settles the daemon."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.acceptance.commands import Headway, Running, call, plan
from tests.acceptance.test_run import TOOLS


@pytest.fixture
def slow(headway: Headway) -> Headway:
    """A folder whose plan ``slow.json`` holds until the file ``go`` is there."""
    (headway.here / "headway.toml").write_text("[tools]\npython = ['tools.py']\n[a2a]\nport = 0\n")
    (headway.here / "tools.py").write_text(TOOLS)
    held = call("held", "hold", parameters={"name": "go"})
    (headway.here / "slow.json").write_text(plan(held, call("after", dependencies=["held"])))
    return headway


def test_the_demo(headway: Headway) -> None:
    with headway.terminal("up", "--demo") as console:
        console.wait_for("job_completed")
        status = headway.run("status", "--json").json
        assert status["workspace"] == str(headway.home / "workspace")
        console.wait_for("render: long")
        console.type("q")
        console.wait_for("Runs continue")
        assert console.answer("s") == 0
        assert f"the daemon has stopped (pid {status['pid']})" in console.text
    assert headway.run("status").code == 3
    jobs = headway.run("jobs", "ls", "--json").json
    assert {"audit", "crawl"} <= {job["title"].partition(":")[0] for job in jobs}
    assert {job["status"] for job in jobs} <= {"completed", "cancelled", "failed"}
    assert (headway.home / "workspace" / "audit-report.md").is_file()


def test_a_detached_demo_gets_the_runs_of_a_round(headway: Headway) -> None:
    done = headway.run("up", "--demo", "--detach")
    try:
        assert done.code == 0, done.err
        assert len(headway.run("jobs", "ls", "--json").json) == 6
    finally:
        assert headway.run("stop").code == 0


def test_a_daemon_that_was_there_stays(headway: Headway) -> None:
    with headway.daemon() as status:
        with headway.terminal("up") as console:
            console.wait_for("quit")
            console.type("q")
            assert console.end() == 0
        assert headway.run("status", "--json").json["pid"] == status["pid"]


def let_go(slow: Headway, running: Running) -> None:
    running.wait_for("cancel requested: shutdown")
    (slow.here / "go").touch()


@pytest.mark.long
def test_live_runs_go_on_or_stop(slow: Headway) -> None:
    try:
        with slow.terminal("up") as console:
            console.wait_for("quit")
            with slow.start("run", "slow.json", "--plain") as running:
                running.wait_for("held: started")
                console.wait_for("held")
                console.type("q")
                console.wait_for("Runs continue")
                assert console.answer("g") == 0
                assert "the daemon keeps running" in console.text
                [row] = slow.run("jobs", "ls", "--json").json
                assert row["status"] == "running"
                with slow.terminal("up") as again:
                    again.wait_for("held")
                    again.type("q")
                    again.wait_for("Stop them")
                    with ThreadPoolExecutor(1) as meanwhile:  # a terminal that nobody reads holds its writer up
                        let = meanwhile.submit(let_go, slow, running)
                        assert again.answer("s") == 0
                        let.result()
                    assert "the daemon has stopped" in again.text
                assert running.end() == 130
        [row] = slow.run("jobs", "ls", "--json").json
        assert (row["status"], row["cancel_reason"]) == ("cancelled", "shutdown")
        assert slow.run("status").code == 3
    finally:
        slow.run("stop", "--now")


def test_a_console_without_a_daemon_only_shows(headway: Headway) -> None:
    assert headway.run("run", "-", stdin=plan(call("a"))).code == 0
    with headway.terminal("console") as console:
        console.wait_for("job_completed")
        console.type("q")
        assert console.end() == 0
    assert headway.run("status").code == 3


@pytest.mark.parametrize("command", ["console", "replay"])
def test_a_terminal_where_nothing_is_to_be_shown(command: str, headway: Headway) -> None:
    arguments = [command] if command == "console" else [command, "gone.jsonl"]
    with headway.terminal(*arguments) as console:
        assert console.end() == (3 if command == "console" else 2)
        assert "headway: error: " in console.text
        assert "Traceback" not in console.text


def test_replay(headway: Headway) -> None:
    recording = next((Path(__file__).parents[2] / "recordings").glob("good*.jsonl"))
    with headway.terminal("replay", recording, "--speed", "100") as console:
        console.wait_for("job_completed")
        console.type("q")
        assert console.end() == 0
    assert not headway.home.exists()


STUCK = """
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import headway

Path("loading").write_text(str(os.getpid()))
threading.Event().wait(25)
"""


def test_ctrl_c_while_the_daemon_starts_leaves_nothing_behind(headway: Headway) -> None:
    (headway.here / "headway.toml").write_text("[tools]\npython = ['tools.py']\n[a2a]\nport = 0\n")
    (headway.here / "tools.py").write_text(STUCK)
    os.mkfifo(headway.here / "loading")
    with headway.terminal("up") as console:
        daemon = int((headway.here / "loading").read_text())
        console.type("\x03")
        assert console.end() == 130
        assert "headway: cancelled" in console.text
    with pytest.raises(ProcessLookupError):
        os.kill(daemon, 0)
    assert headway.run("status").code == 3
