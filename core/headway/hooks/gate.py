"""The gate before tools: hooks that judge calls, and what they come to together."""

from __future__ import annotations

import asyncio
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

import msgspec

from headway.clock import Clock, within
from headway.errors import describe, one_line
from headway.hooks.verdict import ALLOW, ASK, DENY, EDIT, JudgedCall, NoVerdict, Verdict
from headway.jsonvalue import copy_json

if TYPE_CHECKING:
    from headway.hooks.judges import Judge
    from headway.secrets.redactor import Redactor

CONCURRENT = 8
"""Calls that one hook judges concurrently; others wait."""


class ToolHook:
    """A hook before tools: ``judge`` judges the calls of ``tools`` (names or ``git_*``; empty: all).

    Without a verdict within ``timeout`` seconds the call is denied if ``strict``, else allowed.
    """

    def __init__(self, name: str, judge: Judge, tools: tuple[str, ...], *, strict: bool, timeout: float) -> None:
        self.name = name
        self.judge = judge
        self.tools = tools
        self.strict = strict
        self.timeout = timeout
        self._places: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()

    def judges(self, tool: str) -> bool:
        """Return whether calls of ``tool`` are judged."""
        return not self.tools or any(fnmatchcase(tool, pattern) for pattern in self.tools)

    async def verdict(self, call: JudgedCall, clock: Clock, redactor: Redactor) -> Verdict:
        """Return the verdict. Raises :class:`NoVerdict` if there is none in time."""
        loop = asyncio.get_running_loop()
        async with self._places.setdefault(loop, asyncio.Semaphore(CONCURRENT)):
            own = msgspec.structs.replace(call, parameters=copy_json(call.parameters))
            try:
                async with within(clock, self.timeout):
                    return await self.judge.verdict(own, redactor, self.timeout)
            except NoVerdict:
                raise
            except TimeoutError:
                raise NoVerdict(f"it gave none within {self.timeout:g} s") from None
            except Exception as error:  # noqa: BLE001 - it is others' code: what it raises is no verdict
                raise NoVerdict(describe(error)) from None


class Lacking(NamedTuple):
    """A hook that gave no verdict, why not, and whether the call is denied for that."""

    hook: str
    reason: str
    denies: bool


class Ruling(NamedTuple):
    """What hooks came to: ``denied`` says why not, ``asks`` why a person has to say.

    ``edited`` are other parameters, by the hook ``editor``: then the rest was not asked, as all are to be asked again.
    """

    denied: str = ""
    asks: tuple[str, ...] = ()
    edited: dict[str, object] | None = None
    editor: str = ""
    lacking: tuple[Lacking, ...] = ()


async def ruling(hooks: tuple[ToolHook, ...], call: JudgedCall, clock: Clock, redactor: Redactor) -> Ruling:
    """Ask hooks one after the other: the first that denies ends it, and so does one that edits."""
    asks: list[str] = []
    lacking: list[Lacking] = []
    for hook in hooks:
        named = f"hook '{hook.name}'"
        try:
            found = await hook.verdict(call, clock, redactor)
            if call.compensates and found.verdict == EDIT:
                raise NoVerdict("what undoes an action cannot be edited")
        except NoVerdict as error:
            lack = Lacking(hook.name, redactor.text(one_line(str(error), 500)), hook.strict)
            lacking.append(lack)
            if hook.strict:
                return Ruling(f"{named} gave no verdict: {lack.reason}", lacking=tuple(lacking))
            continue
        reason = redactor.text(found.reason)
        if found.verdict == DENY:
            return Ruling(f"{named} denied it: {reason}" if reason else f"{named} denied it", lacking=tuple(lacking))
        if found.verdict == ASK:
            asks.append(f"{named} asks: {reason}" if reason else f"{named} asks")
        elif found.verdict == EDIT and found.parameters != call.parameters:
            return Ruling(edited=found.parameters, editor=hook.name, lacking=tuple(lacking))
        else:
            assert found.verdict in (ALLOW, EDIT)
    return Ruling(asks=tuple(asks), lacking=tuple(lacking))
