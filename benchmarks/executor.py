"""The executor: CPU per action from a parsed proposal, verification included, beside peers that take the same plan."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks._figure import Figure, at_most
from benchmarks._lanes import ASYNCIO, CAR_7, CAR_58, DBOS, LANGGRAPH, Lanes, lanes

SECONDS = 90

_CPU = "µs CPU/action"
_MEMORY = (ASYNCIO, CAR_58, CAR_7, LANGGRAPH)
_DURABLE = (ASYNCIO, LANGGRAPH, DBOS)


def run() -> Iterator[Figure]:
    """Measure; the median of rounds in which the lanes take turns."""
    with lanes() as opened:
        yield from _in_memory(opened)
        yield from _durable(opened)
        yield from _waiting(opened)
        yield from _long(opened)
        yield from _resident(opened)


def _in_memory(of: Lanes) -> Iterator[Figure]:
    yield from of.figure(
        "in memory, 1,000 flat", "flat 1000", _CPU, at_most(40), _MEMORY, rounds=9, slow=9,
        against=(ASYNCIO, at_most(2.8)),
    )  # fmt: skip
    yield from of.figure(
        "in memory, 1,000 flat, JSON in, JSON out", "text 1000", _CPU, None, (CAR_58, CAR_7),
        against=(CAR_58, at_most(0.4)),
    )  # fmt: skip
    yield from of.figure("in memory, 20 x 50", "layers 20 50", _CPU, at_most(50), _MEMORY, slow=5)
    yield from of.figure("in memory, chain of 100", "chain 100", _CPU, at_most(90), _MEMORY, slow=5)


def _durable(of: Lanes) -> Iterator[Figure]:
    yield from of.figure(
        "durable, 1,000 flat", "durable_flat 1000", _CPU, at_most(110), _DURABLE,
        against=(ASYNCIO, at_most(6.5)),
    )  # fmt: skip
    yield from of.figure("durable, 20 x 50", "durable_layers 20 50", _CPU, None, (LANGGRAPH,), slow=3)
    yield from of.figure(
        "durable, chain of 100", "durable_chain 100", _CPU, None, _DURABLE, against=(ASYNCIO, at_most(25)),
    )  # fmt: skip


def _waiting(of: Lanes) -> Iterator[Figure]:
    peers = (ASYNCIO, CAR_58, CAR_7)
    yield from of.figure("50 tools x 10 ms, async", "nap_async 50", "ms wall", at_most(15), peers, slow=3, seconds=5)
    yield from of.figure(
        "10 runs of a 100 ms tool in scopes of their own, against one", "scopes 10", "times", at_most(1.5),
        rounds=5, seconds=5,
    )  # fmt: skip
    yield from of.figure("50 tools x 10 ms, sync", "nap_sync 50", "ms wall", at_most(25), peers, slow=3, seconds=5)


def _long(of: Lanes) -> Iterator[Figure]:
    peers = (ASYNCIO, CAR_58, CAR_7)
    yield from of.figure("in memory, 10,000 flat", "flat 10000", _CPU, None, peers, rounds=3, slow=2)
    yield from of.figure(
        "10,000 flat, one action against one of 1,000", "growth 10000 1000", "times", at_most(1.3), peers,
        rounds=3, slow=1,
    )  # fmt: skip
    for what, case, more in (("in memory", "aged", (CAR_7,)), ("durable", "aged_durable", ())):
        name = f"{what}, 1,000 flat after 30,000 events, against the first"
        yield from of.figure(name, f"{case} 30000 1000", "times", at_most(1.1), more, rounds=3, slow=1)


def _resident(of: Lanes) -> Iterator[Figure]:
    peers = (ASYNCIO, CAR_58, CAR_7, LANGGRAPH)
    for what, count in (("ready to run", 0), ("10,000 flat", 10_000)):
        yield from of.figure(f"peak memory, {what}", f"memory {count}", "MB", None, peers, rounds=1, fresh=True)
