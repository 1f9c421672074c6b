"""The places of a room: by priority, fair among principals, first come, first served; none is lost."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path

import pytest

from headway.cancellation import CancellationToken
from headway.jobs.room import Place, Room
from headway.testing import settle
from tests.sizes import cases
from tests.unit.jobs.kit import rig


class Guests:
    """Those who want a place, and the order in which they get one."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.served: list[str] = []

    def come(self, name: str, principal: str = "", priority: int = 0) -> tuple[Place, CancellationToken]:
        """Stand in line."""
        token = CancellationToken()
        place = self.room.place(token, principal=principal, priority=priority)

        async def wait() -> None:
            await place.take()
            if not token.is_cancelled():
                self.served.append(name)

        task = asyncio.create_task(wait())
        self.tasks = [*getattr(self, "tasks", ()), task]
        return place, token


async def test_principals_take_turns_and_the_greater_priority_goes_first() -> None:
    guests = Guests(Room(1))
    first, _ = guests.come("first")
    await settle()
    places = [guests.come(f"a{n}", "a")[0] for n in range(3)]
    places += [guests.come(f"b{n}", "b")[0] for n in range(2)]
    places += [guests.come("urgent", "a", priority=5)[0], guests.come("later", "c", priority=-5)[0]]
    await settle()
    first.leave()
    for _ in range(7):
        await settle()
        taken = next(place for place in places if place._taken)
        taken.leave()
    assert guests.served == ["first", "urgent", "a0", "b0", "a1", "b1", "a2", "later"]


async def test_who_is_cancelled_in_line_takes_no_place() -> None:
    guests = Guests(Room(1))
    first, _ = guests.come("first")
    await settle()
    _, token = guests.come("second")
    third, _ = guests.come("third")
    await settle()
    token.cancel()
    await settle()
    first.leave()
    await settle()
    assert guests.served == ["first", "third"]
    third.leave()
    third.leave()  # once is enough
    place, _ = guests.come("fourth")
    await settle()
    assert place._taken


@pytest.mark.parametrize("seed", range(cases(40)))
async def test_no_place_is_lost_and_none_is_made(seed: int) -> None:
    rng = random.Random(seed)
    size = rng.randint(1, 4)
    room, held, most = Room(size), 0, 0

    async def guest(n: int) -> None:
        nonlocal held, most
        token = CancellationToken()
        place = room.place(token, principal=str(n % 3), priority=n % 2)
        if rng.random() < 0.3:
            asyncio.get_running_loop().call_soon(token.cancel)
        await place.take()
        held += place._taken
        most = max(most, held)
        try:
            for _ in range(rng.randint(0, 3)):
                await asyncio.sleep(0)
        finally:
            held -= place._taken
            place.leave()

    tasks = [asyncio.create_task(guest(n)) for n in range(60)]
    for task in rng.sample(tasks, 5):
        asyncio.get_running_loop().call_soon(task.cancel)
    async with asyncio.timeout(60):
        await asyncio.gather(*tasks, return_exceptions=True)
    assert (held, most <= size) == (0, True), seed
    again = [room.place(CancellationToken()) for _ in range(size)]
    async with asyncio.timeout(60):
        for place in again:
            await place.take()
    assert all(place._taken for place in again), seed


async def test_many_jobs_of_one_principal_do_not_keep_others_waiting(tmp_path: Path) -> None:
    async with rig("memory", tmp_path, places=1) as made:
        first = await made.manager.enqueue_job("first", call="gate")
        await made.gate.started.get()
        for _ in range(50):
            await made.manager.enqueue_job("x", call="note", arguments={"name": "many"}, principal="many")
        await made.manager.enqueue_job("x", call="note", arguments={"name": "one"}, principal="one")
        await made.manager.enqueue_job("x", call="note", arguments={"name": "urgent"}, principal="many", priority=9)
        made.gate.open.set()
        await made.supervisor.idle()
        assert (await made.store.job(first.job_id)).status == "completed"
        assert made.calls[1] == "urgent"
        assert made.calls.index("one") <= 3
        assert Counter(made.calls)["many"] == 50
