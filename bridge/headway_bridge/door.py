"""The operator socket of a process that holds a home and is no daemon: ``headway run``, say.

The socket listens from the first moment, so that other shells can watch, cancel and kill what runs here, and run their
own plans here. What answers on it is loaded when somebody knocks, beside the event loop: a run that nobody looks at
does not pay for a server.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from headway.errors import HeadwayError, describe
from headway_bridge.unix import UnixListener

if TYPE_CHECKING:
    from headway.engine import Engine
    from headway_bridge.listeners import Listener
    from headway_bridge.operator.context import Operator

logger = logging.getLogger("headway.operator")

END_S = 2.5
"""Seconds that the server gets to close its connections."""


class Door:
    """Open one while the engine is open, and :meth:`close` it once the engine is closed.

    Raises what :class:`UnixListener` does.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._unix = UnixListener(engine.home)
        self._server: Listener | None = None
        self._operator: Operator | None = None
        self._task: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._unix.socket.fileno(), self._knock)

    @property
    def answers(self) -> bool:
        """True once somebody has knocked."""
        return self._task is not None

    def _knock(self) -> None:
        self._loop.remove_reader(self._unix.socket.fileno())
        self._task = self._loop.create_task(self._serve(), name="headway-door")

    async def _serve(self) -> None:
        try:
            server, self._operator = await asyncio.to_thread(_load, self._engine)
            self._server = server
            await server.serve(sockets=[self._unix.socket])
        except HeadwayError as error:
            logger.warning("the operator socket does not answer: %s", describe(error))

    def refuse(self) -> None:
        """Take no new work; what is asked otherwise is answered to the end."""
        if self._operator is not None:
            self._operator.stopping = True

    async def close(self) -> None:
        """Take the socket away and end every connection. Closing twice is harmless."""
        self._unix.remove()
        if self._task is None:
            self._loop.remove_reader(self._unix.socket.fileno())
        else:
            if self._operator is not None:
                self._operator.end_streams()
            if self._server is not None:
                self._server.should_exit = True
            _, late = await asyncio.wait([self._task], timeout=END_S)
            for task in late:
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._unix.close()


def _load(engine: Engine) -> tuple[Listener, Operator]:
    """Import the server and make the application."""
    from headway_bridge.listeners import Listener
    from headway_bridge.operator import operator_app

    app = operator_app(engine, on_stop=None)
    return Listener(app), app.state.operator
