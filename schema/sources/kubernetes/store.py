"""What the gateway knows of one kind, in one scope: a store, its snapshots, and the changes between them.

Promised (each by a checker in tests/schema/sources/kubernetes/promises.py):
- ordered: a snapshot is sorted by (namespace, name), and so is what stands on one node;
- unique: one object a (namespace, name), and one a uid;
- atomic: a snapshot never changes, and shows one moment: whole batches, never half of one; its objects, indexes and
  counters are of the same moment;
- told once: every change is told once, in order, with what was there before; a changed uid is two changes; an event at
  a version that was seen already is no change;
- complete: after `replace` or `commit` the store holds exactly what was listed, and what vanished was told as a change;
- resumable: `changes_since(version)` is all that happened after it, or TooOld, never a part;
- counted: counters, sums and indexes equal a recount.

Not promised: order between the objects of one batch; that every state of an object is seen (a relist shows the last);
anything about a version that comes a second time with another meaning, because etcd was restored from a backup without
raising its revision (etcdutl's `--bump-revision`, which Kubernetes asks for).

Whoever waits for a version (`reached`) is woken once all up to there is in the picture, by whatever told so: an event,
a bookmark, a list.

The work for one event does not grow with the number of objects (save by the number of blocks), nor does a snapshot's;
`commit` compares the old picture with the new one, about 0.3 µs an object, and can be done in steps. Versions are those
of one kind; they grow with every change of that kind and compare as numbers (Kubernetes promises so since 1.35; etcd
always gave them so).
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain, takewhile
from operator import attrgetter
from typing import Any, Final, Generic, TypeVar, final

from msgspec import Struct

from schema.sources.kubernetes.blocks import Block, Sorted, SortedBlocks, joined, with_element, without_element
from schema.sources.kubernetes.claims import Claimed
from schema.sources.kubernetes.kinds import Record, Sums

T = TypeVar("T", bound=Record)

# A subscriber who was away for some seconds resumes from here. A change holds two records: 4 MB for 4,096 pods.
RING_LIMIT: Final = 4_096

_PLACE: Final = attrgetter("namespace", "name")
_UID: Final = attrgetter("uid")
_NOTHING: Final = object()  # no value of any object


class Put(Struct, Generic[T], frozen=True, gc=False, eq=False):
    """An object appeared or changed; its own resourceVersion is the event's."""

    record: T

    @property
    def version(self) -> str:
        return self.record.resource_version


class Gone(Struct, frozen=True, gc=False, eq=False):
    """Nothing stands at this place any more, as of `version`."""

    namespace: str
    name: str
    version: str


class Mark(Struct, frozen=True, gc=False, eq=False):
    """Nothing happened up to this version (a bookmark)."""

    version: str


Event = Put[T] | Gone | Mark


class Stands(Struct, frozen=True, gc=False, eq=False):
    """Where the object with this uid stands, as long as it lives, whatever else changes of it."""

    uid: str
    namespace: str
    name: str


class Change(Struct, Generic[T], frozen=True, gc=False, eq=False):
    """What was there before and after; None where nothing was. `version` is the kind's, not the object's."""

    before: T | None
    after: T | None
    version: str


class TooOld(Exception):  # noqa: N818 - said of the version, and expected: read a snapshot and begin again
    """The changes since that version are no longer all known."""


