"""The context that the routes share: the engine, who asks, whether the daemon is going away."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from fastapi import Depends, Request

from headway.client.wire import ACTOR_HEADER
from headway.errors import Closing, Unavailable, one_line
from headway_bridge.peer import peer_in

if TYPE_CHECKING:
    from headway.engine import Engine
    from headway.events.subscription import Subscription
    from headway_bridge.restart import Restart

MAX_ACTOR = 200
"""The longest name of an actor that the audit keeps, in characters."""


class Actor(NamedTuple):
    """Whoever gives a command: ``name`` is what they call themselves, ``peer`` what the kernel says of them."""

    name: str
    peer: dict[str, Any]


class Operator:
    """One daemon as its operator API sees it.

    ``on_stop(now)`` begins the daemon's end; None for a process that is no daemon: it ends with its jobs. ``url`` is
    the A2A endpoint; ``started_ms`` when it began. Once ``stopping`` is set, new work is refused; reads, cancels and
    streams continue to the end.
    """

    def __init__(self, engine: Engine, on_stop: Callable[[bool], object] | None, url: str, started_ms: int) -> None:
        self.engine = engine
        self.on_stop = on_stop
        self.url = url
        self.started_ms = started_ms
        self.stopping = False
        self.restart: Restart | None = None
        self._streams: set[Subscription] = set()

    def admit(self) -> None:
        """Raise :class:`Closing` when new work comes too late."""
        if self.stopping:
            raise Closing("the daemon is stopping: it takes no new work")

    def follow(self, after: int, job_id: str | None) -> Subscription:
        """Open a subscription that :meth:`end_streams` ends; give it back with :meth:`unfollow`."""
        if self.engine.log.closed:
            raise Unavailable("the daemon is stopping")
        subscription: Subscription = self.engine.subscribe(after, job_id)
        self._streams.add(subscription)
        return subscription

    def unfollow(self, subscription: Subscription) -> None:
        """End one subscription."""
        subscription.close()
        self._streams.discard(subscription)

    @property
    def streams(self) -> int:
        """The number of open event streams."""
        return len(self._streams)

    def end_streams(self) -> None:
        """End every open event stream, however far its reader is."""
        for subscription in list(self._streams):
            subscription.close()

    async def audit(self, who: Actor, what: str, target: str | None = None, **detail: Any) -> None:
        """Record that a command was carried out."""
        told = {name: value for name, value in detail.items() if value is not None}
        await self.engine.audit(who.name, what, target, told or None, who.peer or None)


def operator_of(request: Request) -> Operator:
    """Return the application's :class:`Operator`."""
    operator: Operator = request.app.state.operator
    return operator


def actor_of(request: Request) -> Actor:
    """Return who gives the command: the header's text on one line, else the user at the other end of the socket."""
    given = request.headers.get(ACTOR_HEADER, "")
    name = one_line(given.encode("latin-1").decode("utf-8", "replace"), MAX_ACTOR)
    peer = peer_in(request.scope)
    return Actor(name or peer.get("address") or f"unix:{peer.get('uid', os.getuid())}", peer)


Op = Annotated[Operator, Depends(operator_of)]
Who = Annotated[Actor, Depends(actor_of)]
