"""The fast set of tests and the whole: decided here and nowhere else.

``make test`` runs the fast set, ``make check`` and the gate all (``pytest --long``). A test that is long in itself is
marked ``long`` and left out of the fast set; one that tries many cases asks :func:`cases` how many it is to try.
"""

from __future__ import annotations

import os

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
