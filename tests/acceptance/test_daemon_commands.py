"""The daemon from the command line: up, status, run in it, events, checkpoints, stop."""

import json
import os
import re
import signal

import pytest

from tests.acceptance.commands import Headway, call, plan
from tests.acceptance.test_run import TOOLS

NOBODY = [
    ["status"],
    ["stop"],
    ["jobs", "ls"],
    ["jobs", "show", "x"],
    ["jobs", "cancel", "x"],
    ["events"],
    ["checkpoints", "ls"],
    ["checkpoints", "diff", "x"],
    ["checkpoints", "save", "--job", "x"],
    ["checkpoints", "restore", "x", "--yes"],
    ["store", "prune"],
    ["console"],
]


@pytest.mark.parametrize("arguments", NOBODY, ids=" ".join)
def test_without_a_daemon_or_a_store(arguments: list[str], headway: Headway) -> None:
    done = headway.run(*arguments)
    assert (done.code, done.out) == (3, "")
    [line] = done.err.splitlines()
    assert line.startswith("headway: error: ")
    assert not headway.home.exists()


@pytest.mark.parametrize(
    "arguments",
    [["jobs", "show", "x"], ["checkpoints", "diff", "x"], ["events", "--job", "x"], ["checkpoints", "fork", "x@L1"]],
    ids=" ".join,
)
def test_what_there_is_none_of(arguments: list[str], headway: Headway) -> None:
    assert headway.run("run", "-", stdin=plan(call("a"))).code == 0
    done = headway.run(*arguments)
    assert (done.code, done.out) == (2, "")
    assert re.fullmatch(r"headway: error: there is no (job|checkpoint) '?x(@L1)?'?\n", done.err)


def test_up_starts_a_daemon_once_and_stop_ends_it(headway: Headway) -> None:
    try:
        first = headway.run("up", "--detach", "--port", "0")
        assert first.code == 0, first.err
        assert re.fullmatch(r"the daemon has started \(pid \d+\): A2A at http://127\.0\.0\.1:\d+\n", first.out)
        second = headway.run("up", "--json").json
        status = headway.run("status", "--json").json
        assert second["pid"] == status["pid"]
        assert str(status["pid"]) in first.out
        assert status["workspace"] == str(headway.here)
        assert os.getsid(status["pid"]) == status["pid"]
        assert "serving A2A" in (headway.home / "daemon.log").read_text()
    finally:
        stopped = headway.run("stop")
    assert (stopped.code, stopped.out) == (0, f"stopped (pid {status['pid']})\n")
    assert headway.run("status").code == 3
    assert headway.run("stop").code == 3


def test_up_says_why_the_daemon_did_not_start(headway: Headway) -> None:
    (headway.here / "headway.toml").write_text("[tools]\npython = ['gone.py']\n")
    done = headway.run("up", "--detach", "--port", "0")
    assert done.code == 2
    [line] = done.err.splitlines()
    assert line.startswith("headway: error: the daemon did not start: ")
    assert "gone.py" in line


def test_up_says_that_the_port_is_taken(headway: Headway, tmp_path_factory: pytest.TempPathFactory) -> None:
    with headway.daemon() as status:
        port = status["url"].rpartition(":")[2]
        other = Headway(tmp_path_factory.mktemp("other"))
        done = other.run("up", "--detach", "--port", port)
        assert done.code == 2
        assert f"port {port} of 127.0.0.1 is in use" in done.err


def test_a_run_goes_into_the_daemon(headway: Headway) -> None:
    with headway.daemon() as status:
        done = headway.run("run", "-", "--json", stdin=plan(call("a")))
        assert (done.code, done.json["status"]) == (0, "completed")
        assert done.err == f"headway: running in the daemon (pid {status['pid']}), workspace {headway.here}\n"
        bad = headway.run("run", "-", stdin=plan(call("a", "dance")))
        assert bad.code == 2
        assert bad.err.splitlines()[-1] == "headway: error: action a: tool 'dance' is not registered"
        elsewhere = headway.run("run", "-", "--workspace", "/", stdin=plan(call("a")))
        assert (elsewhere.code, elsewhere.out) == (2, "")
        assert "works in" in elsewhere.err
        assert len(headway.run("jobs", "ls", "--json").json) == 1


def test_a_second_daemon_is_refused(headway: Headway) -> None:
    with headway.daemon() as status:
        done = headway.run("serve", "--port", "0")
        assert (done.code, done.out) == (2, "")
        assert f"process {status['pid']} is writing to it" in done.err


def test_ctrl_c_cancels_a_run_in_the_daemon(headway: Headway) -> None:
    (headway.here / "headway.toml").write_text("[tools]\npython = ['tools.py']\n")
    (headway.here / "tools.py").write_text(TOOLS)
    (headway.here / "slow.json").write_text(
        plan(call("held", "hold", parameters={"name": "go"}), call("after", dependencies=["held"]))
    )
    with headway.daemon(), headway.terminal("run", "slow.json") as running:
        running.wait_for("held 50%")
        running.type("\x03")
        running.wait_for("press Ctrl-C again to kill it")
        with headway.start("events", "--follow") as events:
            events.wait_for("run_cancel_requested")
        (headway.here / "go").touch()
        assert running.end() == 130
        [row] = headway.run("jobs", "ls", "--json").json
        assert (row["status"], row["skipped"]) == ("cancelled", 1)
        assert headway.run("jobs", "cancel", row["job_id"]).out == f"{row['job_id']}: already finished\n"


