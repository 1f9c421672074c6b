"""``headway run``: results, errors, Ctrl-C and SIGTERM."""

import json
import os
import re
import signal
import sqlite3
from pathlib import Path

import pytest

from tests.acceptance.commands import Headway, call, plan

TOOLS = '''
import resource
import time
from pathlib import Path

import headway


@headway.tool
def fill_the_disk() -> None:
    """Have no file grow any more."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))


@headway.tool
def hold(name: str, ctx: headway.ToolContext) -> str:
    """Go on when the file is there, or after 20 seconds. A fifo "held" is told that it has begun."""
    ctx.report_progress(1, 2, "holding")
    if (ctx.workspace / "held").exists():
        (ctx.workspace / "held").write_text("now")
    for _ in range(10_000):
        if (ctx.workspace / name).exists():
            return "let go"
        time.sleep(0.01)
    raise headway.ToolError("nobody let go")


@headway.tool
def fail() -> None:
    """Fail."""
    raise headway.ToolError("no luck")
'''


@pytest.fixture
def slow(headway: Headway) -> Headway:
    """A folder with a plan ``slow.json``: an action that holds until the file ``go`` is there, then another one."""
    (headway.here / "headway.toml").write_text("[tools]\npython = ['tools.py']\n")
    (headway.here / "tools.py").write_text(TOOLS)
    actions = [call("before"), call("held", "hold", parameters={"name": "go"}, dependencies=["before"])]
    (headway.here / "slow.json").write_text(plan(*actions, call("after", dependencies=["held"])))
    return headway


def test_words_on_stdout(headway: Headway) -> None:
    (headway.here / "p.json").write_text(plan(call("a"), call("b", dependencies=["a"])))
    done = headway.run("run", "p.json")
    assert (done.code, done.err) == (0, "")
    assert re.fullmatch(
        r"p: completed in [\d.]+m?s: 2 succeeded of 2 actions in 2 levels\n  job [0-9a-f]{12}\n", done.out
    )


def test_json_and_nothing_else(headway: Headway) -> None:
    done = headway.run("run", "-", "--json", stdin=plan(call("a")))
    assert (done.code, done.err) == (0, "")
    assert done.json["results"][0]["output"]["result"] == 42
    assert headway.run("jobs", "show", done.json["job_id"], "--json").json["job"]["title"] == "stdin"


def test_large_outputs_are_whole(headway: Headway) -> None:
    (headway.here / "big.txt").write_text("x" * 300_000)
    text = plan(call("a", "read_file", parameters={"path": "big.txt"}))
    local = headway.run("run", "-", "--json", stdin=text).json
    with headway.daemon():
        remote = headway.run("run", "-", "--json", stdin=text).json
    shown = headway.run("jobs", "show", local["job_id"], "--json").json
    for action in (local["results"][0], remote["results"][0], shown["actions"][0]):
        assert len(action["output"]["content"]) == 300_000
    events = [json.loads(line) for line in headway.run("events", "--json").out.splitlines()]
    outputs = [event["data"]["output"] for event in events if event["kind"] == "action_succeeded"]
    assert [len(output["content"]) for output in outputs] == [300_000] * 2


def test_plain_lines(headway: Headway) -> None:
    done = headway.run("run", "-", "--plain", stdin=plan(call("a")))
    assert (done.code, done.err) == (0, "")
    assert "level 0: a: started" in done.out.splitlines()


def test_a_failed_run(slow: Headway) -> None:
    done = slow.run("run", "-", stdin=plan(call("a", "fail"), call("b", dependencies=["a"])))
    assert done.code == 1
    assert "level 0: a: failed: no luck" in done.out
    assert "level 1: b: skipped: " in done.out
    assert slow.run("run", "-", "--json", stdin=plan(call("a", "fail"))).json["status"] == "failed"


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "link/passwd", "a/../../x"])
def test_no_plan_leaves_the_workspace(path: str, headway: Headway) -> None:
    (headway.here / "link").symlink_to("/etc")
    text = plan(call("a", "write_file", parameters={"path": path, "content": "x"}), call("b", dependencies=["a"]))
    done = headway.run("run", "-", stdin=text)
    assert (done.code, done.out) == (2, "")
    [line] = done.err.splitlines()
    assert line.startswith("headway: error: action a: ")
    assert "outside the workspace" in line
    assert headway.run("jobs", "ls", "--json").json == []
    assert not (headway.here.parent / "x").exists()


