"""A project: the folder of a ``headway.toml``, or without one the working folder; each has a home of its own.

::

    project = find_project()               # walks up from the working folder
    home = home_of(project)                # below the user's data folder
    claim(home, project)                   # Conflict if the home is another project's

What a home records of its project, on its first use, is what keeps one project's daemon from running another's plan.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from headway.config.find import find_file
from headway.errors import Conflict, StoreError, StoreUnreadable, one_line
from headway.home import Home, data_folder, named_home
from headway.owner import owner_of

PROJECTS = "projects"
"""The folder, below the user's data folder, that holds the homes of projects."""

_NAME = 40
_MAX_RECORD = 64 * 1024


class Project(NamedTuple):
    """One project: the real path of its folder, and the name that people see."""

    root: str
    name: str

    def __str__(self) -> str:
        return one_line(f"{self.name} ({self.root})", 400)


class KnownHome(NamedTuple):
    """A home on this machine. ``project`` is None if it records none; ``owner`` is the pid of its writer, if one lives.

    ``used_ms`` is when it was last written to, ``bytes`` what its files hold. ``shared`` marks the home that all
    projects had before each had its own.
    """

    home: str
    project: Project | None
    bytes: int
    owner: int | None
    used_ms: int
    shared: bool = False

    @property
    def missing(self) -> bool:
        """True if the project's folder is gone."""
        return self.project is not None and not Path(self.project.root).is_dir()


def project_at(folder: Path | str) -> Project:
    """Return the project whose folder is ``folder``."""
    root = os.path.realpath(folder)
    return Project(root, Path(root).name or root)


def find_project(start: Path | None = None) -> Project:
    """Return the project that ``start`` (default: the working folder) lies in."""
    here = (start or Path.cwd()).absolute()
    file = find_file(here)
    return project_at(file.parent if file is not None else here)


def home_of(project: Project) -> Home:
    """Return the home that is the project's own: named for people, told apart by a hash of the folder's real path."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", project.name).strip("-.")[:_NAME] or "project"
    mark = hashlib.sha256(os.fsencode(project.root)).hexdigest()[:12]
    return Home(data_folder() / PROJECTS / f"{name}-{mark}")


def shared_home() -> Home:
    """Return the home that all projects shared before each had its own. It need not be there."""
    return Home(data_folder())


def default_home(start: Path | None = None) -> Home:
    """Return the home that ``HEADWAY_HOME`` names, else that of the project that ``start`` lies in."""
    named = named_home()
    return named if named is not None else home_of(find_project(start))


def recorded(home: Home) -> Project | None:
    """Return the project that a home records; None if it records none. :class:`StoreUnreadable` for a broken record."""
    try:
        with home.project_file.open("rb") as file:
            content = file.read(_MAX_RECORD)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreUnreadable(f"cannot read {home.project_file}: {one_line(error.strerror or str(error))}") from None
    try:
        found = json.loads(content)
        root, name = found["root"], found["name"]
    except (ValueError, KeyError, TypeError, RecursionError):
        root = name = None
    if not (isinstance(root, str) and isinstance(name, str)):
        raise StoreUnreadable(f"{home.project_file} is damaged: move it away, the next use records it anew")
    return Project(root, name)


def check(home: Home, project: Project) -> None:
    """Raise :class:`Conflict` if ``home`` is another project's."""
    found = recorded(home)
    if found is not None and found.root != project.root:
        raise Conflict(
            f"the home {home} belongs to project {found}, not to {project}: leave --home and HEADWAY_HOME out,"
            " or work in that project's folder"
        )


def claim(home: Home, project: Project) -> None:
    """Record that ``home`` is the project's, if it is nobody's yet; :class:`Conflict` if it is another's.

    The caller holds the home's lock.
    """
    check(home, project)
    if recorded(home) is not None:
        return
    import tempfile

    content = json.dumps(project._asdict(), indent=2).encode() + b"\n"
    temporary: Path | None = None
    try:
        fd, name = tempfile.mkstemp(prefix=".project-", suffix=".json", dir=home.path)  # with mode 0600
        temporary = Path(name)
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(home.project_file)
    except OSError as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink()
        reason = one_line(error.strerror or str(error))
        raise StoreError(f"cannot write {home.project_file}: {reason}") from None


def known_homes() -> Iterator[KnownHome]:
    """Yield the homes of this user that have a store, by name; the one that all shared comes last."""
    folder = data_folder() / PROJECTS
    with contextlib.suppress(OSError):
        for path in sorted(folder.iterdir()):
            if Home(path).db.is_file():
                yield look(Home(path))
    old = shared_home()
    if old.db.is_file():
        yield look(old, shared=True)


def look(home: Home, *, shared: bool = False) -> KnownHome:
    """Return what is to be seen of a home from outside; nothing of it is opened or locked."""
    try:
        project = recorded(home)
    except StoreUnreadable:
        project = None
    size, used = 0, 0.0
    with contextlib.suppress(OSError):
        for entry in os.scandir(home.path):
            if entry.is_file(follow_symlinks=False):
                found = entry.stat(follow_symlinks=False)
                size += found.st_size
                if entry.name.startswith(home.db.name):
                    used = max(used, found.st_mtime)
    return KnownHome(str(home), project, size, owner_of(home.alive_file), int(used * 1000), shared)
