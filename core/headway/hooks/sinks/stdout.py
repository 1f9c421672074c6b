"""The sink ``stdout``: a line an event on the standard output of this process."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from headway.hooks.sinks.sink import Blocking, NotTaken


class StdoutSink:
    """Writes to standard output, in a thread: who does not read it holds nobody up."""

    kind = "stdout"
    batch = 500

    def __init__(self) -> None:
        self._blocking = Blocking()

    async def deliver(self, messages: Sequence[bytes]) -> None:
        """Write and flush."""
        try:
            await self._blocking.call(_write, b"".join(messages).decode())
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is closed"
            raise NotTaken(f"standard output: {reason.lower()}", again=False) from None

    async def aclose(self) -> None:
        """End the thread."""
        self._blocking.close()


def _write(text: str) -> None:
    stream = sys.stdout
    if stream is None:
        raise ValueError("there is none")
    stream.write(text)
    stream.flush()
