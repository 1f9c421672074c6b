"""Sources of secrets: an environment variable, a file, the system's keyring. Each is read when it is needed."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from headway.errors import SecretUnavailable, UnsafeFile
from headway.secrets.secret import Secret
from headway.trust.ownership import check_path

MAX_BYTES = 64 * 1024
"""The largest secret, in bytes of UTF-8."""

KEYRING_S = 10.0
"""Seconds that a keyring may take to answer; one that is locked may ask its user meanwhile."""


class Source(Protocol):
    """The place that a secret comes from; ``immediate`` if it never keeps its reader waiting."""

    @property
    def immediate(self) -> bool:
        """True if reading takes no longer than reading a file."""

    def read(self) -> Secret:
        """Return the secret as it is now; raise :class:`SecretUnavailable` in one line that never holds it."""


class EnvironmentSource:
    """The environment variable ``variable``, of this process unless ``environ`` is given."""

    immediate = True

    def __init__(self, variable: str, environ: Mapping[str, str] | None = None) -> None:
        self.variable = variable
        self._environ = environ

    def __repr__(self) -> str:
        return f"environment variable {self.variable}"

    def read(self) -> Secret:
        """Return the variable's value."""
        value = (os.environ if self._environ is None else self._environ).get(self.variable)
        if not value:
            raise SecretUnavailable(f"environment variable {self.variable} is {'empty' if value == '' else 'not set'}")
        return _checked(value, f"environment variable {self.variable}")


class FileSource:
    """A file: its text, without the line break at its end. It belongs to this user or root, and to nobody else.

    Nobody else may have been able to put it there: links and folders on the way are checked, too. It is read each
    time, so that a new value counts from the next call on.
    """

    immediate = True

    def __init__(self, path: Path) -> None:
        self.path = path

    def __repr__(self) -> str:
        return f"file {self.path}"

    def read(self) -> Secret:
        """Return the file's text."""
        what = f"file {self.path}"
        try:
            check_path(self.path)  # from here on nobody else can exchange it
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except UnsafeFile as error:
            raise SecretUnavailable(f"{what} is not safe: {error.message}") from None
        except OSError as error:
            raise SecretUnavailable(f"{what} cannot be read: {error.strerror}") from None
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise SecretUnavailable(f"{what} is not a file")
            if found.st_mode & 0o077:
                raise SecretUnavailable(f"{what} is open to others (mode {found.st_mode & 0o777:o}): chmod 600 it")
            raw = _read(descriptor)
        except OSError as error:
            raise SecretUnavailable(f"{what} cannot be read: {error.strerror}") from None
        finally:
            os.close(descriptor)
        if len(raw) > MAX_BYTES:
            raise SecretUnavailable(f"{what} is larger than {MAX_BYTES:,} bytes")
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            raise SecretUnavailable(f"{what} is not UTF-8 text") from None
        return _checked(text.removesuffix("\n").removesuffix("\r"), what)


class KeyringSource:
    """An entry of the system's keyring: that of ``user`` for ``service``. Needs the extra ``headway[keyring]``.

    The keyring is asked once; what it answered holds for as long as the process lives.
    """

    immediate = False

    def __init__(self, service: str, user: str) -> None:
        self.service = service
        self.user = user
        self._known: Secret | None = None

    def __repr__(self) -> str:
        return f"keyring entry {self.service}:{self.user}"

    def read(self) -> Secret:
        """Return the entry's password."""
        if self._known is None:
            self._known = _checked(self._asked(), repr(self))
        return self._known

    def _asked(self) -> str:
        """Ask the keyring in a thread: one that waits for its user must not hold up all else."""
        answer: list[str | None] = []
        why: list[str] = []

        def ask() -> None:
            try:
                import keyring  # type: ignore[import-not-found,unused-ignore]  # an extra
            except ImportError:
                why.append("is not to be had: pip install 'headway[keyring]'")
                return
            try:
                answer.append(keyring.get_password(self.service, self.user))
            except Exception as error:  # noqa: BLE001 - a backend raises what it likes; its text may be anything
                why.append(f"cannot be read: {type(error).__name__}")

        thread = threading.Thread(target=ask, name="headway-keyring", daemon=True)
        thread.start()
        thread.join(KEYRING_S)
        if why:
            raise SecretUnavailable(f"{self!r} {why[0]}")
        if not answer:
            raise SecretUnavailable(f"{self!r} did not come within {KEYRING_S:g} s: is the keyring locked?")
        if answer[0] is None:
            raise SecretUnavailable(f"there is no {self!r}")
        return answer[0]


class MemorySource:
    """A secret that the program itself has."""

    immediate = True

    def __init__(self, secret: Secret) -> None:
        self._secret = secret

    def __repr__(self) -> str:
        return "a secret in memory"

    def read(self) -> Secret:
        """Return the secret."""
        return self._secret


def _read(descriptor: int) -> bytes:
    """Return what a file holds, a little more than :data:`MAX_BYTES` at most."""
    raw = b""
    while len(raw) <= MAX_BYTES and (piece := os.read(descriptor, MAX_BYTES + 1)):
        raw += piece
    return raw


def _checked(value: str, what: str) -> Secret:
    if not value.strip():
        raise SecretUnavailable(f"{what} is empty")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise SecretUnavailable(f"{what} is not UTF-8 text") from None
    if size > MAX_BYTES or "\0" in value:
        raise SecretUnavailable(f"{what} is larger than {MAX_BYTES:,} bytes or holds a NUL")
    return Secret(value)
