"""A filter of system calls for children in the sandbox: none of them makes a file with setuid or setgid, or a device.

A program that a plan started may write to the workspace; a file with such a bit there would give its owner's rights to
whoever runs it. No mount keeps that bit from being set, a filter does: a program of the kernel's classic BPF that
bubblewrap loads (``--seccomp``) before the child begins, and that everything in the sandbox inherits.

What sets a mode is refused with ``EPERM`` if the mode has the bits. A filter sees registers only: what hands its mode
over in memory (``openat2``, ``io_uring``) is refused with ``ENOSYS``, upon which programs do as on older kernels.
``mkdir`` needs no row: the kernel takes no such bit from it.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterable
from typing import NamedTuple

REFUSED = stat.S_ISUID | stat.S_ISGID
"""The bits of a mode that no child sets."""

DEVICE = stat.S_IFCHR
"""The bit of a file's type that only devices have among those that ``mknod`` makes."""

CREATES = os.O_CREAT | 0o20000000
"""The flags with which ``open`` reads its mode: ``O_CREAT`` and what sets ``O_TMPFILE`` apart from ``O_DIRECTORY``."""

EPERM, ENOSYS = 1, 38

# The kernel's struct seccomp_data: nr, arch, instruction pointer, six arguments of 64 bits, little-endian here.
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000

Instruction = tuple[int, int, int, int]
"""A code, how many instructions to skip if it is true and if it is not, and an operand: ``struct sock_filter``."""


class Calls(NamedTuple):
    """The system calls of one ABI that could make such a file, by number, with the argument that has the mode.

    ``opens`` maps to the argument of the flags, which the mode follows; ``absent`` calls hand it over in memory.
    ``end`` is the first number that is not of this ABI, where it shares its name with another.
    """

    arch: int
    modes: dict[int, int]
    nodes: dict[int, int]
    opens: dict[int, int]
    absent: tuple[int, ...] = (425, 437)  # io_uring_setup, openat2: the same everywhere
    end: int | None = None


# chmod, fchmod, fchmodat, fchmodat2, creat; mknod, mknodat; open, openat
_X86_64 = Calls(0xC000003E, {90: 1, 91: 1, 268: 2, 452: 2, 85: 1}, {133: 1, 259: 2}, {2: 1, 257: 2}, end=0x40000000)
_I386 = Calls(0x40000003, {15: 1, 94: 1, 306: 2, 452: 2, 8: 1}, {14: 1, 297: 2}, {5: 1, 295: 2})
_AARCH64 = Calls(0xC00000B7, {52: 1, 53: 2, 452: 2}, {33: 2}, {56: 2})
_ARM = Calls(0x40000028, {15: 1, 94: 1, 333: 2, 452: 2, 8: 1}, {14: 1, 324: 2}, {5: 1, 322: 2})

MACHINES = {"x86_64": (_X86_64, _I386), "aarch64": (_AARCH64, _ARM)}
"""The ABIs in which a program can call the kernel, by machine. A call in another one is refused."""


def filter_of(machine: str) -> bytes | None:
    """Return the filter for ``machine`` (as ``os.uname()`` has it), as bubblewrap reads it; None for an unknown one."""
    abis = MACHINES.get(machine)
    if abis is None:
        return None
    program: list[Instruction] = [(_LOAD, 0, 0, _ARCH)]
    for calls in abis:
        block = list(_block(calls))
        program += [(_EQUAL, 0, len(block), calls.arch), *block]
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in [*program, _refuse(ENOSYS)])


def _block(calls: Calls) -> Iterable[Instruction]:
    """Yield the instructions for one ABI; none goes beyond the end."""
    yield _LOAD, 0, 0, _NUMBER
    if calls.end is not None:
        yield from ((_AT_LEAST, 0, 1, calls.end), _refuse(ENOSYS))
    for number, argument in calls.modes.items():
        yield from _rule(number, _unless(argument, REFUSED))
    for number, argument in calls.nodes.items():
        yield from _rule(number, _unless(argument, REFUSED | DEVICE))
    for number, argument in calls.opens.items():
        mode = _unless(argument + 1, REFUSED)
        flags = [(_LOAD, 0, 0, _ARGUMENTS + 8 * argument), (_ANY_BIT, 0, len(mode) - 1, CREATES)]
        yield from _rule(number, [*flags, *mode])
    for number in calls.absent:
        yield from _rule(number, [_refuse(ENOSYS)])
    yield _RETURN, 0, 0, _ALLOW


def _rule(number: int, then: list[Instruction]) -> Iterable[Instruction]:
    """Yield what does ``then``, which returns, for one system call, and goes on for all others."""
    yield _EQUAL, 0, len(then), number
    yield from then


def _unless(argument: int, bits: int) -> list[Instruction]:
    """Return what refuses a call whose ``argument`` has one of ``bits``, and allows it without; the last allows."""
    return [
        (_LOAD, 0, 0, _ARGUMENTS + 8 * argument),
        (_ANY_BIT, 0, 1, bits),
        _refuse(EPERM),
        (_RETURN, 0, 0, _ALLOW),
    ]


def _refuse(error: int) -> Instruction:
    return _RETURN, 0, 0, _ERROR | error
