"""Requests to stop: they only get harder, and signals lead to them."""

import os
import signal
from collections.abc import Iterator

import pytest

from headway_bridge.shutdown import CANCELLED, LAST_RESORT_S, Stop
from tests.unit.bridge.operator.waiting import until

pytestmark = pytest.mark.timeout(60, method="thread")  # its other method takes the timer that is tested here


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def stop(said: list[str]) -> Stop:
    return Stop(said.append)


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    outside = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # these tests may themselves run under nohup
    numbers = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGALRM)
    before = [signal.getsignal(number) for number in numbers]
    yield
    assert [signal.getsignal(number) for number in numbers] == before
    signal.signal(signal.SIGHUP, outside)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


async def test_requests_only_get_harder(stop: Stop) -> None:
    assert not stop.soft.is_set()
    stop.request()
    assert (stop.soft.is_set(), stop.hard.is_set()) == (True, False)
    stop.request(now=True)
    stop.request()
    assert (stop.soft.is_set(), stop.hard.is_set()) == (True, True)
    assert stop.exit_code == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
async def test_sigterm_is_soft_however_often(stop: Stop, said: list[str], number: signal.Signals) -> None:
    with stop.signals():
        os.kill(os.getpid(), number)
        await until(stop.soft.is_set)
        assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= LAST_RESORT_S
        os.kill(os.getpid(), number)
        await stop.soft.wait()
    assert not stop.hard.is_set()
    assert stop.exit_code == 0
    assert said == ["stopping: runs are being cancelled"]


async def test_first_ctrl_c_is_soft_second_is_hard(stop: Stop, said: list[str]) -> None:
    with stop.signals():
        os.kill(os.getpid(), signal.SIGINT)
        await until(stop.soft.is_set)
        assert not stop.hard.is_set()
        assert stop.exit_code == 0
        os.kill(os.getpid(), signal.SIGINT)
        await until(stop.hard.is_set)
    assert stop.exit_code == CANCELLED
    assert said == ["stopping: runs are being cancelled, press Ctrl-C again to kill", "killing what still runs"]


async def test_a_request_from_elsewhere_arms_the_last_resort_too(stop: Stop) -> None:
    stop.request()
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0, "only where it owns the process"
    other = Stop()
    with other.signals():
        other.request(now=True)
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0


async def test_nohup_is_respected(stop: Stop) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop.signals():
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) != signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)
