"""Nothing that answers leave behind holds a kind that is given back."""

import sys
from collections.abc import Mapping
from typing import Any, cast

import strawberry
from strawberry.schema.config import StrawberryConfig

from auth.access import Access, AccessNeed
from auth.identity import Identity
from auth.reviewers import Attributes, Decision
from auth.settings import AuthSettings
from schema.asking.orders import By
from schema.execution.context import GraphContext, GraphInfo, listable
from schema.execution.gather import Gatherer
from schema.execution.needs import FieldNeeds, needing
from schema.execution.plan.operations import Operations
from schema.execution.prepare import Documents
from schema.execution.settings import ExecutionSettings
from schema.sources.kubernetes.objects import PodRecord
from tests.schema.execution.side_by_side import found, prepared
from tests.schema.execution.test_gather import NoMetrics
from tests.schema.sources.kubernetes.test_kinds_on_demand import IDLE_S, WIDGETS, World

BY_NAME = (By("NAME", lambda widget: widget.name, descending=True),)
ADMIN = Identity("admin")


class Everything:
    async def authenticate(self, token: str) -> Identity:
        return ADMIN

    async def decide(self, identity: Identity, attributes: Attributes) -> Decision:
        return Decision(allowed=True)


def _widgets_needs(_reach: object) -> FieldNeeds:
    return FieldNeeds(access=(AccessNeed(WIDGETS.resource),), kinds=(WIDGETS,))


def _name(root: strawberry.Parent[PodRecord]) -> str:
    return root.name


@strawberry.type
class Widget:
    name: str = strawberry.field(resolver=_name)


def _widgets(info: GraphInfo) -> list[Widget] | None:
    if listable(info, WIDGETS.resource) is None:
        return None
    view = info.context.view
    return cast("list[Widget]", view.indexes.rows(WIDGETS.key, view.snapshot.of(WIDGETS), BY_NAME))


@strawberry.type
class Query:
    widgets: list[Widget] | None = strawberry.field(resolver=_widgets, metadata=needing(_widgets_needs))


async def test_answers_blocks_and_orders_let_go_of_a_kind_that_is_given_back():
    """Each object is held by nobody any more, although answers, encoded blocks and a sorted index were kept of them."""
    schema = strawberry.Schema(query=Query, config=StrawberryConfig(info_class=GraphInfo))
    world, operations = World(), Operations(ExecutionSettings())
    world.widgets.put("b")
    await world.until(lambda: world.cluster.synced)
    gatherer = Gatherer(world.cluster, NoMetrics(), Access(Everything(), lambda _: (), AuthSettings()))
    world.cluster.when_given_back(gatherer.forget)
    world.cluster.when_given_back(operations.forget_kind)
    operation = found(operations, schema, prepared(Documents(), schema, "{ widgets { name } }"), {})
    assert operation.plan is not None

    async def answered() -> Mapping[str, Any]:
        context = GraphContext(headers=(), identity=ADMIN)
        context.view = await gatherer.view(ADMIN, operation.needs)
        assert operation.plan is not None
        data, errors = operation.plan.execute(context, operation.nodes)
        assert data is not None
        assert not errors
        return dict(data.plain)

    data = await answered()
    (record, _) = world.cluster.snapshot().of(WIDGETS)
    assert sys.getrefcount(record) > len(("record", "the argument")), "it is held, so there is something to let go"
    await world.time.move_on(IDLE_S)
    held = sys.getrefcount(record)
    again = await answered()
    await world.end()

    assert data == again == {"widgets": [{"name": "b"}, {"name": "a"}]}
    assert held == len(("record", "the argument"))
