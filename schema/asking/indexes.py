"""Whole kinds, or what somebody may see of them, in the orders and groups that are asked for: made once, then brought
up to date by what changed.

An index is made when an order is first asked for, from a snapshot. The next snapshot shares with it every block in
which nothing changed, so that only what changed is taken out and put in: at 150,000 rows some milliseconds, whatever
the order, and nothing at all while the cluster stands still or nobody asks. Where values are made of other kinds'
objects, such as a deployment's of its pods, the rows behind those that changed are put in anew. An order by a metric
belongs to one answer of Prometheus, and is sorted once for it and for all who see the same. Groups are rows by what
they have in common, such as an owner. What nobody asked for in a while is dropped with the next question.
"""

import threading
import time
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final, Generic, TypeVar, final

from schema.asking.orders import PLACE, Blocks, Order, Placed, compare, ordered, place_of

T = TypeVar("T", bound=Placed)

IDLE_SECONDS: Final = 300.0
KEPT: Final = 24  # at 150,000 rows each takes 1.2 MB, and holds what its snapshot held
PARTS_KEPT: Final = 256  # of what some may see: each is as large as their namespaces are
# With more changes than this, or than one in so many rows, sorting anew is faster.
_MANY: Final = 2_000
_ONE_IN: Final = 16


@dataclass(frozen=True, slots=True)
class Part(Generic[T]):
    """The rows of a kind that somebody may see."""

    key: Hashable  # equal for equal parts
    rows: Callable[[], Iterable[T]]  # by namespace and name
    holds: Callable[[T], bool]


@dataclass(slots=True)
class _Index:
    snapshot: Blocks[Any]
    beside: tuple[Blocks[Any], ...]  # what else its values are made of
    sources: tuple[object, ...]  # held: it is found by their ids
    rows: Sequence[Any]  # replaced, never changed: readers may hold it
    used: float


@dataclass(slots=True)
class _Groups:
    snapshot: Blocks[Any]
    rows: Mapping[Hashable, Sequence[Any]]  # replaced, never changed; each group by namespace and name
    used: float


