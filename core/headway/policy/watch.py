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
from headway.watching import is_folder
from headway.watching import wakes as wakes_of


class PolicyChange(msgspec.Struct, frozen=True):
    """The policy files have changed. Either ``rules`` are now in force, or ``error`` says why the earlier ones stay."""

    rules: RuleSet | None = None
    error: str | None = None


async def watch_policies(
    engine: PolicyEngine, folder: Path | str, *, wakes: AsyncIterable[object] | None = None
) -> AsyncGenerator[PolicyChange, None]:
    """Keep ``engine`` at the rules of ``folder``; yield each change after it took place, for ever.

    What has changed between ``engine.use_files(load_policies(folder))`` and the first step is the first change. Files
    that cannot be read or understood, or a folder that is gone, change nothing but are told, each state once. Files
    that are missing are missed only when the next look finds the same: who removes the folder removes its files first.
    ``wakes`` says when to look, by default as the file system tells and every :data:`headway.watching.LOOK_MS`. Close
    the generator, or cancel the task that goes through it, to end the watching.
    """
    if not isinstance(engine, PolicyEngine):
        raise InvalidInput(f"watch_policies() takes a PolicyEngine, not {type(engine).__name__}")
    folder = folder_path(folder)
    in_force = engine.file_rules
    seen: Stamp | None = in_force.stamp if in_force is not None and in_force.folder == folder else None
    told: str | None = None
    fewer: tuple[Stamp, tuple[Path, ...]] | None = None
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
                fewer = None
                problem = error.message if is_folder(folder) else f"{folder} is gone: its policies stay in force"
                if problem != told:
                    told = problem
                    yield PolicyChange(error=told)
                continue
            if _misses(rules, engine.file_rules) and fewer != (rules.stamp, rules.files):
                fewer, seen = (rules.stamp, rules.files), before
                continue
            told, fewer, seen = None, None, rules.stamp
            engine.use_files(rules)
            yield PolicyChange(rules=rules)


def _misses(rules: RuleSet, in_force: RuleSet | None) -> bool:
    """Return whether one of the files in force is no longer there."""
    return in_force is not None and in_force.folder == rules.folder and not set(in_force.files) <= set(rules.files)


async def _looks(folder: Path, wakes: AsyncIterable[object] | None) -> AsyncGenerator[None, None]:
    """Yield each time that the files should be looked at, the first time immediately."""
    if wakes is not None:
        yield None
        async for _ in wakes:
            yield None
        return
    async with aclosing(wakes_of([folder, folder.parent])) as looks:
        async for _ in looks:
            yield None
