"""Two gateways over one real API server, one of which lags: what was written, or seen at one, is asked of the other."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest_asyncio

from gateway.config import Config
from schema.execution.settings import ExecutionSettings
from schema.sources.kubernetes.settings import KubernetesSettings
from schema.sources.prometheus.settings import PrometheusSettings
from tests.cluster import objects
from tests.cluster.control_plane import GATEWAY, ControlPlane
from tests.cluster.fixtures import Namespace
from tests.faults.proxy import Proxy
from tests.front_door import Answer, FrontDoor, free_port, open_front_door
from tests.test_end_to_end import config_for

LIMIT_S = 4.0


@dataclass(frozen=True, slots=True)
class World:
    """A gateway that is close to the API server, and one behind a proxy."""

    near: FrontDoor
    far: FrontDoor
    proxy: Proxy
    space: Namespace

    @property
    def plane(self) -> ControlPlane:
        return self.space.cluster

    async def ask(self, door: FrontDoor, query: str, **extensions: Any) -> Answer:
        body = {"query": query.replace("HERE", f'filter: {{namespace: "{self.space.name}"}}'), "extensions": extensions}
        return await door.request("POST", "/graphql", self.plane.token("admin"), json=body)

    async def write(self, name: str) -> str:
        """A pod; returns the version of the write."""
        path = f"/api/v1/namespaces/{self.space.name}/pods"
        written = await self.plane.request("POST", path, objects.pod(name))
        return str(written["metadata"]["resourceVersion"])


@pytest_asyncio.fixture
async def world(real_cluster: ControlPlane, namespace: Namespace, tmp_path: Path) -> AsyncIterator[World]:
    token = tmp_path / "token"
    token.write_text(real_cluster.token(GATEWAY))
    async with Proxy("127.0.0.1", int(real_cluster.server.rpartition(":")[2])) as proxy:
        lagging = Config(
            server=free_port(),
            kubernetes=KubernetesSettings(
                server=f"https://127.0.0.1:{proxy.port}", ca_file=real_cluster.ca_file, token_file=token
            ),
            prometheus=PrometheusSettings(url=None),
            execution=ExecutionSettings(min_resource_version_seconds=LIMIT_S),
        )
        async with open_front_door(config_for(real_cluster)) as near, open_front_door(lagging) as far:
            yield World(near, far, proxy, namespace)
            proxy.flow()


async def test_a_write_is_read_from_a_replica_that_lags(world: World):
    """Its answer comes when its watch has brought the write; others of its answers do not wait for that."""
    pods, nodes = "{ pods(HERE) { name } }", "{ pods(HERE) { name } nodes { name } }"
    for query in (pods, nodes):  # whoever asks is known, and what they may do
        assert (await world.ask(world.far, query)).data["pods"] == []
    seen = (await world.ask(world.far, nodes, resourceVersions=True)).body["extensions"]["resourceVersions"]

    world.proxy.stall()
    version = await world.write("web")
    reading = asyncio.create_task(world.ask(world.far, pods, minResourceVersions={"pods": version}))
    near = await world.ask(world.near, pods, minResourceVersions={"pods": version}, resourceVersions=True)
    assert near.data == {"pods": [{"name": "web"}]}
    assert int(near.body["extensions"]["resourceVersions"]["pods"]) >= int(version)

    other = await world.ask(world.far, nodes, minResourceVersions={"nodes": seen["nodes"]})
    assert other.data["pods"] == [], "of that kind alone it waits, and shows of others what it has"
    assert not reading.done()
    world.proxy.flow()

    assert (await reading).data == {"pods": [{"name": "web"}]}


async def test_what_does_not_arrive_in_time_is_said(world: World):
    """The kind, what was wanted and what is known; and the next question is answered as ever."""
    pods = "{ pods(HERE) { name } }"
    await world.ask(world.far, pods)
    world.proxy.stall()
    version = await world.write("web")

    late = await world.ask(world.far, pods, minResourceVersions={"pods": version})

    assert (late.status, late.codes) == (504, ["RESOURCE_VERSION_NOT_REACHED"])
    assert late.errors[0]["extensions"]["wanted"] == version
    assert int(late.errors[0]["extensions"]["seen"]) < int(version)
    world.proxy.flow()
    assert (await world.ask(world.far, pods, minResourceVersions={"pods": version})).data == {"pods": [{"name": "web"}]}


async def test_a_version_of_a_quiet_moment_is_reached(world: World):
    """A list tells one that no event has: the other replica asks the API server how far the kind is."""
    pods = "{ pods(HERE) { name } }"
    await world.plane.create_service_account("moves-the-revision", world.space.name)
    listed = (await world.plane.request("GET", "/api/v1/pods"))["metadata"]["resourceVersion"]

    answer = await world.ask(world.far, pods, minResourceVersions={"pods": listed}, resourceVersions=True)

    assert answer.data == {"pods": []}
    assert int(answer.body["extensions"]["resourceVersions"]["pods"]) >= int(listed)


async def test_what_one_replica_told_is_asked_of_another(world: World):
    """The whole map as it came, of kinds in which something has happened and of those in which nothing has."""
    query = "{ pods(HERE) { name } nodes { name } services(HERE) { name } }"
    await world.write("web")
    told = (await world.ask(world.near, query, resourceVersions=True)).body["extensions"]["resourceVersions"]
    assert set(told) == {"pods", "nodes", "services"}

    answer = await world.ask(world.far, query, minResourceVersions=told, resourceVersions=True)

    shown = answer.body["extensions"]["resourceVersions"]
    assert answer.status == 200
    assert {kind: int(shown[kind]) >= int(version) for kind, version in told.items()} == dict.fromkeys(told, True)
