"""The palette: every action of the table and the jobs, found by name while one types."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.fuzzy import Matcher
from textual.widgets import Input

from headway_console.context import Press
from headway_console.screens.dialog import Dialog
from headway_console.text import clean
from headway_console.widgets.line_edit import edit, insert
from headway_console.widgets.line_list import LineList
from headway_console.widgets.painted import Line

JOBS = 200
"""The newest jobs that are searched."""


class Entry(msgspec.Struct, frozen=True):
    """One line of the palette: ``words`` are matched, ``run`` does it."""

    words: str
    title: str
    help: str
    run: Callable[[], object]
    always: bool = True


class Found(LineList):
    """The entries that match, best first."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: Sequence[Entry] = ()

    def total(self) -> int:
        """Return the number of entries that match."""
        return len(self.entries)

    def row(self, index: int, width: int) -> Line:
        """Paint an entry."""
        entry = self.entries[index]
        return [(f" {entry.title}", "bold"), (f"  {entry.help}", "dim")]

    def empty(self, width: int) -> list[Line]:
        """Say that nothing matches."""
        return [[(" Nothing is called so.", "dim")]]


class Palette(Dialog[Entry]):
    """A line to type in, and what matches it. Titles are shown as text, never as markup."""

    mode = "prompt"
    DEFAULT_CSS = """
    Palette { align: center top; }
    Palette > Vertical { height: 70%; margin-top: 2; }
    Palette Found { height: 1fr; max-height: 100%; }
    """

    def __init__(self, entries: Sequence[Entry]) -> None:
        super().__init__()
        self._entries = entries
        self._field = Input(placeholder="Search actions and jobs", compact=True)
        self._field.cursor_blink = False
        self._found = Found()

    def compose(self) -> ComposeResult:
        """The input and the list."""
        with Vertical() as box:
            box.border_title = "Palette"
            yield self._field
            yield self._found

    def on_mount(self) -> None:
        """List everything."""
        super().on_mount()
        self._field.focus()
        self._search()

    def _search(self) -> None:
        query = self._field.value.strip()
        if not query:
            self._found.entries = [entry for entry in self._entries if entry.always]
        else:
            matcher = Matcher(query)
            scored = [(matcher.match(entry.words), place) for place, entry in enumerate(self._entries)]
            scored = sorted(((score, place) for score, place in scored if score > 0), key=lambda s: (-s[0], s[1]))
            self._found.entries = [self._entries[place] for _, place in scored]
        self._found.cursor = 0
        self._found.sync()
        self._found.show_row(0)

    # -- as a layer ------------------------------------------------------------------------------------------------

    @property
    def chosen(self) -> Entry | None:
        """The entry under the cursor."""
        entries = self._found.entries
        return entries[self._found.cursor] if self._found.cursor < len(entries) else None

    def take(self, press: Press) -> bool:
        """Type and search, or move in the list."""
        moves = {"down": 1, "ctrl+n": 1, "up": -1, "ctrl+p": -1}
        if press.key in moves:
            self._found.step(moves[press.key])
            return True
        if press.key in ("pagedown", "pageup"):
            self._found.turn(1 if press.key == "pagedown" else -1)
            return True
        before = self._field.value
        taken = edit(self._field, press)
        if self._field.value != before:
            self._search()
        return taken

    def paste(self, text: str) -> bool:
        """Type a text, and search."""
        insert(self._field, text)
        self._search()
        return True

    def accept(self, press: Press) -> None:
        """Take the entry under the cursor."""
        if self.chosen is not None:
            self.answer(self.chosen)

    def on_line_list_opened(self, event: LineList.Opened) -> None:
        """Take the entry that was clicked."""
        if self.chosen is not None:
            self.answer(self.chosen)


def job_words(job_id: str, title: str) -> str:
    """Return the words by which a job is found."""
    return clean(f"job {job_id} {title}")
