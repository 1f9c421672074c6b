"""The console on a real terminal over a real daemon: run, cancel, restore, fork, leave; and what a crash looks like."""

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.acceptance.commands import Headway, call, plan
from tests.acceptance.screen import Screen
from tests.acceptance.test_run import TOOLS

ESCAPE = "\x1b"


@pytest.fixture
def slow(headway: Headway) -> Iterator[Headway]:
    """A folder whose plan ``slow.json`` writes a note, then holds until the file ``go`` is there, then ends."""
    (headway.here / "headway.toml").write_text("[tools]\npython = ['tools.py']\n[a2a]\nport = 0\n")
    (headway.here / "tools.py").write_text(TOOLS)
    note = {"id": "note", "type": "state_write", "parameters": {"key": "note", "value": "written"}}
    held = call("held", "hold", parameters={"name": "go"}, dependencies=["note"])
    (headway.here / "slow.json").write_text(plan(note, held, call("after", dependencies=["held"])))
    yield headway
    headway.run("stop", "--now")  # whatever a test that failed has left running


def go(headway: Headway) -> Path:
    """The file that lets the held action go."""
    return headway.here / "go"


def seek(screen: Screen, place: str) -> None:
    """Go to a place of the recording."""
    screen.press("t")
    screen.wait_for("Go to")
    screen.press(f"{place}\r")
    screen.wait_for_no("Go to")


def test_run_cancel_restore_fork_and_leave(slow: Headway) -> None:
    with slow.terminal("up") as running:
        screen = Screen(running)
        screen.wait_for("Overview", "No run yet", "quit")

        # run: its levels and what happens in them are on the screen while it runs
        with slow.start("run", "slow.json", "--plain") as client:
            client.wait_for("held: started")
            screen.wait_for("● running", "L0", "1/1", "held")
            screen.press("2")
            screen.wait_for("✔ succeeded", "○ pending", "after")

            # cancel: it says what stops and what is skipped, and does nothing before it is told to
            screen.press("x")
            screen.wait_for("Cancel this run?", "1 running, continues to its end", "1 not started, will be skipped")
            screen.press(ESCAPE)
            screen.wait_for_no("Cancel this run?")
            screen.press("x")
            screen.wait_for("Cancel this run?", " y  Cancel the run")
            screen.press("y")
            screen.wait_for("is being cancelled")
            go(slow).write_text("")
            screen.wait_for("⊘ cancelled", "canceled: ")
            assert client.end() == 130
        [row] = slow.run("jobs", "ls", "--json").json
        assert row["status"] == "cancelled"

        # restore: checkpoints, the diff, and a question before state is overwritten
        screen.press("R")
        screen.wait_for("Checkpoints of", "after level 1", "after level 0", "State, now to then")
        screen.press("r")
        screen.wait_for("overwrites the state of", " y  Restore the state")
        screen.press("y")
        screen.wait_for("Restored")
        screen.wait_for_no("Checkpoints of")

        # fork: a new run continues from there
        go(slow).unlink()
        screen.press("R")
        screen.wait_for("Checkpoints of", "after level 0")
        screen.press("G")
        screen.press("f")
        screen.wait_for("real tool calls", " y  Fork a new run")
        screen.press("y")
        screen.wait_for("Forked")
        screen.wait_for("● running")
        screen.press("6")
        screen.wait_for("⊘ cancelled", "● running", "fork of")

        # leave with a live run: asked, and stopped with it
        screen.press("q")
        screen.wait_for("Leave the console?", "1 run live", "Runs continue", " s  Stop them")
        with slow.start("events", "--follow", "--json", "--after", str(row["last_seq"])) as events:

            def let_go() -> None:
                events.wait_for('"reason":"shutdown"')
                go(slow).write_text("")

            with ThreadPoolExecutor(1) as meanwhile:  # a terminal that nobody reads holds its writer up
                let = meanwhile.submit(let_go)
                screen.press("s")
                assert running.end() == 0
                let.result()
    assert slow.run("status").code == 3
    rows = slow.run("jobs", "ls", "--json").json
    assert sorted(row["status"] for row in rows) == ["cancelled", "cancelled"]


@pytest.mark.long
def test_a_killed_daemon_is_told_and_found_again(slow: Headway) -> None:
    with slow.start("serve", "--port", "0") as daemon:
        daemon.wait_for("serving A2A")
        with slow.start("run", "slow.json", "--plain") as client, slow.terminal("console") as running:
            client.wait_for("held: started")
            screen = Screen(running)
            screen.wait_for("● running", "held")
            daemon.process.send_signal(signal.SIGKILL)
            daemon.process.wait()
            screen.wait_for("STALE")
            with slow.start("serve", "--port", "0") as again:
                again.wait_for("serving A2A")
                screen.wait_for_no("STALE")
                screen.wait_for("✖ failed", "interrupted")
                screen.wait_for("R restore")  # commands are back too
                screen.press("R")
                screen.wait_for("after level 0")
                go(slow).write_text("")
                screen.press("f")
                screen.wait_for("real tool calls", " y  Fork a new run")
                screen.press("y")
                screen.wait_for("Forked")
                screen.wait_for("✔ completed")
                screen.press("q")
                assert running.end() == 0
                again.process.send_signal(signal.SIGTERM)
                assert again.end() == 0


def laid_out(text: str) -> bool:
    """Return whether the title is in the first line, the run in sight, and the last line not empty."""
    lines = text.split("\n")
    return lines[0].startswith(" headway") and "L0" in text and bool(lines[-1])


def test_it_lays_itself_out_for_any_size(headway: Headway) -> None:
    with headway.terminal("replay", str(Path(__file__).parents[2] / "recordings" / "good-run.jsonl")) as running:
        screen = Screen(running)
        screen.wait_for("REPLAY", "Levels", "Limits", "Budgets", "Events")
        seek(screen, "0")
        screen.press(" 2")
        for size in ((60, 16), (20, 5), (200, 50), (80, 24)):
            screen.resize(*size)
            screen.wait_until(laid_out, f"the screen at {size}")
        screen.press("x")
        screen.wait_for("a recording cannot")
        screen.press("q")
        assert running.end() == 0


def test_no_color_is_honoured_and_states_keep_their_words(headway: Headway) -> None:
    headway.env["NO_COLOR"] = "1"
    with headway.terminal("replay", str(Path(__file__).parents[2] / "recordings" / "failing-run.jsonl")) as running:
        screen = Screen(running)
        screen.wait_for("REPLAY")
        seek(screen, "#94")
        screen.press("2")
        screen.wait_for("✖ failed", "✔ succeeded")
        screen.press("q")
        assert running.end() == 0
    colours = {part for part in running._raw.split(b"\x1b[") if part.startswith(b"38;2;")}
    greys = {tuple(part.split(b"m")[0].split(b";")[2:5]) for part in colours}
    assert all(len(set(grey)) == 1 for grey in greys), greys
