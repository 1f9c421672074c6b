"""Messages: an event as one line of JSON."""

from __future__ import annotations

import msgspec

from headway.events.event import Event
from headway.jsonvalue import encode_json

MAX_BYTES = 256 * 2**10
"""The longest message. Of a larger event the ``data`` is left out, and ``cut`` says how many bytes it had."""


class _Cut(msgspec.Struct, omit_defaults=True):
    kind: str
    cut: int
    job_id: str | None = None
    action_id: str | None = None
    level: int | None = None
    attempt: int | None = None
    proposal_id: str | None = None
    tenant: str | None = None
    trace_id: str | None = None
    ts: int = 0
    seq: int = 0


def message_of(event: Event) -> bytes:
    """Return an event as the log has it, as one line of JSON of at most :data:`MAX_BYTES` bytes."""
    line = encode_json(event)
    if len(line) >= MAX_BYTES:
        told = {name: getattr(event, name) for name in _Cut.__struct_fields__ if name != "cut"}
        line = encode_json(_Cut(cut=len(line), **told))
    return line + b"\n"
