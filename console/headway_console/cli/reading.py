"""Reads of a home's store: no daemon needed, nothing is written."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from headway.errors import Unavailable

if TYPE_CHECKING:
    from headway.home import Home
    from headway.store import Reader


@asynccontextmanager
async def open_store(home: Home) -> AsyncIterator[Reader]:
    """Open the store read-only; :class:`Unavailable` if the home has none yet."""
    from headway.store import open_reader

    if not home.db.exists():
        raise Unavailable(f"there is no store in {home}; headway run and headway up make one")
    reader = await open_reader(home)
    try:
        yield reader
    finally:
        await reader.close()
