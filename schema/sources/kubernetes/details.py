"""Details: what is read of a record's cold tier when somebody asks for it, the same way for every kind.

    annotations(record)         # of any record: ("note", "kept"), ...

A `Details` is a pure function of its record: the same bytes make the same details, whoever asks and whenever. It says
what it decodes (a struct: of everything else the bytes are skipped) and what it makes of that. The wire's structs have
their own file by domain, spelled as in wire.py; what is made of them are frozen values that compare by value, unlike
records: they are made again whenever they are asked for after a while, and nothing may be kept under their identity.
"""

from collections.abc import Callable
from typing import Final, Generic, Protocol, TypeVar, final

import msgspec
from msgspec import Struct, field

from schema.sources.kubernetes.cold import Rest

W = TypeVar("W")
D_co = TypeVar("D_co", covariant=True)


class HasRest(Protocol):
    """Any record."""

    @property
    def rest(self) -> Rest: ...


@final
class Details(Generic[D_co]):
    """One group of cold fields, read together: what is asked together belongs together, what is large stands alone."""

    def __init__(self, wire: type[W], make: Callable[[W], D_co]) -> None:
        decoder = msgspec.json.Decoder(wire)
        self._read: Callable[[bytes], D_co] = lambda body: make(decoder.decode(body))

    def __call__(self, record: HasRest) -> D_co:
        return record.rest.read(self._read)


class Pair(Struct, frozen=True, gc=False):
    """A key and what it says."""

    key: str
    value: str


def pairs(said: dict[str, str] | None) -> tuple[Pair, ...]:
    """Sorted by key."""
    return tuple(Pair(key, value) for key, value in sorted((said or {}).items()))


class _AnnotatedMeta(Struct, frozen=True, gc=False):
    annotations: dict[str, str] | None = None


class _Annotated(Struct, frozen=True, gc=False):
    metadata: _AnnotatedMeta = field(default_factory=_AnnotatedMeta)


annotations: Final = Details(_Annotated, lambda whole: pairs(whole.metadata.annotations))
