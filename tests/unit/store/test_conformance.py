"""One suite over every store: what the protocol promises, each of them keeps.

What can be true of a store on disk only stands in :data:`CAPABILITIES`, so that it is said and not skipped.
"""

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from headway.errors import Conflict, InvalidInput, LogFull, NotFound, StoreError, StoreTooNew, StoreUnreadable
from headway.events import kinds as k
from headway.events.checkpoint import CheckpointInfo
from headway.events.event import Event
from headway.events.fold import fold_all
from headway.events.fold.table import SCOPE_KINDS
from headway.events.log import EventLog
from headway.events.snapshot import Snapshot
from headway.events.views import BudgetView, InboxView, JobRow, JobsView, LimitsView, RunView, StateView
from headway.home import Home
from headway.store import Claim, Store, StoreLog, open_reader, store_of
from headway.testing import VirtualClock, event_stream
from tests.unit.store.runs import checkpoint_of, created, numbered, whole_run

DAY_S = 86_400.0

CAPABILITIES: dict[str, frozenset[str]] = {
    "memory": frozenset({"bounded by events"}),
    "sqlite": frozenset(
        {"survives close", "refuses a newer version", "refuses work on a full disk", "bounded by bytes"}
    ),
}
"""The abilities of each store that another has not."""


@dataclass
class Made:
    """A store under test, on a clock that tests move."""

    kind: str
    store: Store
    clock: VirtualClock
    home: Home

    def can(self, capability: str) -> bool:
        return capability in CAPABILITIES[self.kind]


Opener = Callable[[Path, VirtualClock], Awaitable[Store]]


async def _memory(path: Path, clock: VirtualClock) -> Store:
    return store_of(EventLog(clock=clock))


async def _sqlite(path: Path, clock: VirtualClock) -> Store:
    return store_of(await StoreLog.open(Home(path), clock=clock))


OPENERS: dict[str, Opener] = {"memory": _memory, "sqlite": _sqlite}


@pytest.fixture(params=list(OPENERS))
async def made(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Made]:
    clock = VirtualClock(start_ms=1_000_000)
    store = await OPENERS[request.param](tmp_path, clock)
    yield Made(request.param, store, clock, Home(tmp_path))
    await store.close()


def _copy(events: list[Event]) -> list[Event]:
    return msgspec.json.decode(msgspec.json.encode(events), type=list[Event])


def test_every_capability_has_a_store() -> None:
    assert set(CAPABILITIES) == set(OPENERS)
    assert CAPABILITIES["memory"].isdisjoint(CAPABILITIES["sqlite"])


async def test_a_log_has_one_store(made: Made) -> None:
    assert store_of(made.store.log) is made.store
    assert (await made.store.statistics()).kind == made.kind


# -- appending and reading ---------------------------------------------------------------------------------------------


async def test_batches_are_numbered_without_a_gap(made: Made) -> None:
    store = made.store
    store.append(Event("a"), Event("b"))
    assert await store.write(Event("c"), Event("d")) == 4
    store.append(Event("e"))
    assert await store.flush() == 5
    assert await store.last_seq() == 5
    found = await store.events()
    assert [(event.seq, event.kind, event.ts) for event in found] == [
        (seq, kind, 1_000_000) for seq, kind in enumerate("abcde", 1)
    ]


async def test_a_batch_is_taken_whole_or_not_at_all(made: Made) -> None:
    with pytest.raises(InvalidInput):
        made.store.append(Event("a"), "no event")  # type: ignore[arg-type]
    assert await made.store.write(Event("b")) == 1
    assert [event.kind for event in await made.store.events()] == ["b"]


