"""The last line: the keys that work here, from the action table."""

from __future__ import annotations

from collections.abc import Callable

from headway_console.actions import ACTIONS, Act
from headway_console.widgets.painted import Line, LineBar

_NAMES = {"escape": "esc", "step_back": "[ ]", "slower": "< >", "prev_level": "h l"}


class KeyBar(LineBar):
    """As many keys as fit, the most important first. Those that cannot be used now are left out."""

    DEFAULT_CSS = """
    KeyBar { background: $panel; }
    """

    def __init__(self, usable: Callable[[Act], bool], *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._usable = usable

    def line(self, width: int) -> Line:
        """Paint the keys."""
        shown = sorted((act for act in ACTIONS if act.bar and self._usable(act)), key=self._order)
        line: Line = []
        left = width
        for act in shown:
            key = _NAMES.get(act.id) or _NAMES.get(act.keys[0], act.keys[0])
            cells = len(key) + len(act.short) + 3
            if cells > left:
                break
            line += [(f" {key}", "accent"), (f" {act.short} ", "")]
            left -= cells
        return line

    @staticmethod
    def _order(act: Act) -> tuple[int, int]:
        return (0 if act.scope == "replay" else 1, act.bar)
