"""The fold of the rate limits: every token bucket, and who waits for it."""

from __future__ import annotations

from collections.abc import Callable

from headway.events import kinds
from headway.events.event import Event
from headway.events.fold.values import integer, integer_or_none, real, text
from headway.events.views import BucketView, LimitsView


def fold_limits(view: LimitsView, event: Event) -> None:
    """Apply an event of a bucket, or the end of an action that may have waited for one."""
    if event.seq:
        view.last_seq = event.seq
    handler = _HANDLERS.get(event.kind)
    if handler is not None:
        handler(view, event)


def _bucket(view: LimitsView, event: Event) -> BucketView | None:
    """Return the event's bucket, brought to the facts that the event tells."""
    data = event.data
    name = text(data.get("bucket"))
    if not name:
        return None
    bucket = view.buckets.get(name)
    if bucket is None:
        bucket = view.buckets[name] = BucketView(bucket=name, capacity=1.0, interval_s=1.0, tokens=0.0, at_ms=event.ts)
    capacity = real(data.get("capacity"))
    if capacity > 0:
        bucket.capacity = capacity
    interval = real(data.get("interval_s"))
    if interval > 0:
        bucket.interval_s = interval
    bucket.tokens = real(data.get("tokens"), bucket.tokens)
    bucket.at_ms = integer(data.get("at_ms"), event.ts)
    return bucket


def _configured(view: LimitsView, event: Event) -> None:
    _bucket(view, event)


def _wait(view: LimitsView, event: Event) -> None:
    bucket = _bucket(view, event)
    if bucket is not None:
        bucket.waits += 1
        bucket.queue.setdefault(_who(event), event.ts)
        bucket.waiters = max(0, integer(event.data.get("waiters"), len(bucket.queue)))
        bucket.next_ms = integer_or_none(event.data.get("next_ms"))


def _grant(view: LimitsView, event: Event) -> None:
    bucket = _bucket(view, event)
    if bucket is not None:
        bucket.grants += 1
        bucket.queue.pop(_who(event), None)
        bucket.waiters = max(0, integer(event.data.get("waiters"), len(bucket.queue)))
        bucket.waited_ms += max(0.0, real(event.data.get("waited_ms")))
        _nobody_waits(bucket)


def _returned(view: LimitsView, event: Event) -> None:
    bucket = _bucket(view, event)
    if bucket is not None:
        bucket.waiters = max(0, integer(event.data.get("waiters"), len(bucket.queue)))
        bucket.next_ms = integer_or_none(event.data.get("next_ms"))
        _nobody_waits(bucket)


def _removed(view: LimitsView, event: Event) -> None:
    view.buckets.pop(text(event.data.get("bucket")), None)


def _action_ended(view: LimitsView, event: Event) -> None:
    """An action, or its compensation, that ends while it waits (a cancel, a kill) has left the queue."""
    for bucket in view.buckets.values():
        if bucket.queue and bucket.queue.pop(_who(event), None) is not None:
            bucket.waiters = max(0, bucket.waiters - 1)
            _nobody_waits(bucket)


def _job_waits_no_more(view: LimitsView, event: Event) -> None:
    prefix = f"{event.job_id}/"
    for bucket in view.buckets.values():
        left = [who for who in bucket.queue if who.startswith(prefix)]
        for who in left:
            del bucket.queue[who]
        if left:
            bucket.waiters = max(0, bucket.waiters - len(left))
            _nobody_waits(bucket)


def _nobody_waits(bucket: BucketView) -> None:
    if bucket.waiters == 0:
        bucket.next_ms = None


def _who(event: Event) -> str:
    return f"{event.job_id}/{event.action_id}"


_HANDLERS: dict[str, Callable[[LimitsView, Event], None]] = {
    kinds.LIMIT_CONFIGURED: _configured,
    kinds.RATE_LIMIT_WAIT: _wait,
    kinds.RATE_LIMIT_GRANT: _grant,
    kinds.RATE_LIMIT_RETURNED: _returned,
    kinds.LIMIT_REMOVED: _removed,
    **dict.fromkeys(kinds.TERMINAL_ACTION, _action_ended),
    kinds.COMPENSATION_FAILED: _action_ended,
    **dict.fromkeys(kinds.TERMINAL_JOB | {kinds.RUN_PAUSED}, _job_waits_no_more),
}
