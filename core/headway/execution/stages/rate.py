"""Rate: the call takes a token of its tool's bucket, standing in its line like everybody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headway.events import kinds
from headway.execution.stages.stage import Stage

if TYPE_CHECKING:
    from headway.execution.pending import PendingAction
    from headway.execution.run import Run
    from headway.execution.stages.stage import End, Flow
    from headway.limits.bucket import TokenBucket


class RateStage(Stage):
    """Holds the token of a call that is to come."""

    name = "rate"
    each_attempt = True

    def __init__(self, run: Run) -> None:
        super().__init__(run)
        self._held: dict[PendingAction, TokenBucket] = {}

    def active(self) -> bool:
        """Return True if there is a bucket."""
        return len(self.env.limiter) > 0

    def enter(self, action: PendingAction, flow: Flow) -> bool:
        """Take a token; park the action in the bucket's line if there is none."""
        bucket = self.env.limiter.get(action.tool) if action.needs_call else None
        if bucket is None:
            return True
        if bucket.take():
            self._granted(action, bucket, 0.0)
            return True

        def granted(waited: float) -> None:
            self._granted(action, bucket, waited)
            flow.resume(action)

        flow.park(action, self.name, bucket.wait(granted))
        self._emit(kinds.RATE_LIMIT_WAIT, action, _with_next(bucket, bucket.statistics()))
        return False

    def leave(self, action: PendingAction, end: End | None) -> None:
        """Give back the token of a call that is not made."""
        bucket = self._held.pop(action, None)
        if bucket is None or (end is not None and action.call is not None):
            return
        bucket.give_back()
        data = bucket.statistics()
        self.run.emit(
            kinds.RATE_LIMIT_RETURNED, _with_next(bucket, data) if data["waiters"] else data, node=action.node
        )

    def _granted(self, action: PendingAction, bucket: TokenBucket, waited: float) -> None:
        self._held[action] = bucket
        self._emit(kinds.RATE_LIMIT_GRANT, action, {**bucket.statistics(), "waited_ms": round(waited * 1000, 3)})

    def _emit(self, kind: str, action: PendingAction, data: dict[str, Any]) -> None:
        attempt = None if action.compensates else action.attempt + 1
        self.run.emit(kind, data, node=action.node, attempt=attempt)


def _with_next(bucket: TokenBucket, data: dict[str, Any]) -> dict[str, Any]:
    """Add when a token will be there for who stands first in line."""
    data["next_ms"] = data["at_ms"] + round(bucket.next_grant_s() * 1000)
    return data
