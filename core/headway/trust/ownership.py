"""Ownership: whether somebody else could have written what is about to be loaded.

What is loaded (configuration, policies, tool files, plans by name, memories, tokens) must belong to this user or to
root, and so must every folder and link on the way to it. Nobody else may be able to write to any of them: not everyone,
and no group but the user's private one. A sticky folder such as ``/tmp`` is fine: in it nobody can exchange what is
another's. After OpenSSH's ``StrictModes`` and git's ``safe.directory``.
"""

from __future__ import annotations

import errno
import os
import shlex
import stat
from dataclasses import dataclass
from pathlib import Path

from headway.errors import InvalidConfig, UnsafeFile, one_line
from headway.trust.trail import Step, open_to_all, trail

__all__ = ["ROOT_UID", "User", "check_path", "check_tree", "open_to_all", "read_owned"]

ROOT_UID = 0
MAX_ENTRIES = 20_000
"""Files and folders that :func:`check_tree` looks at; a larger tree is refused."""

_ACL = "system.posix_acl_access"
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class User:
    """The user this process works for: ``uid``, and ``private_gid``, a group that holds nobody else (None: no such)."""

    uid: int
    private_gid: int | None = None

    @classmethod
    def current(cls) -> User:
        """Return the user of this process."""
        uid = os.geteuid()
        return cls(uid, _private_group(uid))


def fault(status: os.stat_result, path: Path, user: User) -> str | None:
    """Return why what ``path`` leads to may not be loaded, and what mends it; None if nothing is wrong.

    ``status`` is that of the path itself: of a link only its owner counts.
    """
    if status.st_uid not in (user.uid, ROOT_UID):
        owner, me = _user_name(status.st_uid), _user_name(user.uid)
        return f"belongs to {owner}, not to you or root: {_fix('chown', me, path)}"
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISLNK(status.st_mode) or (stat.S_ISDIR(status.st_mode) and mode & stat.S_ISVTX):
        return None
    if mode & stat.S_IWOTH:
        return f"everyone may write to it: {_fix('chmod', 'go-w', path)}"
    if mode & stat.S_IWGRP:
        if status.st_gid != user.private_gid:
            return f"its group {_group_name(status.st_gid)} may write to it: {_fix('chmod', 'g-w', path)}"
        if _has_list(path):  # what looks like the group's rights is then the most that the list gives to anyone
            return f"an access list may let others write to it: {_fix('setfacl', '-b', path)}"
    return None


def check_path(path: Path | str, user: User | None = None) -> Path:
    """Check the file or folder ``path``, links on the way and all folders above; return its real path.

    What is missing is not checked, the folders above it are. Raises :class:`UnsafeFile` in one line that says what to
    do, ``OSError`` for what cannot be looked at.
    """
    return _checked(path, user or User.current()).path


def check_tree(folder: Path, user: User | None = None) -> None:
    """Check ``folder`` as :func:`check_path` does, and all that it holds. Raises :class:`UnsafeFile`.

    Links in it are followed one by one: whatever they lead to is checked, but not what it holds.
    """
    user = user or User.current()
    real = check_path(folder, user)
    left = MAX_ENTRIES
    todo = [real]
    while todo:
        with os.scandir(todo.pop()) as entries:
            for entry in entries:
                left -= 1
                if left < 0:
                    raise UnsafeFile(f"{folder}: holds more than {MAX_ENTRIES:,} files: name a smaller folder")
                if entry.is_symlink():
                    check_path(entry.path, user)
                    continue
                _refuse(Path(entry.path), entry.stat(follow_symlinks=False), Path(entry.path), user)
                if entry.is_dir(follow_symlinks=False):
                    todo.append(Path(entry.path))


def read_owned(path: Path | str, most: int, user: User | None = None) -> bytes:
    """Return the content of the regular file ``path``, at most ``most`` bytes; check who could have written it.

    What is checked is what is read: the file is opened first, and the opened file is looked at. Raises
    :class:`UnsafeFile`, :class:`InvalidConfig` (too large, or no regular file) and ``OSError``.
    """
    user = user or User.current()
    given = Path(path)
    end = _checked(given, user)
    if end.status is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(given))
    if end.is_folder:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(given))
    if not stat.S_ISREG(end.status.st_mode):  # never opened: a fifo would wait, a device might act
        raise InvalidConfig(f"{given}: is not a regular file")
    descriptor = os.open(end.path, _READ)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise InvalidConfig(f"{given}: is not a regular file")
        _refuse(given, status, end.path, user)
        if status.st_size > most:
            raise InvalidConfig(f"{given}: larger than {most} bytes")
        data = b""
        while len(data) <= most and (chunk := os.read(descriptor, most + 1 - len(data))):
            data += chunk
    finally:
        os.close(descriptor)
    if len(data) > most:
        raise InvalidConfig(f"{given}: larger than {most} bytes")
    return data


def _checked(path: Path | str, user: User) -> Step:
    end = Step(Path("/"), None)
    for end in trail(path):
        if end.status is not None:
            _refuse(Path(path), end.status, end.path, user)
    return end


def _refuse(given: Path, status: os.stat_result, found: Path, user: User) -> None:
    reason = fault(status, found, user)
    if reason is not None:
        subject = f"{found}" if given == found else f"{given}: {found}"
        raise UnsafeFile(f"{one_line(subject, 700)}: {reason}")


def _fix(command: str, argument: str, path: Path) -> str:
    return f"{command} {argument} {one_line(shlex.quote(str(path)), 500)}"


def _has_list(path: Path) -> bool:
    """Return whether the file has an access control list that this system tells of."""
    if not hasattr(os, "getxattr"):  # macOS keeps its lists elsewhere, and the mode does not show them
        return False
    try:
        return bool(os.getxattr(path, _ACL, follow_symlinks=False))
    except OSError:
        return False


def _private_group(uid: int) -> int | None:
    import grp
    import pwd

    try:
        me = pwd.getpwuid(uid)
        group = grp.getgrgid(me.pw_gid)
    except KeyError:
        return None
    alone = set(group.gr_mem) <= {me.pw_name}
    return me.pw_gid if group.gr_name == me.pw_name and alone else None


def _user_name(uid: int) -> str:
    import pwd

    try:
        return one_line(pwd.getpwuid(uid).pw_name, 60)
    except KeyError:
        return str(uid)


def _group_name(gid: int) -> str:
    import grp

    try:
        return f"'{one_line(grp.getgrgid(gid).gr_name, 60)}'"
    except KeyError:
        return str(gid)