def test_jobs_cancel(headway: Headway) -> None:
    (headway.here / "headway.toml").write_text("[tools]\npython = ['tools.py']\n")
    (headway.here / "tools.py").write_text(TOOLS)
    (headway.here / "slow.json").write_text(plan(call("held", "hold", parameters={"name": "go"})))
    with headway.daemon(), headway.start("run", "slow.json", "--plain") as running:
        running.wait_for("held: started")
        [row] = headway.run("jobs", "ls", "--status", "running", "--json").json
        soft = headway.run("jobs", "cancel", row["job_id"], "--reason", "enough", "--json")
        assert soft.json == {"job_id": row["job_id"], "answer": "requested"}
        hard = headway.run("jobs", "cancel", row["job_id"], "--now")
        assert hard.code == 0
        assert running.end() == 130
        assert "cancel requested: enough (by cli)" in running.text


def test_events_follow(headway: Headway) -> None:
    assert headway.run("run", "-", stdin=plan(call("first"))).code == 0
    last = json.loads(headway.run("events", "--json").out.splitlines()[-1])
    assert len(headway.run("events", "--limit", "3").out.splitlines()) == 3
    with headway.start("events", "--follow", "--after", str(last["seq"])) as following:
        assert headway.run("run", "-", stdin=plan(call("second"))).code == 0
        following.wait_for("job_completed")
        assert "second" in following.text
        assert "first" not in following.text
        following.process.send_signal(signal.SIGINT)
        assert following.end() == 130


def test_events_are_gap_free_json(headway: Headway) -> None:
    for _ in range(2):
        headway.run("run", "-", stdin=plan(*(call(f"a{number}") for number in range(30))))
    events = [json.loads(line) for line in headway.run("events", "--json").out.splitlines()]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    job_id = next(event["job_id"] for event in events if event["kind"] == "job_created")
    of_job = [json.loads(line) for line in headway.run("events", "--json", "--job", job_id).out.splitlines()]
    assert of_job == [event for event in events if event.get("job_id") == job_id]


@pytest.mark.parametrize("with_daemon", [False, True], ids=["in process", "in the daemon"])
def test_checkpoints(with_daemon: bool, headway: Headway) -> None:
    if with_daemon:
        with headway.daemon():
            _checkpoints(headway)
    else:
        _checkpoints(headway)


def _checkpoints(headway: Headway) -> None:
    write = {"id": "w", "type": "state_write", "parameters": {"key": "k", "value": 1}}
    again = {"id": "x", "type": "state_write", "parameters": {"key": "k", "value": 2}, "dependencies": ["w"]}
    job = headway.run("run", "-", "--json", stdin=plan(write, again)).json["job_id"]
    ids = [row["checkpoint_id"] for row in headway.run("checkpoints", "ls", "--job", job, "--json").json]
    assert ids == [f"{job}@L0", f"{job}@L1"]
    saved = headway.run("checkpoints", "save", "--job", job, "--name", "mine", "--json").json
    assert (saved["name"], saved["kind"], saved["keys"]) == ("mine", "manual", 1)
    diff = headway.run("checkpoints", "diff", f"{job}@L0")
    assert diff.out.splitlines() == [f"{job}@L0: job:{job}", "  ~ k = 2 -> 1"]
    restored = headway.run("checkpoints", "restore", f"{job}@L0", "--yes")
    assert (restored.code, restored.out) == (0, f"restored job:{job} to {job}@L0\n")
    assert "nothing" in headway.run("checkpoints", "diff", f"{job}@L0").out
    assert headway.run("checkpoints", "restore", saved["checkpoint_id"]).code == 2
    fork = headway.run("checkpoints", "fork", f"{job}@L0", "--json")
    assert (fork.code, fork.json["status"]) == (0, "completed")
    with headway.terminal("checkpoints", "restore", saved["checkpoint_id"]) as asking:
        asking.wait_for("~ k = 1 -> 2")
        asking.wait_for("[y/N]")
        asking.type("n\n")
        assert asking.end() == 130
    kinds = [json.loads(line)["kind"] for line in headway.run("events", "--json").out.splitlines()]
    assert kinds.count("checkpoint_restored") == 1


def test_prune(headway: Headway) -> None:
    assert headway.run("run", "-", stdin=plan(call("a"))).code == 0
    assert headway.run("store", "prune").out == "removed 0 jobs, 0 events\n"
    headway.env["HEADWAY_STORE_KEEP_DAYS"] = "1e-9"
    assert re.fullmatch(r"removed 1 job, \d+ events\n", headway.run("store", "prune").out)
    assert headway.run("jobs", "ls").out == "no jobs\n"
