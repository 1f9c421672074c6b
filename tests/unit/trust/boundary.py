"""Attempts on the boundary: what a plan may not touch, and the ways in which it could be called.

The corpus is the product of three tables: :data:`TARGETS` (what is closed), :data:`FORMS` (how a path to it can be
written) and the tools that take a path. A tool of another kind joins with its own list of ways to try a target.
"""

from __future__ import annotations

import hashlib
import os
import stat
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

CANARY = "original-content-of-a-secret"

CONFIG = """\
[tools]
python = ["tools.py", "plugins/more.py", "linked.py", "wörk.py", "Straße.py"]
path = ["lib"]

[workflows.hello]
plan = "plans/hello.json"

[workflows.later]
plan = "later/deep/plan.json"

[runtime]
replan = "replan.py:propose"

[learning]
memory = "memory.json"
trajectories = "traj"
"""

FILES = (
    "tools.py",
    "wörk.py",
    "impl/v1/real.py",
    "lib/pkg/mod.py",
    "plans/hello.json",
    "replan.py",
    "memory.json",
    "policies/base.toml",
    ".git/HEAD",
    ".git/config",
    ".git/hooks/pre-commit",
    ".git/objects/x",
    ".git/refs/x",
    "sub/nested/headway.toml",
    ".modules/sub/HEAD",
    ".modules/sub/commondir",
    ".modules/sub/config",
    ".modules/sub/hooks/update",
    "bare/HEAD",
    "bare/config",
    "bare/objects/x",
    "bare/refs/x",
    "halfway/HEAD",
    "halfway/refs/x",
    ".home/token",
    ".home/headway.db",
    "src/app.py",
    "notes.txt",
)


@dataclass(frozen=True)
class Project:
    """A project with all that can be closed, in ``root``; one home is in it, one beside it."""

    root: Path
    home: Path
    inner_home: Path

    @classmethod
    def make(cls, base: Path) -> Project:
        """Write it below ``base``."""
        project = cls(base / "project", base / "home", base / "project" / ".home")
        for name in FILES:
            _write(project.root / name)
        (project.root / "headway.toml").write_text(CONFIG)
        (project.root / "sub" / ".git").write_text("gitdir: ../.modules/sub\n")
        (project.root / "impl" / "current").symlink_to("v1")
        (project.root / "linked.py").symlink_to("impl/current/real.py")
        _write(project.home / "token")
        _write(project.home / "headway.db")
        return project

    def unused(self, name: str) -> str:
        """Return ``name`` with a number behind it that nothing has yet."""
        return next(f"{name}{n}" for n in count() if not os.path.lexists(self.root / f"{name}{n}"))

    def fresh(self, name: str, target: Path | str) -> str:
        """Make a link to ``target`` under a new name and return that."""
        name = self.unused(name)
        (self.root / name).symlink_to(target)
        return name

    def digest(self) -> str:
        """Return what tells whether anything in it or around it has changed: names, kinds, targets and bytes."""
        digest = hashlib.sha256()
        for path in sorted(self.root.parent.rglob("*")):
            kind = path.lstat().st_mode
            content = path.read_bytes() if stat.S_ISREG(kind) else b""
            target = os.readlink(path) if stat.S_ISLNK(kind) else ""  # noqa: PTH115 - as text
            digest.update(repr((str(path), kind, content, target)).encode("utf-8", "surrogateescape"))
        return digest.hexdigest()


def _write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(CANARY)


CLOSED = (
    "headway.toml",
    "sub/headway.toml",
    "new/folder/headway.toml",
    "sub/nested/headway.toml",
    "policies/base.toml",
    "policies/new.toml",
    "policies/notes.txt",
    "policies/below/new.toml",
    "src/policies/p.toml",
    "src/policies",
    ".git/config",
    ".git/config.worktree",
    ".git/hooks/pre-commit",
    ".git/hooks/post-checkout",
    ".git/info/attributes",
    ".git/commondir",
    "sub/.git",
    "src/.git",
    "src/.git/hooks/pre-push",
    ".modules/sub/config",
    ".modules/sub/config.worktree",
    ".modules/sub/hooks/post-commit",
    ".modules/sub/gitdir",
    "bare/config",
    "bare/hooks/update",
    "halfway/objects/x",
    "tools.py",
    "plugins/more.py",
    "plugins",
    "linked.py",
    "impl/v1/real.py",
    "impl/current/real.py",
    "wörk.py",
    "Straße.py",
    "lib/pkg/mod.py",
    "lib/pkg/new.py",
    "lib/new/deep.py",
    "plans/hello.json",
    "later/deep/plan.json",
    "later",
    "later/deep",
    "replan.py",
    "memory.json",
    "traj/run.json",
    "traj",
)
"""What no tool may write, whether it exists or not."""

