"""Checkpoints of an embedded runtime: its state and its last run, to go back to or to go on from.

A checkpoint is data: it can be kept in a file and loaded by another process. Restoring sets the state; continuing
starts a new run that does what the checkpoint's run had left to do. What a runtime has besides (tools, policies,
limits) is not restored: the names of the tools, the levels of the buckets and the keys of the caches are there to be
compared.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from headway.errors import InvalidInput, NotFound, StoreError, one_line
from headway.plan.result import ActionResult

VERSION = 1
MAX_BYTES = 256 * 1024 * 1024


class RuntimeCheckpoint(msgspec.Struct, omit_defaults=True):
    """What a runtime was at one moment.

    ``state`` is the state as committed; ``results`` hold the settled actions of the run ``job_id``, ``graph`` and
    ``proposal`` its plan, ``spent`` its budget (all empty if nothing has run). ``created_ms`` is wall time.
    """

    checkpoint_id: str
    created_ms: int
    state: dict[str, Any]
    version: int = VERSION
    tools: list[str] = []
    job_id: str | None = None
    proposal: dict[str, Any] = {}
    graph: dict[str, Any] = {}
    results: list[ActionResult] = []
    spent: dict[str, int] = {}
    buckets: list[dict[str, Any]] = []
    cache_keys: list[str] = []
    metadata: dict[str, Any] = {}

    def remaining(self) -> list[str]:
        """Return the ids of the actions that had not been settled."""
        settled = {result.action_id for result in self.results}
        return [action["id"] for action in self.graph.get("actions", ()) if action["id"] not in settled]


def write_checkpoint(checkpoint: RuntimeCheckpoint, path: Path) -> None:
    """Write ``checkpoint`` as JSON, atomically: the file is the old one or the new one, whatever happens.

    Raises :class:`StoreError` with one line if the file cannot be written.
    """
    body = msgspec.json.format(msgspec.json.encode(checkpoint), indent=1)
    temporary = ""
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(descriptor, "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)  # noqa: PTH105 - beside mkstemp, which speaks in names
    except OSError as error:
        if temporary:
            with contextlib.suppress(OSError):
                os.unlink(temporary)  # noqa: PTH108
        raise StoreError(f"cannot write the checkpoint {path}: {one_line(error.strerror or str(error))}") from None


def read_checkpoint(path: Path) -> RuntimeCheckpoint:
    """Read a checkpoint file. Raises :class:`NotFound`, or :class:`InvalidInput` naming what does not fit."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InvalidInput(f"the checkpoint {path} is over {MAX_BYTES:,} bytes")
        body = path.read_bytes()
    except FileNotFoundError:
        raise NotFound(f"there is no checkpoint file {path}") from None
    except (OSError, ValueError) as error:
        raise InvalidInput(f"cannot read the checkpoint {path}: {one_line(str(error), 200)}") from None
    try:
        checkpoint = msgspec.json.decode(body, type=RuntimeCheckpoint)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path} is not a checkpoint: {one_line(str(error), 200)}") from None
    if checkpoint.version > VERSION:
        raise InvalidInput(f"the checkpoint {path} has version {checkpoint.version}, this Headway reads {VERSION}")
    return checkpoint
