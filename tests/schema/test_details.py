"""Details of pods and nodes, asked as a client asks: over HTTP, of the simulated cluster and of made-up ones."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from schema.execution.plan.kinds import PART
from schema.execution.plan.operations import Operations
from schema.execution.prepare import Documents
from schema.execution.settings import ExecutionSettings
from schema.schema import describe
from schema.sources.kubernetes import cold
from tests.schema.execution.side_by_side import by_graphql_core, by_plan, found, prepared
from tests.schema.execution.world import ADMIN, World

SCHEMA = describe()
ASKING = Path(__file__).parents[2] / "docs" / "asking.md"


async def view_of(world: World, text: str) -> tuple[Any, Any, Any]:
    document = prepared(Documents(), SCHEMA, text)
    operation = found(Operations(ExecutionSettings()), SCHEMA, document, {})
    return document, operation, await world.view(ADMIN, operation.needs)


@pytest.mark.parametrize("shown", ["name", "name restartsText"])
async def test_several_cold_fields_of_a_long_list_read_each_object_once(shown: str, monkeypatch):
    """Fields are read list by list, far more objects than are kept: it must not come to one reading a field."""
    world = World(3, pods=5 * PART)
    text = f"{{ pods {{ {shown} qosClass priority startedAt hostAddresses }} }}"
    document, operation, view = await view_of(world, text)
    unpacked = 0
    body = cold.ColdTier._body

    def counted(tier: cold.ColdTier, packed: bytes) -> bytes:
        nonlocal unpacked
        unpacked += 1
        return body(tier, packed)

    monkeypatch.setattr(cold.ColdTier, "_body", counted)
    world.cluster.pods.decoder._cold._recent._bound = 700_000  # more than one part of the list, less than all of it

    by_plan(operation, view)

    assert unpacked == len(view.snapshot.pods) == 5 * PART
    monkeypatch.undo()
    assert by_plan(operation, view) == by_graphql_core(SCHEMA, document, {}, view)
    await world.access.aclose()


@pytest.mark.parametrize("shown", ["restartsText", "name restartsText", "containers { name }", "__typename"])
async def test_long_lists_are_the_same_in_parts(shown: str):
    """Whether their fields are asked one by one, read in columns, or both."""
    world = World(6, pods=2 * PART + 1)
    document, operation, view = await view_of(world, f"{{ pods {{ {shown} }} }}")

    assert by_plan(operation, view) == by_graphql_core(SCHEMA, document, {}, view)
    await world.access.aclose()


async def test_a_question_without_cold_fields_reads_nothing_cold(monkeypatch):
    """Addresses, requests and words are hot."""
    world = World(4)
    text = (
        "{ nodes { name addresses { address } capacity { cpu } } pods { name status requests { cpu } labels { key } } }"
    )
    _, operation, view = await view_of(world, text)
    monkeypatch.delattr(cold.ColdTier, "_body")

    _, errors = by_plan(operation, view)

    assert errors == []
    await world.access.aclose()


async def test_threads_and_the_loop_read_details_side_by_side():
    """Large answers are made in a worker thread: both find what they ask for."""
    world = World(5, pods=300)
    text = "{ pods { name annotations { key value } conditions { type } containers { name image } } }"
    _, operation, view = await view_of(world, text)
    fresh = [found(Operations(ExecutionSettings()), SCHEMA, prepared(Documents(), SCHEMA, text), {}) for _ in range(4)]

    answers = await asyncio.gather(*(asyncio.to_thread(by_plan, one, view) for one in fresh))

    assert {answer for answer, _ in answers} == {by_plan(operation, view)[0]}
    await world.access.aclose()


async def test_a_dashboard_of_pods_and_nodes_needs_nothing_else(front_door):
    """One question, answered by the simulated cluster with what its kubelets report."""
    answer = await front_door.ask(
        """{
          nodes { name conditions { type status reason since reportedAt } taints { key effect }
            system { kubeletVersion containerRuntime architecture operatingSystem kernelVersion machineId }
            images { names size } podCidrs
            pods(limit: 3) { name qosClass restartPolicy serviceAccountName hostAddresses startedAt
              conditions { type status } volumes { name kind }
              containers { name image imageId state { phase startedAt } ports { port } requests { cpu memory } } } }
        }"""
    )

    nodes = answer.data["nodes"]
    pods = [pod for node in nodes for pod in node["pods"]]
    assert all(node["system"]["kubeletVersion"].startswith("v1.") for node in nodes)
    assert {one["type"] for node in nodes for one in node["conditions"]} >= {"Ready", "MemoryPressure"}
    assert any(one["effect"] == "NO_SCHEDULE" for node in nodes for one in node["taints"])
    assert all(image["size"] > 0 for node in nodes for image in node["images"])
    assert all(pod["containers"] and pod["hostAddresses"] for pod in pods)
    assert any(one["state"]["phase"] == "RUNNING" for pod in pods for one in pod["containers"])


@pytest.mark.parametrize("example", re.findall(r"```graphql\n(.+?)```", ASKING.read_text(), re.DOTALL))
def test_the_examples_of_the_documentation_are_what_the_schema_takes(example: str):
    """Nobody should copy one that is refused."""
    assert Documents().prepare(SCHEMA, example).errors == ()
