"""An operation as graphql-core reads it: what each of its selection sets comes to, and the arguments of each field.

Two walk through an operation and ask for the same (needs.py and plan/shape.py). And what mentions no variable stays
what it is, whatever the variables are: it is read once per document.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeVar, final

import strawberry
from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    GraphQLField,
    GraphQLObjectType,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    ValueNode,
    VariableNode,
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

T = TypeVar("T")

_DEFINITION: Final = "strawberry-definition"  # where Strawberry keeps its own field behind graphql-core's


def strawberry_field(definition: GraphQLField) -> StrawberryField:
    field: StrawberryField = definition.extensions[_DEFINITION]
    return field


class Arguments(NamedTuple):
    """The arguments of a field."""

    values: Mapping[str, Any]  # as graphql-core coerced them
    keywords: Mapping[str, Any]  # as the resolver takes them, who reads them and never changes them


@final
class Constants:
    """What was read of one document and holds for all variables. By the identity of nodes, which the document holds."""

    def __init__(self, text: str) -> None:
        # Whether something is selected at all may depend on variables.
        self.conditional = "@" in text
        self.selected: dict[int, GroupedFieldSet] = {}
        self.arguments: dict[tuple[int, int], Arguments] = {}
        self.made: dict[int, Any] = {}  # of some fields and all that is inside, by whoever walks


@final
class Reading:
    """One operation with its variables. Raises what graphql-core raises of arguments that cannot be used."""

    def __init__(
        self,
        schema: strawberry.Schema,
        operation: OperationDefinitionNode,
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: VariableValues,
        constants: Constants,
    ) -> None:
        self.operation = operation
        self._schema = schema
        self._core = schema._schema  # noqa: SLF001 - Strawberry has no public name for its graphql-core schema
        self._fragments = {name: FragmentDetails(definition) for name, definition in fragments.items()}
        self._variables = variables
        self._constants = constants
        self._selected = {} if constants.conditional else constants.selected
        self._arguments: dict[tuple[int, int], Arguments] = {}
        self._varied = 0  # how often arguments were read that vary

    @property
    def query_type(self) -> GraphQLObjectType:
        assert self._core.query_type  # noqa: S101 - no schema is without
        return self._core.query_type

    def root(self) -> GroupedFieldSet:
        """The fields of the operation."""
        key = id(self.operation)
        if key not in self._selected:
            found = collect_fields(self._core, self._fragments, self._variables, self.query_type, self.operation)
            self._selected[key] = found.grouped_field_set
        return self._selected[key]

    def inside(self, kind: GraphQLObjectType, details: FieldDetailsList) -> GroupedFieldSet:
        """The fields selected of a field of this type, which `root` or `inside` has given."""
        key = id(details)
        if key not in self._selected:
            found = collect_subfields(self._core, self._fragments, self._variables, self.operation, kind, details)
            self._selected[key] = found.grouped_field_set
        return self._selected[key]

    def arguments(self, definition: GraphQLField, details: FieldDetailsList) -> Arguments:
        node = details[0].node
        key = id(definition), id(node)
        known = self._constants.arguments.get(key)
        if known is not None:
            return known
        varies = _varies(node)
        self._varied += varies
        known = self._arguments.get(key)
        if known is None:
            values = get_argument_values(definition, node, self._variables, details[0].fragment_variable_values)
            known = Arguments(values, self._keywords(definition, values))
            (self._arguments if varies else self._constants.arguments)[key] = known
        return known

    def once(self, details: FieldDetailsList, make: Callable[[], T]) -> T:
        """What `make` makes of a field and all that is inside; made once per document, if all of that is constant."""
        made: T | None = self._constants.made.get(id(details))
        if made is None:
            before = self._varied
            made = make()
            if self._varied == before and not self._constants.conditional:
                self._constants.made[id(details)] = made
        return made

    def _keywords(self, definition: GraphQLField, values: dict[str, Any]) -> dict[str, Any]:
        return convert_arguments(
            values,
            strawberry_field(definition).arguments,
            scalar_registry=self._schema.schema_converter.scalar_registry,
            config=self._schema.config,
        )


def _varies(node: FieldNode) -> bool:
    return any(_mentions_variable(argument.value) for argument in node.arguments or ())


def _mentions_variable(value: ValueNode) -> bool:
    match value:
        case VariableNode():
            return True
        case ListValueNode():
            return any(map(_mentions_variable, value.values))
        case ObjectValueNode():
            return any(_mentions_variable(field.value) for field in value.fields)
    return False
