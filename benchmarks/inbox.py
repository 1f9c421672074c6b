"""The inbox: CPU time of a page of it, and the time from an answer until the tool runs, with many questions open."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import headway
from benchmarks._figure import Figure, at_most
from benchmarks._pace import PACE, Round, loop
from headway.config import Config
from headway.engine import Engine
from headway.home import Home
from headway.tools.decorator import entry_of

SECONDS = 25
WAITING = 1000
PAGE = 100
ROUNDS = 5
ANSWERS = 25
"""The answers of a round, one after the other."""


async def _opened(home: Home, begun: dict[str, float]) -> Engine:
    """Return an engine in which :data:`WAITING` jobs wait for an approval; ``begun`` notes when tools begin."""

    @headway.tool(permission="ask")
    async def guarded(n: int) -> None:
        begun[str(n)] = time.perf_counter()

    engine = await Engine.open(home, Config(), tools=[entry_of(guarded)])
    for n in range(WAITING):
        call = {"id": f"a{n}", "type": "tool_call", "tool": "guarded", "parameters": {"n": n}}
        await engine.submit({"actions": [call]})
    while (await engine.elicitations.page(0)).total < WAITING:  # noqa: ASYNC110 - what is measured must not watch
        await asyncio.sleep(0.01)
    await engine.log.flush()
    return engine


async def _page(engine: Engine) -> float:
    """Return ms of CPU of one page of the inbox."""
    began = time.process_time()
    assert len((await engine.elicitations.page(PAGE)).waiting) == PAGE
    return (time.process_time() - began) * 1e3


async def _answer(engine: Engine, begun: dict[str, float]) -> float:
    """Return ms from answers until their tools run, the median of :data:`ANSWERS`."""
    times = []
    for question in (await engine.elicitations.page(ANSWERS)).waiting:
        assert question.parameters is not None
        name = str(question.parameters["n"])
        asked = time.perf_counter()
        await engine.elicitations.answer(question.id, "allow")
        await engine.wait(question.job_id)
        times.append((begun[name] - asked) * 1e3)
    return sorted(times)[len(times) // 2]


async def _measured(home: Home) -> tuple[list[Round], list[Round]]:
    begun: dict[str, float] = {}
    engine = await _opened(home, begun)
    pages: list[Round] = []
    answers: list[Round] = []
    try:
        for _ in range(ROUNDS):
            before = loop()
            page = await _page(engine)
            pages.append(PACE.note(Round(page, max(before, loop()))))
            before = loop()
            answer = await _answer(engine, begun)
            answers.append(PACE.note(Round(answer, max(before, loop()))))
    finally:
        await engine.close()
    return pages, answers


def run() -> Iterator[Figure]:
    """Measure; the median of rounds that count."""
    PACE.case(SECONDS - 8)
    with tempfile.TemporaryDirectory() as folder:
        pages, answers = asyncio.run(_measured(Home(Path(folder) / "home")))
    name = f"{WAITING:,} questions open"
    yield Figure(f"{name}: a page of {PAGE}", PACE.median(pages), "ms CPU", at_most(5), (), PACE.slowed(pages, 3))
    slowed = PACE.slowed(answers, 3)
    yield Figure(f"{name}: from an answer until the tool runs", PACE.median(answers), "ms", at_most(20), (), slowed)
