"""Prompts: a model answers in a thread; message, usage and checkpoint are one transaction."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headway.errors import HeadwayError, InferenceError, NotFound, describe, one_line
from headway.events import kinds as k
from headway.events.event import Event
from headway.events.fold.threads import SETTINGS
from headway.events.views import ThreadRow
from headway.inference.chat import ChatRequest, Message, Reply
from headway.threads.checkpoints import VERSION
from headway.threads.message import StoredMessage, event_data
from headway.threads.requests import (
    Archive,
    CliRuntimeOverrides,
    Create,
    Delete,
    Fork,
    GoalClear,
    GoalGet,
    GoalRecordProgress,
    GoalSet,
    List,
    PromptRequest,
    PromptResponse,
    Read,
    Resume,
    SendMessage,
    SetName,
    Start,
    ThreadRequest,
    ThreadResponse,
    Unarchive,
    overrides_of,
    prompt_of,
    request_of,
)
from headway.threads.threads import Threads, new_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from headway.inference.registry import ModelRegistry, Resolution

LATEST = "latest"
"""The checkpoint that each answered prompt saves: the answer's message, turn and model."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn that was started. ``result()`` waits for its end, and raises what it failed with."""

    id: str
    thread_id: str
    message: StoredMessage
    _task: asyncio.Task[PromptResponse]

    async def result(self) -> PromptResponse:
        """Return the answer; a caller that is cancelled leaves the turn running."""
        return await asyncio.shield(self._task)

    def cancel(self) -> None:
        """End the turn where it is; it is recorded as cancelled."""
        self._task.cancel()


@dataclass(frozen=True, slots=True)
class _Asked:
    row: ThreadRow
    request: PromptRequest
    overrides: CliRuntimeOverrides
    resolution: Resolution
    settings: dict[str, str]


