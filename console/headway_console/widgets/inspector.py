"""The inspector: what there is to say about the selected row, beside or under the list. It never moves the list."""

from __future__ import annotations

from headway_console.widgets.line_list import LineList
from headway_console.widgets.painted import Line
from headway_console.widgets.panel import Inspection
from headway_console.widgets.wrapping import wrap


class Inspector(LineList):
    """Title and lines of an :class:`Inspection`. Long lines are wrapped; a new row starts at the top."""

    selectable = False
    DEFAULT_CSS = """
    Inspector { border-top: solid $state-rule; }
    Inspector:focus { border-top: heavy $accent; }
    """

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._shown: Inspection | None = None
        self._lines: list[Line] = []
        self._made: tuple[int, Inspection | None] | None = None

    def show(self, inspection: Inspection | None) -> None:
        """Show this from now on."""
        fresh = inspection is None or self._shown is None or inspection.key != self._shown.key
        self._shown = inspection
        made = (self.row_width, inspection)
        if made == self._made:
            return
        self._made = made
        self._lines = [] if inspection is None else wrap([inspection.title, *inspection.lines], self.row_width)
        if fresh:
            self._jump(0)
        self.sync()

    def on_resize(self) -> None:
        """Wrap anew for the new width."""
        self.show(self._shown)

    def total(self) -> int:
        """Return the number of lines."""
        return len(self._lines)

    def row(self, index: int, width: int) -> Line:
        """Return a line."""
        return self._lines[index]

    def empty(self, width: int) -> list[Line]:
        """Say that nothing is selected."""
        return [[("Nothing selected.", "dim")]]
