"""The pools of connections: who is taken in, and who gives way."""

from __future__ import annotations

import resource
from collections.abc import Hashable

import pytest

from headway.config.model import AdmissionConfig
from headway_bridge.pools import Bounds, Pools, bounds_of, raise_file_limit
from headway_bridge.security import Refusal


class Member:
    def __init__(self, peer: Hashable = "a") -> None:
        self.peer = peer
        self.away: Refusal | None = None

    def turn_away(self, refusal: Refusal) -> None:
        self.away = refusal


def entered(pools: Pools, *peers: Hashable) -> list[Member]:
    members = [Member(peer) for peer in peers]
    for member in members:
        assert pools.enter(member) is None
    return members


def test_a_silent_stranger_gives_way_to_a_new_one_the_oldest_of_the_greediest_peer_first() -> None:
    pools = Pools(Bounds(strangers=4))
    lone, first, second, third = entered(pools, "lone", "many", "many", "many")
    entered(pools, "new")
    assert first.away is not None
    assert (first.away.status, first.away.retry_after) == (503, 1)
    assert lone.away is second.away is third.away is None
    assert (len(pools), pools.strangers, pools.refused) == (4, 4, 1)


def test_strangers_who_are_being_answered_stay_and_the_new_one_is_refused() -> None:
    pools = Pools(Bounds(strangers=2))
    for member in entered(pools, "a", "b"):
        pools.quiet(member, False)
    refusal = pools.enter(Member("c"))
    assert refusal is not None
    assert (refusal.status, refusal.code, refusal.retry_after) == (503, "overloaded", 1)
    assert len(pools) == 2


def test_strangers_take_no_place_of_the_known() -> None:
    pools = Pools(Bounds(strangers=2, connections=4))
    known = entered(pools, "a", "b")
    for member in known:
        pools.quiet(member, False)
        pools.known(member)
    for _ in range(100):
        entered(pools, "flood")
    assert (len(pools), pools.strangers) == (4, 2)
    assert all(member.away is None for member in known)


def test_one_peer_has_so_many_connections_and_no_more() -> None:
    pools = Pools(Bounds(per_peer=2))
    mine = entered(pools, "a", "a")
    for member in mine:
        pools.quiet(member, False)
    refusal = pools.enter(Member("a"))
    assert refusal is not None
    assert "from your address" in refusal.message
    entered(pools, "b")
    pools.leave(mine[0])
    pools.leave(mine[0])
    entered(pools, "a")


def test_who_waits_between_two_requests_gives_way_when_all_places_are_taken() -> None:
    pools = Pools(Bounds(strangers=3, connections=3))
    members = entered(pools, "a", "b", "c")
    for member in members:
        pools.quiet(member, False)
        pools.known(member)
    assert pools.enter(Member("d")) is not None
    pools.quiet(members[1], True)
    pools.quiet(members[0], True)
    entered(pools, "e")
    assert members[1].away is not None
    assert members[0].away is members[2].away is None


def test_the_bounds_are_those_of_the_configuration_as_far_as_files_allow() -> None:
    config = AdmissionConfig(max_connections=600, max_unauthenticated=100, head_secs=3.0)
    bounds = bounds_of(config, 100_000)
    assert (bounds.connections, bounds.strangers, bounds.head) == (600, 100, 3.0)
    few = bounds_of(config, 256)
    assert (few.connections, few.strangers) == (64, 32)
    assert bounds_of(config, 10).connections == 1


def test_the_limit_of_open_files_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = [(256, 100_000)]
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _, limit: limits.append(limit))
    assert raise_file_limit() == 8192
    assert limits[-1] == (8192, 100_000)
    assert raise_file_limit() == 8192
    limits.append((64, 128))
    assert raise_file_limit() == 128
    limits.append((resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    before = len(limits)
    assert raise_file_limit() == 8192
    assert len(limits) == before


def test_a_limit_that_cannot_be_raised_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int, limit: tuple[int, int]) -> None:
        raise ValueError("not allowed")

    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 4096))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    assert raise_file_limit() == 256
