"""Everything at a glance: levels, limits, budgets and the newest events."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Container

from headway_console.model import ConsoleModel
from headway_console.widgets.budgets_list import BudgetsList
from headway_console.widgets.dag_list import LevelList
from headway_console.widgets.event_log import EventLog
from headway_console.widgets.limits_list import LimitsList
from headway_console.widgets.panel import Panel


class Overview(Container):
    """Four small panels; tab goes round them, enter opens the view of the one in focus."""

    DEFAULT_CSS = """
    Overview {
        layout: grid;
        grid-size: 1 4;
        grid-rows: 3fr 1fr 1fr 2fr;
        & > Panel { border-top: solid $state-rule; border-title-color: $text-primary; border-title-style: bold; }
        & > Panel:focus { border-top: heavy $accent; }
    }
    .-wide Overview, .-huge Overview {
        grid-size: 2 3;
        grid-rows: 3fr 2fr 3fr;
        grid-columns: 3fr 2fr;
        grid-gutter: 0 1;
    }
    .-wide Overview > LevelList, .-huge Overview > LevelList { row-span: 2; }
    .-wide Overview > EventLog, .-huge Overview > EventLog { column-span: 2; }
    .-short Overview { grid-size: 1 2; grid-rows: 1fr 1fr; }
    .-short Overview > LimitsList, .-short Overview > BudgetsList { display: none; }
    """

    def __init__(self, model: ConsoleModel, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._active = "dag"
        titles = {"dag": "Levels", "limits": "Limits", "budgets": "Budgets", "events": "Events"}
        self.panels: dict[str, Panel] = {
            "dag": LevelList(model, id="overview-levels"),
            "limits": LimitsList(model, id="overview-limits"),
            "budgets": BudgetsList(model, live_only=True, id="overview-budgets"),
            "events": EventLog(model, id="overview-events"),
        }
        for view, panel in self.panels.items():
            panel.border_title = titles[view]

    def compose(self) -> ComposeResult:
        """The panels."""
        yield from self.panels.values()

    @property
    def active(self) -> Panel:
        """The panel that has the keys."""
        return self.panels[self.active_view]

    @property
    def active_view(self) -> str:
        """The view that belongs to the panel that has the keys; the levels while that one is not displayed."""
        return self._active if self.panels[self._active].display else "dag"

    def activate(self, panel: Panel) -> None:
        """Give a panel the keys. The focus follows, for the looks."""
        self._active = next(view for view, shown in self.panels.items() if shown is panel)
        panel.focus()

    def activate_next(self, step: int) -> None:
        """Give the next or previous visible panel the keys."""
        shown = [panel for panel in self.panels.values() if panel.display]
        place = shown.index(self.active) if self.active in shown else 0
        self.activate(shown[(place + step) % len(shown)])
