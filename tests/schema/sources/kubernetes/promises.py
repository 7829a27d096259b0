"""One checker for each promise of the watch cache (the list stands at the head of schema/sources/kubernetes/store.py).

Used by unit tests, by the state machines, and by the fault tests on a real API server. Each raises `BrokenPromise`,
which names the promise; that each of them barks is shown in test_promises.py.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from schema.sources.kubernetes.api import ObjectsApi
from schema.sources.kubernetes.claims import NOTHING
from schema.sources.kubernetes.kinds import Kind, Record
from schema.sources.kubernetes.node_sums import limited, requested
from schema.sources.kubernetes.objects import Resources
from schema.sources.kubernetes.selfcheck import differences
from schema.sources.kubernetes.store import Change, Snapshot, Store, TooOld

T = TypeVar("T", bound=Record)
Place = tuple[str, str]
Picture = Mapping[Place, T]


class BrokenPromise(AssertionError):  # noqa: N818 - what happened
    """`str()` begins with the promise's name."""


def require(promise: str, kept: object, what: object) -> None:
    if not kept:
        raise BrokenPromise(f"{promise}: {what}")


def place_of(record: Record) -> Place:
    return (record.namespace, record.name)


def ordered(snapshot: Snapshot[T]) -> None:
    """A snapshot is sorted by (namespace, name), and so are its namespaces and its groups."""
    places = [place_of(record) for record in snapshot]
    require("ordered", places == sorted(places), places)
    for namespace in snapshot.namespaces():
        names = [record.name for record in snapshot.in_namespace(namespace)]
        require("ordered", names == sorted(names), (namespace, names))
    for node in {getattr(record, "node_name", None) for record in snapshot} - {None}:
        places = [place_of(record) for record in snapshot.on_node(str(node))]
        require("ordered", places == sorted(places), (node, places))


def unique(snapshot: Snapshot[T]) -> None:
    """One object a place, and one a uid."""
    for what in (place_of, lambda record: record.uid):
        seen = Counter(what(record) for record in snapshot)
        require("unique", all(times == 1 for times in seen.values()), [key for key, times in seen.items() if times > 1])


def counted(snapshot: Snapshot[T], kind: Kind[T]) -> None:
    """Counters, sums and indexes equal a recount."""
    records = list(snapshot)
    require("counted", len(snapshot) == len(records), (len(snapshot), len(records)))
    for attribute in ("namespace", *kind.counted_by):
        recount = Counter(getattr(record, attribute) for record in records)
        require("counted", dict(snapshot.counts(attribute)) == dict(recount), (attribute, recount))
    require("counted", set(snapshot.namespaces()) == {record.namespace for record in records}, snapshot.namespaces())
    for record in records:
        require("counted", snapshot.get(*place_of(record)) is record, place_of(record))
        require("counted", snapshot.by_uid(record.uid) is record, record.uid)
    for namespace in snapshot.namespaces():
        members = [record for record in records if record.namespace == namespace]
        require("counted", list(snapshot.in_namespace(namespace)) == members, namespace)
        require("counted", snapshot.count_in(namespace) == len(members), namespace)
    if kind.grouped_by is not None:
        for group in {getattr(record, kind.grouped_by) for record in records} - {None}:
            members = [record for record in records if getattr(record, str(kind.grouped_by)) == group]
            require("counted", list(snapshot.on_node(group)) == members, group)
        require("counted", not snapshot.on_node("a node without pods"), "a node without pods")
        alone = [record for record in records if getattr(record, str(kind.grouped_by)) is None]
        require("counted", snapshot.ungrouped == len(alone), "in no group")
    if kind.summing is not None:
        claims_counted(snapshot)


