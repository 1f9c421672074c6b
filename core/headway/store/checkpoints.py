"""Saved checkpoints as every store records and reads them."""

from __future__ import annotations

from typing import Any

import msgspec

from headway.errors import StoreUnreadable
from headway.events import kinds as k
from headway.events.checkpoint import Checkpoint
from headway.events.event import Event


def checkpoint_saved(checkpoint: Checkpoint, by: str) -> Event:
    """Return the event that records a checkpoint."""
    info = checkpoint.info
    data: dict[str, Any] = {
        "checkpoint_id": info.checkpoint_id,
        "scope": info.scope,
        "at_seq": info.seq,
        "keys": len(checkpoint.state),
        "kind": info.kind,
    }
    if info.name is not None:
        data["name"] = info.name
    if by:
        data["by"] = by
    return Event(k.CHECKPOINT_SAVED, data, info.job_id)


def decode_checkpoint(checkpoint_id: str, body: str | bytes) -> Checkpoint:
    """Return a checkpoint from its JSON; :class:`StoreUnreadable` if that is damaged or of a newer layout."""
    try:
        return msgspec.json.decode(body, type=Checkpoint)
    except msgspec.DecodeError as error:
        raise StoreUnreadable(f"checkpoint '{checkpoint_id}' cannot be read: {error}") from None
