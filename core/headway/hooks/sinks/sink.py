"""A sink: takes messages, one JSON object a line, and says so when it cannot."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from headway.thread_pool import DaemonThreads

if TYPE_CHECKING:
    from pathlib import Path

    from headway.clock import Clock
    from headway.egress.door import Door
    from headway.secrets.vault import Vault
    from headway.tools.sandbox import Sandbox


class NotTaken(Exception):
    """Nothing was taken; ``again`` says that another try may succeed. The text is one line, for people."""

    def __init__(self, text: str, *, again: bool = True) -> None:
        super().__init__(text)
        self.text = text
        self.again = again


class Sink(Protocol):
    """Where messages go. One delivery takes place at a time; it may be cancelled."""

    kind: str
    batch: int
    """The most messages of one delivery."""

    async def deliver(self, messages: Sequence[bytes]) -> None:
        """Hand over messages, each ended by a newline. Raises :class:`NotTaken`; whoever calls bounds the time."""

    async def aclose(self) -> None:
        """Let go of what is held."""


class Around(NamedTuple):
    """What sinks and judges work with. ``folder`` is where programs run."""

    clock: Clock
    door: Door
    vault: Vault
    sandbox: Sandbox
    folder: Path


class Blocking:
    """Calls that block, in a thread of its own, one after the other: one that hangs holds up its owner only."""

    def __init__(self) -> None:
        self._threads = DaemonThreads(1)
        self._last: asyncio.Future[Any] | None = None

    async def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Return what ``function`` returns, once the call before it has ended. Cancelled, it runs on by itself."""
        if self._last is not None and not self._last.done():
            await asyncio.wait({self._last})
        self._last = last = self._threads.submit(function, *args)
        last.add_done_callback(_seen)
        return await asyncio.shield(last)

    def close(self) -> None:
        """End the thread, unless it hangs."""
        self._threads.close()


def _seen(call: asyncio.Future[Any]) -> None:
    """Take note of what a call raised that nobody waits for any more."""
    if not call.cancelled():
        call.exception()
