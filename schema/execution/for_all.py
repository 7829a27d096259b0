"""Resolvers that answer for a whole list at once, where one call per object would cost more than what it does.

Such a field has its ordinary resolver too, which is the one for all, called for one object: graphql-core calls that,
and so does a plan wherever objects stand alone.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from strawberry.types.field import StrawberryField

_FOR_ALL: Final = "binnacle/for-all"

# Called with the objects, with info (its place is the first object's), and with the field's arguments; what it returns
# stands in the order of the objects. It must not fail for one object alone.
ResolveAll: TypeAlias = Callable[..., Sequence[Any]]


def for_all(resolve_all: ResolveAll) -> Mapping[str, ResolveAll]:
    """Field metadata."""
    return {_FOR_ALL: resolve_all}


def resolver_of_all(definition: StrawberryField) -> ResolveAll | None:
    resolve_all: ResolveAll | None = definition.metadata.get(_FOR_ALL)
    return resolve_all
