"""The fast set of tests and the whole: decided here and nowhere else.

``make test`` runs the fast set, ``make check`` and the gate all (``pytest --long``). A test that is long in itself is
marked ``long`` and left out of the fast set; one that tries many cases asks :func:`cases` how many it is to try, or
:func:`few` which of those that it names.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TypeVar

T = TypeVar("T")

VARIABLE = "HEADWAY_LONG_TESTS"
"""Set to 1 by ``--long``, so that the processes that tests start know it too."""

FEWER = 8
"""The fast set tries one of so many cases."""


def long_set() -> bool:
    """Return whether all tests run, with all of their cases."""
    return os.environ.get(VARIABLE) == "1"


def cases(full: int) -> int:
    """Return how many cases a test is to try of the ``full`` number that it tries in the long set."""
    return full if long_set() else max(1, full // FEWER)


def few(full: Sequence[T], small: int = 1) -> Sequence[T]:
    """Return which of the named cases a test is to try: all in the long set, the first ``small`` in the fast one."""
    return full if long_set() else full[:small]


def share(full: Mapping[str, T], turn: int) -> dict[str, T]:
    """Return the values to try in one of many places: all, or in the fast set every eighth from ``turn`` on.

    What counts the turns tries all values somewhere, though not each of them everywhere.
    """
    return dict(full) if long_set() else dict(islice(full.items(), turn % FEWER, None, FEWER))
