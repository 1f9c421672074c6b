"""The source that a value of the configuration came from."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, NamedTuple

Kind = Literal["default", "file", "env", "flag"]


class Source(NamedTuple):
    """One origin: ``kind``, and ``where`` in words: ``headway.toml:7``, ``HEADWAY_A2A_PORT``, ``command line``."""

    kind: Kind
    where: str = ""

    def __str__(self) -> str:
        return self.where or self.kind


class Value(NamedTuple):
    """One leaf of the configuration: its dotted key, its value and its origin."""

    key: str
    value: Any
    source: Source


DEFAULT = Source("default")
FLAG = Source("flag", "command line")


def in_file(path: Path, line: int | None) -> Source:
    """Return the origin of a key that stands in line ``line`` (from 1, None = unknown) of ``path``."""
    return Source("file", str(path) if line is None else f"{path}:{line}")


def in_env(variable: str) -> Source:
    """Return the origin of a value that an environment variable gave."""
    return Source("env", variable)
