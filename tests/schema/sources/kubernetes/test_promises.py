"""Each checker barks when its promise is broken: broken on purpose here, once each."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from schema.sources.kubernetes.kinds import PODS
from schema.sources.kubernetes.objects import PodRecord
from schema.sources.kubernetes.store import Change, Gone, Put, Snapshot, Store
from tests.schema.sources.kubernetes import promises
from tests.schema.sources.kubernetes.model_server import ModelServer
from tests.schema.sources.kubernetes.pods import record
from tests.schema.sources.kubernetes.promises import BrokenPromise


def store_of(*records: PodRecord) -> Store[PodRecord]:
    store: Store[PodRecord] = Store(PODS.counted_by, PODS.grouped_by, PODS.summing)
    store.replace(records, "10")
    return store


class Broken:
    """A snapshot or store that lies about one thing, and is honest about the rest."""

    def __init__(self, honest: Any, **lies: Any) -> None:
        self._honest = honest
        self._lies = lies

    def __getattr__(self, name: str) -> Any:
        return self._lies[name] if name in self._lies else getattr(self._honest, name)

    def __len__(self) -> int:
        return int(self._lies["size"]) if "size" in self._lies else len(self._honest)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._lies.get("records", self._honest))


A, B, C = record("a", 1), record("b", 2), record("c", 3, node="worker-2", phase="Failed")


@pytest.mark.parametrize(
    "lie",
    [
        {"records": [B, A]},
        {"in_namespace": lambda _: [B, A]},
        {"on_node": lambda _: (B, A)},
    ],
)
def test_disorder_is_seen(lie: dict[str, Any]):
    """In the whole, in a namespace, or on a node."""
    with pytest.raises(BrokenPromise, match=r"^ordered"):
        promises.ordered(Broken(store_of(A, B).snapshot(), **lie))  # type: ignore[arg-type]


@pytest.mark.parametrize("double", [record("a", 4, uid="another"), record("z", 4, uid=A.uid)])
def test_doubles_are_seen(double: PodRecord):
    """Two objects at one place, or one uid at two."""
    with pytest.raises(BrokenPromise, match=r"^unique"):
        promises.unique(Broken(store_of(A).snapshot(), records=[A, double]))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "lie",
    [
        {"size": 2},
        {"counts": lambda attribute: {"phase": {"Running": 3}, "namespace": {"shop": 3}}[attribute]},
        {"counts": lambda attribute: {"phase": {"Running": 2, "Failed": 1}, "namespace": {"shop": 2}}[attribute]},
        {"namespaces": lambda: {"shop", "gone"}},
        {"count_in": lambda _: 2},
        {"get": lambda *_: None},
        {"get": lambda *_: record("a", 1)},
        {"by_uid": lambda _: None},
        {"in_namespace": lambda _: [A, B]},
        {"on_node": lambda _: (A, B)},
        {"on_node": lambda name: {"worker-1": (A, B), "worker-2": (C,)}.get(name, (C,))},
    ],
)
def test_wrong_counters_and_indexes_are_seen(lie: dict[str, Any]):
    """Each of them is counted again."""
    honest = store_of(A, B, C).snapshot()
    promises.counted(honest, PODS)
    with pytest.raises(BrokenPromise, match=r"^counted"):
        promises.counted(Broken(honest, **lie), PODS)  # type: ignore[arg-type]


def test_a_change_not_told_is_seen():
    """A reader who follows the changes ends with another picture than the store."""
    store = store_of(A)
    witness = promises.Witness(store)
    witness.picture["shop", "a"] = A
    store._consumers.clear()
    store.apply([Put(record("b", 11))])

    with pytest.raises(BrokenPromise, match=r"^atomic"):
        witness.check()


@pytest.mark.parametrize(
    "change",
    [
        Change(None, record("a", 11), "11"),  # something was there before
        Change(record("a", 1), record("a", 11), "11"),  # and it was another
        Change(A, record("a", 11, uid="another"), "11"),  # one change where two belong
        Change(A, A, "11"),
        Change(None, None, "11"),
        Change(B, None, "11"),  # told a second time
    ],
)
def test_a_change_that_does_not_follow_is_seen(change: Change[PodRecord]):
    """What was there before is part of each change."""
    with pytest.raises(BrokenPromise, match=r"^told once"):
        promises.replayed("told once", {("shop", "a"): A}, change)


def test_half_a_batch_is_seen():
    """A consumer that is told one change of two, while both show."""
    store = store_of()
    witness = promises.Witness(store)

    def half(changes: Sequence[Change[PodRecord]]) -> None:
        witness._hear(changes[:1])

    store._consumers[:] = [half]
    with pytest.raises(BrokenPromise, match=r"^atomic"):
        store.apply([Put(record("a", 11)), Put(record("b", 12))])


def test_a_snapshot_that_changes_is_seen():
    """What a reader has kept is looked at again."""
    store = store_of()
    witness = promises.Witness(store)
    store.apply([Put(record("a", 11))])
    witness.keep()
    kept: Snapshot[PodRecord] = witness._kept[0][0]
    kept._ordered.blocks = ((record("b", 12),),)

    with pytest.raises(BrokenPromise, match=r"^atomic"):
        witness.check()


def test_a_gap_in_the_changes_is_seen():
    """A store that forgot a change, and resumes all the same."""
    store = store_of(A, B)
    since = store.snapshot()
    store.apply([Gone("shop", "a", "11"), Gone("shop", "b", "12")])
    store._recent.popleft()

    with pytest.raises(BrokenPromise, match=r"^resumable"):
        promises.resumable(store, since)


@pytest.mark.parametrize("records", [[A], [A, B, C], [A, record("b", 3)]])
async def test_a_picture_that_is_not_the_servers_is_seen(records: list[PodRecord]):
    """One object missing, one too many, one at another version."""
    server = ModelServer()
    server.put("a", version=1)
    server.put("b", version=2)
    store = store_of(*records)
    store._version = "2"
    store._snapshot = None

    with pytest.raises(BrokenPromise, match=r"^complete"):
        await promises.complete(server, PODS, store.snapshot())
