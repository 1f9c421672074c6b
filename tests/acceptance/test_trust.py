"""Trust as a user meets it: plans that reach for what governs them, files of others, code that nobody has looked at."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from headway_console.resources import examples
from tests.acceptance.commands import LIMIT_S, Headway, call, plan
from tests.sizes import few

TOOLS = """
import pathlib
import headway

pathlib.Path({marker!r}).write_text("ran")

@headway.tool
def mine() -> int:
    return 42
"""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


@pytest.fixture
def marker(headway: Headway) -> Path:
    """A project whose tool file leaves a mark when it is run; the mark is not in the project."""
    marker = headway.home.parent / "marker"
    (headway.here / "headway.toml").write_text(
        "[tools]\npython = ['tools.py']\n[workflows.w]\nplan = 'w.json'\n[a2a]\nport = 0\n"
    )
    (headway.here / "tools.py").write_text(TOOLS.format(marker=str(marker)))
    (headway.here / "w.json").write_text(plan(call("a", "mine", parameters={})))
    return marker


def write(path: str, content: str = "", **more: Any) -> dict[str, Any]:
    return call("w", "write_file", parameters={"path": path, "content": content}, **more)


# -- a plan reaches for what governs it ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "policies/p.toml",
        "policies/base.toml",
        "POLICIES/p.toml",
        "sub/policies/p.toml",
        "door/p.toml",
        "headway.toml",
        "sub/headway.toml",
        ".git/hooks/post-checkout",
        ".git/config",
    ],
)
@pytest.mark.parametrize("known", few(["when it is verified", "when it runs"]))
def test_a_plan_cannot_change_what_binds_it(headway: Headway, path: str, known: str) -> None:
    (headway.here / "headway.toml").write_text("")
    (headway.here / "policies").mkdir()
    (headway.here / "policies" / "base.toml").write_text("deny_tool = ['calculate']\n")
    (headway.here / "door").symlink_to("policies")
    before = sorted((str(path), path.is_file() and path.read_bytes()) for path in headway.here.rglob("*"))
    if known == "when it runs":
        (headway.home.parent / "name").write_text(path)
        (headway.here / "name").write_text(path)
        text = plan(
            call("name", "read_file", parameters={"path": "name"}),
            write("$name.output.content", "deny_tool = []\n"),
        )
        done = headway.run("run", "-", "--json", stdin=text)
        assert done.code == 1
        assert "may not be touched by a plan" in done.out
        (headway.here / "name").unlink()
    else:
        done = headway.run("run", "-", stdin=plan(write(path, "deny_tool = []\n")))
        assert done.code == 2
        assert "may not be touched by a plan" in done.err
        assert headway.run("verify", "-", stdin=plan(write(path))).code == 2
    assert sorted((str(path), path.is_file() and path.read_bytes()) for path in headway.here.rglob("*")) == before
    assert "denied by policy" in headway.run("run", "-", "--json", stdin=plan(call("c"))).out


@pytest.mark.parametrize(
    "path", few(["tools.py", "link.py", "TOOLS.py", "./x/../tools.py", "second.py", "w.json", "replan.py"], 2)
)
def test_a_plan_cannot_become_code(headway: Headway, marker: Path, path: str) -> None:
    with (headway.here / "headway.toml").open("a") as file:
        file.write("[runtime]\nreplan = 'replan.py:again'\n")
    (headway.here / "replan.py").write_text("async def again(context): ...\n")
    (headway.here / "x").mkdir()
    (headway.here / "link.py").symlink_to("tools.py")
    (headway.here / "second.py").hardlink_to(headway.here / "tools.py")
    before = {file: file.read_bytes() for file in headway.here.iterdir() if file.is_file()}
    evil = f"import pathlib; pathlib.Path({str(marker) + '2'!r}).write_text('evil')\n"
    done = headway.run("run", "-", stdin=plan(write(path, evil)))
    assert (done.code, "may not be touched by a plan" in done.err) == (2, True), done
    assert {file: file.read_bytes() for file in headway.here.iterdir() if file.is_file()} == before
    assert headway.run("verify", "w").code == 0
    assert not Path(f"{marker}2").exists()


@pytest.mark.parametrize(
    "name", few(["click.py", "helper.py", "headway_console.py", "msgspec.py", "sitecustomize.py"], 2)
)
def test_what_a_plan_writes_is_never_imported(headway: Headway, marker: Path, name: str) -> None:
    """Neither by a daemon that is started in the workspace nor by a tool file."""
    evil = f"import pathlib; pathlib.Path({str(marker) + '2'!r}).write_text('evil')\nraise SystemExit(9)\n"
    done = headway.run("run", "-", stdin=plan(write(name, evil)))
    assert done.code == 0
    if name == "helper.py":
        with (headway.here / "tools.py").open("a") as file:
            file.write("import helper\n")
        done = headway.run("verify", "w")
        assert (done.code, "[tools] path" in done.err) == (2, True), done
    else:
        safely = [sys.executable, "-P", "-m", "headway_console.cli"]
        run = {"cwd": headway.here, "env": headway.env, "timeout": LIMIT_S, "check": True}
        subprocess.run([*safely, "up", "--detach"], stdout=subprocess.DEVNULL, **run)  # type: ignore[call-overload]
        subprocess.run([*safely, "stop"], stdout=subprocess.DEVNULL, **run)  # type: ignore[call-overload]
    assert not Path(f"{marker}2").exists()


def test_the_home_is_not_even_read(headway: Headway) -> None:
    headway.home = headway.here / ".home"
    headway.env["HEADWAY_HOME"] = str(headway.home)
    assert headway.run("run", "-", stdin=plan(call("a"))).code == 0
    for tool in ("read_file", "list_dir", "grep_files"):
        for path in (".home/headway.db", ".home", "./.home/../.home"):
            more = {"pattern": "."} if tool == "grep_files" else {}
            done = headway.run("run", "-", stdin=plan(call("r", tool, parameters={"path": path, **more})))
            assert (done.code, "one of Headway's own folders" in done.err) == (2, True), done


# -- files that somebody else could have written ---------------------------------------------------------------------

COMMANDS = [("run", "w"), ("verify", "w"), ("config", "check"), ("serve",), ("up", "--detach"), ("trust", "--yes")]


@pytest.mark.parametrize("command", few(COMMANDS, 3), ids=" ".join)
@pytest.mark.parametrize("loose", few(["headway.toml", "tools.py", "."]))
def test_what_everyone_may_write_is_not_loaded(
    headway: Headway, marker: Path, command: tuple[str, ...], loose: str
) -> None:
    (headway.here / loose).chmod(0o777)
    done = headway.run(*command)
    where = headway.here / loose
    assert done.code == 2
    assert "everyone may write to it: chmod go-w" in done.err
    assert str(where).removesuffix("/.") in done.err
    assert len(done.err.splitlines()) == 1
    assert not marker.exists()
    assert not (headway.home / "headway.db").exists()


@needs_root
@pytest.mark.parametrize("command", few(COMMANDS, 3), ids=" ".join)
@pytest.mark.parametrize("foreign", few(["headway.toml", "tools.py", "."]))
def test_what_somebody_else_owns_is_not_loaded(
    headway: Headway, marker: Path, command: tuple[str, ...], foreign: str
) -> None:
    os.chown(headway.here / foreign, 54321, 54321)
    done = headway.run(*command)
    assert done.code == 2
    assert "belongs to 54321, not to you or root: chown root" in done.err
    assert len(done.err.splitlines()) == 1
    assert not marker.exists()


@needs_root
def test_a_foreign_configuration_beside_a_plan_is_not_loaded(headway: Headway, marker: Path) -> None:
    theirs = headway.home.parent / "theirs"
    headway.here.rename(theirs)
    headway.here.mkdir()
    os.chown(theirs, 54321, 54321)
    done = headway.run("run", theirs / "w.json")
    assert (done.code, "belongs to 54321" in done.err) == (2, True), done
    assert not marker.exists()


def test_the_search_ends_at_a_folder_that_everyone_may_write_to(headway: Headway, marker: Path) -> None:
    headway.here.chmod(0o1777)
    below = headway.here / "below"
    below.mkdir()
    headway.here = below
    assert headway.run("config", "path", "--json").json == {"path": None}


@pytest.mark.parametrize("name", ["policies/base.toml", "policies"])
def test_policies_that_everyone_may_write_bind_nobody_and_let_nothing_run(headway: Headway, name: str) -> None:
    (headway.here / "policies").mkdir()
    (headway.here / "policies" / "base.toml").write_text("deny_tool = ['shell']\n")
    (headway.here / name).chmod(0o777)
    done = headway.run("run", "-", stdin=plan(call("a")))
    assert (done.code, "everyone may write to it" in done.err) == (2, True), done


def test_policies_elsewhere_on_the_way_up_are_an_error(headway: Headway) -> None:
    (headway.home.parent / "policies").mkdir()
    (headway.home.parent / "policies" / "p.toml").write_text("")
    for command in (["run", "-"], ["verify", "-"], ["config", "check"]):
        done = headway.run(*command, stdin=plan(call("a")))
        assert (done.code, "policies are read beside headway.toml only" in done.err) == (2, True), done


# -- code that nobody has looked at ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command", [("run", "w"), ("run", "w", "--json"), ("serve",), ("up", "--detach")], ids=" ".join
)
def test_code_runs_only_when_it_is_trusted(headway: Headway, marker: Path, command: tuple[str, ...]) -> None:
    assert headway.run("trust", "rm").code == 0
    done = headway.run(*command)
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        f"headway: error: {headway.here} is not trusted: look at its code (tools.py), "
        f"then run headway trust {headway.here}\n"
    )
    assert not marker.exists()
    assert not (headway.home / "headway.db").exists()


def test_verify_never_asks_and_says_what_it_left_out(headway: Headway, marker: Path) -> None:
    assert headway.run("trust", "rm").code == 0
    done = headway.run("verify", "-", "--json", stdin=plan(call("a")))
    assert done.code == 0
    assert done.json["left_out"] == [str(headway.here / "tools.py")]
    assert "left out: " in headway.run("verify", "-", stdin=plan(call("a"))).out
    done = headway.run("verify", "w")
    assert done.code == 2
    assert "mine" in done.err
    assert f"left out: {headway.here}/tools.py" in done.out
    assert headway.run("config", "check", "--json").json["left_out"] == [str(headway.here / "tools.py")]
    assert not marker.exists()
    assert headway.run("trust", "--yes").code == 0
    done = headway.run("verify", "w", "--json")
    assert (done.code, done.json["left_out"]) == (0, [])
    assert marker.exists()


def test_verify_knows_the_tools_of_the_last_run(headway: Headway, marker: Path) -> None:
    assert headway.run("run", "w").code == 0
    marker.unlink()
    assert headway.run("trust", "rm").code == 0
    done = headway.run("verify", "w", "--json")
    assert (done.code, done.json["known"]) == (0, ["mine"])
    assert done.json["left_out"] == [str(headway.here / "tools.py")]
    done = headway.run("verify", "-", stdin=plan(call("a", "mine", parameters={"no": 1})))
    assert done.code == 2
    assert "known by the schemas of their last run: mine" in done.out
    assert not marker.exists()
    assert headway.run("run", "w").code == 2


def test_trust_comes_is_listed_and_goes(headway: Headway, marker: Path) -> None:
    headway.run("trust", "rm")
    done = headway.run("trust")
    assert (done.code, "There is nobody to ask: give --yes" in done.err) == (2, True)
    assert headway.run("trust", "ls").out == "no project is trusted\n"
    done = headway.run("trust", "--yes", "--json")
    code = [str(headway.here / "tools.py")]
    assert done.json == {"path": str(headway.here), "added": True, "code": code, "opens": []}
    assert headway.run("trust", headway.here / "headway.toml", "--yes").out == f"{headway.here} is already trusted\n"
    (project,) = headway.run("trust", "ls", "--json").json["projects"]
    assert (project["path"], project["exists"]) == (str(headway.here), True)
    assert str(headway.here) in headway.run("trust", "ls").out
    assert headway.run("run", "w").code == 0
    assert headway.run("trust", "rm", headway.here, "--json").json == {"path": str(headway.here), "removed": True}
    done = headway.run("trust", "rm")
    assert (done.code, "is not trusted" in done.err) == (2, True)
    assert headway.run("trust", "nowhere", "--yes").code == 2
    assert headway.run("run", "w").code == 2


def test_what_a_file_without_code_opens_needs_trust(headway: Headway) -> None:
    headway.run("trust", "rm")
    (headway.here / "headway.toml").write_text('[a2a]\nauth = "none"\n[learning]\nmemory = "../memory.json"\n')
    for command in (["run", "-"], ["serve"]):
        done = headway.run(*command, stdin=plan(call("a")))
        assert done.code == 2
        assert "its learning.memory, a2a.auth opens more than its folder: run headway trust" in done.err
    assert headway.run("verify", "-", stdin=plan(call("a"))).code == 0
    done = headway.run("trust", "--yes", "--json")
    assert (done.json["code"], done.json["opens"]) == ([], ["learning.memory", "a2a.auth"])
    assert headway.run("run", "-", stdin=plan(call("a"))).code == 0


def test_trust_is_asked_once_on_a_terminal(headway: Headway, marker: Path) -> None:
    headway.run("trust", "rm")
    with headway.terminal("run", "w", "--plain") as asked:
        asked.wait_for("trust ")
        asked.wait_for("[y/N]")
        assert "tools.py" in asked.text
        asked.type("\r")
        assert asked.end() == 2
        assert "is not trusted" in asked.text
    assert not marker.exists()
    with headway.terminal("run", "w", "--plain") as asked:
        asked.wait_for("[y/N]")
        asked.type("y\r")
        assert asked.end() == 0
    assert marker.exists()
    with headway.terminal("run", "w", "--plain") as asked:
        assert asked.end() == 0
        assert "[y/N]" not in asked.text
    with headway.terminal("trust", "rm") as asked:
        assert asked.end() == 0
    with headway.terminal("trust") as asked:
        asked.wait_for("[y/N]")
        asked.type("y\r")
        assert asked.end() == 0


def test_init_trusts_what_it_makes(headway: Headway) -> None:
    headway.run("trust", "rm")
    assert headway.run("init").code == 0
    assert headway.run("run", "hello").code == 0


def test_what_needs_no_code_loads_none(headway: Headway, marker: Path) -> None:
    assert headway.run("run", "w").code == 0
    job = headway.run("jobs", "ls", "--json").json
    headway.run("trust", "rm")
    marker.unlink()
    assert job
    assert headway.run("store", "prune").code == 0
    assert headway.run("jobs", "ls").code == 0
    assert headway.run("status").code == 3
    assert not marker.exists()


def test_the_shipped_examples_need_no_trust(headway: Headway) -> None:
    headway.run("trust", "rm")
    workspace = headway.home.parent / "workspace"
    workspace.mkdir()
    done = headway.run("run", examples() / "plans" / "audit.json", "--workspace", workspace, "--json")
    assert (done.code, done.json["status"]) == (0, "completed")
    assert json.loads((headway.home.parent / "config" / "headway" / "trusted.json").read_text())["projects"] == {}
