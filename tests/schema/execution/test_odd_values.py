"""Nulls, errors and values that need conversion: a plan completes them exactly as graphql-core does."""

import random
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, cast

import msgspec
import pytest
import strawberry
from graphql import Undefined
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis_graphql import queries
from strawberry.schema.config import StrawberryConfig

from auth.access import Visibility
from auth.errors import BadRequest
from schema.execution.context import GraphInfo
from schema.execution.plan.kinds import STRUCTS_FROM
from schema.execution.plan.operations import Operations
from schema.execution.prepare import Documents
from schema.execution.settings import ExecutionSettings
from schema.execution.view import View
from tests.schema.execution.documents import VARIABLES, decorated
from tests.schema.execution.side_by_side import by_graphql_core, by_plan, found, prepared

pytestmark = pytest.mark.thorough


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Thing(msgspec.Struct, frozen=True, eq=False):
    """A record that holds whatever its GraphQL type does not allow, and two that are what they declare."""

    title: str
    note: str | None
    text: Any
    number: Any
    share: Any
    flag: Any
    colour: Any
    words: Any
    grid: Any
    inner: Any
    things: Any


@dataclass(frozen=True)
class OddView:
    """As much of a View as these resolvers and the keeper need."""

    snapshot: object
    visibility: Visibility
    root: tuple[Thing, ...]


def _shout(root: strawberry.Parent[Thing]) -> str:
    text: str = root.text.upper()  # not every text has it
    return text


def _refused(root: strawberry.Parent[Thing], info: GraphInfo) -> str:
    if root.flag is not True:
        raise BadRequest(f"no {root.number}")
    return "yes"


def _returned(root: strawberry.Parent[Thing], times: int = 1) -> str | None:
    return ValueError("returned") if root.flag is None else "x" * (times % 5)  # type: ignore[return-value]


def _text(root: strawberry.Parent[Thing]) -> str | None:
    return root.text  # type: ignore[no-any-return]


def _note(root: strawberry.Parent[Thing]) -> str | None:
    return root.note


def _inner(root: strawberry.Parent[Thing]) -> Any:
    return root.inner


def _things(root: strawberry.Parent[Thing]) -> Any:
    return root.things


def _all(info: GraphInfo) -> Any:
    return info.context.view.root  # type: ignore[attr-defined]


def _first(info: GraphInfo) -> Any:
    return info.context.view.root[0]  # type: ignore[attr-defined]


@strawberry.type(name="Thing")
class ThingType:
    title: str
    note: str | None
    sure_note: str = strawberry.field(resolver=_note)  # type: ignore[assignment] # as it turns out
    text: str
    text_or_null: str | None = strawberry.field(resolver=_text)
    number: int
    share: float | None
    flag: bool | None
    colour: Annotated[Colour, strawberry.enum(Colour)]
    words: list[str]
    grid: list[list[int | None] | None] | None
    inner: "ThingType | None"
    sure: "ThingType" = strawberry.field(resolver=_inner)
    things: "list[ThingType | None] | None"
    sure_things: "list[ThingType] | None" = strawberry.field(resolver=_things)
    shout: str = strawberry.field(resolver=_shout)
    refused: str = strawberry.field(resolver=_refused)
    refused_or_null: str | None = strawberry.field(resolver=_refused)
    returned: str | None = strawberry.field(resolver=_returned)


@strawberry.type
class Query:
    things: list[ThingType | None] | None = strawberry.field(resolver=_all)
    sure_things: list[ThingType] = strawberry.field(resolver=_all)
    thing: ThingType | None = strawberry.field(resolver=_first)
    sure_thing: ThingType = strawberry.field(resolver=_first)


SCHEMA = strawberry.Schema(query=Query, config=StrawberryConfig(info_class=GraphInfo))
QUERIES = queries(SCHEMA._schema)

# Mostly right: a list that is odd throughout would never be tried by columns.
TEXT = ("a", "b", "c", "ä", "d", None, 7, 1.5, True, b"x", ValueError("text"))
NUMBER = (1, 2, 3, 4, 5, -(2**31), 2**31, 2**40, 1.0, 1.5, True, "7", "x", None)
SHARE = (0.5, 1.0, 1e300, 0.1, None, 3, float("nan"), float("inf"), True, "1.5", "x")
FLAG = (True, True, True, False, None, 1, "x")
COLOUR = (Colour.RED, Colour.BLUE, Colour.RED, "red", "RED", None, 3)
WORDS = ((), ("a", "b"), ["c"], ("d",), None, "text", ("a", None), (7,), 7, {"a": 1}, iter(()))
GRID = (((1, 2), (3,)), (), None, ((1, None), None), ((2**40,),), 5)


