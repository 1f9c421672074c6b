"""The file system that a sandboxed child sees, as options of bubblewrap.

Its root is empty and read-only. Shown in it, read-only, are the system's programs and libraries, those files of
``/etc`` that programs read and that hold no secret, and what ``readable`` names; ``/proc``, a small ``/dev`` and a
``/tmp`` of its own; and ``writable`` folders. Whatever is not shown is not there: homes, sockets, other people's files.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from headway.tools.process.bwrap import TMP, system_folders, system_mounts

HOME = f"{TMP}/home"
"""The home of a sandboxed child, empty at its start and gone with it."""

_ETC = (
    "alternatives",
    "ca-certificates",
    "debian_version",
    "fonts",
    "gai.conf",
    "group",
    "host.conf",
    "hosts",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "locale.alias",
    "localtime",
    "magic",
    "mime.types",
    "nsswitch.conf",
    "os-release",
    "passwd",
    "pki/ca-trust/extracted",
    "pki/tls/cert.pem",
    "pki/tls/certs",
    "protocols",
    "services",
    "shells",
    "ssl/cert.pem",
    "ssl/certs",
    "ssl/openssl.cnf",
    "terminfo",
    "timezone",
)
_ETC_NETWORK = ("resolv.conf",)


@dataclass(frozen=True, slots=True)
class View:
    """What a child sees. All paths are absolute and real.

    ``control`` are what it must not change of the ``writable`` folders, as is what is ``readable`` in them; ``absent``
    the names that must stay free (an empty folder is there), ``hidden`` what it must not see of what is shown.
    """

    writable: Sequence[Path] = ()
    readable: Sequence[Path] = ()
    control: Iterable[Path] = ()
    absent: Sequence[Path] = ()
    hidden: Sequence[Path] = ()
    network: bool = False


def mount_options(view: View, tmpfs: Sequence[str] = ()) -> list[str]:
    """Return the options for ``view``, in the order in which they must come; ``tmpfs`` stands before each tmpfs."""
    system = [Path(folder) for folder in system_folders()]
    options = [*_system(), *(_etc(_ETC_NETWORK) if view.network else ())]
    # A child of root is still root to the kernel's settings, which have no namespace of their own.
    options += ["--proc", "/proc", "--remount-ro", "/proc", "--dev", "/dev", *tmpfs, "--tmpfs", TMP, "--dir", HOME]
    options += ["--symlink", TMP, "/var/tmp"]  # noqa: S108 - the child's own
    for path in _below(view.hidden, system):
        options += _masked(path)
    for path in sorted(view.readable, key=_depth):
        options += ["--ro-bind", str(path), str(path)]
    for path in sorted(view.writable, key=_depth):
        options += ["--bind", str(path), str(path)]
    control = sorted({*view.control, *_below(view.readable, view.writable)}, key=_depth)
    for path in _ancestors([*control, *view.absent], view.writable):
        options += ["--bind", str(path), str(path)]
    for path in _below(view.hidden, [*view.readable, *view.writable]):
        options += _masked(path)
    for path in control:
        options += ["--ro-bind", str(path), str(path)]
    for path in view.absent:
        options += ["--tmpfs", str(path), "--remount-ro", str(path)]
    return [*options, "--remount-ro", "/"]


def holds(folder: Path, path: Path) -> bool:
    """Return whether ``path`` is ``folder`` or lies in it."""
    inner, outer = str(path), str(folder)  # pathlib's own ways take twenty times as long
    return inner == outer or inner.startswith(outer if outer == "/" else f"{outer}/")


def _etc(names: Iterable[str]) -> list[str]:
    options: list[str] = []
    for path in (f"/etc/{name}" for name in names):
        options += ["--ro-bind-try", os.path.realpath(path), path]
    return options


@cache
def _system() -> tuple[str, ...]:
    """Return the options for what is the system's, which stays as it is."""
    return (*system_mounts(), *_etc(_ETC))


def _masked(path: Path) -> list[str]:
    if path.is_dir():
        return ["--tmpfs", str(path), "--remount-ro", str(path)]
    return ["--ro-bind", "/dev/null", str(path)] if path.exists() else []


def _below(paths: Iterable[Path], folders: Sequence[Path]) -> list[Path]:
    return sorted((path for path in paths if any(holds(folder, path) for folder in folders)), key=_depth)


def _ancestors(paths: Iterable[Path], writable: Sequence[Path]) -> list[Path]:
    """Return the folders between ``writable`` ones and ``paths``: as mounts of their own they cannot be renamed."""
    found: set[Path] = set()
    for path in paths:
        for folder in path.parents:
            if folder in writable or not any(holds(root, folder) for root in writable):
                break
            found.add(folder)
    return sorted(found, key=_depth)


def _depth(path: Path) -> tuple[int, str]:
    return len(path.parts), str(path)
