"""The fate of the daemon when the console on it is left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway_console.cli.output import note

if TYPE_CHECKING:
    from headway.client.wire import DaemonStatus
    from headway.home import Home
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
    from headway.client.daemon import wait_until_gone
    from headway.errors import NoAnswer, Unavailable
    from headway_console.app import QuitChoice

    status = await _status(home, patient=choice is QuitChoice.STOP)
    if status is None:
        return
    idle = not (status.running or status.queued)
    ours = status.pid == started
    if choice is QuitChoice.STOP or (ours and idle):
        async with OperatorClient(home, actor="cli", timeout=PATIENCE_S) as client:
            try:
                await client.stop()
            except NoAnswer:
                raise
            except Unavailable:
                note("the daemon is going away already")
        gone = await wait_until_gone(home, status.pid)
        note(f"the daemon has stopped (pid {status.pid})" if gone else f"the daemon (pid {status.pid}) is stopping")
    elif ours or not idle:
        note(f"the daemon keeps running (pid {status.pid}); headway stop ends it")


async def _status(home: Home, *, patient: bool) -> DaemonStatus | None:
    """Return what the daemon says, None without one; with ``patient`` a silent one is waited for, and is an error."""
    from headway.errors import NoAnswer, Unavailable

    try:
        return await _ask(home, GLANCE_S)
    except NoAnswer:
        if not patient:
            note("the daemon does not answer now; headway stop ends it when it does")
            return None
    except Unavailable:
        return None
    note(f"waiting up to {PATIENCE_S:g} s for the daemon to answer")
    return await _ask(home, PATIENCE_S)


async def _ask(home: Home, seconds: float) -> DaemonStatus:
    from headway.client import OperatorClient

    async with OperatorClient(home, actor="cli", timeout=seconds) as client:
        return await client.status()
