"""Control files: moves and links as well as writes, other trusted projects, folders mounted twice, exchanges."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from headway.config import Config, control_files, load_config
from headway.config.control import OPEN, named_paths
from headway.config.model import ToolsConfig
from headway.errors import ControlFile, HeadwayError, InvalidConfig
from headway.home import Home
from headway.tools.files.workspace import Workspace
from headway.trust import ControlFiles, TrustedProjects
from headway.trust.names import fold
from tests.sizes import cases
from tests.unit.trust.boundary import CANARY, Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project.make(tmp_path)


@pytest.fixture
def control(project: Project) -> Iterator[ControlFiles]:
    control = control_files(load_config(project.root, env={}, trusted=False), Home(project.home))
    yield control
    control.close()


# -- renaming, removing, linking: what is asked for paths that no workspace opens -------------------------------------

MOVED = [
    *("headway.toml", "tools.py", "linked.py", "impl/current", "impl/v1", "impl", "impl/v1/real.py"),
    *("plans", "plans/hello.json", "plugins", "plugins/more.py", "later", "later/deep", "lib", "lib/pkg", "traj"),
    *("policies", "policies/base.toml", ".git", ".git/hooks", "sub/.git", "sub/nested/headway.toml", "replan.py"),
    *("TOOLS.PY", "Plans", "LIB/x", "src/Policies", "src/.GIT", "src/../tools.py", "memory.json", "."),
]


@pytest.mark.parametrize("path", MOVED)
def test_nothing_closed_may_be_moved_removed_or_replaced(project: Project, control: ControlFiles, path: str) -> None:
    assert control.refusal(project.root / path, below=project.root) is not None


@pytest.mark.parametrize("path", ["src", "src/app.py", "notes.txt", "new", "plans/other.json", "sub/other", "bare2"])
def test_the_rest_may_be(project: Project, control: ControlFiles, path: str) -> None:
    assert control.refusal(project.root / path, below=project.root) is None


def test_above_a_workspace_names_count_from_the_top(project: Project, control: ControlFiles, tmp_path: Path) -> None:
    assert control.refusal(project.root, below=tmp_path) == "a control file lies beneath it"
    assert control.refusal(project.home, below=tmp_path) == "it is one of Headway's own folders, or a secret"
    assert control.refusal(project.home / "token") == "it is one of Headway's own folders, or a secret"
    assert control.refusal(tmp_path / "policies" / "x") is not None
    assert control.refusal(tmp_path / "policies" / "x", below=tmp_path / "policies") is None


def test_a_second_name_of_a_control_file_is_one(project: Project, control: ControlFiles) -> None:
    for number, name in enumerate(("tools.py", "lib/pkg/mod.py", "policies/base.toml", ".git/config")):
        second = project.root / "src" / f"second{number}"
        second.hardlink_to(project.root / name)
        assert control.refusal(second, "write") == "it is another name of a control file"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("headway.toml", "HEADWAY.TOML"),
        (".git", ".GIT"),
        (".git", ".g\u200cit"),
        (".git", ".git. ."),
        ("w\u00f6rk", "wo\u0308rk"),
        ("Stra\u00dfe", "STRASSE"),
        ("\u212ak", "kk"),
        ("\u03c3\u03c2", "\u03a3\u03a3"),
    ],
)
def test_names_that_some_system_takes_for_one_fold_to_one(one: str, other: str) -> None:
    assert fold(one) == fold(other)


def test_names_that_are_different_stay_so() -> None:
    names = ["a", "b", "headway.toml", "headway-toml", ".git", "git", ".gitignore", "..", "...", "\udcff", "policies"]
    assert len({fold(name) for name in names}) == len(names)


# -- what a configuration names ---------------------------------------------------------------------------------------


def test_every_setting_that_names_a_path_is_closed(project: Project) -> None:
    """Also one that is added later: it is found by its type."""
    keys = {key for key, _ in named_paths(load_config(project.root, env={}, trusted=False))}
    assert keys >= {
        "tools.python",
        "tools.path",
        "workflows.hello.plan",
        "runtime.replan",
        "learning.memory",
        "learning.trajectories",
    }
    assert OPEN == ("tools.workspace",)
    assert "tools.workspace" not in keys


def test_a_workspace_within_tools_path_is_refused(tmp_path: Path) -> None:
    (tmp_path / "headway.toml").write_text('[tools]\npath = ["."]\n')
    with pytest.raises(InvalidConfig, match=r"headway.toml:2: tools.path holds the workspace"):
        load_config(tmp_path, env={})


def test_other_trusted_projects_in_the_workspace_are_closed(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "inner"
    inner.mkdir(parents=True)
    (tmp_path / "a" / "shared.py").write_text("")
    (inner / "headway.toml").write_text('[tools]\npython = ["tools.py", "../shared.py"]\n')
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "headway.toml").write_text("[")
    config = Config(tools=ToolsConfig(workspace=tmp_path))
    path = tmp_path / "a" / "shared.py"
    assert control_files(config).refusal(path, below=tmp_path) is None
    trusted = TrustedProjects()
    for folder in (inner, broken):
        trusted.add(folder)
    try:
        control = control_files(config)
        assert control.refusal(path, below=tmp_path) == "headway.toml names it"
        assert control.refusal(inner / "tools.py", below=tmp_path) == "headway.toml names it"
    finally:
        for folder in (inner, broken):
            trusted.remove(folder)


def test_a_tool_that_makes_its_own_workspace_is_bound_too(project: Project, control: ControlFiles) -> None:
    with pytest.raises(ControlFile, match=r"'tools.py' may not be touched by a plan: headway.toml names it"):
        Workspace(project.root).write("tools.py", b"evil")
    control.close()
    assert Workspace(project.root).write("tools.py", b"free").size == 4
    with pytest.raises(ControlFile, match="are control files"):
        Workspace(project.root).write("policies/p.toml", b"")


# -- folders mounted twice --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("policies", "alias/p.toml"),
        ("lib", "alias/pkg/new.py"),
        ("lib/pkg", "alias/new.py"),
        (".git", "alias/config"),
        (".git/hooks", "alias/post-checkout"),
        (".home", "alias/token"),
        (".", "alias/tools.py"),
        (".", "alias/plugins/more.py"),
        ("impl/v1", "alias/real.py"),
        ("plans", "alias/hello.json"),
        ("tools.py", "file"),
        (".home/token", "file"),
    ],
)
def test_a_mount_is_no_way_in(project: Project, source: str, path: str) -> None:
    control = control_files(load_config(project.root, env={}, trusted=False), Home(project.inner_home))
    alias = project.root / "src" / path.split("/")[0]
    alias.touch() if path == "file" else alias.mkdir()
    mounted = (
        subprocess.run(["mount", "--bind", project.root / source, alias], capture_output=True, text=True, check=False)
        if os.geteuid() == 0
        else None
    )
    if mounted is None or mounted.returncode != 0:
        pytest.skip("nothing can be mounted here")
    try:
        before = project.digest()
        with pytest.raises(HeadwayError):
            Workspace(project.root, control).write(f"src/{path}", b"evil")
        if source.startswith(".home"):
            with pytest.raises(ControlFile, match="Headway's own"):
                Workspace(project.root, control).read(f"src/{path}", 100)
        assert project.digest() == before
    finally:
        subprocess.run(["umount", alias], check=True)
        control.close()


# -- exchanges while a tool works -------------------------------------------------------------------------------------

Act = Callable[[Project], object]


def _door_to(name: str) -> Act:
    def act(project: Project) -> None:
        (project.root / "src").rename(project.root / "gone")
        (project.root / "src").symlink_to(name)

    return act


def _move_into(name: str) -> Act:
    def act(project: Project) -> None:
        (project.root / "src").rename(project.root / name)

    return act


def _become(name: str) -> Act:
    def act(project: Project) -> None:
        (project.root / name).rename(project.root / "away")
        (project.root / "src").rename(project.root / name)

    return act


def _file_link(name: str) -> Act:
    def act(project: Project) -> None:
        (project.root / "src" / "p.toml").unlink(missing_ok=True)
        (project.root / "src" / "p.toml").symlink_to(project.root / name)

    return act


SWAPS = {
    "a link to policies": _door_to("policies"),
    "a link to tools.path": _door_to("lib"),
    "a link to git's hooks": _door_to(".git/hooks"),
    "moved into policies": _move_into("policies/src"),
    "moved into tools.path": _move_into("lib/src"),
    "becomes policies": _become("policies"),
    "becomes tools.path": _become("lib"),
    "the file becomes a link to a tool file": _file_link("tools.py"),
    "the file becomes a link to a policy": _file_link("policies/base.toml"),
}


@pytest.mark.parametrize("existing", [False, True], ids=["new", "existing"])
@pytest.mark.parametrize("function", ["readlink", "open", "stat", "fsync", "write", "fchmod"])
@pytest.mark.parametrize("swap", SWAPS)
def test_an_exchange_at_any_step_is_no_way_in(
    project: Project, control: ControlFiles, monkeypatch: pytest.MonkeyPatch, swap: str, function: str, existing: bool
) -> None:
    """The exchange happens just before each call of a kind that a write makes, one after the other."""
    workspace = Workspace(project.root, control)
    if existing:
        (project.root / "src" / "p.toml").write_text("old")
    real = getattr(os, function)
    done = False

    def exchanging(*arguments: Any, **options: Any) -> Any:
        nonlocal done
        if not done and not (arguments and str(arguments[0]).endswith(("toml.py", ".json"))):
            done = True
            SWAPS[swap](project)
        return real(*arguments, **options)

    monkeypatch.setattr(os, function, exchanging)
    with suppress(HeadwayError):
        workspace.write("src/p.toml", b"evil")
    monkeypatch.undo()
    closed = [path for path in project.root.rglob("*") if path.is_file() and path.read_bytes() == b"evil"]
    assert [path for path in closed if control.refusal(path, "write", below=project.root)] == []
    assert (project.root / "tools.py").read_text() == CANARY


def test_a_folder_that_flickers_is_no_way_in(project: Project, control: ControlFiles) -> None:
    """A thread exchanges it for a link to policies and back, while another writes."""
    workspace = Workspace(project.root, control)
    door = project.root / "src" / "door"
    door.mkdir()
    over = threading.Event()
    numbers = count()

    def flicker() -> None:
        link = project.root / "src" / "link"
        while not over.is_set():
            with suppress(OSError):  # the other may have made the folder that is missing for a moment
                link.symlink_to("../policies")
            with suppress(OSError):
                door.rename(project.root / "src" / f"aside{next(numbers)}")
            with suppress(OSError):
                link.rename(door)
                door.unlink()
            door.mkdir(exist_ok=True)

    thread = threading.Thread(target=flicker)
    thread.start()
    try:
        for number in range(cases(500)):
            with suppress(HeadwayError):
                workspace.write(f"src/door/{number}.toml", b"evil")
    finally:
        over.set()
        thread.join()
    assert [path.name for path in (project.root / "policies").iterdir()] == ["base.toml"]
    assert workspace.write("src/door/last.toml", b"good").created
