"""The base of all dialogs, and the two simple ones: choose, and type."""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from headway_console.actions import bindings
from headway_console.widgets.line_list import LineList
from headway_console.widgets.painted import Line, LineBar
from headway_console.widgets.wrapping import LABEL, wrap

Answer = TypeVar("Answer")


class Dialog(ModalScreen[Answer], Generic[Answer], inherit_bindings=False):
    """A box over the console. ``escape`` closes it and answers None: nothing is done."""

    BINDINGS = bindings("dialog")
    DEFAULT_CSS = """
    Dialog {
        align: center middle;
        & > Vertical {
            width: 90%;
            max-width: 110;
            height: auto;
            max-height: 90%;
            border: round $accent;
            border-title-color: $text-accent;
            border-title-style: bold;
            padding: 0 1;
            background: $background;
        }
        & LineList { height: auto; max-height: 16; }
        & Input, & Input:focus { height: 1; border: none; padding: 0; background: $panel; }
    }
    Dialog.-ascii > Vertical { border: ascii $accent; }
    """

    def on_mount(self) -> None:
        """Draw with plain characters where the app does."""
        self.set_class(bool(getattr(self.app, "ascii", False)), "-ascii")

    def action_dismiss(self, result: object = None) -> None:  # type: ignore[override] # Textual's is async
        """Close; nothing is done."""
        self.dismiss(None)

    def action_accept(self) -> None:
        """Do what is chosen."""


class Text(LineList, can_focus=False):
    """Lines to read."""

    selectable = False
    label = LABEL
    """Cells of the labels under whose text long lines continue."""

    def __init__(self, lines: list[Line], *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._lines = lines
        self._rows = lines

    def on_mount(self) -> None:
        """Be as high as the text, up to the CSS's limit."""
        self.put(self._lines)

    def on_resize(self) -> None:
        """Wrap anew for the new width."""
        self.put(self._lines)

    def put(self, lines: list[Line]) -> None:
        """Show other lines."""
        self._lines = lines
        self._rows = wrap(lines, self.row_width, self.label) if self.row_width else lines
        self.sync()

    def total(self) -> int:
        """Return the number of lines."""
        return len(self._rows)

    def row(self, index: int, width: int) -> Line:
        """Return a line."""
        return self._rows[index]


class Choice(msgspec.Struct, frozen=True):
    """One answer of a :class:`ChoiceDialog`: ``key`` chooses it immediately."""

    id: str
    key: str
    title: str
    help: str = ""
    tone: str = ""


class ChoiceList(LineList):
    """The answers."""

    def __init__(self, choices: list[Choice]) -> None:
        super().__init__()
        self.choices = choices
        for choice in choices:  # bindings, not key events: those overtake the keys that move the cursor
            self._bindings.key_to_bindings.pop(choice.key, None)  # "j" is JSON here, not down
            self._bindings.bind(choice.key, f"screen.choose({choice.id!r})")

    def on_mount(self) -> None:
        """Be as high as there are answers."""
        self.sync()

    def total(self) -> int:
        """Return the number of answers."""
        return len(self.choices)

    def row(self, index: int, width: int) -> Line:
        """Paint an answer."""
        choice = self.choices[index]
        return [(f" {choice.key} ", "accent"), (f" {choice.title:<20} ", choice.tone or "bold"), (choice.help, "dim")]


class ChoiceDialog(Dialog[str]):
    """Asks for one of some answers; the answer is the choice's id. The first choice is the default.

    With a ``phrase`` the answer of every choice that has a tone is only taken once the phrase was typed.
    """

    def __init__(self, title: str, lines: list[Line], choices: list[Choice], *, phrase: str = "") -> None:
        super().__init__()
        self._title = title
        self._lines = lines
        self._choices = choices
        self._phrase = phrase

    def compose(self) -> ComposeResult:
        """Text, the answers, and where the phrase is typed."""
        with Vertical() as box:
            box.border_title = self._title.replace("[", "(")
            yield Text(self._lines)
            if self._phrase:
                field = Input(placeholder=f"type {self._phrase} to confirm", compact=True)
                field.cursor_blink = False
                yield field
            yield ChoiceList(self._choices)

    def on_mount(self) -> None:
        """Begin at the phrase if there is one, else at the answers."""
        super().on_mount()
        (self.query_one(Input) if self._phrase else self.query_one(ChoiceList)).focus()

    def action_choose(self, answer: str) -> None:
        """Take the answer of that id."""
        self._take(next(choice for choice in self._choices if choice.id == answer))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take the first dangerous answer if the phrase is right."""
        event.stop()
        for choice in self._choices:
            if choice.tone:
                self._take(choice)
                return

    def on_line_list_opened(self, event: LineList.Opened) -> None:
        """Take the answer that was clicked."""
        self.action_accept()

    def action_accept(self) -> None:
        """Take the answer under the cursor."""
        self._take(self._choices[self.query_one(ChoiceList).cursor])

    def _take(self, choice: Choice) -> None:
        if self._phrase and choice.tone and self.query_one(Input).value.strip() != self._phrase:
            self.notify(f"Type {self._phrase} first: this stops much work.", severity="warning", markup=False)
            self.query_one(Input).focus()
            return
        self.dismiss(choice.id)


class PromptDialog(Dialog[str]):
    """Asks for one line of text."""

    def __init__(self, title: str, hint: str) -> None:
        super().__init__()
        self._title = title
        self._hint = hint

    def compose(self) -> ComposeResult:
        """The hint and the input."""
        with Vertical() as box:
            box.border_title = self._title
            yield Text([[(self._hint, "dim")]])
            field = Input(compact=True)
            field.cursor_blink = False
            yield field

    def on_mount(self) -> None:
        """Begin to type."""
        super().on_mount()
        self.query_one(Input).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Answer."""
        event.stop()
        self.dismiss(event.value.strip() or None)


class HintBar(LineBar):
    """A line of ``(key, what it does)`` at the foot of a dialog."""

    def __init__(self, hints: list[tuple[str, str]]) -> None:
        super().__init__()
        self._hints = hints

    def line(self, width: int) -> Line:
        """Paint the hints."""
        line: Line = []
        for key, text in self._hints:
            line += [(key, "accent"), (f" {text}  ", "dim")]
        return line
