"""Claims in the file: each change is one transaction of the writer's thread, on disk when it is answered."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from headway.arguments import expect
from headway.store.claims import check_names, lease_ms, next_claim, renewed
from headway.store.protocol import Claim

if TYPE_CHECKING:
    from headway.store.sqlite.log import StoreLog
    from headway.store.sqlite.writer import Work

_SAVE = "INSERT OR REPLACE INTO claims (name, owner, token, until_ms) VALUES (?, ?, ?, ?)"


async def claim(log: StoreLog, name: str, owner: str, lease_s: float) -> Claim:
    """Claim ``name``; :class:`headway.errors.Conflict` while another owner's lease runs."""
    check_names(name, owner)
    lease, now_ms = lease_ms(lease_s), log.clock.time_ms()

    def step(work: Work) -> Claim:
        made = next_claim(_last(work.connection, name), name, owner, lease, now_ms)
        _save(work.connection, made)
        return made

    made: Claim = await log.in_writer(step)
    return made


async def renew(log: StoreLog, held: Claim, lease_s: float) -> Claim:
    """Extend a claim; :class:`headway.errors.Conflict` if it is lost."""
    lease, now_ms = lease_ms(lease_s), log.clock.time_ms()
    expect(held, Claim, "a claim")

    def step(work: Work) -> Claim:
        made = renewed(_last(work.connection, held.name), held, lease, now_ms)
        _save(work.connection, made)
        return made

    made: Claim = await log.in_writer(step)
    return made


async def claimed(log: StoreLog, name: str) -> Claim | None:
    """Return the last claim of a name; None if there was none."""
    expect(name, str, "the name of a claim")
    found: Claim | None = await log.in_writer(lambda work: _last(work.connection, name))
    return found


async def release(log: StoreLog, held: Claim) -> None:
    """Give a claim back; one that is lost already is left as it is."""
    expect(held, Claim, "a claim")
    sql = "UPDATE claims SET until_ms = 0 WHERE name = ? AND token = ? AND owner = ?"
    await log.in_writer(lambda work: work.connection.execute(sql, (held.name, held.token, held.owner)))


def _last(connection: sqlite3.Connection, name: str) -> Claim | None:
    row = connection.execute("SELECT name, owner, token, until_ms FROM claims WHERE name = ?", (name,)).fetchone()
    return Claim(*row) if row is not None else None


def _save(connection: sqlite3.Connection, claim: Claim) -> None:
    connection.execute(_SAVE, (claim.name, claim.owner, claim.token, claim.until_ms))
