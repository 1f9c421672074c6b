"""The sink ``socket``: a line an event to whoever listens on a Unix socket."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from headway.hooks.sinks.sink import NotTaken


class SocketSink:
    """Holds one connection, made anew once it breaks. What is sent back is not read."""

    kind = "socket"
    batch = 100

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: asyncio.StreamWriter | None = None

    async def deliver(self, messages: Sequence[bytes]) -> None:
        """Send, and wait until all of it is with the system."""
        try:
            if self._writer is None or self._writer.is_closing():
                _, self._writer = await asyncio.open_unix_connection(str(self._path))
                self._writer.transport.set_write_buffer_limits(0)
            self._writer.write(b"".join(messages))
            await self._writer.drain()
        except OSError as error:
            self._cut()
            reason = (error.strerror or "the connection broke").lower()
            raise NotTaken(f"{self._path}: {reason}") from None
        except BaseException:  # half a line may have gone: the next one begins a new connection
            self._cut()
            raise

    async def aclose(self) -> None:
        """Close the connection."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()  # all of it is sent: that takes no time
            with suppress(OSError):
                await writer.wait_closed()

    def _cut(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()
            self._writer = None
