"""`metrics.k8s.io`, as the gateway asks it: of the simulated cluster, and of metrics-server (in `make test-long`)."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import Any

import pytest
import pytest_asyncio

from gateway.demo import simulated_cluster
from schema.sources.kubernetes.quantities import quantity
from tests.cluster.control_plane import ControlPlane, Refused
from tests.conformance.api_server import simulated

ROOT = "/apis/metrics.k8s.io/v1beta1"
BOTH = ["simulated", pytest.param("real", marks=[pytest.mark.cluster, pytest.mark.long])]

Get = Callable[[str], Awaitable[tuple[int, Any]]]
"""Asks as somebody who may everything: the status, and the body or the message of a refusal."""


@pytest.fixture(params=BOTH)
def metered(request: pytest.FixtureRequest) -> ControlPlane | None:
    return request.getfixturevalue("metered_cluster") if request.param == "real" else None


@pytest_asyncio.fixture
async def get(metered: ControlPlane | None) -> AsyncIterator[Get]:
    if metered is not None:

        async def from_real(path: str) -> tuple[int, Any]:
            try:
                return 200, await metered.request("GET", ROOT + path)
            except Refused as refused:
                return refused.status, str(refused).partition(": ")[2]

        yield from_real
        return
    async with simulated_cluster(resource_metrics=True) as cluster, simulated(cluster) as server:

        async def from_simulated(path: str) -> tuple[int, Any]:
            reply = await server.get(ROOT + path)
            return reply.status, reply.body if reply.status == 200 else reply.body["message"]

        yield from_simulated


async def test_nodes_and_pods_are_listed_with_their_use(get: Get):
    """Names, moment and window; quantities in their canonical form; a pod's by its containers."""
    (_, nodes), (_, pods) = await get("/nodes"), await get("/pods")

    assert (nodes["kind"], pods["kind"]) == ("NodeMetricsList", "PodMetricsList")
    for listed in (nodes, pods):
        assert listed["apiVersion"] == "metrics.k8s.io/v1beta1"
        assert listed["items"]
    for item in nodes["items"]:
        assert set(item) == {"metadata", "timestamp", "window", "usage"}
        assert "namespace" not in item["metadata"]
        holds_use(item["usage"])
    for item in pods["items"]:
        assert set(item) == {"metadata", "timestamp", "window", "containers"}
        assert item["metadata"]["namespace"]
        for container in item["containers"]:
            assert set(container) == {"name", "usage"}
            holds_use(container["usage"])
    for item in (*nodes["items"], *pods["items"]):
        assert datetime.fromisoformat(item["timestamp"]).tzinfo is not None
        assert item["window"].endswith("s")


def holds_use(usage: dict[str, str]) -> None:
    assert set(usage) == {"cpu", "memory"}
    assert all(quantity(amount) >= 0 for amount in usage.values())


async def test_one_namespace_has_its_own_list(get: Get):
    """Also one that does not exist: an empty list, no refusal."""
    (_, pods), (status, none) = await get("/pods"), await get("/namespaces/no-such/pods")
    namespace = pods["items"][0]["metadata"]["namespace"]

    _, own = await get(f"/namespaces/{namespace}/pods")

    expected = {item["metadata"]["name"] for item in pods["items"] if item["metadata"]["namespace"] == namespace}
    assert {item["metadata"]["name"] for item in own["items"]} == expected
    assert (status, none["items"]) == (200, [])


async def test_one_object_is_had_by_its_name(get: Get):
    """With its kind; one that is not there is told in metrics-server's words."""
    _, pods = await get("/pods")
    metadata = pods["items"][0]["metadata"]

    status, pod = await get(f"/namespaces/{metadata['namespace']}/pods/{metadata['name']}")
    missing = await get(f"/namespaces/{metadata['namespace']}/pods/no-such")

    assert status == 200
    assert (pod["kind"], pod["metadata"]["name"]) == ("PodMetrics", metadata["name"])
    assert missing == (404, 'pods "no-such" not found')


async def test_what_there_is_can_be_asked(get: Get):
    """Nodes and pods, to be read; nothing else."""
    status, found = await get("")

    assert status == 200
    assert found["groupVersion"] == "metrics.k8s.io/v1beta1"
    assert {(each["name"], each["namespaced"], *each["verbs"]) for each in found["resources"]} == {
        ("nodes", False, "get", "list"),
        ("pods", True, "get", "list"),
    }
    assert await get("/things") == (404, "the server could not find the requested resource")


async def test_where_it_is_not_installed_there_is_no_such_api():
    """404 for who may ask; what groups there are may be asked by everybody who has logged in."""
    async with simulated_cluster() as cluster, simulated(cluster) as server:
        stranger = await server.make.user("stranger")

        assert (await server.get(f"{ROOT}/nodes")).status == 404
        assert (await server.get(f"{ROOT}/nodes", token=stranger.token)).status == 403
        assert (await server.get(ROOT, token=stranger.token)).status == 404


async def test_where_it_is_not_installed_a_real_api_server_says_the_same(bare_plane: ControlPlane):
    """By these the gateway tells a rule that is missing from an API that is."""
    answers: dict[tuple[str, str], int] = {}
    for user in ("admin", "alice"):
        for path in (f"{ROOT}/nodes", ROOT):
            async with bare_plane.api(user) as session, session.get(path) as answer:
                answers[user, path] = answer.status

    assert answers == {
        ("admin", f"{ROOT}/nodes"): 404,
        ("admin", ROOT): 404,
        ("alice", f"{ROOT}/nodes"): 403,
        ("alice", ROOT): 404,
    }
