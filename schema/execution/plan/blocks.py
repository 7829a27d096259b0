"""Blocks: the encoded items of one list, or of a stretch of a long one, kept for the next answer.

Most lists stand in the next answer where they stood in this one, and are the same. Where some of a block's objects have
changed, what is new alone is encoded, and put in its place: a node that has 30 pods takes a tenth of the time when one
of them changes.
"""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, islice
from operator import attrgetter, indexOf, is_, is_not
from typing import Any, Final, TypeAlias, final

from msgspec import Struct

# By object, the offset behind its last byte.
Ends: TypeAlias = "array[int]"
# Lists up to this length are one block; longer ones are cut into blocks of about half of it.
BLOCK_OBJECTS: Final = 512


class Block(Struct, frozen=True, gc=False):
    """Objects, which compare by identity, and what they are encoded as: JSON without the list's brackets.

    There are thousands, and no cycles among them: the garbage collector is not to look at them.
    """

    objects: tuple[Any, ...]
    encoded: bytes
    ends: "Ends | None" = None  # where each of them ends in it, once some have been another's

    def shows(self, objects: tuple[Any, ...]) -> bool:
        return self.objects is objects or self.objects == objects


class EncodedList(Struct, frozen=True, eq=False, gc=False):
    """A list of an answer, in its blocks. For the garbage collector they are as these: there are thousands."""

    objects: tuple[Any, ...]  # the list itself where it is one block, else those of the first
    blocks: tuple[Block, ...]


# In the place of a list that is not kept: it is found for none, as nobody else has its object.
NOTHING: Final = EncodedList((object(),), ())
# By site: the lists of one field of the document, in the order in which an execution came upon them.
EncodedLists: TypeAlias = Mapping[int, Sequence[EncodedList]]

_OBJECTS: Final = attrgetter("objects")


def changed(found: Iterable[EncodedList], lists: Iterable[Any]) -> Iterable[bool]:
    """Whether each list is another than was found for it. Each answer asks that of all: no step is one of Python's."""
    return map(is_not, map(_OBJECTS, found), lists)


@final
class Earlier:
    """The lists of one site in the execution before."""

    def __init__(self, lists: Sequence[EncodedList]) -> None:
        self._lists = lists
        self._next = 0
        self._by_first: dict[int, EncodedList] | None = None

    def found(self, lists: Sequence[Any]) -> list[EncodedList]:
        """What may show most of each of these, which come next in the document's order.

        That is what stood in the same place, if most of them still stand there. If lists have come or gone before them,
        it is what began with the same object.
        """
        there = self._lists[self._next : self._next + len(lists)]
        self._next += len(lists)
        if len(there) == len(lists) and 2 * sum(map(is_, map(_OBJECTS, there), lists)) >= len(lists):
            return list(there)
        others = [*there, *[NOTHING] * (len(lists) - len(there))]
        if not self._lists:
            return others
        if self._by_first is None:
            self._by_first = {id(each.objects[0]): each for each in self._lists}  # it holds them: no other has their id
        return [
            self._by_first.get(id(each[0]), other) if isinstance(each, (tuple, list)) and each else other
            for each, other in zip(lists, others, strict=True)
        ]


def candidates(earlier: EncodedList, cuts: Sequence[tuple[Any, ...]]) -> list[Block | None]:
    """For each stretch of a list the block of an earlier list that may show most of it."""
    if len(earlier.blocks) <= len(cuts) == 1:
        return [*earlier.blocks] or [None]
    known = {(id(each.objects[0]), id(each.objects[-1])): each for each in earlier.blocks}
    return [known.get((id(each[0]), id(each[-1]))) for each in cuts]


def together(blocks: Sequence[Block | None]) -> EncodedList:
    """A list of these blocks; NOTHING if there is none, or if one is missing."""
    known = tuple(filter(None, blocks))
    return EncodedList(known[0].objects, known) if known and len(known) == len(blocks) else NOTHING


