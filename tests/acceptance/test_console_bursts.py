"""Bursts of random keys on a real terminal over live runs: nothing is done that nobody confirmed.

The judge is the log: the operator's actions in it are those that this test has confirmed, one by one, on dialogs that
it had seen, and no others.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
from collections.abc import Iterator

import pytest

from headway.client import OperatorClient
from headway.home import Home
from tests import seeds
from tests.acceptance.bursts import burst
from tests.acceptance.commands import Headway, Running, call, plan
from tests.acceptance.terminal import ESCAPE, Terminal
from tests.acceptance.test_console_live import CONFIG, end_daemon
from tests.sizes import cases

TOOLS = '''
import asyncio

import headway


@headway.tool
async def hold() -> None:
    """Hold until it is killed."""
    await asyncio.Event().wait()
'''

BURSTS = {"never": 500, "properly": 240}
IN_CI = 10
"""CI makes one burst of so many: the first of those that a long run makes."""
CONFIRMED_EVERY = 12
"""Bursts between two commands that are confirmed as they should be."""
SETTLED_EVERY = 25
"""Bursts after which the test waits until all keys are handled: the console reads keys faster than it handles them."""
SIZES = ((100, 30), (100, 30), (100, 30), (80, 24), (120, 40), (60, 16), (20, 5), (1, 1))
ESCAPES = ESCAPE * 8 + "\x1b[I"
"""Escapes, and a report that is no key: behind an escape alone a key would be one with Alt."""
NUMBERS = itertools.count(4711)
HOME_SIZE = (110, 34)


def long_plan(actions: int) -> str:
    """A plan whose first level ends, so that there is a checkpoint, and whose second holds for good."""
    done = {"id": "done", "type": "state_write", "parameters": {"key": "k", "value": 1}}
    held = [call(f"held-{n}", "hold", dependencies=["done"]) for n in range(actions)]
    return plan(done, *held)


@pytest.fixture
def daemon(headway: Headway) -> Iterator[Running]:
    """A daemon with tools that hold."""
    (headway.here / "headway.toml").write_text(CONFIG)
    (headway.here / "tools.py").write_text(TOOLS)
    with headway.start("serve", "--port", "0") as serving:
        serving.wait_for("serving A2A")
        try:
            yield serving
        finally:
            end_daemon(headway)


def submit(headway: Headway, sizes: tuple[int, ...]) -> list[str]:
    """Start a run of each size; return the ids, oldest first."""

    async def main() -> list[str]:
        async with OperatorClient(Home(headway.home), actor="test") as client:
            rows = [await client.submit(long_plan(n).encode(), title=f"run of {n}") for n in sizes]
            return [row.job_id for row in rows]

    return asyncio.run(main())


def commanded(headway: Headway) -> list[str]:
    """What the log says that consoles have had done, in its order: ``cancel 900d00000001``."""
    events = map(json.loads, headway.run("events", "--json").out.splitlines())
    found = [event["data"] for event in events if event["kind"] == "operator_action"]
    return [f"{data['what']} {data.get('target', '')}" for data in found if data["who"] != "test"]


def boxed(text: str) -> bool:
    """Whether a dialog is on the screen."""
    return "╭" in text


def back_to_jobs(console: Terminal, ids: list[str]) -> None:
    """Close whatever is open once all keys have been handled, and show the jobs.

    That they have been is known by a number in the palette, which has not been on the screen before.
    """
    console.resize(*HOME_SIZE)
    number = f"{next(NUMBERS)}{next(NUMBERS)}"
    console.type(f"{ESCAPES}:{number}")
    console.wait_for("Palette", number)
    console.type(ESCAPES)
    console.wait_until(lambda text: number not in text and not boxed(text), "no dialog")
    console.type(f"6{ESCAPES}")  # whatever its list was filtered by
    console.wait_until(lambda text: all(job in text for job in ids) and not boxed(text), "the jobs")


def bursts_of(confirmed: str) -> int:
    """Return how many bursts are made."""
    wanted = cases(BURSTS[confirmed])
    return min(wanted, BURSTS[confirmed] // IN_CI) if os.environ.get("CI") else wanted


def confirm(console: Terminal, rng: random.Random, ids: list[str], done: list[str]) -> str:
    """Confirm one command as one should; return what the log is to say of it."""
    back_to_jobs(console, ids)
    place = rng.randrange(len(ids))
    job_id = ids[len(ids) - 1 - place]  # the newest is the first row
    cancelled = f"cancel {job_id}" in done
    act = rng.choice(("save",) if cancelled else ("cancel", "save"))
    console.type("g" + "j" * place + ("x" if act == "cancel" else "R"))
    if act == "save":
        console.wait_for(f"({job_id})", "Checkpoints of", "after level 0")
        console.type("s")
    answer = " y  Cancel the run" if act == "cancel" else " y  Save a checkpoint"
    console.wait_for(f"({job_id})", answer)
    console.type("y")
    console.wait_gone(answer)
    return f"cancel {job_id}" if act == "cancel" else "save_checkpoint ckpt_"


@pytest.mark.parametrize("confirmed", BURSTS)
def test_bursts_of_keys_do_nothing_that_nobody_confirmed(daemon: Running, headway: Headway, confirmed: str) -> None:
    rng = seeds.chance()
    ids = submit(headway, (2, 3, 4, 30))
    console = Terminal(["console"], cwd=headway.here, env=headway.env, size=HOME_SIZE)
    wanted: list[str] = []
    try:
        console.wait_for("● running", "4 running")
        for number in range(1, bursts_of(confirmed) + 1):
            console.type(burst(rng, ids))
            if rng.random() < 0.2:
                console.resize(*rng.choice(SIZES))
            console.wait_read()
            assert console.process.poll() is None, f"burst {number} ended the console:\n{console.text}"
            if confirmed == "properly" and number % CONFIRMED_EVERY == 0:
                wanted.append(confirm(console, rng, ids, wanted))
            elif number % SETTLED_EVERY == 0:
                back_to_jobs(console, ids)
        back_to_jobs(console, ids)
        found = commanded(headway)
        assert len(found) == len(wanted), (found, wanted)
        assert all(event.startswith(words) for event, words in zip(found, wanted, strict=True)), (found, wanted)
        console.type("q")
        console.wait_for("Leave the console?", " g  Runs continue")
        console.type("g")
        assert console.end() == 0
        assert "Traceback" not in console.text
    finally:
        console.close()
    assert headway.run("status", "--json").json["running"] == len(ids)