@pytest.mark.parametrize("path", ["../x", "link/x"])
def test_no_tool_leaves_the_workspace_by_a_path_from_another(path: str, headway: Headway) -> None:
    (headway.here / "link").symlink_to("..")
    (headway.here / "path").write_text(path)
    read = call("read", "read_file", parameters={"path": "path"})
    write = call("write", "write_file", parameters={"path": "$read.output.content", "content": "x"})
    done = headway.run("run", "-", stdin=plan(read, write))
    assert done.code == 1
    [line] = [line for line in done.out.splitlines() if line.startswith("  level 1: write: ")]
    assert "outside the workspace" in line
    assert not (headway.here.parent / "x").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "gone.json"], "gone.json: there is no such file"),
        (["run", "."], ".: cannot be read: Is a directory"),
        (["run", "p.json", "--workspace", "gone"], "gone' cannot be found"),
        (["run", "p.json", "--workspace", "p.json"], "is a file"),
        (["run", "p.json", "--config", "gone.toml"], "gone.toml: cannot be read"),
        (["run", "p.json", "--home", "p.json"], "is a file"),
    ],
)
def test_bad_arguments_are_one_line(arguments: list[str], words: str, headway: Headway) -> None:
    (headway.here / "p.json").write_text(plan(call("a")))
    done = headway.run(*arguments)
    assert (done.code, done.out) == (2, "")
    assert words in done.err.splitlines()[-1]
    assert not headway.home.exists() or headway.run("jobs", "ls").code in (0, 3)


def test_a_tool_file_that_does_not_load(headway: Headway) -> None:
    (headway.here / "headway.toml").write_text("[tools]\npython = ['tools.py']\n")
    (headway.here / "tools.py").write_text("import headway\n1 / 0\n")
    done = headway.run("run", "-", stdin=plan(call("a")))
    assert done.code == 2
    [line] = done.err.splitlines()
    assert "tools.py:2" in line
    assert "ZeroDivisionError" in line


def test_a_newer_and_an_unreadable_store(headway: Headway) -> None:
    assert headway.run("run", "-", stdin=plan(call("a"))).code == 0
    with sqlite3.connect(headway.home / "headway.db") as database:
        database.execute("PRAGMA user_version = 9999")
    database.close()
    for arguments in (["jobs", "ls"], ["run", "-"], ["events"], ["checkpoints", "ls"]):
        done = headway.run(*arguments, stdin=plan(call("a")))
        assert (done.code, done.out, len(done.err.splitlines())) == (2, "", 1), done
        assert "newer" in done.err
    (headway.home / "headway.db").write_bytes(b"this is no database " * 500)
    for path in headway.home.glob("headway.db-*"):
        path.unlink()
    for arguments in (["jobs", "ls"], ["run", "-"], ["events"]):
        done = headway.run(*arguments, stdin=plan(call("a")))
        assert (done.code, done.out, len(done.err.splitlines())) == (2, "", 1), done


def test_a_disk_that_fills_up_in_mid_run_ends_it(slow: Headway) -> None:
    done = slow.run("run", "-", stdin=plan(call("a"), call("full", "fill_the_disk", dependencies=["a"])))
    assert (done.code, done.out, len(done.err.splitlines())) == (1, "", 1), done
    assert "could not be written" in done.err
    assert slow.run("run", "-", stdin=plan(call("a"))).code == 0
    row = slow.run("jobs", "ls", "--json").json[1]
    assert (row["status"], row["outcome"]) == ("failed", "interrupted")


def test_a_second_writer(slow: Headway) -> None:
    with slow.start("run", "slow.json", "--plain") as first:
        first.wait_for("level 1: held: started")
        done = slow.run("run", "-", stdin=plan(call("a")))
        assert done.code == 0, done
        assert f"running in the headway run that came first (pid {first.process.pid})" in done.err
        assert [job["status"] for job in slow.run("jobs", "ls", "--json").json] == ["completed", "running"]
        (slow.here / "go").touch()
        assert first.end() == 0
    assert slow.run("run", "-", stdin=plan(call("a"))).code == 0


def job_of(headway: Headway) -> tuple[dict[str, object], dict[str, dict[str, str]]]:
    [row] = headway.run("jobs", "ls", "--json").json
    run = headway.run("jobs", "show", row["job_id"], "--json").json
    return row, {action["id"]: action for action in run["actions"]}


def test_ctrl_c_cancels_and_waits_for_what_is_in_flight(slow: Headway) -> None:
    with slow.terminal("run", "slow.json") as running:
        running.wait_for("held 50%")
        assert "[######..............] 1/3 actions, level 1/3" in running.text
        running.type("\x03")
        running.wait_for("press Ctrl-C again to kill it")
        (slow.here / "go").touch()
        assert running.end() == 130
        assert "slow: cancelled" in running.text
    row, actions = job_of(slow)
    assert (row["status"], row["cancel_reason"]) == ("cancelled", "interrupted by the user")
    assert [actions[name]["status"] for name in ("before", "held", "after")] == ["succeeded", "succeeded", "skipped"]
    assert actions["after"]["error"] == "canceled: interrupted by the user"


def test_a_second_ctrl_c_kills(slow: Headway) -> None:
    with slow.terminal("run", "slow.json") as running:
        running.wait_for("held 50%")
        running.type("\x03")
        running.wait_for("press Ctrl-C again to kill it")
        running.type("\x03")
        running.wait_for("killing")
        assert running.end() == 130
    row, actions = job_of(slow)
    assert row["status"] == "cancelled"
    assert (actions["held"]["status"], actions["held"]["error_code"]) == ("failed", "killed")
    assert actions["after"]["status"] == "skipped"


