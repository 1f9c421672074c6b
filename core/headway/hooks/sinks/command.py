"""The sink ``command``: a program an event, in the sandbox, with the event on its standard input."""

from __future__ import annotations

from collections.abc import Sequence

from headway.hooks.program import Program


class CommandSink:
    """Runs the program once an event; exit code 0 takes it."""

    kind = "command"
    batch = 1

    def __init__(self, program: Program) -> None:
        self._program = program

    async def deliver(self, messages: Sequence[bytes]) -> None:
        """Run the program, and wait for its end."""
        for message in messages:
            await self._program.run(message)

    async def aclose(self) -> None:
        """Do nothing: no program outlasts its delivery."""
