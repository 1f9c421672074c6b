"""The desk: the open questions of one log, and the way of an answer to whoever waits for it.

A question is an event before anybody can answer it, and an answer is on disk before it takes effect. Of several answers
to one question the first wins; a cancel, a time that runs out and an answer close it once between them.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from headway.elicitation import record
from headway.elicitation.check import check_answer
from headway.elicitation.elicitations import MAX_WAIT_S
from headway.errors import Conflict, HeadwayError, InvalidInput, NotFound, StoreError, describe
from headway.events.fold.inbox import question_of
from headway.events.views import Elicitation, session_key
from headway.execution.asking import ALLOW, APPROVAL, DENY, SESSION, Answer, Question
from headway.store import store_of

if TYPE_CHECKING:
    from headway.clock import TimerHandle
    from headway.elicitation.record import Asked
    from headway.events.log import EventLog

_log = logging.getLogger("headway.elicitation")

Consulted = Answer | bool | None
Callback = Callable[[Elicitation], Consulted | Awaitable[Consulted]]
"""Answers questions in a program: an Answer, True or False (allow, deny), or None to leave it to others."""

Deliver = Callable[[Answer], object]


class Waiting:
    """An open question, and who waits for its answer: the wait of a parked action."""

    def __init__(
        self, desk: Desk, question: Elicitation, asked: Question, answered: Callable[[Answer], object]
    ) -> None:
        self.desk = desk
        self.question = question
        self.asked = asked
        self.answered: Callable[[Answer], object] | None = answered
        self.closing: Answer | None = None
        self.timer: TimerHandle | None = None

    def cancel(self) -> None:
        """Take the question back: nobody needs its answer."""
        self.desk._withdraw(self)


class Desk:
    """Use :func:`desk_of`. All methods belong to the event loop's thread."""

    def __init__(self, log: EventLog) -> None:
        self.log = log
        self._clock = log.clock
        self._open: dict[str, Waiting] = {}
        self._asked: dict[str, Asked] = {}  # of live jobs: how many, what was left open before a restart, answers
        self._allowed: dict[str, str] = {}
        self._settling: set[str] = set()  # questions of jobs that do not run here, which are being answered
        self._tasks: set[asyncio.Task[Any]] = set()
        self._loaded = False
        self.on_left: Callable[[str], object] | None = None
        """Called with the id of a job that does not run here, once a question of it is answered."""

    def __len__(self) -> int:
        return len(self._open)

    # -- asking ------------------------------------------------------------------------------------------------------

    def ask(
        self,
        question: Question,
        answered: Deliver,
        *,
        callback: Callback | None = None,
        expires_s: float | None = None,
    ) -> Answer | Waiting:
        """Return the answer if there is one, else ask and return what the asker waits on."""
        asked = self._asked.get(question.job_id)
        if asked is None:
            asked = self._asked[question.job_id] = record.Asked()
        known = asked.answers.get(question.reference)
        if known is not None:
            return known
        allowed = self._allowed.get(session_key(question.scope, question.principal, question.digest))
        if question.kind == APPROVAL and question.digest and allowed is not None:
            return Answer(SESSION, reason=f"allowed for the session by the answer to '{allowed}'")
        left = asked.open.pop(question.reference, None)
        if left is None:
            seconds = expires_s if question.expires_s is None else question.expires_s
            left = self._put(question, asked, None if seconds is None else max(0.0, min(seconds, MAX_WAIT_S)))
        waiting = Waiting(self, left, question, answered)
        self._open[left.id] = waiting
        if left.expires_ms is not None:
            rest = max(0, left.expires_ms - self._clock.time_ms()) / 1000
            waiting.timer = self._clock.call_later(rest, self._expire, waiting)
        if callback is not None:
            self._keep(asyncio.get_running_loop().create_task(self._consult(callback, waiting)))
        return waiting

    def _put(self, question: Question, asked: Asked, seconds: float | None) -> Elicitation:
        """Record a question that is new."""
        asked.count += 1
        now = self._clock.time_ms()
        expires_ms = None if seconds is None else now + round(seconds * 1000)
        event = record.requested(question, record.id_of(question.job_id, asked.count), expires_ms, self.log.redactor)
        with contextlib.suppress(StoreError):  # a log that takes nothing ends the run by itself
            self.log.append(event)
        made = question_of(event)
        made.asked_ms = now
        return made

    def _withdraw(self, waiting: Waiting, reason: str = "nobody needs an answer any more") -> None:
        waiting.answered = None
        settling = waiting.closing is not None or waiting.question.id in self._settling
        if not settling and self._take_away(waiting):
            with contextlib.suppress(StoreError):
                self.log.append(record.withdrawn(waiting.question, reason, self._waited(waiting.question)))

    def _expire(self, waiting: Waiting) -> None:
        """Answer by default what nobody has answered in time."""
        waiting.timer = None
        question = waiting.question
        if waiting.closing is not None or question.id in self._settling or not self._take_away(waiting):
            return
        answer = Answer(question.default, question.default_value, expired=True)
        with contextlib.suppress(StoreError):
            self.log.append(record.expired(question, self._waited(question)))
        self._deliver(waiting, answer)

    def _take_away(self, waiting: Waiting) -> bool:
        if waiting.timer is not None:
            waiting.timer.cancel()
            waiting.timer = None
        return self._open.pop(waiting.question.id, None) is waiting

    def _deliver(self, waiting: Waiting, answer: Answer) -> None:
        """Hand an answer to whoever waits for it, and keep it for as long as the job lives."""
        asked = self._asked.get(waiting.asked.job_id)
        if asked is not None:
            asked.answers[waiting.asked.reference] = answer
        answered, waiting.answered = waiting.answered, None
        if answered is not None:
            answered(answer)

    def _waited(self, question: Elicitation) -> int:
        return max(0, self._clock.time_ms() - question.asked_ms)

    # -- answering ---------------------------------------------------------------------------------------------------

    async def answer(
        self,
        elicitation_id: str,
        choice: str,
        value: Any = None,
        *,
        reason: str = "",
        by: str = "",
        peer: Mapping[str, Any] | None = None,
    ) -> Elicitation:
        """Answer a question and return it as it is then; the answer is on disk when this returns.

        Raises :class:`NotFound` for an unknown id, :class:`Conflict` for a question that is closed, and
        :class:`InvalidInput` for an answer that does not fit; then nothing has changed.
        """
        waiting = self._open.get(elicitation_id)
        if waiting is None:
            return await self._answer_left(elicitation_id, choice, value, reason, by, peer)
        question = waiting.question
        if elicitation_id in self._settling:
            raise Conflict(f"question '{elicitation_id}' is being answered")
        if waiting.closing is not None:
            raise _taken(elicitation_id, waiting.closing)
        made = check_answer(question, choice, value, reason, self.log.redactor, waiting.asked.problems)
        waiting.closing = Answer(choice, made, reason, by)
        task = self._keep(asyncio.get_running_loop().create_task(self._commit(waiting, waiting.closing, peer)))
        return await asyncio.shield(task)  # who asked may go away: the job must not wait for ever

    async def _commit(self, waiting: Waiting, answer: Answer, peer: Mapping[str, Any] | None) -> Elicitation:
        question = waiting.question
        waited_ms = self._waited(question)
        try:
            await self.log.write(record.answered(question, answer, waited_ms, peer))
        except StoreError:
            waiting.closing = None
            if waiting.answered is None:
                self._take_away(waiting)
            elif question.expires_ms is not None and question.expires_ms <= self._clock.time_ms():
                self._expire(waiting)
            raise
        self._take_away(waiting)
        self._note(question, answer)
        self._deliver(waiting, answer)
        return _closed(question, answer, waited_ms, self._clock.time_ms())

    async def _answer_left(
        self, elicitation_id: str, choice: str, value: Any, reason: str, by: str, peer: Mapping[str, Any] | None
    ) -> Elicitation:
        """Answer a question of a job that does not run here: the answer counts when it resumes."""
        question = await record.find(store_of(self.log), elicitation_id)
        if question.state != "open":
            raise record.closed_already(question)
        if elicitation_id in self._open:  # its job has resumed meanwhile, and asks again
            return await self.answer(elicitation_id, choice, value, reason=reason, by=by, peer=peer)
        if elicitation_id in self._settling:
            raise Conflict(f"question '{elicitation_id}' is being answered")
        made = check_answer(question, choice, value, reason, self.log.redactor)
        answer = Answer(choice, made, reason, by)
        waited_ms = self._waited(question)
        self._settling.add(elicitation_id)
        try:
            await self.log.write(record.answered(question, answer, waited_ms, peer))
        finally:
            self._settling.discard(elicitation_id)
        self._note(question, answer)
        self._answered_left(question, answer)
        if self.on_left is not None:
            self.on_left(question.job_id)
        return _closed(question, answer, waited_ms, self._clock.time_ms())

    def _answered_left(self, question: Elicitation, answer: Answer) -> None:
        """Give the answer to the job that resumed meanwhile, whether it has asked again by now or is about to."""
        waiting = self._open.get(question.id)
        if waiting is not None:
            self._take_away(waiting)
            self._deliver(waiting, answer)
            return
        asked = self._asked.get(question.job_id)
        for reference, left in list(asked.open.items()) if asked is not None else ():
            if asked is not None and left.id == question.id:
                del asked.open[reference]
                asked.answers[reference] = answer

    def _note(self, question: Elicitation, answer: Answer) -> None:
        if answer.choice == SESSION and question.digest:
            self._allowed[session_key(question.scope, question.principal, question.digest)] = question.id

    async def _consult(self, callback: Callback, waiting: Waiting) -> None:
        """Ask a program's callback; one that fails denies."""
        question = waiting.question
        try:
            found = callback(question)
            if inspect.isawaitable(found):
                found = await found
            if found is None:
                return
            answer = found if isinstance(found, Answer) else _answer_of(found)
        except Exception as error:  # noqa: BLE001 - a program's code may raise anything
            _log.warning("the callback for question '%s' failed: %s", question.id, describe(error))
            answer = Answer(DENY, reason=f"the callback failed with {type(error).__name__}")
        try:
            await self.answer(
                question.id, answer.choice, answer.value, reason=answer.reason, by=answer.by or "callback"
            )
        except (Conflict, NotFound, StoreError):
            return  # somebody else was faster, or the log will say so itself
        except HeadwayError as error:
            _log.warning("the callback's answer to question '%s' does not fit: %s", question.id, error.message)
            with contextlib.suppress(HeadwayError):
                await self.answer(question.id, DENY, reason="the callback's answer does not fit", by="callback")

    def _keep(self, task: asyncio.Task[Any]) -> asyncio.Task[Any]:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # -- jobs --------------------------------------------------------------------------------------------------------

    async def load(self) -> None:
        """Read which approvals hold for a session, if that has not been done."""
        if not self._loaded:
            self._loaded = True
            self._allowed = (await store_of(self.log).inbox_view()).allowed | self._allowed

    async def recall(self, job_id: str) -> Asked:
        """Read what a job has asked that is about to resume, and return it."""
        await self.load()
        asked = record.asked_in(await record.events_of(store_of(self.log), job_id))
        if asked.count:
            self._asked[job_id] = asked
        return asked

    def drop(self, job_id: str, references: list[str]) -> None:
        """Take back questions that a job had open before a restart, and that it will not ask again."""
        asked = self._asked.get(job_id)
        for reference in references:
            question = asked.open.pop(reference, None) if asked is not None else None
            if question is not None:
                self.log.append(record.withdrawn(question, "the process that asked ended", self._waited(question)))

    def forget(self, job_id: str) -> None:
        """Let go of a job that has its end."""
        if self._asked.pop(job_id, None) is not None:
            for waiting in [waiting for waiting in self._open.values() if waiting.asked.job_id == job_id]:
                waiting.answered = None
                self._take_away(waiting)


def desk_of(log: EventLog) -> Desk:
    """Return the desk of a log: one, whoever asks."""
    found = log.desk
    if found is None:
        found = log.desk = Desk(log)
    assert isinstance(found, Desk)
    return found


def _taken(elicitation_id: str, answer: Answer) -> Conflict:
    who = f" by {answer.by}" if answer.by else ""
    return Conflict(f"question '{elicitation_id}' was answered already{who}: {answer.choice}")


def _closed(question: Elicitation, answer: Answer, waited_ms: int, now_ms: int) -> Elicitation:
    question.state, question.choice, question.value = "answered", answer.choice, answer.value
    question.reason, question.by = answer.reason, answer.by
    question.closed_ms, question.waited_ms = now_ms, waited_ms
    return question


def _answer_of(value: object) -> Answer:
    if isinstance(value, bool):
        return Answer(ALLOW if value else DENY)
    raise InvalidInput(f"a callback returns an Answer, True, False or None, not {type(value).__name__}")
