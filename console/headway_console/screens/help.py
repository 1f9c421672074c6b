"""The help: every key, made from the action table, those of the present view first."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical

from headway_console.actions import SCOPES, key_text, of_scopes
from headway_console.context import Press
from headway_console.glyphs import (
    BUDGET,
    CANCELLED,
    FAILED,
    PENDING,
    QUEUED,
    READY,
    RETRYING,
    RUNNING,
    SKIPPED,
    SUCCEEDED,
    TIMED_OUT,
    WAITING,
    Shapes,
)
from headway_console.screens.dialog import Dialog, HintBar, Text
from headway_console.widgets.line_list import LineList
from headway_console.widgets.painted import Line

_ALL_LOOKS = (
    PENDING, READY, QUEUED, RUNNING, WAITING, RETRYING, SUCCEEDED, FAILED, TIMED_OUT, CANCELLED, SKIPPED, BUDGET,
)  # fmt: skip

KEYS = 16
"""Cells of the column of keys."""

_FILTERS = (
    ("fetch", "the text contains it"),
    ("!fetch", "it does not"),
    ("kind:failed", "a field contains it: kind job action level attempt seq error code bucket; tool status in DAG"),
    ("seq:>=812", "numbers compare with > >= < <="),
    ('error:"two words"', "quotes keep spaces; words must all hold"),
)


def help_lines(view: str, shapes: Shapes, *, replay: bool) -> list[Line]:
    """Return the help for one view."""
    first = [scope for scope in (view, "replay" if replay else "") if scope in SCOPES]
    order = first + [scope for scope in SCOPES if scope not in first and (replay or scope != "replay")]
    lines: list[Line] = []
    for scope in order:
        lines.append([(SCOPES[scope], "title")])
        for act in of_scopes(scope):
            note = " Asks first; off in a recording." if act.danger else ""
            lines.append([(f"  {key_text(act):<{KEYS - 2}}", "accent"), (act.help + note, "")])
        lines.append([])
    lines.append([("Filters", "title")])
    lines += [[(f"  {example:<20}", "accent"), (text, "")] for example, text in _FILTERS]
    lines += [[], [("States", "title")]]
    for start in range(0, len(_ALL_LOOKS), 4):
        line: Line = [("  ", "")]
        for look in _ALL_LOOKS[start : start + 4]:
            line.append((f"{shapes.look(look)} {look.word:<12}", look.tone))
        lines.append(line)
    lines += [[("  " + shapes.rail, "accent"), (" on the critical path: the run cannot end before it", "")]]
    return lines


class HelpScreen(Dialog[None]):
    """A scrolling page of keys. The keys that open it close it too."""

    scopes = ("list", "dialog")
    DEFAULT_CSS = """
    HelpScreen > Vertical { height: 90%; }
    HelpScreen LineList { height: 1fr; max-height: 100%; }
    """

    class Page(Text, can_focus=True):
        """The page."""

        label = KEYS

    def __init__(self, view: str, shapes: Shapes, *, replay: bool) -> None:
        super().__init__()
        self._page = self.Page(help_lines(view, shapes, replay=replay))

    def compose(self) -> ComposeResult:
        """The page and how to leave it."""
        with Vertical() as box:
            box.border_title = "Keys"
            yield self._page
            yield HintBar([("esc", "close"), ("j k", "scroll"), ("ctrl+d ctrl+u", "half a page"), ("G", "end")])

    def on_mount(self) -> None:
        """Read with the list's keys."""
        super().on_mount()
        self._page.focus()

    @property
    def moving(self) -> LineList | None:
        """The page."""
        return self._page

    def take(self, press: Press) -> bool:
        """Close by the keys that opened it."""
        if press.key in ("question_mark", "f1"):
            self.dismiss_layer()
            return True
        return False
