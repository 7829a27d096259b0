"""Revisions, the past, and those who wait for the next write."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.demo.objects import Verbatim
from gateway.demo.storage import Change, Storage, TooOldError


def thing(name: str, namespace: str = "", colour: str = "") -> Verbatim:
    return Verbatim({"metadata": {"name": name, "namespace": namespace, "labels": {"colour": colour}}})


def names(storage: Storage, revision: int, namespace: str = "") -> list[str]:
    return [stored.object.name for stored in storage.at("pods", revision, namespace=namespace)]


def test_every_write_has_a_larger_revision_than_all_before():
    """Of whatever kind."""
    storage = Storage(["pods", "nodes"])

    first = storage.put("pods", thing("a")).revision
    second = storage.put("nodes", thing("n")).revision
    storage.delete("pods", "", "a")

    assert first < second < storage.revision


def test_changes_are_told_in_order_with_what_was_before():
    """A creation has no before, a deletion no after."""
    storage = Storage(["pods"])
    start = storage.revision
    storage.put("pods", thing("a", colour="red"))
    storage.put("pods", thing("a", colour="blue"))
    storage.delete("pods", "", "a")

    created, changed, deleted = storage.since("pods", start)

    assert created.before is None
    assert changed.before == created.after
    assert deleted.before == changed.after
    assert deleted.after is None
    assert storage.since("pods", changed.revision) == [deleted]


def test_objects_are_ordered_as_etcd_orders_their_keys():
    """By namespace and name as one text: a dash comes before the slash."""
    storage = Storage(["pods"])
    for namespace, name in (("a", "x"), ("a-b", "x"), ("a", "b")):
        storage.put("pods", thing(name, namespace))

    assert [item.namespace for item in storage.all("pods")] == ["a-b", "a", "a"]
    assert names(storage, storage.revision, "a") == ["b", "x"]


writes = st.lists(st.tuples(st.sampled_from(["x/a", "x/b", "x-y/a", "z/c"]), st.booleans()), max_size=30)


@given(writes)
def test_the_past_is_what_it_was(history: list[tuple[str, bool]]):
    """At every revision that ever was, the storage shows what it held then, in any namespace."""
    storage = Storage(["pods"])
    moments: dict[int, list[tuple[str, str]]] = {storage.revision: []}
    for key, put in history:
        namespace, name = key.split("/")
        if put:
            storage.put("pods", thing(name, namespace))
        elif storage.get("pods", namespace, name):
            storage.delete("pods", namespace, name)
        moments[storage.revision] = [(item.namespace, item.name) for item in storage.all("pods")]

    for revision, held in moments.items():
        shown = [(stored.object.namespace, stored.object.name) for stored in storage.at("pods", revision)]
        assert shown == held
        assert names(storage, revision, "x") == [name for namespace, name in held if namespace == "x"]


def test_only_so_many_changes_are_remembered():
    """What is older is an error, not a gap."""
    storage = Storage(["pods"], history=2)
    start = storage.revision
    for name in ("a", "b", "c"):
        storage.put("pods", thing(name))

    with pytest.raises(TooOldError) as refused:
        storage.since("pods", start)

    assert [change.key for change in storage.since("pods", refused.value.oldest)] == ["b", "c"]


def test_after_forgetting_every_version_seen_so_far_is_too_old():
    """Also the newest one, as if somebody else had written before the history began anew."""
    storage = Storage(["pods"])
    seen = storage.put("pods", thing("a")).revision

    storage.forget()

    with pytest.raises(TooOldError):
        storage.since("pods", seen)
    assert storage.since("pods", storage.revision) == []
    assert names(storage, storage.revision) == ["a"]


async def test_who_waits_is_woken_by_the_next_write_of_that_kind_only():
    """And whoever comes after that write waits for the one after it."""
    storage = Storage(["pods", "nodes"])
    told: list[Change] = []

    async def follow() -> None:
        seen = storage.revision
        while len(told) < 2:
            await storage.changed("pods")
            told.extend(changes := storage.since("pods", seen))
            seen = changes[-1].revision

    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        tasks.create_task(follow())
        await asyncio.sleep(0)
        storage.put("nodes", thing("n"))
        await asyncio.sleep(0)
        storage.put("pods", thing("a"))
        await asyncio.sleep(0)
        storage.put("pods", thing("b"))

    assert [change.key for change in told] == ["a", "b"]
