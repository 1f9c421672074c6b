"""The fold of the budgets: limits, what is spent and what is reserved, by job."""

from __future__ import annotations

from collections.abc import Callable

from headway.events import kinds
from headway.events.event import Event
from headway.events.fold.values import amounts, text, texts
from headway.events.views import BudgetRow, BudgetView


def fold_budget(view: BudgetView, event: Event) -> None:
    """Apply an event of a job's budget."""
    if event.seq:
        view.last_seq = event.seq
    handler = _HANDLERS.get(event.kind)
    if handler is not None:
        handler(view, event)


def _row(view: BudgetView, event: Event) -> BudgetRow | None:
    job_id = event.job_id
    if job_id is None:
        return None
    row = view.budgets.get(job_id)
    if row is None:
        row = view.budgets[job_id] = BudgetRow(job_id=job_id, since_ms=event.ts)
    row.at_ms = event.ts
    return row


def _created(view: BudgetView, event: Event) -> None:
    """Continue, in a fork, from what was spent before it."""
    spent = amounts(event.data.get("spent"))
    row = _row(view, event) if spent else None
    if row is not None:
        row.spent = spent


def _set(view: BudgetView, event: Event) -> None:
    row = _row(view, event)
    if row is not None:
        row.limits = amounts(event.data.get("limits"))
        row.since_ms = event.ts


def _moved(view: BudgetView, event: Event) -> None:
    row = _row(view, event)
    if row is not None:
        row.reserved.update(amounts(event.data.get("reserved")))
        row.spent.update(amounts(event.data.get("spent")))


def _warning(view: BudgetView, event: Event) -> None:
    row = _row(view, event)
    dimension = text(event.data.get("dimension"))
    if row is not None and dimension and dimension not in row.warned:
        row.warned.append(dimension)


def _exhausted(view: BudgetView, event: Event) -> None:
    row = _row(view, event)
    if row is not None:
        row.exhausted = text(event.data.get("dimension")) or "budget"


def _pruned(view: BudgetView, event: Event) -> None:
    for job_id in texts(event.data.get("jobs")):
        view.budgets.pop(job_id, None)


_HANDLERS: dict[str, Callable[[BudgetView, Event], None]] = {
    kinds.JOB_CREATED: _created,
    kinds.BUDGET_SET: _set,
    kinds.BUDGET_RESERVED: _moved,
    kinds.BUDGET_SETTLED: _moved,
    kinds.BUDGET_WARNING: _warning,
    kinds.BUDGET_EXHAUSTED: _exhausted,
    kinds.STORE_PRUNED: _pruned,
}
