"""What becomes of the daemon when the console on it is left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway_console.cli.output import note

if TYPE_CHECKING:
    from headway.store.home import Home
    from headway_console.app import QuitChoice


PATIENCE_S = 30.0
"""Seconds that a daemon which is to stop may take to answer."""

GLANCE_S = 3.0
"""Seconds after which nobody waits any longer to be told how it is."""


async def settle(home: Home, choice: QuitChoice | None, *, started: int = 0) -> None:
    """Stop the daemon if the user said so, or if it was started for this console and has nothing to do.

    ``started`` is the pid of the one that was: another one may have come since. Raises
    :class:`~headway.errors.NoAnswer` if one is to stop that does not say whether it will.
    """
    from headway.client import OperatorClient
    from headway.daemon import wait_until_gone
    from headway.errors import NoAnswer, Unavailable
    from headway_console.app import QuitChoice

    stop = choice is QuitChoice.STOP
    try:
        async with OperatorClient(home, actor="cli", timeout=PATIENCE_S if stop else GLANCE_S) as client:
            status = await client.status()
            idle = not (status.running or status.queued)
            ours = status.pid == started
            stop = stop or (ours and idle)
            if stop:
                await client.stop()
    except NoAnswer:
        if stop:
            raise
        note("the daemon does not answer at the moment; headway stop ends it")
        return
    except Unavailable:
        return
    if stop:
        gone = await wait_until_gone(home, status.pid)
        note(f"the daemon has stopped (pid {status.pid})" if gone else f"the daemon (pid {status.pid}) is stopping")
    elif ours or not idle:
        note(f"the daemon goes on (pid {status.pid}); headway stop ends it")
