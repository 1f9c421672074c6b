"""The second line: the views and their keys."""

from __future__ import annotations

from textual.events import Click
from textual.message import Message

from headway_console.actions import VIEW_TITLES, VIEWS
from headway_console.model import ConsoleModel
from headway_console.widgets.painted import Line, LineBar

WHOLE_TITLES = 74
"""Columns from which titles are whole."""


class TabBar(LineBar):
    """``1 Overview 2 DAG …``, the present view in reverse video; how many questions wait. A click chooses."""

    class Chosen(Message):
        """A view was clicked."""

        def __init__(self, view: str) -> None:
            super().__init__()
            self.view = view

    def __init__(self, model: ConsoleModel, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._model = model
        self.view = VIEWS[0]

    def line(self, width: int) -> Line:
        """Paint the tabs; titles are cut to three letters where there is little room."""
        waiting = sum(len(questions) for questions in self._model.inbox.open.values())
        line: Line = []
        for number, view in enumerate(VIEWS, 1):
            title = VIEW_TITLES[view] if width >= WHOLE_TITLES else VIEW_TITLES[view][:3]
            asks = bool(waiting) and view == "inbox"
            text = f" {number} {title}{f' {waiting}' if asks else ''} "
            line.append((text, "chip" if view == self.view else "waiting" if asks else "dim"))
        return line

    def on_click(self, event: Click) -> None:
        """Find the tab under the mouse."""
        x = 0
        for (text, _), view in zip(self.line(self.size.width), VIEWS, strict=True):
            if x <= event.x < x + len(text):
                self.post_message(self.Chosen(view))
            x += len(text)
