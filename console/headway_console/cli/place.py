"""The place that a command line is about: a project, its configuration and its home, and what is said of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headway_console.cli.output import note

if TYPE_CHECKING:
    from headway.config import Config
    from headway.home import Home
    from headway.project import Project


class Place:
    """The project, the configuration and the home of one command line.

    The home is ``--home``, else ``HEADWAY_HOME``, else the project's own; the project is that of the working folder,
    or of the configuration that was named or found. What is not obvious is said on stderr, once.
    """

    def __init__(self) -> None:
        self.home_path: Path | None = None
        self.home_said = False
        """True if ``--home`` named the home, rather than the environment."""
        self.config_path: Path | None = None
        self._folder: Path | None = None
        self._told = False

    def config(self, overrides: Mapping[str, Any] | None = None, also: Path | None = None) -> Config:
        """Return the configuration; ``also`` is where to look when there is none from here upwards."""
        from headway.config import load_config

        config = load_config(overrides=overrides, file=self.config_path, also=also)
        self._folder = config.folder
        return config

    def project(self) -> Project:
        """Return the project: of the configuration that was read or named, else of the working folder."""
        from headway.project import find_project, project_at

        if self._folder is not None:
            return project_at(self._folder)
        if self.config_path is not None:
            return project_at(self.config_path.absolute().parent)
        return find_project()

    def home(self) -> Home:
        """Return the home, for a command that does the project's work.

        Raises :class:`headway.errors.Conflict` for a home of another project.
        """
        from headway.project import check

        home = self._home()
        check(home, self.project())
        return home

    def home_to_steer(self) -> Home:
        """Return the home, for a command on what runs there.

        ``--home`` names what is meant. A ``HEADWAY_HOME`` may have been left over: :class:`headway.errors.Conflict` if
        it is another project's and this folder has a project of its own.
        """
        from headway.config import find_file
        from headway.project import check

        home = self._home()
        if not self.home_said and (self.config_path is not None or find_file(Path.cwd()) is not None):
            check(home, self.project())
        self._tell_foreign(home, self.project())
        return home

    def home_to_read(self) -> Home:
        """Return the home, for a command that only reads; it may be of any project."""
        home = self._home()
        self._tell_foreign(home, self.project())
        return home

    def home_to_look(self) -> Home:
        """Return the home without a word, for completion."""
        from headway.home import Home, named_home
        from headway.project import home_of

        if self.home_path is not None:
            return Home(self.home_path.absolute())
        return named_home() or home_of(self.project())

    def _home(self) -> Home:
        from headway.home import Home
        from headway.project import home_of

        project = self.project()
        own = home_of(project)
        home = own if self.home_path is None else Home(self.home_path.absolute())
        if not self._told:
            self._told = True
            self._tell(home, own, project)
        return home

    def _tell(self, home: Home, own: Home, project: Project) -> None:
        if home != own:
            if own.db.exists():
                name = "--home" if self.home_said else "HEADWAY_HOME"
                note(f"home {home}, by {name}; the own home of project {project} is {own}")
            return
        if project.root != os.path.realpath(Path.cwd()):
            note(f"project {project}, home {home}")
        if not own.db.exists():
            _tell_shared()

    def _tell_foreign(self, home: Home, project: Project) -> None:
        from headway.project import recorded

        found = recorded(home)
        if found is not None and found.root != project.root:
            note(f"the home {home} is that of project {found}")


def _tell_shared() -> None:
    """Name the home that all projects shared, to who has none of their own yet."""
    from headway.project import shared_home

    old = shared_home()
    if old.db.is_file():
        note(f"each project has a home of its own now; what all shared is still there: headway --home {old} jobs ls")
