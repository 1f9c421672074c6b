"""The origin of a task, as its job keeps it, so that any later process can answer for it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from headway.events.event import Event
from headway_bridge.a2a.model import DataPart, Message, Part, TextPart
from headway_bridge.auth import HOME_PRINCIPAL

PROTOCOL = "a2a"

MAX_MESSAGE = 16 * 1024
"""The most bytes of a message that the origin keeps; the plan in it is kept with the job anyway."""

PROBES = 3
"""The number of job ids that one client id may stand for: more than one only where 48 bits of a hash collide."""


class Origin(msgspec.Struct, omit_defaults=True):
    """The ``origin`` of a job that came by A2A.

    ``generation`` is the dialect that created the task; ``tenant`` and ``principal`` are the caller's; ``client_id``
    the task id that a v0.1 client chose; ``message`` what was sent, shortened.
    """

    generation: str
    context_id: str
    principal: str = ""
    client_id: str | None = None
    message: Message | None = None
    protocol: str = PROTOCOL
    tenant: str = ""

    @property
    def owner(self) -> tuple[str, str]:
        """The tenant and the principal whose task it is.

        A task from the time before callers were asked for a token belongs to who has the home's.
        """
        return self.tenant, self.principal or HOME_PRINCIPAL

    def task_id(self, job_id: str) -> str:
        """Return the id under which the client knows the task."""
        return self.client_id or job_id

    def to_dict(self) -> dict[str, Any]:
        """Return it as it is recorded."""
        kept: dict[str, Any] = msgspec.to_builtins(self)
        return {**kept, "protocol": PROTOCOL}


def read_origin(recorded: Mapping[str, Any]) -> Origin | None:
    """Return the origin of a job, None if the job did not come by A2A."""
    if recorded.get("protocol") != PROTOCOL:
        return None
    try:
        return msgspec.convert(recorded, Origin)
    except msgspec.ValidationError:
        return None


def is_nameless(created: Event, context_id: str) -> bool:
    """Return whether a ``job_created`` is of a task of that context from the time before callers had names."""
    recorded = created.data.get("origin")
    origin = read_origin(recorded) if isinstance(recorded, Mapping) else None
    return origin is not None and not (origin.principal or origin.tenant) and origin.context_id == context_id


def job_id_for(owner: tuple[str, str], client_id: str, probe: int = 0) -> str:
    """Return the job id that stands for a v0.1 client's own task id.

    It follows from owner and id alone, so that no index of them has to be kept, rebuilt or pruned. The client's text
    itself never becomes a key of the store.
    """
    return _hashed(*owner, client_id, str(probe))


def job_ids_for(owner: tuple[str, str], client_id: str) -> Iterator[str]:
    """Yield the job ids under which the task may be found that ``owner`` calls ``client_id``."""
    for probe in range(PROBES):
        yield job_id_for(owner, client_id, probe)
    if owner == ("", HOME_PRINCIPAL):
        for probe in range(PROBES):  # from the time before callers had names
            yield _hashed("", client_id, str(probe))


def _hashed(*texts: str) -> str:
    """Return twelve digits that follow from ``texts``, in none of which there is a NUL."""
    return hashlib.sha256("\0".join(texts).encode("utf-8", "surrogatepass")).hexdigest()[:12]


def shortened(message: Message) -> Message:
    """Return ``message`` with what is too large to keep twice replaced by a remark on its size."""
    room = MAX_MESSAGE
    parts: list[Part] = []
    for part in message.parts:
        size = len(part.text) if isinstance(part, TextPart) else len(msgspec.json.encode(part.data))
        if size <= room:
            parts.append(part)
            room -= size
        elif isinstance(part, DataPart):
            parts.append(DataPart({"omitted": "data", "bytes": size}))
        else:
            parts.append(TextPart(part.text[:room] + "…"))
            room = 0
        if len(parts) == 100:
            break
    metadata = message.metadata if len(msgspec.json.encode(message.metadata)) <= MAX_MESSAGE else {}
    return msgspec.structs.replace(message, parts=parts, metadata=metadata)
