"""The schema: every version can be brought to the newest, and a step is done whole or not at all."""

import sqlite3
from pathlib import Path

import pytest

from headway.errors import StoreTooNew
from headway.events.views import JobRow
from headway.home import Home
from headway.store.sqlite.connect import APPLICATION_ID, open_for_writing
from headway.store.sqlite.log import StoreLog
from headway.store.sqlite.migrate import LATEST, migrate, migrations


def _schema(connection: sqlite3.Connection) -> set[tuple[str, str]]:
    return set(connection.execute("SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"))


@pytest.mark.parametrize("start", range(LATEST + 1))
def test_from_every_version(start: int) -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    assert migrate(connection, to=start) == 0
    assert migrate(connection) == start
    assert connection.execute("PRAGMA user_version").fetchone() == (LATEST,)
    assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    fresh = sqlite3.connect(":memory:", isolation_level=None)
    migrate(fresh)
    assert _schema(connection) == _schema(fresh)
    connection.close()
    fresh.close()


def test_a_step_that_fails_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    broken = (*migrations(), "CREATE TABLE more (a); CREATE TABLE meta (a);")
    monkeypatch.setattr("headway.store.sqlite.migrate.migrations", lambda: broken)
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, to=len(broken))
    assert connection.execute("PRAGMA user_version").fetchone() == (LATEST,)
    assert ("table", "more") not in _schema(connection)
    assert not connection.in_transaction
    connection.close()


def test_jobs_has_the_columns_of_a_job_row(tmp_path: Path) -> None:
    connection = open_for_writing(tmp_path / "s.db")
    columns = [row[1] for row in connection.execute("PRAGMA table_info(jobs)")]
    connection.close()
    assert tuple(columns) == JobRow.__struct_fields__


def test_events_are_append_only(tmp_path: Path) -> None:
    connection = open_for_writing(tmp_path / "s.db")
    insert = "INSERT INTO events (seq, ts, kind, data) VALUES (1, 0, 'x', '{}')"
    connection.execute(insert)
    for statement in ("UPDATE events SET kind = 'y'", "DELETE FROM events", insert.replace("INSERT", "REPLACE", 1)):
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute(statement)
    assert connection.execute("SELECT kind FROM events").fetchall() == [("x",)]
    connection.close()


async def test_a_newer_store_is_left_alone(tmp_path: Path) -> None:
    home = Home(tmp_path)
    await (await StoreLog.open(home)).close()
    connection = sqlite3.connect(home.db)
    connection.execute(f"PRAGMA user_version = {LATEST + 1}")
    connection.close()
    before = home.db.read_bytes()
    with pytest.raises(StoreTooNew, match="newer Headway"):
        await StoreLog.open(home)
    assert home.db.read_bytes() == before
