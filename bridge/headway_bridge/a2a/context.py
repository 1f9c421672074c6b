"""The client of a request: who it is, and whether it still listens."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from headway_bridge.auth import Caller

T = TypeVar("T")


class ClientGone(Exception):
    """The client closed its connection before there was an answer. Its task continues."""


async def _never_gone() -> None:
    await asyncio.get_running_loop().create_future()


class Client:
    """A request's client: the ``caller`` it has authenticated as; ``gone`` waits for its connection's end."""

    def __init__(self, caller: Caller, gone: Callable[[], Awaitable[None]] = _never_gone) -> None:
        self.caller = caller
        self._gone = gone

    async def while_there(self, wait: Awaitable[T]) -> T:
        """Return what ``wait`` gives; raise :class:`ClientGone`, and stop waiting, when the client goes first."""
        waiting = asyncio.ensure_future(wait)
        gone = asyncio.ensure_future(self._gone())
        try:
            await asyncio.wait({waiting, gone}, return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                return waiting.result()
            raise ClientGone
        finally:
            for task in (waiting, gone):
                task.cancel()
            await asyncio.gather(waiting, gone, return_exceptions=True)
