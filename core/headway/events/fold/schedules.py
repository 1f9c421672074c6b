"""The fold of schedules: what each one is, up to when it is settled, and what came of its last fire."""

from __future__ import annotations

from typing import Any

from headway.events import kinds as k
from headway.events.event import Event
from headway.events.fold.values import integer, integer_or_none, text, text_or_none
from headway.events.views import ScheduleRow, SchedulesView


def fold_schedules(view: SchedulesView, event: Event) -> None:
    """Apply an event of a schedule."""
    if event.seq:
        view.last_seq = event.seq
    if event.kind not in k.SCHEDULE:
        return
    data = event.data
    name = text(data.get("name"))
    row = view.schedules.get(name)
    if event.kind == k.SCHEDULE_ADDED:
        if name:
            if row is None:
                row = view.schedules[name] = ScheduleRow(name)
            _added(row, data, event.ts)
    elif row is None:
        return
    elif event.kind == k.SCHEDULE_REMOVED:
        del view.schedules[name]
    elif event.kind == k.SCHEDULE_PAUSED:
        row.paused = True
    elif event.kind == k.SCHEDULE_RESUMED:
        row.paused = False
        row.since_ms = max(row.since_ms, event.ts)
    elif event.kind == k.SCHEDULE_MISSED:
        row.missed_slots += max(0, integer(data.get("count")))
        row.since_ms = max(row.since_ms, integer(data.get("until_ms")))
    else:
        _fired(row, data, event.ts)


def _added(row: ScheduleRow, data: dict[str, Any], ts: int) -> None:
    row.source = text(data.get("source"), "api")
    row.workflow = text_or_none(data.get("workflow"))
    row.plan = text_or_none(data.get("plan"))
    row.cron = text_or_none(data.get("cron"))
    row.at = text_or_none(data.get("at"))
    row.timezone = text(data.get("timezone"), "UTC")
    row.missed = text(data.get("missed"), "skip")
    row.enabled = data.get("enabled") is not False
    row.by = text(data.get("by"))
    row.error = ""
    row.added_ms = row.since_ms = ts


def _fired(row: ScheduleRow, data: dict[str, Any], ts: int) -> None:
    slot = integer_or_none(data.get("slot_ms"))
    if slot is not None:
        row.last_slot_ms = slot
        row.since_ms = max(row.since_ms, slot)
    row.fires += 1
    row.last_fired_ms = ts
    row.last_job = text_or_none(data.get("job_id"))
    row.error = text(data.get("error"))
