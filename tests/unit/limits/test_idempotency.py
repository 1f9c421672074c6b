"""The idempotency cache, and the one question to both caches."""

from __future__ import annotations

import random
from typing import Any

import pytest

from headway.errors import InvalidInput
from headway.limits.cache import ResultCache
from headway.limits.flight import Flight, FlightWaiter, Hit, call_key
from headway.limits.idempotency import IdempotencyCache
from headway.limits.reuse import Asking, Lead, Reuse
from headway.testing import VirtualClock

Told = list[tuple[str, Any]]


def never(found: object, waited: float) -> None:
    raise AssertionError("was not to be called")


def made(*cached: str, keep: bool = False) -> tuple[Reuse, VirtualClock]:
    """Return both caches; ``keep`` gives CAR's rule."""
    clock = VirtualClock()
    results = ResultCache(clock)
    for tool in cached:
        results.enable(tool, 10)
    return Reuse(results, IdempotencyCache(clock, keep=keep)), clock


async def test_by_cars_rule_what_was_done_is_not_done_again_however_long_ago() -> None:
    clock = VirtualClock()
    cache = IdempotencyCache(clock, keep=True)
    flight = cache.begin("t", {"a": 1, "b": 2}, never)
    assert isinstance(flight, Flight)
    flight.succeed({"n": 1}, {"k": 1})
    await clock.advance(1e8)
    assert cache.begin("t", {"b": 2, "a": 1}, never) == Hit({"n": 1}, {"k": 1}, [], "idempotency")
    assert cache.keys() == [call_key("t", {"a": 1, "b": 2})]


def test_a_result_is_kept_for_nobody_who_asks_later() -> None:
    cache, told = IdempotencyCache(VirtualClock()), []
    flight = cache.begin("t", {}, never)
    assert isinstance(flight, Flight)
    cache.begin("t", {}, lambda found, _: told.append(found))
    flight.succeed({"n": 1}, {"k": 1})
    assert told == [Hit({"n": 1}, {"k": 1}, [], "idempotency", kept=False)]
    assert (cache.keys(), len(cache)) == ([], 0)
    assert isinstance(cache.begin("t", {}, never), Flight)


@pytest.mark.parametrize("cached", [True, False])
def test_equal_calls_of_different_principals_are_not_equal(cached: bool) -> None:
    reuse, _ = made(*("t" for _ in range(cached)))
    for principal in ("ada", "bob", None):
        lead = reuse.begin("t", {"x": 1}, never, idempotent=not cached, principal=principal)
        assert isinstance(lead, Lead)
        if cached:
            lead.succeed(principal)
    if cached:
        assert [reuse.results.lookup("t", {"x": 1}, principal=name) for name in ("bob", None)] == [
            Hit("bob", None, [], "cache"),
            Hit(None, None, [], "cache"),
        ]
        reuse.forget("t", {"x": 1}, "bob")
        assert reuse.results.lookup("t", {"x": 1}, principal="bob") is None
        assert reuse.results.lookup("t", {"x": 1}, principal="ada") is not None
    assert call_key("t", {}, '"') != call_key("t", {}) != call_key("t", {}, "a")


def test_a_call_in_flight_is_shared_with_who_could_have_made_it_and_with_nobody_else() -> None:
    reuse, _ = made()
    since = reuse.moment()
    lead = reuse.begin("t", {}, never, idempotent=True, since=since)
    assert isinstance(lead, Lead)
    assert isinstance(reuse.begin("t", {}, never, idempotent=True, since=since), Asking)
    later = reuse.begin("t", {}, never, idempotent=True, since=reuse.moment())  # it has written meanwhile
    assert isinstance(later, Lead)
    later.succeed(2)  # for itself alone
    lead.fail()


def test_at_once_one_is_made_and_a_failure_lets_the_next_run() -> None:
    cache, told = IdempotencyCache(VirtualClock()), []
    flight = cache.begin("t", {}, never)
    assert isinstance(flight, Flight)
    assert isinstance(cache.begin("t", {}, lambda found, _: told.append(found)), FlightWaiter)
    flight.fail()
    assert isinstance(told[0], Flight)


def test_it_is_bounded_and_can_forget() -> None:
    cache = IdempotencyCache(VirtualClock(), keep=True, max_entries=2)
    for n in range(5):
        flight = cache.begin("t", {"n": n}, never)
        assert isinstance(flight, Flight)
        flight.succeed(n)
    assert cache.keys() == [call_key("t", {"n": n}) for n in (3, 4)]
    assert cache.forget("t", {"n": 3}) == 1
    assert isinstance(cache.begin("t", {"n": 3}, never), Flight)


def test_a_tool_that_nothing_concerns_is_just_called() -> None:
    reuse, _ = made("cached")
    assert reuse.begin("other", {}, never) is None


def test_a_success_is_told_to_both_caches() -> None:
    reuse, _ = made("t", keep=True)
    lead = reuse.begin("t", {}, never, idempotent=True)
    assert isinstance(lead, Lead)
    lead.succeed(1, {"k": 2}, [3])
    assert reuse.results.lookup("t", {}) == Hit(1, {"k": 2}, [3], "cache")
    assert reuse.begin("t", {}, never, idempotent=True) == Hit(1, {"k": 2}, [3], "idempotency")
    assert reuse.begin("t", {}, never) == Hit(1, {"k": 2}, [3], "cache")


