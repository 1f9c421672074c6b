"""Projects side by side: what is done in one never touches another."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import seeds
from tests.acceptance.commands import Headway, call, plan
from tests.sizes import cases

WRITE = plan(call("w", "write_file", parameters={"path": "made.txt", "content": "made here"}))
DENY = '[[rule]]\nname = "nothing-is-written"\nwhen = "tool == \'write_file\'"\ndeny = true\n'


class Project:
    """A folder with a ``headway.toml``; commands in it, in the home that is its own."""

    def __init__(self, root: Path, name: str) -> None:
        self.name = name
        self.folder = root / name
        (self.folder / "below").mkdir(parents=True)
        (self.folder / "headway.toml").write_text("[runtime]\non_restart = 'fail'\n")
        (self.folder / "write.json").write_text(WRITE)
        (self.folder / f"{name}.json").write_text(plan(call("a")))
        self.headway = Headway(root / f"{name}-command")
        self.headway.here = self.folder
        self.headway.trust(self.folder)
        del self.headway.env["HEADWAY_HOME"]
        self.headway.env |= {"HOME": str(root), "XDG_DATA_HOME": str(root / "data")}

    def titles(self) -> set[str]:
        return {job["title"] for job in self.headway.run("jobs", "ls", "--json").json}


@pytest.fixture
def both(tmp_path: Path) -> Iterator[tuple[Project, Project]]:
    for name in ("a", "b"):
        (tmp_path / f"{name}-command").mkdir()
    yield Project(tmp_path, "a"), Project(tmp_path, "b")
    shutil.rmtree(tmp_path / "data", ignore_errors=True)


def test_a_run_in_one_project_is_not_the_other_daemons(both: tuple[Project, Project]) -> None:
    a, b = both
    (b.folder / "policies").mkdir()
    (b.folder / "policies" / "p.toml").write_text(DENY)
    with a.headway.daemon() as status:
        assert status["root"] == str(a.folder.resolve())
        done = b.headway.run("run", "write.json", "--json")
        assert done.code == 1, done
        assert "nothing-is-written" in done.out
        assert not (a.folder / "made.txt").exists()
        assert not (b.folder / "made.txt").exists()
        assert a.headway.run("jobs", "ls", "--json").json == []
        assert b.headway.run("status").code == 3
    assert b.titles() == {"write"}


def test_a_home_that_is_named_must_be_the_projects_own(both: tuple[Project, Project]) -> None:
    a, b = both
    with a.headway.daemon() as status:
        home = status["home"]
        for arguments in (["run", "write.json"], ["up", "--detach"], ["serve"], ["store", "prune"]):
            done = b.headway.run("--home", home, *arguments)
            assert (done.code, done.out) == (1, ""), (arguments, done)
            assert done.err.splitlines()[-1].startswith(f"headway: error: the home {home} belongs to project a (")
        assert not (a.folder / "made.txt").exists()
        assert b.headway.run("--home", home, "jobs", "ls", "--json").json == []
        b.headway.env["HEADWAY_HOME"] = home  # left over in the shell, say
        stopped = b.headway.run("stop")
        assert stopped.code == 1
        assert "belongs to project a" in stopped.err
        assert a.headway.run("status", "--json").json["pid"] == status["pid"]
        assert f"the home {home} is that of project a (" in b.headway.run("status").err


def test_what_is_not_obvious_is_said_and_nothing_else(both: tuple[Project, Project], tmp_path: Path) -> None:
    a, _ = both
    done = a.headway.run("run", "a.json")
    assert done.err == ""
    a.headway.here = a.folder / "below"
    done = a.headway.run("jobs", "ls", "--json")
    assert [job["title"] for job in done.json] == ["a"]
    found = re.fullmatch(r"headway: project a \((.*)\), home (.*)\n", done.err)
    assert found is not None, done.err
    assert found[1] == str(a.folder.resolve())
    a.headway.here = a.folder
    other = tmp_path / "other"
    done = a.headway.run("--home", other, "run", "a.json")
    assert done.code == 0
    assert done.err == f"headway: home {other}, by --home; the own home of project a ({found[1]}) is {found[2]}\n"


def test_the_shared_home_of_old_is_named_and_read(both: tuple[Project, Project], tmp_path: Path) -> None:
    a, b = both
    old = tmp_path / "data" / "headway"
    assert a.headway.run("--home", old, "run", "a.json").code == 0
    (old / "project.json").unlink()  # as an earlier version left it
    done = b.headway.run("run", "b.json")
    assert f"headway --home {old} jobs ls" in done.err
    assert b.headway.run("run", "b.json").err == ""
    assert [job["title"] for job in b.headway.run("--home", old, "jobs", "ls", "--json").json] == ["a"]
    listed = b.headway.run("projects", "ls", "--json").json
    assert [(home["name"], home["shared"]) for home in listed] == [("b", False), (None, True)]


def test_projects_are_listed(both: tuple[Project, Project]) -> None:
    a, b = both
    assert a.headway.run("projects", "ls").out == "no projects\n"
    assert b.headway.run("run", "b.json").code == 0
    with a.headway.daemon() as status:
        one, two = a.headway.run("projects", "ls", "--json").json
        assert (one["name"], one["owner"], one["home"]) == (
            "a",
            {"kind": "daemon", "pid": status["pid"]},
            status["home"],
        )
        assert (two["name"], two["owner"], two["missing"]) == ("b", None, False)
        assert two["bytes"] > 0
        assert two["last_used_ms"] > 0
    shutil.rmtree(b.folder)
    assert "b (missing)" in a.headway.run("projects", "ls").out.replace(str(b.folder.resolve()), "b")


def test_random_commands_stay_in_their_project(both: tuple[Project, Project]) -> None:
    draw = seeds.chance()
    commands = [
        lambda p: ["run", f"{p.name}.json"],
        lambda p: ["run", "write.json"],
        lambda p: ["verify", f"{p.name}.json"],
        lambda p: ["jobs", "ls", "--json"],
        lambda p: ["events", "--json", "--limit", "20"],
        lambda p: ["status", "--json"],
        lambda p: ["checkpoints", "ls"],
        lambda p: ["store", "check"],
        lambda p: ["console", "--json"],
        lambda p: ["stop"],
        lambda p: ["up", "--detach", "--port", "0"],
        lambda p: ["store", "prune"],
    ]
    try:
        for project in both:
            assert project.headway.run("up", "--detach", "--port", "0").code == 0
        for number in range(cases(50)):
            own, other = draw.sample(both, 2)
            if draw.random() < 0.3:
                own.headway.here = own.folder / "below"
                arguments = draw.choice(commands[3:])(own)
            else:
                own.headway.here = own.folder
                arguments = draw.choice(commands)(own)
            before = _seen(other)
            done = own.headway.run(*arguments)
            assert done.code in (0, 3), (number, arguments, done)
            assert _seen(other) == before, (number, arguments)
            if "--json" in arguments and done.code == 0 and arguments[0] == "status":
                assert done.json["root"] == str(own.folder.resolve())
        for project in both:
            project.headway.here = project.folder
            assert project.titles() <= {project.name, "write"}
    finally:
        for project in both:
            project.headway.here = project.folder
            project.headway.run("stop", "--now")


def _seen(project: Project) -> tuple[object, ...]:
    """Return what a command in another project must leave as it was: log, files and daemon."""
    (home,) = (project.folder.parent / "data" / "headway" / "projects").glob(f"{project.name}-*")
    files = {path.name: path.read_bytes() for path in project.folder.iterdir() if path.is_file()}
    info = home / "daemon.json"
    daemon = json.loads(info.read_text())["pid"] if info.exists() else None
    if daemon is not None:
        os.kill(daemon, 0)
    return files, daemon, _log(home)


def _log(home: Path) -> list[int]:
    import sqlite3

    with sqlite3.connect(f"file:{home / 'headway.db'}?mode=ro", uri=True) as store:
        found = store.execute("SELECT max(seq) FROM events").fetchall()
    store.close()
    return [row[0] for row in found]


def test_jobs_of_a_killed_process_say_so_until_they_are_settled(both: tuple[Project, Project]) -> None:
    a, _ = both
    (a.folder / "tools.py").write_text(
        "import asyncio, headway\n@headway.tool\nasync def nap() -> str:\n    await asyncio.sleep(600)\n    return ''\n"
    )
    (a.folder / "headway.toml").write_text("[tools]\npython = ['tools.py']\n[runtime]\non_restart = 'fail'\n")
    (a.folder / "nap.json").write_text(plan(call("n", "nap")))
    with a.headway.start("run", "nap.json", "--plain") as running:
        running.wait_for("nap")
        (job,) = a.headway.run("jobs", "ls", "--json").json
        assert (job["status"], job["owner_alive"]) == ("running", True)
        running.process.send_signal(signal.SIGKILL)
        running.process.wait()
    (job,) = a.headway.run("jobs", "ls", "--json").json
    assert (job["status"], job["owner_alive"]) == ("running", False)
    assert "running, its process is gone" in a.headway.run("jobs", "ls").out
    shown = a.headway.run("jobs", "show", job["job_id"])
    assert "the process that ran it is gone" in shown.err
    assert a.headway.run("run", "a.json").code == 0
    (settled,) = [row for row in a.headway.run("jobs", "ls", "--json").json if row["job_id"] == job["job_id"]]
    assert settled["status"] == "failed"
    assert "owner_alive" not in settled
