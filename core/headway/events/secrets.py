"""Events without texts that look like secrets: recordings are made to be shared. The log is not touched."""

from __future__ import annotations

from typing import Any

import msgspec

from headway.events.event import Event
from headway.secrets.names import REDACTED, mask, secret_texts

__all__ = ["REDACTED", "looks_secret", "redact"]


def looks_secret(value: Any) -> str | None:
    """Return where the first secret-looking text is in a JSON value (``data.headers.token``), or None."""
    return next(secret_texts(value), None)


def redact(event: Event) -> Event:
    """Return the event with secret-looking texts in its data masked; the event itself if there are none."""
    data = mask(event.data)
    return event if data is event.data else msgspec.structs.replace(event, data=data)
