"""A command that holds the home stays until the jobs that others have started in it have ended."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

from headway_console.cli.output import note

if TYPE_CHECKING:
    from headway.engine import Engine


def hold_interrupts(engine: Engine) -> bool:
    """Answer Ctrl-C with a word until :func:`stay` takes over, and return True: others' jobs must not end by it."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, lambda: note(f"{_others(engine)}: it is not stopped by Ctrl-C"))
    return True


async def stay(engine: Engine) -> None:
    """Wait until nothing runs in ``engine``; say so.

    The first Ctrl-C only tells what is waited for: its own job has ended, these are others'. The second ends the wait:
    closing the engine then cancels them. SIGTERM and SIGHUP, which ask nobody twice, end it too.
    """
    leave = asyncio.Event()
    presses = 0

    def press() -> None:
        nonlocal presses
        presses += 1
        if presses > 1:
            note("cancelling the jobs of others that run here")
            leave.set()
            loop.remove_signal_handler(signal.SIGINT)  # the next press ends this process as it stands
        else:
            note(f"{_others(engine)}; press Ctrl-C again to cancel them and leave")

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, press)
    idle = asyncio.create_task(engine.idle())
    leaving = asyncio.create_task(leave.wait())
    heard = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) != signal.SIG_IGN]
    for number in heard:
        loop.add_signal_handler(number, leave.set)
    note(f"{_others(engine)}: staying until {'it has' if engine.busy == 1 else 'they have'} ended")
    try:
        await asyncio.wait([idle, leaving], return_when=asyncio.FIRST_COMPLETED)
    finally:
        for number in (signal.SIGINT, *heard):
            loop.remove_signal_handler(number)
        idle.cancel()
        leaving.cancel()


def _others(engine: Engine) -> str:
    from headway_console.text import count

    return f"{count(engine.busy, 'job')} from other commands still {'runs' if engine.busy == 1 else 'run'} here"
