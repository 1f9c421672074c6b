"""When an act can be done: each returns "" if it can, the reason if it cannot now, None where it does not belong."""

from __future__ import annotations

from headway_console.context import Context
from headway_console.glyphs import cancelling
from headway_console.text import clean


def always(context: Context) -> str | None:
    """Everywhere."""
    return ""


def replaying(context: Context) -> str | None:
    """While a recording plays."""
    return "" if context.console.source.replay is not None else None


def on_dag(context: Context) -> str | None:
    """In the DAG."""
    return "" if context.main.view == "dag" else None


def on_question(context: Context) -> str | None:
    """On an open question of the inbox, where somebody takes commands."""
    main = context.main
    if main.view != "inbox":
        return None
    return commanding(context) or ("" if main.inbox.question() is not None else "no question is selected")


def in_log(context: Context) -> str | None:
    """Where an event log has the keys."""
    return "" if context.main.event_log is not None else None


def filterable(context: Context) -> str | None:
    """Where the list has a filter."""
    return "" if context.main.panel.filterable else None


def not_newest(context: Context) -> str | None:
    """While the newest run is not followed, or is not in sight."""
    model = context.console.model
    return "" if model.pinned else "the newest run is in sight already" if model.job is not None else "there is no run"


def commanding(context: Context) -> str | None:
    """Where somebody takes commands."""
    source = context.console.source
    return "" if source.commands is not None else source.read_only or "this source only shows"


def on_run(context: Context) -> str | None:
    """On a run, where somebody takes commands."""
    return commanding(context) or ("" if context.job is not None else "there is no run")


def stoppable(context: Context) -> str | None:
    """On a run that has not ended."""
    reason, job = on_run(context), context.job
    if reason or job is None:
        return reason
    return f"run {clean(job.job_id)} has ended: {job.status}" if job.finished else ""


def cancellable(context: Context) -> str | None:
    """On a run that has not ended and that nobody has cancelled yet."""
    reason, job = stoppable(context), context.job
    if reason or job is None:
        return reason
    if cancelling(job):
        return f"run {clean(job.job_id)} is being cancelled already, it ends when its calls have ended; X kills"
    if context.console.steering.under_way("cancel", job.job_id):
        return f"a cancel of run {clean(job.job_id)} was sent already and is under way; X kills"
    return ""


def killable(context: Context) -> str | None:
    """On a run that has not ended, while no kill of it is on its way."""
    reason, job = stoppable(context), context.job
    if reason or job is None:
        return reason
    if context.console.steering.under_way("kill", job.job_id):
        return f"a kill of run {clean(job.job_id)} was sent already and is under way"
    return ""
