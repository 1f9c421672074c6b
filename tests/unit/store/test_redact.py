"""Taking secrets out of a store: no byte of it keeps one, and everything else is as it was."""

from pathlib import Path

import msgspec
import pytest

import headway
from headway.errors import Conflict, HomeLocked
from headway.events.event import Event
from headway.secrets import REDACTED
from headway.store import HomeLock, StoreLog, StoreReader, check, redact, store_of

VALUE = 'old-password-"77"'


def all_bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


@headway.tool
def leak(password: str) -> dict[str, object]:
    return {"note": f"it was {VALUE}", "large": ["x" * 50, password] * 2000, "tokens": 5}


async def old_home(folder: Path) -> headway.Home:
    """Return a home of a version that knew no secrets."""
    home = headway.Home(folder)
    log = await StoreLog.open(home)
    runtime = headway.Runtime(tools=[leak], log=log, state={"api_key": "literal-key-1"})
    call = {"id": "a", "type": "tool_call", "tool": "leak", "parameters": {"password": "literal-pass-2"}}
    read = {"id": "r", "type": "state_read", "parameters": {"key": "api_key"}}
    result = await runtime.execute({"actions": [call, read]})
    assert result.status == "completed"
    checkpoint = runtime.save_checkpoint(note=VALUE)
    await store_of(log).save_checkpoint(checkpoint)
    await runtime.aclose()
    await log.close()
    return home


async def test_values_and_literals_leave_every_byte(tmp_path: Path) -> None:
    home = await old_home(tmp_path / "home")
    before = all_bytes(home.path)
    assert b"literal-pass-2" in before
    assert b"old-password" in before
    seen = await redact(home, [VALUE], dry_run=True)
    assert all_bytes(home.path).count(b"literal-pass-2") == before.count(b"literal-pass-2")
    report = await redact(home, [VALUE, "literal-pass-2", "literal-key-1"], by="me")
    assert report.events >= seen.events > 0
    assert report.blobs == 1
    assert report.checkpoints == 1
    after = all_bytes(home.path)
    for text in (b"literal-pass-2", b"literal-key-1", b"old-password", msgspec.json.encode(VALUE)[1:-1]):
        assert text not in after
    found = await check(home)
    assert found.problems == []
    async with await StoreReader.open(home.db) as reader:
        events = await reader.events(limit=1000, resolve=True)
        (job,) = await reader.jobs()
    assert job.status == "completed"
    plan = next(event for event in events if event.kind == "job_created").data["proposal"]
    assert plan["actions"][0]["parameters"]["password"] == "«secret:redacted»"
    output = next(event for event in events if event.kind == "action_succeeded" and event.action_id == "a").data[
        "output"
    ]
    assert output["note"] == "it was «secret:redacted»"
    assert output["large"][0] == "x" * 50
    assert output["tokens"] == 5
    audit = events[-1]
    assert audit.kind == "operator_action"
    assert audit.data == {"who": "me", "what": "store redact", "detail": msgspec.to_builtins(report)}
    again = await redact(home, [VALUE], dry_run=True)
    assert (again.events, again.blobs, again.checkpoints) == (0, 0, 0)


async def test_literals_under_the_names_of_secrets_go_without_being_given(tmp_path: Path) -> None:
    home = await old_home(tmp_path / "home")
    await redact(home, [])
    assert b"literal-key-1" in all_bytes(home.path)  # it was read from the state: its output has no name
    async with await StoreReader.open(home.db) as reader:
        events = await reader.events(limit=1000, resolve=True)
    plan = next(event for event in events if event.kind == "job_created").data["proposal"]
    assert plan["actions"][0]["parameters"]["password"] == REDACTED


async def test_a_store_works_on_afterwards(tmp_path: Path) -> None:
    home = await old_home(tmp_path / "home")
    await redact(home, [VALUE])
    log = await StoreLog.open(home)
    last = log.last_seq
    assert await log.write(Event("operator_action", {"who": "a", "what": "b"})) == last + 1
    await log.close()
    assert (await check(home)).problems == []


async def test_events_are_append_only_again(tmp_path: Path) -> None:
    from headway.store.sqlite.connect import open_for_writing

    home = await old_home(tmp_path / "home")
    await redact(home, [])
    connection = open_for_writing(home.db)
    with pytest.raises(Exception, match="append-only"):
        connection.execute("UPDATE events SET data = '{}'")
    connection.close()


async def test_a_home_in_use_or_with_unfinished_jobs_is_left_alone(tmp_path: Path) -> None:
    home = await old_home(tmp_path / "home")
    before = home.db.read_bytes()
    with HomeLock(home), pytest.raises(HomeLocked):
        await redact(home, [VALUE])
    assert home.db.read_bytes() == before
    log = await StoreLog.open(home)
    proposal = {"id": "p", "actions": []}
    await log.write(Event("job_created", {"scope": "s", "proposal": proposal, "graph": {}}, "j1", proposal_id="p"))
    await log.close()
    with pytest.raises(Conflict, match="unfinished"):
        await redact(home, [VALUE])
    assert b"old-password" in all_bytes(home.path)


async def test_names_may_be_left_alone(tmp_path: Path) -> None:
    home = await old_home(tmp_path / "home")
    await redact(home, [VALUE], names=False)
    after = all_bytes(home.path)
    assert b"literal-pass-2" in after
    assert b"old-password" not in after
