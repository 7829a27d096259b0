"""How an answer tells that a kind cannot be read: at the fields that show it, once each, the rest stands."""

from collections.abc import Mapping

import pytest
import strawberry
from msgspec.structs import replace
from strawberry.schema.config import StrawberryConfig

from auth.access import AccessNeed
from schema.execution.context import GraphContext, GraphInfo, listable, refuse_look_up, watched
from schema.execution.needs import FieldNeeds, needing
from schema.execution.plan.operations import Operations
from schema.execution.prepare import Documents
from schema.execution.settings import ExecutionSettings
from schema.sources.kubernetes.kinds import DEPLOYMENTS, PODS, REPLICA_SET_OWNERS
from tests.schema.execution.side_by_side import found, prepared
from tests.schema.execution.world import ADMIN, World


def _list_needs(_reach: object) -> FieldNeeds:
    return FieldNeeds(access=(AccessNeed(DEPLOYMENTS.resource),))


def _one_needs(_reach: object) -> FieldNeeds:
    return FieldNeeds(access=(AccessNeed(DEPLOYMENTS.resource, frozenset({"shop"}), "web"),))


def _owners_needs(_reach: object) -> FieldNeeds:
    return FieldNeeds(access=(AccessNeed(REPLICA_SET_OWNERS.resource),), kinds=(REPLICA_SET_OWNERS,))


def _pods_needs(_reach: object) -> FieldNeeds:
    return FieldNeeds(access=(AccessNeed(PODS.resource),))


def _several(info: GraphInfo) -> int | None:
    return None if listable(info, DEPLOYMENTS.resource) is None else len(info.context.view.snapshot.of(DEPLOYMENTS))


def _one(info: GraphInfo) -> int | None:
    return None if refuse_look_up(info, DEPLOYMENTS.resource, "shop", "web") else 1


def _owners(info: GraphInfo) -> int | None:
    return len(info.context.view.snapshot.of(REPLICA_SET_OWNERS)) if watched(info, REPLICA_SET_OWNERS) else None


def _pods(info: GraphInfo) -> int | None:
    return None if listable(info, PODS.resource) is None else len(info.context.view.snapshot.pods)


@strawberry.type
class Query:
    several: int | None = strawberry.field(resolver=_several, metadata=needing(_list_needs))
    one: int | None = strawberry.field(resolver=_one, metadata=needing(_one_needs))
    owners: int | None = strawberry.field(resolver=_owners, metadata=needing(_owners_needs))
    pods: int | None = strawberry.field(resolver=_pods, metadata=needing(_pods_needs))


SCHEMA = strawberry.Schema(query=Query, config=StrawberryConfig(info_class=GraphInfo))
EVERYTHING = "{ several one owners pods }"


async def answer(
    refused: Mapping[str, str], pending: Mapping[str, str]
) -> tuple[Mapping[str, object], Mapping[str, Mapping[str, object]]]:
    """The data, and each error's extensions and message by the field that it stands at."""
    operation = found(Operations(ExecutionSettings()), SCHEMA, prepared(Documents(), SCHEMA, EVERYTHING), {})
    assert operation.plan is not None
    context = GraphContext(headers=(), identity=ADMIN)
    context.view = replace(await World(1).view(ADMIN, operation.needs), refused=refused, pending=pending)
    data, errors = operation.plan.execute(context, operation.nodes)
    assert data is not None
    told = {
        str(error.path[0]): {**(error.extensions or {}), "message": error.message} for error in errors if error.path
    }
    return dict(data.plain), told


async def test_whatever_is_watched_is_shown():
    """Without a problem there is no error."""
    data, errors = await answer({}, {})

    assert data["pods"] == 40
    assert None not in data.values()
    assert errors == {}


@pytest.mark.parametrize("code", ["UNAVAILABLE", "NOT_SYNCED"])
async def test_a_kind_that_cannot_be_read_costs_its_own_fields(code: str):
    """Lists, look-ups and what is behind the metadata say which kind, and why; others are answered."""
    reasons = {"deployments": "because of the rule", "replicasets/metadata": "because of the owners"}
    data, errors = await answer(*({}, reasons) if code == "NOT_SYNCED" else (reasons, {}))

    assert data == {"several": None, "one": None, "owners": None, "pods": 40}
    assert {(field, error["code"]) for field, error in errors.items()} == {
        ("several", code),
        ("one", code),
        ("owners", code),
    }
    assert "because of the rule" in str(errors["several"]["message"])
    assert "because of the owners" in str(errors["owners"]["message"])
    assert errors["several"]["resource"] == "deployments"
    assert errors["one"]["retryAfter"] == 1
