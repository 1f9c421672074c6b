"""Trusted projects: the folders whose code this user lets Headway load, in one file of the user's own."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import platformdirs

from headway.clock import SYSTEM_CLOCK, Clock
from headway.errors import InvalidConfig, NotFound, one_line
from headway.trust.ownership import check_path, read_owned

FILE_NAME = "trusted.json"
VERSION = 1
MAX_BYTES = 4 * 2**20


class TrustedProject(NamedTuple):
    """A project of the list: its real path, and when it was trusted (ms since 1970)."""

    path: Path
    added_ms: int


class TrustedProjects:
    """The list of a user, kept in the file ``path``: by default ``trusted.json`` in the user's configuration folder.

    Projects are known by the real path of their folder. Every change is made under a lock and takes its place in one
    step, so that two commands at the same time lose nothing. The file is refused when others could have written it.
    """

    def __init__(self, path: Path | None = None, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self.path = path if path is not None else trust_folder() / FILE_NAME
        self._clock = clock

    def holds(self, project: Path) -> bool:
        """Return whether the code of ``project`` may be loaded. Raises :class:`InvalidConfig` for a broken list."""
        return os.path.realpath(project) in self._read()

    def all(self) -> list[TrustedProject]:
        """Return the projects, sorted by path. Raises :class:`InvalidConfig` for a list that cannot be read."""
        return sorted(TrustedProject(Path(path), added) for path, added in self._read().items())

    def add(self, project: Path) -> bool:
        """Trust ``project``; return whether it was not trusted before.

        Raises :class:`headway.errors.UnsafeFile` for a folder that others could have written, :class:`InvalidConfig` if
        the list cannot be changed.
        """
        real = str(check_path(project))
        with self._changing() as projects:
            if real in projects:
                return False
            projects[real] = self._clock.time_ms()
        return True

    def remove(self, project: Path) -> None:
        """Trust ``project`` no longer. Raises :class:`NotFound` if it was not trusted."""
        with self._changing() as projects:
            # Also as it is written: what is no longer there has no other real path.
            found = next((name for name in (os.path.realpath(project), str(project)) if name in projects), None)
            if found is None:
                raise NotFound(f"{one_line(str(project), 500)} is not trusted")
            del projects[found]

    def _read(self) -> dict[str, int]:
        try:
            raw = read_owned(self.path, MAX_BYTES)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise self._broken(f"cannot be read: {error.strerror or error}") from None
        try:
            content: Any = json.loads(raw)
            version, projects = content["version"], content["projects"]
            found = {str(path): int(entry["added_ms"]) for path, entry in projects.items()}
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise self._broken("is not a list of trusted projects: mend it or remove it") from None
        if version != VERSION:
            raise self._broken("was written by another version of Headway")
        return found

    @contextmanager
    def _changing(self) -> Iterator[dict[str, int]]:
        """Yield the projects under the lock; what they are at the end is written."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise self._broken(f"cannot be written: {error.strerror or error}") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            before = self._read()
            after = dict(before)
            yield after
            if after != before:
                self._write(after)
        finally:
            os.close(lock)

    def _write(self, projects: dict[str, int]) -> None:
        entries = {path: {"added_ms": added} for path, added in sorted(projects.items())}
        data = json.dumps({"version": VERSION, "projects": entries}, indent=1).encode()
        temporary = self.path.with_name(f".{FILE_NAME}-{secrets.token_hex(8)}")
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                temporary.replace(self.path)
            except BaseException:
                with suppress(OSError):
                    temporary.unlink()
                raise
        except OSError as error:
            raise self._broken(f"cannot be written: {error.strerror or error}") from None

    def _broken(self, reason: str) -> InvalidConfig:
        return InvalidConfig(f"{one_line(str(self.path), 500)} {reason}")


def trust_folder() -> Path:
    """Return the folder of the list: the user's configuration folder for Headway."""
    return Path(platformdirs.user_config_path("headway", appauthor=False))
