"""Accounting: every byte of a text must belong to what the grammar saw, and lie as a shell would have it lie."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from headway.policy.exec.words import names

if TYPE_CHECKING:
    from tree_sitter import Node

_ATOMS = names("string raw_string ansi_c_string heredoc_body comment heredoc_start heredoc_end")
_SUBSTITUTIONS = names("command_substitution process_substitution")
_TIGHT = names("concatenation simple_expansion translated_string variable_assignment")
_ONE_LINE = names("command file_redirect herestring_redirect declaration_command unset_command variable_assignments")


def below(node: Node, whole: frozenset[str] = frozenset()) -> Iterator[Node]:
    """Yield the nodes below ``node`` in order, without those below one of the kinds ``whole``."""
    stack = list(reversed(node.children))
    while stack:
        found = stack.pop()
        yield found
        if found.type not in whole:
            stack.extend(reversed(found.children))


def account(root: Node, data: bytes, note: Callable[[str], None]) -> None:
    """Note anything between the leaves of the tree that is no blank: a shell may take it otherwise."""
    position = root.start_byte if root.parent is not None else 0
    for leaf in below(root, _ATOMS):
        if leaf.type in _ATOMS:
            for inner in below(leaf, _SUBSTITUTIONS):
                if inner.type in _SUBSTITUTIONS:
                    account(inner, data, note)
        elif leaf.child_count:
            continue
        if leaf.is_missing:
            note("it is not a shell command that can be parsed")
        if leaf.type == "$" and (leaf.parent is None or leaf.parent.type not in _TIGHT):
            note("a $ that begins nothing")
        _gap(data[position : leaf.start_byte].decode(errors="replace"), note)
        position = max(position, leaf.end_byte)
    end = root.end_byte if root.parent is not None else len(data)
    _gap(data[position:end].decode(errors="replace"), note)


def gaps(root: Node, data: bytes, note: Callable[[str], None]) -> None:
    """Note parts that belong together for the grammar, and not for a shell: there is a blank, or a line's end."""
    for node in (root, *below(root)):
        if node.type in _TIGHT or node.type in _ONE_LINE:
            for before, after in pairwise(node.children):
                gap = data[before.end_byte : after.start_byte]
                if gap and (node.type in _TIGHT or b"\n" in gap.replace(b"\\\n", b"")):
                    note("a part of it is taken together that a shell takes apart")


def _gap(gap: str, note: Callable[[str], None]) -> None:
    if gap.strip(" \t\n") and gap.replace("\\\n", "").strip(" \t\n"):
        note("a part of it is not understood")
    elif "\\\n" in gap and "\n" in gap.replace("\\\n", ""):
        note("a line that ends and continues")
    elif "\\\n" in gap and not gap.replace("\\\n", ""):
        note("a line that continues in the middle of a word")
