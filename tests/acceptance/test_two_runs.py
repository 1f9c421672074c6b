"""Two ``headway run`` in one project: the first holds the home, the second works through it, either can be steered."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.acceptance.commands import Headway, call, plan

TOOLS = '''
import asyncio
from pathlib import Path

import headway


@headway.tool
async def hold(path: str) -> str:
    """Wait for a file."""
    while not Path(path).exists():
        await asyncio.sleep(0.02)
    return "woke"
'''


@pytest.fixture
def held(headway: Headway) -> Headway:
    """Plans ``one`` and ``two``, which wait for files of their names."""
    (headway.here / "tools.py").write_text(TOOLS)
    (headway.here / "headway.toml").write_text('[tools]\npython = ["tools.py"]\n')
    for name in ("one", "two"):
        waits = call("h", "hold", parameters={"path": str(headway.here / name)})
        after = call("after", dependencies=["h"])
        (headway.here / f"{name}.json").write_text(plan(waits, after))
    return headway


def job(headway: Headway, title: str) -> dict[str, object]:
    (found,) = [row for row in headway.run("jobs", "ls", "--json").json if row["title"] == title]
    return dict(found)


def test_both_run_and_the_first_stays_for_the_second(held: Headway) -> None:
    with held.start("run", "one.json", "--plain") as first:
        first.wait_for("level 0: h: started")
        with held.start("run", "two.json", "--plain") as second:
            second.wait_for("level 0: h: started")
            status = held.run("status", "--json").json
            assert (status["kind"], status["pid"], status["running"]) == ("run", first.process.pid, 2)
            (held.here / "one").touch()
            first.wait_for("1 job from other commands still runs here")
            assert job(held, "one")["status"] == "completed"
            assert job(held, "two")["owner_alive"] is True
            (held.here / "two").touch()
            assert second.end() == 0
            assert first.end() == 0
    assert held.run("status").code == 3
    assert {row["status"] for row in held.run("jobs", "ls", "--json").json} == {"completed"}


def test_the_interrupt_of_the_first_stops_its_own_job_only(held: Headway) -> None:
    with held.start("run", "one.json", "--plain") as first:
        first.wait_for("level 0: h: started")
        with held.start("run", "two.json", "--json") as second:
            second.wait_for("running in the headway run that came first")
            while held.run("status", "--json").json["running"] != 2:
                pass
            first.process.send_signal(signal.SIGINT)
            first.wait_for("cancelling")
            (held.here / "one").touch()  # what is in flight goes on to its end
            first.wait_for("1 job from other commands still runs here")
            first.process.send_signal(signal.SIGINT)
            first.wait_for("press Ctrl-C again to cancel them and leave")
            assert job(held, "one")["status"] == "cancelled"
            assert job(held, "two")["status"] == "running"
            (held.here / "two").touch()
            assert second.end() == 0
            result = json.loads(second.text[second.text.index("{") :])
            assert result["status"] == "completed"
            assert first.end() == 130


@pytest.mark.parametrize("which", ["one", "two"])
@pytest.mark.parametrize("how", ["cancel", "kill"])
def test_either_is_stopped_from_another_shell(held: Headway, which: str, how: str) -> None:
    with held.start("run", "one.json", "--plain") as first:
        first.wait_for("level 0: h: started")
        with held.start("run", "two.json", "--plain") as second:
            second.wait_for("level 0: h: started")
            with held.start("events", "--follow") as events:
                done = held.run("jobs", how, str(job(held, which)["job_id"]))
                assert done.code == 0
                assert "requested" in done.out
                events.wait_for("run_cancel_requested" if how == "cancel" else "run_killed")
                if how == "cancel":
                    (held.here / which).touch()
                events.wait_for("job_cancelled")
                events.process.kill()
            assert held.run("stop").code == 1  # it is no daemon
            for name in {"one", "two"} - {which}:
                assert job(held, name)["status"] == "running"
                (held.here / name).touch()
            ends = {"one": first.end(), "two": second.end()}
            assert ends == {"one": 0, "two": 0} | {which: 130}


def test_after_a_kill_the_jobs_of_both_say_so_and_are_settled_by_the_next(held: Headway) -> None:
    with held.start("run", "one.json", "--plain") as first:
        first.wait_for("level 0: h: started")
        with held.start("run", "two.json", "--plain") as second:
            second.wait_for("level 0: h: started")
            os.kill(first.process.pid, signal.SIGKILL)
            first.process.wait()
            assert second.end() == 3
            assert "the log ended before" in second.text or "no daemon answers" in second.text
    rows = held.run("jobs", "ls", "--json").json
    assert [(row["status"], row["owner_alive"]) for row in rows] == [("running", False), ("running", False)]
    assert held.run("run", "-", stdin=plan(call("a"))).code == 0
    assert {job(held, name)["outcome"] for name in ("one", "two")} == {"interrupted"}


def test_a_run_is_no_daemon(held: Headway, tmp_path: Path) -> None:
    with held.start("run", "one.json", "--plain") as first:
        first.wait_for("level 0: h: started")
        up = held.run("up", "--detach")
        assert up.code == 2
        assert f"a headway run (pid {first.process.pid}) holds this home" in up.err
        (held.here / "headway.toml").write_text('[tools]\npython = ["tools.py"]\n[learning]\ntrajectories = "kept"\n')
        other = held.run("run", "two.json")
        assert (other.code, "learning.trajectories needs headway restart" in other.err) == (1, True), other
        (held.here / "one").touch()
        assert first.end() == 0
