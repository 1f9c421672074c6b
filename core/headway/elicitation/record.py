"""Records: questions and their answers as events, and what a log says of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from headway.errors import Conflict, NotFound, one_line
from headway.events import kinds
from headway.events.event import Event
from headway.events.fold.inbox import close_question, question_of
from headway.events.fold.values import amounts
from headway.events.views import Elicitation
from headway.execution.asking import TOP_UP, Answer, Question

if TYPE_CHECKING:
    from headway.secrets.redactor import Redactor
    from headway.store import Reader

MAX_SHOWN_BYTES = 65_536
"""The largest parameters of a call that its question shows; of larger ones it gives the size alone."""


def id_of(job_id: str, number: int) -> str:
    """Return the id of a job's question number ``number``, from 1 on."""
    return f"{job_id}.{number}"


def job_of(elicitation_id: str) -> str:
    """Return the id of the job that asks a question."""
    return elicitation_id.rpartition(".")[0]


def requested(question: Question, elicitation_id: str, expires_ms: int | None, redactor: Redactor) -> Event:
    """Return the event that asks a question."""
    data: dict[str, Any] = {
        "id": elicitation_id,
        "kind": question.kind,
        "prompt": one_line(redactor.text(question.prompt)),
        "choices": list(question.choices),
        "default": question.default,
        "blocking": question.blocking,
        "reference": question.reference,
    }
    parameters = question.parameters
    detail = dict(question.detail)
    if parameters is not None:
        size = len(msgspec.json.encode(parameters))
        if size <= MAX_SHOWN_BYTES:
            data["parameters"] = redactor.clean(dict(parameters))
        else:
            detail["parameters_bytes"] = size
    optional = {
        "tool": question.tool,
        "schema": question.schema,
        "digest": question.digest,
        "scope": question.scope,
        "principal": question.principal,
        "default_value": question.default_value,
        "expires_ms": expires_ms,
        "detail": redactor.clean(detail),
    }
    data |= {name: value for name, value in optional.items() if value not in (None, "", {})}
    return Event(kinds.ELICITATION_REQUESTED, data, question.job_id, question.action_id)


def answered(question: Elicitation, answer: Answer, waited_ms: int, peer: Mapping[str, Any] | None = None) -> Event:
    """Return the event that answers a question."""
    data = _closing(question, waited_ms) | {"choice": answer.choice, "by": answer.by}
    if answer.value is not None:
        data["value"] = answer.value
    if answer.reason:
        data["reason"] = answer.reason
    if peer:
        data["peer"] = dict(peer)
    return Event(kinds.ELICITATION_ANSWERED, data, question.job_id, question.action_id)


def expired(question: Elicitation, waited_ms: int) -> Event:
    """Return the event of a question that nobody answered in time."""
    data = _closing(question, waited_ms) | {"choice": question.default}
    if question.default_value is not None:
        data["value"] = question.default_value
    return Event(kinds.ELICITATION_EXPIRED, data, question.job_id, question.action_id)


def withdrawn(question: Elicitation, reason: str, waited_ms: int) -> Event:
    """Return the event of a question that nobody needs an answer to any more."""
    data = _closing(question, waited_ms) | {"reason": reason}
    return Event(kinds.ELICITATION_WITHDRAWN, data, question.job_id, question.action_id)


def _closing(question: Elicitation, waited_ms: int) -> dict[str, Any]:
    return {"id": question.id, "kind": question.kind, "waited_ms": waited_ms}


class Asked(msgspec.Struct):
    """The questions of one job, by reference: those that are open, and the answers of the others.

    ``added`` is what its budget was topped up by.
    """

    count: int = 0
    open: dict[str, Elicitation] = {}
    answers: dict[str, Answer] = {}
    added: dict[str, int] = {}


def asked_in(events: Iterable[Event]) -> Asked:
    """Return what a job has asked, from its events."""
    found = Asked()
    references: dict[str, str] = {}
    for event in events:
        name = event.data.get("id")
        if event.kind == kinds.ELICITATION_REQUESTED:
            found.count += 1
            question = question_of(event)
            reference = event.data.get("reference")
            references[question.id] = reference = reference if isinstance(reference, str) else question.id
            found.open[reference] = question
            found.answers.pop(reference, None)
        elif isinstance(name, str) and event.kind in kinds.CLOSED_ELICITATION and name in references:
            closed = found.open.pop(references[name], None)
            if closed is not None and event.kind != kinds.ELICITATION_WITHDRAWN:
                close_question(closed, event)
                if closed.choice == TOP_UP:
                    for dimension, amount in amounts(closed.value).items():
                        found.added[dimension] = found.added.get(dimension, 0) + amount
                found.answers[references[name]] = Answer(
                    closed.choice or closed.default, closed.value, closed.reason, closed.by, closed.state == "expired"
                )
    return found


async def events_of(reader: Reader, job_id: str) -> list[Event]:
    """Return the events of a job's questions, oldest first, large values in their places."""
    found: list[Event] = []
    after = 0
    while page := await reader.events(after, job_id, kinds.ELICITATION, resolve=True):
        found += page
        after = page[-1].seq
    return found


async def find(reader: Reader, elicitation_id: str) -> Elicitation:
    """Return a question, whole, whether it is open or not; :class:`NotFound` if there is none of that id."""
    found: Elicitation | None = None
    job_id = job_of(elicitation_id)
    for event in await events_of(reader, job_id) if job_id else ():
        if event.data.get("id") != elicitation_id:
            continue
        if event.kind == kinds.ELICITATION_REQUESTED:
            found = question_of(event)
        elif found is not None and found.state == "open":
            close_question(found, event)
    if found is None:
        raise NotFound(f"there is no question '{one_line(elicitation_id, 200)}'")
    if found.state == "open" and (row := await reader.job(job_id)).finished:
        found.state, found.reason, found.closed_ms = "withdrawn", "the job has ended", row.finished_ms
    return found


def closed_already(question: Elicitation) -> Conflict:
    """Return the error of an answer to a question that is closed."""
    if question.state == "withdrawn":
        return Conflict(
            f"question '{question.id}' is withdrawn: {question.reason or 'nobody needs an answer any more'}"
        )
    who = f" by {question.by}" if question.by else ""
    how = "expired" if question.state == "expired" else f"was answered already{who}"
    return Conflict(one_line(f"question '{question.id}' {how}: {question.choice}"))
