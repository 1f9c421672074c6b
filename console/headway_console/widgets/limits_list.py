"""Token buckets: what is in them, who waits, when the next grant comes."""

from __future__ import annotations

import msgspec

from headway.events.views import BucketView
from headway_console.glyphs import bar
from headway_console.model import ConsoleModel
from headway_console.target import Target
from headway_console.text import clean, count, duration, fit, number
from headway_console.widgets.painted import Line
from headway_console.widgets.panel import Inspection, Panel, Subject


def next_grant(bucket: BucketView, now_ms: int) -> float:
    """Return ms until a token can be had: 0 when there is one."""
    level = bucket.level(now_ms)
    if level >= 1:
        return 0.0
    if bucket.waiters and bucket.next_ms is not None and bucket.next_ms > now_ms:
        return float(bucket.next_ms - now_ms)
    rate = bucket.capacity / bucket.interval_s
    return (min(1.0, bucket.capacity) - level) / rate * 1000


class LimitsList(Panel):
    """One line a bucket: name, level bar, level/capacity, refill a second, waiters, next grant."""

    noun = "buckets"

    def __init__(self, model: ConsoleModel, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(model, id=id)
        self._rows: list[BucketView] = []

    def refresh_rows(self) -> None:
        """Take the buckets by name."""
        keep = self._rows[self.cursor].bucket if self.cursor < len(self._rows) else None
        self._rows = [bucket for _, bucket in sorted(self.model.limits.buckets.items())]
        for index, bucket in enumerate(self._rows):
            if bucket.bucket == keep:
                self.cursor = index
                break

    def total(self) -> int:
        """Return the number of buckets."""
        return len(self._rows)

    def wants_attention(self, index: int) -> bool:
        """Return whether somebody waits."""
        return self._rows[index].waiters > 0

    def vacant(self, width: int) -> list[Line]:
        """Say where limits come from."""
        return [[("No rate limits are set.", "dim")]]

    def row(self, index: int, width: int) -> Line:
        """Paint a bucket."""
        bucket, shapes, now = self._rows[index], self.shapes, self.model.now_ms()
        level = bucket.level(now)
        name = 10 if width < 60 else min(24, max(12, width // 5))
        wide = width >= 70
        room = max(4, min(40, width - name - (48 if wide else 26)))
        full, rest = bar(shapes, room, level / bucket.capacity if bucket.capacity else 0.0)
        tone = "failed" if level < 1 and bucket.waiters else "waiting" if level < 1 else "succeeded"
        line: Line = [
            (fit(clean(bucket.bucket), name, shapes.more) + " ", "bold"),
            (full, tone),
            (rest, "dim"),
            (f" {f'{level:.1f}/{number(bucket.capacity)}':>9}", ""),
        ]
        if wide:
            line.append((f"  {number(bucket.capacity / bucket.interval_s):>6}/s", "dim"))
        waiting = f" {bucket.waiters} waiting" if bucket.waiters else " nobody waits" if wide else ""
        line.append((f"{waiting:>14}", "waiting" if bucket.waiters else "dim"))
        eta = next_grant(bucket, now)
        if wide:
            line.append((f"  {'next ' + duration(eta) if eta else 'ready':>11}", "" if eta else "dim"))
        return line

    def inspect(self, width: int) -> Inspection | None:
        """Tell about the bucket under the cursor and who waits for it."""
        if self.cursor >= len(self._rows):
            return None
        bucket, now = self._rows[self.cursor], self.model.now_ms()
        eta = next_grant(bucket, now)
        lines: list[Line] = [
            [
                ("refill    ", "dim"),
                (f"{number(bucket.capacity)} in {number(bucket.interval_s)}s", ""),
                (f" ({number(bucket.capacity / bucket.interval_s)} a second)", "dim"),
            ],
            [("next      ", "dim"), (f"a token in {duration(eta)}" if eta else "a token is there now", "")],
            [
                ("granted   ", "dim"),
                (count(bucket.grants, "time"), ""),
                (f", waited {duration(bucket.waited_ms)} in all" if bucket.waited_ms else "", "dim"),
            ],
        ]
        waiting = self._waiting(bucket.bucket)
        lines.append([("waiting   ", "dim"), (count(bucket.waiters, "action") if bucket.waiters else "nobody", "")])
        lines += [[("          ", ""), (clean(text), "waiting")] for text in waiting]
        return Inspection(bucket.bucket, [("bucket ", "dim"), (clean(bucket.bucket), "bold")], lines)

    def _waiting(self, bucket: str) -> list[str]:
        """Name the actions that wait for the bucket, in the runs that are followed."""
        wanted = f"rate_limit:{bucket}"
        return [
            f"{action.id} in {row.job_id}"
            for row in self.model.live_jobs()
            if (run := self.model.runs.get(row.job_id)) is not None
            for action in run.actions
            if action.waiting_for == wanted and not action.done
        ]

    def subject(self) -> Subject | None:
        """The bucket under the cursor."""
        if self.cursor >= len(self._rows):
            return None
        bucket = self._rows[self.cursor]
        return Subject(Target("bucket", bucket.bucket), msgspec.to_builtins(bucket), "headway events --json")

    def target(self) -> Target | None:
        """The bucket under the cursor."""
        return Target("bucket", self._rows[self.cursor].bucket) if self.cursor < len(self._rows) else None
