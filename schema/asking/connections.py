"""One page of an ordered list, by keyset: it begins behind a row's place, not at a number.

In orders by keys that never change (name, namespace, creation) a walk through the pages sees every row that lives
throughout exactly once, whatever comes and goes meanwhile. In others a row that moves may be seen twice or not at all.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from auth.errors import InvalidArgument
from schema.asking import cursors
from schema.asking.orders import Order, Placed, Value, compare, place_of

T = TypeVar("T", bound=Placed)

DEFAULT_PAGE: Final = 100
LONGEST_PAGE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Window:
    """Which page: `first` rows behind `after`, or `last` rows before `before`; bounds of both apply together."""

    first: int | None = None
    after: str | None = None
    last: int | None = None
    before: str | None = None

    def bounds(self, of: bytes) -> "Bounds":
        """What it means in the list with that fingerprint.

        Raises InvalidArgument for sizes out of bounds and for cursors of another list; it names the argument.
        """
        if self.first is not None and self.last is not None:
            raise InvalidArgument(
                "`first` and `last` cannot both be given: a page is counted from one end", argument="last"
            )
        for argument, size in (("first", self.first), ("last", self.last)):
            check_size(argument, size, LONGEST_PAGE)
        return Bounds(
            DEFAULT_PAGE if self.first is None else self.first,
            self.last,
            None if self.after is None else cursors.decode("after", self.after, of),
            None if self.before is None else cursors.decode("before", self.before, of),
        )


@dataclass(frozen=True, slots=True)
class Bounds:
    """A window whose places are known."""

    first: int = DEFAULT_PAGE  # counts unless `last` is given
    last: int | None = None
    after: tuple[Value, ...] | None = None
    before: tuple[Value, ...] | None = None

    def of(self, rows: Sequence[Placed], order: Order) -> slice:
        """Which of the rows, which come in this order; whether or not the rows of its places still exist."""
        start = 0 if self.after is None else _behind(rows, self.after, order)
        end = len(rows) if self.before is None else max(_at(rows, self.before, order), start)
        if self.last is not None:
            return slice(max(start, end - self.last), end)
        return slice(start, min(end, start + self.first))


def check_size(argument: str, size: int | None, limit: int | None = None) -> None:
    """Raise InvalidArgument unless `size` is left out or from 0 to the limit."""
    if size is not None and (size < 0 or (limit is not None and size > limit)):
        bounds = "at least 0" if limit is None else f"from 0 to {limit}"
        raise InvalidArgument(f"`{argument}` is {size}; it must be {bounds}", argument=argument, limit=limit)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """The rows of one page, with what stands around them."""

    rows: Sequence[T]
    cursors: Sequence[str]
    total: int
    has_previous: bool
    has_next: bool


def page(rows: Sequence[T], order: Order, bounds: Bounds, of: bytes) -> Page[T]:
    """One page of `rows`, which come in this order; `of` is the list's fingerprint."""
    window = bounds.of(rows, order)
    shown = rows[window]
    return Page(
        shown,
        [cursors.encode(place_of(row, order), of) for row in shown],
        total=len(rows),
        has_previous=window.start > 0,
        has_next=window.stop < len(rows),
    )


def _behind(rows: Sequence[Placed], place: Sequence[Value], order: Order) -> int:
    """Where the rows behind a place begin, whether or not the row of that place still exists."""
    return bisect_right(rows, 0, key=lambda row: compare(row, place, order))


def _at(rows: Sequence[Placed], place: Sequence[Value], order: Order) -> int:
    return bisect_left(rows, 0, key=lambda row: compare(row, place, order))