def test_json_of_a_cancelled_run_is_json(slow: Headway) -> None:
    os.mkfifo(slow.here / "held")
    with slow.start("run", "slow.json", "--json") as running:
        assert (slow.here / "held").read_text() == "now"
        running.process.send_signal(signal.SIGINT)
        running.wait_for("press Ctrl-C again")
        (slow.here / "go").touch()
        assert running.end() == 130
        assert json.loads(running.text[running.text.index("{") :])["status"] == "cancelled"


def test_sigterm_cancels_then_kills(slow: Headway) -> None:
    with slow.start("run", "slow.json", "--plain") as running:
        running.wait_for("level 1: held: started")
        running.process.send_signal(signal.SIGTERM)
        running.wait_for("terminated: cancelling")
        assert running.end() == 130
    row, actions = job_of(slow)
    assert (row["status"], row["cancel_reason"]) == ("cancelled", "terminated")
    assert (actions["held"]["status"], actions["held"]["error_code"]) == ("failed", "killed")


def test_nohup_is_respected(slow: Headway) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with slow.start("run", "slow.json", "--plain") as running:
            running.wait_for("level 1: held: started")
            running.process.send_signal(signal.SIGHUP)
            (slow.here / "go").touch()
            assert running.end() == 0
    finally:
        signal.signal(signal.SIGHUP, before)
    assert job_of(slow)[0]["status"] == "completed"


def test_kill_9_loses_nothing_and_a_fork_finishes(slow: Headway) -> None:
    with slow.start("run", "slow.json", "--plain") as running:
        running.wait_for("level 1: held: started")
        os.kill(running.process.pid, signal.SIGKILL)
        running.end()
    (slow.here / "go").touch()
    [row] = slow.run("jobs", "ls", "--json").json
    assert row["status"] == "running"
    done = slow.run("checkpoints", "fork", f"{row['job_id']}@L0", "--json")
    assert done.code == 0, done.err
    assert [entry["status"] for entry in done.json["results"]] == ["succeeded"] * 3
    forked, old = slow.run("jobs", "ls", "--json").json
    assert (forked["status"], forked["forked_from"]) == ("completed", row["job_id"])
    assert (old["status"], old["outcome"]) == ("failed", "interrupted")


def test_a_reader_who_leaves(headway: Headway) -> None:
    assert headway.run("run", "-", stdin=plan(*(call(f"a{number}") for number in range(200)))).code == 0
    with headway.start("events", "--json") as events:
        events.wait_for("\n")
        assert events.process.stdout is not None
        events.process.stdout.close()
        assert events.process.wait(timeout=30) in (0, 1)


def test_progress_is_not_drawn_where_there_is_no_terminal(slow: Headway, tmp_path: Path) -> None:
    (slow.here / "go").touch()
    done = slow.run("run", "slow.json")
    assert (done.code, done.err) == (0, "")
    assert "\x1b" not in done.out


def test_a_job_that_aborts_is_replanned_and_followed(headway: Headway) -> None:
    replan = 'async def replan(context):\n    return {"actions": [{"id": "b", "type": "state_write",'
    (headway.here / "replan.py").write_text(replan + ' "parameters": {"key": "k", "value": 1}}]}\n')
    (headway.here / "tools.py").write_text(TOOLS)
    (headway.here / "headway.toml").write_text(
        '[tools]\npython = ["tools.py"]\n[runtime]\nreplan = "replan.py:replan"\n'
    )
    (headway.here / "p.json").write_text(plan(call("a", "fail")))
    done = headway.run("run", "p.json", "--json")
    assert done.code == 0, done.err
    assert [action["action_id"] for action in done.json["results"]] == ["b"]
    assert "aborted and is replanned: job" in done.err


def test_json_is_json_only_whatever_tools_print(headway: Headway) -> None:
    (headway.here / "headway.toml").write_text("[tools]\npython = ['loud.py']\n")
    (headway.here / "loud.py").write_text(
        "import headway\nprint('loading')\n\n@headway.tool\ndef loud() -> int:\n"
        "    'Print.'\n    print('\\x9b said')\n    return 1\n"
    )
    assert headway.run("trust", "--yes").code == 0
    done = headway.run("run", "-", "--json", stdin=plan(call("a", "loud")))
    assert done.json["status"] == "completed"
    assert "a: " in done.err
    assert " said" in done.err
    assert "\x9b" not in done.err
    assert "loading" in done.err
    lines = headway.run("run", "-", "--plain", stdin=plan(call("a", "loud")))
    assert "a: printed:" in lines.out
    assert any(
        event["kind"] == "action_print" for event in map(json.loads, headway.run("events", "--json").out.splitlines())
    )
