"""The types work for frontends: code generators accept the schema with documents that then run."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.clients.node import HERE, compile_relay, npm
from tests.front_door import FrontDoor

DOCUMENTS = sorted((HERE / "documents").glob("*.graphql"))
VARIABLES: dict[str, dict[str, Any]] = {
    "node.graphql": {"name": "control-plane-1"},
    "pods_page.graphql": {"first": 5, "orderBy": [{"key": "NAME"}]},
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
    assert made == ["dashboardQuery.graphql.js", "dashboard_node.graphql.js"]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
async def test_each_document_runs(front_door: FrontDoor, document: Path):
    """What the generators read is what the gateway answers."""
    answer = await front_door.ask(document.read_text(), variables=VARIABLES.get(document.name))

    assert answer.data
