"""Asking: the port through which a run puts a question to people and waits for the answer.

Who is behind it, and where questions are kept, execution does not know. A question is asked once and answered once; a
port gives the answer of before where the same run asks again after a restart. The default port is nobody: then what
would ask is refused, and where nothing asks nothing is paid.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from headway.errors import Unavailable

if TYPE_CHECKING:
    from pathlib import Path

    from headway.execution.pending import Wait
    from headway.plan.graph import Graph

APPROVAL, INPUT, AUTH, BUDGET = "approval", "input", "auth", "budget"
KINDS = (APPROVAL, INPUT, AUTH, BUDGET)
"""The kinds of question: may this call run, what is the value, is somebody signed in, may more be spent."""

ALLOW, SESSION, DENY, ABORT, EDIT, ANSWER, TOP_UP = "allow", "session", "deny", "abort", "edit", "answer", "top_up"

CHOICES: Mapping[str, tuple[str, ...]] = {
    APPROVAL: (ALLOW, SESSION, EDIT, DENY, ABORT),
    INPUT: (ANSWER, DENY, ABORT),
    AUTH: (ALLOW, DENY, ABORT),
    BUDGET: (TOP_UP, DENY),
}
"""The choices that a kind of question has."""

REFUSALS = frozenset({DENY, ABORT})
"""The choices that refuse what was asked for. Aborting ends the run too, whatever the plan says about failures."""

VALUED = frozenset({EDIT, ANSWER, TOP_UP})
"""The choices that come with a value."""


class Question(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A question as a run asks it.

    ``reference`` tells it from the others of its job, so that the run can ask it again after a restart. ``digest`` is
    that of tool, arguments and folder, to which an approval is bound. ``problems`` says of a value what is wrong with
    it, beyond ``schema``. The times are seconds; without ``expires_s`` the port's own limit holds.
    """

    kind: str
    job_id: str
    prompt: str
    reference: str
    action_id: str | None = None
    tool: str = ""
    parameters: Mapping[str, Any] | None = None
    choices: tuple[str, ...] = ()
    schema: Any = None
    digest: str = ""
    scope: str = ""
    principal: str | None = None
    blocking: int = 0
    default: str = DENY
    default_value: Any = None
    expires_s: float | None = None
    detail: Mapping[str, Any] = {}
    problems: Callable[[Any], list[str]] | None = None


class Answer(msgspec.Struct, frozen=True, gc=False):
    """An answer: a choice, the value that goes with it, a reason, and who gave it.

    ``expired`` says that nobody did in time: it is the default.
    """

    choice: str
    value: Any = None
    reason: str = ""
    by: str = ""
    expired: bool = False

    @property
    def refuses(self) -> bool:
        """True if what was asked for is refused."""
        return self.choice in REFUSALS

    def refusal(self, what: str) -> str:
        """Return why ``what`` was refused, in one line."""
        if self.expired:
            return f"{what}: nobody answered in time"
        who = f" by {self.by}" if self.by else ""
        return f"{what}{who}: {self.reason}" if self.reason else f"{what}{who}"


class AskPort(Protocol):
    """Puts questions to people. All of it belongs to the event loop's thread."""

    attended: bool
    """True if somebody may answer."""

    def ask(self, question: Question, answered: Callable[[Answer], object]) -> Answer | Wait:
        """Return the answer if there is one, else what the asker waits on until ``answered`` is called.

        Giving up that wait takes the question back.
        """


class Seat(Protocol):
    """The place of a run among those that run side by side: it is left while the run only waits for people."""

    def leave(self) -> None:
        """Let somebody else have it."""

    async def take(self) -> None:
        """Wait for it; once the run is cancelled it needs none."""


class Nobody:
    """The port where nobody answers."""

    attended = False

    def ask(self, question: Question, answered: Callable[[Answer], object]) -> Answer:
        """Raise :class:`headway.errors.Unavailable`."""
        raise Unavailable("nobody is there to answer")


class Answered:
    """The wait for an answer that is there already."""

    def cancel(self) -> None:
        """Do nothing: there is nothing to give up."""


def blocked_by(plan: Graph, level: int) -> int:
    """Return how many actions cannot start before those of ``level`` are settled."""
    return sum(map(len, plan.levels[level + 1 :]))


def digest_of(tool: str, parameters: Mapping[str, Any], folder: Path | None) -> str:
    """Return the digest of a call: tool, arguments and the folder that it works in. Of secrets it has the names."""
    body = msgspec.json.encode((tool, parameters, str(folder or "")), order="deterministic")
    return hashlib.sha256(body).hexdigest()