@final
class Snapshot(Generic[T]):
    """One moment of one kind: immutable, and shared by all its readers."""

    __slots__ = ("_by_uid", "_counts", "_groups", "_ordered", "claims", "version")

    def __init__(  # noqa: PLR0913, PLR0917 - made in one place
        self,
        version: str,
        ordered: Sorted[T],
        by_uid: "Sorted[Stands] | _Anywhere",
        groups: Mapping[str, Block[T]],
        counts: Mapping[str, Mapping[Any, int]],
        claims: Mapping[str, Claimed],
    ) -> None:
        self.version = version
        self._ordered = ordered
        self._by_uid = by_uid
        self._groups = groups
        self._counts = counts
        self.claims = claims  # what is claimed in each namespace; only pods claim anything

    def __len__(self) -> int:
        return len(self._ordered)

    def __iter__(self) -> Iterator[T]:
        return iter(self._ordered)

    @classmethod
    def united(cls, parts: "Sequence[Snapshot[T]]") -> "Snapshot[T]":
        """One picture of several namespaces: one a part, in the order of their names.

        Its version is the oldest of theirs: up to there it shows everything.
        """
        return cls(
            min((part.version for part in parts), key=age),
            joined([part._ordered for part in parts]),  # noqa: SLF001 - of this very class, as below
            _Anywhere([part._by_uid for part in parts]),  # noqa: SLF001
            _Groups([part._groups for part in parts]),  # noqa: SLF001
            _summed([part._counts for part in parts]),  # noqa: SLF001
            dict(chain.from_iterable(part.claims.items() for part in parts)),
        )

    @property
    def blocks(self) -> Sequence[Block[T]]:
        """All objects in order, in blocks that stay the same tuple until one of their objects changes."""
        return self._ordered.blocks

    def get(self, namespace: str, name: str) -> T | None:
        """One object by its place; the namespace is "" for cluster-scoped kinds."""
        return self._ordered.find((namespace, name))

    def by_uid(self, uid: str) -> T | None:
        stands = self._by_uid.find(uid)
        return None if stands is None else self.get(stands.namespace, stands.name)

    def in_namespace(self, namespace: str) -> Iterable[T]:
        """Sorted by name."""
        return takewhile(lambda record: record.namespace == namespace, self._ordered.starting_at((namespace, "")))

    def on_node(self, node_name: str) -> Sequence[T]:
        """Sorted by (namespace, name); the same tuple until one of them changes. Only pods stand on nodes."""
        return self._groups.get(node_name, ())

    @property
    def ungrouped(self) -> int:
        """How many objects are in no group: of pods, those without a node."""
        return len(self) - sum(map(len, self._groups.values()))

    def namespaces(self) -> Collection[str]:
        """Those that hold at least one object."""
        return self._counts["namespace"].keys()

    def count_in(self, namespace: str) -> int:
        return self._counts["namespace"].get(namespace, 0)

    def counts(self, attribute: str) -> Mapping[Any, int]:
        """How many objects have which value of an attribute that the kind is counted by, such as "phase"."""
        return self._counts[attribute]


@final
class _Anywhere:
    """Finds in several what is in one of them."""

    def __init__(self, parts: Sequence["Sorted[Stands] | _Anywhere"]) -> None:
        self._parts = parts

    def find(self, key: str) -> Stands | None:
        return next((found for part in self._parts if (found := part.find(key)) is not None), None)


@final
class _Groups(Mapping[str, Block[T]]):
    """The groups of several namespaces, put together when they are asked for."""

    def __init__(self, parts: Sequence[Mapping[str, Block[T]]]) -> None:
        self._parts = parts

    def __getitem__(self, group: str) -> Block[T]:
        found = [part[group] for part in self._parts if group in part]
        if not found:
            raise KeyError(group)
        return found[0] if len(found) == 1 else tuple(chain.from_iterable(found))

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(chain.from_iterable(self._parts)))

    def __len__(self) -> int:
        return len(set().union(*self._parts))


def _summed(parts: Sequence[Mapping[str, Mapping[Any, int]]]) -> Mapping[str, Mapping[Any, int]]:
    """Counts of several namespaces, together."""
    together: dict[str, Counter[Any]] = {attribute: Counter() for attribute in parts[0]}
    for part in parts:
        for attribute, values in part.items():
            together[attribute].update(values)
    return together


class Picture(Generic[T]):
    """Objects with their indexes and counters, kept equal by feeding all of them the same before and after."""

    def __init__(self, counted_by: Sequence[str], grouped_by: str | None, sums: Sums[T] | None = None) -> None:
        self.ordered: SortedBlocks[T] = SortedBlocks(_PLACE)
        self.by_uid: SortedBlocks[Stands] = SortedBlocks(_UID)
        self.groups: dict[str, Block[T]] = {}
        self.counts: dict[str, dict[Any, int]] = {attribute: {} for attribute in ("namespace", *counted_by)}
        self._grouped_by = grouped_by
        self._sums = sums

    def put(self, record: T) -> T | None:
        """Take in one object; return the one that stood at its place."""
        before = self.ordered.put(record)
        if before is None or before.uid != record.uid:
            if before is not None:
                self.by_uid.remove(before.uid)
            self.by_uid.put(Stands(record.uid, record.namespace, record.name))
        self._regroup(before, record)
        self._count(before, record)
        if self._sums is not None:
            self._sums.take(before, record)
        return before

    def remove(self, namespace: str, name: str) -> T | None:
        """Take out what stands at a place; return it."""
        before = self.ordered.remove((namespace, name))
        if before is not None:
            self.by_uid.remove(before.uid)
            self._regroup(before, None)
            self._count(before, None)
            if self._sums is not None:
                self._sums.take(before, None)
        return before

    def snapshot(self, version: str) -> Snapshot[T]:
        """A copy of the outer maps: their blocks are immutable and shared."""
        counts = {attribute: dict(values) for attribute, values in self.counts.items()}
        claims = {} if self._sums is None else self._sums.frozen()
        return Snapshot(version, self.ordered.frozen(), self.by_uid.frozen(), dict(self.groups), counts, claims)

    def keep_equal_groups(self, earlier: Mapping[str, Block[T]]) -> None:
        """Take over the very tuples of groups in which nothing changed."""
        for group, members in earlier.items():
            if self.groups.get(group) == members:  # records compare by identity
                self.groups[group] = members

    def _regroup(self, before: T | None, after: T | None) -> None:
        """A group is one node's pods, some hundred at most, so it is one block however large it is."""
        left, joined = self._group_of(before), self._group_of(after)
        if before is not None and left is not None and left != joined:
            remaining = without_element(self.groups[left], _PLACE(before), _PLACE)
            if remaining:
                self.groups[left] = remaining
            else:
                del self.groups[left]
        if after is not None and joined is not None:
            self.groups[joined] = with_element(self.groups.get(joined, ()), after, _PLACE)

    def _group_of(self, record: T | None) -> str | None:
        return getattr(record, self._grouped_by) if record is not None and self._grouped_by else None

    def _count(self, before: T | None, after: T | None) -> None:
        for attribute, values in self.counts.items():
            old = _NOTHING if before is None else getattr(before, attribute)
            new = _NOTHING if after is None else getattr(after, attribute)
            if old == new:
                continue
            if old is not _NOTHING:
                values[old] -= 1
                if not values[old]:
                    del values[old]
            if new is not _NOTHING:
                values[new] = values.get(new, 0) + 1


