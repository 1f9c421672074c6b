"""Budgets: what each job may spend, what it has spent, what it has reserved."""

from __future__ import annotations

import msgspec

from headway.events.views import BudgetRow
from headway_console.glyphs import Shapes
from headway_console.model import ConsoleModel
from headway_console.target import Target
from headway_console.text import amount, clean, duration, fit
from headway_console.widgets.painted import Line
from headway_console.widgets.panel import Inspection, Panel, Subject

WARN = 0.8
"""The share of a limit at which Headway warns; the mark on the bar."""


LOOKED_AT = 100
"""Rows whose amounts decide how long the bars are, so that they end in one column."""


def _amounts(row: BudgetRow, dimension: str) -> str:
    """Return `` 14 + 1 of 26``: spent, reserved, limit."""
    limit, spent, reserved = (values.get(dimension, 0) for values in (row.limits, row.spent, row.reserved))
    held = f" + {amount(dimension, reserved)}" if reserved else ""
    return f" {amount(dimension, spent)}{held} of {amount(dimension, limit)}"


def budget_bar(shapes: Shapes, width: int, spent: float, reserved: float, tone: str) -> Line:
    """Return a bar of spent, reserved and free, with a mark at 80 %. Shares are of the limit."""
    if width <= 0:
        return []
    cells = ["free"] * width
    used = min(width, round(spent * width) or (1 if spent > 0 else 0))
    if spent < 1 and used == width and width > 1:
        used -= 1
    held = min(width, used + (max(1, round(reserved * width)) if reserved > 0 else 0))
    cells[:used] = ["spent"] * used
    cells[used:held] = ["held"] * (held - used)
    mark = min(width - 1, int(WARN * width))
    line: Line = []
    for index, cell in enumerate(cells):
        if index == mark and cell == "free":
            line.append((shapes.mark, "waiting"))
        elif cell == "spent":
            line.append((shapes.full, tone))
        elif cell == "held":
            line.append((shapes.held, "running"))
        else:
            line.append((shapes.empty, "dim"))
    return line


def budget_tone(row: BudgetRow, dimension: str) -> str:
    """Return the tone of a budget's dimension: succeeded, waiting from 80 %, failed when nothing is left."""
    limit, spent = row.limits.get(dimension, 0), row.spent.get(dimension, 0)
    if row.exhausted == dimension or spent >= limit:
        return "failed"
    return "waiting" if dimension in row.warned or spent >= WARN * limit else "succeeded"


class BudgetsList(Panel):
    """One line a job and dimension: spent, reserved and limit, 80 % marked. The job looked at comes first.

    With ``live_only`` there are no budgets of finished jobs but that of the job looked at.
    """

    noun = "budgets"

    def __init__(
        self,
        model: ConsoleModel,
        *,
        live_only: bool = False,
        id: str | None = None,  # noqa: A002 - Textual's name
    ) -> None:
        super().__init__(model, id=id)
        self._live_only = live_only
        self._rows: list[tuple[BudgetRow, str]] = []

    def refresh_rows(self) -> None:
        """Take the budgets: of the job looked at, then of others, newest first."""
        keep = self._key()
        current = self.model.current_id
        budgets = self.model.budgets.budgets
        ids = [job.job_id for job in self.model.live_jobs()] if self._live_only else list(budgets)
        if current is not None and current not in ids:
            ids.append(current)
        rows = [row for row in map(budgets.get, reversed(ids)) if row is not None and row.limits]
        rows.sort(key=lambda row: row.job_id != current)
        self._rows = [(row, dimension) for row in rows for dimension in sorted(row.limits)]
        for index, (row, dimension) in enumerate(self._rows):
            if (row.job_id, dimension) == keep:
                self.cursor = index
                break

    def _key(self) -> tuple[str, str] | None:
        if self.cursor >= len(self._rows):
            return None
        row, dimension = self._rows[self.cursor]
        return row.job_id, dimension

    def total(self) -> int:
        """Return the number of lines."""
        return len(self._rows)

    def wants_attention(self, index: int) -> bool:
        """Return whether it is past 80 %."""
        return budget_tone(*self._rows[index]) != "succeeded"

    def vacant(self, width: int) -> list[Line]:
        """Say that there are none."""
        return [[("No budgets are set.", "dim")]]

    def row(self, index: int, width: int) -> Line:
        """Paint one dimension of a job's budget."""
        row, dimension = self._rows[index]
        limit, spent, reserved = (values.get(dimension, 0) for values in (row.limits, row.spent, row.reserved))
        rail = self.shapes.rail if row.job_id == self.model.current_id else " "
        line: Line = [(rail, "accent")]
        if width >= 60:
            line.append((fit(clean(row.job_id), 13, self.shapes.more), "dim"))
        line.append((fit(clean(dimension), 12, self.shapes.more) + " ", "bold"))
        text = _amounts(row, dimension)
        share = f"{spent / limit:>5.0%}" if limit else "     "
        used = sum(len(part) for part, _ in line) + len(share)
        longest = max(len(_amounts(*other)) for other in self._rows[:LOOKED_AT])
        room = max(4, min(40, width - used - max(longest, 14)))
        tone = budget_tone(row, dimension)
        line += budget_bar(self.shapes, room, spent / limit if limit else 1.0, reserved / limit if limit else 0.0, tone)
        return [*line, (share, tone), (text, "")]

    def inspect(self, width: int) -> Inspection | None:
        """Tell about the budget under the cursor."""
        if self.cursor >= len(self._rows):
            return None
        row, dimension = self._rows[self.cursor]
        limit, spent, reserved = (values.get(dimension, 0) for values in (row.limits, row.spent, row.reserved))
        job = self.model.jobs.jobs.get(row.job_id)
        lines: list[Line] = [
            [("job       ", "dim"), (clean(f"{row.job_id} {job.title if job else ''}"), "")],
            [("spent     ", "dim"), (amount(dimension, spent), budget_tone(row, dimension))],
            [("reserved  ", "dim"), (amount(dimension, reserved), ""), (" by calls in flight", "dim")],
            [("limit     ", "dim"), (amount(dimension, limit), "")],
            [("left      ", "dim"), (amount(dimension, max(0, limit - spent - reserved)), "")],
        ]
        elapsed = row.at_ms - row.since_ms
        if spent and elapsed >= 1000:
            lines.append([("burning   ", "dim"), (f"{amount(dimension, spent * 60_000 / elapsed)} a minute", "")])
            if job is not None and not job.finished and limit > spent:
                left = duration((limit - spent) * elapsed / spent)
                lines.append([("forecast  ", "dim"), (f"used up in {left} at this rate", "")])
        if row.exhausted:
            lines.append([("exhausted ", "dim"), (clean(row.exhausted), "failed")])
        return Inspection(self._key(), [("budget ", "dim"), (clean(dimension), "bold")], lines)

    def subject(self) -> Subject | None:
        """The budget under the cursor."""
        if self.cursor >= len(self._rows):
            return None
        row, dimension = self._rows[self.cursor]
        target = Target("budget", row.job_id, row.job_id, dimension)
        return Subject(target, msgspec.to_builtins(row), f"headway jobs show {row.job_id}")

    def target(self) -> Target | None:
        """The budget under the cursor."""
        key = self._key()
        return Target("budget", key[0], key[0], key[1]) if key is not None else None
