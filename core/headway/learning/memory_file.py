"""The file of a memory: JSON ``{"format": "headway-memory", "version": 1, "facts": […], "skills": […]}``."""

from __future__ import annotations

import os
from collections.abc import Sequence

import msgspec

from headway.arguments import path_of
from headway.errors import InvalidInput, one_line
from headway.learning.fact import Fact
from headway.learning.files import read_whole, write_whole
from headway.learning.skill import DistilledSkill

FORMAT = "headway-memory"
VERSION = 1
LONGEST_FILE = 256 * 1024 * 1024
"""The longest file read or written, in bytes."""


class _Head(msgspec.Struct):
    format: str = ""
    version: int = 0


class _Memory(msgspec.Struct):
    format: str
    version: int
    facts: list[Fact]
    skills: list[DistilledSkill]


def write_memory(path: str | os.PathLike[str], facts: Sequence[Fact], skills: Sequence[DistilledSkill]) -> None:
    """Write a memory, replacing the file whole. Raises :class:`InvalidInput` if that fails; the old file stays then."""
    data = msgspec.json.encode(_Memory(FORMAT, VERSION, list(facts), list(skills)))
    if len(data) > LONGEST_FILE:
        raise InvalidInput(f"the memory is {len(data):,} bytes; the limit of its file is {LONGEST_FILE:,}")
    write_whole(path_of(path), data + b"\n")


def read_memory(path: str | os.PathLike[str]) -> tuple[list[Fact], list[DistilledSkill]]:
    """Return facts and skills. Raises :class:`InvalidInput` that says what the file is, or where it is wrong."""
    data = read_whole(path_of(path), LONGEST_FILE + 1)
    name = one_line(str(path), 300)
    try:
        head = msgspec.json.decode(data, type=_Head)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidInput(f"{name} is not a Headway memory") from None
    if head.format != FORMAT:
        raise InvalidInput(f"{name} is not a Headway memory")
    if head.version != VERSION:
        raise InvalidInput(f"{name} has version {head.version} of the format, this Headway reads {VERSION}")
    try:
        memory = msgspec.json.decode(data, type=_Memory)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"{name}: {one_line(str(error), 200)}") from None
    return memory.facts, memory.skills
