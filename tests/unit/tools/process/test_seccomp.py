"""The filter of system calls: each of its programs, run as the kernel would, on every machine that it is for."""

from __future__ import annotations

import os
import stat
import struct

import pytest

from headway.errors import InvalidConfig
from headway.tools.process import bwrap
from headway.tools.process.bwrap import Bwrap, Probe
from headway.tools.process.seccomp import MACHINES, filter_of
from headway.tools.sandbox import Sandbox

X86_64, I386, AARCH64, ARM = 0xC000003E, 0x40000003, 0xC00000B7, 0x40000028
ALLOW, EPERM, ENOSYS = 0x7FFF0000, 0x00050001, 0x00050026
ABIS = [("x86_64", X86_64), ("x86_64", I386), ("aarch64", AARCH64), ("aarch64", ARM)]

# The numbers of its tables of system calls.
NAMES = ("chmod", "fchmod", "fchmodat", "creat", "mknod", "mknodat", "open", "openat", "read")
NUMBERS: dict[int, dict[str, int]] = {
    X86_64: dict(zip(NAMES, (90, 91, 268, 85, 133, 259, 2, 257, 0), strict=True)),
    I386: dict(zip(NAMES, (15, 94, 306, 8, 14, 297, 5, 295, 3), strict=True)),
    AARCH64: {"fchmod": 52, "fchmodat": 53, "mknodat": 33, "openat": 56, "read": 63},
    ARM: dict(zip(NAMES, (15, 94, 333, 8, 14, 324, 5, 322, 3), strict=True)),
}
LATER = {"fchmodat2": 452, "openat2": 437, "io_uring_setup": 425}
MODE_AT = {"chmod": 1, "fchmod": 1, "fchmodat": 2, "fchmodat2": 2, "creat": 1, "mknod": 1, "mknodat": 2}
FLAGS_AT = {"open": 1, "openat": 2}


def decide(machine: str, arch: int, number: int, *arguments: int) -> int:
    """Return what the filter of ``machine`` says of a call, by interpreting it."""
    program = filter_of(machine)
    assert program is not None
    padded = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("<IIQ6Q", number, arch, 0, *(argument & 2**64 - 1 for argument in padded))
    at = accumulator = 0
    while True:
        code, true, false, operand = struct.unpack_from("<HBBI", program, 8 * at)
        at += 1
        if code == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, operand)
        elif code == 0x06:
            return int(operand)
        else:
            tests = {0x15: accumulator == operand, 0x35: accumulator >= operand, 0x45: bool(accumulator & operand)}
            at += true if tests[code] else false


def call(machine: str, arch: int, name: str, mode: int, flags: int = 0) -> int:
    """Return what the filter says of a call with this mode."""
    number = NUMBERS[arch].get(name, LATER.get(name))
    assert number is not None
    at = MODE_AT[name] if name in MODE_AT else FLAGS_AT[name] + 1
    arguments = [2**64 - 1] * 6
    arguments[at] = mode | 0xDEAD << 32  # the kernel looks at the low half
    if name in FLAGS_AT:
        arguments[at - 1] = flags
    return decide(machine, arch, number, *arguments)


@pytest.mark.parametrize(("machine", "arch"), ABIS)
def test_modes_with_the_bits_are_refused_and_others_are_not(machine: str, arch: int) -> None:
    names = [name for name in MODE_AT if name in NUMBERS[arch] or name in LATER]
    assert len(names) >= 4
    for name in names:
        kind = stat.S_IFREG if name.startswith("mknod") else 0
        for mode in (0o4755, 0o2755, 0o6000, 0o4000 | 0o1777):
            assert call(machine, arch, name, kind | mode) == EPERM, (name, oct(mode))
        for mode in (0, 0o755, 0o1777):
            assert call(machine, arch, name, kind | mode) == ALLOW, (name, oct(mode))


@pytest.mark.parametrize(("machine", "arch"), ABIS)
def test_an_open_that_makes_nothing_has_no_mode(machine: str, arch: int) -> None:
    unnamed = 0o20200000  # O_TMPFILE, as the kernel of x86 has it; O_DIRECTORY differs elsewhere
    for name in FLAGS_AT:
        if name not in NUMBERS[arch]:
            continue
        for flags in (os.O_CREAT | os.O_WRONLY, unnamed | os.O_RDWR, 0o20000000):
            assert call(machine, arch, name, 0o4755, flags) == EPERM
            assert call(machine, arch, name, 0o755, flags) == ALLOW
        for flags in (os.O_RDONLY, os.O_WRONLY | os.O_TRUNC, 0o200000):
            assert call(machine, arch, name, 0o4755, flags) == ALLOW


@pytest.mark.parametrize(("machine", "arch"), ABIS)
def test_devices_are_refused_and_pipes_are_made(machine: str, arch: int) -> None:
    for name in ("mknod", "mknodat"):
        if name in NUMBERS[arch]:
            for kind in (stat.S_IFCHR, stat.S_IFBLK):
                assert call(machine, arch, name, kind | 0o600) == EPERM
            for kind in (0, stat.S_IFREG, stat.S_IFIFO, stat.S_IFSOCK):
                assert call(machine, arch, name, kind | 0o600) == ALLOW


@pytest.mark.parametrize(("machine", "arch"), ABIS)
def test_what_hides_its_mode_is_not_there_and_all_else_is(machine: str, arch: int) -> None:
    assert decide(machine, arch, 437) == ENOSYS
    assert decide(machine, arch, 425) == ENOSYS
    assert decide(machine, arch, NUMBERS[arch]["read"], 0o6000, 0o6000, 0o6000) == ALLOW
    known = {number for table in (NUMBERS[arch], LATER) for number in table.values()}
    for number in set(range(600)) - known:
        assert decide(machine, arch, number, *[2**64 - 1] * 6) == ALLOW, number


def test_other_abis_are_refused() -> None:
    assert decide("x86_64", AARCH64, 0) == ENOSYS
    assert decide("aarch64", X86_64, 0) == ENOSYS
    for number in (0x40000000, 0x40000000 | 90, 2**32 - 1):
        assert decide("x86_64", X86_64, number, 0, 0o4755) == ENOSYS


def test_an_unknown_machine_has_no_filter_and_require_refuses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert filter_of("riscv64") is None
    assert set(MACHINES) == {"x86_64", "aarch64"}
    monkeypatch.setattr(bwrap, "_found", Probe(Bwrap("/usr/bin/bwrap", "0.11.0", ())))
    state = Sandbox("auto").state()
    assert state.working
    assert "no filter of system calls works here" in state.unfiltered
    Sandbox("auto").check()
    with pytest.raises(InvalidConfig, match="a whole sandbox is required: no filter of system calls works here"):
        Sandbox("require").check()
    monkeypatch.setattr(bwrap, "_found", Probe(Bwrap("/usr/bin/bwrap", "0.11.0", (), b"12345678")))
    assert Sandbox("require").state().unfiltered == ""
    Sandbox("require").check()
