"""Questions that a run's view answers: what made it take this long, and why does an action not run yet?"""

from __future__ import annotations

from headway.errors import one_line
from headway.events.views import ActionView, LimitsView, RunView
from headway.plan.results import ActionStatus

_NAMED = 3  # actions named in a sentence before "and n more"
_UNMET = (ActionStatus.FAILED, ActionStatus.SKIPPED, ActionStatus.REJECTED)


def critical_path(run: RunView, now_ms: int | None = None) -> list[str]:
    """Return the ids of the dependent actions that together held the run up longest, first to last.

    An action weighs the time in its tool and its waits (rate limits, retry delays); a running one what it took up to
    ``now_ms`` (nothing without it); one that has not started weighs nothing. No path ends in an action of no weight, so
    it is empty before anything has run. Takes time linear in actions and edges.
    """
    total: dict[str, float] = {}
    previous: dict[str, str | None] = {}
    end: str | None = None
    for level in run.levels:
        for place in level.actions:
            action = run.actions[place]
            before: str | None = None
            for need in (*action.needs, *action.after):
                # one of this level or a later one has no total yet: only a malformed graph has such an edge
                if need in total and (before is None or total[need] > total[before]):
                    before = need
            weight = _weight_ms(action, now_ms)
            total[action.id] = weight + (0.0 if before is None else total[before])
            previous[action.id] = before
            if weight > 0 and (end is None or total[action.id] > total[end]):
                end = action.id
    path: list[str] = []
    while end is not None:
        path.append(end)
        end = previous[end]
    return path[::-1]


def _weight_ms(action: ActionView, now_ms: int | None) -> float:
    if action.done:
        return (action.duration_ms or 0.0) + (action.waited_ms or 0.0)
    return 0.0 if action.started_ms is None or now_ms is None else max(0.0, float(now_ms - action.started_ms))


def why_waiting(run: RunView, action_id: str, now_ms: int, limits: LimitsView | None = None) -> str:
    """Return one sentence on what an action waits for now, or how it ended; with ``limits`` it tells a bucket's tokens.

    Raises ``KeyError`` for an unknown id.
    """
    action = run.action(action_id)
    if action.done:
        return _ended(action)
    if run.job.finished:
        return f"never ran: the job is {run.job.status}"
    if action.waiting_for:
        return _waiting(action, limits, now_ms)
    if action.status == ActionStatus.EXECUTING:
        attempt = f", attempt {action.attempt}" if action.attempt > 1 else ""
        return f"running for {_seconds(now_ms - (action.started_ms or now_ms))}{attempt}"
    if run.job.cancel_reason is not None:
        return one_line(f"will be skipped: the run was canceled: {run.job.cancel_reason}")
    if run.job.status == "queued":
        return "waits for the job to start"
    if run.job.status == "paused":
        return "waits for the run to be resumed"
    return _dependencies(run, action) or _barrier(run, action) or "ready: waits for a free slot"


def _ended(action: ActionView) -> str:
    took = "" if action.duration_ms is None else f" after {_seconds(action.duration_ms)}"
    if action.status == ActionStatus.SUCCEEDED:
        undone = ", then rolled back" if action.rolled_back else ""
        return f"succeeded{took}{undone}"
    return one_line(f"{action.status}{took}: {action.error or 'no reason was recorded'}")


def _waiting(action: ActionView, limits: LimitsView | None, now_ms: int) -> str:
    what, _, name = action.waiting_for.partition(":")
    until = action.waiting_until_ms
    # A time that has passed was that of another one's token: say what the bucket's level says.
    rest = "" if until is None or until <= now_ms else f" in {_seconds(until - now_ms)}"
    if what == "retry":
        return one_line(f"waits for attempt {action.attempt + 1}{rest} after: {action.error or 'an error'}")
    if what != "rate_limit":
        return one_line(f"waits for {action.waiting_for}{rest}")
    bucket = limits.buckets.get(name) if limits is not None else None
    if bucket is None:
        return one_line(f"waits for the rate limit of {name}" + (f": its next token comes{rest}" if rest else ""))
    level = bucket.level(now_ms)
    if not rest:
        rest = f" in {_seconds(max(0.0, 1.0 - level) * bucket.interval_s / bucket.capacity * 1000)}"
    others = f", {bucket.waiters} wait" if bucket.waiters > 1 else ""
    tokens = f"{int(level * 10) / 10:g} of {bucket.capacity:g} tokens"  # cut, not rounded: 0.99 is not yet one
    return one_line(f"waits for the rate limit of {name}: {tokens}, the next comes{rest}{others}")


def _dependencies(run: RunView, action: ActionView) -> str:
    known = [run.actions[run.positions[need]] for need in (*action.needs, *action.after) if need in run.positions]
    needed = [other for other in known if other.id in action.needs]
    unmet = [other.id for other in needed if other.status in _UNMET]
    if unmet:
        return one_line(f"will be skipped: {_names(unmet)} did not succeed")
    unfinished = list(dict.fromkeys(other.id for other in known if not other.done))
    return one_line(f"waits for {_names(unfinished)} to finish") if unfinished else ""


def _barrier(run: RunView, action: ActionView) -> str:
    for level in run.levels[: action.level]:
        if level.finished_ms is None:
            return f"waits for level {level.index} to finish: {level.settled} of {len(level.actions)} actions are done"
    return ""


def _names(ids: list[str]) -> str:
    if len(ids) <= _NAMED:
        return " and ".join(part for part in (", ".join(ids[:-1]), ids[-1]) if part)
    return f"{', '.join(ids[:_NAMED])} and {len(ids) - _NAMED} more"


def _seconds(ms: float) -> str:
    seconds = max(0.0, ms / 1000)
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds // 60)} min {int(seconds % 60)} s"
