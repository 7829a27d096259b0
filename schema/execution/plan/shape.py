"""The shape of an answer: which fields, by which names, with which arguments, nested how.

Two operations of one shape have one plan, however they are written: fragments, directives and variables are applied
already, by graphql-core's own functions.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from graphql import (
    FieldNode,
    GraphQLField,
    GraphQLNamedType,
    GraphQLObjectType,
    OperationType,
    get_named_type,
    is_leaf_type,
)
from graphql.execution.collect_fields import FieldDetailsList, GroupedFieldSet
from strawberry.types.field import StrawberryField

from schema.execution.reading import Reading, strawberry_field

TYPENAME: Final = "__typename"

# The nodes of the document behind each field, by the field's site: errors stand where their own document has them.
Nodes: TypeAlias = tuple[list[FieldNode], ...]


class Unplannable(Exception):  # noqa: N818 - says what the operation is; it is executed by graphql-core
    """A part of the operation is nothing that a plan does."""


@dataclass(frozen=True, slots=True)
class FieldShape:
    """One field of the answer. Equal shapes are equal answers over one View; `site` counts fields from the root on."""

    name: str  # in the answer
    coordinate: str  # in the schema: "Node.pods"
    arguments: Any  # as graphql-core coerced them, made hashable
    selection: tuple["FieldShape", ...]
    site: int
    definition: GraphQLField | None = field(compare=False)  # None: __typename
    keywords: Mapping[str, Any] = field(compare=False)  # the arguments, as the resolver takes them
    _hash: int = field(init=False, compare=False)  # of all that is inside: looked up several times

    def __post_init__(self) -> None:
        compared = (self.name, self.coordinate, self.arguments, self.selection, self.site)
        object.__setattr__(self, "_hash", hash(compared))

    def __hash__(self) -> int:
        return self._hash

    @property
    def strawberry(self) -> StrawberryField | None:
        return None if self.definition is None else strawberry_field(self.definition)


Shape: TypeAlias = tuple[FieldShape, ...]


def shape_of(reading: Reading) -> tuple[Shape, Nodes]:
    """The shape of a validated query. Raises Unplannable, and what bad arguments raise."""
    if reading.operation.operation is not OperationType.QUERY:
        raise Unplannable(reading.operation.operation.value)
    walk = _Walk(reading)
    return walk.selection(reading.query_type, reading.root()), tuple(walk.nodes)


@dataclass(slots=True)
class _Walk:
    reading: Reading
    nodes: list[list[FieldNode]] = field(default_factory=list)

    def selection(self, parent: GraphQLObjectType, fields: GroupedFieldSet) -> Shape:
        return tuple(self._once(parent, name, details) for name, details in fields.items())

    def _once(self, parent: GraphQLObjectType, name: str, details: FieldDetailsList) -> FieldShape:
        """Sites are the same too, where nothing before can be left out."""
        site = len(self.nodes)

        def make() -> tuple[FieldShape, list[list[FieldNode]]]:
            shape = self._field(parent, name, details)
            return shape, self.nodes[site:]

        shape, nodes = self.reading.once(details, make)
        self.nodes[site:] = nodes
        return shape

    def _field(self, parent: GraphQLObjectType, name: str, details: FieldDetailsList) -> FieldShape:
        node = details[0].node
        site = len(self.nodes)
        self.nodes.append([each.node for each in details])
        if node.name.value == TYPENAME:
            return FieldShape(name, f"{parent.name}.{TYPENAME}", (), (), site, None, {})
        definition = parent.fields.get(node.name.value)
        if definition is None:
            raise Unplannable(node.name.value)  # __schema and __type
        arguments = self.reading.arguments(definition, details)
        return FieldShape(
            name,
            f"{parent.name}.{node.name.value}",
            _hashable(arguments.values),
            self._inside(get_named_type(definition.type), details),
            site,
            definition,
            arguments.keywords,
        )

    def _inside(self, inner: GraphQLNamedType, details: FieldDetailsList) -> Shape:
        if isinstance(inner, GraphQLObjectType):
            return self.selection(inner, self.reading.inside(inner, details))
        if is_leaf_type(inner):
            return ()
        raise Unplannable(inner.name)


def _hashable(value: Any) -> Any:
    """A value that is equal for equal arguments only; the type is part of it, because 1 == True == 1.0."""
    match value:
        case dict():
            return tuple((name, _hashable(each)) for name, each in value.items())
        case list():
            return (list, *map(_hashable, value))
        case _:
            try:
                hash(value)
            except TypeError:
                raise Unplannable(type(value).__name__) from None
            return (type(value), value)