@final
class Indexes:
    """The indexes in use. Shared by the event loop and the worker thread: one at a time is at work."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._whole: OrderedDict[tuple[object, ...], _Index | _Groups] = OrderedDict()
        self._parts: OrderedDict[tuple[object, ...], _Index | _Groups] = OrderedDict()
        self._lock = threading.RLock()  # values may be made of what is in a group

    def __len__(self) -> int:
        return len(self._whole) + len(self._parts)

    def rows(self, kind: str, snapshot: Blocks[T], order: Order, part: Part[T] | None = None) -> Sequence[T]:
        """All rows of the snapshot in that order; or a part of them."""
        keys = ((key.name, key.descending, id(key.source), key.seen) for key in order)
        name = (kind, None if part is None else part.key, *keys)
        indexes = self._whole if part is None else self._parts
        with self._lock:
            index = indexes.pop(name, None)
            rows = _brought_up(index if isinstance(index, _Index) else None, snapshot, order, part)
            now = self._clock()
            sources = tuple(key.source for key in order)
            indexes[name] = _Index(snapshot, _beside(order), sources, rows, now)
            self._drop_idle(now)
            return rows

    def groups(
        self, kind: str, snapshot: Blocks[T], by: str, keys: Callable[[T], Iterable[Hashable]]
    ) -> Mapping[Hashable, Sequence[T]]:
        """The rows of the snapshot by their keys, of which each may have several; `by` names what the keys are."""
        name = (kind, "groups", by)
        with self._lock:
            now = self._clock()
            groups = self._whole.pop(name, None)
            if not isinstance(groups, _Groups):
                groups = _Groups(snapshot, _grouped(chain.from_iterable(snapshot.blocks), keys), now)
            elif groups.snapshot is not snapshot:
                groups = _Groups(snapshot, _regrouped(groups, snapshot, keys), now)
            groups.used = now
            self._whole[name] = groups
            self._drop_idle(now)
            return groups.rows

    def forget(self, kind: str) -> None:
        """Let go of all orders and groups of a kind."""
        with self._lock:
            for indexes in (self._whole, self._parts):
                for name in [name for name in indexes if name[0] == kind]:
                    del indexes[name]

    def _drop_idle(self, now: float) -> None:
        for indexes, kept in ((self._whole, KEPT), (self._parts, PARTS_KEPT)):
            while len(indexes) > kept or (indexes and next(iter(indexes.values())).used < now - IDLE_SECONDS):
                indexes.popitem(last=False)


def _brought_up(index: _Index | None, snapshot: Blocks[T], order: Order, part: Part[T] | None) -> Sequence[T]:
    """The rows in order as of this snapshot: those of the index where nothing changed."""
    if index is not None:
        if index.snapshot is snapshot and all(map(_same, index.beside, _beside(order))):
            return index.rows
        rows = _updated(index, snapshot, order, part)
        if rows is not None:
            return rows
    return ordered(chain.from_iterable(snapshot.blocks) if part is None else part.rows(), order)


def _updated(index: _Index, snapshot: Blocks[T], order: Order, part: Part[T] | None) -> Sequence[T] | None:
    """The index's rows as of another snapshot; None where too much has changed. Rows compare by identity."""
    before = _rows_only_in(index.snapshot, snapshot)
    after = _rows_only_in(snapshot, index.snapshot)
    moved = _moved(index.beside, order)
    if part is not None:
        after, moved = set(filter(part.holds, after)), set(filter(part.holds, moved))
    gone, new = (before - after) | moved, (after - before) | moved
    if len(new) > min(_MANY, len(index.rows) // _ONE_IN + 1):
        return None
    rows: list[T] = [row for row in index.rows if row not in gone] if gone else list(index.rows)
    for row in new:
        place = place_of(row, order)
        rows.insert(bisect_left(rows, 0, key=lambda each: compare(each, place, order)), row)
    return rows


def _beside(order: Order) -> tuple[Blocks[Any], ...]:
    return tuple(each.objects for key in order for each in key.beside)


def _same(one: object, other: object) -> bool:
    return one is other


def _moved(before: Collection[Blocks[Any]], order: Order) -> set[Any]:
    """The rows whose values may have changed with objects of other kinds."""
    moved: set[Any] = set()
    for then, beside in zip(before, (each for key in order for each in key.beside), strict=True):
        changed = _rows_only_in(then, beside.objects) ^ _rows_only_in(beside.objects, then)
        moved.update(chain.from_iterable(map(beside.rows, changed)))
    return moved


def _grouped(rows: Iterable[T], keys: Callable[[T], Iterable[Hashable]]) -> Mapping[Hashable, Sequence[T]]:
    groups: dict[Hashable, list[T]] = {}
    for row in rows:
        for key in keys(row):
            groups.setdefault(key, []).append(row)
    return groups


def _regrouped(
    groups: _Groups, snapshot: Blocks[T], keys: Callable[[T], Iterable[Hashable]]
) -> Mapping[Hashable, Sequence[T]]:
    """The groups as of another snapshot; those in which nothing changed stay the same."""
    before = _rows_only_in(groups.snapshot, snapshot)
    after = _rows_only_in(snapshot, groups.snapshot)
    gone, new = before - after, after - before
    if len(new) > _MANY:
        return _grouped(chain.from_iterable(snapshot.blocks), keys)
    rows = dict(groups.rows)
    joining = _grouped(new, keys)
    for key in {*joining, *(key for row in gone for key in keys(row))}:
        members = [row for row in rows.pop(key, ()) if row not in gone] + [*joining.get(key, ())]
        if members:
            rows[key] = sorted(members, key=PLACE)
    return rows


def _rows_only_in(one: Blocks[T], other: Blocks[T]) -> set[T]:
    known = set(map(id, other.blocks))
    changed: Iterable[tuple[T, ...]] = (block for block in one.blocks if id(block) not in known)
    return set(chain.from_iterable(changed))
