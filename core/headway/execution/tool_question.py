"""A question of a tool: put to people in the name of its action, and answered to the tool."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from headway.errors import NotAnswered, TerminalToolError
from headway.execution.asking import ABORT, ANSWER, AUTH, CHOICES, DENY, Answer, Question, blocked_by

if TYPE_CHECKING:
    from headway.dispatch.asking import Answered, Wait
    from headway.execution.pending import PendingAction
    from headway.execution.run import Run
    from headway.tools.asking import AskRequest

Over = Callable[[], object]


class _Asked:
    """The wait for an answer to a tool; ``over`` is called once, however it ends."""

    def __init__(self, answered: Answered, over: Over, allows: bool) -> None:
        self._answered = answered
        self._over: Over | None = over
        self._allows = allows
        self.wait: Wait | None = None

    def answer(self, answer: Answer) -> None:
        """Hand an answer to the tool."""
        self._end()
        if answer.choice == ABORT:
            self._answered(None, TerminalToolError(answer.refusal("the run was aborted")))
        elif answer.choice == DENY:
            self._answered(None, NotAnswered(answer.refusal("the question was denied")))
        else:
            self._answered(True if self._allows else answer.value, None)

    def cancel(self) -> None:
        """Take the question back."""
        self._end()
        if self.wait is not None:
            self.wait.cancel()

    def _end(self) -> None:
        over, self._over = self._over, None
        if over is not None:
            over()


def ask_for(run: Run, action: PendingAction, request: AskRequest, answered: Answered, over: Over) -> Wait | None:
    """Put a tool's question; ``over`` is called when it waits no longer. None: it was answered immediately."""
    asked = _Asked(answered, over, allows=request.kind == AUTH)
    port = run.env.asking
    if not port.attended:
        over()
        answered(None, NotAnswered("nobody is there to answer"))
        return None
    found = port.ask(_question(run, action, request), asked.answer)
    if isinstance(found, Answer):
        asked.answer(found)
        return None
    asked.wait = found
    return asked


def _question(run: Run, action: PendingAction, request: AskRequest) -> Question:
    """Return the question; it is the same again where the same attempt of the same call asks the same as the nth."""
    about = msgspec.json.encode((request.prompt, request.schema, request.url), order="deterministic")
    digest = hashlib.sha256(about).hexdigest()
    node = action.node
    detail: dict[str, Any] = {"url": request.url} if request.url else {}
    return Question(
        kind=request.kind,
        job_id=run.job_id,
        action_id=node.id,
        prompt=request.prompt,
        reference=f"{request.kind}:{node.id}:{action.questions}:{digest}",
        tool=action.tool,
        choices=CHOICES[request.kind],
        schema=request.schema,
        scope=run.scope,
        principal=run.principal,
        blocking=blocked_by(run.plan, node.level),
        default=ANSWER if request.has_default else DENY,
        default_value=request.default,
        expires_s=request.expires_s,
        detail=detail,
    )
