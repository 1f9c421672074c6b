"""The seed of everything that tests draw: decided here and nowhere else.

It is the same everywhere, in CI too, so that a red build is red for its change. ``HEADWAY_SEED=random`` draws a fresh
one for a run, which its header names, and ``HEADWAY_SEED=<number>`` repeats that run. Hypothesis follows: unasked it
draws the same examples each time, from each test's own name and source.
"""

from __future__ import annotations

import os
import random

VARIABLE = "HEADWAY_SEED"

FIXED = 20_261_130
"""The seed if nobody asks for another."""


def fixed() -> bool:
    """Return whether nobody asked for another seed."""
    return not os.environ.get(VARIABLE)


def settle() -> None:
    """Draw the seed if a fresh one is asked for, once for all processes of a run: those started later inherit it."""
    if os.environ.get(VARIABLE) == "random":
        os.environ[VARIABLE] = str(random.SystemRandom().randrange(2**32))


def number() -> int:
    """Return the seed."""
    settle()
    return int(os.environ.get(VARIABLE) or FIXED)


def chance() -> random.Random:
    """Return what a test draws from, and print what repeats the test."""
    print(f"{VARIABLE}={number()}")
    return random.Random(number())
