"""The fold of the inbox: the questions that wait for a person, and the jobs that failed."""

from __future__ import annotations

from collections.abc import Callable

from headway.events import kinds
from headway.events.event import Event
from headway.events.fold.values import integer, integer_or_none, mapping, text, text_or_none, texts
from headway.events.views import Elicitation, FailedJob, InboxView, session_key

RECENT = 100
"""The number of closed questions that are kept."""

FAILED = 100
"""The number of failed jobs that are kept."""

ALLOWED = 10_000
"""The number of approvals for a session that are kept; the oldest are forgotten, and asked about again."""


def fold_inbox(view: InboxView, event: Event) -> None:
    """Apply an event of a question, or the end of a job that may have asked some."""
    if event.seq:
        view.last_seq = event.seq
    handler = _HANDLERS.get(event.kind)
    if handler is not None:
        handler(view, event)


def question_of(event: Event) -> Elicitation:
    """Return the open question of an ``elicitation_requested`` event."""
    data = event.data
    parameters = data.get("parameters")
    return Elicitation(
        id=text(data.get("id")),
        kind=text(data.get("kind")),
        job_id=event.job_id or "",
        action_id=event.action_id,
        prompt=text(data.get("prompt")),
        tool=text(data.get("tool")),
        parameters=parameters if type(parameters) is dict else None,
        choices=texts(data.get("choices")),
        schema=data.get("schema"),
        digest=text(data.get("digest")),
        scope=text(data.get("scope")),
        principal=text_or_none(data.get("principal")),
        blocking=max(0, integer(data.get("blocking"))),
        default=text(data.get("default"), "deny"),
        default_value=data.get("default_value"),
        detail=mapping(data.get("detail")),
        asked_ms=event.ts,
        expires_ms=integer_or_none(data.get("expires_ms")),
        seq=event.seq,
    )


def close_question(question: Elicitation, event: Event) -> None:
    """Apply the event that closes a question to it."""
    data = event.data
    question.state = _STATES.get(event.kind, "withdrawn")
    question.choice = text_or_none(data.get("choice"))
    question.value = data.get("value")
    question.reason = text(data.get("reason"))
    question.by = text(data.get("by"))
    question.closed_ms = event.ts
    question.waited_ms = integer(data.get("waited_ms"), max(0, event.ts - question.asked_ms))


_STATES = {kinds.ELICITATION_ANSWERED: "answered", kinds.ELICITATION_EXPIRED: "expired"}


def _asked(view: InboxView, event: Event) -> None:
    question = question_of(event)
    if question.id and event.job_id is not None:
        view.open.setdefault(event.job_id, {})[question.id] = question


def _closed(view: InboxView, event: Event) -> None:
    job_id = event.job_id or ""
    questions = view.open.get(job_id)
    question = questions.pop(text(event.data.get("id")), None) if questions is not None else None
    if question is None:
        return
    if not questions:
        del view.open[job_id]
    close_question(question, event)
    if question.choice == "session" and question.state == "answered" and question.digest:
        key = session_key(question.scope, question.principal, question.digest)
        view.allowed.pop(key, None)
        view.allowed[key] = question.id
        if len(view.allowed) > ALLOWED:
            del view.allowed[next(iter(view.allowed))]
    question.value = question.parameters = question.schema = None  # the log has them
    _keep(view, question)


def _keep(view: InboxView, question: Elicitation) -> None:
    view.recent.append(question)
    del view.recent[:-RECENT]


def _job_ended(view: InboxView, event: Event) -> None:
    job_id = event.job_id or ""
    for question in view.open.pop(job_id, {}).values():
        question.state, question.reason, question.closed_ms = "withdrawn", "the job has ended", event.ts
        question.waited_ms = max(0, event.ts - question.asked_ms)
        question.parameters = question.schema = None
        _keep(view, question)


def _job_failed(view: InboxView, event: Event) -> None:
    _job_ended(view, event)
    if event.job_id is not None:
        error, outcome = text(event.data.get("error")), text_or_none(event.data.get("outcome"))
        view.failed[event.job_id] = FailedJob(event.job_id, outcome, error, event.ts)
        if len(view.failed) > FAILED:
            del view.failed[next(iter(view.failed))]


def _job_created(view: InboxView, event: Event) -> None:
    """Take a failed job off the list that another one takes over: a replan of it, or a fork."""
    for origin in ("replan_of", "forked_from"):
        view.failed.pop(text(mapping(event.data.get(origin)).get("job_id")), None)


def _pruned(view: InboxView, event: Event) -> None:
    gone = set(texts(event.data.get("jobs")))
    for job_id in gone:
        view.open.pop(job_id, None)
        view.failed.pop(job_id, None)
    view.recent = [question for question in view.recent if question.job_id not in gone]
    view.allowed = {key: name for key, name in view.allowed.items() if name.rpartition(".")[0] not in gone}


_HANDLERS: dict[str, Callable[[InboxView, Event], None]] = {
    kinds.ELICITATION_REQUESTED: _asked,
    **dict.fromkeys(kinds.CLOSED_ELICITATION, _closed),
    kinds.JOB_COMPLETED: _job_ended,
    kinds.JOB_CANCELLED: _job_ended,
    kinds.JOB_FAILED: _job_failed,
    kinds.JOB_CREATED: _job_created,
    kinds.STORE_PRUNED: _pruned,
}
