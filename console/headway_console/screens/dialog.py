"""The base of all dialogs, and the two simple ones: choose, and type.

A dialog is a layer of the key router. What may confirm something counts only once the dialog was seen: a frame of it
has been painted, and no key came for a moment before. Until then it shows no key for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar, cast

import msgspec
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.timer import Timer
from textual.widgets import Input

from headway.clock import SYSTEM_CLOCK
from headway_console.context import Press
from headway_console.target import Target
from headway_console.widgets.line_edit import edit, insert
from headway_console.widgets.line_list import LineList
from headway_console.widgets.painted import Line, LineBar
from headway_console.widgets.wrapping import LABEL, wrap

if TYPE_CHECKING:
    from headway_console.app import HeadwayConsole

Answer = TypeVar("Answer")

TEXT_ROWS = 16
"""The most rows of a dialog's text."""


class Dialog(ModalScreen[Answer], Generic[Answer], inherit_bindings=False):
    """A box over the console. ``escape`` closes it and answers None: nothing is done. It answers once."""

    mode = "dialog"
    scopes: tuple[str, ...] = ("dialog",)
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

    def __init__(self) -> None:
        super().__init__()
        self.shown_at = float("inf")
        self.answered = False

    def on_mount(self) -> None:
        """Draw with plain characters where the app does."""
        self.set_class(bool(getattr(self.app, "ascii", False)), "-ascii")
        self.call_after_refresh(self.painted)

    def painted(self) -> None:
        """Note that a frame of it is on the screen."""
        self.shown_at = SYSTEM_CLOCK.now()

    @property
    def console(self) -> HeadwayConsole:
        """The console that it belongs to."""
        return cast("HeadwayConsole", self.app)

    def deliberate(self, press: Press) -> bool:
        """Return whether a key may take a guarded answer: it came after the dialog was seen, in no one go with others.

        By the times at which the keys came; that a dialog showed the key that confirms is asked besides, since a
        process that was held up may have read late what was typed together.
        """
        return press.at - max(self.shown_at, press.after) >= self.console.router.quiet_s

    def sync(self) -> None:
        """Follow what the dialog is about: called with each painting of the console."""

    def answer(self, result: Answer | None) -> None:
        """Close with an answer; a second one does nothing."""
        if not self.answered:
            self.answered = True
            self.console.router.leave(self)
            self.dismiss(result)

    # -- as a layer ------------------------------------------------------------------------------------------------

    @property
    def moving(self) -> LineList | None:
        """No list moves."""
        return None

    def target(self) -> Target | None:
        """Nothing is selected."""
        return None

    def take(self, press: Press) -> bool:
        """No key is special."""
        return False

    def paste(self, text: str) -> bool:
        """Nothing is typed."""
        return False

    def accept(self, press: Press) -> None:
        """Do what is chosen."""

    def dismiss_layer(self) -> None:
        """Close; nothing is done."""
        self.answer(None)


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
        """Show other lines; the widget is as high as they need."""
        before = len(self._rows)
        self._lines = lines
        self._rows = wrap(lines, self.row_width, self.label) if self.row_width else lines
        self.sync()
        if len(self._rows) != before:
            self.refresh(layout=True)

    def total(self) -> int:
        """Return the number of lines."""
        return len(self._rows)

    def row(self, index: int, width: int) -> Line:
        """Return a line."""
        return self._rows[index]


class Choice(msgspec.Struct, frozen=True):
    """One answer of a :class:`ChoiceDialog`: ``key`` chooses it. A guarded answer takes a key that was meant."""

    id: str
    key: str
    title: str
    help: str = ""
    tone: str = ""
    guarded: bool = False


class Question(msgspec.Struct):
    """The words of a :class:`ChoiceDialog`. The first choice is the default."""

    title: str
    lines: list[Line]
    choices: list[Choice]


class ChoiceList(LineList):
    """The answers. While ``ready`` is False those that are guarded show no key."""

    def __init__(self, choices: list[Choice]) -> None:
        super().__init__()
        self.choices = choices
        self.ready = False

    def on_mount(self) -> None:
        """Be as high as there are answers."""
        self.sync()

    def total(self) -> int:
        """Return the number of answers."""
        return len(self.choices)

    def row(self, index: int, width: int) -> Line:
        """Paint an answer."""
        choice = self.choices[index]
        waits = choice.guarded and not self.ready
        key = self.shapes.dot if waits else choice.key
        tone = "dim" if waits else choice.tone or "bold"
        return [(f" {key} ", "accent"), (f" {choice.title:<20} ", tone), (choice.help, "dim")]


