"""One action on its way through a level: the mutable part that the executor keeps between its steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headway.clock import TimerHandle
from headway.limits.flight import Hit
from headway.limits.reuse import Lead
from headway.plan.graph import Node
from headway.plan.results import ErrorCode

if TYPE_CHECKING:
    from headway.dispatch.protocol import Call
    from headway.limits.bucket import Waiter
    from headway.limits.budget import Place
    from headway.limits.reuse import Asking
    from headway.tools.registry import ToolEntry


class Slot:
    """An action that has left the queue: prepared, parked, in flight, or ended and not yet settled."""

    __slots__ = (
        "again",
        "attempt",
        "call",
        "code",
        "duration",
        "entry",
        "error",
        "node",
        "parameters",
        "parked",
        "parked_at",
        "reserved",
        "reuse",
        "token",
        "waited",
    )

    def __init__(self, node: Node) -> None:
        self.node = node
        self.entry: ToolEntry | None = None
        self.parameters: dict[str, Any] = {}
        self.attempt = 0
        self.duration = 0.0  # seconds inside the tool, all attempts
        self.waited = 0.0  # seconds in rate limits, the budget's line and backoff
        self.token = False  # holds a token of its bucket for the coming attempt
        self.reserved: dict[str, int] = {}  # budget held for the coming or present attempt
        self.reuse: Hit | Lead | None = None  # the result there was, or the duty to make the call for others too
        self.call: Call | None = None  # of the present attempt
        self.parked: Waiter | Place | Asking | TimerHandle | None = None
        self.parked_at = 0.0
        self.again = False  # waits for a further attempt, of which the policies have not been asked
        self.error: str | None = None  # of the attempt before
        self.code: ErrorCode | None = None

    def give_way(self) -> None:
        """The call did not succeed: who waits for its result makes it."""
        if isinstance(self.reuse, Lead):
            self.reuse.fail()
