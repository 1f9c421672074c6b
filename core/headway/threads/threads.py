"""The threads of one log: created, changed, forked, read; every change is an event before it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4
from weakref import WeakKeyDictionary

from headway.arguments import expect
from headway.errors import Conflict, InvalidInput, NotFound, one_line
from headway.events import kinds as k
from headway.events.event import Event
from headway.events.fold.threads import SETTINGS
from headway.events.views import Goal, ThreadRow, ThreadsView
from headway.inference.chat import Message
from headway.jsonvalue import to_json
from headway.numbers import whole_number
from headway.policy.exec.asking import approval_of
from headway.store import store_of
from headway.threads import checkpoints
from headway.threads.message import StoredMessage, checked_id, event_data
from headway.threads.reading import Page, list_threads, messages_of, read_page, row_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from headway.events.log import EventLog

T = TypeVar("T")

MAX_ID = 200
MAX_NAME = 200
MAX_OBJECTIVE = 10_000
MAX_MESSAGES = 100_000
MAX_CHECKPOINTS = 1000
"""The most checkpoint names of one thread."""

SOURCES = ("interactive", "resume", "fork", "api", "a2a", "unknown")
GOAL_STATUSES = ("active", "paused", "blocked", "usage_limited", "budget_limited", "complete")


class Threads:
    """Use :func:`threads_of`. Every method raises :class:`NotFound` for a thread that is not there.

    Of several changes at a time one follows the other, each on disk when it returns, if the log is. A store that
    cannot be read raises: it never is an empty list.
    """

    def __init__(self, log: EventLog) -> None:
        self.log = log
        self._store = store_of(log)
        self._locks: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()
        self.live: set[str] = set()
        """The turns that run in this process."""

    # -- reading -----------------------------------------------------------------------------------------------------

    async def get(self, thread_id: str) -> ThreadRow:
        """Return a thread's row as it is committed."""
        return row_of(await self._view(), thread_id)

    async def list_threads(
        self,
        *,
        include_archived: bool = False,
        limit: int = 50,
        cursor: str | None = None,
        principal: str | None = None,
    ) -> tuple[list[ThreadRow], str | None]:
        """Return threads, the newest first, and the cursor of the page after them: of one principal, or all.

        The order is that of their making, so that pages stay whole while threads are used and made.
        """
        view = await self._view()
        return list_threads(view, include_archived=include_archived, limit=limit, cursor=cursor, principal=principal)

    async def read(self, thread_id: str, *, cursor: str | None = None, limit: int = 100) -> Page:
        """Return a page of messages, oldest first; those that a fork inherits among them."""
        return await read_page(self._store, await self._view(), thread_id, cursor=cursor, limit=limit)

    async def messages(self, thread_id: str) -> list[StoredMessage]:
        """Return all messages of a thread."""
        view = await self._view()
        row = row_of(view, thread_id)
        return await messages_of(self._store, view, row.id, 0, row.messages)

    async def load_checkpoint(
        self, thread_id: str, checkpoint_id: str | None = None, kind: type[T] | None = None
    ) -> Any:
        """Return a state that was saved, the newest without a name; None if the thread has none at all.

        With ``kind`` (a dataclass, a msgspec struct, a pydantic model) an object of it. Raises :class:`NotFound` for a
        name that nothing was saved under, :class:`InvalidInput` for a state that is no ``kind``.
        """
        row = await self.get(thread_id)
        if checkpoint_id is None:
            if not row.checkpoints:
                return None
            seq = max(row.checkpoints.values())
        else:
            name = checked_id(checkpoint_id, "a checkpoint's id")
            if name not in row.checkpoints:
                raise NotFound(f"thread '{row.id}' has no checkpoint '{one_line(name, 80)}'")
            seq = row.checkpoints[name]
        event = await self._store.event(seq)
        checkpoints.refuse_newer(event.data, seq)
        return checkpoints.restored(await self._store.resolve(event.data["state"]), kind)

    # -- changing ----------------------------------------------------------------------------------------------------

    async def create(
        self,
        *,
        thread_id: str | None = None,
        name: str = "",
        metadata: Mapping[str, Any] | None = None,
        source: str = "api",
        principal: str | None = None,
        settings: Mapping[str, str | None] | None = None,
    ) -> ThreadRow:
        """Make a thread. ``settings`` are model, provider, cwd, approval_policy and sandbox, kept for its turns.

        Raises :class:`Conflict` for an id that is taken, also by a thread that was deleted.
        """
        made = new_id("thread") if thread_id is None else checked_id(thread_id, "a thread's id")
        if source not in SOURCES:
            raise InvalidInput(f"the source of a thread is {', '.join(SOURCES)}")
        data: dict[str, Any] = {"thread": made, "source": source, **checked_settings(settings)}
        data["name"] = _line(name, "a thread's name")
        data["metadata"] = to_json(dict(metadata or {}))
        if principal is not None:
            data["principal"] = checked_id(principal, "a principal")
        async with self._changing() as view:
            if made in view.threads or made in view.deleted:
                raise Conflict(f"there was a thread '{made}' already")
            return await self._write(made, Event(k.THREAD_CREATED, data))

    async def resume(
        self,
        thread_id: str,
        *,
        history: Sequence[tuple[str, Message]] = (),
        settings: Mapping[str, str | None] | None = None,
    ) -> ThreadRow:
        """Take a thread up again: with other settings where they are given, the stored ones stay otherwise.

        ``history`` are messages with their ids, appended where an id is new: two equal messages are two, one id is
        one. Raises :class:`Conflict` for an archived thread.
        """
        given = [(checked_id(name), expect(message, Message, "a message")) for name, message in history]
        async with self._changing() as view:
            row = self._active(view, thread_id)
            events = []
            if changes := checked_settings(settings):
                events.append(Event(k.THREAD_CHANGED, {"thread": row.id, **changes}))
            if given:
                known = {one.id for one in await messages_of(self._store, view, row.id, 0, row.messages)}
                for name, message in given:
                    if name not in known:
                        known.add(name)
                        events.append(Event(k.THREAD_MESSAGE, event_data(row.id, name, message, None)))
            self._room(row, len(events))
            return await self._write(row.id, *events) if events else row

    async def fork(
        self,
        thread_id: str,
        at: int | None = None,
        *,
        name: str = "",
        settings: Mapping[str, str | None] | None = None,
    ) -> ThreadRow:
        """Return a new thread that continues after message ``at`` (its index), without it the last one.

        Nothing is copied: the messages up to there are the parent's, which the fork never changes. Settings not given
        are the parent's; so is the principal. Archived threads may be forked too.
        """
        _line(name, "a thread's name")
        changes = checked_settings(settings)
        async with self._changing() as view:
            row = row_of(view, thread_id)
            if row.messages == 0 and at is None:
                base = 0
            else:
                base = row.messages if at is None else whole_number(at, "at", 0) + 1
            if base > row.messages:
                raise NotFound(f"thread '{row.id}' has no message {at}: it has {row.messages}")
            kept = {setting: getattr(row, setting) for setting in SETTINGS if getattr(row, setting) is not None}
            made = new_id("thread")
            data = {"thread": made, "source": "fork", "name": name, "metadata": row.metadata, **kept, **changes}
            data |= {"forked_from": row.id, "base": base, "preview": row.preview}
            if row.principal is not None:
                data["principal"] = row.principal
            return await self._write(made, Event(k.THREAD_CREATED, data))

    async def set_name(self, thread_id: str, name: str) -> ThreadRow:
        """Call a thread ``name``; an empty one takes its name away."""
        told = _line(name, "a thread's name")
        return await self._change(thread_id, lambda row: Event(k.THREAD_CHANGED, {"thread": row.id, "name": told}))

    async def archive(self, thread_id: str) -> ThreadRow:
        """Put a thread away: it takes no turns. One that is archived stays so; one that is running is a Conflict."""

        def archived(row: ThreadRow) -> Event | None:
            if row.status == "archived":
                return None
            _refuse_running(row, "archived")
            return Event(k.THREAD_ARCHIVED, {"thread": row.id})

        return await self._change(thread_id, archived)

    async def unarchive(self, thread_id: str) -> ThreadRow:
        """Take an archived thread back, as it was before; any other stays as it is."""
        return await self._change(
            thread_id,
            lambda row: Event(k.THREAD_UNARCHIVED, {"thread": row.id}) if row.status == "archived" else None,
        )

    async def delete(self, thread_id: str) -> None:
        """Delete a thread; forks keep the messages that they inherit. A running one is a Conflict.

        From then on it is not there. The log is append-only: what was said stays in its file until that is made anew.
        """
        async with self._changing() as view:
            row = row_of(view, thread_id)
            _refuse_running(row, "deleted")
            await self.log.write(Event(k.THREAD_DELETED, {"thread": row.id}))

    async def add_message(
        self, thread_id: str, message: Message, *, message_id: str | None = None, turn: str | None = None
    ) -> StoredMessage:
        """Append a message. One whose ``message_id`` is there already is not appended again: the first is returned.

        Raises :class:`Conflict` for an archived thread, and while another turn runs.
        """
        expect(message, Message, "a message")
        name = new_id("msg") if message_id is None else checked_id(message_id)
        async with self._changing() as view:
            row = self._active(view, thread_id)
            if row.turn != turn and row.turn is not None:
                raise Conflict(f"thread '{row.id}' is in the midst of turn '{row.turn}'")
            if message_id is not None:
                for one in await messages_of(self._store, view, row.id, 0, row.messages):
                    if one.id == name:
                        return one
            self._room(row, 1)
            event = Event(k.THREAD_MESSAGE, event_data(row.id, name, message, turn))
            seq = await self.log.write(event)
            return StoredMessage(name, row.messages, message, turn, self.log.clock.time_ms(), seq)

    async def save_checkpoint(self, thread_id: str, checkpoint_id: str, state: Any) -> int:
        """Save a state under a name, in place of what it had; return its seq: the order of checkpoints.

        ``state`` is JSON, a dataclass, a msgspec struct or a pydantic model, at most 16 MiB of JSON.
        """
        name = checked_id(checkpoint_id, "a checkpoint's id")
        made = checkpoints.state_of(state)
        async with self._changing() as view:
            row = row_of(view, thread_id)
            if name not in row.checkpoints and len(row.checkpoints) >= MAX_CHECKPOINTS:
                raise Conflict(f"thread '{row.id}' has {MAX_CHECKPOINTS:,} checkpoints: save under a name that it has")
            data = {"thread": row.id, "checkpoint": name, "version": checkpoints.VERSION, "state": made}
            return await self.log.write(Event(k.THREAD_CHECKPOINT, data))

    # -- goals -------------------------------------------------------------------------------------------------------

    async def set_goal(self, thread_id: str, objective: str, token_budget: int | None = None) -> Goal:
        """Give a thread a goal, in place of the one that it had, with counters at zero.

        Once ``token_budget`` tokens are used, no further turn starts.
        """
        told = expect(objective, str, "an objective").strip()
        if not 0 < len(told) <= MAX_OBJECTIVE:
            raise InvalidInput(f"an objective is a text of 1 to {MAX_OBJECTIVE:,} characters")
        budget = None if token_budget is None else whole_number(token_budget, "token_budget", 1)
        data = {"goal": new_id("goal"), "objective": told, "token_budget": budget}
        row = await self._change(
            thread_id, lambda row: Event(k.THREAD_GOAL_SET, {"thread": self._not_archived(row).id, **data})
        )
        assert row.goal is not None
        return row.goal

    async def goal(self, thread_id: str) -> Goal | None:
        """Return a thread's goal, None if it has none."""
        return (await self.get(thread_id)).goal

    async def clear_goal(self, thread_id: str) -> bool:
        """Take a thread's goal away; return whether it had one."""
        async with self._changing() as view:
            row = row_of(view, thread_id)
            if row.goal is None:
                return False
            await self.log.write(Event(k.THREAD_GOAL_CLEARED, {"thread": row.id, "goal": row.goal.id}))
            return True

    async def record_progress(
        self,
        thread_id: str,
        *,
        tokens: int = 0,
        seconds: int = 0,
        continuation: bool = False,
        status: str | None = None,
    ) -> Goal:
        """Count what was done for a thread's goal, and say how it stands; return the goal.

        The budget ends it by itself: from ``budget_limited`` on no turn starts. Raises :class:`Conflict` for a thread
        without a goal, :class:`InvalidInput` for less than nothing.
        """
        data: dict[str, Any] = {
            "tokens": whole_number(tokens, "tokens", 0),
            "seconds": whole_number(seconds, "seconds", 0),
            "continuation": expect(continuation, bool, "continuation"),
        }
        if status is not None:
            if status not in GOAL_STATUSES:
                raise InvalidInput(f"a goal is {', '.join(GOAL_STATUSES)}")
            data["status"] = status

        def progressed(row: ThreadRow) -> Event:
            if row.goal is None:
                raise Conflict(f"thread '{row.id}' has no goal: set one first")
            return Event(k.THREAD_GOAL_PROGRESS, {"thread": row.id, "goal": row.goal.id, **data})

        row = await self._change(thread_id, progressed)
        assert row.goal is not None
        return row.goal

    # -- turns -------------------------------------------------------------------------------------------------------

    async def start_turn(self, thread_id: str, message: Message, message_id: str | None, turn: str) -> StoredMessage:
        """Begin a turn with a message; nothing is written if it may not begin.

        Raises :class:`Conflict` for an archived thread, one that is in the midst of a turn, and one whose goal has
        used its budget.
        """
        expect(message, Message, "a message")
        name = new_id("msg") if message_id is None else checked_id(message_id)
        async with self._changing() as view:
            row = self._active(view, thread_id)
            _refuse_running(row, "given another turn")
            if row.goal is not None and row.goal.status == "budget_limited":
                raise Conflict(
                    f"the goal of thread '{row.id}' has used its {row.goal.token_budget:,} tokens: set another"
                )
            if message_id is not None and row.messages:
                held = await messages_of(self._store, view, row.id, 0, row.messages)
                if any(one.id == name for one in held):
                    raise Conflict(f"thread '{row.id}' has a message '{one_line(name, 80)}' already")
            self._room(row, 2)
            self.live.add(turn)
            try:
                seq = await self.log.write(
                    Event(k.THREAD_TURN_STARTED, {"thread": row.id, "turn": turn}),
                    Event(k.THREAD_MESSAGE, event_data(row.id, name, message, turn)),
                )
            except BaseException:
                self.live.discard(turn)
                raise
            return StoredMessage(name, row.messages, message, turn, self.log.clock.time_ms(), seq)

    async def end_turn(self, thread_id: str, turn: str, *events: Event, **data: Any) -> None:
        """End a turn; ``events`` come before its end, in the same transaction."""
        ended = Event(k.THREAD_TURN_ENDED, {"thread": thread_id, "turn": turn, **data})
        try:
            async with self._lock():
                await self.log.write(*events, ended)
        finally:
            self.live.discard(turn)

    # -- inside ------------------------------------------------------------------------------------------------------

    def _lock(self) -> asyncio.Lock:
        return self._locks.setdefault(asyncio.get_running_loop(), asyncio.Lock())

    async def _view(self) -> ThreadsView:
        """Return the threads as they are committed. Turns of a process that is gone have been ended before."""
        await self.log.flush()
        return await self._store.threads_view()

    @asynccontextmanager
    async def _changing(self) -> AsyncIterator[ThreadsView]:
        """Give the present threads to one change at a time."""
        async with self._lock():
            view = await self._view()
            lost = [row for row in view.threads.values() if row.turn is not None and row.turn not in self.live]
            if lost:
                await self.log.write(*(_interrupted(row) for row in lost))
                view = await self._view()
            yield view

    async def _change(self, thread_id: str, make: Callable[[ThreadRow], Event | None]) -> ThreadRow:
        async with self._changing() as view:
            row = row_of(view, thread_id)
            event = make(row)
            return row if event is None else await self._write(row.id, event)

    async def _write(self, thread_id: str, *events: Event) -> ThreadRow:
        await self.log.write(*events)
        return row_of(await self._view(), thread_id)

    def _not_archived(self, row: ThreadRow) -> ThreadRow:
        if row.status == "archived":
            raise Conflict(f"thread '{row.id}' is archived: unarchive it first")
        return row

    def _active(self, view: ThreadsView, thread_id: str) -> ThreadRow:
        return self._not_archived(row_of(view, thread_id))

    def _room(self, row: ThreadRow, more: int) -> None:
        if row.messages + more > MAX_MESSAGES:
            raise Conflict(f"thread '{row.id}' has {MAX_MESSAGES:,} messages, which is the most: start another")