class Prompts:
    """Has the models of ``models()`` answer in ``threads``; see :meth:`handle_prompt` and :meth:`handle_thread`."""

    def __init__(self, threads: Threads, models: Callable[[], ModelRegistry]) -> None:
        self.threads = threads
        self._models = models
        self._running: set[asyncio.Task[PromptResponse]] = set()

    async def handle_prompt(self, request: object, overrides: object = None) -> PromptResponse:
        """Ask the model that is meant, and return its answer once it is recorded.

        ``request`` is a :class:`PromptRequest` or its JSON, ``overrides`` are :class:`CliRuntimeOverrides`. Which model
        is meant: the overrides', the request's, the thread's, else the default. The message, its answer, the usage and
        the checkpoint ``latest`` are recorded; of a model that fails, the message and the failed turn.

        Raises :class:`NotFound` for a thread, a provider or a default that is not there, :class:`Conflict` for a thread
        that takes no turn, and :class:`InferenceError`.
        """
        turn = await self.start(request, overrides)
        try:
            return await turn.result()
        except asyncio.CancelledError:
            turn.cancel()
            raise

    async def start(self, request: object, overrides: object = None) -> Turn:
        """Start a turn as :meth:`handle_prompt` does, and return it once its message is recorded."""
        asked = await self._asked(prompt_of(request), overrides_of(overrides))
        message = Message("user", asked.request.prompt)
        row = asked.row
        if not row.id:
            row = await self.threads.create(source="interactive", settings=asked.settings)
        turn = new_id("turn")
        stored = await self.threads.start_turn(row.id, message, asked.request.message_id, turn)
        task = asyncio.get_running_loop().create_task(self._run(asked, row, turn))
        self._running.add(task)
        task.add_done_callback(self._ended)
        return Turn(turn, row.id, stored, task)

    async def aclose(self) -> None:
        """Cancel the turns that run, and wait until they are recorded."""
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _ended(self, task: asyncio.Task[PromptResponse]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # seen: it is recorded, and whoever waits gets it

    async def _asked(self, request: PromptRequest, overrides: CliRuntimeOverrides) -> _Asked:
        """Find the thread and the model before anything is written."""
        row = ThreadRow(id="") if request.thread_id is None else await self.threads.get(request.thread_id)
        settings: dict[str, str] = {}
        for name in SETTINGS:
            for place in (overrides, request, row):
                value = getattr(place, name, None)
                if value is not None:
                    settings[name] = value
                    break
        resolution = self._models().resolve(settings.get("model"), settings.get("provider"))
        _chat(request, overrides, [Message("user", request.prompt)])
        return _Asked(row, request, overrides, resolution, settings)

    async def _run(self, asked: _Asked, row: ThreadRow, turn: str) -> PromptResponse:
        """Ask the model and record what came of it, whatever that is."""
        try:
            said = [one.message for one in await self.threads.messages(row.id)]
            chat = _chat(asked.request, asked.overrides, said)
            reply, by = await self._models().chat(chat, asked.resolution)
            return await self._answered(asked, row, turn, reply, by)
        except asyncio.CancelledError:
            await asyncio.shield(self.threads.end_turn(row.id, turn, status="cancelled", error="it was cancelled"))
            raise
        except HeadwayError as error:
            await self.threads.end_turn(row.id, turn, status="failed", error=error.message)
            raise
        except Exception as error:
            await self.threads.end_turn(row.id, turn, status="failed", error=type(error).__name__)
            raise InferenceError(f"the model's provider raised {describe(error).partition(':')[0]}") from error

    async def _answered(self, asked: _Asked, row: ThreadRow, turn: str, reply: Reply, by: Resolution) -> PromptResponse:
        usage, message_id = reply.usage, new_id("msg")
        model = one_line(reply.model or by.model, 200)
        state = {"turn": turn, "message_id": message_id, "model": by.name}
        events = [
            Event(k.THREAD_MESSAGE, event_data(row.id, message_id, reply.message(), turn)),
            Event(k.THREAD_CHECKPOINT, {"thread": row.id, "checkpoint": LATEST, "version": VERSION, "state": state}),
        ]
        goal = await self.threads.goal(row.id)
        if goal is not None:
            used = {"tokens": usage.input_tokens + usage.output_tokens, "seconds": 0}
            events.append(Event(k.THREAD_GOAL_PROGRESS, {"thread": row.id, "goal": goal.id, **used}))
        told: dict[str, Any] = {"status": "completed", "model": by.name}
        told |= {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens, "cost": usage.cost}
        await self.threads.end_turn(row.id, turn, *events, **told)
        return PromptResponse(
            output=reply.text,
            thread_id=row.id,
            turn=turn,
            message_id=message_id,
            model=model,
            finish_reason=reply.finish_reason,
            resolution=by,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            estimated=usage.estimated,
            cost=usage.cost,
            calls=list(reply.calls),
            settings=asked.settings,
        )

    # -- requests ----------------------------------------------------------------------------------------------------

    async def handle_thread(self, request: object) -> ThreadResponse:
        """Answer a typed request about threads, or its JSON: ``{"kind": "fork", "thread_id": …}``.

        Raises :class:`NotFound` for a thread that is not there, whatever the kind, and :class:`InvalidInput` for a kind
        or a field that there is not.
        """
        asked = request_of(request)
        response = await self._handle(asked)
        if response.thread_id is None and response.thread is not None:
            response.thread_id = response.thread.id
        return response

    async def _handle(self, asked: ThreadRequest) -> ThreadResponse:
        match asked:
            case Create() | Start():
                return await self._create(asked)
            case Resume() | Fork():
                return await self._continue(asked)
            case List() | Read():
                return await self._look(asked)
            case GoalSet() | GoalGet() | GoalClear() | GoalRecordProgress():
                return await self._goal(asked)
            case SendMessage():
                turn = await self.start(PromptRequest(prompt=asked.input, thread_id=asked.thread_id))
                return ThreadResponse(status="accepted", thread_id=turn.thread_id, turn=turn.id)
            case SetName():
                return ThreadResponse(status="ok", thread=await self.threads.set_name(asked.thread_id, asked.name))
            case Archive():
                return ThreadResponse(status="archived", thread=await self.threads.archive(asked.thread_id))
            case Unarchive():
                return ThreadResponse(status="unarchived", thread=await self.threads.unarchive(asked.thread_id))
            case Delete():
                await self.threads.delete(asked.thread_id)
                return ThreadResponse(status="deleted", thread_id=asked.thread_id)

    async def _create(self, asked: Create | Start) -> ThreadResponse:
        """Make a thread; one without a model keeps the default of now."""
        settings = {} if isinstance(asked, Create) else asked.given()
        if settings.get("model") is not None or settings.get("provider") is not None:
            self._models().resolve(settings.get("model"), settings.get("provider"))
        else:
            settings |= self._default()
        made = await self.threads.create(
            thread_id=asked.thread_id if isinstance(asked, Create) else None,
            name=asked.name,
            metadata=asked.metadata,
            source="api",
            settings=settings,
        )
        return ThreadResponse(status="created" if isinstance(asked, Create) else "started", thread=made)

    def _default(self) -> dict[str, str | None]:
        try:
            found = self._models().resolve()
        except NotFound:
            return {}
        return {"model": found.model, "provider": found.provider}

    async def _continue(self, asked: Resume | Fork) -> ThreadResponse:
        if isinstance(asked, Fork):
            made = await self.threads.fork(asked.thread_id, asked.at, name=asked.name, settings=asked.given())
            return ThreadResponse(status="forked", thread=made)
        history = [(one.id, Message(one.role, one.text)) for one in asked.history]
        row = await self.threads.resume(asked.thread_id, history=history, settings=asked.given())
        return ThreadResponse(status="resumed", thread=row)

    async def _look(self, asked: List | Read) -> ThreadResponse:
        if isinstance(asked, List):
            rows, cursor = await self.threads.list_threads(
                include_archived=asked.include_archived, limit=asked.limit, cursor=asked.cursor
            )
            return ThreadResponse(status="ok", threads=rows, next=cursor)
        page = await self.threads.read(asked.thread_id, cursor=asked.cursor, limit=asked.limit)
        row = await self.threads.get(asked.thread_id)
        return ThreadResponse(
            status="ok", thread=row, goal=row.goal, messages=page.messages, next=page.next, total=page.total
        )

    async def _goal(self, asked: GoalSet | GoalGet | GoalClear | GoalRecordProgress) -> ThreadResponse:
        threads, thread_id = self.threads, asked.thread_id
        if isinstance(asked, GoalClear):
            cleared = await threads.clear_goal(thread_id)
            return ThreadResponse(status="cleared" if cleared else "empty", thread_id=thread_id)
        if isinstance(asked, GoalSet):
            goal = await threads.set_goal(thread_id, asked.objective, asked.token_budget)
        elif isinstance(asked, GoalRecordProgress):
            goal = await threads.record_progress(
                thread_id,
                tokens=asked.token_delta,
                seconds=asked.time_delta_seconds,
                continuation=asked.record_continuation,
            )
        else:
            found = await threads.goal(thread_id)
            if found is None:
                return ThreadResponse(status="empty", thread_id=thread_id)
            goal = found
        return ThreadResponse(status="ok", thread_id=thread_id, goal=goal)


def _chat(request: PromptRequest, overrides: CliRuntimeOverrides, messages: list[Message]) -> ChatRequest:
    """Return the request to the model, checked."""
    return ChatRequest.of(
        messages,
        system=request.system,
        max_tokens=request.max_tokens if overrides.max_tokens is None else overrides.max_tokens,
        temperature=request.temperature if overrides.temperature is None else overrides.temperature,
    )
