"""The types work for frontends: code generators accept the schema with documents that then run."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from graphql import TypeInfo, TypeInfoVisitor, Visitor, get_named_type, parse, visit

from schema.schema import describe
from tests.clients.node import HERE, compile_relay, npm
from tests.front_door import FrontDoor

DOCUMENTS = sorted((HERE / "documents").glob("*.graphql"))
VARIABLES: dict[str, dict[str, Any]] = {
    "namespace.graphql": {"name": "kube-system", "events": {"type": "Warning"}},
    "node.graphql": {"name": "control-plane-1"},
    "pods_page.graphql": {"first": 5, "orderBy": [{"key": "NAME"}]},
    "workloads.graphql": {"namespace": "kube-system", "first": 2},
}


@pytest.mark.thorough
async def test_graphql_codegen_makes_types_that_typescript_accepts():
    """Of every document, strictly: a scalar without a type, or two of one name, would end it."""
    await npm("codegen")
    await npm("typecheck")

    made = await asyncio.to_thread((HERE / "generated" / "graphql.ts").read_text)
    assert "export const NodesWithPodsDocument" in made
    assert "any" not in made.split("export type NodesWithPodsQuery = ")[1].split(";\n\n")[0]


@pytest.mark.thorough
async def test_relays_compiler_accepts_schema_and_documents():
    """An `id` on what can be asked again, nullable fields where a right may be missing."""
    texts = await compile_relay()

    made = sorted(path.name for path in texts.parent.glob("*.js"))
    assert made == ["dashboardQuery.graphql.js", "dashboard_node.graphql.js", "dashboard_pods.graphql.js"]


def test_the_documents_ask_for_every_kind_and_everything_about_the_caller():
    """A kind that is added comes with a document; so do counts, pages, permissions and lines of metrics."""
    core = describe()._schema
    assert core.query_type is not None
    info, asked = TypeInfo(core), set[str]()

    class Asked(Visitor):
        def enter_field(self, *_: Any) -> None:
            named = get_named_type(info.get_type())
            assert named is not None
            asked.add(named.name)

    for document in DOCUMENTS:
        visit(parse(document.read_text()), TypeInfoVisitor(info, Asked()))
    of_connections = {
        get_named_type(core.query_type.fields[name.removesuffix("Connection")].type).name
        for name in core.query_type.fields
        if name.endswith("Connection")
    }

    assert of_connections - asked <= {"ReplicaSet"}, "revisions, of which deployments are made"
    assert {"Permission", "KindRights", "Metric", "MetricRange", "PodCount", "PodConnection", "PageInfo"} <= asked


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
async def test_each_document_runs(front_door: FrontDoor, document: Path):
    """What the generators read is what the gateway answers."""
    answer = await front_door.ask(document.read_text(), variables=VARIABLES.get(document.name))

    assert answer.data
