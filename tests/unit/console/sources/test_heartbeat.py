"""A daemon that is asked every second, and what is known of it meanwhile."""

import asyncio

import pytest

from headway.errors import NoAnswer, Unavailable
from headway.testing import VirtualClock
from headway_console.sources.heartbeat import BEAT_S, SILENCE_S, Heartbeat

pytestmark = pytest.mark.anyio


class Daemon:
    """Answers, refuses or says nothing."""

    def __init__(self) -> None:
        self.asked = 0
        self.problem = ""
        self.silent = asyncio.Event()
        self.silent.set()

    async def ask(self) -> None:
        self.asked += 1
        await self.silent.wait()
        if self.problem:
            raise Unavailable(self.problem)


async def test_it_asks_every_second() -> None:
    clock, daemon = VirtualClock(), Daemon()
    heart = Heartbeat(daemon.ask, clock)
    assert heart.problem == ""
    heart.start()
    heart.start()
    await clock.advance(10 * BEAT_S)
    assert daemon.asked == 11
    await heart.stop()
    await heart.stop()
    await clock.advance(10)
    assert daemon.asked == 11
    assert clock.pending == 0


async def test_a_refusal_is_a_problem_until_it_answers() -> None:
    clock, daemon = VirtualClock(), Daemon()
    heart = Heartbeat(daemon.ask, clock)
    heart.start()
    await clock.advance(5.5)
    daemon.problem = "gone"
    await clock.advance(3)
    assert (heart.problem, heart.gone, heart.since_ms) == ("gone", True, clock.time_ms() - 2500)
    daemon.problem = ""
    await clock.advance(1)
    assert (heart.problem, heart.gone, heart.since_ms) == ("", False, clock.time_ms() - 500)
    await heart.stop()


async def test_who_gives_no_answer_in_time_is_there() -> None:
    clock = VirtualClock()

    async def ask() -> None:
        raise NoAnswer

    heart = Heartbeat(ask, clock)
    await heart.beat()
    assert (heart.problem, heart.gone) == ("The daemon did not answer in time.", False)


async def test_silence_is_noticed_in_two_seconds() -> None:
    clock, daemon = VirtualClock(), Daemon()
    heart = Heartbeat(daemon.ask, clock)
    daemon.silent.clear()
    heart.start()
    await clock.advance(SILENCE_S - 0.01)
    assert heart.problem == ""
    await clock.advance(0.01)
    assert (heart.problem, heart.gone) == ("the daemon does not answer", False)
    daemon.silent.set()
    await clock.advance(0)
    assert heart.problem == ""
    await heart.stop()


async def test_the_first_that_is_known_is_an_answer_or_that_it_is_late() -> None:
    clock, daemon = VirtualClock(), Daemon()
    heart = Heartbeat(daemon.ask, clock)
    daemon.silent.clear()
    heart.start()
    first = asyncio.create_task(heart.first())
    await clock.advance(SILENCE_S - 0.01)
    assert not first.done()
    await clock.advance(0.01)
    assert first.done()
    await heart.stop()


async def test_who_is_gone_is_not_thought_silent_while_it_is_looked_for() -> None:
    clock, daemon = VirtualClock(), Daemon()
    daemon.problem = "no route"
    heart = Heartbeat(daemon.ask, clock)
    heart.start()
    await clock.advance(0)
    since = heart.since_ms
    for _ in range(3):  # each question takes longer than a silence
        daemon.silent.clear()
        await clock.advance(BEAT_S + SILENCE_S + 1)
        assert (heart.problem, heart.gone, heart.since_ms) == ("no route", True, since)
        daemon.silent.set()
        await clock.advance(0)
    await heart.stop()


async def test_what_nobody_foresaw_ends_the_wait_for_the_first() -> None:
    async def ask() -> None:
        raise ZeroDivisionError

    clock = VirtualClock()
    heart = Heartbeat(ask, clock)
    heart.start()
    first = asyncio.create_task(heart.first())
    await clock.advance(0)
    assert first.done()
    await heart.stop()


async def test_a_sign_of_change_makes_it_ask_at_once() -> None:
    clock, daemon = VirtualClock(), Daemon()
    heart = Heartbeat(daemon.ask, clock)
    heart.start()
    await clock.advance(BEAT_S / 4)
    assert daemon.asked == 1
    heart.hurry()
    await clock.advance(0)
    assert daemon.asked == 2
    await clock.advance(BEAT_S * 0.99)
    assert daemon.asked == 2, "the next comes a second after that one"
    await clock.advance(BEAT_S * 0.01)
    assert daemon.asked == 3
    await heart.stop()
    assert clock.pending == 0
