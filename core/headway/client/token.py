"""The bearer token of a home: a secret in a file of its user, and the same as a header for ``curl -H @FILE``.

The daemon makes it and asks for it, ``headway send`` sends it, ``headway token`` replaces it. It is on no command
line, in no log and in no event.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
import tempfile
from pathlib import Path
from typing import NamedTuple

from headway.errors import InvalidInput, NotFound, StoreError, one_line
from headway.home import Home

RANDOM_BYTES = 32
"""The random bytes of a token: 256 bits, 43 characters."""

MAX_FILE = 8192
"""The largest file that is taken for one with a token, in bytes."""

SHORTEST, LONGEST = 16, 4096  # characters of a token that somebody else made

HEADER = "Authorization: Bearer "

_TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]+=*", re.ASCII)  # RFC 6750's b64token


class Stamp(NamedTuple):
    """The marks of a file by which a change of it, of its owner or of its mode shows."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int
    mode: int
    owner: int


def stamp_of(path: str | os.PathLike[str]) -> Stamp:
    """Return the marks of the file at ``path`` itself, not of what a link there leads to; raises :class:`OSError`."""
    found = os.lstat(path)
    return Stamp(
        found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_mode, found.st_uid
    )


def read_token(path: str | os.PathLike[str], *, ours: bool = False) -> str:
    """Return the token in a file: the token itself, or an ``Authorization: Bearer`` header with it.

    The file must be a regular one that nobody but its owner may read, and its owner this user, or root unless it must
    be ``ours``. Raises :class:`NotFound` if there is none, :class:`InvalidInput` for any other fault; neither tells
    what is in it.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise NotFound(f"there is no token file {path}") from None
    except OSError as error:
        raise InvalidInput(f"cannot read the token file {path}: {_reason(error)}") from None
    try:
        _require_private(Path(path), os.fstat(fd), ours)
        content = os.read(fd, MAX_FILE + 1)
    except OSError as error:
        raise InvalidInput(f"cannot read the token file {path}: {_reason(error)}") from None
    finally:
        os.close(fd)
    text = content.decode("ascii", "replace").strip()
    if text[: len(HEADER)].lower() == HEADER.lower():
        text = text[len(HEADER) :].strip()
    if not (SHORTEST <= len(text) <= LONGEST and _TOKEN.fullmatch(text)):
        raise InvalidInput(f"{path} does not hold a token: one of {SHORTEST} to {LONGEST} characters, and nothing else")
    return text


class TokenFile:
    """The token of one home. ``path`` holds it, ``header_path`` the header that sends it; both have mode 0600."""

    def __init__(self, home: Home) -> None:
        self.path = home.token_file
        self.header_path = home.token_header_file

    def read(self) -> str:
        """Return the token; :class:`NotFound` where none was made, :class:`InvalidInput` if others may read it."""
        return read_token(self.path, ours=True)

    def ensure(self) -> str:
        """Return the token, made now if the home has none, and see to it that the header's file says the same.

        Raises :class:`InvalidInput` as :meth:`read` does, :class:`StoreError` if the home does not take the files.
        """
        with contextlib.suppress(NotFound):
            return self._with_header(self.read())
        made = self._write(self.path, secrets.token_urlsafe(RANDOM_BYTES))
        try:
            os.link(made, self.path)  # unlike a rename, it never takes the place of one that was made meanwhile
        except FileExistsError:
            pass
        except OSError as error:
            raise StoreError(f"cannot write {self.path}: {_reason(error)}") from None
        finally:
            made.unlink(missing_ok=True)
        return self._with_header(self.read())

    def rotate(self) -> str:
        """Replace the token by a new one and return that; from now on the old one opens nothing.

        Whatever was at its place is replaced, a file that others could read too.
        """
        token = secrets.token_urlsafe(RANDOM_BYTES)
        self._replace(self.path, token)
        self._replace(self.header_path, HEADER + token)
        return token

    def _with_header(self, token: str) -> str:
        try:
            told = read_token(self.header_path, ours=True)
        except (NotFound, InvalidInput):
            told = ""
        if told != token:
            self._replace(self.header_path, HEADER + token)
        return token

    def _replace(self, path: Path, text: str) -> None:
        made = self._write(path, text)
        try:
            made.replace(path)
        except OSError as error:
            made.unlink(missing_ok=True)
            raise StoreError(f"cannot write {path}: {_reason(error)}") from None

    @staticmethod
    def _write(path: Path, text: str) -> Path:
        """Write a new file beside ``path``, whole and on disk, and return where it is."""
        made: Path | None = None
        try:
            fd, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)  # with mode 0600
            made = Path(name)
            with os.fdopen(fd, "w", encoding="ascii") as file:
                file.write(f"{text}\n")
                file.flush()
                os.fsync(fd)
        except OSError as error:
            if made is not None:
                made.unlink(missing_ok=True)
            raise StoreError(f"cannot write {path}: {_reason(error)}") from None
        return made


def _require_private(path: Path, found: os.stat_result, ours: bool) -> None:
    me = os.geteuid()
    if not stat.S_ISREG(found.st_mode):
        raise InvalidInput(f"the token file {path} is not a file")
    if found.st_uid != me and (ours or found.st_uid != 0):
        raise InvalidInput(f"the token file {path} belongs to another user (uid {found.st_uid}): use one of your own")
    mode = stat.S_IMODE(found.st_mode)
    if mode & 0o077:
        advice = "make a new token with: headway token --rotate" if ours else f"run: chmod 600 {path}"
        raise InvalidInput(f"others may read the token file {path} (mode {mode:04o}): {advice}")


def _reason(error: OSError) -> str:
    return one_line(error.strerror or str(error))
