"""One truth, three ways to it: followed live, replayed from a recording, and read from the store, views are equal.

The runs are real ones: generated plans, the real runtime on a virtual clock, the durable log.
"""

import asyncio
import random
import tempfile
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headway import CancellationToken, CostBudget, Runtime, ToolContext, ToolError, ToolResult
from headway.events.event import Event
from headway.events.recording import Recording, write_recording
from headway.events.snapshot import Snapshot
from headway.events.subscription import Subscription
from headway.events.views import BudgetView, JobsView, LimitsView, RunView
from headway.home import Home
from headway.store import StoreLog, StoreReader
from headway_console.sources import ReplaySource
from headway_console.sources.recording import RecordingIndex
from tests.sizes import cases


class Stepping:
    """A clock that is never waited for: each look at it is 7 ms later, timers fire in the loop's next turns.

    The store's writer is a thread, so a clock that jumps when the loop is idle would jump at the machine's pleasure.
    """

    def __init__(self) -> None:
        self._ticks = 0

    def now(self) -> float:
        self._ticks += 1
        return self._ticks * 0.007

    def time_ms(self) -> int:
        self._ticks += 1
        return 1_700_000_000_000 + self._ticks * 7

    def call_later(self, delay: float, callback: Any, *args: Any) -> asyncio.TimerHandle:
        self._ticks += round(delay / 0.007)
        return asyncio.get_running_loop().call_later(0, callback, *args)

    async def sleep(self, delay: float) -> None:
        self._ticks += round(delay / 0.007)
        await asyncio.sleep(0)


class Views(msgspec.Struct):
    """Every view of one log."""

    jobs: JobsView
    limits: LimitsView
    budgets: BudgetView
    runs: dict[str, RunView]


async def work(seconds: float, ctx: ToolContext, fails: int = 0, output: Any = None) -> Any:
    """Report, then return or fail."""
    for done in range(3):
        ctx.report_progress(done, 3, f"[red]{done}")
        await asyncio.sleep(0)
    if ctx.attempt <= fails:
        raise ToolError(f"no [luck] in attempt {ctx.attempt}")
    return ToolResult(output, usage={"tokens": 7}, artifacts=[{"name": "a"}] if seconds > 1 else [])


async def other(seconds: float = 0.0) -> str:
    """Only wait."""
    await asyncio.sleep(0)
    return f"waited {seconds}"


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(["x", "y", "z"])


@st.composite
def actions(draw: st.DrawFn) -> list[dict[str, Any]]:
    """A list of actions that depend on earlier ones."""
    made: list[dict[str, Any]] = []
    for number in range(draw(st.integers(1, 9))):
        before = [action["id"] for action in made]
        action: dict[str, Any] = {
            "id": f"a{number}",
            "dependencies": draw(st.lists(st.sampled_from(before), max_size=2, unique=True)) if before else [],
            "failure_behavior": draw(st.sampled_from(["abort", "retry", "skip", "skip"])),
            "max_retries": draw(st.integers(0, 2)),
        }
        kind = draw(st.sampled_from(["work", "work", "other", "write", "read", "assert"]))
        if kind == "work":
            parameters = {
                "seconds": draw(st.floats(0, 2)),
                "fails": draw(st.sampled_from([0, 0, 0, 1, 2])),
                "output": draw(JSON),
            }
            effects = draw(st.dictionaries(KEYS, JSON, max_size=1))
            action |= {"type": "tool_call", "tool": "work", "parameters": parameters, "expected_effects": effects}
        elif kind == "other":
            action |= {"type": "tool_call", "tool": "other", "parameters": {"seconds": 0.5}}
        elif kind == "write":
            action |= {"type": "state_write", "parameters": {"key": draw(KEYS), "value": draw(JSON)}}
        elif kind == "read":
            action |= {"type": "state_read", "parameters": {"key": draw(KEYS)}}
        else:
            action |= {"type": "assertion", "parameters": {"key": draw(KEYS), "expected": draw(JSON)}}
        made.append(action)
    return made


