"""A home: the folder that holds one store, its lock and what a client needs to find the daemon."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import platformdirs

from headway.errors import StoreError, StoreUnreadable, one_line

MAX_SOCKET_PATH = 100
"""The longest socket path used, in bytes: systems stop at 104 to 108."""


class Home:
    """The paths of one home. Making one touches no file.

    ``path`` is made absolute, ``~`` is expanded. Everything in a home belongs to one user: it is made with mode 0700.
    """

    __slots__ = ("path",)

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(os.path.abspath(Path(path).expanduser()))  # noqa: PTH100 - links stay as they were given

    @property
    def db(self) -> Path:
        """The store: an SQLite file."""
        return self.path / "headway.db"

    @property
    def lock_file(self) -> Path:
        """The file whose lock makes its holder the only writer."""
        return self.path / "headway.lock"

    @property
    def alive_file(self) -> Path:
        """The file whose record lock says that the writer lives: :func:`headway.owner.owner_of` asks it."""
        return self.path / "headway.alive"

    @property
    def project_file(self) -> Path:
        """JSON by the first writer: the project that this home belongs to (:mod:`headway.project`)."""
        return self.path / "project.json"

    @property
    def tools_file(self) -> Path:
        """JSON by the writer: the schemas of the project's own tools (:mod:`headway.tools.recorded`)."""
        return self.path / "tools.json"

    @property
    def daemon_file(self) -> Path:
        """JSON by the daemon: pid, socket, url, version, started_ms."""
        return self.path / "daemon.json"

    @property
    def token_file(self) -> Path:
        """The bearer token that the A2A endpoint asks for; mode 0600."""
        return self.path / "a2a.token"

    @property
    def token_header_file(self) -> Path:
        """The same as a header, for ``curl -H @FILE``; mode 0600."""
        return self.path / "a2a.header"

    @property
    def socket(self) -> Path:
        """The operator socket: in the home, or in :func:`runtime_folder` when that path would be over 100 bytes."""
        path = self.path / "headway.sock"
        if len(os.fsencode(path)) <= MAX_SOCKET_PATH:
            return path
        name = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:16]
        return runtime_folder() / f"{name}.sock"

    def prepare(self) -> None:
        """Make the home (and the folder of its socket), private to this user.

        Raises :class:`StoreError` if that is not possible, or if somebody else owns the socket's folder.
        """
        _make_folder(self.path)
        folder = self.socket.parent
        if folder != self.path:
            _make_folder(folder)
            check_private(folder)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Home) and other.path == self.path

    def __hash__(self) -> int:
        return hash(self.path)

    def __fspath__(self) -> str:
        return str(self.path)

    def __str__(self) -> str:
        return str(self.path)

    def __repr__(self) -> str:
        return f"Home({str(self.path)!r})"


def data_folder() -> Path:
    """Return the user's data folder for Headway, which holds the homes of projects."""
    return Path(platformdirs.user_data_path("headway", appauthor=False))


def named_home() -> Home | None:
    """Return the home that ``HEADWAY_HOME`` names; None if it names none."""
    named = os.environ.get("HEADWAY_HOME")
    return Home(named) if named else None


def runtime_folder() -> Path:
    """Return the short folder for sockets: in ``XDG_RUNTIME_DIR``, else in the folder for temporary files."""
    given = os.environ.get("XDG_RUNTIME_DIR")
    if given and len(os.fsencode(given)) <= MAX_SOCKET_PATH - len("/headway/0123456789abcdef.sock"):
        return Path(given) / "headway"
    import tempfile

    return Path(tempfile.gettempdir()) / f"headway-{os.getuid()}"


def check_private(folder: Path) -> None:
    """Raise :class:`StoreError` unless ``folder`` is a real folder of this user that nobody else may enter."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise StoreError(f"{folder} is not private to this user: remove it, or give it to this user with mode 0700")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError:
        raise StoreUnreadable(f"{folder} is a file, not a folder") from None
    except NotADirectoryError:
        raise StoreUnreadable(f"{folder} lies below a file, not a folder") from None
    except OSError as error:
        raise StoreUnreadable(f"cannot make the folder {folder}: {one_line(error.strerror or str(error))}") from None
