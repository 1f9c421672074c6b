"""Judges: a Python function, a program or a webhook that gives verdicts on calls."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from headway.errors import describe
from headway.hooks.sinks.sink import NotTaken
from headway.hooks.verdict import EDIT, JudgedCall, NoVerdict, Verdict, read_verdict
from headway.thread_pool import DaemonThreads

if TYPE_CHECKING:
    from headway.hooks.post import Post
    from headway.hooks.program import Program
    from headway.secrets.redactor import Redactor

MAX_THREADS = 8
"""Verdicts of one blocking function that are waited for, or were given up."""


class Judge(Protocol):
    """Gives verdicts; whoever asks bounds the time, and may cancel."""

    async def verdict(self, call: JudgedCall, redactor: Redactor, timeout: float) -> Verdict:
        """Return the verdict. Raises :class:`NoVerdict` for none; what else it raises is none either."""


class FunctionJudge:
    """A function, or a coroutine function; a function runs in a thread. It gets a call that is its own."""

    def __init__(self, function: Callable[[JudgedCall], Any]) -> None:
        self._function = function
        call = getattr(function, "__call__", None)  # noqa: B004 - whether that is async is asked, not whether it is there
        self._is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)
        self._threads = DaemonThreads(MAX_THREADS)

    async def verdict(self, call: JudgedCall, redactor: Redactor, timeout: float) -> Verdict:
        """Ask the function."""
        if self._is_async:
            return read_verdict(await self._function(call))
        return read_verdict(await self._threads.submit(self._function, call))


class RemoteJudge:
    """What is asked in JSON, and answers so: ``ask(body, timeout)`` sends. It sees no secrets, as the log does not."""

    def __init__(self, ask: Callable[[bytes, float], Any]) -> None:
        self._ask = ask

    @classmethod
    def program(cls, program: Program) -> RemoteJudge:
        """Return a judge that is a program: the call on stdin, the verdict on stdout."""
        return cls(lambda body, timeout: program.run(body))

    @classmethod
    def webhook(cls, post: Post) -> RemoteJudge:
        """Return a judge that is asked by a POST."""
        return cls(post.send)

    async def verdict(self, call: JudgedCall, redactor: Redactor, timeout: float) -> Verdict:
        """Ask it. It may not edit what it does not see whole."""
        shown = msgspec.structs.asdict(call)
        clean = redactor.clean(shown)
        try:
            answer = await self._ask(msgspec.json.encode({"kind": "before_tool", **clean}) + b"\n", timeout)
        except NotTaken as error:
            raise NoVerdict(error.text) from None
        try:
            verdict = read_verdict(msgspec.json.decode(answer))
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise NoVerdict(f"its answer is not JSON: {describe(error)}") from None
        if verdict.verdict == EDIT and clean is not shown:
            raise NoVerdict("it cannot edit parameters with a secret that it was not shown")
        return verdict
