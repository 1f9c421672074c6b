"""The budget of bodies: room is given in turn, comes back, and is never had twice."""

from __future__ import annotations

import asyncio
import json
import random

import pytest

from headway_bridge import bodies
from headway_bridge.bodies import (
    LARGE,
    MAX_VALUES,
    BodyBudget,
    Held,
    Room,
    body_done,
    body_is_large,
    hold,
    too_many_values,
)

LONG = 60.0


async def test_room_is_given_in_turn() -> None:
    room = Room(10)
    assert await room.take(7, 0)
    big = asyncio.create_task(room.take(9, LONG))
    await asyncio.sleep(0)
    small = asyncio.create_task(room.take(1, LONG))
    await asyncio.sleep(0)
    assert not small.done()  # though there would be room: else large ones would never come
    room.give_back(7)
    assert await big
    assert await small
    assert room.left == 0


async def test_who_waits_too_long_gets_nothing_and_holds_nobody_up() -> None:
    room = Room(10)
    assert await room.take(5, 0)
    big = asyncio.create_task(room.take(6, 0.01))
    await asyncio.sleep(0)
    small = asyncio.create_task(room.take(4, LONG))
    assert not await big
    assert await small
    assert not await room.take(11, LONG)
    room.give_back(9)
    assert room.left == 10


async def test_a_line_that_wants_all_the_room_takes_nobody_more_and_says_so_without_a_wait() -> None:
    room = Room(10)
    assert await room.take(10, 0)
    first, second = (asyncio.create_task(room.take(size, LONG)) for size in (7, 3))
    await asyncio.sleep(0)
    assert not await room.take(1, LONG)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    third = asyncio.create_task(room.take(7, LONG))  # in the place of one that left
    await asyncio.sleep(0)
    assert not third.done()
    assert not await room.take(1, LONG)
    room.give_back(10)
    assert (await second, await third, room.left) == (True, True, 0)
    assert not await room.take(1, 0)
    fourth = asyncio.create_task(room.take(10, LONG))  # nobody is in line any more
    await asyncio.sleep(0)
    room.give_back(10)
    assert await fourth


async def test_room_survives_cancels() -> None:
    chance, room = random.Random(7), Room(100)

    async def use() -> None:
        size = chance.randint(1, 60)
        if await room.take(size, chance.choice([0.0, 0.001, LONG])):
            try:
                for _ in range(chance.randint(0, 3)):
                    await asyncio.sleep(0)
            finally:
                room.give_back(size)

    tasks = []
    for _ in range(300):
        tasks.append(asyncio.create_task(use()))
        await asyncio.sleep(0)
        if chance.random() < 0.5:
            chance.choice(tasks).cancel()
        assert 0 <= room.left <= 100
    await asyncio.gather(*tasks, return_exceptions=True)
    assert room.left == 100


async def test_a_small_body_that_grows_is_a_large_one() -> None:
    budget = BodyBudget(10 * LARGE)
    held = Held(budget)
    assert await held.grow(LARGE)
    assert (held.size, budget.large.left) == (LARGE, 10 * LARGE)
    assert await held.grow(3 * LARGE)
    assert await held.grow(LARGE)
    assert (held.size, budget.large.left) == (3 * LARGE, 7 * LARGE)
    assert budget.small.left == budget.small.size
    held.release()
    held.release()
    assert budget.large.left == 10 * LARGE


async def test_large_bodies_are_worked_on_one_at_a_time_until_they_are_done() -> None:
    budget = BodyBudget(10 * LARGE)
    first, second, small = Held(budget), Held(budget), Held(budget)
    await first.grow(2 * LARGE)
    await second.grow(2 * LARGE)
    await small.grow(10)
    await first.begin()
    await first.begin()
    await small.begin()
    waiting = asyncio.create_task(second.begin())
    await asyncio.sleep(0)
    assert not waiting.done()
    hold(first)
    body_done()
    await waiting
    assert first.size == 0
    second.release()
    small.release()
    hold(None)
    body_done()
    assert not budget.work.locked()


async def test_no_room_is_told_and_what_was_held_is_kept() -> None:
    budget = BodyBudget(2 * LARGE, patience=0.0)
    first, second = Held(budget), Held(budget)
    assert await first.grow(2 * LARGE)
    assert await second.grow(LARGE)
    assert not await second.grow(LARGE + 1)
    assert second.size == LARGE
    first.release()
    assert await second.grow(LARGE + 1)


async def test_a_request_knows_whether_its_body_is_large() -> None:
    held = Held(BodyBudget())
    assert not body_is_large()
    hold(held)
    await held.grow(LARGE)
    assert not body_is_large()
    await held.grow(LARGE + 1)
    assert body_is_large()
    body_done()
    assert not body_is_large()


@pytest.mark.parametrize("value", ['"ab"', "1", "[]", "{}", '{"k":1}'])
def test_bodies_with_too_many_values_are_told_without_parsing_them(value: str) -> None:
    few = f"[{','.join([value] * 1000)}]".encode()
    assert not too_many_values(few)
    assert too_many_values(f"[{','.join([value] * (MAX_VALUES + 1))}]".encode())


def test_what_stands_in_strings_is_no_value() -> None:
    assert not too_many_values(json.dumps(["a,b:[{" * MAX_VALUES]).encode())
    assert not too_many_values(json.dumps([',\\",' * MAX_VALUES]).encode())


def test_marks_are_counted_in_steps_as_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(3)
    kinds = ['a"b', "\\", ",,:[", "x" * 60, {'k"': [1, 2, {"z": ","}]}, 3]
    for _ in range(200):
        monkeypatch.setattr(bodies, "_STEP", chance.choice([1, 3, 7, 50]))
        body = json.dumps(chance.choices(kinds, k=chance.randint(0, 30))).encode()
        assert bodies._marks_outside_strings(body) == bodies._marks(bodies.without_strings(body))