async def test_events_are_read_by_range_job_and_kind_forwards_and_backwards(made: Made) -> None:
    store = made.store
    for n in range(12):
        store.append(Event("even" if n % 2 == 0 else "odd", {"n": n}, f"j{n % 3}"))
    await store.flush()

    async def seqs(**how: Any) -> list[int]:
        return numbered(await store.events(**how))

    assert await seqs(after=9) == [10, 11, 12]
    assert await seqs(after=2, limit=3) == [3, 4, 5]
    assert await seqs(job_id="j1") == [2, 5, 8, 11]
    assert await seqs(job_id="j1", after=2, limit=2) == [5, 8]
    assert await seqs(kinds=["odd"], after=4) == [6, 8, 10, 12]
    assert await seqs(job_id="j0", kinds={"even", "none"}) == [1, 7]
    assert await seqs(before=6, limit=2) == [4, 5]
    assert await seqs(before=11, job_id="j1", limit=2) == [5, 8]
    assert await seqs(before=9, kinds=["even"], limit=2) == [5, 7]
    assert await seqs(after=3, before=6) == [4, 5]
    assert await seqs(limit=0) == []
    assert await seqs(job_id="nobody") == []
    assert (await store.event(5)).data == {"n": 4}
    for seq in (0, 13):
        with pytest.raises(NotFound):
            await store.event(seq)


async def test_a_subscription_replays_then_follows(made: Made) -> None:
    store = made.store
    await store.write(*whole_run("a"))
    followed = store.subscribe(2)
    first = await anext(followed)
    assert first[0].seq == 3
    await store.write(Event(k.OPERATOR_ACTION, {"who": "t", "what": "t"}), *whole_run("b"))
    seen = [*first]
    while seen[-1].seq < await store.last_seq():
        seen += await anext(followed)
    assert numbered(seen) == list(range(3, await store.last_seq() + 1))
    followed.close()
    only = store.subscribe(job_id="b")
    assert {event.job_id for event in await anext(only)} == {"b"}
    only.close()


async def test_large_values_come_back_whole(made: Made) -> None:
    large = "x" * 300_000
    await made.store.write(*whole_run("a", actions=1, output=large), created("b", proposal={"id": "p", "big": large}))
    (event,) = await made.store.events(kinds=[k.ACTION_SUCCEEDED])
    assert (await made.store.resolve(event.data))["output"] == large
    assert await made.store.resolve("plain") == "plain"
    (resolved,) = await made.store.events(kinds=[k.ACTION_SUCCEEDED], resolve=True)
    assert resolved.data["output"] == large
    assert (await made.store.run_view("a", resolve=True)).actions[0].output == large
    assert (await made.store.proposal("b"))["big"] == large
    with pytest.raises(NotFound):
        await made.store.proposal("nobody")


# -- views -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
async def test_every_view_is_the_fold_of_the_log(made: Made, seed: int) -> None:
    rng = random.Random(seed)
    events = [e for e in event_stream(rng, jobs=6, actions=12) if e.kind != k.STORE_PRUNED]
    for seq, event in enumerate(events, 1):
        event.seq = seq
    store = made.store
    done = 0
    while done < len(events):
        size = rng.choice((1, 5, 40, 200))
        batch = _copy(events[done : done + size])
        for event in batch:
            event.seq = 0
        await store.write(*batch)
        done += size
        await _equal_to_fold(store, events[:done], rng)


async def _equal_to_fold(store: Store, events: list[Event], rng: random.Random) -> None:
    jobs = fold_all(JobsView(), _copy(events)).jobs
    upto = rng.randint(0, len(events))
    seen = events[:upto]
    assert (await store.jobs_view()).jobs == jobs
    assert await store.limits_view() == fold_all(LimitsView(), _copy(events))
    assert await store.budget_view() == fold_all(BudgetView(), _copy(events))
    inbox = fold_all(InboxView(), _copy(events))
    assert await store.inbox_view() == inbox
    offset = rng.randint(0, 5)
    assert await store.inbox_page(3, offset) == inbox.page(3, offset)
    assert await store.jobs() == list(reversed(jobs.values()))
    assert await store.unfinished() == [row for row in jobs.values() if not row.finished]
    assert (
        await store.jobs("running", limit=2) == [row for row in reversed(jobs.values()) if row.status == "running"][:2]
    )
    for job_id, row in jobs.items():
        assert await store.job(job_id) == row
        assert await store.run_view(job_id) == fold_all(RunView(JobRow(job_id)), _copy(events))
        if row.first_seq <= upto:
            assert await store.run_view(job_id, upto) == fold_all(RunView(JobRow(job_id)), _copy(seen))
        else:
            with pytest.raises(NotFound):
                await store.run_view(job_id, upto)
        scope = row.scope
        assert await store.scope_state(scope) == fold_all(StateView(scope), _copy(events)).state
        assert await store.scope_state(scope, upto) == fold_all(StateView(scope), _copy(seen)).state
        began = [e.seq for e in events if e.kind in SCOPE_KINDS and e.data.get("scope") == scope]
        assert [event.seq for event in await store.scope_events(scope)] == began
        assert [event.seq for event in await store.scope_events(scope, limit=1)] == began[:1]


