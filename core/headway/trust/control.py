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
from collections.abc import Iterable
from pathlib import Path

from headway.home import data_folder, named_home, runtime_folder
from headway.trust.closed import SPARED as SPARED
from headway.trust.closed import Change, Closed, Identity, Place
from headway.trust.projects import trust_folder
from headway.trust.trail import trail

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
    return Closed(
        [path for control in controls for path in control.files],
        [path for control in controls for path in control.folders],
        [*own_folders(), *(path for control in controls for path in control.homes)],
    )
