"""The corpus of attempts on the boundary, by every tool that takes a path. None may get through."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headway.config import control_files, load_config
from headway.errors import HeadwayError
from headway.home import Home
from headway.tools.basics import register_agent_basics
from headway.tools.files.workspace import Workspace
from headway.tools.registry import ToolRegistry
from tests.unit.trust import boundary
from tests.unit.trust.boundary import CANARY, HIDDEN, OUTSIDE, TARGETS, Project

CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("write_file", {"content": "evil"}),
    ("edit_file", {"old": CANARY, "new": "evil"}),
    ("edit_file", {"old": "[", "new": "evil", "replace_all": True}),
]
LOOKS: list[tuple[str, dict[str, Any]]] = [
    ("read_file", {}),
    ("grep_files", {"pattern": "original", "skip_dirs": []}),
    ("list_dir", {}),
    ("find_files", {"pattern": "*", "skip_dirs": []}),
]


class Tools:
    """The basics on a project, called as a run calls them."""

    def __init__(self, project: Project) -> None:
        config = load_config(project.root, env={}, trusted=False)
        self.control = control_files(config, Home(project.home))
        self.inner = control_files(config, Home(project.inner_home))  # a second engine's
        self.registry = ToolRegistry()
        register_agent_basics(self.registry, Workspace(project.root))

    def call(self, name: str, **parameters: Any) -> Any:
        """Call a tool whatever its check says."""
        entry = self.registry.get(name)
        assert entry is not None
        return entry.call(**parameters)

    def issues(self, name: str, **parameters: Any) -> list[str]:
        """What admission finds."""
        entry = self.registry.get(name)
        assert entry is not None
        assert entry.check is not None
        return entry.check(parameters)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project.make(tmp_path)


@pytest.fixture
def tools(project: Project) -> Iterator[Tools]:
    tools = Tools(project)
    yield tools
    tools.control.close()
    tools.inner.close()


def test_every_tool_that_takes_a_path_is_tried(tools: Tools) -> None:
    entries = {entry.schema.name: entry for entry in tools.registry.entries()}
    paths = {name for name, entry in entries.items() if "path" in entry.schema.parameters["properties"]}
    assert paths == {name for name, _ in (*CHANGES, *LOOKS)}
    assert {name for name, entry in entries.items() if entry.writes_files} == {name for name, _ in CHANGES}


def test_the_corpus_is_large() -> None:
    assert len(TARGETS) * len(boundary.FORMS) > 700


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_is_changed(project: Project, tools: Tools, target: str) -> None:
    tried = 0
    for form in boundary.FORMS:
        path = form(project, target)
        if path is None or (form is boundary.upper and target.startswith((*boundary.BY_CONTENT, "impl/current/"))):
            continue  # in capitals it is another folder, unless the system says otherwise: then the content tells
        before = project.digest()
        for name, more in CHANGES:
            if form is boundary.hard_link and target.startswith(boundary.BY_CONTENT):
                _replaces_the_name_alone(project, tools, target, path)
                before = project.digest()
                continue
            assert tools.issues(name, path=path, **more), f"admission lets {name} have {path!r}"
            with pytest.raises(HeadwayError):
                tools.call(name, path=path, **more)
            tried += 1
        assert project.digest() == before, form.__name__
    assert tried >= 12


def _replaces_the_name_alone(project: Project, tools: Tools, target: str, path: str) -> None:
    before = (project.root / target).read_bytes()
    tools.call("write_file", path=path, content="evil")
    assert (project.root / target).read_bytes() == before


@pytest.mark.parametrize("target", [*HIDDEN, ".home", *OUTSIDE])
def test_nothing_hidden_is_read(project: Project, tools: Tools, target: str) -> None:
    for form in boundary.FORMS:
        path = form(project, target)
        if path is None:
            continue
        for name, more in LOOKS:
            if form is boundary.hard_link and name != "read_file":
                # A search passes over files that it may not open; a listing opens none.
                found = tools.call("grep_files", path="src", pattern="original")
                assert not [match for match in found["matches"] if match["path"] == path]
                continue
            with pytest.raises(HeadwayError):
                tools.call(name, path=path, **more)


def test_the_file_of_a_secret_is_hidden(tmp_path: Path) -> None:
    (tmp_path / "headway.toml").write_text('[secrets.key]\nfile = "key"\n')
    (tmp_path / "key").write_text(CANARY)
    (tmp_path / "second").hardlink_to(tmp_path / "key")
    control = control_files(load_config(tmp_path, env={}, trusted=False))
    workspace = Workspace(tmp_path, control)
    registry = ToolRegistry()
    register_agent_basics(registry, workspace)
    for name in ("key", "KEY", "./key", "second"):
        with pytest.raises(HeadwayError):
            workspace.read(name, 100)
        with pytest.raises(HeadwayError):
            workspace.write(name, b"evil")
    grep = registry.get("grep_files")
    assert grep is not None
    found = grep.call(pattern="original")
    assert (found["matches"], found["files_skipped"]) == ([], 2)
    control.close()


def test_a_walk_leaves_out_what_is_hidden(project: Project, tools: Tools) -> None:
    (project.root / "src" / "second").hardlink_to(project.home / "token")
    found = tools.call("find_files", pattern="*", skip_dirs=[])
    assert not [name for name in found["files"] if name.startswith(".home")]
    assert found["unreadable"] == 1
    matches = tools.call("grep_files", pattern="original", skip_dirs=[])["matches"]
    places = {match["path"] for match in matches}
    assert "tools.py" in places  # control files may be read
    assert not [name for name in places if name.startswith(".home") or name == "src/second"]
    assert CANARY not in json.dumps(tools.call("list_dir", path="."))


@pytest.mark.parametrize(
    "path",
    [
        "notes.txt",
        "src/app.py",
        "src/new.py",
        "new/deep/file.txt",
        "plans/other.json",
        "later/deep/other.json",
        "plugins/other.py",
        "policies.txt",
        "src/policy/x.toml",
        "headway.toml.example",
        ".gitignore",
        "src/config",
        "hooks/pre-commit",
        "halfway/notes.txt",
        "objects/refs/HEAD",
        "sub/tools.py",
        "home/token",
    ],
)
def test_what_is_not_closed_can_be_written(project: Project, tools: Tools, path: str) -> None:
    assert tools.issues("write_file", path=path, content="good") == []
    assert tools.call("write_file", path=path, content="good")["bytes"] == 4
    assert (project.root / path).read_text() == "good"
    assert tools.call("edit_file", path=path, old="good", new="better")["replacements"] == 1


def test_control_files_may_be_read(tools: Tools) -> None:
    assert tools.call("read_file", path="policies/base.toml")["content"] == CANARY
    assert "[tools]" in tools.call("read_file", path="headway.toml")["content"]


def test_each_refusal_is_one_line_that_says_why(tools: Tools) -> None:
    def said(path: str) -> str:
        (issue,) = tools.issues("write_file", path=path, content="")
        return issue

    assert said("x/policies/p.toml") == (
        "'x/policies/p.toml' may not be touched by a plan: 'policies' and what it holds are control files"
    )
    assert said("tools.py").endswith("may not be touched by a plan: headway.toml names it")
    assert said("lib/x.py").endswith("it is in a folder that [tools] path or another setting closes")
    assert said("later").endswith("a control file lies beneath it")
    assert said(".home/x").endswith("it is one of Headway's own folders, or a secret")
    assert said("bare/config").endswith("it is in a git directory")
    assert said("halfway/objects/x").endswith("it would make its folder a git directory")
