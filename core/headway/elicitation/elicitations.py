"""``face.elicitations``: what waits for a person, and the answers, for programs that embed Headway."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from headway.arguments import expect_call, plain, plain_or_empty
from headway.numbers import number_between, whole_number

if TYPE_CHECKING:
    from headway.elicitation.desk import Callback, Desk, Waiting
    from headway.events.views import Elicitation, InboxPage, InboxView
    from headway.execution.asking import Answer, Question
    from headway.execution.environment import Environment

MAX_ID = 300
MAX_NAME = 200

MAX_WAIT_S = 10 * 365 * 86_400.0
"""The longest time that a question may stay open, in seconds."""

EXPIRES_S = 7 * 86_400.0
"""Seconds that a question stays open unless told otherwise."""


class Elicitations:
    """The questions that runs of one face ask, and the port through which they ask them.

    ``attended`` says that somebody may answer: an :class:`headway.Engine`'s inbox always, a :class:`headway.Runtime`
    once it has a callback (:meth:`on_elicitation`) or was told so (:meth:`attend`). Where nobody may, what would ask
    is refused.
    """

    def __init__(self, env: Environment, *, attended: bool = False, expires_s: float = EXPIRES_S) -> None:
        self._env = env
        self.attended = attended
        self._callback: Callback | None = None
        self.expires_s = expires_s

    @property
    def _desk(self) -> Desk:
        from headway.elicitation.desk import desk_of  # a program in which nothing asks needs none

        return desk_of(self._env.log)

    def ask(self, question: Question, answered: Callable[[Answer], object]) -> Answer | Waiting:
        """Put a run's question, for the face's runs: see :class:`headway.execution.asking.AskPort`."""
        return self._desk.ask(question, answered, callback=self._callback, expires_s=self.expires_s)

    def on_elicitation(self, callback: Callback | None) -> None:
        """Have ``callback(elicitation)`` answer, a function or a coroutine function; None: nobody in this program does.

        It returns an :class:`~headway.elicitation.Answer`, True or False for allow and deny, or None to leave the
        question to :meth:`answer`. One that raises, or whose answer does not fit, denies. Raises ``InvalidInput``.
        """
        self._callback = None if callback is None else expect_call(callback, "on_elicitation")
        if callback is not None:
            self.attended = True

    def attend(self, attended: bool = True, *, expires_secs: float | None = None) -> None:
        """Say that somebody answers by :meth:`answer`, within ``expires_secs`` seconds; after them it is a no."""
        if expires_secs is not None:
            self.expires_s = number_between(expires_secs, "expires_secs", 0, MAX_WAIT_S)
        self.attended = bool(attended)

    async def inbox(self) -> InboxView:
        """Return all that waits for a person, over all jobs of the log: open questions, and jobs that failed."""
        from headway.store import store_of

        return await store_of(self._env.log).inbox_view()

    async def page(self, limit: int = 100, offset: int = 0) -> InboxPage:
        """Return a page of :meth:`inbox`: up to ``limit`` questions, the most blocking first, from ``offset`` on."""
        from headway.store import store_of

        return await store_of(self._env.log).inbox_page(
            whole_number(limit, "limit", 0), whole_number(offset, "offset", 0)
        )

    async def get(self, elicitation_id: str) -> Elicitation:
        """Return a question, open or closed; :class:`headway.errors.NotFound` if there is none of that id."""
        from headway.elicitation import record
        from headway.store import store_of

        await self._env.log.flush()
        return await record.find(store_of(self._env.log), plain(elicitation_id, "a question's id", MAX_ID))

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
        """Answer a question and return it; the answer is on disk when this returns, if the log is.

        ``choice`` is one of the question's ``choices``: allow, session (allow this call for the rest of the session),
        edit (``value``: other parameters), answer (``value``), top_up (``value``: ``{dimension: amount}``), deny,
        abort (the run too). ``by`` says who answers, ``peer`` the system's word for them.

        Raises :class:`headway.errors.NotFound` for an unknown id, :class:`headway.errors.Conflict` for a question that
        is closed, :class:`headway.errors.InvalidInput` for an answer that does not fit; then nothing has changed.
        """
        plain(elicitation_id, "a question's id", MAX_ID)
        plain_or_empty(by, "who answers", MAX_NAME)
        return await self._desk.answer(elicitation_id, choice, value, reason=reason, by=by, peer=peer)


def elicitations_of(env: Environment) -> Elicitations:
    """Return the questions of the runs in ``env``; whoever asks first makes them its port."""
    found = env.asking
    if not isinstance(found, Elicitations):
        found = env.asking = Elicitations(env)
    return found
