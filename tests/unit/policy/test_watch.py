"""Hot reload: a change is put in force as a whole, or not at all and said so."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from headway import watching
from headway.errors import InvalidInput
from headway.policy.engine import PolicyEngine
from headway.policy.files import load_policies
from headway.policy.watch import PolicyChange, watch_policies
from tests.unit.policy.kit import call


class Place:
    """A folder of policies, watched."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.engine = PolicyEngine()
        folder.mkdir()
        self.write("deny_tool = ['a']")
        self.engine.use_files(load_policies(folder))

    def write(self, text: str, name: str = "base.toml") -> None:
        (self.folder / name).write_text(text)

    def denied(self) -> str:
        return "".join(tool for tool in "abc" if self.engine.check(call(tool)))

    async def look(self, times: int = 1) -> list[PolicyChange]:
        """Return the changes that are seen, looking ``times`` times."""

        async def wakes() -> AsyncIterator[None]:
            for _ in range(times - 1):
                yield None

        return [change async for change in watch_policies(self.engine, self.folder, wakes=wakes())]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "policies")


async def test_nothing_has_changed(place: Place) -> None:
    assert await place.look(3) == []
    assert place.denied() == "a"


async def test_a_change_before_the_first_look_is_seen(place: Place) -> None:
    place.write("deny_tool = ['a', 'b']")
    (change,) = await place.look(3)
    assert change.error is None
    assert change.rules is place.engine.file_rules
    assert place.denied() == "ab"


async def test_an_engine_without_rules_gets_them_at_the_first_look(place: Place) -> None:
    place.engine = PolicyEngine()
    (change,) = await place.look()
    assert change.rules is place.engine.file_rules
    assert place.denied() == "a"


async def test_files_come_and_go(place: Place) -> None:
    seen = []

    async def wakes() -> AsyncIterator[None]:
        place.write("deny_tool = ['b']", "more.toml")
        yield None
        seen.append(place.denied())
        for name in ("base.toml", "more.toml"):
            (place.folder / name).unlink()
            for _ in range(2):
                yield None
                seen.append(place.denied())

    changes = [change async for change in watch_policies(place.engine, place.folder, wakes=wakes())]
    assert seen == ["ab", "ab", "b", "b", ""], "a file is missed at the second look that does not find it"
    assert [change.error for change in changes] == [None, None, None]


async def test_a_file_that_does_not_parse_changes_nothing_and_is_told_once(place: Place) -> None:
    async def wakes() -> AsyncIterator[None]:
        place.write("deny_tool = ['b']", "good.toml")
        place.write("\ndeny_tool = [oops]")
        for _ in range(3):
            yield None
            assert place.denied() == "a"
        place.write("deny_tool = ['c']")
        yield None

    broken, mended = [change async for change in watch_policies(place.engine, place.folder, wakes=wakes())]
    assert broken.rules is None
    assert (broken.error or "").startswith(f"{place.folder}/base.toml:2: ")
    assert mended.error is None
    assert place.denied() == "bc"


async def test_a_folder_that_is_gone_leaves_the_rules_in_force(place: Place) -> None:
    async def wakes() -> AsyncIterator[None]:
        shutil.rmtree(place.folder)
        for _ in range(3):
            yield None
            assert place.denied() == "a"
        place.folder.mkdir()
        place.write("deny_tool = ['b']")
        yield None

    gone, back = [change async for change in watch_policies(place.engine, place.folder, wakes=wakes())]
    assert gone.error == f"{place.folder} is gone: its policies stay in force"
    assert back.error is None
    assert place.denied() == "b"


async def test_a_folder_that_is_seen_while_it_is_removed_leaves_the_rules_in_force(place: Place) -> None:
    place.write("deny_tool = ['b']", "more.toml")
    place.engine.use_files(load_policies(place.folder))

    async def wakes() -> AsyncIterator[None]:
        for name in ("base.toml", "more.toml"):
            (place.folder / name).unlink()
            yield None
            assert place.denied() == "ab"
        place.folder.rmdir()
        yield None
        assert place.denied() == "ab"
        place.folder.mkdir()
        yield None
        assert place.denied() == "ab"
        place.write("deny_tool = ['c']", "new.toml")
        yield None
        assert place.denied() == "ab"
        yield None

    gone, back = [change async for change in watch_policies(place.engine, place.folder, wakes=wakes())]
    assert (gone.error or "").endswith("is gone: its policies stay in force")
    assert back.error is None
    assert place.denied() == "c"


async def test_a_folder_that_comes_back_as_it_was_is_told_and_so_is_its_next_loss(place: Place) -> None:
    away = place.folder.with_name("away")

    async def wakes() -> AsyncIterator[None]:
        for _ in range(2):
            place.folder.rename(away)
            yield None
            yield None
            away.rename(place.folder)
            yield None
            yield None

    changes = [change async for change in watch_policies(place.engine, place.folder, wakes=wakes())]
    assert [change.error is None for change in changes] == [False, True, False, True]
    assert place.denied() == "a"


async def test_a_limit_that_stays_keeps_its_count(place: Place) -> None:
    limit = '[[rate_limit_tool]]\ntool = "a"\nmax_calls = 1\ninterval_secs = 60\n'
    place.write(limit)
    await place.look()
    assert place.denied() == ""
    place.write("# a remark\n" + limit)
    assert len(await place.look()) == 1
    assert place.denied() == "a"


async def test_what_the_file_system_tells_is_seen(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "LOOK_MS", 50)
    async with asyncio.timeout(30), aclosing(watch_policies(place.engine, place.folder)) as changes:
        place.write("deny_tool = ['b']")
        assert (await anext(changes)).error is None
        assert place.denied() == "b"
        place.write("deny_tool = ['c']")
        await anext(changes)
        assert place.denied() == "c"
        place.folder.rename(place.folder.with_name("old"))
        assert (await anext(changes)).rules is None
        place.folder.mkdir()
        place.write("deny_tool = ['a', 'b']")
        while place.denied() != "ab":  # it may be seen empty first
            await anext(changes)
        place.write("deny_tool = ['a']")
        await anext(changes)
        assert place.denied() == "a"


async def test_wrong_arguments_are_refused(tmp_path: Path) -> None:
    for engine, folder in ((None, tmp_path), (PolicyEngine(), 3), (PolicyEngine(), "a\0")):
        with pytest.raises(InvalidInput):
            await anext(watch_policies(engine, folder))  # type: ignore[arg-type]
