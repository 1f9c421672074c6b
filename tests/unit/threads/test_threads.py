"""Threads: made, resumed, forked, listed, read, named, archived, deleted; goals and checkpoints; on every store."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from typing import Any

import msgspec
import pytest
from pydantic import BaseModel

from headway.errors import Conflict, HeadwayError, InvalidInput, NotFound, StoreUnreadable
from headway.events import kinds as k
from headway.events.event import Event
from headway.events.fold import fold_all
from headway.events.log import EventLog
from headway.events.views import ThreadsView
from headway.inference import Message
from headway.store import store_of
from headway.threads.threads import MAX_CHECKPOINTS, Threads, threads_of
from tests.sizes import cases
from tests.unit.threads.conftest import Made


def said(text: str) -> Message:
    return Message("user", text)


async def texts(threads: Threads, thread_id: str) -> list[str]:
    return [one.message.text for one in await threads.messages(thread_id)]


async def filled(threads: Threads, count: int, **options: Any) -> str:
    row = await threads.create(**options)
    for number in range(count):
        await threads.add_message(row.id, said(f"m{number}"))
    return row.id


async def test_create(made: Made) -> None:
    settings = {"model": "small", "cwd": "/work", "approval_policy": "never", "sandbox": "require"}
    metadata = {"tag": ["a", {"b": 1}]}
    row = await made.threads.create(name="mine", metadata=metadata, principal="mia", settings=settings)
    after = await (await made.again()).threads.get(row.id)
    assert after == row
    assert (row.name, row.metadata, row.principal, row.status, row.source) == ("mine", metadata, "mia", "idle", "api")
    assert (row.model, row.provider, row.cwd, row.approval_policy, row.sandbox) == (
        "small",
        None,
        "/work",
        "never",
        "require",
    )
    assert row.created_ms == 1_000_000


async def test_an_id_is_given_once(made: Made) -> None:
    await made.threads.create(thread_id="mine")
    with pytest.raises(Conflict, match="there was a thread 'mine' already"):
        await made.threads.create(thread_id="mine")
    await made.threads.delete("mine")
    with pytest.raises(Conflict):
        await made.threads.create(thread_id="mine")


async def test_resume_keeps_what_is_stored(made: Made) -> None:
    threads = made.threads
    row = await threads.create(settings={"cwd": "/work", "model": "small"})
    history = [("1", said("yes")), ("2", Message("assistant", "sure")), ("3", said("yes"))]
    for _ in range(3):
        row = await threads.resume(row.id, history=history)
    assert (row.messages, row.cwd, row.model) == (3, "/work", "small")
    assert await texts(threads, row.id) == ["yes", "sure", "yes"], "two equal messages are two"
    row = await threads.resume(row.id, history=[("4", said("no"))], settings={"cwd": "/else"})
    assert (row.messages, row.cwd, row.model) == (4, "/else", "small")
    before = made.log.last_seq
    await threads.resume(row.id)
    assert made.log.last_seq == before, "nothing is written for nothing"


async def test_a_fork_shares_the_past_and_nothing_else(made: Made) -> None:
    threads = made.threads
    parent = await filled(threads, 5, settings={"model": "big"}, metadata={"a": 1}, principal="mia")
    child = await threads.fork(parent, 2, name="branch", settings={"cwd": "/x"})
    assert (child.messages, child.base, child.forked_from, child.source) == (3, 3, parent, "fork")
    assert (child.model, child.cwd, child.metadata, child.principal) == ("big", "/x", {"a": 1}, "mia")
    assert await texts(threads, child.id) == ["m0", "m1", "m2"]
    await threads.add_message(child.id, said("c3"))
    await threads.add_message(parent, said("m5"))
    assert await texts(threads, child.id) == ["m0", "m1", "m2", "c3"]
    assert await texts(threads, parent) == [f"m{n}" for n in range(6)]
    again = (await made.again()).threads
    grandchild = await again.fork(child.id)
    early = await again.fork(child.id, 1)
    await again.add_message(grandchild.id, said("g4"))
    await again.add_message(early.id, said("e2"))
    assert await texts(again, grandchild.id) == ["m0", "m1", "m2", "c3", "g4"]
    assert await texts(again, early.id) == ["m0", "m1", "e2"]
    assert [one.index for one in await again.messages(grandchild.id)] == [0, 1, 2, 3, 4]
    for gone in (parent, child.id):
        await again.delete(gone)
    assert await texts(again, grandchild.id) == ["m0", "m1", "m2", "c3", "g4"], "forks keep what they inherit"
    assert await texts(again, early.id) == ["m0", "m1", "e2"]


async def test_a_fork_of_nothing(made: Made) -> None:
    parent = await made.threads.create()
    child = await made.threads.fork(parent.id)
    assert (child.messages, await texts(made.threads, child.id)) == (0, [])
    for at in (0, 5):
        with pytest.raises(NotFound, match="has no message"):
            await made.threads.fork(parent.id, at)


@pytest.mark.parametrize("seed", range(cases(5)))
async def test_any_tree_of_forks_equals_a_model(made: Made, seed: int) -> None:
    print(f"seed {seed}")
    draw, threads = random.Random(seed), made.threads
    model: dict[str, list[str]] = {(await threads.create()).id: []}
    for number in range(40):
        name = draw.choice(list(model))
        if draw.random() < 0.7:
            await threads.add_message(name, said(f"{number}"))
            model[name].append(f"{number}")
        else:
            at = draw.randrange(len(model[name])) if model[name] else None
            child = await threads.fork(name, at)
            model[child.id] = model[name][: len(model[name]) if at is None else at + 1]
    threads = (await made.again()).threads
    for name, expected in model.items():
        assert await texts(threads, name) == expected
        cursor, paged = None, []
        while True:
            page = await threads.read(name, cursor=cursor, limit=draw.randint(1, 7))
            paged += [one.message.text for one in page.messages]
            assert page.total == len(expected)
            if page.next is None:
                break
            cursor = page.next
        assert paged == expected


async def test_pages_are_whole_while_messages_come(made: Made) -> None:
    threads = made.threads
    row = await threads.create()
    count = 603
    await threads.resume(row.id, history=[(str(n), said(str(n))) for n in range(count)])
    cursor, seen = None, []
    while True:
        page = await threads.read(row.id, cursor=cursor, limit=100)
        seen += page.messages
        if len(seen) == 300:
            await threads.add_message(row.id, said("late"))
        if page.next is None:
            break
        cursor = page.next
    assert [one.message.text for one in seen] == [*map(str, range(count)), "late"]
    assert len({one.id for one in seen}) == count + 1
    assert [one.index for one in seen] == list(range(count + 1))


async def test_list_pages(made: Made) -> None:
    threads = made.threads
    ids = [(await threads.create(principal="mia" if n % 2 else None)).id for n in range(25)]
    await threads.archive(ids[3])
    cursor, seen = None, []
    while True:
        rows, cursor = await threads.list_threads(limit=10, cursor=cursor)
        seen += [row.id for row in rows]
        if len(seen) == 10:
            await threads.create()  # newer than the page: it changes none of those to come
            await threads.set_name(ids[0], "old")
        if cursor is None:
            break
    assert seen == [name for name in reversed(ids) if name != ids[3]]
    rows, _ = await threads.list_threads(include_archived=True, limit=1000, principal="mia")
    assert [row.id for row in rows] == [name for n, name in reversed([*enumerate(ids)]) if n % 2]


async def test_what_another_keeper_wrote_is_read(made: Made) -> None:
    """There is no second truth: whoever writes to the log, the next question sees it."""
    threads = made.threads
    row = await threads.create()
    await made.log.write(Event(k.THREAD_CHANGED, {"thread": row.id, "name": "from elsewhere"}))
    assert (await threads.get(row.id)).name == "from elsewhere"


async def test_archive_and_unarchive(made: Made) -> None:
    threads = made.threads
    row = await threads.create()
    await threads.start_turn(row.id, said("x"), None, "t")
    await threads.end_turn(row.id, "t", status="failed", error="no")
    assert (await threads.archive(row.id)).status == "archived"
    before = made.log.last_seq
    assert (await threads.archive(row.id)).status == "archived"
    assert made.log.last_seq == before
    for refused in (
        threads.add_message(row.id, said("x")),
        threads.start_turn(row.id, said("x"), None, "u"),
        threads.resume(row.id),
        threads.set_goal(row.id, "do it"),
    ):
        with pytest.raises(Conflict, match="is archived: unarchive it first"):
            await refused
    assert (await threads.unarchive(row.id)).status == "failed", "as it was before"
    assert (await threads.unarchive(row.id)).status == "failed"


async def test_delete(made: Made) -> None:
    threads = made.threads
    row = await threads.create()
    await threads.delete(row.id)
    assert await threads.list_threads(include_archived=True) == ([], None)
    with pytest.raises(NotFound):
        await threads.delete(row.id)


async def test_set_name(made: Made) -> None:
    row = await made.threads.create()
    assert (await made.threads.set_name(row.id, "mine")).name == "mine"
    assert (await made.threads.set_name(row.id, "")).name == ""
    for bad in ("x" * 201, "a\nb", 5):
        with pytest.raises(InvalidInput):
            await made.threads.set_name(row.id, bad)  # type: ignore[arg-type]


async def test_a_message_that_is_sent_twice_is_one(made: Made) -> None:
    row = await made.threads.create()
    first = await made.threads.add_message(row.id, said("x"), message_id="1")
    second = await made.threads.add_message(row.id, said("x"), message_id="1")
    assert (second.seq, second.index) == (first.seq, 0)
    assert (await made.threads.get(row.id)).messages == 1


class TestGoals:
    """A goal counts, and its budget ends it."""

    async def test_its_life(self, made: Made) -> None:
        threads = made.threads
        row = await threads.create()
        assert await threads.goal(row.id) is None
        assert await threads.clear_goal(row.id) is False
        with pytest.raises(Conflict, match="has no goal"):
            await threads.record_progress(row.id, tokens=1)
        await threads.set_goal(row.id, "do it", 100)
        await threads.record_progress(row.id, tokens=5, seconds=7, continuation=True)
        goal = await (await made.again()).threads.goal(row.id)
        assert goal is not None
        assert (goal.tokens_used, goal.time_used_s, goal.continuations, goal.status) == (5, 7, 1, "active")

    async def test_another_one_starts_anew(self, made: Made) -> None:
        threads = made.threads
        row = await threads.create()
        first = await threads.set_goal(row.id, "one", 10)
        await threads.record_progress(row.id, tokens=9)
        second = await threads.set_goal(row.id, "two")
        assert second.id != first.id
        assert (second.tokens_used, second.token_budget) == (0, None)
        assert await threads.clear_goal(row.id) is True
        assert await threads.goal(row.id) is None

    async def test_no_count_is_lost(self, made: Made) -> None:
        threads = made.threads
        row = await threads.create()
        await threads.set_goal(row.id, "count")
        await asyncio.gather(*(threads.record_progress(row.id, tokens=1) for _ in range(50)))
        goal = await threads.goal(row.id)
        assert goal is not None
        assert goal.tokens_used == 50

    async def test_the_budget_stops_the_next_turn(self, made: Made) -> None:
        threads = made.threads
        row = await threads.create()
        await threads.set_goal(row.id, "little", 10)
        assert (await threads.record_progress(row.id, tokens=9)).status == "active"
        assert (await threads.record_progress(row.id, tokens=1)).status == "budget_limited"
        before = made.log.last_seq
        with pytest.raises(Conflict, match="has used its 10 tokens: set another"):
            await threads.start_turn(row.id, said("more"), None, "t")
        assert made.log.last_seq == before
        await threads.set_goal(row.id, "more", 20)
        await threads.start_turn(row.id, said("more"), None, "t")

    async def test_its_status(self, made: Made) -> None:
        row = await made.threads.create()
        await made.threads.set_goal(row.id, "x")
        assert (await made.threads.record_progress(row.id, status="complete")).status == "complete"
        with pytest.raises(InvalidInput, match="a goal is"):
            await made.threads.record_progress(row.id, status="done")

    @pytest.mark.parametrize("options", [{"tokens": -1}, {"seconds": -1}, {"tokens": 1.5}, {"continuation": 1}])
    async def test_less_than_nothing(self, made: Made, options: dict[str, Any]) -> None:
        row = await made.threads.create()
        await made.threads.set_goal(row.id, "x")
        with pytest.raises(InvalidInput):
            await made.threads.record_progress(row.id, **options)

    @pytest.mark.parametrize(
        ("text", "budget"), [("", None), ("  ", 1), ("x" * 10_001, 1), ("x", 0), ("x", -5), (5, 1)]
    )
    async def test_what_is_no_goal(self, made: Made, text: Any, budget: Any) -> None:
        row = await made.threads.create()
        with pytest.raises(InvalidInput):
            await made.threads.set_goal(row.id, text, budget)


@dataclasses.dataclass
class Point:
    x: int
    names: list[str]


class Model(BaseModel):
    x: int
    inner: dict[str, int]


class Struct(msgspec.Struct):
    x: int


class TestCheckpoints:
    """The last one saved is the newest, whatever the clock says."""

    async def test_three_in_one_millisecond(self, made: Made) -> None:
        row = await made.threads.create()
        for name in "abc":
            await made.threads.save_checkpoint(row.id, name, {"is": name})
        threads = (await made.again()).threads
        assert await threads.load_checkpoint(row.id) == {"is": "c"}
        assert await threads.load_checkpoint(row.id, "a") == {"is": "a"}
        await threads.save_checkpoint(row.id, "a", {"is": "a again"})
        assert await threads.load_checkpoint(row.id) == {"is": "a again"}
        assert await threads.load_checkpoint(row.id, "c") == {"is": "c"}
        assert list((await threads.get(row.id)).checkpoints) == ["b", "c", "a"]

    async def test_none_at_all(self, made: Made) -> None:
        row = await made.threads.create()
        assert await made.threads.load_checkpoint(row.id) is None
        with pytest.raises(NotFound, match="has no checkpoint 'x'"):
            await made.threads.load_checkpoint(row.id, "x")

    @pytest.mark.parametrize(
        ("value", "kind"),
        [
            (Point(1, ["a"]), Point),
            (Model(x=1, inner={"a": 2}), Model),
            (Struct(3), Struct),
            ({"plain": [1, None, 2**53 + 1, 0.5, "é"]}, None),
            ([1, 2], None),
            ("text", None),
            (None, None),
            ({"large": "x" * 200_000}, None),
        ],
    )
    async def test_objects_come_back(self, made: Made, value: Any, kind: Any) -> None:
        row = await made.threads.create()
        await made.threads.save_checkpoint(row.id, "it", value)
        assert await (await made.again()).threads.load_checkpoint(row.id, "it", kind) == value

    async def test_a_state_is_not_what_becomes_of_it_later(self, made: Made) -> None:
        row = await made.threads.create()
        state = {"list": [1]}
        await made.threads.save_checkpoint(row.id, "it", state)
        state["list"].append(2)
        assert await made.threads.load_checkpoint(row.id) == {"list": [1]}

    @pytest.mark.parametrize("value", [object(), float("nan"), {"x": "y" * 17_000_000}, "\ud800", lambda: 1])
    async def test_what_is_no_state(self, made: Made, value: Any) -> None:
        row = await made.threads.create()
        await made.threads.save_checkpoint(row.id, "it", 1)
        with pytest.raises(InvalidInput):
            await made.threads.save_checkpoint(row.id, "it", value)
        assert await made.threads.load_checkpoint(row.id, "it") == 1

    async def test_another_kind(self, made: Made) -> None:
        row = await made.threads.create()
        await made.threads.save_checkpoint(row.id, "it", {"x": "no number"})
        for kind in (Point, Model, Struct):
            with pytest.raises(InvalidInput, match="does not hold a"):
                await made.threads.load_checkpoint(row.id, "it", kind)

    async def test_names_are_bounded(self, made: Made) -> None:
        row = await made.threads.create()
        many = [
            Event(k.THREAD_CHECKPOINT, {"thread": row.id, "checkpoint": str(n), "version": 1, "state": n})
            for n in range(MAX_CHECKPOINTS)
        ]
        await made.log.write(*many)
        with pytest.raises(Conflict, match="save under a name that it has"):
            await made.threads.save_checkpoint(row.id, "one more", 1)
        await made.threads.save_checkpoint(row.id, "7", "new")
        assert await made.threads.load_checkpoint(row.id) == "new"

    async def test_of_a_newer_version(self, made: Made) -> None:
        row = await made.threads.create()
        await made.log.write(
            Event(k.THREAD_CHECKPOINT, {"thread": row.id, "checkpoint": "x", "version": 9, "state": 1})
        )
        with pytest.raises(StoreUnreadable, match="cannot read"):
            await made.threads.load_checkpoint(row.id)


class TestBadInput:
    """One typed error of one line, and nothing is written."""

    @pytest.mark.parametrize("thread_id", ["nobody", "", "x" * 300, "a\nb", 5, "\ud800", "'; DROP TABLE events; --"])
    async def test_a_thread_that_is_not_there(self, made: Made, thread_id: Any) -> None:
        threads = made.threads
        await threads.create()
        before = made.log.last_seq
        good = isinstance(thread_id, str) and thread_id in ("nobody", "'; DROP TABLE events; --")
        expected = NotFound if good else InvalidInput
        for call in (
            threads.get(thread_id),
            threads.read(thread_id),
            threads.messages(thread_id),
            threads.resume(thread_id),
            threads.fork(thread_id),
            threads.set_name(thread_id, "x"),
            threads.archive(thread_id),
            threads.unarchive(thread_id),
            threads.delete(thread_id),
            threads.add_message(thread_id, said("x")),
            threads.save_checkpoint(thread_id, "x", 1),
            threads.load_checkpoint(thread_id),
            threads.set_goal(thread_id, "x"),
            threads.goal(thread_id),
            threads.clear_goal(thread_id),
            threads.record_progress(thread_id, tokens=1),
            threads.start_turn(thread_id, said("x"), None, "t"),
        ):
            with pytest.raises(expected) as caught:
                await call
            assert "\n" not in str(caught.value)
        assert made.log.last_seq == before

    @pytest.mark.parametrize("cursor", ["x", "-1", "1.5", "", "9" * 13, "²"])
    async def test_a_cursor_that_is_none(self, made: Made, cursor: str) -> None:
        row = await made.threads.create()
        with pytest.raises(InvalidInput):
            await made.threads.read(row.id, cursor=cursor)
        with pytest.raises(InvalidInput):
            await made.threads.list_threads(cursor=cursor)

    async def test_a_cursor_beyond_the_end(self, made: Made) -> None:
        row = await made.threads.create()
        assert (await made.threads.read(row.id, cursor="99")).messages == []

    @pytest.mark.parametrize("limit", [0, -1, 1001, 1.5, "9"])
    async def test_a_limit_that_is_none(self, made: Made, limit: Any) -> None:
        row = await made.threads.create()
        with pytest.raises(InvalidInput):
            await made.threads.read(row.id, limit=limit)

    @pytest.mark.parametrize(
        "options",
        [{"settings": {"colour": "red"}}, {"settings": {"model": 5}}, {"settings": {"model": ""}}, {"source": "mars"},
         {"metadata": {"x": object()}}, {"principal": ""}, {"thread_id": ""}, {"name": "a\nb"}],
    )  # fmt: skip
    async def test_a_thread_that_makes_no_sense(self, made: Made, options: dict[str, Any]) -> None:
        with pytest.raises(InvalidInput):
            await made.threads.create(**options)
        assert await made.threads.list_threads() == ([], None)

    async def test_wrong_states(self, made: Made) -> None:
        threads = made.threads
        row = await threads.create()
        await threads.start_turn(row.id, said("x"), None, "t")
        for call in (
            threads.start_turn(row.id, said("y"), None, "u"),
            threads.archive(row.id),
            threads.delete(row.id),
            threads.add_message(row.id, said("y")),
        ):
            with pytest.raises(Conflict, match="in the midst of turn 't'"):
                await call
        await threads.end_turn(row.id, "t", status="completed")
        first = (await threads.messages(row.id))[0]
        with pytest.raises(Conflict, match="already"):
            await threads.start_turn(row.id, said("y"), first.id, "u")


async def test_a_turn_of_a_process_that_is_gone_has_ended(made: Made) -> None:
    row = await made.threads.create()
    await made.threads.start_turn(row.id, said("x"), None, "t")
    again = await made.again()
    await again.threads.set_name(row.id, "after")
    after = await again.threads.get(row.id)
    assert (after.status, after.turn, after.error) == ("failed", None, "its process ended before it did")
    ended = await store_of(again.log).events(kinds=[k.THREAD_TURN_ENDED])
    assert [event.data["status"] for event in ended] == ["interrupted"]


async def test_messages_that_a_bounded_log_let_go_of_are_an_error() -> None:
    log = EventLog(max_events=20)
    threads = threads_of(log)
    thread = await filled(threads, 60)
    assert (await threads.get(thread)).messages == 60
    with pytest.raises(StoreUnreadable, match="let go of"):
        await threads.messages(thread)


async def test_a_message_that_is_missing_is_an_error(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    thread = await filled(made.threads, 3)
    whole = await made.threads._store.thread_events(thread, k.THREAD_MESSAGE)

    async def fewer(*_: Any, **__: Any) -> list[Event]:
        return whole[:2]

    monkeypatch.setattr(made.threads._store, "thread_events", fewer)
    with pytest.raises(StoreUnreadable, match="are gone"):
        await made.threads.messages(thread)


async def test_a_store_that_cannot_be_read_is_no_empty_list(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    await made.threads.create()

    async def broken() -> Any:
        raise StoreUnreadable("the file is damaged")

    monkeypatch.setattr(made.threads._store, "threads_view", broken)
    for call in (made.threads.list_threads(), made.threads.get("x"), made.threads.create()):
        with pytest.raises(StoreUnreadable):
            await call


async def test_a_message_that_cannot_be_read_is_an_error(made: Made) -> None:
    row = await made.threads.create()
    await made.log.write(Event(k.THREAD_MESSAGE, {"thread": row.id, "id": "1", "role": "robot", "text": "x"}))
    with pytest.raises(StoreUnreadable, match="cannot be read"):
        await made.threads.messages(row.id)


async def test_the_view_is_the_fold_of_the_events(made: Made) -> None:
    thread = await filled(made.threads, 3)
    await made.threads.fork(thread)
    await made.threads.set_goal(thread, "x", 5)
    await made.threads.archive(thread)
    store = store_of(made.log)
    view = await store.threads_view()
    folded = fold_all(ThreadsView(), await store.events(limit=1000))
    assert folded.threads == view.threads
    assert (await store.snapshot()).threads.threads == view.threads


@pytest.mark.parametrize("seed", range(cases(20)))
def test_no_event_makes_the_fold_raise(seed: int) -> None:
    print(f"seed {seed}")
    draw = random.Random(seed)
    odd: list[Any] = [None, 5, -1, 2**70, "x", "", [], {}, True, 1.5, {"a": 1}]
    view = ThreadsView()
    names = ["thread", "turn", "status", "tokens", "goal", "base", "checkpoint", "text", "metadata", "token_budget"]
    for seq in range(1, 300):
        data = {name: draw.choice(odd) for name in names if draw.random() < 0.8}
        fold_all(view, [Event(draw.choice(sorted(k.THREAD)), data, seq=seq)])
    assert view.last_seq == 299
    msgspec.json.decode(msgspec.json.encode(view), type=ThreadsView)


def test_errors_have_a_remedy() -> None:
    for kind in (NotFound, Conflict, InvalidInput, StoreUnreadable):
        assert issubclass(kind, HeadwayError)
        assert kind.code
        assert kind.remedy
