"""Saved checkpoints as every store records and reads them."""

from __future__ import annotations

from typing import Any

import msgspec

from headway.errors import StoreUnreadable
from headway.events import kinds as k
from headway.events.checkpoint import Checkpoint
from headway.events.checkpoint import decode_checkpoint as read_body
from headway.events.event import Event


def checkpoint_saved(checkpoint: Checkpoint, by: str) -> Event:
    """Return the event that records a checkpoint."""
    data: dict[str, Any] = {
        "checkpoint_id": checkpoint.checkpoint_id,
        "scope": checkpoint.scope,
        "at_seq": checkpoint.seq,
        "keys": len(checkpoint.state),
        "kind": checkpoint.kind,
    }
    if checkpoint.name is not None:
        data["name"] = checkpoint.name
    if by:
        data["by"] = by
    return Event(k.CHECKPOINT_SAVED, data, checkpoint.job_id)


def decode_checkpoint(checkpoint_id: str, body: str | bytes) -> Checkpoint:
    """Return a checkpoint from its JSON; :class:`StoreUnreadable` if that is damaged or of a newer layout."""
    try:
        return read_body(body)
    except msgspec.DecodeError as error:
        raise StoreUnreadable(f"checkpoint '{checkpoint_id}' cannot be read: {error}") from None
