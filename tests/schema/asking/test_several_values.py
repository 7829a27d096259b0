"""Filters with several values leave what those with one of them leave, on every list at the root."""

from typing import cast

import orjson
import pytest
from graphql import GraphQLEnumType, GraphQLInputObjectType, GraphQLList, get_named_type, get_nullable_type

from schema.execution.limits import Limits
from schema.execution.plan.operations import Operations
from schema.execution.prepare import Documents
from schema.execution.settings import ExecutionSettings, LimitSettings
from schema.schema import describe
from schema.sources.kubernetes import kinds
from tests.schema.execution.side_by_side import by_plan, found, prepared
from tests.schema.execution.world import ADMIN, World, made

SCHEMA = describe()
QUERY = SCHEMA._schema.query_type
assert QUERY is not None
# Each list with the type of its filter.
FILTERS: dict[str, GraphQLInputObjectType] = {
    name: cast("GraphQLInputObjectType", get_named_type(field.args["filter"].type))
    for name, field in QUERY.fields.items()
    if "filter" in field.args and isinstance(get_nullable_type(field.type), GraphQLList) and name != "podCounts"
}
# What is there in that world, beside the names that it uses by itself.
WORDS = (
    *("Ready", "Running", "Pending", "Failed", "Complete", "web:1", "ClusterIP", "Deployment", "Active", "10.1.0.1"),
    *("data", "rs", "db", "cron", "job", "agent", "small", "calm", "grow"),
)
WIDE = LimitSettings(fields=10_000, aliases=10_000, root_fields=10_000, cost=10**9)


def pairs(kind: GraphQLInputObjectType) -> list[tuple[str, str]]:
    """The fields of a filter that take one value, each with the one that takes several; the world repeats its ids."""
    plurals = ((name, plural) for name in kind.fields for plural in (f"{name}s", f"{name}es"))
    return [(name, plural) for name, plural in plurals if plural in kind.fields and name not in ("id", "objectId")]


class Asking:
    def __init__(self) -> None:
        self.world = World(11)

    async def left(self, field: str, filters: list[str]) -> list[list[tuple[str, ...]]]:
        """Where the objects are that each of the filters leaves; all in one question."""
        placed = "namespace name" if "namespace" in FILTERS[field].fields else "name"
        lists = (f"a{at}: {field}(filter: {{{wanted}}}) {{ {placed} }}" for at, wanted in enumerate(filters))
        document = prepared(Documents(Limits(WIDE)), SCHEMA, f"{{ {' '.join(lists)} }}")
        operation = found(Operations(ExecutionSettings()), SCHEMA, document, {})
        data, errors = by_plan(operation, await self.world.view(ADMIN, operation.needs))
        assert errors == []
        return [[tuple(row.values()) for row in rows] for rows in orjson.loads(data).values()]


@pytest.mark.parametrize("field", FILTERS)
async def test_several_values_leave_what_each_of_them_leaves(field: str):
    """Nothing twice, and in the list's own order."""
    asking, kind = Asking(), FILTERS[field]
    (every,) = await asking.left(field, [""])
    words = [f'"{word}"' for word in (*WORDS, *asking.world.words()) if len(word) < 200]
    matched = 0
    for one, several in pairs(kind):
        members = get_named_type(kind.fields[one].type)
        values = list(members.values) if isinstance(members, GraphQLEnumType) else list(dict.fromkeys(words))
        each = dict(zip(values, await asking.left(field, [f"{one}: {value}" for value in values]), strict=True))
        known, others = [value for value in values if each[value]][:2], [value for value in values if not each[value]]
        wanted = [*known, *others[:1]]
        (together,) = await asking.left(field, [f"{several}: [{', '.join(wanted)}]"])
        assert together == [row for row in every if any(row in each[value] for value in known)], (one, wanted)
        matched += bool(known)
    assert matched >= bool(every)


@pytest.mark.parametrize(
    ("field", "wanted", "expected"),
    [
        ("deployments", "ready: true", ["whole"]),
        ("deployments", 'ready: false, namespace: "shop"', ["web"]),
        ("deployments", 'imageContains: "shiny"', ["whole"]),
        ("deployments", 'images: ["shiny:2", "none"], not: {ready: false}', ["whole"]),
        ("daemonSets", "ready: false", ["broken"]),
        ("nodes", 'zones: ["zone-a"], pool: "fast"', ["placed"]),
        ("nodes", 'roles: ["master"]', ["node-0"]),
        ("nodes", 'roles: ["worker"], instanceTypes: ["large", "small"]', ["placed"]),
    ],
)
async def test_workloads_and_nodes_are_filtered_by_what_they_are(field: str, wanted: str, expected: list[str]):
    """By readiness and images; by zone, pool and type of machine."""
    asking = Asking()
    shiny = {"replicas": 2, "template": {"spec": {"containers": [{"name": "main", "image": "shiny:2"}]}}}
    asking.world.put(kinds.DEPLOYMENTS, made("whole", "shop", spec=shiny, status={"readyReplicas": 2}))
    broken = {"desiredNumberScheduled": 2, "numberReady": 1}
    asking.world.put(kinds.DAEMON_SETS, made("broken", "shop", spec=shiny, status=broken))
    labels = {
        "topology.kubernetes.io/zone": "zone-a",
        "karpenter.sh/nodepool": "fast",
        "node.kubernetes.io/instance-type": "large",
    }
    asking.world.put(kinds.NODES, made("placed", labels=labels))

    (left,) = await asking.left(field, [wanted])
    assert [place[-1] for place in left] == expected