class ChoiceDialog(Dialog[str]):
    """Asks for one of some answers; the answer is the choice's id.

    ``ask`` returns the question as it stands now: asked again with each painting, so that the dialog follows what it is
    about. With a ``phrase`` the answer of every guarded choice is only taken once the phrase was typed.
    """

    DEFAULT_CSS = """
    ChoiceDialog > Vertical { max-height: 100%; }
    """

    def __init__(self, ask: Callable[[], Question], *, phrase: str = "") -> None:
        super().__init__()
        self._ask = ask
        self._question = ask()
        self._phrase = phrase
        self._quiet: Timer | None = None
        self._counts = False
        self._box = Vertical()
        self._text = Text(self._question.lines)
        self._list = ChoiceList(self._question.choices)
        self._field = Input(placeholder=f"type {phrase} to confirm", compact=True)
        self._field.cursor_blink = False
        self.mode = "prompt" if phrase else "dialog"
        self.scopes = ("dialog",) if phrase else ("list", "dialog")

    def compose(self) -> ComposeResult:
        """Text, the answers, and where the phrase is typed."""
        with self._box as box:
            box.border_title = self._question.title.replace("[", "(")
            yield self._text
            if self._phrase:
                yield self._field
            yield self._list

    def on_mount(self) -> None:
        """Begin at the phrase if there is one, else at the answers."""
        super().on_mount()
        (self._field if self._phrase else self._list).focus()

    def on_resize(self) -> None:
        """Leave the answers their rows: of a long text the end is cut."""
        rows = self.size.height - 2 - len(self._list.choices) - bool(self._phrase)
        self._text.styles.max_height = max(1, min(TEXT_ROWS, rows))

    def painted(self) -> None:
        """Wait for a quiet moment."""
        super().painted()
        self._await_quiet()

    def sync(self) -> None:
        """Ask anew. When the choices are others than before, the default is chosen again."""
        question, before = self._ask(), self._question
        self._question = question
        if question.lines != before.lines:
            self._text.put(question.lines)
        if question.choices != before.choices:
            self._list.choices = question.choices
            self._list.cursor = 0
            self._list.refresh(layout=True)
            self._await_quiet()
        if question.title != before.title:
            self._box.border_title = question.title.replace("[", "(")
        self._list.sync()

    @property
    def ready(self) -> bool:
        """True once a key can confirm: the keys of guarded answers are shown then."""
        return self._list.ready

    def _await_quiet(self) -> None:
        """Take guarded answers only after a quiet moment from now on."""
        if self._quiet is not None:
            self._quiet.stop()
        quiet = self.console.router.quiet_s
        self._show_ready(ready=not quiet and self.shown_at < float("inf"))
        if quiet:
            self._quiet = self.set_timer(quiet, lambda: self._show_ready(ready=self.shown_at < float("inf")))

    def _show_ready(self, *, ready: bool) -> None:
        self._list.ready = ready
        self._list.sync()

    # -- as a layer ------------------------------------------------------------------------------------------------

    @property
    def moving(self) -> LineList | None:
        """The answers."""
        return self._list

    def take(self, press: Press) -> bool:
        """Take an answer by its key; where a phrase is asked for, type."""
        self._counts = self.ready
        self._await_quiet()
        if self._phrase:
            return edit(self._field, press)
        for choice in self._list.choices:
            if press.text == choice.key:
                self._choose(choice, press)
                return True
        return False

    def paste(self, text: str) -> bool:
        """Type the phrase."""
        if self._phrase:
            insert(self._field, text)
        return bool(self._phrase)

    def accept(self, press: Press) -> None:
        """Take the answer under the cursor; with a phrase typed, what it is for."""
        choices = self._list.choices
        if self._phrase and self._field.value:
            guarded = [choice for choice in choices if choice.guarded]
            self._choose(guarded[0] if guarded else choices[0], press)
        else:
            self._choose(choices[self._list.cursor], press)

    def on_line_list_opened(self, event: LineList.Opened) -> None:
        """Take the answer that was clicked."""
        self._counts = self.ready
        self.accept(Press("click", "", event.at, self.console.router.last_at))

    def _choose(self, choice: Choice, press: Press) -> None:
        if choice.guarded:
            if self._phrase and self._field.value.strip() != self._phrase:
                self._hint(f"type {self._phrase} first: this stops much work")
                return
            if not (self._counts and self.deliberate(press)):
                again = "enter" if self._phrase else choice.key
                self._hint(f"too fast to be meant: press {again} again")
                return
        self.answer(choice.id)

    def _hint(self, text: str) -> None:
        self._box.border_subtitle = text.replace("[", "(")


class PromptDialog(Dialog[str]):
    """Asks for one line of text."""

    mode = "prompt"

    def __init__(self, title: str, hint: str) -> None:
        super().__init__()
        self._title = title
        self._hint = hint
        self._field = Input(compact=True)
        self._field.cursor_blink = False

    def compose(self) -> ComposeResult:
        """The hint and the input."""
        with Vertical() as box:
            box.border_title = self._title
            yield Text([[(self._hint, "dim")]])
            yield self._field

    def on_mount(self) -> None:
        """Begin to type."""
        super().on_mount()
        self._field.focus()

    def take(self, press: Press) -> bool:
        """Type."""
        return edit(self._field, press)

    def paste(self, text: str) -> bool:
        """Type a text."""
        insert(self._field, text)
        return True

    def accept(self, press: Press) -> None:
        """Answer what was typed."""
        self.answer(self._field.value.strip() or None)


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


def ask_of(question: Question) -> Callable[[], Question]:
    """Return an ``ask`` for a question that stays as it is."""

    def ask() -> Question:
        return question

    return ask
