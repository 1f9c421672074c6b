"""One table is behind every key."""

from pathlib import Path

from headway_console.actions import ACTIONS, SCOPES, VIEWS, bindings, key_text, keys_markdown
from headway_console.app import HeadwayConsole
from headway_console.glyphs import UNICODE
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


def test_every_action_has_its_method_and_its_words() -> None:
    for act in ACTIONS:
        owner = {"list": LineList, "dialog": Dialog, "checkpoints": RestoreDialog}.get(act.scope, MainScreen)
        assert callable(getattr(owner, f"action_{act.id}", None)), act.id
        assert act.title
        assert act.help.endswith(".")
        assert act.keys
        assert bool(act.bar) == bool(act.short)
        assert act.danger in ("", "stops", "changes")
        assert not (act.danger and act.replay_ok), "what changes a run cannot work in a recording"


def test_no_binding_is_made_elsewhere() -> None:
    table = {act.id for act in ACTIONS}
    for owner in (HeadwayConsole, MainScreen, LineList, Dialog, ChoiceDialog, PromptDialog, HelpScreen, RestoreDialog):
        for _, binding in owner._merge_bindings():
            assert binding.action in table, (owner, binding.action)


def test_bindings_carry_ids_so_that_a_keymap_can_change_them() -> None:
    made = bindings("global")
    assert {binding.id for binding in made} == {act.id for act in ACTIONS if act.scope == "global"}


def test_the_views_have_the_digits() -> None:
    keys = {act.id: act.keys for act in ACTIONS}
    assert [keys[f"show_{view}"] for view in VIEWS] == [(str(number),) for number in range(1, 7)]


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
