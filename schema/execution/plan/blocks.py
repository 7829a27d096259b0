"""Blocks: the encoded items of one list, or of a stretch of a long one, kept for the next answer.

A block is found again by its first and its last object. Where others between them have changed, what is new alone is
encoded, and put in their place: a node that has 30 pods takes a tenth of the time when one of them changes.
"""

from collections.abc import Iterable, Mapping, Sequence
from operator import indexOf, is_not
from typing import Any, Final, NamedTuple, TypeAlias

from msgspec import Struct

# Lists up to this length are one block; longer ones are cut into blocks of about half of it.
BLOCK_OBJECTS: Final = 512


class Block(Struct, frozen=True, gc=False):
    """Objects, which compare by identity, and what they are encoded as: JSON without the list's brackets.

    There are thousands, and no cycles among them: the garbage collector is not to look at them.
    """

    objects: tuple[Any, ...]
    encoded: bytes

    def shows(self, objects: tuple[Any, ...]) -> bool:
        return self.objects is objects or self.objects == objects


class Place(Struct, frozen=True, gc=False):
    """Where a block is found again. As tuples, these would be most of what the garbage collector has to look at."""

    site: int  # of the list
    first: Any  # object of the block
    last: Any


Blocks: TypeAlias = Mapping[Place, Block]


class Mending(NamedTuple):
    """How a block comes of an earlier one: what is left of that before and behind the objects that are new."""

    objects: tuple[Any, ...]
    new: tuple[Any, ...]
    before: Sequence[bytes]
    behind: Sequence[bytes]
    opening: bytes  # of each object: its brace, and the name of its first field

    def mended(self, encoded: bytes) -> Block:
        """`encoded`: the new objects, as a block of their own would have them."""
        middle = (encoded[len(self.opening) : -1],) if self.new else ()
        return Block(self.objects, (b"}," + self.opening).join((*self.before, *middle, *self.behind)))


def mending(block: Block, objects: tuple[Any, ...], first_field: str) -> Mending | None:
    """How a block at the same place shows other objects; None where it does not help.

    That is where too much is new, or where it cannot be told where one object ends. Between two of them stand `},{` and
    the first field's name. In a text the quotation mark would be escaped, so that this stands elsewhere only within an
    object, in a list of others that begin alike: then it is found too often.
    """
    old = block.objects
    shorter = min(len(old), len(objects))
    head = _same(old, objects, shorter)
    tail = min(_same(reversed(old), reversed(objects), shorter), shorter - head)
    new = objects[head : len(objects) - tail]
    if not (head and tail) or len(new) > shorter // 2:
        return None
    opening = b'{"%b":' % first_field.encode()
    parts = block.encoded.split(b"}," + opening)
    if len(parts) != len(old):
        return None
    return Mending(objects, new, parts[:head], parts[-tail:], opening)


def _same(some: Iterable[Any], others: Iterable[Any], shorter: int) -> int:
    """How many of the first ones are the same. Behind the first that is not, nothing is touched: it may be far away."""
    try:
        return indexOf(map(is_not, some, others), True)
    except ValueError:
        return shorter


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