async def test_what_is_not_there_is_not_found(made: Made) -> None:
    await made.store.write(Event(k.JOB_STARTED, {}, "never created"))
    for job_id in ("nobody", "never created"):
        with pytest.raises(NotFound):
            await made.store.job(job_id)
        with pytest.raises(NotFound):
            await made.store.run_view(job_id)
    assert await made.store.scope_state("nobody's") == {}
    assert await made.store.scope_events("nobody's") == []
    assert await made.store.jobs() == []


async def test_jobs_are_paged_newest_first(made: Made) -> None:
    for n in range(5):
        await made.store.write(*whole_run(f"j{n}"))
    first = await made.store.jobs(limit=2)
    assert [row.job_id for row in first] == ["j4", "j3"]
    rest = await made.store.jobs(limit=10, before=first[-1].first_seq)
    assert [row.job_id for row in rest] == ["j2", "j1", "j0"]
    assert await made.store.jobs("running") == []


async def test_what_is_returned_belongs_to_the_caller(made: Made) -> None:
    store = made.store
    await store.write(*whole_run("a", scope="ctx", output={"deep": [1]}), created("b"))
    view = await store.run_view("a")
    view.actions[0].output["deep"].append(2)
    view.job.title = "changed"
    (await store.scope_state("ctx"))["a0"] = "changed"
    (await store.job("b")).status = "changed"
    (await store.jobs_view()).jobs.clear()
    (await store.unfinished())[0].status = "changed"
    assert (await store.run_view("a")).actions[0].output == {"deep": [1]}
    assert (await store.scope_state("ctx"))["a0"] == "a 0"
    assert (await store.job("b")).status == "queued"
    assert len(await store.jobs()) == 2
    assert [row.status for row in await store.unfinished()] == ["queued"]


async def test_a_snapshot_holds_all_views_as_of_one_seq(made: Made) -> None:
    store = made.store
    await store.write(*whole_run("a"), created("b"))
    events = await store.events()
    expected = Snapshot()
    expected.fold(_copy(events))
    found = await store.snapshot("a")
    assert (found.seq, found.complete) == (len(events), True)
    assert found.views == expected.views
    assert found.run == expected.runs["a"]
    assert (await store.snapshot()).runs == {}
    with pytest.raises(NotFound):
        await store.snapshot("nobody")


# -- checkpoints -------------------------------------------------------------------------------------------------------


async def test_checkpoints_are_saved_listed_and_read(made: Made) -> None:
    store = made.store
    await store.write(*whole_run("a", scope="ctx"))
    info = CheckpointInfo("ckpt_1", "manual", "ctx", await store.last_seq(), 5, "a", name="before", keys=1, total=2)
    saved = checkpoint_of(info, {"a0": [1, 2]}, spent={"tool_calls": 2})
    seq = await store.save_checkpoint(saved, "me")
    saved.state["a0"].append(3)  # it is kept as it was
    event = await store.event(seq)
    assert (event.kind, event.job_id) == (k.CHECKPOINT_SAVED, "a")
    assert event.data == {
        "checkpoint_id": "ckpt_1",
        "scope": "ctx",
        "at_seq": info.seq,
        "keys": 1,
        "kind": "manual",
        "name": "before",
        "by": "me",
    }
    await store.save_checkpoint(checkpoint_of(CheckpointInfo("ckpt_2", "manual", "other", seq, 6), {}))
    assert [found.checkpoint_id for found in await store.checkpoints()] == ["ckpt_1", "ckpt_2"]
    (listed,) = await store.checkpoints(job_id="a")
    assert (listed.name, listed.keys, listed.total) == ("before", 1, 2)
    assert [found.checkpoint_id for found in await store.checkpoints(scope="other")] == ["ckpt_2"]
    read = await store.checkpoint("ckpt_1")
    assert (read.state, read.spent, read.info.seq) == ({"a0": [1, 2]}, {"tool_calls": 2}, info.seq)
    with pytest.raises(NotFound):
        await store.checkpoint("ckpt_3")


