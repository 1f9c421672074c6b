"""The console on a terminal while the daemon runs: what it shows, what it stops, and what it leaves behind.

Nothing here sleeps: a tool holds until a file is there, and the tests wait for words on the screen. Of toasts the first
words alone are waited for, since they are wrapped.
"""

import asyncio
import fcntl
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import aclosing, suppress
from typing import Any

import pytest

from headway.client import OperatorClient
from headway.events.kinds import TERMINAL_JOB
from headway.events.views import JobRow
from headway.home import Home
from tests.acceptance.commands import Headway, call, plan
from tests.acceptance.terminal import ALTERNATE, ESCAPE, Terminal

CONFIG = "[tools]\npython = ['tools.py']\n[a2a]\nport = 0\n[operator]\nshutdown_secs = 1\n"

TOOLS = '''
import time

import headway


@headway.tool
def hold(name: str, ctx: headway.ToolContext) -> str:
    """Go on when the file is there."""
    ctx.report_progress(1, 2, "holding")
    for _ in range(10_000):
        if (ctx.workspace / name).exists():
            return "let go"
        time.sleep(0.01)
    raise headway.ToolError("nobody let go")
'''

Open = Callable[..., Terminal]


@pytest.fixture
def slow(headway: Headway) -> Headway:
    """A folder whose plan ``slow.json`` holds until the file ``one`` is there, then until ``two`` is, then ends."""
    (headway.here / "headway.toml").write_text(CONFIG)
    (headway.here / "tools.py").write_text(TOOLS)
    first = call("first", "hold", parameters={"name": "one"})
    second = call("second", "hold", parameters={"name": "two"}, dependencies=["first"])
    (headway.here / "slow.json").write_text(plan(first, second, call("third", dependencies=["second"])))
    return headway


@pytest.fixture
def opened(slow: Headway) -> Iterator[Open]:
    """Open consoles with it; they and the daemon of the home are ended, whatever happened."""
    terminals: list[Terminal] = []

    def start(*arguments: str, size: tuple[int, int] = (100, 30)) -> Terminal:
        terminal = Terminal(arguments, cwd=slow.here, env=slow.env, size=size)
        terminals.append(terminal)
        return terminal

    try:
        yield start
    finally:
        for terminal in terminals:
            terminal.close()
        end_daemon(slow)


