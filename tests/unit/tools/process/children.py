"""Looks at child processes for tests: whether they live, and what is open."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

DESCRIPTORS = Path("/proc/self/fd")


def alive(pid: int) -> bool:
    """Return whether a process is there and is no zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return True


def reaped(pid: int) -> bool:
    """Return whether a child of ours is gone for good: not even a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def descriptors() -> int:
    """Return how many descriptors this process has open; 0 where the system does not tell."""
    return len(list(DESCRIPTORS.iterdir())) if DESCRIPTORS.is_dir() else 0


async def until(holds: Callable[[], object]) -> None:
    """Give the loop turns until ``holds()``; the test's own time limit ends it."""
    while not holds():  # noqa: ASYNC110 - what processes do sets no event of the loop's
        await asyncio.sleep(0.001)
