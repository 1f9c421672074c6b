"""Copying to the terminal's clipboard (OSC 52), told as far as it is known.

A terminal does not answer whether it took a copy. So what is said is that it was sent; and where it is known that
nothing will be copied, that is said and nothing is sent.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headway_console.app import HeadwayConsole

LARGEST = 74_000
"""The most bytes sent: terminals drop longer sequences without a word (xterm takes 100,000 characters of base64)."""

_WITHOUT = {"linux", "dumb", "ansi", "vt100", "vt102", "vt220", "cons25"}
_PROGRAMS_WITHOUT = {"Apple_Terminal"}


def without_clipboard(environment: Mapping[str, str]) -> str:
    """Return the name of the terminal if it is known to have no clipboard to send to, else ""."""
    program, term = environment.get("TERM_PROGRAM", ""), environment.get("TERM", "")
    if program in _PROGRAMS_WITHOUT:
        return program
    return term if term in _WITHOUT else ""


def copied(console: HeadwayConsole, text: str) -> tuple[str, bool]:
    """Send a text to the clipboard; return what to say of it, and whether it was sent."""
    size = len(text.encode("utf-8", "replace"))
    if size > LARGEST:
        return f"Not copied: {size:,} bytes are more than terminals take ({LARGEST:,}).", False
    name = without_clipboard(os.environ)
    if name:
        return f"Not copied: the terminal ({name}) has no clipboard that programs can write to.", False
    console.copy_to_clipboard(text.encode("utf-8", "replace").decode())
    return f"Sent {len(text):,} characters to the terminal's clipboard; it does not tell whether it took them.", True
