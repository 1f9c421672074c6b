"""Everything an operator can do: one table.

Bindings, the palette, the help screen, the key bar and ``docs/keys.md`` are made from it; a key that is not here does
not exist. ``scope`` tells where an action applies:

=========== ==========================================================
global      everywhere but in dialogs
run         where a run is looked at; changes something (``danger``)
dag         the DAG
events      the event log (elsewhere it opens the log first)
replay      while a recording plays
list        the focused list or inspector
checkpoints the dialog that lists checkpoints
dialog      all dialogs
=========== ==========================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from textual.binding import Binding


class Act(msgspec.Struct, frozen=True):
    """One action. ``id`` names the method ``action_<id>`` and the binding.

    ``keys`` are the default keys in Textual's names. ``danger``: "" harmless, "changes" writes state, "stops" ends
    work; both are confirmed. ``replay_ok``: whether it works without commands, as in a recording. ``bar`` is the place
    in the key bar, 0 for none; ``short`` is its text there.
    """

    id: str
    title: str
    help: str
    keys: tuple[str, ...]
    scope: str = "global"
    danger: str = ""
    replay_ok: bool = True
    short: str = ""
    bar: int = 0


VIEWS: tuple[str, ...] = ("overview", "dag", "events", "limits", "budgets", "jobs")
"""The views, in the order of their keys 1 to 6."""

VIEW_TITLES = dict(zip(VIEWS, ("Overview", "DAG", "Events", "Limits", "Budgets", "Jobs"), strict=True))

ACTIONS: tuple[Act, ...] = (
    Act("show_overview", "Overview", "Levels, events, limits and budgets at a glance.", ("1",)),
    Act("show_dag", "DAG", "The run by levels: every action, its state and what it waits for.", ("2",)),
    Act("show_events", "Events", "The event log, newest at the end.", ("3",)),
    Act("show_limits", "Limits", "Token buckets: level, refill, who waits, the next grant.", ("4",)),
    Act("show_budgets", "Budgets", "What was spent and reserved of each budget.", ("5",)),
    Act("show_jobs", "Jobs", "All jobs; enter looks at one.", ("6",)),
    Act(
        "cancel",
        "Cancel the run",
        "Stop softly: what is in flight goes on to its end, the rest is skipped. Asks first.",
        ("x",),
        scope="run",
        danger="stops",
        replay_ok=False,
        short="cancel",
        bar=2,
    ),
    Act(
        "kill",
        "Kill the run",
        "Stop hard: calls in flight are broken off too. The second step, when a cancel takes too long. Asks first.",
        ("X",),
        scope="run",
        danger="stops",
        replay_ok=False,
    ),
    Act(
        "checkpoints",
        "Restore or fork",
        "List the checkpoints of the run, show what would change, then fork a new run from one or restore its state.",
        ("R",),
        scope="run",
        danger="changes",
        replay_ok=False,
        short="restore",
        bar=3,
    ),
    Act(
        "inspect",
        "Inspect",
        "Open the selected row: details, output, error. In Jobs: look at that job.",
        ("enter", "d"),
        short="inspect",
        bar=6,
    ),
    Act(
        "filter",
        "Filter",
        "Filter the list: text, !not, field:value, number:>=5. Esc clears.",
        ("/",),
        short="filter",
        bar=4,
    ),
    Act("attention", "Next needing attention", "Go to the next action that failed, retries or waits.", ("tab",)),
    Act("attention_back", "Previous needing attention", "Go to the previous one.", ("shift+tab",)),
    Act("next_error", "Next error", "Go to the next error in the event log.", ("e",), scope="events"),
    Act("prev_error", "Previous error", "Go to the previous error in the event log.", ("E",), scope="events"),
    Act(
        "follow",
        "Follow",
        "Stay at the newest event. Scrolling up lets go, G holds on again.",
        ("f",),
        scope="events",
        short="follow",
        bar=7,
    ),
    Act(
        "pause",
        "Pause the view",
        "Stand still while events are recorded on; the badge counts what came.",
        ("p",),
        short="pause",
        bar=8,
    ),
    Act(
        "fold",
        "Fold settled levels",
        "Show a finished level as one line; failures stay in sight.",
        ("z",),
        scope="dag",
        short="fold",
        bar=7,
    ),
    Act("prev_level", "Previous level", "Go to the previous level.", ("h", "left"), scope="dag"),
    Act("next_level", "Next level", "Go to the next level.", ("l", "right"), scope="dag"),
    Act("copy", "Copy", "Copy the id, the row as JSON or the command line that shows it.", ("c",), short="copy", bar=9),
    Act("next_theme", "Next theme", "Change to the next theme.", ("T",)),
    Act("palette", "Palette", "Find any action or job by name.", (":", "ctrl+p"), short="palette", bar=10),
    Act("help", "Help", "All keys, those of this view first.", ("?", "f1"), short="help", bar=1),
    Act("back", "Back", "Peel one layer: inspector, filter, pause. Never quits.", ("escape",)),
    Act(
        "leave",
        "Quit",
        "Leave the console. With live runs it asks whether they go on.",
        ("q", "ctrl+q"),
        short="quit",
        bar=5,
    ),
    Act("interrupt", "How to quit", "Ctrl+C does not stop a run here: it says how to quit.", ("ctrl+c",)),
    Act("play", "Play or pause", "Play the recording or stand still.", ("space",), scope="replay", short="play", bar=1),
    Act("step_forward", "Next event", "Step one event on.", ("]",), scope="replay"),
    Act("step_back", "Previous event", "Step one event back.", ("[",), scope="replay", short="step", bar=3),
    Act("level_forward", "Next level end", "Go to the next end of a level.", ("}",), scope="replay"),
    Act("level_back", "Previous level end", "Go to the previous end of a level.", ("{",), scope="replay"),
    Act("faster", "Faster", "Play faster, up to 600 x.", (">",), scope="replay"),
    Act("slower", "Slower", "Play slower, down to 0.1 x.", ("<",), scope="replay", short="speed", bar=4),
    Act(
        "seek",
        "Go to",
        "Go to a place: one digit is tenths (0 = start, 9 = 90 %), 45%, 1:20, #812.",
        ("t",),
        scope="replay",
        short="go to",
        bar=2,
    ),
    Act("cursor_down", "Down", "One row down.", ("j", "down"), scope="list"),
    Act("cursor_up", "Up", "One row up.", ("k", "up"), scope="list"),
    Act("half_down", "Half a page down", "Half a page down.", ("ctrl+d",), scope="list"),
    Act("half_up", "Half a page up", "Half a page up.", ("ctrl+u",), scope="list"),
    Act("page_down", "Page down", "One page down.", ("ctrl+f", "pagedown"), scope="list"),
    Act("page_up", "Page up", "One page up.", ("ctrl+b", "pageup"), scope="list"),
    Act("cursor_top", "First row", "Go to the first row.", ("g", "home"), scope="list"),
    Act(
        "cursor_bottom",
        "Last row",
        "Go to the last row; in the event log this follows again.",
        ("G", "end"),
        scope="list",
    ),
    Act(
        "fork",
        "Fork",
        "Start a new run from the checkpoint, in a scope of its own; the old run stays as it is. Enter does the same.",
        ("f",),
        scope="checkpoints",
    ),
    Act(
        "restore",
        "Restore",
        "Set the scope's state back to the checkpoint's, as the diff shows. Press it twice.",
        ("r",),
        scope="checkpoints",
    ),
    Act("save", "Save", "Save the present state as a checkpoint.", ("s",), scope="checkpoints"),
    Act("accept", "Accept", "Do what is chosen.", ("enter",), scope="dialog"),
    Act("dismiss", "Close", "Close the dialog; nothing is done.", ("escape",), scope="dialog"),
)

BY_ID: dict[str, Act] = {act.id: act for act in ACTIONS}

SCOPES = {
    "global": "Everywhere",
    "run": "On a run",
    "dag": "DAG",
    "events": "Event log",
    "replay": "Replay",
    "list": "In lists",
    "checkpoints": "Among checkpoints",
    "dialog": "In dialogs",
}
"""Headings of the scopes, in the order of help and docs."""

_SHOWN = {
    "escape": "esc", "space": "space", "enter": "enter", "pagedown": "pgdn", "pageup": "pgup",
    "left": "left", "right": "right", "up": "up", "down": "down",
}  # fmt: skip


def of_scopes(*scopes: str) -> list[Act]:
    """Return the actions of these scopes, in table order."""
    return [act for act in ACTIONS if act.scope in scopes]


def key_text(act: Act) -> str:
    """Return the keys of an action as help shows them: ``x``, ``? f1``."""
    return " ".join(_SHOWN.get(key, key) for key in act.keys)


def bindings(*scopes: str) -> list[Binding | tuple[str, str] | tuple[str, str, str]]:
    """Return Textual's bindings of these scopes. Ids are the actions', so that a keymap can change the keys."""
    from textual.binding import Binding

    return [
        Binding(",".join(act.keys), act.id, act.title, show=False, tooltip=act.help, id=act.id, system=True)
        for act in of_scopes(*scopes)
    ]


def keys_markdown() -> str:
    """Return ``docs/keys.md``."""
    lines = [
        "# Keys of the console",
        "",
        "Made from `headway_console/actions.py`; a test fails when the two differ. Every action is in the palette too",
        "(`:`). Actions marked *stops* or *changes* ask first, and are off in a recording.",
    ]
    for scope, title in SCOPES.items():
        lines += ["", f"## {title}", "", "| key | action | what it does |", "|---|---|---|"]
        for act in of_scopes(scope):
            keys = " ".join(f"`{_SHOWN.get(key, key)}`" for key in act.keys)
            danger = f" *{act.danger}*" if act.danger else ""
            lines.append(f"| {keys} | {act.title} | {act.help}{danger} |")
    return "\n".join(lines) + "\n"
