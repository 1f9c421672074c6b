"""A panel: a list of rows of the model, with a filter, a selected row and what can be said about it."""

from __future__ import annotations

from typing import Any

import msgspec

from headway_console.model import ConsoleModel
from headway_console.target import Target
from headway_console.widgets.line_list import LineList
from headway_console.widgets.painted import Line


class Inspection(msgspec.Struct):
    """The inspector's view of the selected row. ``key`` changes when another row is selected."""

    key: object
    title: Line
    lines: list[Line] = []


class Subject(msgspec.Struct):
    """The parts of the selected row to copy from the menu: its id, its data, and the command that shows the same."""

    target: Target
    value: Any
    command: str


class Panel(LineList):
    """Rows of a :class:`ConsoleModel`. :meth:`sync` takes the model's present state, then paints.

    Subclasses keep what they paint in :meth:`refresh_rows`. Between two calls of :meth:`sync` rows do not change, so a
    paused console stands still.
    """

    noun = "rows"
    filterable = False

    def __init__(self, model: ConsoleModel, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self.model = model
        self.expression = ""

    def refresh_rows(self) -> None:
        """Take the rows from the model; keep the cursor on what it is on."""

    def sync(self) -> None:
        """Take the model's present state and repaint."""
        self.refresh_rows()
        super().sync()

    def set_filter(self, expression: str) -> None:
        """Show only what passes the filter (see :mod:`headway_console.filters`); "" shows everything."""
        self.expression = expression.strip()
        self.sync()
        self.show_row(self.cursor)

    def hits(self) -> str:
        """Return the honest count of a filter: ``12 of 812 events``; "" without one."""
        return ""

    def note(self) -> Line:
        """Return what the status line should say of this panel."""
        return []

    def inspect(self, width: int) -> Inspection | None:
        """Return what the inspector shows of the selected row; None when there is no row."""
        return None

    def empty(self, width: int) -> list[Line]:
        """Return what to paint without rows: before something was read nobody knows whether there are any."""
        return [[("Opening.", "dim")]] if self.model.opening else self.vacant(width)

    def vacant(self, width: int) -> list[Line]:
        """Return what to paint when there are no rows, and that is known."""
        return []

    def target(self) -> Target | None:
        """Return the selected row as a target of acts; None when there is no row."""
        return None

    def subject(self) -> Subject | None:
        """Return what can be copied of the selected row; None when there is no row."""
        return None

    def wants_attention(self, index: int) -> bool:
        """Return whether an operator should look at that row."""
        return False

    def next_attention(self, step: int) -> bool:
        """Go to the next (``step`` 1) or previous (-1) row that wants attention, around the end; False if none does."""
        total = self.total()
        for distance in range(1, total + 1):
            index = (self.cursor + step * distance) % total
            if self.wants_attention(index):
                self.move_to(index)
                return True
        return False
