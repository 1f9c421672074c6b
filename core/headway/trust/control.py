"""Control files: what governs plans, and therefore is out of reach of the tools that plans call.

Closed for writing are ``headway.toml``, ``policies`` and ``.git`` at any depth, what a ``headway.toml`` names, and all
of ``[tools] path``; hidden, which closes them for reading too, are Headway's own folders: the home with its store and
tokens, the folder of sockets, the list of trusted projects. Whether any of them exists makes no difference.

A place is known by its path, by its name in its folder, and by the identity (device and inode) of itself and of all
folders around it, so that another case, a link, a hard link or a folder mounted twice is no way in.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from headway.errors import ControlFile, HeadwayError, one_line
from headway.home import data_folder, named_home, runtime_folder
from headway.trust.names import ANYWHERE, GIT, fold, folded
from headway.trust.projects import trust_folder
from headway.trust.trail import trail

Identity = tuple[int, int]
Parts = tuple[str, ...]
Change = Literal["make", "write", "move"]
"""What is done to a place: "make" a folder there, "write" a file, "move" (rename, link, exchange or remove) it."""

SPARED = "workspace"
"""The one folder in a home that is no part of it: the demo works there."""

MAX_FOLDERS = 5_000
"""Folders below a closed one whose identity is looked at."""

_LIVE: weakref.WeakSet[ControlFiles] = weakref.WeakSet()
_LIVE_LOCK = threading.Lock()


class ControlFiles:
    """The control files of this process's project.

    ``files`` and ``folders`` are closed for writing, the latter with all that they hold, besides what is closed
    everywhere. ``homes`` are hidden, beside Headway's own folders of this user. Links are resolved, and identities
    taken, when a tool asks, not when this is made: :meth:`now`.
    """

    def __init__(self, files: Iterable[Path] = (), folders: Iterable[Path] = (), homes: Iterable[Path] = ()) -> None:
        self.files = tuple(files)
        self.folders = tuple(folders)
        self.homes = tuple(homes)
        with _LIVE_LOCK:
            _LIVE.add(self)

    def now(self) -> Closed:
        """Return what is closed at this moment."""
        return _closed([self])

    def close(self) -> None:
        """No longer bind workspaces that were given no control files."""
        with _LIVE_LOCK:
            _LIVE.discard(self)

    def refusal(self, path: Path, change: Change = "move", *, below: Path = Path("/")) -> str | None:
        """Return why nobody may do ``change`` at ``path`` for a plan, as a line; None if it is no control file.

        For what does not go through a workspace. Links on the way are followed, the last part is not: a link there is
        itself what would be changed. Names that are closed everywhere are those below the folder ``below``. The answer
        holds for this moment.
        """
        closed = self.now()
        parent = Path(os.path.abspath(path)).parent  # noqa: PTH100 - keeps links
        folders: list[Identity] = []
        real = parent
        for step in trail(parent):
            real = step.path
        for folder in (*reversed(real.parents), real):
            try:
                status = folder.stat()
            except OSError:
                break
            folders.append((status.st_dev, status.st_ino))
        place = real / Path(path).name
        try:
            found = place.lstat()
        except OSError:
            found = None
        start = len(below.parts) if place.is_relative_to(below) else 1
        return closed.refusal(Place(place.parts[:start], place.parts[start:], folders[start - 1 :], found), change)


def closed_now(control: ControlFiles | None) -> Closed:
    """Return what is closed at this moment by ``control``; None: by all that this process has open.

    A tool file that makes a workspace of its own gives none, and is bound by those of the engine that runs it.
    """
    if control is not None:
        return control.now()
    with _LIVE_LOCK:
        live = list(_LIVE)
    return _closed(live)


def own_folders() -> tuple[Path, ...]:
    """Return Headway's own folders of this user, which are hidden whatever the configuration says."""
    named = named_home()
    return (data_folder(), *([named.path] if named is not None else []), runtime_folder(), trust_folder())


def _closed(controls: Iterable[ControlFiles]) -> Closed:
    controls = list(controls)
    closed = Closed()
    for path in dict.fromkeys(path for control in controls for path in control.files):
        closed.close_file(path)
    for path in dict.fromkeys(path for control in controls for path in control.folders):
        closed.close_folder(path)
    for path in dict.fromkeys((*own_folders(), *(path for control in controls for path in control.homes))):
        closed.hide(path)
    return closed


@dataclass(frozen=True, slots=True)
class Place:
    """A place that a tool wants to change: ``parts`` below the folder ``root`` (its parts from ``/`` on).

    ``folders`` are the identities of the root and of each open folder below it, ``found`` what is at the place now.
    """

    root: Parts
    parts: Parts
    folders: Sequence[Identity]
    found: os.stat_result | None = None


