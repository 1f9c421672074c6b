"""The base of every widget here: lines of (text, style name) pairs painted as strips.

A line is a list of pairs; text is clean already (:func:`headway_console.text.clean`). Style names are component
classes ``line--<name>``, so a theme decides what they look like; the Rich style of each is looked up once a style
generation, not once a line.
"""

from __future__ import annotations

from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.scroll_view import ScrollView
from textual.scrollbar import ScrollBarRender
from textual.strip import Strip

from headway_console.glyphs import ASCII, TONES, UNICODE, Shapes

Line = list[tuple[str, str]]
"""One painted line: pairs of clean text and a style name ("" is plain)."""

NAMES: tuple[str, ...] = ("dim", "bold", "accent", "title", "chip", "alert", *TONES)


class _PlainBar(ScrollBarRender):
    """A scrollbar whose thumb ends at whole cells."""

    VERTICAL_BARS: ClassVar[list[str]] = [" "] * 8


class Painted(ScrollView, can_focus=False, inherit_bindings=False):
    """A widget that paints lines.

    Component classes: ``line--dim`` secondary text, ``line--bold``, ``line--accent`` keys and marks, ``line--title``
    headings, ``line--chip`` the chosen tab, ``line--alert`` what must not be missed, ``line--<tone>`` states, and
    ``line--cursor`` / ``line--cursor-blurred`` the background of the selected row.
    """

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        *(f"line--{name}" for name in NAMES),
        "line--cursor",
        "line--cursor-blurred",
    }
    DEFAULT_CSS = """
    Painted {
        background: $background;
        color: $foreground;
        scrollbar-size-vertical: 1;
        scrollbar-size-horizontal: 0;
        overflow-x: hidden;
        & > .line--dim { color: $state-dim; }
        & > .line--bold { text-style: bold; }
        & > .line--accent { color: $text-accent; text-style: bold; }
        & > .line--title { color: $text-primary; text-style: bold; }
        & > .line--chip { text-style: bold reverse; }
        & > .line--alert { color: $state-failed; text-style: bold reverse; }
        & > .line--running { color: $state-running; text-style: bold; }
        & > .line--succeeded { color: $state-succeeded; }
        & > .line--failed { color: $state-failed; text-style: bold; }
        & > .line--skipped { color: $state-skipped; }
        & > .line--waiting { color: $state-waiting; }
        & > .line--pending { color: $state-pending; }
        & > .line--cancelled { color: $state-cancelled; }
        & > .line--cursor { background: $state-cursor; text-style: bold; }
        & > .line--cursor-blurred { background: $state-cursor-blurred; }
    }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id, classes=classes)
        self._styles: dict[tuple[str, str], Style] = {}

    @property
    def shapes(self) -> Shapes:
        """The characters to draw with: the app's choice."""
        return ASCII if getattr(self.app, "ascii", False) else UNICODE

    def on_mount(self) -> None:
        """Draw the scrollbar with spaces where only ASCII is wanted."""
        if self.shapes is ASCII:
            self.vertical_scrollbar.renderer = _PlainBar  # type: ignore[misc] # a class variable meant to be replaced

    def notify_style_update(self) -> None:
        """Forget the styles: theme, focus or size changed."""
        self._styles = {}
        super().notify_style_update()

    def style_of(self, name: str, cursor: str = "") -> Style:
        """Return the Rich style of a name; ``cursor`` names the component whose background lies under it."""
        key = (name, cursor)
        style = self._styles.get(key)
        if style is None:
            style = self.get_component_rich_style(f"line--{name}") if name else self.rich_style
            if cursor:
                under = self.get_component_rich_style(cursor)
                style = style + Style(bgcolor=under.bgcolor, bold=under.bold or None, reverse=under.reverse or None)
            self._styles[key] = style
        return style

    def strip_of(self, line: Line, width: int, cursor: str = "") -> Strip:
        """Return the strip of a line, cut or padded to exactly ``width`` cells."""
        segments: list[Segment] = []
        left = width
        joined, style = "", ""  # neighbours of one style are one segment: fewer bytes to the terminal
        for text, name in (*line, (" " * width, "")):
            if not text:
                continue
            cells = len(text) if text.isascii() else cell_len(text)
            if cells > left:
                text, cells = set_cell_size(text, left), left
            if name == style:
                joined += text
            else:
                if joined:
                    segments.append(Segment(joined, self.style_of(style, cursor)))
                joined, style = text, name
            left -= cells
            if left <= 0:
                break
        segments.append(Segment(joined, self.style_of(style, cursor)))
        return Strip(segments, width)


class LineBar(Painted):
    """A bar of one line. Subclasses give :meth:`line`; :meth:`sync` repaints when the line changed."""

    DEFAULT_CSS = """
    LineBar { height: 1; overflow: hidden; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id, classes=classes)
        self._shown: Line | None = None

    def line(self, width: int) -> Line:
        """Return what to paint in ``width`` cells."""
        return []

    def sync(self) -> None:
        """Repaint if the line is not what is on the screen."""
        if self.line(self.size.width) != self._shown:
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """Paint the line."""
        width = self.size.width
        if y:
            return Strip.blank(width, self.style_of(""))
        self._shown = self.line(width)
        return self.strip_of(self._shown, width)
