"""What becomes of the daemon when the console on it is left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway_console.cli.output import note

if TYPE_CHECKING:
    from headway.store.home import Home
    from headway_console.app import QuitChoice


async def settle(home: Home, choice: QuitChoice | None, *, started: int = 0) -> None:
    """Stop the daemon if the user said so, or if it was started for this console and has nothing to do.

    ``started`` is the pid of the one that was: another one may have come since.
    """
    from headway.client import OperatorClient
    from headway.daemon import find_daemon, wait_until_gone
    from headway_console.app import QuitChoice

    status = await find_daemon(home)
    if status is None:
        return
    idle = not (status.running or status.queued)
    ours = status.pid == started
    if choice is QuitChoice.STOP or (ours and idle):
        async with OperatorClient(home, actor="cli") as client:
            await client.stop()
        gone = await wait_until_gone(home, status.pid)
        note(f"the daemon has stopped (pid {status.pid})" if gone else f"the daemon (pid {status.pid}) is stopping")
    elif ours or not idle:
        note(f"the daemon goes on (pid {status.pid}); headway stop ends it")
