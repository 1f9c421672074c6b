"""Commands of an operator: to the daemon of a home if one runs, else to an engine opened for the moment."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol

from headway.errors import Unavailable
from headway_console.cli.runner import SOURCE, LocalRunner, open_runner

if TYPE_CHECKING:
    from headway.config import Config
    from headway.engine import Engine
    from headway.events.checkpoint import CheckpointInfo, StateDiff
    from headway.home import Home


class Operations(Protocol):
    """Commands that need the writer of a home. Everything raises :class:`headway.errors.HeadwayError`."""

    async def save_checkpoint(
        self, *, job_id: str | None = None, scope: str | None = None, name: str | None = None
    ) -> CheckpointInfo:
        """Save the present state of a scope."""

    async def diff(self, checkpoint_id: str) -> StateDiff:
        """Tell what a restore would change."""

    async def restore(self, checkpoint_id: str) -> StateDiff:
        """Set the scope's state to the checkpoint's."""

    async def prune(self) -> dict[str, Any]:
        """Remove what retention no longer keeps."""


class EngineOperations:
    """The commands on an engine of this process."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def save_checkpoint(
        self, *, job_id: str | None = None, scope: str | None = None, name: str | None = None
    ) -> CheckpointInfo:
        """Save the present state of a scope."""
        return await self._engine.save_checkpoint(job_id=job_id, scope=scope, name=name, by=SOURCE)

    async def diff(self, checkpoint_id: str) -> StateDiff:
        """Tell what a restore would change."""
        return await self._engine.diff(checkpoint_id)

    async def restore(self, checkpoint_id: str) -> StateDiff:
        """Set the scope's state to the checkpoint's."""
        return await self._engine.restore(checkpoint_id, by=SOURCE)

    async def prune(self) -> dict[str, Any]:
        """Remove what retention no longer keeps."""
        return await self._engine.prune()


@asynccontextmanager
async def open_operations(home: Home, config: Config) -> AsyncIterator[Operations]:
    """Open the writer of ``home``; :class:`Unavailable` if it has no store yet."""
    if not home.db.exists():
        raise Unavailable(f"there is no store in {home}; headway run and headway up make one")
    runner = await open_runner(home, config.without_code())  # none of these commands runs a tool
    try:
        yield EngineOperations(runner.engine) if isinstance(runner, LocalRunner) else runner.client
    finally:
        await runner.close()
