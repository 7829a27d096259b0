"""Orders: by several keys, each up or down, then by namespace and name; what has no value stands last either way."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from heapq import nlargest, nsmallest
from itertools import islice
from operator import attrgetter, itemgetter
from typing import Any, Final, Protocol, TypeVar

T_co = TypeVar("T_co", covariant=True)


class Placed(Protocol):
    """What stands in an order: every record has these."""

    @property
    def namespace(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def uid(self) -> str: ...


class Blocks(Protocol[T_co]):
    """A snapshot, in blocks that stay the same tuple until one of their objects changes."""

    @property
    def blocks(self) -> Sequence[tuple[T_co, ...]]: ...


T = TypeVar("T")
Value = str | float | int | bool | None
ValueOf = Callable[[Any], Value]

PLACE: Final = attrgetter("namespace", "name", "uid")
_VALUE: Final = itemgetter(0)
# Up to this share of the rows, picking the first ones is faster than sorting all.
_FEW: Final = 8


@dataclass(frozen=True, slots=True)
class Beside:
    """Objects of another kind, of which the values of rows are made."""

    objects: Blocks[Any]  # as they are now
    rows: Callable[[Any], Iterable[Any]]  # of which rows, as they are now, one of them is part


@dataclass(frozen=True, slots=True)
class By:
    """One key of an order. `name` says which; values depend on the rows, and on what else is named here."""

    name: str
    value: ValueOf
    descending: bool = False
    nullable: bool = False  # values may be None: those stand last
    source: object = None  # what they are read from, such as a metric's; the very object
    seen: Hashable = None  # what of all else is looked at, by equality
    beside: tuple[Beside, ...] = ()


Order = tuple[By, ...]
NATURAL: Final[Order] = ()


def first(rows: Sequence[T], order: Order, limit: int | None) -> Sequence[T]:
    """The first `limit` rows in this order (None: all). `rows` come sorted by namespace and name."""
    if not order:
        return rows if limit is None else rows[:limit]
    if limit is not None and len(order) == 1 and limit * _FEW <= len(rows):
        return _picked(rows, order[0], limit)
    return ordered(rows, order)[:limit]


def ordered(rows: Iterable[T], order: Order) -> list[T]:
    """All rows in this order. `rows` come sorted by namespace and name, which decides between equals."""
    found = list(rows)
    for key in reversed(order):  # sorting is stable: the first key is applied last
        if not key.nullable:
            found.sort(key=key.value, reverse=key.descending)  # type: ignore[arg-type] # one sort of value a key
            continue
        values = [(key.value(row), row) for row in found]
        present = sorted((pair for pair in values if pair[0] is not None), key=_VALUE, reverse=key.descending)
        found = [row for _, row in present] + [row for value, row in values if value is None]
    return found


def _picked(rows: Sequence[T], key: By, limit: int) -> list[T]:
    values = [(key.value(row), row) for row in rows]
    pick = nlargest if key.descending else nsmallest
    picked = [row for _, row in pick(limit, [pair for pair in values if pair[0] is not None], key=_VALUE)]
    return picked + list(islice((row for value, row in values if value is None), limit - len(picked)))


def place_of(row: Placed, order: Order) -> tuple[Value, ...]:
    """Where a row stands: its value of each key, then namespace, name and uid."""
    return (*(key.value(row) for key in order), *PLACE(row))


def compare(row: Placed, place: Sequence[Value], order: Order) -> int:
    """Negative, zero or positive: the row stands before, at or behind a place."""
    for key, theirs in zip(order, place, strict=False):
        step = _compare(key.value(row), theirs, descending=key.descending)
        if step:
            return step
    here, there = PLACE(row), tuple(place[len(order) :])
    return (here > there) - (here < there)


def _compare(ours: Any, theirs: Any, *, descending: bool) -> int:
    """Two values of one key, of one sort or None."""
    if ours == theirs:
        return 0
    if ours is None or theirs is None:
        return 1 if ours is None else -1
    return 1 if (ours > theirs) != descending else -1