PLAIN = Thing("A thing", None, "a", 1, 0.5, True, Colour.RED, (), ((1, 2), (3,)), None, ())
ODD = {
    "text": TEXT,
    "number": NUMBER,
    "share": SHARE,
    "flag": FLAG,
    "colour": COLOUR,
    "words": WORDS,
    "grid": GRID,
    "inner": (PLAIN, None, ValueError("inner"), 7),
    "things": ((PLAIN,), None, 5, (PLAIN, None, ValueError("one"))),
}
SELECTED = {"inner": "inner { text } sure { number }", "things": "things { text } sureThings { number }"}


def things(chance: random.Random, depth: int = 2, *, odd: float) -> tuple[Thing, ...]:
    def one(values: tuple[Any, ...]) -> Any:
        return chance.choice(values) if chance.random() < odd else values[0]

    def nested() -> tuple[Thing | None, ...]:
        inside = things(chance, depth - 1, odd=odd) if depth else ()
        return tuple(None if chance.random() < odd / 4 else each for each in inside)

    return tuple(
        Thing(
            title=chance.choice(("one", "öne", 'with "quotes"')),
            note=chance.choice((None, "noted")) if odd else "noted",
            text=one(TEXT),
            number=one(NUMBER),
            share=one(SHARE),
            flag=one(FLAG),
            colour=one(COLOUR),
            words=one(WORDS),
            grid=one(GRID),
            inner=next(iter(nested()), None),
            things=one((nested(), None, 5)),
        )
        for _ in range(chance.choice((1, 3, 5, 6)))
    )


def hold_side_by_side(text: str, views: list[OddView]) -> None:
    """With rows as of short lists, and as of long ones."""
    documents = Documents()
    document = prepared(documents, SCHEMA, text)
    with pytest.MonkeyPatch.context() as patch:
        for structs_from in (STRUCTS_FROM, 1):
            patch.setattr("schema.execution.plan.run.STRUCTS_FROM", structs_from)
            operation = found(Operations(ExecutionSettings()), SCHEMA, document, VARIABLES)
            for each in views:
                view = cast("View", each)
                assert by_plan(operation, view) == by_graphql_core(SCHEMA, document, VARIABLES, view), text


@settings(
    max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), phases=[Phase.generate]
)
@given(text=QUERIES, seed=st.integers(0, 2**32), odd=st.sampled_from((0.0, 0.02, 0.1, 0.5)))
def test_odd_values_are_completed_as_graphql_core_does(text, seed, odd):
    """Conversions, errors at their places, and null where an error takes the place of what holds it."""
    chance = random.Random(seed)
    views = [OddView(object(), Visibility({}), things(chance, odd=odd)) for _ in range(2)]

    hold_side_by_side(decorated(SCHEMA._schema, str(text), chance), [*views, *views])


@pytest.mark.parametrize("field", ODD)
def test_one_odd_value_among_plain_ones(field):
    """Each odd value alone in a list that columns would complete, of nullable and of other items."""
    text = f"{{ things {{ {SELECTED.get(field, field)} }} sureThings {{ {SELECTED.get(field, field)} flag }} }}"
    for value in ODD[field]:
        odd = msgspec.structs.replace(PLAIN, **{field: value})
        hold_side_by_side(text, [OddView(object(), Visibility({}), (PLAIN, PLAIN, odd, PLAIN, PLAIN))])


@pytest.mark.parametrize("selected", ["text", "__typename", "refusedOrNull", "textOrNull", "text refused"])
@pytest.mark.parametrize("item", [None, Undefined, ValueError("an item"), BadRequest("an item")])
def test_one_item_that_is_no_object(selected, item):
    """Null, and errors returned as items, also where no field would look at them."""
    text = f"{{ things {{ {selected} }} }}"
    hold_side_by_side(text, [OddView(object(), Visibility({}), (PLAIN, PLAIN, item, PLAIN, PLAIN))])
