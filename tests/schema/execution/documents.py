"""Random documents: what hypothesis-graphql generates for a schema, made more like what people write.

It generates valid selections and arguments. Added here: aliases, fields twice, inline and named fragments, @skip and
@include with literals and variables, __typename, and arguments that name what exists.
"""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from graphql import (
    FieldNode,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    SelectionSetNode,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
    parse,
    print_ast,
)

VARIABLES: Final = {"yes": True, "no": False}
_CONDITIONS: Final = ("true", "false", "$yes", "$no")
_LITERALS: Final = {"Boolean": ("true", "false"), "Int": ("0", "1", "2", "3", "80", "8080", "5", "-1")}
_AGES: Final = ("1h", "7d", "2000d", "soon")
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


def asking(schema: GraphQLSchema, chance: random.Random, words: Sequence[str]) -> str:
    """A document that asks lists at the root, and the lists in what these show, with random arguments."""
    query = schema.query_type
    assert query is not None
    lists = [name for name, field in query.fields.items() if _is_asked(field) and "by" not in field.args]
    return _Asker(chance, words).selection(query, chance.sample(lists, 3), depth=3)


def _is_asked(field: GraphQLField) -> bool:
    return "filter" in field.args and "limit" in field.args


@dataclass
class _Asker:
    chance: random.Random
    words: Sequence[str]

    def selection(self, parent: GraphQLObjectType, names: Sequence[str], depth: int) -> str:
        return f"{{ {' '.join(self._list(name, parent.fields[name], depth) for name in names)} }}"

    def _list(self, name: str, field: GraphQLField, depth: int) -> str:
        kind = get_named_type(field.type)
        assert isinstance(kind, GraphQLObjectType)
        leaves = [each for each, inner in kind.fields.items() if is_leaf_type(get_named_type(inner.type))][:3]
        asked = [each for each, inner in kind.fields.items() if _is_asked(inner)] if depth > 1 else []
        inside = self.selection(kind, self.chance.sample(asked, min(len(asked), 4)), depth - 1)
        arguments = self._arguments(field)
        return f"{name}{f'({arguments})' if arguments else ''} {{ {' '.join(leaves)} {inside[2:-2]} }}"

    def _arguments(self, field: GraphQLField) -> str:
        odds = {"filter": 0.6, "orderBy": 0.6, "limit": 0.3}
        given = [name for name in odds if self.chance.random() < odds[name]]
        return ", ".join(f"{name}: {self._value(name, field.args[name].type)}" for name in given)

    def _value(self, name: str, kind: GraphQLInputType, depth: int = 0) -> str:
        match get_nullable_type(kind):
            case GraphQLList() as several:
                values = (self._value(name, several.of_type, depth) for _ in range(self.chance.choice((1, 2))))
                return f"[{', '.join(values)}]"
            case GraphQLEnumType() as members:
                return str(self.chance.choice([*members.values]))
            case GraphQLInputObjectType() as made:
                return self._input(made, depth)
        scalar = get_named_type(kind).name
        if scalar in _LITERALS:
            return self.chance.choice(_LITERALS[scalar])
        return f'"{self.chance.choice(_AGES if name.endswith("Than") else self.words)}"'

    def _input(self, made: GraphQLInputObjectType, depth: int) -> str:
        fields = [name for name in made.fields if name != "not" or depth < 2]
        if "direction" in fields:
            fields = [self.chance.choice([name for name in fields if name != "direction"]), "direction"]
        elif made.fields:
            fields = self.chance.sample(fields, self.chance.choice((1, 1, 2)))
        return f"{{{', '.join(f'{name}: {self._value(name, made.fields[name].type, depth + 1)}' for name in fields)}}}"


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
