"""Runs the asynchronous half of a command."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from headway.errors import HeadwayError, describe
from headway_console.cli.output import note

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run ``main`` on a new event loop and return what it returns."""
    import asyncio

    from headway.tools.printing import capture

    with capture(), asyncio.Runner() as runner:
        runner.get_loop().set_exception_handler(_tell)
        return runner.run(main)


def _tell(loop: AbstractEventLoop, context: dict[str, Any]) -> None:
    """Tell in one line of an error that nobody waits for any more, as when a third Ctrl-C ends a command."""
    error = context.get("exception")
    if isinstance(error, HeadwayError):
        note(f"error: {describe(error)}")
    else:
        loop.default_exception_handler(context)
