"""Random documents: what hypothesis-graphql generates for a schema, made more like what people write.

It generates valid selections and arguments. Added here: aliases, fields twice, inline and named fragments, @skip and
@include with literals and variables, __typename, and arguments that name what exists.
"""

import random
import re
from collections.abc import Sequence
from typing import Final

from graphql import (
    FieldNode,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    SelectionSetNode,
    get_named_type,
    parse,
    print_ast,
)

VARIABLES: Final = {"yes": True, "no": False}
_CONDITIONS: Final = ("true", "false", "$yes", "$no")
_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"')


def decorated(schema: GraphQLSchema, text: str, chance: random.Random, words: Sequence[str] = ()) -> str:
    """The document with all of that here and there; its variables are VARIABLES."""
    (operation,) = parse(text).definitions
    assert isinstance(operation, OperationDefinitionNode)
    writer = _Writer(chance, words)
    body = writer.selections(operation.selection_set, schema.query_type)
    document = "\n".join((body, *writer.fragments))
    used = ", ".join(f"${name}: Boolean!" for name in VARIABLES if f"${name}" in document)
    return f"query ({used}) {document}" if used else document


class _Writer:
    def __init__(self, chance: random.Random, words: Sequence[str]) -> None:
        self._chance = chance
        self._words = words
        self._names = 0
        self.fragments: list[str] = []

    def selections(self, selected: SelectionSetNode, parent: GraphQLNamedType | None) -> str:
        assert isinstance(parent, GraphQLObjectType)
        parts = [self._dressed(each, parent) for each in selected.selections if isinstance(each, FieldNode)]
        if self._chance.random() < 0.1:
            parts.append("__typename")
        return f"{{ {' '.join(parts)} }}"

    def _dressed(self, node: FieldNode, parent: GraphQLObjectType) -> str:
        field = self._field(node, parent)
        dresses = (
            lambda: f"{field} {self._name()}: {field}",
            lambda: f"{field} {field}",
            lambda: f"... {{ {field} }}",
            lambda: f"... on {parent.name} {self._condition()} {{ {field} }}",
            lambda: f"... {self._condition()} {{ {field} {self._name()}: {field} }}",
            lambda: self._as_fragment(field, parent),
        )
        return self._chance.choice(dresses)() if self._chance.random() < 0.5 else field

    def _as_fragment(self, field: str, parent: GraphQLObjectType) -> str:
        name = self._name()
        self.fragments.append(f"fragment {name} on {parent.name} {{ {field} }}")
        return f"...{name} {self._condition()} ...{name}"

    def _field(self, node: FieldNode, parent: GraphQLObjectType) -> str:
        name = node.name.value
        arguments = ", ".join(self._argument(print_ast(each)) for each in node.arguments or ())
        call = f"{name}({arguments})" if arguments else name
        if node.selection_set is None:
            return call
        return f"{call} {self.selections(node.selection_set, get_named_type(parent.fields[name].type))}"

    def _argument(self, text: str) -> str:
        if not self._words:
            return text
        return _STRING.sub(lambda _found: f'"{self._chance.choice(self._words)}"', text)

    def _condition(self) -> str:
        return f"@{self._chance.choice(('skip', 'include'))}(if: {self._chance.choice(_CONDITIONS)})"

    def _name(self) -> str:
        self._names += 1
        return f"n{self._names}"
