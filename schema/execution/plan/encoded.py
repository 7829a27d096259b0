"""An answer's `data` as the bytes that leave, and as plain data for whoever reads it in Python."""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate, chain
from typing import Any, Final, NamedTuple, TypeAlias, final

import orjson

# What leaves at once: large enough to cost nothing per byte, small enough that a slow reader's share of the memory is.
SLICE_BYTES: Final = 256 * 1024

# Bytes that leave together.
Slice: TypeAlias = Sequence[bytes | memoryview]
# What stands around the data in the body of an answer: errors and extensions, as they were encoded.
Around: TypeAlias = tuple[bytes, ...]


class Made(NamedTuple):
    """Something that was made of a whole body, and of which."""

    around: Around
    bytes: bytes

    @property
    def size(self) -> int:
        return len(self.bytes) + sum(map(len, self.around))


@final
class EncodedData(Mapping[str, Any]):
    """The data of one answer. The HTTP layer sends its slices as they are; reading it as a mapping decodes it once.

    A long one stays in the pieces that it was made of, most of them blocks that the next answer shows again: they are
    put together slice by slice as they leave, and never as a whole.

    What the HTTP layer makes of it, such as its compressed form, can be kept with it: one of each sort, for as long as
    the answer itself is kept, and within the bound for all that is (keeping.Keeper). The next answer takes all of it
    over if it shows the same: most of what changes in a cluster is not what was asked for.
    """

    __slots__ = ("_decoded", "_made", "_own", "_pieces", "keeper", "length", "slices")

    def __init__(self, pieces: Sequence[bytes], own: int | None = None) -> None:
        """`own`: how many of its bytes nobody else keeps; None: all."""
        self.length = sum(map(len, pieces))  # in bytes
        if self.length <= SLICE_BYTES:
            pieces, own = (b"".join(pieces),), None
        self._pieces = tuple(pieces)
        self.slices = slices_of(pieces)
        self.keeper: Callable[[EncodedData, str, Made], None] | None = None  # of the answer, if it is kept
        self._own = self.length if own is None else own
        self._decoded: dict[str, Any] | None = None
        self._made: dict[str, Made] = {}

    def shows(self, pieces: Sequence[bytes]) -> bool:
        """Whether they come to the same. Those of a long one must be the same pieces, as they are told by identity.

        So it may miss that the same is shown where a list of more than a block is cut elsewhere than before.
        """
        if sum(map(len, pieces)) != self.length:
            return False
        return self._pieces == (tuple(pieces) if self.length > SLICE_BYTES else (b"".join(pieces),))

    @property
    def encoded(self) -> bytes:
        """All of it in one piece."""
        return b"".join(chain.from_iterable(self.slices))

    @property
    def size(self) -> int:
        """What it takes to keep, in bytes: with what is kept beside, without what others keep."""
        return self._own + sum(made.size for made in self._made.values())

    def made(self, sort: str, around: Around) -> bytes | None:
        """What was made of a body with this data in the middle, if it is kept."""
        made = self._made.get(sort)
        return made.bytes if made is not None and made.around == around else None

    def keep(self, sort: str, around: Around, made: bytes) -> None:
        """Keep it for who asks again, in the place of what was there of its sort; nothing if the data is not kept."""
        if self.keeper is not None:
            self.keeper(self, sort, Made(around, made))

    def hold(self, sort: str, made: Made) -> int:
        """For the keeper; returns by how many bytes it has grown."""
        before = self.size
        self._made[sort] = made
        return self.size - before

    @property
    def plain(self) -> dict[str, Any]:
        if self._decoded is None:
            self._decoded = orjson.loads(self.encoded)
        return self._decoded

    def __getitem__(self, key: str) -> Any:
        return self.plain[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.plain)

    def __len__(self) -> int:
        return len(self.plain)

    def __repr__(self) -> str:
        return f"EncodedData({self.length} bytes)"


def slices_of(pieces: Sequence[bytes]) -> Sequence[Slice]:
    """The pieces, by slices of SLICE_BYTES and up to a piece more, the last of them shorter; a longer piece is cut."""
    parts: Sequence[bytes | memoryview] = pieces
    if any(map(SLICE_BYTES.__lt__, map(len, pieces))):
        parts = list(chain.from_iterable(map(_cut, pieces)))
    ends = list(accumulate(map(len, parts)))
    slices = []
    start = left = 0
    while start < len(parts):
        stop = bisect_left(ends, left + SLICE_BYTES, start) + 1
        slices.append(tuple(parts[start:stop]))  # which the garbage collector does not look at again and again
        start, left = stop, ends[min(stop, len(ends)) - 1]
    return slices


def _cut(piece: bytes) -> Iterator[memoryview]:
    """Without a copy."""
    view = memoryview(piece)
    return (view[start : start + SLICE_BYTES] for start in range(0, len(piece), SLICE_BYTES))
