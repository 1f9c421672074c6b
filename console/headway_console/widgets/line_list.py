"""A list of lines with a cursor: the base of every list, the event log and the inspector.

It paints the rows in sight and no others, so its cost is that of a frame, not that of its length. Rows that never
change (``frozen``) keep their strips.
"""

from __future__ import annotations

from textual.cache import LRUCache
from textual.events import Click, MouseScrollDown, MouseScrollUp
from textual.geometry import Region, Size
from textual.message import Message
from textual.strip import Strip

from headway_console.widgets.painted import Line, Painted


class LineList(Painted, can_focus=True, inherit_bindings=False):
    """Rows of one line. Subclasses give :meth:`total` and :meth:`row`; call :meth:`sync` when either changed.

    Keys do not come here: the router has them, and moves the list that has its turn.
    """

    DEFAULT_CSS = """
    LineList { height: 1fr; width: 1fr; }
    """

    frozen = False
    """True if a row, once painted, stays the same for as long as :meth:`row_key` gives the same key."""

    selectable = True
    """True if there is a cursor; else the keys scroll."""

    class Moved(Message):
        """The cursor of ``list`` moved, by a key or the mouse."""

        def __init__(self, source: LineList, at: float = 0.0) -> None:
            super().__init__()
            self.list = source
            self.at = at

        @property
        def control(self) -> LineList:
            """The list."""
            return self.list

    class Opened(Moved):
        """A row was clicked, ``at`` that time, that the cursor was on already."""

    class Touched(Moved):
        """The list was clicked."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id, classes=classes)
        self.cursor = 0
        self._seen: dict[int, object] = {}
        self._fresh: dict[int, Line] = {}
        self._strips: LRUCache[tuple[object, int], Strip] = LRUCache(2048)

    # -- for subclasses ------------------------------------------------------------------------------------------

    def total(self) -> int:
        """Return the number of rows."""
        return 0

    def row(self, index: int, width: int) -> Line:
        """Return row ``index`` for ``width`` cells."""
        return []

    def row_key(self, index: int) -> object:
        """Return what names the row for good, for ``frozen`` lists."""
        return index

    def empty(self, width: int) -> list[Line]:
        """Return what to paint when there are no rows."""
        return []

    # -- painting ------------------------------------------------------------------------------------------------

    @property
    def row_width(self) -> int:
        """Cells a row has, the scrollbar's column left out."""
        return max(0, self.scrollable_content_region.width)

    @property
    def page(self) -> int:
        """Rows in sight."""
        return max(1, self.scrollable_content_region.height)

    def notify_style_update(self) -> None:
        """Forget the strips: their styles changed."""
        self._strips.clear()
        super().notify_style_update()

    def sync(self) -> None:
        """Take the number of rows and repaint what is in sight."""
        total = self.total()
        self.cursor = min(max(0, self.cursor), max(0, total - 1))
        size = Size(self.row_width, total)
        if size.height != self.virtual_size.height:
            # Assigned in the ordinary way it lays out the whole screen anew, which costs as much as a frame.
            self.set_reactive(LineList.virtual_size, size)
            self._scroll_update(size)
        self._fresh.clear()
        width, height = self.row_width, self.scrollable_content_region.height
        changed = [y for y in range(height) if self._seen.get(y, self) != self._look_of(y, width)]
        if len(changed) > height // 2:
            self.refresh()
        elif changed:
            self.refresh(*(Region(0, y, self.size.width, 1) for y in changed))

    def _look_of(self, y: int, width: int) -> object:
        """Return what is to be seen on a line of the screen, so that it can be compared with what is there."""
        index, total = y + self.scroll_offset.y, self.total()
        if index >= total:
            return (self.empty(width)[y : y + 1] if not total else [], width)
        cursor = self.cursor_style(index)
        if self.frozen:
            return self.row_key(index), cursor, width
        line = self._fresh[index] = self.row(index, width)
        return line, cursor, width

    def on_resize(self) -> None:
        """Keep the cursor in sight."""
        self.sync()
        if self.selectable:
            self.show_row(self.cursor)

    def render_line(self, y: int) -> Strip:
        """Paint one row in sight."""
        width = self.row_width
        index = y + self.scroll_offset.y
        total = self.total()
        if index >= total:
            notes = self.empty(width)[y : y + 1] if not total else []
            self._seen[y] = (notes, width)
            return self.strip_of(notes[0] if notes else [], width)
        cursor = self.cursor_style(index)
        if self.frozen:
            self._seen[y] = (self.row_key(index), cursor, width)
            return self._frozen_strip(index, width, cursor)
        line = self._fresh.get(index)
        if line is None:
            line = self.row(index, width)
        self._seen[y] = (line, cursor, width)
        return self.strip_of(line, width, cursor)

    def _frozen_strip(self, index: int, width: int, cursor: str) -> Strip:
        if cursor:
            return self.strip_of(self.row(index, width), width, cursor)
        key = (self.row_key(index), width)
        strip = self._strips.get(key)
        if strip is None:
            strip = self._strips[key] = self.strip_of(self.row(index, width), width)
        return strip

    def cursor_style(self, index: int) -> str:
        """Return the component under the row: "" unless the cursor is on it."""
        if index != self.cursor or not self.selectable:
            return ""
        return "line--cursor" if self.has_focus else "line--cursor-blurred"

    # -- moving --------------------------------------------------------------------------------------------------

    def move_to(self, index: int, *, tell: bool = True) -> None:
        """Put the cursor on a row (clamped) and bring it into sight."""
        before, self.cursor = self.cursor, min(max(0, index), max(0, self.total() - 1))
        self.show_row(self.cursor)
        self.refresh_lines(before)
        self.refresh_lines(self.cursor)
        if tell:
            self.post_message(self.Moved(self))

    def show_row(self, index: int) -> None:
        """Scroll as little as needed to have the row in sight."""
        top, page = self.scroll_offset.y, self.page
        if index < top:
            self._jump(index)
        elif index >= top + page:
            self._jump(index - page + 1)

    def _jump(self, top: int) -> None:
        self.scroll_to(y=top, animate=False, immediate=True, force=True)

    def step(self, rows: int) -> None:
        """Move by so many rows, up if negative; a list without a cursor scrolls."""
        if self.selectable:
            self.move_to(self.cursor + rows)
        else:
            self._jump(max(0, min(self.scroll_offset.y + rows, self.total() - self.page)))

    def half(self, pages: int) -> None:
        """Move by half a page, up if negative."""
        self.step(pages * max(1, self.page // 2))

    def turn(self, pages: int) -> None:
        """Move by a page, up if negative."""
        self.step(pages * max(1, self.page - 1))

    def top(self) -> None:
        """Go to the first row."""
        self.step(-self.total())

    def bottom(self) -> None:
        """Go to the last row."""
        self.step(self.total())

    def on_click(self, event: Click) -> None:
        """Put the cursor where the mouse is; a second click opens the row."""
        self.post_message(self.Touched(self, event.time))
        index = event.y + self.scroll_offset.y
        if not self.selectable or index >= self.total():
            return
        again = index == self.cursor
        self.move_to(index)
        if again:
            self.post_message(self.Opened(self, event.time))

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        """Scroll; the cursor stays."""
        event.stop()
        self._jump(self.scroll_offset.y + 3)

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        """Scroll; the cursor stays."""
        event.stop()
        self._jump(max(0, self.scroll_offset.y - 3))
