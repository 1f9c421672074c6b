"""dbos: a workflow of async steps on its SQLite system database; each step is a transaction of its own."""

from __future__ import annotations

import asyncio
import tempfile
from importlib.metadata import version
from pathlib import Path

from dbos import DBOS, DBOSConfig  # type: ignore[import-not-found]  # in the peer's own environment

from benchmarks.peers._serve import Cpu, serve


@DBOS.step()  # type: ignore[untyped-decorator]  # the same
async def _noop() -> int:
    return 1


@DBOS.workflow()  # type: ignore[untyped-decorator]  # the same
async def _flat(count: int) -> int:
    return sum(await asyncio.gather(*(_noop() for _ in range(count))))


@DBOS.workflow()  # type: ignore[untyped-decorator]  # the same
async def _chain(count: int) -> int:
    done = 0
    for _ in range(count):
        done += await _noop()
    return done


async def durable_flat(count: int) -> float:
    """Return µs of CPU an action."""
    with Cpu() as cpu:
        done = await _flat(count)
    assert done == count
    return cpu.us(count)


async def durable_chain(count: int) -> float:
    """Return µs of CPU an action."""
    with Cpu() as cpu:
        done = await _chain(count)
    assert done == count
    return cpu.us(count)


def main() -> None:
    """Launch it on a new database and serve."""
    with tempfile.TemporaryDirectory() as folder:
        config: DBOSConfig = {
            "name": "bench",
            "system_database_url": f"sqlite:///{Path(folder) / 'dbos.db'}",
            "run_admin_server": False,
            "log_level": "ERROR",
        }
        DBOS(config=config)
        DBOS.launch()
        try:
            cases = {"durable_flat": durable_flat, "durable_chain": durable_chain}
            serve(version("dbos"), cases, warm=("durable_flat 5", "durable_chain 5"))
        finally:
            DBOS.destroy()


if __name__ == "__main__":
    main()
