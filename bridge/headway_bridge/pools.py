"""The connections of one listener, in two pools: before and after the first request whose sender is known.

A stranger may cost a socket and a few kilobytes, and keep neither for long: their pool is small, and whoever comes when
it is full takes the place of one that has sent nothing yet, of the peer that has most of those. So silent connections,
however many, lock nobody out; and those who have shown who they are have a pool that strangers do not reach.
"""

from __future__ import annotations

import contextlib
import resource
from collections import Counter
from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING, Protocol

import msgspec

from headway_bridge.security import Refusal

if TYPE_CHECKING:
    from headway.config.model import AdmissionConfig

RETRY_S = 1
"""Seconds after which who was turned away may come back."""

_RESERVED = 128  # files that are no connections: the store, logs, pipes of tools, sockets to elsewhere
_WANTED_FILES = 8192


class Bounds(msgspec.Struct, frozen=True):
    """The cost that connections may have. Times are in seconds.

    ``head`` is how long a request's head may take, ``idle`` how long a connection may wait for a further request,
    ``unread`` how long an answer may lie unread. ``strangers``, ``per_peer`` and ``connections`` are the most
    connections before their sender is known, of one peer (an address, on a Unix socket a user), and of all.
    """

    head: float = 10.0
    idle: float = 60.0
    unread: float = 60.0
    strangers: int = 500
    per_peer: int = 500
    connections: int = 1000

    def fitting(self, files: int) -> Bounds:
        """Return the bounds for a process that may have ``files`` files open: half is for those turned away."""
        most = max(1, (files - _RESERVED) // 2)
        if self.connections <= most:
            return self
        return msgspec.structs.replace(self, connections=most, strangers=min(self.strangers, max(1, most // 2)))


def bounds_of(config: AdmissionConfig, files: int) -> Bounds:
    """Return the bounds that ``[admission]`` sets, as far as ``files`` open files allow."""
    return Bounds(
        head=config.head_secs,
        idle=config.idle_secs,
        strangers=config.max_unauthenticated,
        per_peer=config.max_connections_per_peer,
        connections=config.max_connections,
    ).fitting(files)


def raise_file_limit() -> int:
    """Let this process open as many files as it will need and may; return how many it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED_FILES if hard == resource.RLIM_INFINITY else min(hard, _WANTED_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            return wanted
    return _WANTED_FILES if soft == resource.RLIM_INFINITY else soft


class Member(Protocol):
    """A connection, as far as the pools know it."""

    peer: Hashable

    def turn_away(self, refusal: Refusal) -> None:
        """Answer with the refusal, if a request may be on its way, and close."""


class Pools:
    """The pools of one listener. ``refused`` counts connections that were turned away, or gave way to another."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.refused = 0
        self._strangers: dict[Member, None] = {}
        self._known: dict[Member, None] = {}
        self._quiet: dict[Member, None] = {}  # nothing is under way on them; the longest quiet one first
        self._peers: Counter[Hashable] = Counter()

    def __len__(self) -> int:
        return len(self._strangers) + len(self._known)

    @property
    def strangers(self) -> int:
        """The number of connections whose sender is not known yet."""
        return len(self._strangers)

    def enter(self, member: Member) -> Refusal | None:
        """Take a new connection in, or return why not."""
        bounds = self.bounds
        if self._peers[member.peer] >= bounds.per_peer and not self._give_way(self._of_peer(member.peer)):
            return self._full("there are too many connections from your address")
        if len(self._strangers) >= bounds.strangers and not self._give_way(self._of_greediest()):
            return self._full("too many connections wait for their first request to be answered")
        if len(self) >= bounds.connections and not self._give_way(self._of_greediest(), self._quiet):
            return self._full("there are too many connections")
        self._peers[member.peer] += 1
        self._strangers[member] = None
        self._quiet[member] = None
        return None

    def leave(self, member: Member) -> None:
        """Forget a connection; one that is not in a pool is no matter."""
        if member not in self._strangers and member not in self._known:
            return
        self._strangers.pop(member, None)
        self._known.pop(member, None)
        self._quiet.pop(member, None)
        self._peers[member.peer] -= 1
        if not self._peers[member.peer]:
            del self._peers[member.peer]

    def known(self, member: Member) -> None:
        """Move a connection to the pool of those whose sender is known."""
        if member in self._strangers:
            del self._strangers[member]
            self._known[member] = None

    def quiet(self, member: Member, quiet: bool) -> None:
        """Note whether nothing is under way on a connection: then it may have to give way."""
        self._quiet.pop(member, None)
        if quiet and (member in self._strangers or member in self._known):
            self._quiet[member] = None

    def _give_way(self, *choices: Iterable[Member]) -> bool:
        """Close the first of the ``choices``; return whether there was one."""
        for choice in choices:
            for member in choice:
                self.leave(member)
                member.turn_away(self._full("the connection gave way to a newer one"))
                return True
        return False

    def _of_peer(self, peer: Hashable) -> Iterable[Member]:
        return (member for member in self._quiet if member.peer == peer)

    def _of_greediest(self) -> Iterable[Member]:
        """Return the quiet strangers of the peer that has most of them, the oldest first."""
        waiting = [member for member in self._quiet if member in self._strangers]
        peers = Counter(member.peer for member in waiting)
        greediest = peers.most_common(1)
        return [member for member in waiting if member.peer == greediest[0][0]] if greediest else []

    def _full(self, message: str) -> Refusal:
        self.refused += 1
        return Refusal(503, "overloaded", f"{message}: try again later", RETRY_S)
