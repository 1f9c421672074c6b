"""The transition table, every pair of it."""

from __future__ import annotations

import pytest

from headway.errors import InvalidTransition
from headway.jobs.transitions import TRANSITIONS, JobStatus, move

ALLOWED = {
    ("queued", "running"),
    ("queued", "failed"),
    ("queued", "cancelled"),
    ("running", "queued"),
    ("running", "paused"),
    ("running", "completed"),
    ("running", "failed"),
    ("running", "cancelled"),
    ("paused", "running"),
    ("paused", "failed"),
    ("paused", "cancelled"),
}


@pytest.mark.parametrize("then", JobStatus)
@pytest.mark.parametrize("now", JobStatus)
def test_the_table_is_what_it_is(now: JobStatus, then: JobStatus) -> None:
    if (now.value, then.value) in ALLOWED:
        assert move("j", now, then) is then
    else:
        with pytest.raises(InvalidTransition, match=f"job j is {now.value} and cannot become {then.value}"):
            move("j", now, then)


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        TRANSITIONS[JobStatus.FAILED] = frozenset()  # type: ignore[index]
