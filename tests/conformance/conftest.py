"""Every conformance test runs twice: against the simulated cluster, and against the real programs."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from gateway.demo import simulated_cluster
from tests.cluster.control_plane import ControlPlane
from tests.cluster.fixtures import provide
from tests.conformance.api_server import ApiServer, real, simulated

BOTH = ["simulated", pytest.param("real", marks=pytest.mark.cluster)]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def bare_plane(pytestconfig: pytest.Config) -> AsyncIterator[ControlPlane]:
    """A real API server and etcd, and nobody else who writes."""
    plane = ControlPlane()
    provide(pytestconfig, plane.needed_programs())
    async with plane:
        yield plane


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def bare_plane_without_streaming_lists(pytestconfig: pytest.Config) -> AsyncIterator[ControlPlane]:
    plane = ControlPlane(feature_gates={"WatchList": False})
    provide(pytestconfig, plane.needed_programs())
    async with plane:
        yield plane


@pytest.fixture(params=BOTH)
def plane(request: pytest.FixtureRequest) -> ControlPlane | None:
    """The real control plane, or None for the simulated one."""
    return request.getfixturevalue("bare_plane") if request.param == "real" else None


@pytest.fixture(params=BOTH)
def old_plane(request: pytest.FixtureRequest) -> ControlPlane | None:
    return request.getfixturevalue("bare_plane_without_streaming_lists") if request.param == "real" else None


@pytest_asyncio.fixture
async def server(plane: ControlPlane | None) -> AsyncIterator[ApiServer]:
    """An API server as it is today."""
    async with _opened(plane) as opened:
        yield opened


@pytest_asyncio.fixture
async def server_without_streaming_lists(old_plane: ControlPlane | None) -> AsyncIterator[ApiServer]:
    """An API server as it was before streaming lists, or with them switched off."""
    async with _opened(old_plane, watch_list=False) as opened:
        yield opened


@pytest.fixture
def namespace() -> str:
    """The name of a namespace that no other test uses."""
    return f"test-{secrets.token_hex(4)}"


@pytest_asyncio.fixture
async def pods(server: ApiServer, namespace: str) -> str:
    """The path of a namespace's pods: alpha and beta with app=web, gamma with app=db and on a node."""
    await server.make.create_namespace(namespace)
    await server.make.create_pod(namespace, "alpha", {"app": "web", "tier": "front"}, None)
    await server.make.create_pod(namespace, "beta", {"app": "web"}, None)
    await server.make.create_pod(namespace, "gamma", {"app": "db"}, "worker-1")
    return f"/api/v1/namespaces/{namespace}/pods"


@asynccontextmanager
async def _opened(plane: ControlPlane | None, *, watch_list: bool = True) -> AsyncIterator[ApiServer]:
    if plane is not None:
        async with real(plane) as opened:
            yield opened
        return
    async with simulated_cluster() as cluster, simulated(cluster) as opened:
        cluster.features.watch_list = watch_list
        yield opened
