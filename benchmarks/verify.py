"""``verify``: CPU time for 1,000 actions, side by side and one after the other, beside car-runtime's."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks._figure import Figure, at_most
from benchmarks._lanes import CAR_7, CAR_58, lanes

_MS = "ms CPU"
_PEERS = (CAR_58, CAR_7)


SECONDS = 20


def run() -> Iterator[Figure]:
    """Measure; the median of rounds in which the lanes take turns."""
    with lanes() as of:
        yield from of.figure("1,000 flat, parsed", "verify 1000", _MS, at_most(5), _PEERS, rounds=9)
        yield from of.figure("1,000 flat, from JSON", "verify_text 1000", _MS, None, _PEERS, rounds=9)
        yield from of.figure("chain of 1,000 by ids, parsed", "verify_chain 1000", _MS, at_most(10), rounds=9)
        yield from of.figure(
            "chain of 1,000 by state keys, parsed", "verify_key_chain 1000", _MS, at_most(10), _PEERS, rounds=9
        )
