"""A runtime on a clock that stands still, whose questions the test answers."""

from __future__ import annotations

from typing import Any

from headway import Runtime
from headway.elicitation import Elicitation
from headway.jobs.handle import RunHandle
from headway.testing import VirtualClock


class Asking:
    """A runtime with ``tools``, attended, on a virtual clock."""

    def __init__(self, *tools: Any, **options: Any) -> None:
        self.clock = VirtualClock()
        self.calls: list[str] = []
        self.made = Runtime(tools=tools, clock=self.clock, **options)
        self.made.elicitations.attend()

    async def start(self, *actions: dict[str, Any], **options: Any) -> RunHandle:
        run = self.made.start({"actions": list(actions)}, **options)
        await self.clock.advance(0)
        return run

    async def waiting(self) -> list[Elicitation]:
        return (await self.made.elicitations.inbox()).waiting()

    async def answer(self, choice: str, value: Any = None, **options: Any) -> Elicitation:
        """Answer the one question that is open."""
        (question,) = await self.waiting()
        found = await self.made.elicitations.answer(question.id, choice, value, **options)
        await self.clock.advance(0)
        return found
