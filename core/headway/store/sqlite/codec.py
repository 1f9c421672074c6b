"""Events as rows and back. JSON text is made once, when an event is appended.

A top-level value of ``data`` whose JSON is over 64 KiB becomes a blob, stored by its hash, and its place in the row a
reference ``{"$blob": "sha256:…", "size": n}``; the policies of a job's start do whatever their size. Outputs, policies
and proposals stay references for who reads the event (:data:`LAZY`: nobody folds them); every other value is put back
on reading, so that folds see what was appended.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from headway.errors import InvalidInput, one_line
from headway.events.event import Event
from headway.jsonvalue import MAX_CHECKPOINT_BYTES, MAX_VALUE_BYTES

BLOB_BYTES = 64 * 1024
"""A value with more bytes of JSON than this is kept as a blob."""

LAZY = frozenset({"output", "policies", "proposal"})
"""The values of ``data`` that a reader gets as references when they are large."""

ALWAYS = "policies"
"""The value of ``data`` that is a blob whatever its size: many jobs have the same."""

KEYED = frozenset({"changes", "restored", "state", "state_changes"})
"""The values of ``data`` that hold values of the state by key: the limit is on those, the keys have room besides."""

COLUMNS = "seq, ts, kind, tenant, job_id, proposal_id, action_id, level, attempt, trace_id, data"
"""The columns of ``events`` in the order that :func:`to_row` and :func:`from_row` use."""

_VALUE_BYTES = 64

Row = tuple[Any, ...]

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_MARK = b'"$blob"'


class Blob(msgspec.Struct, frozen=True):
    """One large value: ``hash`` is ``sha256:<hex>`` of ``body``, its JSON."""

    hash: str
    body: bytes


class Packed(msgspec.Struct, gc=False):  # one an event, in no circle
    """An event ready for the log: ``text`` is its data as JSON, ``blobs`` the large values taken out of it.

    ``also`` holds statements, with their parameters, for the same transaction. ``source`` is what was appended, if
    ``event`` is a copy of it.
    """

    event: Event
    text: str
    blobs: list[Blob] | None = None
    also: list[tuple[str, Row]] | None = None
    source: Event | None = None


class Ready(Event, omit_defaults=True, gc=False):
    """An event on its way into the log whose JSON is made already; the log has ``packed.event`` instead of it."""

    packed: Packed | None = None


def ready(event: Event) -> Ready:
    """Return ``event`` with its JSON made, by whatever thread; raise what :func:`pack` raises."""
    fields = {name: getattr(event, name) for name in Event.__struct_fields__}
    return Ready(**fields, packed=pack(event))


def weight_of(packed: Packed) -> int:
    """Return the bytes that an event's data takes in memory, estimated: those of its JSON, and some for each value."""
    weight = len(packed.text) + _VALUE_BYTES * sum(map(packed.text.count, ",:[{"))
    for blob in packed.blobs or ():
        weight += len(blob.body) + _VALUE_BYTES * sum(map(blob.body.count, (b",", b":", b"[", b"{")))
    return weight


def pack(event: Event) -> Packed:
    """Encode an event's data.

    The event in the result is the one that readers will get: a copy if it has large values. Raises
    :class:`InvalidInput` for data that is not JSON or a value over 16 MiB.
    """
    if not event.kind:
        raise InvalidInput("an event has a kind")
    if not isinstance(event.data, dict):  # a row with other data would keep its readers from all that comes after it
        raise InvalidInput(f"the data of an event is an object, not {type(event.data).__name__}")
    try:
        encoded = _encode(event.data)
        if len(encoded) <= BLOB_BYTES and _MARK not in encoded and ALWAYS not in event.data:
            return Packed(event, encoded.decode())
        return _pack_large(event)
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError) as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(f"the data of a {event.kind} event is not JSON: {one_line(str(error), 200)}") from None


def _pack_large(event: Event) -> Packed:
    kept: dict[str, Any] = {}
    shown: dict[str, Any] = {}
    blobs: list[Blob] = []
    for key, value in event.data.items():
        body = _encode(value)
        most = MAX_CHECKPOINT_BYTES if key == "results" else MAX_VALUE_BYTES + (BLOB_BYTES if key in KEYED else 0)
        if len(body) > most:
            raise InvalidInput(f"'{key}' of a {event.kind} event is {len(body):,} bytes of JSON; the limit is {most:,}")
        large = len(body) > BLOB_BYTES or key == ALWAYS
        if large or is_reference(value):  # a value that looks like a reference must not act as one
            blob = Blob("sha256:" + hashlib.sha256(body).hexdigest(), body)
            blobs.append(blob)
            kept[key] = {"$blob": blob.hash, "size": len(body)}
            shown[key] = kept[key] if key in LAZY else value
        else:
            kept[key] = shown[key] = value
    if not blobs:
        return Packed(event, _encode(event.data).decode())
    return Packed(msgspec.structs.replace(event, data=shown), _encode(kept).decode(), blobs, source=event)


def is_reference(value: Any) -> bool:
    """Return whether ``value`` is a reference to a blob."""
    return isinstance(value, dict) and len(value) == 2 and isinstance(value.get("$blob"), str) and "size" in value


def has_references(data: Any) -> bool:
    """Return whether an event's data holds a reference that its readers get as such."""
    return isinstance(data, dict) and any(is_reference(data.get(key)) for key in LAZY)


def to_row(seq: int, packed: Packed) -> Row:
    """Return the row of ``packed`` at ``seq``."""
    e = packed.event
    return (
        seq,
        e.ts,
        e.kind,
        e.tenant,
        e.job_id,
        e.proposal_id,
        e.action_id,
        e.level,
        e.attempt,
        e.trace_id,
        packed.text,
    )


def from_row(row: Row) -> Event:
    """Return the event of a row of :data:`COLUMNS`, its references as they are stored."""
    seq, ts, kind, tenant, job_id, proposal_id, action_id, level, attempt, trace_id, text = row
    data = _decode(text) if text != "{}" else {}
    return Event(kind, data, job_id, action_id, level, attempt, proposal_id, tenant, trace_id, ts, seq)


def needed_blobs(rows: Iterable[Row]) -> set[str]:
    """Return the hashes that :func:`fill` needs to put back the large values of ``rows``."""
    wanted: set[str] = set()
    for row in rows:
        if '"$blob"' in row[-1]:
            for key, value in _decode(row[-1]).items():
                if key not in LAZY and is_reference(value):
                    wanted.add(value["$blob"])
    return wanted


def fill(event: Event, blobs: Mapping[str, bytes]) -> Event:
    """Put large values back into an event from :func:`from_row`; a blob that is gone leaves its reference."""
    for key, value in event.data.items():
        if key not in LAZY and is_reference(value) and value["$blob"] in blobs:
            event.data[key] = msgspec.json.decode(blobs[value["$blob"]])
    return event
