"""The bar where a filter is typed."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Label


class FilterBar(Horizontal):
    """An input that is only there while one types: applies while typing, enter keeps it, esc clears it."""

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

    class Changed(Message):
        """The expression changed; ``done`` when it was kept with enter."""

        def __init__(self, expression: str, *, done: bool) -> None:
            super().__init__()
            self.expression = expression
            self.done = done

    def compose(self) -> ComposeResult:
        """A slash and the input."""
        yield Label("/", markup=False)
        field = Input(placeholder="text  !not  field:value  number:>=5", compact=True, select_on_focus=False)
        field.cursor_blink = False
        yield field

    @property
    def is_open(self) -> bool:
        """True if one types."""
        return self.has_class("-open")

    def open(self, expression: str) -> None:
        """Begin to type, with what is there."""
        self.add_class("-open")
        field = self.query_one(Input)
        with field.prevent(Input.Changed):
            field.value = expression
        field.cursor_position = len(expression)
        field.focus()

    def close(self) -> None:
        """Go away."""
        self.remove_class("-open")

    def on_input_changed(self, event: Input.Changed) -> None:
        """Apply while typing."""
        event.stop()
        if self.is_open:
            self.post_message(self.Changed(event.value, done=False))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Keep it."""
        event.stop()
        self.post_message(self.Changed(event.value, done=True))
