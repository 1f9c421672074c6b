"""The key router: every key and every paste goes through it, one after the other.

A key is finished before the next is handed out: what it opened is there, what it closed is gone. So what a key means
depends on the keys before it and never on how fast they came. Modes are the router's states, and not the focus:

========= ==================================================================================
list      the main screen: keys are acts
filter    the filter's bar: keys are text
prompt    a dialog with a line of text, such as the palette: keys are text
dialog    any other dialog: keys are its answers, and move in its list
========= ==================================================================================
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from textual.events import Key, Paste
from textual.keys import _character_to_key

from headway_console.actions import ACTIONS, Act
from headway_console.context import Context, Layer, Press

if TYPE_CHECKING:
    from headway_console.app import HeadwayConsole

MODES: tuple[str, ...] = ("list", "filter", "prompt", "dialog")
"""The states of the router."""

QUIET_S = 0.3
"""Seconds without a key before one that may confirm: what is typed in one go confirms nothing."""

LONGEST_PASTE = 10_000
"""The most characters that are taken of a paste."""


class KeyTable:
    """The action table by its keys. ``keymap`` gives other keys to some actions, by id; () takes them away."""

    def __init__(self, keymap: Mapping[str, Sequence[str]] | None = None) -> None:
        self._acts: dict[tuple[str, str], Act] = {}
        for act in ACTIONS:
            for key in (keymap or {}).get(act.id, act.keys):
                self._acts[act.scope, key if len(key) > 1 else _character_to_key(key)] = act

    def find(self, key: str, scopes: Sequence[str]) -> Act | None:
        """Return the act of a key, by Textual's name of it, in the first of the scopes that has one."""
        for scope in scopes:
            act = self._acts.get((scope, key))
            if act is not None:
                return act
        return None


class KeyRouter:
    """Hands the keys of ``console`` out, one at a time.

    ``layers`` are those that take keys, the main screen first. ``quiet_s`` is how long it must be quiet before a key
    confirms (see :data:`QUIET_S`).
    """

    def __init__(self, console: HeadwayConsole, keymap: Mapping[str, Sequence[str]] | None = None) -> None:
        self._console = console
        self._table = KeyTable(keymap)
        self._queue: asyncio.Queue[Key | Paste] = asyncio.Queue()
        self._mounting: list[Awaitable[Any]] = []
        self._last_at = float("-inf")
        self._busy = False
        self.layers: list[Layer] = []
        self.quiet_s = QUIET_S

    # -- state -----------------------------------------------------------------------------------------------------

    @property
    def mode(self) -> str:
        """The present state, one of :data:`MODES`."""
        return self.layers[-1].mode if self.layers else "list"

    @property
    def idle(self) -> bool:
        """True if every key that came has been finished."""
        return not self._busy and self._queue.empty()

    @property
    def last_at(self) -> float:
        """When the last key came."""
        return self._last_at

    def enter(self, layer: Layer, mounting: Awaitable[Any] | None = None) -> None:
        """Give the keys to a layer; the next key waits for ``mounting``."""
        self.layers.append(layer)
        if mounting is not None:
            self._mounting.append(mounting)

    def leave(self, layer: Layer) -> None:
        """Take the keys from a layer, and from those above it. Leaving twice is harmless."""
        if layer in self.layers[1:]:
            del self.layers[self.layers.index(layer) :]

    # -- keys ------------------------------------------------------------------------------------------------------

    def take(self, event: Key | Paste) -> None:
        """Queue a key or a paste."""
        self._queue.put_nowait(event)

    async def run(self) -> None:
        """Hand out the keys, for as long as the console is there."""
        while True:
            event = await self._queue.get()
            self._busy = True
            try:
                await self._handle(event)
                while self._mounting:
                    await self._mounting.pop()
            finally:
                self._busy = False

    async def _handle(self, event: Key | Paste) -> None:
        if not self.layers:
            return
        after, self._last_at = self._last_at, max(self._last_at, event.time)
        layer = self.layers[-1]
        if isinstance(event, Paste):
            if not layer.paste(event.text[:LONGEST_PASTE]) and event.text.strip():
                self._console.say("Pasted text is no key: it is taken where you type only, as in a filter (/).")
            return
        press = Press(event.key, event.character or "", event.time, after)
        if layer.take(press):
            return
        act = self._table.find(press.key, layer.scopes)
        if act is not None:
            done = self.perform(act, press)
            if done is not None:
                await done

    def context(self, press: Press | None = None) -> Context:
        """Return what an act is done with now: the top layer and its target."""
        return self.context_of(self.layers[-1], press)

    def context_of(self, layer: Layer, press: Press | None = None) -> Context:
        """Return what an act is done with in a layer."""
        return Context(self._console, layer, layer.target(), press)

    def perform(self, act: Act, press: Press | None = None) -> Awaitable[None] | None:
        """Do an act on the present target; say why if it cannot be done."""
        context = self.context(press)
        reason = act.when(context)
        if reason:
            self._console.say(f"{act.title}: {reason}.", severity="warning")
        if reason != "":
            return None
        self._console.touch(act)
        return act.run(context)
