"""The executor: CPU per action from a parsed proposal, verification included, beside peers that take the same plan."""

from __future__ import annotations

from benchmarks._figure import Figure, at_most
from benchmarks._lanes import ASYNCIO, CAR_7, CAR_58, DBOS, LANGGRAPH, Lanes, lanes

_CPU = "µs CPU/action"
_MEMORY = (ASYNCIO, CAR_58, CAR_7, LANGGRAPH)
_DURABLE = (LANGGRAPH, DBOS)


def run() -> list[Figure]:
    """Measure; the median of rounds in which the lanes take turns."""
    with lanes() as opened:
        return [*_in_memory(opened), *_durable(opened), *_long_logs(opened), *_waiting(opened), *_resident(opened)]


def _in_memory(of: Lanes) -> list[Figure]:
    return [
        of.figure("in memory, 1,000 flat", "flat 1000", _CPU, at_most(40), _MEMORY, rounds=9, slow=5),
        of.figure("in memory, 1,000 flat, JSON in, JSON out", "text 1000", _CPU, None, (CAR_58, CAR_7)),
        of.figure("in memory, 20 x 50", "layers 20 50", _CPU, at_most(50), _MEMORY, slow=5),
        of.figure("in memory, chain of 100", "chain 100", _CPU, at_most(90), _MEMORY, slow=5),
        of.figure("in memory, 10,000 flat", "flat 10000", _CPU, None, (ASYNCIO, CAR_58, CAR_7), rounds=5, slow=3),
        of.figure(
            "10,000 flat, one action against one of 1,000",
            "growth 10000 1000",
            "times",
            at_most(1.3),
            (ASYNCIO, CAR_58, CAR_7),
            rounds=9,
            slow=3,
        ),
    ]


def _durable(of: Lanes) -> list[Figure]:
    return [
        of.figure("durable, 1,000 flat", "durable_flat 1000", _CPU, at_most(110), _DURABLE, slow=3),
        of.figure("durable, 20 x 50", "durable_layers 20 50", _CPU, None, (LANGGRAPH,), slow=3),
        of.figure("durable, chain of 100", "durable_chain 100", _CPU, None, _DURABLE, slow=3),
    ]


def _long_logs(of: Lanes) -> list[Figure]:
    return [
        of.figure(
            "in memory, 1,000 flat after 30,000 events, against the first",
            "aged 30000 1000",
            "times",
            at_most(1.1),
            (CAR_7,),
            slow=3,
        ),
        of.figure(
            "durable, 1,000 flat after 30,000 events, against the first",
            "aged_durable 30000 1000",
            "times",
            at_most(1.1),
        ),
    ]


def _waiting(of: Lanes) -> list[Figure]:
    peers = (ASYNCIO, CAR_58, CAR_7)
    return [
        of.figure("50 tools x 10 ms, async", "nap_async 50", "ms wall", at_most(15), peers, slow=3),
        of.figure("50 tools x 10 ms, sync", "nap_sync 50", "ms wall", at_most(25), peers, slow=3),
    ]


def _resident(of: Lanes) -> list[Figure]:
    peers = (ASYNCIO, CAR_58, CAR_7, LANGGRAPH)
    return [
        of.figure("peak memory, ready to run", "memory 0", "MB", None, peers, rounds=1, fresh=True),
        of.figure("peak memory, 10,000 flat", "memory 10000", "MB", None, peers, rounds=1, fresh=True),
    ]