def claims_counted(snapshot: Snapshot[Any]) -> None:
    """What is claimed in each namespace is what its pods claim together, and nothing stands for those that do not."""
    for namespace in snapshot.namespaces():
        pods, claimed = list(snapshot.in_namespace(namespace)), snapshot.claims.get(namespace, NOTHING)
        sums = ((claimed.requested, requested(pods)), (claimed.limited, limited(pods)))
        for kept, recount in sums:
            require("counted", amounts(kept) == amounts(recount), (namespace, kept, recount))
    require("counted", set(snapshot.claims) <= set(snapshot.namespaces()), snapshot.claims)


def amounts(resources: Resources) -> object:
    """The same for equal amounts, which records are not."""
    return msgspec.to_builtins(resources)


async def complete(api: ObjectsApi, kind: Kind[T], snapshot: Snapshot[T]) -> None:
    """A snapshot holds exactly what a fresh LIST of its version holds."""
    found = await differences(api, kind, snapshot)
    require("complete", not found, found)


class Witness(Generic[T]):
    """Watches one store from its beginning, and checks what is promised over time: atomic, told once, resumable."""

    def __init__(self, store: Store[T]) -> None:
        self.picture: dict[Place, T] = {}
        self._store = store
        self._kept: list[tuple[Snapshot[T], dict[Place, T], int]] = []
        store.consume(self._hear)

    def _hear(self, changes: Sequence[Change[T]]) -> None:
        for change in changes:
            self.picture = replayed("told once", self.picture, change)
        shown = {place_of(record): record for record in self._store.snapshot()}
        require("atomic", shown == self.picture, "what is shown while a batch is told is not that whole batch")

    def keep(self) -> None:
        """Keep a snapshot, to see later that it has not changed, and that a reader of it can resume."""
        snapshot = self._store.snapshot()
        self._kept.append((snapshot, {place_of(record): record for record in snapshot}, len(snapshot)))

    def forget(self) -> None:
        """Versions begin anew: what was kept resumes no more."""
        self._kept.clear()

    def check(self) -> int:
        """Check everything that was kept so far; return how many of the readers could resume."""
        now = self._store.snapshot()
        require("atomic", {place_of(r): r for r in now} == self.picture, "the picture is not the sum of its changes")
        resumed = 0
        for snapshot, picture, size in self._kept:
            shown = {place_of(record): record for record in snapshot}
            require("atomic", shown == picture and len(snapshot) == size, f"the snapshot of {snapshot.version} changed")
            resumed += resumable(self._store, snapshot)
        return resumed


def resumable(store: Store[T], since: Snapshot[T]) -> bool:
    """A reader of that snapshot gets all changes since, or is told that they are too old."""
    try:
        changes = store.changes_since(since.version)
    except TooOld:
        return False
    picture: dict[Place, T] = {place_of(record): record for record in since}
    for change in changes:
        picture = replayed("resumable", picture, change)
    found = {(*place, record.uid, record.resource_version) for place, record in picture.items()}
    now = {(*place_of(record), record.uid, record.resource_version) for record in store.snapshot()}
    require("resumable", found == now, f"the changes since {since.version} do not lead to {store.version}")
    return True


def replayed(promise: str, picture: dict[Place, T], change: Change[T]) -> dict[Place, T]:
    """The picture after a change, which must follow on it."""
    record = change.after or change.before
    require(promise, record is not None, "a change of nothing into nothing")
    assert record is not None
    place = place_of(record)
    require(promise, picture.get(place) is change.before, f"{place} at {change.version} was something else before")
    if change.before is not None and change.after is not None:
        require(promise, change.before.uid == change.after.uid, f"{place} changed its uid in one change")
        require(promise, change.before is not change.after, f"{place} at {change.version} did not change")
    picture = dict(picture)
    if change.after is None:
        del picture[place]
    else:
        picture[place] = change.after
    return picture


def all_of(snapshot: Snapshot[T], kind: Kind[T]) -> None:
    """Every promise about one snapshot."""
    ordered(snapshot)
    unique(snapshot)
    counted(snapshot, kind)
