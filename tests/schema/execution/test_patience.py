"""Whoever executes in a thread looks whether anybody still waits: once a list and once a block, never once a field."""

import pytest
from graphql import execute_sync

from schema.execution.context import GraphContext
from schema.execution.patience import GivenUp, Patience
from schema.execution.plan.blocks import BLOCK_OBJECTS
from schema.execution.plan.operations import Operations
from schema.execution.prepare import Documents
from schema.execution.settings import ExecutionSettings
from schema.execution.view import View
from schema.schema import describe
from tests.schema.execution.side_by_side import context_of, found, prepared
from tests.schema.execution.world import ADMIN, World

SCHEMA = describe()
NODES, PODS = 4, 3 * BLOCK_OBJECTS
PURE = "{ pods { name namespace phase labels { key value } } }"
ASKED = "{ pods { name node { name } } }"  # a resolver for each row
NESTED = "{ nodes { name pods { name phase } } }"


class Counted(Patience):
    """Ends by itself when it is looked at for the last time."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self.looks = 0
        self._last = looks

    def check(self) -> None:
        self.looks += 1
        if self.looks == self._last:
            self.end()
        super().check()


async def context_for(text: str, looks: int) -> tuple[GraphContext, View, Counted]:
    world = World(1, nodes=NODES, pods=PODS)
    operation = found(Operations(ExecutionSettings()), SCHEMA, prepared(Documents(), SCHEMA, text), {})
    view = await world.view(ADMIN, operation.needs)
    context, patience = context_of(view), Counted(looks)
    context.patience = patience
    return context, view, patience


@pytest.mark.parametrize("text", [PURE, ASKED, NESTED])
async def test_a_plan_looks_once_a_block_and_once_a_list(text: str):
    """As often as there are some hundred objects, or lists; and not as often as there are objects."""
    context, _, patience = await context_for(text, looks=0)
    operation = found(Operations(ExecutionSettings()), SCHEMA, prepared(Documents(), SCHEMA, text), {})
    assert operation.plan is not None
    operation.plan.execute(context, operation.nodes)

    assert min(PODS // BLOCK_OBJECTS, NODES) <= patience.looks < 20


@pytest.mark.parametrize("text", [PURE, ASKED, NESTED])
async def test_a_plan_ends_where_it_looks_and_keeps_nothing(text: str):
    """What catches a resolver's exceptions, to make errors of them, catches not this one."""
    context, view, patience = await context_for(text, looks=3)
    operation = found(Operations(ExecutionSettings()), SCHEMA, prepared(Documents(), SCHEMA, text), {})
    assert operation.plan is not None

    with pytest.raises(GivenUp):
        operation.plan.execute(context, operation.nodes)

    assert patience.looks == 3
    assert operation.plan.kept(view, operation.nodes) is None


async def test_graphql_core_ends_at_the_next_list():
    """Its own handling of exceptions lets this one pass too."""
    context, _, patience = await context_for(NESTED, looks=3)

    with pytest.raises(GivenUp):
        execute_sync(SCHEMA._schema, prepared(Documents(), SCHEMA, NESTED).document, context_value=context)

    assert patience.looks == 3
