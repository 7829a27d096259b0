"""How enums of the sources become enums of the schema."""

import strawberry
from strawberry.types.enum import StrawberryEnumDefinition

from schema.sources.described import Described


def graphql_enum(members: type[Described], name: str, description: str) -> None:
    """Make an enum of the sources one of the schema; its values bring their own descriptions."""
    strawberry.enum(members, name=name, description=description)
    definition: StrawberryEnumDefinition = members.__strawberry_definition__  # type: ignore[attr-defined]
    for value, member in zip(definition.values, members, strict=True):
        value.description = member.description
