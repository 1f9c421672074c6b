"""What is closed and hidden at one moment, and whether a place is among it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from headway.errors import ControlFile, HeadwayError, one_line
from headway.trust.names import ANYWHERE, GIT, fold, folded
from headway.trust.trail import look, passed

Identity = tuple[int, int]
Parts = tuple[str, ...]
Change = Literal["make", "write", "move"]
"""What is done to a place: "make" a folder there, "write" a file, "move" (rename, link, exchange or remove) it."""

SPARED = "workspace"
"""The one folder in a home that is no part of it: the demo works there."""

_OWN_FILE = "it is another name of one of Headway's own files, or of a secret"

MAX_BELOW = 20_000
"""Folders and files below closed folders whose identity is looked at."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place that a tool wants to change: ``parts`` below the folder ``root`` (its parts from ``/`` on).

    ``folders`` are the identities of the root and of each open folder below it, ``found`` what is at the place now.
    """

    root: Parts
    parts: Parts
    folders: Sequence[Identity]
    found: os.stat_result | None = None


class Closed:
    """What is closed and hidden at one moment, ready to be compared.

    The links and identities of what is hidden are looked at when this is made, those of the rest when a change is
    asked for: most operations only read.
    """

    def __init__(self, files: Iterable[Path], folders: Iterable[Path], homes: Iterable[Path]) -> None:
        self._to_close = (dict.fromkeys(files), dict.fromkeys(folders))
        self._homes = list(dict.fromkeys(homes))
        self._seen: dict[str, os.stat_result | None] = {}
        self._files: set[Parts] = set()
        self._trees: dict[Parts, Path] = {}
        self._above: set[Parts] = set()
        self._hidden: set[Parts] = set()
        self._file_ids: set[Identity] = set()
        self._tree_ids: set[Identity] = set()
        self._hidden_ids: set[Identity] = set()
        self._above_ids: set[Identity] = set()
        self._entries: set[tuple[Identity, Parts]] = set()
        self._entries_above: set[tuple[Identity, Parts]] = set()
        self._tree_entries: set[tuple[Identity, Parts]] = set()
        self._in_homes: set[Identity] | None = None
        self._in_trees: set[Identity] | None = None
        self._complete = False
        for path in self._homes:
            end, identity = self._pass(path)
            self._hidden.add(_parts(end))
            self._hidden_ids.update([identity] if identity is not None else [])

    def _look(self, place: str) -> os.stat_result | None:
        if place not in self._seen:
            self._seen[place] = look(place)
        return self._seen[place]

    def _close(self) -> None:
        """Look at what is closed for changes."""
        files, folders = self._to_close
        for path in files:
            if os.path.isdir(path):  # noqa: PTH112 - quiet where nothing may be looked at; a folder under the name of a file holds what it is read from
                self._close_folder(path)
                continue
            end, identity = self._pass(path)
            self._files.add(_parts(end))
            self._entries.update(self._ways_to(end))
            self._file_ids.update([identity] if identity is not None else [])
        for path in folders:
            self._close_folder(path)
        self._complete = True

    def _close_folder(self, path: Path) -> None:
        end, identity = self._pass(path)
        self._trees[_parts(end)] = path
        self._tree_entries.update(self._ways_to(end))
        if identity is not None:
            self._tree_ids.add(identity)
            self._tree_ids.update(found for found, is_folder in _below(path) if is_folder)

    def _pass(self, path: Path) -> tuple[str, Identity | None]:
        """Note what is on the way to ``path``; return its real path and its identity."""
        end, last = "/", None
        ways: list[tuple[str, Identity | None]] = []
        try:
            for end, status in passed(path, self._look):
                last = None if status is None else (status.st_dev, status.st_ino)
                parts = _parts(end)
                if status is not None and stat.S_ISLNK(status.st_mode):
                    self._files.add(parts)
                    self._entries.update(self._ways_to(end))
                self._above.add(parts)
                ways.append((end, last))
        except (OSError, HeadwayError):  # not to be looked at: its path as it is written stays closed
            end, last = os.path.abspath(path), None  # noqa: PTH100 - keeps links
            self._above.update(_parts(str(above)) for above in Path(end).parents)
        self._above_ids.update(found for place, found in ways if found is not None and place != end)
        return end, last

    def _ways_to(self, path: str) -> list[tuple[Identity, Parts]]:
        """Return ``path`` as each folder above it that exists sees it: the folder's identity, the rest of the path.

        ``path`` goes through no links.
        """
        found: list[tuple[Identity, Parts]] = []
        parts, above = _parts(path), path
        for length in range(len(parts) - 1, 0, -1):
            above = above.rpartition("/")[0]
            status = self._look(above or "/")
            if status is not None:
                folder = (status.st_dev, status.st_ino)
                found.append((folder, parts[length:]))
                self._entries_above.update((folder, parts[length:end]) for end in range(length + 1, len(parts)))
        return found

    # -- questions -----------------------------------------------------------------------------------------------

    def refusal(self, place: Place, change: Change) -> str | None:
        """Return why ``change`` may not be made at ``place``; None if it is no control file."""
        names = folded(place.parts)
        path = (*folded(place.root), *names)
        hidden = self._hides(path, place.folders)
        if hidden:
            return hidden
        named = next((name for name in names if name in ANYWHERE), GIT if GIT in path else None)
        if named is not None:
            return f"'{named}' and what it holds are control files"
        if not self._complete:
            self._close()
        if any(path[:length] in self._trees for length in range(1, len(path) + 1)):
            return "it is in a folder that [tools] path or another setting closes"
        if not self._tree_ids.isdisjoint(place.folders):
            return "it is in a folder that [tools] path or another setting closes"
        if path in self._files:
            return "headway.toml names it"
        if change != "make" and path in self._above:
            return "a control file lies beneath it"
        return self._refused_entry(place, names, change)

    def _refused_entry(self, place: Place, names: Parts, change: Change) -> str | None:
        """Return why the name in its folder, or what it leads to, is closed, whatever path led there."""
        for folder in place.folders[-1:]:
            rest = names[len(place.folders) - 1 :]
            if (folder, rest) in self._entries:
                return "headway.toml names it"
            if any((folder, rest[:length]) in self._tree_entries for length in range(1, len(rest) + 1)):
                return "it is in a folder that [tools] path or another setting closes"
            if change != "make" and (folder, rest) in self._entries_above:
                return "a control file lies beneath it"
        if place.found is None:
            return None
        identity = (place.found.st_dev, place.found.st_ino)
        if identity in self._file_ids or identity in self._tree_ids:
            return "it is another name of a control file"
        if place.found.st_nlink > 1 and identity in self._inside_trees():
            return "it is another name of a control file"
        if change == "move" and identity in self._above_ids:
            return "a control file lies beneath it"
        return None if identity not in self._hidden_ids else _OWN_FILE

    def hides(self, root: Parts, parts: Parts, folders: Sequence[Identity]) -> str | None:
        """Return why a tool may not even look at ``parts`` below ``root``; None if it may."""
        return self._hides((*folded(root), *folded(parts)), folders)

    def hides_file(self, status: os.stat_result) -> str | None:
        """Return why a file may not be touched: it is one of a home's, under another name; None if it may."""
        identity = (status.st_dev, status.st_ino)
        return _OWN_FILE if identity in self._hidden_ids or identity in self._inside_homes() else None

    def _hides(self, path: Parts, folders: Sequence[Identity]) -> str | None:
        home = max((n for n in range(1, len(path) + 1) if path[:n] in self._hidden), default=0)
        # The demo works in a folder of its home that is no part of it.
        spared = len(path) > home and path[home] == SPARED
        if (home and not spared) or not self._hidden_ids.isdisjoint(folders):
            return "it is one of Headway's own folders, or a secret"
        return None

    def _inside_homes(self) -> set[Identity]:
        if self._in_homes is None:
            self._in_homes = set()
            for home in self._homes:
                try:
                    device = home.stat().st_dev
                    with os.scandir(home) as entries:
                        self._in_homes.update((device, entry.inode()) for entry in entries if entry.name != SPARED)
                except OSError:
                    continue
        return self._in_homes

    def _inside_trees(self) -> set[Identity]:
        if self._in_trees is None:
            self._in_trees = {found for tree in self._trees.values() for found, folder in _below(tree) if not folder}
        return self._in_trees


def _parts(path: str) -> Parts:
    return ("/", *(fold(part) for part in path.split("/") if part))


def refuse(path: str, reason: str | None) -> None:
    """Raise :class:`ControlFile` for ``path`` if there is a ``reason``."""
    if reason is not None:
        raise ControlFile(f"'{one_line(path, 300)}' may not be touched by a plan: {reason}")


def _below(folder: Path) -> Iterator[tuple[Identity, bool]]:
    """Yield what is below a folder, the first :data:`MAX_BELOW` of it: the identity, and whether it is a folder."""
    left = MAX_BELOW
    todo = [folder]
    while todo:
        try:
            here = todo.pop()
            device = here.stat().st_dev  # that of what lies in it, save for what is mounted there
            with os.scandir(here) as entries:
                for entry in entries:
                    left -= 1
                    if left < 0:
                        return
                    if entry.is_dir(follow_symlinks=False):
                        status = entry.stat(follow_symlinks=False)
                        yield (status.st_dev, status.st_ino), True
                        todo.append(Path(entry.path))
                    else:
                        yield (device, entry.inode()), False
        except OSError:
            continue
