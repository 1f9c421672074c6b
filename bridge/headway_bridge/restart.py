"""Restart of a daemon: it drains, ends, and whoever runs it starts it anew with the same options.

Admission stops first; what runs keeps its tools and ends by itself. When that takes longer than it may, work is taken
again and nothing has happened. With ``reload``, a daemon whose tools have changed restarts when it is idle; what would
not load is not restarted into.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from headway.errors import Conflict

if TYPE_CHECKING:
    from headway.engine import Engine
    from headway_bridge.shutdown import Stop

DRAINING = "the daemon restarts"

Check = Callable[[], Awaitable[str | None]]
"""Says why the project would not load now; None if it would."""


class Restart:
    """The restarts of one daemon. ``check`` is asked before a restart that nobody has asked for."""

    def __init__(self, engine: Engine, stop: Stop, check: Check | None = None) -> None:
        self._engine = engine
        self._stop = stop
        self._check = check
        self._draining: asyncio.Task[None] | None = None
        self._refused = ""

    @property
    def draining(self) -> bool:
        """True while a restart waits for jobs to end."""
        return self._draining is not None and not self._draining.done()

    def ask(self, *, now: bool, timeout_s: float | None) -> None:
        """Begin to restart: with ``now`` runs are cancelled, else they get ``timeout_s`` seconds (None: any time).

        Raises :class:`Conflict` while another one is under way, unless ``now``.
        """
        if self._stop.soft.is_set():
            raise Conflict("the daemon is stopping")
        if now:
            self._begin()
            return
        if self.draining:
            raise Conflict("the daemon drains for a restart already: headway restart --now cancels what it waits for")
        self._engine.drain(DRAINING)
        self._draining = asyncio.create_task(self._drain(timeout_s), name="headway-restart")

    async def _drain(self, timeout_s: float | None) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                await self._engine.idle()
        except TimeoutError:
            self._engine.reopen()
        else:
            self._begin()

    def _begin(self) -> None:
        self._stop.again = True
        self._stop.request()

    async def watch(self) -> None:
        """Follow the files of the project; restart for changed tools, when idle, if that is wanted."""
        async with contextlib.aclosing(self._engine.watch()) as looks:
            async for changed in looks:
                code = self._engine.env.code
                if not changed or code is None or self._check is None or self.draining:
                    continue
                present = code.present()
                if present == self._refused:
                    continue
                problem = await self._check()
                if problem is not None:
                    self._refused = present
                    self._stop.say(f"not restarted: {problem}")
                    continue
                self._stop.say(f"restarting when idle: {', '.join(changed)} changed")
                await self._engine.idle()
                self._begin()
                return

    async def aclose(self) -> None:
        """End the waiting of a restart that has not begun."""
        if self._draining is not None:
            self._draining.cancel()
            await asyncio.gather(self._draining, return_exceptions=True)
