"""Events made ready by another thread: they are in the log as others are, and without secrets that came meanwhile."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

import headway
from headway.events.event import Event
from headway.home import Home
from headway.store import StoreLog

VALUE = "a value that nobody may read"


@pytest.mark.parametrize("size", [10, 100_000])
async def test_a_packed_event_is_logged_as_another_is(tmp_path: Path, size: int) -> None:
    log = await StoreLog.open(Home(tmp_path))
    try:
        data: dict[str, Any] = {"scope": "s", "proposal": {"id": "p", "text": "x" * size, "list": [1, 2]}, "graph": {}}
        packed, weight = await asyncio.to_thread(log.pack, Event("job_created", data, "j"))
        assert size + 3 * 64 < weight < 2 * size + 2000
        await log.write(packed)
        await log.write(Event("job_created", data, "k"))
        first, second = await log.read(log.last_seq - 2)
        assert (first.seq + 1, first.ts > 0, first.data) == (second.seq, True, second.data)
        assert type(first) is Event or first.packed is None  # type: ignore[attr-defined] # a carrier has it
    finally:
        await log.close()


@pytest.mark.parametrize("size", [10, 100_000])
@pytest.mark.parametrize("before", [True, False], ids=["known", "learned meanwhile"])
async def test_no_secret_is_in_a_packed_event(tmp_path: Path, before: bool, size: int) -> None:
    log = await StoreLog.open(Home(tmp_path))
    try:
        if before:
            log.redactor.add("mine", headway.Secret(VALUE))
        event = Event("job_created", {"proposal": {"text": f"{'x' * size} {VALUE}"}}, "j")
        packed, _ = await asyncio.to_thread(log.pack, event)
        log.redactor.add("mine", headway.Secret(VALUE))
        await log.write(packed)
    finally:
        await log.close()
    assert not _files_with(tmp_path, VALUE.encode())


def _files_with(folder: Path, data: bytes) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and data in path.read_bytes()]