def end_daemon(headway: Headway) -> None:
    """Stop the daemon; kill whoever holds the home after that."""
    home = Home(headway.home)
    if not home.lock_file.exists():
        return
    with suppress(subprocess.TimeoutExpired):
        headway.run("stop", "--now")
    with home.lock_file.open("r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.kill(int(file.read()), signal.SIGKILL)


def submit(headway: Headway, *actions: dict[str, Any], context_id: str) -> JobRow:
    """Run a plan in a context, to its end."""

    async def main() -> JobRow:
        async with OperatorClient(Home(headway.home), actor="test") as client:
            row = await client.submit(plan(*actions).encode(), context_id=context_id, title="counts")
            async with aclosing(client.follow(job_id=row.job_id)) as batches:
                async for events in batches:
                    if any(event.kind in TERMINAL_JOB for event in events):
                        break
            return row

    return asyncio.run(main())


def write(name: str, key: str, value: Any, **more: Any) -> dict[str, Any]:
    """A state write."""
    return {"id": name, "type": "state_write", "parameters": {"key": key, "value": value}, **more}


def actions_of(headway: Headway, job_id: str) -> dict[str, dict[str, Any]]:
    """Return what ``headway jobs show`` knows of a job's actions, by their ids."""
    return {action["id"]: action for action in headway.run("jobs", "show", job_id, "--json").json["actions"]}


def tops(text: str) -> list[str]:
    """The beginnings of the upper lines, where nothing changes by time alone."""
    return [line[:30] for line in text.splitlines()[:6]]


def assert_restored(console: Terminal) -> None:
    """The terminal is as the program found it: main screen, cursor, no mouse, no pasting mode, line by line."""
    assert not console.cursor_hidden
    assert not console.modes & {ALTERNATE, 1000, 1002, 1003, 1004, 1006, 1015, 2004, 2026, 2048}
    assert console.settings == console.settings_before


def test_a_run_is_followed_and_cancelled(slow: Headway, opened: Open) -> None:
    console = opened("up")
    console.wait_for("No run yet", "? help")
    assert ALTERNATE in console.modes
    assert console.cursor_hidden
    with slow.start("run", "slow.json", "--plain") as client:
        console.wait_for("● running", "0/3", "first", "holding", "action_executing")
        (slow.here / "one").touch()
        console.wait_for("1/3", "✔ 1 succeeded", "second", "1/2 holding")
        console.type("x")
        console.wait_for("Cancel this run?", "1 running, continues to its end", "1 not started, will be skipped")
        console.type("n")
        console.wait_gone("Cancel this run?")
        assert slow.run("jobs", "ls", "--json").json[0]["status"] == "running"
        console.type("x")
        console.wait_for("Cancel this run?", " y  Cancel the run")
        console.type("y")
        console.wait_for("is being cancelled", "⊘ cancelling")
        console.type("x")
        console.wait_for("Cancel the run: run")
        (slow.here / "two").touch()
        console.wait_for("⊘ cancelled", "3/3")
        assert client.end() == 130
    console.type("x")
    console.wait_for("Cancel the run: run")
    [row] = slow.run("jobs", "ls", "--json").json
    assert (row["status"], row["cancel_reason"]) == ("cancelled", "canceled by operator")
    actions = actions_of(slow, row["job_id"])
    assert [actions[name]["status"] for name in ("first", "second", "third")] == ["succeeded", "succeeded", "skipped"]
    assert actions["third"]["error"] == "canceled: canceled by operator"
    console.type("q")
    assert console.end() == 0
    assert "the daemon has stopped" in console.text
    assert_restored(console)


@pytest.mark.long
def test_checkpoints_restore_and_fork(slow: Headway, opened: Open) -> None:
    console = opened("up")
    console.wait_for("No run yet")
    job = submit(
        slow,
        write("one", "count", 1),
        write("two", "count", 2, dependencies=["one"]),
        write("extra", "extra", "new", dependencies=["one"]),
        context_id="thread-1",
    )
    console.wait_for("✔ completed", "3/3")
    console.type("R")
    console.wait_for(f"Checkpoints of counts ({job.job_id})", "after level 1", "after level 0")
    console.wait_for("The state there is the state now.")
    console.type("j")
    console.wait_for("~ count", "2", "→ 1", "- extra")
    console.type("r")
    console.wait_for("overwrites the state of", "thread-1", " y  Restore the state")
    assert "extra" in slow.run("checkpoints", "diff", f"{job.job_id}@L0", "--json").json["removed"], "not yet"
    console.type("y")
    console.wait_for(f"Restored {job.job_id}@L0: 2 keys")
    now = slow.run("checkpoints", "diff", f"{job.job_id}@L0", "--json").json
    assert (now["added"], now["removed"], now["changed"]) == ({}, {}, {})
    then = slow.run("checkpoints", "diff", f"{job.job_id}@L1", "--json").json
    assert (then["added"], then["changed"]) == ({"extra": "new"}, {"count": [1, 2]})

    console.type("R")
    console.wait_for("+ extra", "after level 1")
    console.type("s")
    console.wait_for(" y  Save a checkpoint")
    console.type("y")
    console.wait_for("Saved ckpt_", "Checkpoints of counts")
    console.type("G")
    console.wait_for("The state there is the state now.")
    console.type("f")
    console.wait_for("Fork a new run from this", "2 actions run again, 0 real tool calls", " y  Fork a new run")
    console.type("y")
    console.wait_for(f"Forked {job.job_id}@L0")
    console.type("6")
    console.wait_until(
        lambda text: any("✔ completed" in line and "fork of" in line for line in text.splitlines()), "its end"
    )
    fork, old = slow.run("jobs", "ls", "--json").json
    assert (fork["status"], fork["forked_from"], old["status"]) == ("completed", job.job_id, "completed")
    assert fork["scope"] != old["scope"]
    assert {action["status"] for action in actions_of(slow, fork["job_id"]).values()} == {"succeeded"}
    now = slow.run("checkpoints", "diff", f"{job.job_id}@L0", "--json").json
    assert (now["added"], now["removed"], now["changed"]) == ({}, {}, {}), "the fork has a scope of its own"


@pytest.mark.long
def test_leaving_lets_the_runs_continue(slow: Headway, opened: Open) -> None:
    console = opened("up")
    console.wait_for("No run yet")
    with slow.start("run", "slow.json", "--plain") as client:
        console.wait_for("● running", "first")
        console.type("q")
        console.wait_for("Leave the console?", "1 run live", "Runs continue", "Stop them", "Stay")
        console.type(ESCAPE)
        console.wait_gone("Leave the console?")
        console.type("q")
        console.wait_for("Leave the console?", " g  Runs continue")
        console.type("g")
        assert console.end() == 0
        assert "the daemon keeps running" in console.text
        assert_restored(console)
        status = slow.run("status", "--json").json
        assert status["running"] == 1
        (slow.here / "one").touch()
        (slow.here / "two").touch()
        assert client.end() == 0
    [row] = slow.run("jobs", "ls", "--json").json
    assert (row["status"], row["succeeded"]) == ("completed", 3)
    assert slow.run("status", "--json").json["pid"] == status["pid"]


@pytest.mark.long
def test_leaving_stops_the_runs_even_if_a_tool_does_not_end(slow: Headway, opened: Open) -> None:
    console = opened("up")
    console.wait_for("No run yet")
    with slow.start("run", "slow.json", "--plain") as client:
        console.wait_for("● running", "first")
        console.type("q")
        console.wait_for("Leave the console?", " s  Stop them")
        console.type("s")
        assert console.end() == 0
        assert "the daemon has stopped" in console.text
        assert_restored(console)
        assert client.end() == 130
    assert slow.run("status").code == 3
    [row] = slow.run("jobs", "ls", "--json").json
    assert (row["status"], row["cancel_reason"]) == ("cancelled", "shutdown")
    actions = actions_of(slow, row["job_id"])
    assert actions["first"]["status"] == "failed"
    assert [actions[name]["status"] for name in ("second", "third")] == ["skipped", "skipped"]


@pytest.mark.long
def test_a_killed_daemon_is_noticed_by_the_console_that_started_it(slow: Headway, opened: Open) -> None:
    console = opened("up", size=(120, 30))
    console.wait_for("No run yet")
    daemon = slow.run("status", "--json").json["pid"]
    with slow.start("run", "slow.json", "--plain") as client:
        client.wait_for("first: started")
        (slow.here / "one").touch()
        console.wait_for("● running", "1/3", "second")
        os.kill(daemon, signal.SIGKILL)
        console.wait_for("STALE", "the process that ran", "● running", "1/3")
    console.type("2")
    console.wait_for("first", "second", "third", "○ pending")
    console.type("x")
    console.wait_for("Cancel the run: no daemon runs")
    console.type("?")
    console.wait_for("Everywhere")
    console.type(ESCAPE)
    console.wait_gone("Everywhere")

    with slow.start("serve", "--port", "0") as serving:
        serving.wait_for("serving A2A")
        console.wait_gone("STALE")
        console.wait_for("✖ failed", "✔ succeeded", "interrupted", "R restore")
        [row] = slow.run("jobs", "ls", "--json").json
        assert (row["status"], row["succeeded"], row["failed"], row["skipped"]) == ("failed", 1, 1, 1)
        actions = actions_of(slow, row["job_id"])
        assert actions["second"]["error_code"] == "interrupted"
        assert actions["third"]["status"] == "skipped"

        console.type("R")
        console.wait_for("after level 0", "1/3 done")
        (slow.here / "two").touch()
        console.type("f")
        console.wait_for("2 actions run again, 2 real tool calls", "hold 1x", " y  Fork a new run")
        console.type("y")
        console.wait_for("Forked")
        console.wait_for("✔ completed", "3/3")
        console.type("q")
        assert console.end() == 0
        assert_restored(console)
        assert serving.process.poll() is None, "it was not started for this console"
    fork = slow.run("jobs", "ls", "--json").json[0]
    assert (fork["status"], fork["forked_from"]) == ("completed", row["job_id"])


def test_a_run_of_another_process_is_followed_and_cancelled(slow: Headway, opened: Open) -> None:
    with slow.start("run", "slow.json", "--plain") as client:
        client.wait_for("first: started")
        console = opened("console")
        console.wait_for("● running", "first", "x cancel")
        console.type("x")
        console.wait_for("Cancel this run?", " y  Cancel the run")
        console.type("y")
        console.wait_for("⊘ cancelling")
        (slow.here / "one").touch()
        assert client.end() == 130
        console.wait_for("⊘ cancelled")
    console.type("q")
    assert console.end() == 0


@pytest.mark.long
def test_it_fits_every_size_while_a_run_is_live(slow: Headway, opened: Open) -> None:
    console = opened("up", size=(120, 40))
    console.wait_for("No run yet")
    with slow.start("run", "slow.json", "--plain") as client:
        console.wait_for("● running", "first", "50% holding")  # nothing moves from here on
        console.type("2")
        wide = console.wait_for("▾ L0", "level 0  0/1 done", "○ pending")
        for size in ((80, 24), (60, 16), (20, 5), (1, 1), (200, 60), (120, 40)):
            console.resize(*size)
            if size > (1, 1):
                console.wait_for("L0")
        console.wait_until(lambda text: tops(text) == tops(wide), "what was there before")
        console.resize(60, 16)
        (slow.here / "one").touch()
        (slow.here / "two").touch()
        console.wait_for("✔ completed", "third")
        assert client.end() == 0


def test_help_palette_and_filter(slow: Headway, opened: Open) -> None:
    (slow.here / "one").touch()
    (slow.here / "two").touch()
    assert slow.run("run", "slow.json").code == 0
    console = opened("console", size=(80, 24))
    console.wait_for("✔ completed", "quit")
    console.type("?")
    console.wait_for("Keys", "Everywhere", "Levels, events, limits")
    console.type("G")
    console.wait_for("States", "on the critical path")
    console.type("?")
    console.wait_gone("States")
    console.type(":")
    console.wait_for("Search", "Jobs  (6)")
    console.type("bud")
    console.wait_gone("Jobs  (6)")
    console.wait_for("Budgets  (5)")
    console.type("\r")
    console.wait_gone("Budgets  (5)", "─Events─")
    console.wait_for("No budgets are set.", "Nothing selected.")
    console.type("3")
    console.wait_for("following", "action_progress")
    console.type("/")
    console.wait_for("text  !not")
    console.type("kind:action_succeeded")
    console.wait_gone("action_progress")
    console.wait_for("3 of ")
    console.type("\r")
    console.type(ESCAPE)
    console.wait_for("action_progress")
    console.type("\x03")
    console.wait_for("q quits the console")
    console.type("q")
    assert console.end() == 0
    assert_restored(console)


def test_a_signal_leaves_the_terminal_as_it_was(slow: Headway, opened: Open) -> None:
    assert slow.run("run", "-", stdin=plan(call("a"))).code == 0
    console = opened("console")
    console.wait_for("✔ completed")
    console.process.send_signal(signal.SIGTERM)
    assert console.end() == 0
    assert "Traceback" not in console.text
    assert_restored(console)