@final
class Draft(Generic[T]):
    """The next picture, while a list is still arriving: readers go on seeing the last one until it is committed.

    Objects that did not change are taken over from the last picture, so that whoever keeps something by an object's
    identity keeps it over a relist.
    """

    def __init__(self, picture: Picture[T], live: Sorted[T]) -> None:
        self.picture = picture
        self._live = live

    def apply(self, batch: Iterable[Event[T]]) -> None:
        """Take in a part of the list. While a list streams, what happens meanwhile comes between its objects."""
        for event in batch:
            if isinstance(event, Put):
                self.picture.put(self._known(event.record))
            elif isinstance(event, Gone):
                self.picture.remove(event.namespace, event.name)

    def _known(self, record: T) -> T:
        """The live object, if this is no other state of it."""
        live = self._live.find(_PLACE(record))
        if live is not None and live.uid == record.uid and live.resource_version == record.resource_version:
            return live
        return record


@final
class Merge(Generic[T]):
    """How a finished draft differs from the picture before it, found out in steps of some hundred objects.

    Readers see the picture before meanwhile; nobody else may write to the store.
    """

    def __init__(self, before: Sorted[T], draft: Draft[T], version: str) -> None:
        self.picture = draft.picture
        self.version = version
        self.changes: list[Change[T]] = []
        self._before = before

    def steps(self) -> Iterator[None]:
        """Two sorted pictures, walked side by side. What did not change is the same object in both (see Draft)."""
        olds = iter(self._before)
        before = next(olds, None)
        for block in self.picture.ordered.blocks:
            for after in block:
                while before is not after and before is not None and _PLACE(before) < _PLACE(after):
                    self.changes.append(Change(before, None, self.version))
                    before = next(olds, None)
                if before is after:
                    before = next(olds, None)
                elif before is None or _PLACE(before) != _PLACE(after):
                    self.changes.append(Change(None, after, self.version))
                else:
                    self.changes.extend(_told(before, after, self.version))
                    before = next(olds, None)
            yield
        while before is not None:
            self.changes.append(Change(before, None, self.version))
            before = next(olds, None)