async def test_the_caches_keep_to_their_own_rules() -> None:
    reuse, clock = made("t", keep=True)
    first = reuse.begin("t", {}, never, idempotent=True)
    assert isinstance(first, Lead)
    first.succeed(1)
    await clock.advance(11)
    again = reuse.begin("t", {}, never)  # not idempotent, and too old
    assert isinstance(again, Lead)
    again.fail()
    assert isinstance(reuse.begin("t", {}, never, idempotent=True), Hit)


def test_what_the_result_cache_has_an_idempotent_action_takes_and_keeps() -> None:
    reuse, _ = made("t", keep=True)
    lead = reuse.begin("t", {}, never)
    assert isinstance(lead, Lead)
    lead.succeed([1])
    found = reuse.begin("t", {}, never, idempotent=True)
    assert isinstance(found, Hit)
    assert found.source == "cache"
    assert reuse.idempotency.lookup("t", {}) == Hit([1], None, [], "idempotency")


async def test_an_idempotent_action_waits_for_a_plain_one_and_the_others_for_it() -> None:
    reuse, clock = made("t")
    told: Told = []
    plain = reuse.begin("t", {}, never)
    assert isinstance(plain, Lead)
    assert isinstance(reuse.begin("t", {}, lambda f, w: told.append(("b", (f, w))), idempotent=True), Asking)
    await clock.advance(1)
    assert isinstance(reuse.begin("t", {}, lambda f, w: told.append(("c", (f, w))), idempotent=True), Asking)
    plain.succeed("x")
    assert sorted(told, key=lambda entry: entry[0]) == [
        ("b", (Hit("x", None, [], "cache", kept=False), 1.0)),
        ("c", (Hit("x", None, [], "idempotency", kept=False), 0.0)),
    ]


def test_a_failure_hands_the_lead_on() -> None:
    reuse, _ = made("t")
    told: Told = []
    plain = reuse.begin("t", {}, never)
    assert isinstance(plain, Lead)
    reuse.begin("t", {}, lambda found, _: told.append(("b", found)), idempotent=True)
    reuse.begin("t", {}, lambda found, _: told.append(("c", found)), idempotent=True)
    plain.fail()
    plain.fail()
    ((name, lead),) = told
    assert name == "b"
    assert isinstance(lead, Lead)
    lead.fail()
    assert told[1][0] == "c"
    assert isinstance(told[1][1], Lead)
    told[1][1].succeed(1)
    assert reuse.idempotency.statistics().in_flight == reuse.results.statistics().in_flight == 0


def test_a_question_taken_back_leaves_its_places_to_others() -> None:
    reuse, _ = made("t")
    told: Told = []
    plain = reuse.begin("t", {}, never)
    assert isinstance(plain, Lead)
    waiting = reuse.begin("t", {}, never, idempotent=True)  # leads in one cache, waits in the other
    assert isinstance(waiting, Asking)
    reuse.begin("t", {}, lambda found, _: told.append(("c", found)), idempotent=True)
    waiting.cancel()
    waiting.cancel()
    plain.succeed(1)
    assert told == [("c", Hit(1, None, [], "cache", kept=False))]


def test_a_result_that_is_not_json_is_kept_nowhere_and_frees_both() -> None:
    reuse, _ = made("t")
    lead = reuse.begin("t", {}, never, idempotent=True)
    assert isinstance(lead, Lead)
    with pytest.raises(InvalidInput):
        lead.succeed(object())
    assert reuse.idempotency.statistics().in_flight == reuse.results.statistics().in_flight == 0
    assert len(reuse.idempotency) == len(reuse.results) == 0


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_every_question_is_answered_and_one_call_is_made_at_a_time(seed: int) -> None:
    rng = random.Random(seed)
    reuse, _ = made("t", "u")
    leads: list[tuple[str, Lead]] = []
    open_questions: dict[int, Asking] = {}

    def ask(number: int, tool: str, idempotent: bool) -> None:
        def answered(found: Any, _: float) -> None:
            del open_questions[number]
            if isinstance(found, Lead):
                leads.append((tool, found))

        found = reuse.begin(tool, {}, answered, idempotent=idempotent)
        if isinstance(found, Asking):
            open_questions[number] = found
        elif isinstance(found, Lead):
            leads.append((tool, found))

    for number in range(300):
        choice = rng.random()
        if choice < 0.6:
            ask(number, rng.choice("tuv"), rng.random() < 0.5)
        elif choice < 0.7 and open_questions:
            open_questions.pop(rng.choice(list(open_questions))).cancel()
        elif leads:
            _, lead = leads.pop(rng.randrange(len(leads)))
            if rng.random() < 0.5:
                lead.fail()
            else:
                lead.succeed(number)
                reuse.results.forget()
                reuse.idempotency.forget()
        assert all(sum(tool == name for name, _ in leads) <= 1 for tool in "tu")
    while leads:
        leads.pop()[1].fail()
    assert not open_questions
    assert reuse.results.statistics().in_flight == reuse.idempotency.statistics().in_flight == 0
