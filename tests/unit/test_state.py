"""The state: what a snapshot is, that it stays so, and what a change costs however many keys there are."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway import StateStore
from headway.layered import Layered
from headway.state import StateSnapshot

KEYS = st.sampled_from([f"k{i}" for i in range(12)])
CHANGE = st.integers(0, 9).map(lambda n: {"op": "set", "value": n}) | st.just({"op": "delete"})
COMMITS = st.lists(st.dictionaries(KEYS, CHANGE, max_size=4), max_size=30)


def applied(values: dict[str, Any], changes: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return what a plain dict makes of changes."""
    after = dict(values)
    for key, change in changes.items():
        if change["op"] == "set":
            after[key] = change["value"]
        else:
            after.pop(key, None)
    return after


def assert_is(snapshot: Layered | StateSnapshot, values: dict[str, Any]) -> None:
    """Fail unless a snapshot is, to all who ask, a dict of these values in this order."""
    assert snapshot == values
    assert values == snapshot
    assert list(snapshot.items()) == list(values.items())
    assert (list(snapshot), list(snapshot.keys()), list(snapshot.values())) == (
        list(values),
        list(values),
        list(values.values()),
    )
    assert list(reversed(snapshot)) == list(reversed(values))
    assert (len(snapshot), bool(snapshot)) == (len(values), bool(values))
    assert list(snapshot.copy().items()) == list(dict(snapshot).items()) == list(values.items())
    for key in (f"k{i}" for i in range(13)):
        assert (key in snapshot, snapshot.get(key, "no")) == (key in values, values.get(key, "no"))
        if key in values:
            assert snapshot[key] == values[key]
        else:
            with pytest.raises(KeyError):
                snapshot[key]


@pytest.mark.parametrize("few", [0, 3, 64])
@given(commits=COMMITS)
def test_every_snapshot_is_what_a_dict_would_be_and_stays_so(few: int, commits: list[dict[str, Any]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("headway.layered._FEW", few)
        store, values = StateStore(), dict[str, Any]()
        seen: list[tuple[Layered | StateSnapshot, dict[str, Any]]] = [(store.snapshot(), values)]
        for changes in commits:
            store.apply(changes)
            values = applied(values, changes)
            seen += [(store.snapshot(), values), (store.raw(), values)]
        for snapshot, then in seen:
            assert_is(snapshot, then)
        assert (store.keys(), len(store)) == (list(values), len(values))


@given(commits=COMMITS)
def test_who_asks_what_changed_is_told_all_of_it_and_nothing_else(commits: list[dict[str, Any]]) -> None:
    store = StateStore()
    since = [(store.revision, set[str]())]
    counts: dict[str, int] = {}
    for changes in commits:
        store.apply(changes)
        for key in changes:
            counts[key] = counts.get(key, 0) + 1
        for _, changed in since:
            changed.update(changes)
        since.append((store.revision, set()))
    for revision, changed in since:
        told = store._changed_since(revision)
        assert (set(told), len(told)) == (changed, len(changed))
    assert all(store.version(key) == counts.get(key, 0) for key in (f"k{i}" for i in range(12)))


def test_a_copy_is_the_callers_own() -> None:
    snapshot = StateStore({"k": 1}).snapshot()
    snapshot.copy()["k"] = 2
    Layered({"k": 1}).copy()["k"] = 2
    assert snapshot["k"] == 1
    assert (repr(snapshot), repr(Layered({"k": 1}))) == ("StateSnapshot(1 keys)", "Layered(1 keys)")


def test_what_a_reader_does_to_a_value_changes_no_state() -> None:
    given: dict[str, Any] = {"list": [1], "object": {"deep": [1]}}
    store = StateStore(given)
    before = store.snapshot().copy()
    store.get("list").append("x")
    store["object"]["deep"].append("x")
    store.get("none", given["list"]).append("x")
    store.undo_of(["list"])["list"]["value"].append("x")
    snapshot = store.snapshot()
    snapshot["list"].append("x")
    for value in snapshot.values():
        value.clear()
    snapshot.copy()["object"]["deep"].append("x")
    given["object"]["deep"].append("x")
    assert store.snapshot() == before == {"list": [1], "object": {"deep": [1]}}
    assert store.revision == 1


def test_a_commit_takes_copies() -> None:
    store, value = StateStore(), [1]
    store.set("set", value)
    store.apply({"applied": {"op": "set", "value": value}})
    store.replace({**store.snapshot(), "replaced": value})
    value.append(2)
    assert store.snapshot() == {"set": [1], "applied": [1], "replaced": [1]}


def test_a_snapshot_gives_the_same_copy_each_time() -> None:
    store = StateStore({"list": [1]})
    snapshot = store.snapshot()
    assert snapshot["list"] is snapshot["list"] is not store.snapshot()["list"]


@pytest.mark.parametrize("kind", ["set", "delete"])
def test_a_change_does_not_copy_what_it_leaves_as_it_is(kind: str) -> None:
    """The copies of 10,000 keys are told by their identity: each made is a large layer of its own."""
    store = StateStore({f"s{i}": i for i in range(10_000)})
    layers = {id(store.raw()._base): store.raw()._base}
    sizes = []
    for i in range(2_000):
        if kind == "set":
            store.set(f"new{i}", i)
        else:
            store.delete(f"s{i}")
        snapshot = store.raw()
        layers[id(snapshot._base)] = snapshot._base
        sizes.append(len(snapshot._recent) + len(snapshot._void))
    assert len(layers) <= 1 + 2_000 // 400
    assert max(sizes) <= 450
    assert len(store) == (12_000 if kind == "set" else 8_000)