# -- claims ------------------------------------------------------------------------------------------------------------


async def test_a_claim_has_one_owner_for_its_lease(made: Made) -> None:
    store, clock = made.store, made.clock
    first = await store.claim("job", "me", 10)
    assert first == Claim("job", "me", 1, 1_010_000)
    with pytest.raises(Conflict, match="claimed by 'me'"):
        await store.claim("job", "you", 10)
    assert (await store.claim("other", "you", 10)).token == 1
    await clock.advance(9)
    renewed = await store.renew(first, 10)
    assert (renewed.token, renewed.until_ms) == (1, 1_019_000)
    await clock.advance(10)
    with pytest.raises(Conflict, match="has run out"):
        await store.renew(renewed, 10)
    yours = await store.claim("job", "you", 10)
    assert yours.token == 2
    with pytest.raises(Conflict, match="is lost"):
        await store.renew(renewed, 10)
    await store.release(renewed)  # not mine any more: nothing happens
    with pytest.raises(Conflict):
        await store.claim("job", "me", 10)


async def test_a_token_only_grows(made: Made) -> None:
    store = made.store
    first = await store.claim("job", "me", 10)
    again = await store.claim("job", "me", 10)
    assert again.token == 2
    with pytest.raises(Conflict):
        await store.renew(first, 10)
    await store.release(again)
    assert (await store.claim("job", "you", 10)).token == 3


@pytest.mark.parametrize("lease", [0, -1, "1", float("nan"), True])
async def test_a_bad_lease_or_name_is_refused(made: Made, lease: Any) -> None:
    with pytest.raises(InvalidInput):
        await made.store.claim("job", "me", lease)
    with pytest.raises(InvalidInput):
        await made.store.claim("", "me", 1)
    with pytest.raises(InvalidInput):
        await made.store.claim("job", 7, 1)  # type: ignore[arg-type]
    assert (await made.store.claim("job", "me", 1)).token == 1


# -- pruning, ends, limits ---------------------------------------------------------------------------------------------


async def test_prune_deletes_old_finished_jobs_and_says_so(made: Made) -> None:
    store = made.store
    await store.write(*whole_run("old", scope="ctx"), *whole_run("older"))
    await made.clock.advance(2 * DAY_S)
    await store.write(created("open"), *whole_run("new"))
    before = await store.scope_state("ctx")
    report = await store.prune(keep_days=1)
    assert sorted(report["jobs"]) == ["old", "older"]
    assert [row.job_id for row in await store.jobs()] == ["new", "open"]
    with pytest.raises(NotFound):
        await store.job("old")
    with pytest.raises(NotFound):
        await store.run_view("older")
    assert await store.events(job_id="old") == []
    assert await store.scope_state("ctx") == before  # what it amounted to stays
    (said,) = await store.events(kinds=[k.STORE_PRUNED])
    assert (sorted(said.data["jobs"]), said.data["reason"]) == (["old", "older"], "keep_days")
    figures = await store.statistics()
    assert (figures.jobs, figures.unfinished, figures.dropped) == (2, 1, report["events"])
    assert (await store.prune(keep_days=1))["jobs"] == []
    assert numbered(await store.events(after=figures.last_seq - 3)) == list(
        range(figures.last_seq - 2, figures.last_seq + 1)
    )


