"""Names of control files, compared as the most forgiving file system would."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

POLICIES = "policies"
CONFIGURATION = "headway.toml"
GIT = ".git"

ANYWHERE = frozenset({POLICIES, CONFIGURATION, GIT})
"""Names that are control files, or folders of them, wherever they stand."""

GIT_FOLDER_PARTS = frozenset({"head", "objects", "refs", "commondir"})
"""Entries that make a folder a git directory, whatever its name."""

# What HFS+ leaves out when it compares names.
_IGNORED = dict.fromkeys(
    [*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF],
)


@lru_cache(maxsize=4096)
def fold(name: str) -> str:
    """Return ``name`` as it is compared: two names that some file system takes for one give the same text.

    Case and composition are folded (NFC); characters that HFS+ ignores are left out, and dots and spaces at the end,
    which FAT drops.
    """
    if name.isascii():
        folded = name.lower()
    else:
        visible = name.translate(_IGNORED)
        folded = unicodedata.normalize("NFC", unicodedata.normalize("NFD", visible).casefold())
    return folded.rstrip(". ") or folded


def folded(parts: tuple[str, ...]) -> tuple[str, ...]:
    """Return the parts of a path, each folded."""
    return tuple(fold(part) for part in parts)
