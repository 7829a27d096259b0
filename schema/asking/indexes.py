"""Whole kinds in the orders and groups that are asked for: made once, then brought up to date by what changed.

An index is made when an order is first asked for, from a snapshot. The next snapshot shares with it every block in
which nothing changed, so that only what changed is taken out and put in: at 150,000 rows some milliseconds, whatever
the order, and nothing at all while the cluster stands still or nobody asks. An order by a metric belongs to one answer
of Prometheus, and is sorted once for it. Groups are rows by what they have in common, such as an owner. What nobody
asked for in a while is dropped with the next question.
"""

import threading
import time
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final, Protocol, TypeVar, final

from schema.asking.orders import PLACE, Order, Placed, compare, ordered, place_of

T_co = TypeVar("T_co", bound=Placed, covariant=True)
T = TypeVar("T", bound=Placed)

IDLE_SECONDS: Final = 300.0
KEPT: Final = 24  # at 150,000 rows each takes 1.2 MB, and holds what its snapshot held
# With more changes than this, sorting anew is faster.
_MANY: Final = 2_000


class Blocks(Protocol[T_co]):
    """A snapshot, in blocks that stay the same tuple until one of their rows changes."""

    @property
    def blocks(self) -> Sequence[tuple[T_co, ...]]: ...


@dataclass(slots=True)
class _Index:
    order: Order
    snapshot: Blocks[Any]
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
        self._indexes: OrderedDict[tuple[object, ...], _Index | _Groups] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._indexes)

    def rows(self, kind: str, snapshot: Blocks[T], order: Order) -> Sequence[T]:
        """All rows of the snapshot in that order."""
        name = (kind, *((key.name, key.descending, id(key.source)) for key in order))
        with self._lock:
            now = self._clock()
            index = self._indexes.pop(name, None)
            if not isinstance(index, _Index):
                index = _Index(order, snapshot, ordered(chain.from_iterable(snapshot.blocks), order), now)
            elif index.snapshot is not snapshot:
                index = _Index(index.order, snapshot, _updated(index, snapshot), now)
            index.used = now
            self._indexes[name] = index
            self._drop_idle(now)
            return index.rows

    def groups(
        self, kind: str, snapshot: Blocks[T], by: str, keys: Callable[[T], Iterable[Hashable]]
    ) -> Mapping[Hashable, Sequence[T]]:
        """The rows of the snapshot by their keys, of which each may have several; `by` names what the keys are."""
        name = (kind, "groups", by)
        with self._lock:
            now = self._clock()
            groups = self._indexes.pop(name, None)
            if not isinstance(groups, _Groups):
                groups = _Groups(snapshot, _grouped(chain.from_iterable(snapshot.blocks), keys), now)
            elif groups.snapshot is not snapshot:
                groups = _Groups(snapshot, _regrouped(groups, snapshot, keys), now)
            groups.used = now
            self._indexes[name] = groups
            self._drop_idle(now)
            return groups.rows

    def forget(self, kind: str) -> None:
        """Let go of all orders and groups of a kind."""
        with self._lock:
            for name in [name for name in self._indexes if name[0] == kind]:
                del self._indexes[name]

    def _drop_idle(self, now: float) -> None:
        while len(self._indexes) > KEPT or next(iter(self._indexes.values())).used < now - IDLE_SECONDS:
            self._indexes.popitem(last=False)


def _updated(index: _Index, snapshot: Blocks[T]) -> Sequence[T]:
    """The index's rows as of another snapshot. Rows compare by identity: a changed row is another one."""
    before = _rows_only_in(index.snapshot, snapshot)
    after = _rows_only_in(snapshot, index.snapshot)
    gone, new = before - after, after - before
    if len(new) > _MANY:
        return ordered(chain.from_iterable(snapshot.blocks), index.order)
    rows: list[T] = [row for row in index.rows if row not in gone] if gone else list(index.rows)
    for row in new:
        place = place_of(row, index.order)
        rows.insert(bisect_left(rows, 0, key=lambda each: compare(each, place, index.order)), row)
    return rows


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
