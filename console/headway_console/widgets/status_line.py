"""The line above the keys: replay position, pause and follow badges, filter counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from headway_console.source import Source
from headway_console.text import clean, minutes, number
from headway_console.widgets.painted import Line, LineBar
from headway_console.widgets.panel import Panel

if TYPE_CHECKING:
    from headway_console.app import HeadwayConsole


def replay_text(source: Source) -> str:
    """Return ``REPLAY 5x 00:12.4/03:10 seq 812/20,114``, or "" when nothing is replayed."""
    controls = source.replay
    if controls is None:
        return ""
    state = "REPLAY" if controls.playing else "REPLAY paused"
    if not controls.playing and controls.seq >= controls.last_seq:
        state = "REPLAY end"
    place = f"{minutes(controls.position_ms, tenths=True)}/{minutes(controls.duration_ms)}"
    return f"{state} {number(controls.speed)}x {place} seq {controls.seq:,}/{controls.last_seq:,}"


class StatusLine(LineBar):
    """One line of badges; what matters most stands at the left."""

    def __init__(
        self,
        console: HeadwayConsole,
        panel: Callable[[], Panel | None],
        *,
        id: str | None = None,  # noqa: A002 - Textual's name
    ) -> None:
        super().__init__(id=id)
        self._front = console
        self._panel = panel

    def line(self, width: int) -> Line:
        """Paint the badges."""
        line: Line = []
        replay = replay_text(self._front.source) if self._front.opened else ""
        if replay:
            line += [(f" {replay} ", "chip"), (" ", "")]
        held = self._front.held
        if held is not None:
            line += [(f" PAUSED +{held:,} ", "alert"), (" ", "")]
        panel = self._panel()
        if panel is None:
            return line
        if panel.expression:
            line += [(" filter ", "dim"), (clean(panel.expression), "accent"), (f"  {panel.hits()} ", "bold")]
        if not line:
            line.append((" ", ""))
        line += panel.note()
        if panel.total() and panel.selectable:
            line.append((f"  {panel.cursor + 1:,}/{panel.total():,}", "dim"))
        return line
