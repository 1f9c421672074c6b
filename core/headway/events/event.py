"""The envelope: one event of the log."""

from __future__ import annotations

from typing import Any

import msgspec

from headway.errors import InvalidInput


# gc=False: an event holds JSON, which has no circles, and a long run makes many.
class Event(msgspec.Struct, omit_defaults=True, gc=False):
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


TEXTS = ("job_id", "action_id", "proposal_id", "tenant", "trace_id")
"""The fields of an event that may hold text of somebody else's."""


def refuse_malformed(event: object) -> None:
    """Raise :class:`InvalidInput` for what is no event, or has fields of other types; asked once something failed."""
    if not isinstance(event, Event):
        raise InvalidInput(f"an event is an Event, not {type(event).__name__}") from None
    sound = {
        "kind": isinstance(event.kind, str),
        "data": isinstance(event.data, dict),
        **{name: isinstance(getattr(event, name), str | None) for name in TEXTS},
        **{name: isinstance(getattr(event, name), int | None) for name in ("level", "attempt")},
        **{name: isinstance(getattr(event, name), int) for name in ("ts", "seq")},
    }
    for name, is_sound in sound.items():
        if not is_sound:
            raise InvalidInput(f"the {name} of an event cannot be {type(getattr(event, name)).__name__}") from None
