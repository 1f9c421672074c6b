"""Programs: one run each time, in the sandbox, with one JSON object on stdin."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from headway.errors import HeadwayError, ToolError, describe, one_line
from headway.hooks.sinks.sink import NotTaken
from headway.tools.process.child import ChildProcess
from headway.tools.process.command import environment, words_of
from headway.tools.sandbox import Child

if TYPE_CHECKING:
    from headway.clock import Clock
    from headway.config.hooks import BeforeToolConfig, HookConfig
    from headway.hooks.sinks.sink import Around
    from headway.tools.process.launch import Launch
    from headway.tools.sandbox import Sandbox

MAX_OUTPUT = 64 * 2**10
"""The most bytes that a program may write to stdout."""

KEPT_STDERR = 4096


class Program:
    """Runs ``command`` in ``folder``, where it may change nothing, with PATH, HOME and LANG."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        sandbox: Sandbox,
        clock: Clock,
        folder: Path,
        files: Sequence[Path] = (),
        network: bool = False,
    ) -> None:
        self._words = words_of(command, f"the command of hook '{name}'")
        self._child = Child(
            f"hook {name}",
            self._words,
            folder,
            environment(),
            writes=False,
            network=network,
            readable=tuple(files),
            own=True,
        )
        self._sandbox = sandbox
        self._clock = clock

    @classmethod
    def of(cls, name: str, config: HookConfig | BeforeToolConfig, around: Around) -> Self:
        """Return what runs the program of a hook's settings."""
        return cls(
            name,
            config.command or (),
            sandbox=around.sandbox,
            clock=around.clock,
            folder=around.folder,
            files=config.files,
            network=config.network,
        )

    async def run(self, message: bytes) -> bytes:
        """Return what it wrote to stdout by its end, with exit code 0; :class:`NotTaken` for everything else.

        Cancelled, it ends the program with its whole process group, and waits for that.
        """
        try:
            async with await self._sandbox.confine(self._child) as launch:
                return await self._answer(launch, message)
        except HeadwayError as error:
            raise NotTaken(describe(error), again=False) from None

    async def _answer(self, launch: Launch, message: bytes) -> bytes:
        output, errors = bytearray(), bytearray()

        def on_data(name: str, data: bytes) -> None:
            if name == "stderr":
                errors.extend(data)
                del errors[:-KEPT_STDERR]
                return
            output.extend(data)
            if len(output) > MAX_OUTPUT:
                child.terminate()

        child = ChildProcess(self._words, clock=self._clock, on_data=on_data, stdin=True, launch=launch)
        try:
            child.write(message)
            child.finish_input()
            await child.wait()
        finally:
            child.terminate()  # nothing, once it has ended
            with suppress(ToolError):
                await child.wait()
        if len(output) > MAX_OUTPUT:
            raise NotTaken(f"it wrote more than {MAX_OUTPUT:,} bytes", again=False)
        if child.code != 0:
            raise NotTaken(_how(child.code, bytes(errors)))
        return bytes(output)


def _how(code: int | None, errors: bytes) -> str:
    how = f"it was ended by signal {-code}" if code is not None and code < 0 else f"it ended with exit code {code}"
    said = errors.decode("utf-8", "replace").strip().splitlines()
    return f"{how}: {one_line(said[-1], 300)}" if said else how
