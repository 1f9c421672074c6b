"""The daemon: an engine, the A2A endpoint on TCP and the operator API on a Unix socket, in one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING

from headway import __version__
from headway.client.daemon import DaemonInfo, remove_daemon_file, write_daemon_file
from headway.errors import HeadwayError, describe
from headway.secrets.output import redacted_output
from headway_bridge.a2a import a2a_app
from headway_bridge.a2a.errors import rpc_refusal
from headway_bridge.auth import Authenticator, authenticator_of
from headway_bridge.bodies import BodyBudget
from headway_bridge.listeners import Listener, UnixListener, bind_tcp, url_of
from headway_bridge.memory import settle
from headway_bridge.operator import operator_app
from headway_bridge.pools import bounds_of, raise_file_limit
from headway_bridge.restart import Check, Restart
from headway_bridge.shutdown import LAST_RESORT_S, Stop, say_to_stderr

if TYPE_CHECKING:
    from headway.config import Config
    from headway.engine import Engine
    from headway.home import Home
    from headway.secrets.redactor import Redactor
    from headway_bridge.operator.context import Operator

logger = logging.getLogger("headway.daemon")

SERVERS_END_S = 2.5
"""Seconds that the two servers get to close their connections, once the engine has closed."""

ENGINE_END_S = LAST_RESORT_S - SERVERS_END_S - 0.5
"""Seconds that the engine gets to close, the grace of its runs included."""

MAX_KILLED = 1000
"""Jobs of one status that a hard stop kills one by one; more than that is left to the end of the process."""

_LIVE = ("running", "queued", "paused")


async def run_daemon(
    home: Home,
    config: Config,
    *,
    host: str | None = None,
    port: int | None = None,
    on_ready: Callable[[DaemonInfo], object] | None = None,
    say: Callable[[str], object] = say_to_stderr,
    reload: Check | None = None,
) -> int:
    """Be the daemon of ``home`` until it is stopped; return the exit code (0, or 130 after a second Ctrl-C).

    :data:`headway_bridge.shutdown.AGAIN` instead asks the caller to start it anew, with the same options. ``reload``
    has that happen by itself when tools have changed and nothing runs; it is asked first whether they would load.

    ``host`` and ``port`` default to ``[a2a]`` of the configuration. ``on_ready`` is called once both servers answer
    and ``daemon.json`` is written. SIGTERM and SIGINT are handled from the first moment, so a start that is cut short
    ends too. Raises :class:`HeadwayError` when it cannot start: :class:`InvalidConfig` when the address is not to be
    had, :class:`InvalidInput` when others may read the home's token, :class:`HomeLocked` when the home has a writer.
    """
    stop = Stop(say)
    with stop.signals():
        listener = _listener(config, host, port)
        with contextlib.closing(listener):
            home.prepare()
            authenticator = authenticator_of(config, home)
            redactor = await asyncio.to_thread(_redactor_of, config)
            with redacted_output(redactor):  # what it prints, and its tools print, is its log
                engine = await _open_engine(home, config, stop)
                if engine is None:
                    return stop.exit_code
                engine.secrets.tell(redactor)
                settle()
                return await serve(
                    engine,
                    listener=listener,
                    authenticator=authenticator,
                    stop=stop,
                    on_ready=on_ready,
                    reload=reload,
                )


def _redactor_of(config: Config) -> Redactor:
    """Return what knows the secrets that the configuration declares, before an engine is open."""
    from headway.provision import vault_of

    vault = vault_of(config)
    vault.learn()
    return vault.redactor


async def serve(
    engine: Engine,
    *,
    host: str | None = None,
    port: int | None = None,
    listener: socket.socket | None = None,
    authenticator: Authenticator | None = None,
    stop: Stop | None = None,
    on_ready: Callable[[DaemonInfo], object] | None = None,
    reload: Check | None = None,
) -> int:
    """Serve an open engine until ``stop`` is requested, then close it; return the exit code.

    The A2A endpoint listens on ``listener``, or on ``host`` and ``port`` (default: ``[a2a]``), and lets in whom
    ``authenticator`` knows (default: what ``[a2a] auth`` names). Signals are handled
    only by a ``stop`` whose :meth:`Stop.signals` the caller has entered. The engine is closed in any case.
    """
    stop = stop or Stop()
    async with contextlib.AsyncExitStack() as stack:
        daemon = _Daemon(engine, stop, reload)
        stack.push_async_callback(daemon.close_engine)
        if listener is None:
            listener = _listener(engine.config, host, port)
            stack.callback(listener.close)
        unix = UnixListener(engine.home)
        stack.callback(unix.close)
        await daemon.run(listener, unix, authenticator or authenticator_of(engine.config, engine.home), on_ready)
    return stop.exit_code


def _listener(config: Config, host: str | None, port: int | None) -> socket.socket:
    a2a = config.a2a
    return bind_tcp(
        a2a.host if host is None else host, a2a.port if port is None else port, authenticated=a2a.auth != "none"
    )


async def _open_engine(home: Home, config: Config, stop: Stop) -> Engine | None:
    """Open the engine, or return None if a stop came first; then nothing is open."""
    from headway.engine import Engine

    opening = asyncio.create_task(Engine.open(home, config))
    await _first(opening, stop.soft.wait())
    if not opening.done():
        opening.cancel()
    try:
        engine = await opening
    except asyncio.CancelledError:
        if not stop.soft.is_set():  # not ours: who waits for us was cancelled
            raise
        return None
    if stop.soft.is_set():
        await engine.close(reason="shutdown", grace=0)
        return None
    return engine


class _Daemon:
    """One life of a daemon, from its listeners to the closed engine."""

    def __init__(self, engine: Engine, stop: Stop, reload: Check | None = None) -> None:
        self.restart = Restart(engine, stop, reload)
        self.engine = engine
        self.stop = stop
        self.operator: Operator | None = None
        self._closing: asyncio.Task[None] | None = None

    async def run(
        self,
        listener: socket.socket,
        unix: UnixListener,
        authenticator: Authenticator,
        on_ready: Callable[[DaemonInfo], object] | None,
    ) -> None:
        """Serve until the stop is requested or a server fails; the engine is closed when this returns."""
        engine = self.engine
        url = url_of(listener)
        started_ms = engine.clock.time_ms()
        auth = engine.config.a2a.auth
        header = str(engine.home.token_header_file) if auth == "token" else ""
        info = DaemonInfo(os.getpid(), str(unix.path), url, __version__, started_ms, auth, header)
        admission = engine.config.admission
        budget = BodyBudget(admission.body_bytes)
        app = operator_app(engine, on_stop=self.stop.request, url=url, started_ms=started_ms, budget=budget)
        self.operator = app.state.operator
        self.operator.restart = self.restart
        bounds = bounds_of(admission, raise_file_limit() // 2)  # there are two listeners
        a2a = a2a_app(engine, authenticator=authenticator, budget=budget)
        servers = [Listener(a2a, bounds=bounds, refuse=rpc_refusal), Listener(app, bounds=bounds)]
        tasks = [
            asyncio.create_task(server.serve(sockets=[place]), name=name)
            for server, place, name in zip(servers, (listener, unix.socket), ("a2a", "operator"), strict=True)
        ]
        watching = asyncio.create_task(self._watch(), name="headway-watch")
        try:
            await _first(_all(server.up.wait() for server in servers), self.stop.soft.wait(), *tasks)
            _raise_failure(tasks)
            if not self.stop.soft.is_set():
                write_daemon_file(engine.home, info)
                await engine.keep_schedules()
                if on_ready is not None:
                    on_ready(info)
                await _first(self.stop.soft.wait(), *tasks)
                _raise_failure(tasks)
            await self.close_engine()
        finally:
            unix.remove()
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            await self.restart.aclose()
            await self._end_servers(servers, tasks)
            remove_daemon_file(engine.home, info)

    async def _watch(self) -> None:
        """Follow the files of the project. A daemon that cannot looks at them with each submission all the same."""
        try:
            await self.restart.watch()
        except OSError as error:
            logger.warning("the files of the project are not followed: %s", describe(error))

    async def close_engine(self) -> None:
        """End the runs and close the engine: softly with a grace, or immediately when the stop is hard."""
        if self.operator is not None:
            self.operator.stopping = True
        self.engine.drain("the daemon is stopping")
        if self._closing is not None:
            return
        grace = 0.0 if self.stop.hard.is_set() else self.engine.config.operator.shutdown_secs
        if self.stop.hard.is_set():
            await self._kill_runs()
        self._closing = asyncio.create_task(self.engine.close(reason="shutdown", grace=grace))
        loop = asyncio.get_running_loop()
        deadline = loop.time() + ENGINE_END_S
        killed = self.stop.hard.is_set()
        while not self._closing.done() and loop.time() < deadline:
            waits = [] if killed else [self.stop.hard.wait()]
            await _first(self._closing, *waits, timeout=deadline - loop.time())
            if self.stop.hard.is_set() and not killed:
                killed = True
                await self._kill_runs()
        if not self._closing.done():
            logger.error(
                "the engine did not close within %.0f s: what it still held is left to the next start", ENGINE_END_S
            )
            self._closing.cancel()
            return
        await self._closing

    async def _kill_runs(self) -> None:
        """Kill what runs or waits, newest first. What cannot be killed is left to the deadline."""
        try:
            rows = [row for status in _LIVE for row in await self.engine.jobs(status=status, limit=MAX_KILLED)]
            for row in rows:
                await self.engine.kill(row.job_id, "shutdown", "daemon")
        except HeadwayError as error:
            logger.warning("while killing runs: %s", describe(error))

    async def _end_servers(self, servers: list[Listener], tasks: list[asyncio.Task[None]]) -> None:
        """Close every connection; event streams first, they have no end of their own."""
        if self.operator is not None:
            self.operator.end_streams()
        for server in servers:
            server.should_exit = True
        _, late = await asyncio.wait(tasks, timeout=SERVERS_END_S)
        for task in late:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                logger.warning("a server ended badly: %s", describe(result))


async def _first(*waits: Awaitable[object], timeout: float | None = None) -> None:
    """Return when the first of ``waits`` has ended, or after ``timeout``. Coroutines among them are cancelled then."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    own = [task for task, wait in zip(tasks, waits, strict=True) if task is not wait]
    try:
        await asyncio.wait(tasks, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in own:
            task.cancel()
        await asyncio.gather(*own, return_exceptions=True)


async def _all(waits: Iterable[Awaitable[object]]) -> None:
    await asyncio.gather(*waits)


def _raise_failure(tasks: list[asyncio.Task[None]]) -> None:
    """Raise what ended a server that nobody had asked to end."""
    for task in tasks:
        if task.done() and not task.cancelled() and (error := task.exception()) is not None:
            raise error
