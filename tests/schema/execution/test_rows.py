"""Rows as structs, which msgspec encodes, are to the byte what rows as dictionaries are, which orjson encodes."""

from enum import Enum

import orjson
import pytest
import strawberry
from graphql import GraphQLEnumType
from msgspec import Struct, json

from schema.execution.plan.rows import Standing, row_builder


@strawberry.enum
class Sort(Enum):
    ONE = "one"
    OTHER = "other"


class Thing(Struct):
    text: str | None
    flag: bool
    number: int
    sort: Sort | None


@pytest.fixture(scope="module")
def sort_type() -> GraphQLEnumType:
    @strawberry.type
    class Query:
        sort: Sort

    found = strawberry.Schema(Query)._schema.type_map["Sort"]
    assert isinstance(found, GraphQLEnumType)
    return found


def both(things: list[Thing], sort_type: GraphQLEnumType, *names: str) -> tuple[bytes, bytes]:
    sources = (
        Standing("text", None),
        Standing("flag", None),
        Standing("number", None),
        Standing("sort", sort_type),
    )
    structs = row_builder(names, sources, structs=True)(things)
    return json.encode(structs), orjson.dumps(row_builder(names, sources)(things))


def test_every_character_is_written_alike(sort_type: GraphQLEnumType):
    """Also what JSON must escape, and what it may."""
    texts = ["".join(map(chr, range(start, start + 64))) for start in range(0, 0xD800, 64)]
    texts += ["".join(map(chr, range(start, start + 64))) for start in range(0xE000, 0x110000, 64)]
    things = [Thing(text, index % 2 == 0, index, Sort.ONE) for index, text in enumerate(texts)]

    structs, dictionaries = both(things, sort_type, "text", "flag", "number", "sort")

    assert structs == dictionaries


def test_null_numbers_and_members_are_written_alike(sort_type: GraphQLEnumType):
    """By names that are no Python: GraphQL has its own words."""
    numbers = (0, -1, 2**31, -(2**63), 2**63 - 1)
    things = [Thing(None, False, number, sort) for number in numbers for sort in (None, Sort.OTHER)]

    structs, dictionaries = both(things, sort_type, "class", "_", "None", "__name")

    assert structs == dictionaries
    assert b'"class":null,"_":false,"None":0,"__name":"OTHER"' in structs
