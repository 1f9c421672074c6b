"""The bar where a filter is typed."""

from __future__ import annotations

from collections.abc import Callable

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Input, Label

from headway_console.context import Press
from headway_console.target import Target
from headway_console.widgets.line_edit import edit, insert
from headway_console.widgets.line_list import LineList


class FilterBar(Horizontal):
    """A line that is only there while one types. It applies while typing; enter keeps it, esc clears it.

    A layer of the key router: while it is open all keys are text. ``apply`` is told each expression; ``closed`` that
    the bar is to close, and whether the expression is kept.
    """

    mode = "filter"
    scopes = ("dialog",)
    moving: LineList | None = None
    DEFAULT_CSS = """
    FilterBar {
        height: 1;
        display: none;
        background: $panel;
        & > Label { width: auto; color: $text-accent; text-style: bold; }
        & > Input, & > Input:focus { width: 1fr; height: 1; border: none; padding: 0; background: $panel; }
        &.-open { display: block; }
    }
    """

    def __init__(
        self,
        apply: Callable[[str], None],
        closed: Callable[[bool], None],
        *,
        id: str | None = None,  # noqa: A002 - Textual's name
    ) -> None:
        super().__init__(id=id)
        self._changed = apply
        self._ended = closed
        self._field = Input(placeholder="text  !not  field:value  number:>=5", compact=True, select_on_focus=False)
        self._field.cursor_blink = False

    def compose(self) -> ComposeResult:
        """A slash and the input."""
        yield Label("/", markup=False)
        yield self._field

    @property
    def is_open(self) -> bool:
        """True if one types."""
        return self.has_class("-open")

    def open(self, expression: str) -> None:
        """Begin to type, with what is there."""
        self.add_class("-open")
        self._field.value = expression
        self._field.cursor_position = len(expression)
        self._field.focus()

    def close(self) -> None:
        """Go away."""
        self.remove_class("-open")

    # -- as a layer ------------------------------------------------------------------------------------------------

    def target(self) -> Target | None:
        """Nothing: one types."""
        return None

    def take(self, press: Press) -> bool:
        """Type, and apply it."""
        before = self._field.value
        taken = edit(self._field, press)
        if self._field.value != before:
            self._changed(self._field.value)
        return taken

    def paste(self, text: str) -> bool:
        """Type the first line of a text."""
        insert(self._field, text)
        self._changed(self._field.value)
        return True

    def accept(self, press: Press) -> None:
        """Keep the filter."""
        self._ended(True)

    def dismiss_layer(self) -> None:
        """Clear the filter."""
        self._ended(False)
