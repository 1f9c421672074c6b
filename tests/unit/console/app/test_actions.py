"""One table is behind every key."""

from pathlib import Path

from headway_console.actions import ACTIONS, BY_ID, SCOPES, VIEWS, key_text, keys_markdown
from headway_console.app import HeadwayConsole
from headway_console.commands import COMMANDS
from headway_console.glyphs import UNICODE
from headway_console.router import KeyTable
from headway_console.screens.dialog import ChoiceDialog, Dialog, PromptDialog
from headway_console.screens.help import HelpScreen, help_lines
from headway_console.screens.main import MainScreen
from headway_console.screens.restore import RestoreDialog
from headway_console.widgets.line_list import LineList

DIALOGS = ("dialog", "checkpoints")
TREE = Path(__file__).parents[4]


def test_ids_and_keys_are_unique_where_they_meet() -> None:
    assert len({act.id for act in ACTIONS}) == len(ACTIONS)
    for inside in (False, True):
        met = [key for act in ACTIONS if (act.scope in DIALOGS) is inside for key in act.keys]
        assert len(met) == len(set(met))
    assert {act.scope for act in ACTIONS} == set(SCOPES)


def test_every_action_has_its_words_and_what_it_does() -> None:
    for act in ACTIONS:
        assert callable(act.run), act.id
        assert callable(act.when), act.id
        assert act.title
        assert act.help.endswith(".")
        assert act.keys
        assert bool(act.bar) == bool(act.short)
        assert act.danger in ("", "stops", "changes")
        assert not act.commands or (act.danger and set(act.commands) <= set(COMMANDS)), act.id
    assert {name for act in ACTIONS for name in act.commands} == set(COMMANDS), "a command that no act leads to"


def test_no_binding_is_made_elsewhere() -> None:
    """The router has every key: a binding of a widget would never be asked."""
    for owner in (HeadwayConsole, MainScreen, LineList, Dialog, ChoiceDialog, PromptDialog, HelpScreen, RestoreDialog):
        assert not list(owner._merge_bindings()), owner


def test_a_keymap_changes_keys_by_the_id_of_the_act() -> None:
    table = KeyTable({"cancel": ("ctrl+x", "!"), "kill": ()})
    assert table.find("ctrl+x", ("run",)) is BY_ID["cancel"]
    assert table.find("exclamation_mark", ("run",)) is BY_ID["cancel"]
    assert table.find("x", ("run",)) is None
    assert table.find("X", ("run",)) is None
    assert KeyTable().find("x", ("list", "run")) is BY_ID["cancel"]
    assert KeyTable().find("x", ("list",)) is None
    assert KeyTable().find("question_mark", ("global",)) is BY_ID["help"]


def test_the_views_have_the_digits() -> None:
    keys = {act.id: act.keys for act in ACTIONS}
    assert [keys[f"show_{view}"] for view in VIEWS] == [(str(number),) for number in range(1, 8)]


def test_the_help_tells_every_key() -> None:
    text = "\n".join("".join(part for part, _ in line) for line in help_lines("dag", UNICODE, replay=True))
    for act in ACTIONS:
        assert key_text(act) in text, act.id
        assert act.help in text
    assert text.startswith("DAG")
    without = "\n".join("".join(part for part, _ in line) for line in help_lines("jobs", UNICODE, replay=False))
    assert "Play or pause" not in without
    assert "600 x" not in without


def test_the_page_of_keys_is_the_table() -> None:
    page = TREE / "docs" / "keys.md"
    assert page.read_text(encoding="utf-8") == keys_markdown(), "write it anew: see the head of the page"
