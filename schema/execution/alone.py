"""Resolvers that, with some arguments, depend on their object alone, though with others they ask for more.

Such a field has its ordinary resolver too, which is told `info` and is what graphql-core calls. A plan knows the
arguments beforehand: where they allow it, it takes the function of the object in that one's place, and reads whole
columns with it as of any other pure field.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from strawberry.types.field import StrawberryField

from auth.errors import ClientError

_ALONE: Final = "binnacle/alone"

OfObject: TypeAlias = Callable[[Any], Any]
# Called with the field's arguments, as the resolver gets them: what this returns, or raises, of an object alone. None
# where the arguments ask for more. Raises ClientError where they cannot be used: so does the resolver, of any object.
Alone: TypeAlias = Callable[..., OfObject | None]


def alone(of: Alone) -> Mapping[str, Alone]:
    """Field metadata."""
    return {_ALONE: of}


def of_object(definition: StrawberryField, arguments: Mapping[str, Any]) -> OfObject | None:
    """None where the field asks for more than its object, or is refused."""
    of: Alone | None = definition.metadata.get(_ALONE)
    try:
        return None if of is None else of(**arguments)
    except ClientError:
        return None


def refused(definition: StrawberryField, arguments: Mapping[str, Any]) -> bool:
    """Whether the resolver raises of whatever object, for arguments that cannot be used."""
    of: Alone | None = definition.metadata.get(_ALONE)
    try:
        if of is not None:
            of(**arguments)
    except ClientError:
        return True
    return False
