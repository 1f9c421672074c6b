"""The result cache: time to live, bounds, one call at a time, results that nobody can change."""

from __future__ import annotations

import math
from typing import Any

import pytest

from headway.errors import InvalidInput
from headway.limits.cache import ResultCache
from headway.limits.flight import Flight, FlightWaiter, Hit, call_key
from headway.testing import VirtualClock


class Line:
    """The words that waiters were told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Hit | Flight, float]] = []

    def __call__(self, name: str) -> Any:
        return lambda found, waited: self.told.append((name, found, waited))


def never(found: object, waited: float) -> None:
    raise AssertionError("was not to be called")


def lead(cache: ResultCache, params: dict[str, Any], tool: str = "t") -> Flight:
    flight = cache.begin(tool, params, never)
    assert isinstance(flight, Flight)
    return flight


def made(clock: VirtualClock | None = None, **bounds: int) -> ResultCache:
    cache = ResultCache(clock or VirtualClock(), **bounds)
    cache.enable("t", 10)
    return cache


def test_a_tool_that_is_not_enabled_is_just_called() -> None:
    cache = ResultCache(VirtualClock())
    assert cache.begin("t", {}, never) is None
    assert not cache.enabled("t")
    assert not cache.enabled(None)
    assert cache.ttl("t") is None


def test_a_result_is_found_again_whatever_the_order_of_its_parameters() -> None:
    cache = made()
    lead(cache, {"b": {"y": 1, "x": [2]}, "a": None}).succeed({"rows": [1]}, {"k": 5}, [{"name": "f"}])
    hit = cache.begin("t", {"a": None, "b": {"x": [2], "y": 1}}, never)
    assert hit == Hit({"rows": [1]}, {"k": 5}, [{"name": "f"}], "cache")
    assert cache.lookup("t", {"a": None, "b": {"x": [2], "y": 1}}) == hit


@pytest.mark.parametrize("other", [{"a": 1.0}, {"a": True}, {"a": "1"}, {"a": [1]}, {}, {"a": 1, "b": None}])
def test_other_parameters_are_another_call(other: dict[str, Any]) -> None:
    cache = made()
    lead(cache, {"a": 1}).succeed("one")
    assert cache.lookup("t", other) is None
    assert cache.lookup("u", {"a": 1}) is None


def test_nobody_can_change_what_is_kept() -> None:
    cache = made()
    output, params = {"rows": [1]}, {"ids": [1]}
    flight = lead(cache, params)
    params["ids"].append(2)
    flight.succeed(output)
    output["rows"].append(2)
    hit = cache.lookup("t", {"ids": [1]})
    assert hit is not None
    hit.output["rows"].append(3)
    again = cache.lookup("t", {"ids": [1]})
    assert again is not None
    assert again.output == {"rows": [1]}


async def test_a_result_lives_as_long_as_its_tool_says() -> None:
    clock = VirtualClock()
    cache = made(clock)
    lead(cache, {}).succeed(1)
    await clock.advance(9.9)
    assert cache.lookup("t", {}) is not None
    cache.enable("t", 20)  # holds for what is kept already
    assert cache.ttl("t") == 20
    await clock.advance(10)
    assert cache.lookup("t", {}) is not None
    await clock.advance(0.2)
    assert cache.lookup("t", {}) is None
    assert cache.statistics().entries == 0


async def test_keys_and_statistics_leave_out_what_is_too_old() -> None:
    clock = VirtualClock()
    cache = made(clock)
    lead(cache, {}).succeed(1)
    assert cache.keys() == [call_key("t", {})]
    assert (cache.statistics().entries, len(cache)) == (1, 1)
    assert cache.statistics().bytes > 0
    await clock.advance(10)
    assert cache.keys() == []
    assert (cache.statistics().entries, cache.statistics().bytes) == (0, 0)


def test_keys_tell_nothing_of_the_parameters() -> None:
    key = call_key("t", {"password": "hunter2"})
    assert key.startswith("t:")
    assert "hunter2" not in key
    assert len(key) == 2 + 64


async def test_who_comes_while_a_call_is_made_gets_its_result() -> None:
    clock = VirtualClock()
    cache, line = made(clock), Line()
    flight = lead(cache, {})
    waiter = cache.begin("t", {}, line("b"))
    assert isinstance(waiter, FlightWaiter)
    await clock.advance(2)
    cache.begin("t", {}, line("c"))
    assert cache.statistics().waiting == 2
    assert cache.statistics().in_flight == 1
    flight.succeed([1])
    assert [(name, waited) for name, _, waited in line.told] == [("b", 2.0), ("c", 0.0)]
    first, second = (found for _, found, _ in line.told)
    assert isinstance(first, Hit)
    assert isinstance(second, Hit)
    assert first.output == second.output == [1]
    assert first.output is not second.output
    statistics = cache.statistics()
    assert (statistics.hits, statistics.misses, statistics.in_flight, statistics.waiting) == (2, 1, 0, 0)


def test_a_failure_is_not_kept_and_lets_the_next_in_line_run() -> None:
    cache, line = made(), Line()
    flight = lead(cache, {})
    for name in "bcd":
        cache.begin("t", {}, line(name))
    flight.fail()
    ((name, second, _),) = line.told
    assert name == "b"
    assert isinstance(second, Flight)
    second.fail()
    third = line.told[1][1]
    assert isinstance(third, Flight)
    third.succeed("at last")
    assert line.told[2][0] == "d"
    assert isinstance(line.told[2][1], Hit)
    assert cache.statistics().misses == 3


def test_a_failure_that_nobody_waits_for_leaves_nothing() -> None:
    cache = made()
    lead(cache, {}).cancel()
    assert cache.statistics().in_flight == 0
    lead(cache, {}).succeed(1)  # and the next is asked to call


def test_ending_a_flight_twice_is_harmless() -> None:
    cache = made()
    flight = lead(cache, {})
    flight.succeed(1)
    flight.fail()
    flight.succeed(2)
    assert cache.lookup("t", {}) == Hit(1, None, [], "cache")


def test_who_leaves_the_line_is_not_told() -> None:
    cache, line = made(), Line()
    flight = lead(cache, {})
    gone = cache.begin("t", {}, line("gone"))
    cache.begin("t", {}, line("stays"))
    assert isinstance(gone, FlightWaiter)
    gone.cancel()
    gone.cancel()
    assert cache.statistics().waiting == 1
    flight.fail()
    assert [name for name, _, _ in line.told] == ["stays"]
    flight = line.told[0][1]  # type: ignore[assignment]
    flight.fail()
    assert cache.statistics().in_flight == 0


def test_a_long_line_of_failures_needs_no_stack() -> None:
    cache = made()
    flight, failed = lead(cache, {}), []

    def fail_at_once(found: Hit | Flight, waited: float) -> None:
        assert isinstance(found, Flight)
        failed.append(found)
        found.fail()

    for _ in range(5000):
        cache.begin("t", {}, fail_at_once)
    flight.fail()
    assert len(failed) == 5000
    assert cache.statistics().in_flight == 0


@pytest.mark.parametrize("succeeds", [True, False])
def test_a_callback_that_raises_takes_nothing_from_the_others(succeeds: bool, caplog: pytest.LogCaptureFixture) -> None:
    cache, line = made(), Line()
    flight = lead(cache, {})
    cache.begin("t", {}, never)
    cache.begin("t", {}, line("b"))
    if succeeds:
        flight.succeed(1)
    else:
        flight.fail()
    assert [name for name, _, _ in line.told] == ["b"]
    assert "who waited for a call of 't' failed" in caplog.text


def test_who_asks_from_inside_a_callback_finds_the_result() -> None:
    cache, found = made(), []
    flight = lead(cache, {})
    cache.begin("t", {}, lambda _, __: found.append(cache.begin("t", {}, never)))
    flight.succeed(1)
    assert found == [Hit(1, None, [], "cache")]


@pytest.mark.parametrize("output", [math.nan, [math.inf], object(), "\ud800", {1, object()}])
def test_a_result_that_is_not_json_fails_the_flight(output: Any) -> None:
    cache, line = made(), Line()
    flight = lead(cache, {})
    cache.begin("t", {}, line("b"))
    with pytest.raises(InvalidInput) as caught:
        flight.succeed(output)
    assert "\n" not in str(caught.value)
    assert isinstance(line.told[0][1], Flight)
    assert len(cache) == 0


def nested() -> Any:
    value: Any = []
    for _ in range(100_000):
        value = [value]
    return value


@pytest.mark.parametrize("params", [{"a": math.nan}, {"a": "\ud800"}, {"a": object()}, {"a": nested()}, [], None, 5])
def test_parameters_that_are_not_json_are_refused_and_change_nothing(params: Any) -> None:
    cache = made()
    for ask in (cache.lookup, lambda tool, value: cache.begin(tool, value, never)):
        with pytest.raises(InvalidInput) as caught:
            ask("t", params)
        assert "\n" not in str(caught.value)
    assert cache.statistics().misses == 0
    assert cache.statistics().in_flight == 0
    with pytest.raises(InvalidInput):
        call_key(3, {})  # type: ignore[arg-type]


def test_a_null_is_not_a_nan() -> None:
    cache = made()
    lead(cache, {"a": None, "b": "null"}).succeed(None)
    hit = cache.lookup("t", {"a": None, "b": "null"})
    assert hit is not None
    assert hit.output is None


def test_the_least_recently_used_goes_first() -> None:
    cache = made(max_entries=2)
    lead(cache, {"n": 1}).succeed(1)
    lead(cache, {"n": 2}).succeed(2)
    assert cache.lookup("t", {"n": 1}) is not None
    lead(cache, {"n": 3}).succeed(3)
    assert cache.keys() == [call_key("t", {"n": 1}), call_key("t", {"n": 3})]
    assert cache.statistics().evictions == 1


def test_bytes_are_bounded_and_what_is_too_large_is_shared_but_not_kept() -> None:
    cache, line = made(max_bytes=2000), Line()
    for n in range(10):
        lead(cache, {"n": n}).succeed("x" * 500)
        assert cache.statistics().bytes <= 2000
    assert cache.statistics().entries == 2
    flight = lead(cache, {"n": "large"})
    cache.begin("t", {"n": "large"}, line("b"))
    flight.succeed("y" * 3000)
    assert isinstance(line.told[0][1], Hit)
    assert cache.lookup("t", {"n": "large"}) is None
    assert cache.statistics().entries == 2


def test_disabling_forgets_and_a_call_in_flight_is_shared_but_not_kept() -> None:
    cache, line = made(), Line()
    lead(cache, {"n": 1}).succeed(1)
    flight = lead(cache, {"n": 2})
    cache.begin("t", {"n": 2}, line("b"))
    assert cache.disable("t")
    assert not cache.disable("t")
    flight.succeed(2)
    assert isinstance(line.told[0][1], Hit)
    assert len(cache) == 0
    cache.enable("t", 5)
    cache.enable("t", 0)  # the same
    assert not cache.enabled("t")


def test_forgetting_one_call_a_tool_or_all() -> None:
    cache = made()
    cache.enable("u", 5)
    for tool, n in (("t", 1), ("t", 2), ("t", 3), ("u", 1)):
        lead(cache, {"n": n}, tool).succeed(n)
    assert cache.forget("t", {"n": 1}) == 1
    assert cache.forget("t", {"n": 1}) == 0
    assert cache.forget("t") == 2
    assert cache.forget() == 1
    assert cache.statistics().bytes == 0


@pytest.mark.parametrize("ttl", [-1, math.nan, math.inf, 1e10, "5", None, True])
def test_a_time_that_is_none_is_refused(ttl: Any) -> None:
    cache = made()
    with pytest.raises(InvalidInput, match="time to live"):
        cache.enable("t", ttl)
    assert cache.ttl("t") == 10


def test_bounds_and_names_that_are_none_are_refused() -> None:
    with pytest.raises(InvalidInput):
        ResultCache(VirtualClock(), max_entries=0)
    with pytest.raises(InvalidInput):
        ResultCache(VirtualClock(), max_bytes=2.5)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput):
        ResultCache(VirtualClock()).enable(3, 1)  # type: ignore[arg-type]


def test_repr_shows_no_result() -> None:
    cache = made()
    lead(cache, {}).succeed("secret")
    assert repr(cache) == "ResultCache(1 results)"
