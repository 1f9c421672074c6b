"""Everything an operator can do: one table.

The key router, the palette, the help screen, the key bar and ``docs/keys.md`` are made from it; a key that is not here
does not exist. ``scope`` tells where an action's keys work:

=========== ==========================================================
global      everywhere but in dialogs
run         on a run: that of the selected row, else the one in sight
dag         the DAG
inbox       the inbox
events      the event log (elsewhere it opens the log first)
replay      while a recording plays
list        the focused list or inspector
checkpoints the dialog that lists checkpoints
dialog      all dialogs, and where one types
=========== ==========================================================
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import msgspec

from headway_console import conditions as when
from headway_console.context import Context

if TYPE_CHECKING:
    from headway_console.widgets.line_list import LineList


class Act(msgspec.Struct, frozen=True):
    """One action, on the target that its :class:`Context` has.

    ``keys`` are the default keys in Textual's names. ``run`` does it; ``when`` returns "" if that can be done, why not
    if it cannot now, None where it does not belong (see :mod:`headway_console.conditions`). ``commands`` are the rows
    of :data:`headway_console.commands.COMMANDS` that it leads to: then it asks first, and is off in a recording;
    ``danger`` says what that does: "changes" writes state, "stops" ends work. ``bar`` is the place in the key bar, 0
    for none; ``short`` is its text there.
    """

    id: str
    title: str
    help: str
    keys: tuple[str, ...]
    run: Callable[[Context], Awaitable[None] | None]
    scope: str = "global"
    when: Callable[[Context], str | None] = when.always
    danger: str = ""
    commands: tuple[str, ...] = ()
    short: str = ""
    bar: int = 0


VIEWS: tuple[str, ...] = ("overview", "dag", "events", "limits", "budgets", "jobs", "inbox")
"""The views, in the order of their keys 1 to 7."""

VIEW_TITLES = dict(zip(VIEWS, ("Overview", "DAG", "Events", "Limits", "Budgets", "Jobs", "Inbox"), strict=True))


def _show(view: str) -> Callable[[Context], None]:
    return lambda c: c.main.show_view(view)


def _move(how: Callable[[LineList], None]) -> Callable[[Context], None]:
    def run(context: Context) -> None:
        if context.moving is not None:
            how(context.moving)

    return run


def _accept(context: Context) -> None:
    if context.press is not None:
        context.layer.accept(context.press)


ACTIONS: tuple[Act, ...] = (
    Act("show_overview", "Overview", "Levels, events, limits and budgets at a glance.", ("1",), _show("overview")),
    Act("show_dag", "DAG", "The run by levels: every action, its state and what it waits for.", ("2",), _show("dag")),
    Act("show_events", "Events", "The event log, newest at the end.", ("3",), _show("events")),
    Act("show_limits", "Limits", "Token buckets: level, refill, who waits, the next grant.", ("4",), _show("limits")),
    Act("show_budgets", "Budgets", "What was spent and reserved of each budget.", ("5",), _show("budgets")),
    Act("show_jobs", "Jobs", "All jobs; enter pins one in sight.", ("6",), _show("jobs")),
    Act("show_inbox", "Inbox", "All that waits for a person: questions, and jobs that failed.", ("7",), _show("inbox")),
    Act(
        "newest",
        "Newest run",
        "Follow the newest run again; one that you choose, work on or see end is pinned.",
        ("0",),
        lambda c: c.console.follow_newest(),
        when=when.not_newest,
        short="newest",
        bar=4,
    ),
    Act(
        "cancel",
        "Cancel the run",
        "Stop the selected run softly: what is in flight continues to its end, the rest is skipped.",
        ("x",),
        lambda c: c.console.steering.ask("cancel", c.job_target),
        scope="run",
        when=when.cancellable,
        danger="stops",
        commands=("cancel",),
        short="cancel",
        bar=2,
    ),
    Act(
        "kill",
        "Kill the run",
        "Stop the selected run hard: calls in flight are broken off too. A second step, when a cancel takes too long.",
        ("X",),
        lambda c: c.console.steering.ask("kill", c.job_target),
        scope="run",
        when=when.killable,
        danger="stops",
        commands=("kill",),
    ),
    Act(
        "checkpoints",
        "Restore or fork",
        "List the checkpoints of the selected run, show what would change, then fork a new run or restore the state.",
        ("R",),
        lambda c: c.console.steering.checkpoints(c.job),
        scope="run",
        when=when.on_run,
        danger="changes",
        short="restore",
        bar=3,
    ),
    Act(
        "inspect",
        "Inspect",
        "Open the selected row: details, output, error. In Jobs: pin that job in sight.",
        ("enter", "d"),
        lambda c: c.main.inspect(),
        short="inspect",
        bar=7,
    ),
    Act(
        "filter",
        "Filter",
        "Filter the list: text, !not, field:value, number:>=5. Esc clears.",
        ("/",),
        lambda c: c.main.open_filter(),
        when=when.filterable,
        short="filter",
        bar=5,
    ),
    Act(
        "attention",
        "Next needing attention",
        "Go to the next action that failed, retries or waits.",
        ("tab",),
        lambda c: c.main.attend(1),
    ),
    Act(
        "attention_back",
        "Previous needing attention",
        "Go to the previous one.",
        ("shift+tab",),
        lambda c: c.main.attend(-1),
    ),
    Act(
        "next_error",
        "Next error",
        "Go to the next error in the event log.",
        ("e",),
        lambda c: c.main.go_to_error(1),
        scope="events",
    ),
    Act(
        "prev_error",
        "Previous error",
        "Go to the previous error in the event log.",
        ("E",),
        lambda c: c.main.go_to_error(-1),
        scope="events",
    ),
    Act(
        "follow",
        "Follow",
        "Stay at the newest event. Scrolling up lets go, G holds on again.",
        ("f",),
        lambda c: c.main.toggle_follow(),
        scope="events",
        when=when.in_log,
        short="follow",
        bar=8,
    ),
    Act(
        "pause",
        "Pause the view",
        "Stand still while recording continues; the badge counts what came.",
        ("p",),
        lambda c: c.console.set_paused(c.console.held is None),
        short="pause",
        bar=9,
    ),
    Act(
        "fold",
        "Fold settled levels",
        "Show a finished level as one line; failures stay in sight.",
        ("z",),
        lambda c: c.main.toggle_fold(),
        scope="dag",
        when=when.on_dag,
        short="fold",
        bar=8,
    ),
    Act(
        "prev_level",
        "Previous level",
        "Go to the previous level.",
        ("h", "left"),
        lambda c: c.main.dag.step_level(-1),
        scope="dag",
        when=when.on_dag,
    ),
    Act(
        "next_level",
        "Next level",
        "Go to the next level.",
        ("l", "right"),
        lambda c: c.main.dag.step_level(1),
        scope="dag",
        when=when.on_dag,
    ),
    Act(
        "answer",
        "Answer",
        "Answer the selected question: allow, deny, give a value or top up.",
        ("a",),
        lambda c: c.console.steering.answer(c.main.inbox.question()),
        scope="inbox",
        when=when.on_question,
        danger="changes",
        commands=("allow", "session", "edit", "answer", "top_up", "deny", "abort"),
        short="answer",
        bar=2,
    ),
    Act(
        "copy",
        "Copy",
        "Copy the id, the row as JSON or the command line that shows it.",
        ("c",),
        lambda c: c.console.steering.copy(c.main.panel.subject()),
        short="copy",
        bar=10,
    ),
    Act("next_theme", "Next theme", "Change to the next theme.", ("T",), lambda c: c.console.next_theme()),
    Act(
        "palette",
        "Palette",
        "Find any action or job by name.",
        (":", "ctrl+p"),
        lambda c: c.console.open_palette(),
        short="palette",
        bar=11,
    ),
    Act(
        "help",
        "Help",
        "All keys, those of this view first.",
        ("?", "f1"),
        lambda c: c.main.open_help(),
        short="help",
        bar=1,
    ),
    Act(
        "back",
        "Back",
        "Peel one layer: inspector, filter, pause. Never quits.",
        ("escape",),
        lambda c: c.main.peel(),
    ),
    Act(
        "leave",
        "Quit",
        "Leave the console. With live runs it asks whether they continue.",
        ("q", "ctrl+q"),
        lambda c: c.console.steering.leave(),
        short="quit",
        bar=6,
    ),
    Act(
        "interrupt",
        "How to quit",
        "Ctrl+C does not stop a run here: it says how to quit.",
        ("ctrl+c",),
        lambda c: c.console.say_how_to_quit(),
    ),
    Act(
        "play",
        "Play or pause",
        "Play the recording or stand still.",
        ("space",),
        lambda c: c.console.playback.play_or_pause(),
        scope="replay",
        when=when.replaying,
        short="play",
        bar=1,
    ),
    Act(
        "step_forward",
        "Next event",
        "Step one event forward.",
        ("]",),
        lambda c: c.console.playback.step(1),
        scope="replay",
        when=when.replaying,
    ),
    Act(
        "step_back",
        "Previous event",
        "Step one event back.",
        ("[",),
        lambda c: c.console.playback.step(-1),
        scope="replay",
        when=when.replaying,
        short="step",
        bar=3,
    ),
    Act(
        "level_forward",
        "Next level end",
        "Go to the next end of a level.",
        ("}",),
        lambda c: c.console.playback.step_level(1),
        scope="replay",
        when=when.replaying,
    ),
    Act(
        "level_back",
        "Previous level end",
        "Go to the previous end of a level.",
        ("{",),
        lambda c: c.console.playback.step_level(-1),
        scope="replay",
        when=when.replaying,
    ),
    Act(
        "faster",
        "Faster",
        "Play faster, up to 600 x.",
        (">",),
        lambda c: c.console.playback.change_speed(1),
        scope="replay",
        when=when.replaying,
    ),
    Act(
        "slower",
        "Slower",
        "Play slower, down to 0.1 x.",
        ("<",),
        lambda c: c.console.playback.change_speed(-1),
        scope="replay",
        when=when.replaying,
        short="speed",
        bar=4,
    ),
    Act(
        "seek",
        "Go to",
        "Go to a place: one digit is tenths (0 = start, 9 = 90 %), 45%, 1:20, #812.",
        ("t",),
        lambda c: c.console.playback.ask_where(),
        scope="replay",
        when=when.replaying,
        short="go to",
        bar=2,
    ),
    Act("cursor_down", "Down", "One row down.", ("j", "down"), _move(lambda rows: rows.step(1)), scope="list"),
    Act("cursor_up", "Up", "One row up.", ("k", "up"), _move(lambda rows: rows.step(-1)), scope="list"),
    Act(
        "half_down",
        "Half a page down",
        "Half a page down.",
        ("ctrl+d",),
        _move(lambda rows: rows.half(1)),
        scope="list",
    ),
    Act("half_up", "Half a page up", "Half a page up.", ("ctrl+u",), _move(lambda rows: rows.half(-1)), scope="list"),
    Act(
        "page_down",
        "Page down",
        "One page down.",
        ("ctrl+f", "pagedown"),
        _move(lambda rows: rows.turn(1)),
        scope="list",
    ),
    Act("page_up", "Page up", "One page up.", ("ctrl+b", "pageup"), _move(lambda rows: rows.turn(-1)), scope="list"),
    Act("cursor_top", "First row", "Go to the first row.", ("g", "home"), _move(lambda rows: rows.top()), scope="list"),
    Act(
        "cursor_bottom",
        "Last row",
        "Go to the last row; in the event log this follows again.",
        ("G", "end"),
        _move(lambda rows: rows.bottom()),
        scope="list",
    ),
    Act(
        "fork",
        "Fork",
        "Run a new job from the checkpoint, in a scope of its own; the old run stays as it is. Enter does the same.",
        ("f",),
        lambda c: c.layer.ask("fork"),
        scope="checkpoints",
        danger="changes",
        commands=("fork",),
    ),
    Act(
        "restore",
        "Restore",
        "Set the scope's state back to the checkpoint's, as the diff shows.",
        ("r",),
        lambda c: c.layer.ask("restore"),
        scope="checkpoints",
        danger="changes",
        commands=("restore",),
    ),
    Act(
        "save",
        "Save",
        "Save the present state as a checkpoint.",
        ("s",),
        lambda c: c.layer.ask("save"),
        scope="checkpoints",
        danger="changes",
        commands=("save",),
    ),
    Act("accept", "Accept", "Do what is chosen; of a filter: keep it.", ("enter",), _accept, scope="dialog"),
    Act(
        "dismiss",
        "Close",
        "Close; nothing is done. Of a filter: clear it.",
        ("escape",),
        lambda c: c.layer.dismiss_layer(),
        scope="dialog",
    ),
    Act(
        "interrupt_dialog",
        "How to close",
        "Ctrl+C says how to close the dialog.",
        ("ctrl+c",),
        lambda c: c.console.say_how_to_quit(),
        scope="dialog",
    ),
)

BY_ID: dict[str, Act] = {act.id: act for act in ACTIONS}

SCOPES = {
    "global": "Everywhere",
    "run": "On a run",
    "dag": "DAG",
    "inbox": "Inbox",
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


def keys_markdown() -> str:
    """Return ``docs/keys.md``."""
    lines = [
        "# Keys of the console",
        "",
        "Made from `headway_console/actions.py`; a test fails when the two differ. Every action is in the palette too",
        "(`:`). Actions marked *stops* or *changes* ask first, name what they are done to, and are off in a recording.",
        "Keys are handled one after the other. One that confirms counts only when its dialog was seen: after a quiet",
        "moment, in which the dialog shows the key. So nothing that is typed or pasted in one go confirms anything.",
    ]
    for scope, title in SCOPES.items():
        lines += ["", f"## {title}", "", "| key | action | what it does |", "|---|---|---|"]
        for act in of_scopes(scope):
            keys = " ".join(f"`{_SHOWN.get(key, key)}`" for key in act.keys)
            danger = f" *{act.danger}*" if act.danger else ""
            lines.append(f"| {keys} | {act.title} | {act.help}{danger} |")
    return "\n".join(lines) + "\n"
