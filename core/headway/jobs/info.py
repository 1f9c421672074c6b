"""The whole picture in one answer."""

from __future__ import annotations

import msgspec

from headway.events.views import BudgetView, JobsView, LimitsView, RunView


class Snapshot(msgspec.Struct):
    """The views as of ``seq``; ``run`` when a job was asked for."""

    seq: int
    jobs: JobsView
    limits: LimitsView
    budgets: BudgetView
    run: RunView | None = None
