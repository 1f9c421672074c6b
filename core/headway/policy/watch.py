"""Follows a folder of policy files and puts each change in force as a whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing
from pathlib import Path

import msgspec

from headway.errors import InvalidConfig, InvalidInput
from headway.policy.engine import PolicyEngine
from headway.policy.files import RuleSet, Stamp, folder_path, load_policies, stamp_of

LOOK_MS = 5000
"""Milliseconds between two looks at the files when no message of a change comes: network folders send none."""

SOON_MS = 100
"""Milliseconds between the first looks, which wait for no message."""

SOON = 10
"""The number of those. Most runs are over by then: what gives the messages costs more to import than a short run."""


class PolicyChange(msgspec.Struct, frozen=True):
    """The policy files have changed. Either ``rules`` are now in force, or ``error`` says why the earlier ones stay."""

    rules: RuleSet | None = None
    error: str | None = None


async def watch_policies(
    engine: PolicyEngine, folder: Path | str, *, wakes: AsyncIterable[object] | None = None
) -> AsyncGenerator[PolicyChange, None]:
    """Keep ``engine`` at the rules of ``folder``; yield each change after it took place, for ever.

    What has changed between ``engine.use_files(load_policies(folder))`` and the first step is the first change. Files
    that cannot be read or understood, or a folder that is gone, change nothing but are told, each state once.
    ``wakes`` says when to look, by default as the file system tells and every :data:`LOOK_MS`. Close the generator, or
    cancel the task that goes through it, to end the watching.
    """
    if not isinstance(engine, PolicyEngine):
        raise InvalidInput(f"watch_policies() takes a PolicyEngine, not {type(engine).__name__}")
    folder = folder_path(folder)
    in_force = engine.file_rules
    seen: Stamp | None = in_force.stamp if in_force is not None and in_force.folder == folder else None
    told: str | None = None
    async with aclosing(_looks(folder, wakes)) as looks:
        async for _ in looks:
            before, seen = seen, None  # None while the folder is gone: its return is a change, whatever it holds
            try:
                seen = stamp_of(folder)
                if seen == before:
                    continue
                # In a thread: compiling the first condition imports CEL. What is read is never older than the stamp.
                rules = await asyncio.to_thread(load_policies, folder)
            except InvalidConfig as error:
                if error.message != told:
                    told = error.message
                    yield PolicyChange(error=told)
            else:
                told, seen = None, rules.stamp
                engine.use_files(rules)
                yield PolicyChange(rules=rules)


async def _looks(folder: Path, wakes: AsyncIterable[object] | None) -> AsyncGenerator[None, None]:
    """Yield each time that the files should be looked at, the first time immediately."""
    yield None
    if wakes is not None:
        async for _ in wakes:
            yield None
        return
    for _ in range(SOON):
        await asyncio.sleep(SOON_MS / 1000)
        yield None
    from watchfiles import awatch

    while True:
        # The folder above too: a `policies` that is moved away and written anew is another folder of the same name.
        watched = _identity(folder)
        above = next(path for path in folder.parents if _identity(path) is not None)
        places = [folder, above] if watched is not None else [above]
        changes = awatch(
            *places,
            watch_filter=None,
            debounce=200,
            step=20,
            rust_timeout=LOOK_MS,
            yield_on_timeout=True,
            recursive=False,
        )
        async with aclosing(changes):
            async for _ in changes:
                yield None
                if _identity(folder) != watched:
                    break


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        status = folder.stat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino)
