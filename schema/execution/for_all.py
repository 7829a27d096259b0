"""Resolvers that answer for a whole list at once, where one call per object would cost more than what it does.

Such a field has its ordinary resolver too, which is the one for all, called for one object: graphql-core calls that,
and so does a plan wherever objects stand alone.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from strawberry.types.field import StrawberryField

from schema.sources.prometheus.frames import MetricFrame

_FOR_ALL: Final = "binnacle/for-all"
_READS: Final = "binnacle/reads"

# Called with the objects, with info (its place is the first object's), and with the field's arguments; what it returns
# stands in the order of the objects, as columns where it has them so (alike.py). It must not fail for one object alone.
ResolveAll: TypeAlias = Callable[..., Sequence[Any]]
# Called with the view and with the field's arguments: the frames that the answers depend on, beside their objects. None
# where they depend on more than that, or where something is to be told of it: then no answer outlives its request.
ReadsFrames: TypeAlias = Callable[..., Sequence[MetricFrame] | None]


def for_all(resolve_all: ResolveAll, reads: ReadsFrames | None = None) -> Mapping[str, Callable[..., Any]]:
    """Field metadata."""
    return {_FOR_ALL: resolve_all} if reads is None else {_FOR_ALL: resolve_all, _READS: reads}


def resolver_of_all(definition: StrawberryField) -> ResolveAll | None:
    resolve_all: ResolveAll | None = definition.metadata.get(_FOR_ALL)
    return resolve_all


def frames_read_by(definition: StrawberryField) -> ReadsFrames | None:
    reads: ReadsFrames | None = definition.metadata.get(_READS)
    return reads