def threads_of(log: EventLog) -> Threads:
    """Return the threads of a log: one keeper, whoever asks."""
    found = log.threads
    if found is None:
        found = log.threads = Threads(log)
    assert isinstance(found, Threads)
    return found


def new_id(kind: str) -> str:
    """Return an id that nothing has."""
    return f"{kind}-{uuid4().hex}"


def checked_settings(settings: Mapping[str, str | None] | None) -> dict[str, str]:
    """Return the settings that are given; :class:`InvalidInput` for one that there is not, or that is no text."""
    given: dict[str, str] = {}
    for name, value in (settings or {}).items():
        if name not in SETTINGS:
            raise InvalidInput(f"a thread has no setting '{one_line(name, 40)}': {', '.join(SETTINGS)}")
        if value is not None:
            given[name] = checked_id(value, f"the {name} of a thread", 4096 if name == "cwd" else MAX_NAME)
            if name == "approval_policy":
                approval_of(value)
    return given


def _line(name: str, what: str) -> str:
    """Return a name of one line, or an empty one."""
    return checked_id(name, what) if expect(name, str, what) else name


def _refuse_running(row: ThreadRow, what: str) -> None:
    if row.turn is not None:
        raise Conflict(f"thread '{row.id}' is in the midst of turn '{row.turn}': it cannot be {what}")


def _interrupted(row: ThreadRow) -> Event:
    data = {
        "thread": row.id,
        "turn": row.turn,
        "status": "interrupted",
        "error": "its process ended before it did",
    }
    return Event(k.THREAD_TURN_ENDED, data)
