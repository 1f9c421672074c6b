"""The envelope: one event of the log."""

from __future__ import annotations

from typing import Any

import msgspec


class Event(msgspec.Struct, omit_defaults=True):
    """One thing that happened.

    ``seq`` is the log's gap-free number, 0 until the log has assigned it; order comes from it alone. ``ts`` is wall
    time in ms since 1970, for people. ``data`` depends on ``kind``: see :mod:`headway.events.kinds`. An event is
    never changed once it is in the log.
    """

    kind: str
    data: dict[str, Any] = {}
    job_id: str | None = None
    action_id: str | None = None
    level: int | None = None
    attempt: int | None = None
    proposal_id: str | None = None
    tenant: str | None = None
    trace_id: str | None = None
    ts: int = 0
    seq: int = 0
