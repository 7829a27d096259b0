"""The shape of an answer: which fields, by which names, with which arguments, nested how.

Two operations of one shape have one plan, however they are written: fragments, directives and variables are applied
already, by graphql-core's own functions.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import strawberry
from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    GraphQLField,
    GraphQLNamedType,
    GraphQLObjectType,
    OperationDefinitionNode,
    OperationType,
    get_named_type,
    is_leaf_type,
)
from graphql.execution.collect_fields import (
    FieldDetailsList,
    FragmentDetails,
    GroupedFieldSet,
    collect_fields,
    collect_subfields,
)
from graphql.execution.values import VariableValues, get_argument_values
from strawberry.types.arguments import convert_arguments
from strawberry.types.field import StrawberryField

TYPENAME: Final = "__typename"
_DEFINITION: Final = "strawberry-definition"  # where Strawberry keeps its own field behind graphql-core's

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

    @property
    def strawberry(self) -> StrawberryField | None:
        return None if self.definition is None else self.definition.extensions[_DEFINITION]


Shape: TypeAlias = tuple[FieldShape, ...]


def shape_of(
    schema: strawberry.Schema,
    operation: OperationDefinitionNode,
    fragments: Mapping[str, FragmentDefinitionNode],
    variables: VariableValues,
) -> tuple[Shape, Nodes]:
    """The shape of a validated query with coerced variables. Raises Unplannable, and what bad arguments raise."""
    core = schema._schema  # noqa: SLF001 - Strawberry has no public name for its graphql-core schema
    if operation.operation is not OperationType.QUERY or core.query_type is None:
        raise Unplannable(operation.operation.value)
    details = {name: FragmentDetails(definition) for name, definition in fragments.items()}
    walk = _Walk(schema, operation, details, variables)
    collected = collect_fields(core, details, variables, core.query_type, operation)
    return walk.selection(core.query_type, collected.grouped_field_set), tuple(walk.nodes)


@dataclass(slots=True)
class _Walk:
    schema: strawberry.Schema
    operation: OperationDefinitionNode
    fragments: dict[str, FragmentDetails]
    variables: VariableValues
    nodes: list[list[FieldNode]] = field(default_factory=list)

    def selection(self, parent: GraphQLObjectType, fields: GroupedFieldSet) -> Shape:
        return tuple(self._field(parent, name, details) for name, details in fields.items())

    def _field(self, parent: GraphQLObjectType, name: str, details: FieldDetailsList) -> FieldShape:
        node = details[0].node
        site = len(self.nodes)
        self.nodes.append([each.node for each in details])
        if node.name.value == TYPENAME:
            return FieldShape(name, f"{parent.name}.{TYPENAME}", (), (), site, None, {})
        definition = parent.fields.get(node.name.value)
        if definition is None:
            raise Unplannable(node.name.value)  # __schema and __type
        values = get_argument_values(definition, node, self.variables, details[0].fragment_variable_values)
        return FieldShape(
            name,
            f"{parent.name}.{node.name.value}",
            _hashable(values),
            self._inside(get_named_type(definition.type), details),
            site,
            definition,
            self._keywords(definition, values),
        )

    def _inside(self, inner: GraphQLNamedType, details: FieldDetailsList) -> Shape:
        if isinstance(inner, GraphQLObjectType):
            collected = collect_subfields(
                self.schema._schema,  # noqa: SLF001
                self.fragments,
                self.variables,
                self.operation,
                inner,
                details,
            )
            return self.selection(inner, collected.grouped_field_set)
        if is_leaf_type(inner):
            return ()
        raise Unplannable(inner.name)

    def _keywords(self, definition: GraphQLField, values: dict[str, Any]) -> dict[str, Any]:
        """Converted once for all calls: resolvers read their arguments, and never change them."""
        strawberry_field: StrawberryField = definition.extensions[_DEFINITION]
        return convert_arguments(
            values,
            strawberry_field.arguments,
            scalar_registry=self.schema.schema_converter.scalar_registry,
            config=self.schema.config,
        )


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
