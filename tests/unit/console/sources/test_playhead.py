"""Recorded time follows real time by the speed chosen, and stands still when told."""

import math

import pytest

from headway.testing import VirtualClock
from headway_console.source import SPEEDS
from headway_console.sources.playhead import Playhead

pytestmark = pytest.mark.anyio


async def test_it_stands_until_played() -> None:
    clock = VirtualClock()
    head = Playhead(clock)
    await clock.advance(5)
    assert (head.playing, head.position_ms, head.seconds_until(100)) == (False, 0, math.inf)
    head.play()
    await clock.advance(1.5)
    assert (head.playing, head.position_ms) == (True, 1500)
    head.pause()
    await clock.advance(5)
    assert head.position_ms == 1500
    head.play()
    await clock.advance(1)
    assert head.position_ms == 2500


@pytest.mark.parametrize("speed", SPEEDS)
async def test_speeds_are_exact(speed: float) -> None:
    clock = VirtualClock()
    head = Playhead(clock, speed)
    head.play()
    await clock.advance(7)
    assert head.position_ms == pytest.approx(7000 * speed)
    assert head.seconds_until(7000 * speed + 600) == pytest.approx(0.6 / speed)
    assert head.seconds_until(10) == 0 or speed < 1


async def test_a_new_speed_counts_from_now() -> None:
    clock = VirtualClock()
    head = Playhead(clock)
    head.play()
    await clock.advance(2)
    head.set_speed(10)
    await clock.advance(1)
    assert head.position_ms == pytest.approx(12_000)
    head.place(500)
    await clock.advance(1)
    assert head.position_ms == pytest.approx(10_500)


async def test_at_once() -> None:
    clock = VirtualClock()
    head = Playhead(clock, math.inf)
    head.place(40)
    head.play()
    assert head.position_ms == 40
    await clock.advance(0.001)
    assert head.position_ms == math.inf
    assert head.seconds_until(1e12) == 0
    head.pause()
    assert head.position_ms == 40
    head.play()
    await clock.advance(0.001)
    head.set_speed(2)
    await clock.advance(1)
    assert head.position_ms == pytest.approx(2040)


@pytest.mark.parametrize("speed", [0, -1, math.nan])
async def test_a_speed_is_positive(speed: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        Playhead(VirtualClock()).set_speed(speed)
