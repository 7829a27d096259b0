"""One page of an ordered list, by keyset: it begins behind a row's place, not at a number.

In orders by keys that never change (name, namespace, creation) a walk through the pages sees every row that lives
throughout exactly once, whatever comes and goes meanwhile. In others a row that moves may be seen twice or not at all.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeAlias, TypeVar

from auth.errors import InvalidArgument
from schema.asking import cursors
from schema.asking.orders import Order, Placed, Value, compare, place_of

T = TypeVar("T", bound=Placed)

DEFAULT_PAGE: Final = 100
LONGEST_PAGE: Final = 1_000
_LOOK: Final = 1_024  # so many rows at first, then twice as many each time
_FEW: Final = 4_096  # all of them are looked at in less than a millisecond

Choose: TypeAlias = Callable[[Iterable[T]], list[T]]  # what a filter leaves of some rows, in their order


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

    def around(self, rows: Sequence[Placed], order: Order) -> tuple[int, int]:
        """From where to where in the rows, which come in this order; whether or not those of its places still exist."""
        start = 0 if self.after is None else _behind(rows, self.after, order)
        end = len(rows) if self.before is None else max(_at(rows, self.before, order), start)
        return start, end


def check_size(argument: str, size: int | None, limit: int | None = None) -> None:
    """Raise InvalidArgument unless `size` is left out or from 0 to the limit."""
    if size is None or (size >= 0 and (limit is None or size <= limit)):
        return
    refused = f"`{argument}` is {size}; it must be"
    if limit is None:
        raise InvalidArgument(f"{refused} at least 0", argument=argument)
    raise InvalidArgument(f"{refused} from 0 to {limit}", argument=argument, limit=limit)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """The rows of one page, with what stands around them."""

    rows: Sequence[T]
    cursors: Sequence[str]
    total: Callable[[], int]  # of all pages: all rows have to be looked at for it
    has_previous: bool
    has_next: bool


def page(rows: Sequence[T], order: Order, bounds: Bounds, of: bytes, choose: Choose[T] = list) -> Page[T]:
    """One page of what `choose` leaves of `rows`, which come in this order; `of` is the list's fingerprint.

    No more rows are looked at than it takes to fill the page and to tell whether something stands around it.
    """
    if len(rows) <= _FEW:
        rows, choose = choose(rows), list
    start, end = bounds.around(rows, order)
    if bounds.last is None:
        found = leading(rows, choose, bounds.first + 1, start, end)
        shown = found[: bounds.first]
        more_before, more_behind = False, len(found) > len(shown)
    else:
        found = _trailing(rows, choose, bounds.last + 1, start, end)
        shown = found[max(0, len(found) - bounds.last) :]
        more_before, more_behind = len(found) > len(shown), False
    return Page(
        shown,
        [cursors.encode(place_of(row, order), of) for row in shown],
        total=lambda: len(choose(rows)),
        has_previous=more_before or bool(_trailing(rows, choose, 1, 0, start)),
        has_next=more_behind or bool(leading(rows, choose, 1, end)),
    )


def leading(rows: Sequence[T], choose: Choose[T], limit: int, start: int = 0, end: int | None = None) -> list[T]:
    """The first `limit` that `choose` leaves of the rows from `start` to `end`: no more are looked at than it takes."""
    end = len(rows) if end is None else end
    found: list[T] = []
    look = _LOOK
    while start < end and len(found) < limit:
        found += choose(rows[start : min(start + look, end)])
        start, look = start + look, look * 2
    return found[:limit]


def _trailing(rows: Sequence[T], choose: Choose[T], limit: int, start: int, end: int) -> list[T]:
    """As `leading`, but the last ones, in their order."""
    found: list[T] = []
    look = _LOOK
    while start < end and len(found) < limit:
        found = choose(rows[max(start, end - look) : end]) + found
        end, look = end - look, look * 2
    return found[max(0, len(found) - limit) :]


def _behind(rows: Sequence[Placed], place: Sequence[Value], order: Order) -> int:
    """Where the rows behind a place begin, whether or not the row of that place still exists."""
    return bisect_right(rows, 0, key=lambda row: compare(row, place, order))


def _at(rows: Sequence[Placed], place: Sequence[Value], order: Order) -> int:
    return bisect_left(rows, 0, key=lambda row: compare(row, place, order))