@st.composite
def budgets(draw: st.DrawFn) -> CostBudget | None:
    if draw(st.booleans()):
        return None
    return CostBudget(tool_calls=draw(st.integers(0, 12)), tokens=draw(st.none() | st.integers(0, 60)))


RUNS = st.lists(st.tuples(actions(), budgets(), st.none() | st.integers(0, 25)), min_size=1, max_size=3)


@settings(max_examples=cases(120), suppress_health_check=[HealthCheck.too_slow])
@given(runs=RUNS, limited=st.booleans(), seed=st.integers(0, 2**32))
async def test_live_replayed_and_stored(
    runs: list[tuple[list[dict[str, Any]], CostBudget | None, int | None]], limited: bool, seed: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder) / "home")
        log = await StoreLog.open(home, clock=Stepping())
        live = Snapshot()
        following = asyncio.create_task(follow(log.subscribe(), live))
        await run_all(log, runs, limited)
        stored = await read_back(home, live)
        events = await log.read(limit=100_000)
        await log.close()
        await following

        assert live.seq == len(events)
        assert stored == views_of(live)

        path = Path(folder) / "r.jsonl"
        write_recording(path, "the same", events, redacted=False)
        again = Snapshot()
        again.fold(Recording(path))
        assert views_of(again) == stored
        assert await replayed(path, random.Random(seed)) == stored
        await every_place(home, path, events)


async def run_all(
    log: StoreLog, runs: list[tuple[list[dict[str, Any]], CostBudget | None, int | None]], limited: bool
) -> None:
    """Run the plans one after the other; a token is pulled after so many events of its run."""
    runtime = Runtime(log=log, clock=log.clock)
    runtime.register_tool(work)
    runtime.register_tool(other)
    if limited:
        runtime.set_rate_limit("work", 2, 0.5)
    for listed, budget, cancel_after in runs:
        runtime.set_cost_budget(budget)
        token = CancellationToken()
        pulling = asyncio.create_task(pull(log.subscribe(log.last_seq), token, cancel_after))
        await runtime.execute_with_cancel({"actions": listed}, token)
        pulling.cancel()
        await asyncio.gather(pulling, return_exceptions=True)


async def pull(subscription: Subscription, token: CancellationToken, after: int | None) -> None:
    seen = 0
    async for batch in subscription:
        seen += len(batch)
        if after is not None and seen >= after:
            token.cancel("[enough]", "tester")
            return


async def follow(subscription: Subscription, folded: Snapshot) -> None:
    async for batch in subscription:
        folded.fold(batch)


async def read_back(home: Home, live: Snapshot) -> Views:
    """Return the answer of a reader of the store."""
    async with await StoreReader.open(home.db) as reader:
        jobs = await reader.jobs_view()
        return Views(
            jobs,
            await reader.limits_view(),
            await reader.budget_view(),
            {job_id: await reader.run_view(job_id) for job_id in jobs.jobs},
        )


async def replayed(path: Path, rng: random.Random) -> Views:
    """Return the picture of a replay that went back and forth and then to the end."""
    source = ReplaySource(path, playing=False)
    await source.open()
    items = source.batches()
    for _ in range(3):
        source.seek(rng.randint(0, source.last_seq))
    source.seek(0)
    source.seek(source.last_seq)
    folded = Snapshot()
    while folded.seq < source.last_seq:
        item = await anext(items)
        if isinstance(item, list):
            folded.fold(item)
        else:
            folded = item
    await items.aclose()  # type: ignore[attr-defined]  # every async generator has it
    await source.close()
    return views_of(folded)


async def every_place(home: Home, path: Path, events: list[Event]) -> None:
    """A run as it was at any seq: the store's answer and the recording's are one."""
    index = RecordingIndex(path, spacing=10)
    while index.advance(1000):
        pass
    async with await StoreReader.open(home.db) as reader:
        for number in range(0, len(events) + 1, max(1, len(events) // 5)):
            for job_id in index.views(number).jobs.jobs:
                assert await reader.run_view(job_id, upto=number) == index.run(job_id, number)
    index.close()


def views_of(folded: Snapshot) -> Views:
    return Views(folded.jobs, folded.limits, folded.budgets, folded.runs)