class Mending(Struct, frozen=True, eq=False, gc=False):
    """How a block comes of an earlier one: its first objects, then some that are new, then its last ones."""

    objects: tuple[Any, ...]
    new: tuple[Any, ...]
    block: Block
    ends: Ends
    head: int
    tail: int

    def mended(self, rows: Sequence[bytes]) -> Block:
        """`rows`: the new objects, each as it is encoded."""
        text, ends, last = self.block.encoded, self.ends, len(self.ends) - self.tail
        start = ends[self.head - 1] + 1 if self.head else 0
        if len(rows) == last - self.head and text[start : ends[last - 1]] == b",".join(rows):
            return Block(self.objects, text, ends)  # what has changed is not shown
        before = (text[: start - 1],) if self.head else ()
        behind = (text[ends[last - 1] + 1 if last else 0 :],) if self.tail else ()
        encoded = b",".join((*before, *rows, *behind))
        moved = array("I", map((len(encoded) - len(text)).__add__, ends[last:]))
        return Block(self.objects, encoded, ends[: self.head] + _ends(rows, start) + moved)


def mending(block: Block, objects: tuple[Any, ...], first_field: str) -> Mending | None:
    """How a block shows other objects; None where it does not help.

    That is where too much is new, or where it cannot be told where one object ends.
    """
    head, tail = _unchanged(block.objects, objects)
    new = objects[head : len(objects) - tail]
    if not (head or tail) or len(new) > min(len(block.objects), len(objects)) // 2:
        return None
    ends = block.ends or _found_ends(block, first_field)
    return None if ends is None else Mending(objects, new, block, ends, head, tail)


def _unchanged(old: tuple[Any, ...], now: tuple[Any, ...]) -> tuple[int, int]:
    """How many of the first objects are the same, and how many of the last ones."""
    shorter = min(len(old), len(now))
    head = _same(old, now, shorter)
    if head < len(old) == len(now) and old[head + 1 :] == now[head + 1 :]:  # one for one, as most of them
        return head, shorter - head - 1
    return head, min(_same(reversed(old), reversed(now), shorter), shorter - head)


def _same(some: Iterable[Any], others: Iterable[Any], shorter: int) -> int:
    """How many of the first ones are the same. Behind the first that is not, nothing is touched: it may be far away."""
    try:
        return indexOf(map(is_not, some, others), True)
    except ValueError:
        return shorter


def _found_ends(block: Block, first_field: str) -> "Ends | None":
    """Where the objects of a block end, found in its text; None if that cannot be told.

    Between two of them stand `},{` and the first field's name. In a text the quotation mark would be escaped, so that
    this stands elsewhere only within an object, in a list of others that begin alike: then it is found too often.
    """
    border = b'},{"%b":' % first_field.encode()
    rows = block.encoded[len(border) - 2 : -1].split(border)
    return _ends(rows, 0, len(border) - 1) if len(rows) == len(block.objects) else None


def _ends(rows: Iterable[bytes], start: int, more: int = 0) -> Ends:
    """Where objects end that follow each other from `start` on, each as long as its row and `more`."""
    steps = map((1 + more).__add__, map(len, rows))  # with the comma before it, of which the first has none
    return array("I", islice(accumulate(steps, initial=start - 1), 1, None))


def cut(objects: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    """A long list in blocks of some hundred objects, whose borders the objects themselves decide.

    A border stands where an object's address says so: an object more or less moves no border but its neighbours', so
    that all other blocks stay what they were. (Positions would shift all blocks behind it.)
    """
    if len(objects) <= BLOCK_OBJECTS:
        return [objects]
    # Fibonacci hashing: addresses are multiples of 16 and often evenly spaced; these eight bits are as good as random.
    # Behind the last object there is no border: the block after it would be empty.
    borders = [at for at, each in enumerate(objects[:-1], 1) if not (id(each) >> 4) * 2_654_435_769 & 0xFF_0000]
    return [objects[start:stop] for start, stop in zip([0, *borders], [*borders, len(objects)], strict=True)]