@dataclass(slots=True)
class Closed:
    """What is closed and hidden at one moment, ready to be compared."""

    files: set[Parts] = field(default_factory=set)
    trees: set[Parts] = field(default_factory=set)
    above: set[Parts] = field(default_factory=set)
    hidden: set[Parts] = field(default_factory=set)
    spared: set[Parts] = field(default_factory=set)
    file_ids: set[Identity] = field(default_factory=set)
    tree_ids: set[Identity] = field(default_factory=set)
    hidden_ids: set[Identity] = field(default_factory=set)
    entries: set[tuple[Identity, str]] = field(default_factory=set)
    above_ids: set[Identity] = field(default_factory=set)
    _homes: list[Path] = field(default_factory=list)
    _inside: set[Identity] | None = None

    def close_file(self, path: Path) -> None:
        """Close a file, the links that lead to it, and each folder on the way against being moved."""
        if path.is_dir():  # a folder that is there under the name of a file holds what it is read from
            self.close_folder(path)
            return
        real, identity = self._pass(path)
        self.files.add(real)
        if identity is not None:
            self.file_ids.add(identity)

    def close_folder(self, path: Path) -> None:
        """Close a folder with all that it holds."""
        real, identity = self._pass(path)
        self.trees.add(real)
        if identity is not None:
            self.tree_ids.add(identity)
            self.tree_ids.update(_folders_below(path))

    def hide(self, path: Path) -> None:
        """Hide a folder with all that it holds."""
        real, identity = self._pass(path)
        self.hidden.add(real)
        self.spared.add((*real, SPARED))
        self._homes.append(path)
        if identity is not None:
            self.hidden_ids.add(identity)

    def _pass(self, path: Path) -> tuple[Parts, Identity | None]:
        """Note what is on the way to ``path``; return its real path, folded, and its identity."""
        identities: dict[Path, Identity] = {}
        end = Path("/")
        last = None
        try:
            for step in trail(path):
                end, last = step.path, step.identity
                if step.is_link:
                    self.files.add(folded(step.path.parts))
                if step.identity is not None:
                    identities[step.path] = step.identity
                parent = identities.get(step.path.parent)
                if parent is not None:
                    self.entries.add((parent, fold(step.path.name)))
                self.above.add(folded(step.path.parts))
        except (OSError, HeadwayError):  # not to be looked at: its path as it is written stays closed
            end, last = Path(os.path.abspath(path)), None  # noqa: PTH100 - keeps links
            self.above.update(folded(parent.parts) for parent in end.parents)
        self.above_ids.update(found for place, found in identities.items() if place != end)
        return folded(end.parts), last

    # -- questions -----------------------------------------------------------------------------------------------

    def refusal(self, place: Place, change: Change) -> str | None:
        """Return why ``change`` may not be made at ``place``; None if it is no control file."""
        names = folded(place.parts)
        path = (*folded(place.root), *names)
        hidden = self._hides(path, place.folders)
        if hidden:
            return hidden
        named = next((name for name in names if name in ANYWHERE), None)
        if named is None and GIT in path:
            named = GIT
        if named is not None:
            return f"'{named}' and what it holds are control files"
        if any(path[:length] in self.trees for length in range(1, len(path) + 1)):
            return "it is in a folder that [tools] path or another setting closes"
        if not self.tree_ids.isdisjoint(place.folders):
            return "it is in a folder that [tools] path or another setting closes"
        if path in self.files:
            return "headway.toml names it"
        if change != "make" and path in self.above:
            return "a control file lies beneath it"
        return self._refused_entry(place, names, change)

    def _refused_entry(self, place: Place, names: Parts, change: Change) -> str | None:
        """Return why the name in its folder, or what it leads to, is closed, whatever path led there."""
        parents = place.folders[-1:] if len(place.folders) == len(names) else ()
        if change != "make" and any((parent, names[-1]) in self.entries for parent in parents):
            return "it is a control file, or one lies beneath it"
        if place.found is not None:
            identity = (place.found.st_dev, place.found.st_ino)
            if identity in self.file_ids or identity in self.tree_ids:
                return "it is another name of a control file"
            if identity in self.hidden_ids or identity in self._inside_homes():
                return "it is another name of one of Headway's own files"
            if change == "move" and identity in self.above_ids:
                return "a control file lies beneath it"
        return None

    def hides(self, root: Parts, parts: Parts, folders: Sequence[Identity]) -> str | None:
        """Return why a tool may not even look at ``parts`` below ``root``; None if it may."""
        return self._hides((*folded(root), *folded(parts)), folders)

    def hides_file(self, status: os.stat_result) -> str | None:
        """Return why an opened file may not be read: it is one of a home's, under another name; None if it may."""
        if (status.st_dev, status.st_ino) in self._inside_homes():
            return "it is another name of one of Headway's own files"
        return None

    def _hides(self, path: Parts, folders: Sequence[Identity]) -> str | None:
        within = [length for length in range(1, len(path) + 1) if path[:length] in self.hidden]
        spared = [length for length in range(1, len(path) + 1) if path[:length] in self.spared]
        if (within and max(within) > max(spared, default=0)) or not self.hidden_ids.isdisjoint(folders):
            return "it is one of Headway's own folders"
        return None

    def _inside_homes(self) -> set[Identity]:
        if self._inside is None:
            self._inside = set()
            for home in self._homes:
                try:
                    device = home.stat().st_dev
                    with os.scandir(home) as entries:
                        self._inside.update((device, entry.inode()) for entry in entries if entry.name != SPARED)
                except OSError:
                    continue
        return self._inside


def refuse(path: str, reason: str | None) -> None:
    """Raise :class:`ControlFile` for ``path`` if there is a ``reason``."""
    if reason is not None:
        raise ControlFile(f"'{one_line(path, 300)}' may not be touched by a plan: {reason}")


def _folders_below(folder: Path) -> set[Identity]:
    """Return the identities of the folders below one, the first :data:`MAX_FOLDERS` of them."""
    found: set[Identity] = set()
    todo = [folder]
    while todo and len(found) < MAX_FOLDERS:
        try:
            with os.scandir(todo.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        status = entry.stat(follow_symlinks=False)
                        found.add((status.st_dev, status.st_ino))
                        todo.append(Path(entry.path))
        except OSError:
            continue
    return found
