"""One document, asked with other variables each time: what is read once per document holds for all of them."""

from typing import Any

import pytest

from schema.execution.plan.operations import Operations
from schema.execution.prepare import Documents
from schema.execution.settings import ExecutionSettings
from schema.schema import describe
from tests.schema.execution.side_by_side import by_graphql_core, by_plan, found, prepared
from tests.schema.execution.world import ADMIN, World

SCHEMA = describe()

# Variables as whole arguments, in lists and objects, by default, in fragments and in directives; some unfit for use.
NODE = "query ($node: String!) { node(name: $node) { name pods { name phase } } nodes { name } }"
LISTED = """
query ($phase: String! = "Pending", $limit: Int = 2) { nodes { ...Listed } again: nodes { ...Listed } }
fragment Listed on Node { name pods(filter: {phases: [$phase, "Failed"]}, limit: $limit) { name phase } }
"""
CHOSEN = """
query ($filter: PodFilter, $all: Boolean!) {
  pods(filter: $filter) { name ...More @include(if: $all) }
  nodes { name @skip(if: $all) status }
}
fragment More on Pod { phase node { name } }
"""
MEASURED = """
query ($names: [MetricName!]) {
  nodes { pods(limit: 2) { name metrics(names: $names) { name value } labels { key } } }
}
"""
DOCUMENTS: list[tuple[str, list[dict[str, Any]]]] = [
    (NODE, [{"node": "node-1"}, {"node": "node-2"}, {"node": "nothing"}, {"node": "x" * 400}]),
    (LISTED, [{"phase": "Running"}, {"phase": "Pending", "limit": 1}, {"limit": -1}, {"limit": 3}]),
    (
        CHOSEN,
        [
            {"filter": {"namespace": "shop"}, "all": True},
            {"filter": {"namespace": "shop"}, "all": False},
            {"filter": {"phase": "Failed"}, "all": False},
            {"all": True},
        ],
    ),
    (MEASURED, [{"names": ["CPU_USAGE"]}, {"names": ["MEMORY_USAGE", "CPU_USAGE"]}, {"names": []}, {}]),
]


@pytest.mark.parametrize(("text", "asked"), DOCUMENTS)
async def test_a_document_is_answered_by_its_variables(text: str, asked: list[dict[str, Any]]):
    """In whichever order they come, and twice: as graphql-core answers, which reads everything each time."""
    world, documents, operations = World(7), Documents(), Operations(ExecutionSettings())
    document = prepared(documents, SCHEMA, text)

    for variables in [*asked, *reversed(asked)]:
        operation = found(operations, SCHEMA, document, variables)
        view = await world.view(ADMIN, operation.needs)
        if operation.plan is not None:  # else an argument cannot be used, and graphql-core answers in any case
            assert by_plan(operation, view) == by_graphql_core(SCHEMA, document, variables, view), variables


async def test_what_mentions_no_variable_is_read_once():
    """Another value of a variable is planned in half the time: fields and arguments below it are those of before."""
    document = prepared(Documents(), SCHEMA, NODE)
    operations = Operations(ExecutionSettings())

    first, second = (found(operations, SCHEMA, document, {"node": name}) for name in ("node-1", "node-2"))

    assert first.plan is not None
    assert second.plan is not None
    one, other = first.plan.selection.fields[0], second.plan.selection.fields[0]
    assert one is not other
    assert inside(one) is inside(other)


def inside(field: Any) -> Any:
    return field.kind.selection.fields[0]