@final
class Store(Generic[T]):
    """One kind in one scope, as of the last batch. The contract stands at the head of this module."""

    def __init__(
        self,
        counted_by: Sequence[str] = (),
        grouped_by: str | None = None,
        summing: Callable[[], Sums[T]] | None = None,
        *,
        ring_limit: int = RING_LIMIT,
    ) -> None:
        self._counted_by = counted_by
        self._grouped_by = grouped_by
        self._summing = summing
        self._picture = self._empty()
        self._version = ""
        self._snapshot: Snapshot[T] | None = None
        self._recent: deque[Change[T]] = deque()
        self._ring_limit = ring_limit
        self._floor = ""  # the newest version whose changes the ring has lost
        self._consumers: list[Callable[[Sequence[Change[T]]], None]] = []
        self._waiting: list[tuple[str, asyncio.Future[None]]] = []

    def __len__(self) -> int:
        return len(self._picture.ordered)

    @property
    def version(self) -> str:
        """The last version seen; "" before the first list."""
        return self._version

    def has(self, version: str) -> bool:
        """Whether all that happened up to `version` is in the picture."""
        return bool(self._version) and not _is_newer(version, self._version)

    async def reached(self, version: str) -> None:
        """Return as soon as it has this version, however long that takes."""
        if self.has(version):
            return
        waiting = (version, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        try:
            await waiting[1]
        finally:
            self._waiting.remove(waiting)

    def snapshot(self) -> Snapshot[T]:
        """The picture of now, shared by all readers until the next change."""
        if self._snapshot is None:
            self._snapshot = self._picture.snapshot(self._version)
        return self._snapshot

    def consume(self, consumer: Callable[[Sequence[Change[T]]], None]) -> None:
        """Have every later batch of changes told to `consumer`, after readers can see it. It must not raise."""
        self._consumers.append(consumer)

    def apply(self, batch: Iterable[Event[T]]) -> Sequence[Change[T]]:
        """Take in one socket read's worth of events; return what really changed."""
        changes: list[Change[T]] = []
        for event in batch:
            if _is_newer(event.version, self._version):
                self._version = event.version
                changes.extend(self._applied(event))
        if changes:
            self._snapshot = None  # made again by the next reader, and never once per event
            self._remember(changes)
            self._tell(changes)
        self._wake()
        return changes

    def replace(self, records: Iterable[T], version: str) -> Sequence[Change[T]]:
        """Take in a whole list at once."""
        draft = self.draft()
        draft.apply(Put(record) for record in records)
        return self.commit(draft, version)

    def draft(self) -> Draft[T]:
        """An empty picture to list into; `commit` makes it the store's."""
        return Draft(self._empty(), self._picture.ordered)

    def commit(self, draft: Draft[T], version: str) -> Sequence[Change[T]]:
        """Make a finished draft the picture; return how it differs from the one before."""
        merge = self.merge(draft, version)
        for _ in merge.steps():
            pass
        return self.adopt(merge)

    def merge(self, draft: Draft[T], version: str) -> Merge[T]:
        """The first half of `commit`, for whoever must not hold the event loop: take its steps, then `adopt` it."""
        return Merge(self._picture.ordered, draft, version)

    def adopt(self, merge: Merge[T]) -> Sequence[Change[T]]:
        """Make the picture of a merge, all of whose steps were taken, the store's, in one step; return the changes."""
        merge.picture.keep_equal_groups(self._picture.groups)
        if not self._version or _is_newer(self._version, merge.version):  # the first list; or etcd came from a backup
            self._recent.clear()
            self._floor = merge.version
        else:
            self._remember(merge.changes)
        self._picture, self._version, self._snapshot = merge.picture, merge.version, None
        self._tell(merge.changes)
        self._wake()
        return merge.changes

    def changes_since(self, version: str) -> Sequence[Change[T]]:
        """All that happened after `version`, oldest first; raises TooOld if a part of it is forgotten."""
        if not version or _is_newer(self._floor, version) or _is_newer(version, self._version):
            raise TooOld(version)
        newer = list(takewhile(lambda change: _is_newer(change.version, version), reversed(self._recent)))
        return newer[::-1]

    def _empty(self) -> Picture[T]:
        return Picture(self._counted_by, self._grouped_by, None if self._summing is None else self._summing())

    def _applied(self, event: Event[T]) -> Iterator[Change[T]]:
        if isinstance(event, Put):
            yield from _told(self._picture.put(event.record), event.record, self._version)
        elif isinstance(event, Gone):
            yield from _told(self._picture.remove(event.namespace, event.name), None, self._version)

    def _remember(self, changes: Sequence[Change[T]]) -> None:
        if len(changes) > self._ring_limit:  # after a list, perhaps with as many changes as there are objects
            self._recent.clear()
            self._floor = changes[-self._ring_limit - 1].version
        self._recent.extend(changes[-self._ring_limit :])
        while len(self._recent) > self._ring_limit:
            self._floor = self._recent.popleft().version

    def _tell(self, changes: Sequence[Change[T]]) -> None:
        for consumer in self._consumers if changes else ():
            consumer(changes)

    def _wake(self) -> None:
        for version, waiting in self._waiting:
            if self.has(version) and not waiting.done():
                waiting.set_result(None)


def _is_newer(version: str, than: str) -> bool:
    """Versions are decimal numbers without leading zeros: the longer one is larger. "" is before all of them."""
    return age(version) > age(than)


def age(version: str) -> tuple[int, str]:
    return (len(version), version)


def _told(before: T | None, after: T | None, version: str) -> Iterator[Change[T]]:
    if before is not None and after is not None and before.uid != after.uid:
        yield Change(before, None, version)
        yield Change(None, after, version)
    elif before is not after:
        yield Change(before, after, version)