async def test_prune_by_bytes_is_for_what_has_bytes(made: Made) -> None:
    await made.store.write(*whole_run("a"), *whole_run("b"))
    if made.can("bounded by bytes"):
        assert (await made.store.prune(max_bytes=1))["jobs"] == ["a", "b"]
    else:
        assert made.can("bounded by events")
        with pytest.raises(InvalidInput, match="max_events"):
            await made.store.prune(max_bytes=1)


async def test_a_closed_store_takes_nothing(made: Made) -> None:
    await made.store.write(*whole_run("a"))
    await made.store.close()
    await made.store.close()
    with pytest.raises(StoreError, match="closed"):
        made.store.append(Event("b"))
    if made.can("survives close"):
        reader = await open_reader(made.home)
        assert (await reader.job("a")).status == "completed"
        assert [row.job_id for row in await reader.unfinished()] == []
        await reader.close()


async def test_a_newer_version_is_refused(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    if not made.can("refuses a newer version"):
        return  # nothing of it outlives its process
    await made.store.close()
    monkeypatch.setattr("headway.store.sqlite.connect.LATEST", 1)
    with pytest.raises(StoreTooNew):
        await OPENERS[made.kind](made.home.path, made.clock)
    with pytest.raises((StoreTooNew, StoreUnreadable)):
        await open_reader(made.home)


async def test_a_full_disk_refuses_and_loses_nothing(made: Made) -> None:
    if not made.can("refuses work on a full disk"):
        return  # there is no disk
    log = made.store.log
    assert isinstance(log, StoreLog)
    await made.store.write(created("a"))
    await log.in_writer(lambda work: work.connection.execute("PRAGMA max_page_count = 1").fetchone())
    with pytest.raises(LogFull):
        await made.store.write(Event("big", {"text": "x" * 60_000}))
    assert (await made.store.statistics()).pending == 1
    await log.in_writer(lambda work: work.connection.execute("PRAGMA max_page_count = 1000000").fetchone())
    assert await made.store.flush() == 2
    assert [event.kind for event in await made.store.events()] == [k.JOB_CREATED, "big"]


async def test_who_asks_for_one_job_takes_no_news_from_the_other_views(made: Made) -> None:
    store = made.store
    await store.write(*whole_run("j", scope="ctx"))
    live = store.live_run("j")
    assert live is not None
    assert live.job.status == "completed"
    assert await store.events(job_id="j")
    assert [row.job_id for row in await store.jobs()] == ["j"]
    assert (await store.scope_state("ctx"))["a0"] == "j 0"
    assert list((await store.snapshot()).jobs.jobs) == ["j"]


async def test_a_bounded_log_keeps_what_shed_events_amounted_to() -> None:
    store = store_of(EventLog(max_events=50))
    for n in range(40):
        await store.write(*whole_run(f"j{n}", scope=f"ctx{n % 3}"))
    figures = await store.statistics()
    assert 0 < figures.events < 100
    assert figures.dropped + figures.events == figures.last_seq
    assert figures.jobs < 40
    assert {scope: (await store.scope_state(scope))["a0"] for scope in ("ctx0", "ctx1", "ctx2")} == {
        "ctx0": "j39 0",
        "ctx1": "j37 0",
        "ctx2": "j38 0",
    }
    with pytest.raises(NotFound, match=f"has let go of its first {figures.dropped} events"):
        await store.job("j0")
    assert (await store.run_view("j39")).job.status == "completed"


@pytest.mark.parametrize("asked", [1, 7, 1000])
async def test_a_bounded_log_says_the_same_whenever_it_was_asked(asked: int) -> None:
    """Events that were folded before they were shed and those that were not amount to the same."""
    log = EventLog(max_events=60)
    store, kept = store_of(log), EventLog(max_events=None)
    events = [e for e in event_stream(random.Random(11), jobs=30, actions=6) if e.kind != k.STORE_PRUNED]
    for number, event in enumerate(_copy(events), 1):
        event.seq = 0
        log.append(event)
        kept.append(event)
        if number % asked == 0:
            await store.snapshot()
            await store.scope_state("ctx0")
    whole, found = await store_of(kept).snapshot(), await store.snapshot()
    assert log.statistics().dropped > 0
    assert found.limits == whole.limits
    held = {job_id for job_id, row in whole.jobs.jobs.items() if row.first_seq > log.statistics().dropped}
    assert 0 < len(held) < len(whole.jobs.jobs)
    assert found.jobs.jobs == {job_id: row for job_id, row in whole.jobs.jobs.items() if job_id in held}
    assert found.budgets.budgets == {job_id: row for job_id, row in whole.budgets.budgets.items() if job_id in held}
    for scope in ("ctx0", "ctx1", "ctx2"):
        assert await store.scope_state(scope) == await store_of(kept).scope_state(scope)
    for job_id in held:
        assert await store.run_view(job_id) == await store_of(kept).run_view(job_id)


async def test_a_page_of_the_inbox_is_that_of_the_view(made: Made) -> None:
    rng, store = random.Random(5), made.store
    for n in range(40):
        name = f"j{n}.1"
        about = {"id": name, "kind": "approval", "blocking": rng.randint(0, 3), "choices": ["allow"], "digest": str(n)}
        batch = [created(f"j{n}"), Event(k.ELICITATION_REQUESTED, about | {"parameters": {"n": n}}, f"j{n}", "a")]
        closing = rng.choice((k.ELICITATION_ANSWERED, k.ELICITATION_EXPIRED, k.ELICITATION_WITHDRAWN, ""))
        if closing:
            batch.append(Event(closing, {"id": name, "kind": "approval", "choice": "session"}, f"j{n}", "a"))
        elif n % 5 == 0:
            batch.append(Event(k.JOB_FAILED, {"error": "no luck", "cost": {}}, f"j{n}"))
        await store.write(*batch)
        whole = fold_all(InboxView(), await store.events(limit=1000))
        page = await store.inbox_page(5, n % 3)
        assert (await store.inbox_view(), page) == (whole, whole.page(5, n % 3))
        for question in page.waiting:
            question.parameters = question.prompt = None  # type: ignore[assignment]  # it is the caller's own


# -- threads -----------------------------------------------------------------------------------------------------------


async def test_messages_of_a_thread_are_found_among_all_else(made: Made) -> None:
    def message(thread: str, number: int) -> Event:
        return Event(k.THREAD_MESSAGE, {"thread": thread, "id": str(number), "role": "user", "text": "x" * number})

    events = [message(name, number) for number in range(20) for name in ("one", "two")]
    events.insert(7, Event(k.THREAD_CHECKPOINT, {"thread": "one", "checkpoint": "c", "version": 1, "state": 1}))
    events.insert(9, message("one", 100_000))  # as large as a blob
    await made.store.write(Event(k.THREAD_CREATED, {"thread": "one"}), *events)
    expected = [
        event.data["id"] for event in events if event.kind == k.THREAD_MESSAGE and event.data["thread"] == "one"
    ]
    found = await made.store.thread_events("one", k.THREAD_MESSAGE)
    assert [event.data["id"] for event in found] == expected
    assert max(len(event.data["text"]) for event in found) == 100_000
    page = await made.store.thread_events("one", k.THREAD_MESSAGE, skip=5, limit=3)
    assert [event.data["id"] for event in page] == expected[5:8]
    assert [event.seq for event in page] == sorted(event.seq for event in page)
    (checkpoint,) = await made.store.thread_events("one", k.THREAD_CHECKPOINT)
    assert checkpoint.data["state"] == 1
    assert await made.store.thread_events("nobody", k.THREAD_MESSAGE) == []
    assert await made.store.thread_events("one", k.THREAD_MESSAGE, limit=0) == []
    assert await made.store.thread_events("one", k.THREAD_MESSAGE, skip=99) == []
    view = await made.store.threads_view()
    assert (view.threads["one"].messages, list(view.threads)) == (21, ["one"])
