"""Editing of one line of text, key by key: an input changes when its key is handled, and not some messages later."""

from __future__ import annotations

from collections.abc import Callable

from textual.widgets import Input

from headway_console.context import Press

_EDITS: dict[str, Callable[[Input], None]] = {
    "backspace": Input.action_delete_left,
    "delete": Input.action_delete_right,
    "left": Input.action_cursor_left,
    "right": Input.action_cursor_right,
    "home": Input.action_home,
    "end": Input.action_end,
    "ctrl+h": Input.action_delete_left,
    "ctrl+a": Input.action_home,
    "ctrl+e": Input.action_end,
    "ctrl+w": Input.action_delete_left_word,
    "ctrl+u": Input.action_delete_left_all,
    "ctrl+k": Input.action_delete_right_all,
    "ctrl+d": Input.action_delete_right,
}


def edit(field: Input, press: Press) -> bool:
    """Do what a key does to a line of text; False if that is nothing."""
    if press.text:
        insert(field, press.text)
        return True
    how = _EDITS.get(press.key)
    if how is None:
        return False
    how(field)
    return True


def insert(field: Input, text: str) -> None:
    """Type a text at the cursor: its first line alone."""
    line = text.splitlines()[0] if text.splitlines() else ""
    line = "".join(character if character.isprintable() else " " for character in line)
    selection = field.selection
    if selection.is_empty:
        field.insert_text_at_cursor(line)
    else:
        field.replace(line, *selection)