BY_CONTENT = ("sub/nested/headway.toml", "sub/.git", "src/.git", "bare/", "halfway/", ".modules/")
"""The beginnings of targets that are told by their name or their folder's content, not by their identity.

Another name of such a file is replaced as a name: the file itself stays as it is.
"""

HIDDEN = (".home/token", ".home/headway.db", ".home/new", ".home/workspace-not/x")
"""What no tool may even read."""

OUTSIDE = ("../home/token", "../home/new", "../x.txt", "/etc/passwd")
"""What lies outside the workspace."""

TARGETS = (*CLOSED, *HIDDEN, *OUTSIDE)

Form = Callable[[Project, str], str | None]
"""Makes what it needs in the project and returns the path that a plan would give; None: there is no such form."""


def plain(project: Project, path: str) -> str:
    """The path as it is."""
    return path


def dotted(project: Project, path: str) -> str:
    """Dots and slashes that mean nothing."""
    return "./" + path.replace("/", "/.//") if not path.startswith("/") else path.replace("/", "//")


def up_and_down(project: Project, path: str) -> str | None:
    """Into another folder and back."""
    return None if path.startswith("/") else f"src/../{path}"


def up_from_above(project: Project, path: str) -> str | None:
    """Out of the workspace and into it again."""
    return None if path.startswith("/") else f"../{project.root.name}/{path}"


def absolute(project: Project, path: str) -> str:
    """From the top."""
    return str(project.root / path)


def upper(project: Project, path: str) -> str | None:
    """In capitals, which are the same name on many systems."""
    return None if path.startswith(("/", "..")) else path.upper()


def swapped(project: Project, path: str) -> str | None:
    """The last name's case exchanged."""
    folder, slash, name = path.rpartition("/")
    return None if path.startswith(("/", "..")) else f"{folder}{slash}{name.swapcase()}"


def decomposed(project: Project, path: str) -> str | None:
    """Accents written as characters of their own."""
    other = unicodedata.normalize("NFD", path)
    return other if other != path else None


def invisible(project: Project, path: str) -> str | None:
    """A character in it that some systems leave out when they compare."""
    folder, slash, name = path.rpartition("/")
    return None if path.startswith(("/", "..")) else f"{folder}{slash}{name[:1]}\u200c{name[1:]}"


def trailing(project: Project, path: str) -> str | None:
    """A dot at the end, which some systems drop."""
    return None if path.startswith(("/", "..")) else f"{path}."


def through_link(project: Project, path: str) -> str:
    """A link to it, there already."""
    return project.fresh("link", project.root / path)


def through_relative_link(project: Project, path: str) -> str:
    """A link below that leads up to it."""
    return project.fresh("src/link", path if path.startswith("/") else f"../{path}")


def through_chain(project: Project, path: str) -> str:
    """A link to a link."""
    return f"src/../{project.fresh('two', project.fresh('one', project.root / path))}"


def through_folder_link(project: Project, path: str) -> str | None:
    """A link to its folder."""
    folder, slash, name = path.rpartition("/")
    if not slash or not (project.root / folder).is_dir():
        return None
    return f"{project.fresh('door', project.root / folder)}/{name}"


def through_root_link(project: Project, path: str) -> str | None:
    """A link to the workspace itself."""
    link = project.fresh("self", ".")
    return None if path.startswith("/") else f"{link}/{link}/{path}"


def hard_link(project: Project, path: str) -> str | None:
    """A second name of the same file."""
    if not (project.root / path).is_file() or (project.root / path).is_symlink() or path.startswith(("/", "..")):
        return None
    name = project.unused("src/second")
    os.link(project.root / path, project.root / name)
    return name


FORMS: tuple[Form, ...] = (
    plain,
    dotted,
    up_and_down,
    up_from_above,
    absolute,
    upper,
    swapped,
    decomposed,
    invisible,
    trailing,
    through_link,
    through_relative_link,
    through_chain,
    through_folder_link,
    through_root_link,
    hard_link,
)
