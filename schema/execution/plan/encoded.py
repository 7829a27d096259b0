"""An answer's `data` as the bytes that leave, and as plain data for whoever reads it in Python."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias, final

import orjson

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
    """The data of one answer. The HTTP layer sends `encoded` as it is; reading it as a mapping decodes it once.

    What the HTTP layer makes of it, such as its compressed form, can be kept with it: one of each sort, for as long as
    the answer itself is kept, and within the bound for all that is (keeping.Keeper).
    """

    __slots__ = ("_decoded", "_made", "encoded", "keeper")

    def __init__(self, encoded: bytes) -> None:
        self.encoded = encoded
        self.keeper: Callable[[EncodedData, str, Made], None] | None = None  # of the answer, if it is kept
        self._decoded: dict[str, Any] | None = None
        self._made: dict[str, Made] = {}

    @property
    def size(self) -> int:
        """In bytes, with what is kept beside."""
        return len(self.encoded) + sum(made.size for made in self._made.values())

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
        return f"EncodedData({len(self.encoded)} bytes)"
