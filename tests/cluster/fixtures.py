"""The test cluster as pytest fixtures; `tests/conftest.py` loads this module as a plugin.

`real_cluster` and `real_prometheus` live as long as the test run and serve every test, whatever its event loop;
`namespace` is a test's own corner of them; `control_plane` and `own_prometheus` start throwaway ones for tests that
break things.

A test that uses one of them is marked `cluster`. Where the programs can be neither found nor built it is skipped with
the reason; in CI (the variable `CI` is set) it fails.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import pytest
import pytest_asyncio

from tests.cluster import build, objects, programs
from tests.cluster.control_plane import ControlPlane, eventually
from tests.cluster.exporters import Exporters
from tests.cluster.metrics_server import MetricsServer, scraped
from tests.cluster.mirror import Mirror
from tests.cluster.prometheus import PrometheusServer, Target, exporter_targets

NODES = ("control-plane", "worker-1", "worker-2")
FIXTURES = {
    *("real_cluster", "namespace", "control_plane", "metered_cluster"),
    *("exporters", "real_prometheus", "own_prometheus"),
}
MISSING = "the test cluster is not to be had here"


@dataclass(frozen=True, slots=True)
class Account:
    """A service account: its user name for RBAC and a token of it."""

    user: str
    token: str


@dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace that belongs to one test."""

    cluster: ControlPlane
    name: str

    async def run_pods(self, *names: str, **options: Any) -> None:
        """Create pods (`options`: see `objects.pod`) and return when they are Running and ready."""
        await self.cluster.create((objects.pod(name, **options) for name in names), self.name)
        wanted = set(names)

        async def running() -> bool:
            return wanted <= {pod["metadata"]["name"] for pod in await self.pods() if _is_ready(pod)}

        await eventually(running)

    async def pods(self) -> list[objects.Manifest]:
        """The namespace's pods as the API server has them now."""
        answer = await self.cluster.request("GET", f"/api/v1/namespaces/{self.name}/pods")
        items: list[objects.Manifest] = answer["items"]
        return items

    async def account(self, name: str = "user") -> Account:
        """A new service account here, without rights (see `ControlPlane.allow`)."""
        user = await self.cluster.create_service_account(name, self.name)
        return Account(user, await self.cluster.create_token(name, self.name))


class StartControlPlane(Protocol):
    """What `control_plane` gives: takes ControlPlane's options, and stops what it started when the test ends."""

    async def __call__(self, **options: Any) -> ControlPlane: ...


class StartPrometheus(Protocol):
    """What `own_prometheus` gives: takes PrometheusServer's arguments, and stops what it started."""

    async def __call__(self, targets: Iterable[Target], **options: Any) -> PrometheusServer: ...


@pytest.hookimpl(tryfirst=True)  # before -m deselects by mark
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.cluster)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Report all tests skipped for want of the cluster at one place, so that pytest folds them into one line."""
    report = yield
    if report.skipped and call.excinfo and str(call.excinfo.value).startswith(MISSING):
        report.longrepr = (__file__, 0, f"Skipped: {call.excinfo.value}")
    return report


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def real_cluster(pytestconfig: pytest.Config) -> AsyncIterator[ControlPlane]:
    """The whole control plane with KWOK: one control-plane node and two workers, all Ready."""
    plane = ControlPlane(with_controllers=True, with_kwok=True)
    provide(pytestconfig, plane.needed_programs())
    async with plane:
        await plane.create(objects.nodes(len(NODES)))
        await eventually(lambda: _schedulable(plane))
        yield plane


@pytest_asyncio.fixture
async def namespace(real_cluster: ControlPlane) -> AsyncIterator[Namespace]:
    """A new namespace in the real cluster; deleted with all in it after the test."""
    name = f"test-{secrets.token_hex(4)}"
    await real_cluster.create_namespace(name)
    yield Namespace(real_cluster, name)
    await real_cluster.request("DELETE", f"/api/v1/namespaces/{name}")


@pytest_asyncio.fixture
async def control_plane(pytestconfig: pytest.Config) -> AsyncIterator[StartControlPlane]:
    """Starts control planes of the test's own, which it may kill: `await control_plane(server="oldest")`."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(**options: Any) -> ControlPlane:
            plane = ControlPlane(**options)
            provide(pytestconfig, plane.needed_programs())
            return await stack.enter_async_context(plane)

        yield start


@pytest_asyncio.fixture
async def own_prometheus(pytestconfig: pytest.Config) -> AsyncIterator[StartPrometheus]:
    """Starts Prometheus servers of the test's own, which it may kill: `await own_prometheus(targets)`."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(targets: Iterable[Target], **options: Any) -> PrometheusServer:
            provide(pytestconfig, [programs.PROMETHEUS])
            return await stack.enter_async_context(PrometheusServer(targets, **options))

        yield start


@pytest.fixture(scope="session")
def exporters(real_cluster: ControlPlane) -> Iterator[Exporters]:
    """Node exporter, cAdvisor and kube-state-metrics of the real cluster, as its pods' annotations say."""
    with Exporters(Mirror(real_cluster)) as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def real_prometheus(
    pytestconfig: pytest.Config, real_cluster: ControlPlane, exporters: Exporters
) -> AsyncIterator[PrometheusServer]:
    """A Prometheus that scrapes, every second, KWOK's kubelet metrics and the exporters."""
    provide(pytestconfig, [programs.PROMETHEUS])
    targets = exporter_targets(exporters.address, NODES)
    async with PrometheusServer(targets, kwok_address=real_cluster.kwok_address) as server:
        yield server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def metered_cluster(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ControlPlane]:
    """A control plane with `metrics.k8s.io`, served by metrics-server: two nodes, and `web` and `idle` in `default`.

    It takes half a minute: metrics-server has numbers after its second scrape.
    """
    server = MetricsServer(tmp_path_factory.mktemp("metrics-server"))
    plane = ControlPlane(with_kwok=True, api_server_flags=server.api_server_flags)
    provide(pytestconfig, [*plane.needed_programs(), programs.METRICS_SERVER])
    async with plane:
        await plane.create(scraped(objects.node(f"node-{number}", number)) for number in range(2))
        web = objects.pod("web", node="node-0", cpu_use="250m", memory_use="64Mi")
        await plane.create([web, objects.pod("idle", node="node-1")])
        try:
            await server.start(plane)
            await server.wait_for_pods(plane, 2)
            yield plane
        finally:
            server.stop()


def provide(config: pytest.Config, needed: Iterable[programs.Program]) -> None:
    """Have the programs, building them in sight of the user; else skip the test, or in CI fail it."""
    try:
        programs.provide_all(needed, _say_past_capture(config))
    except build.CannotBuild as error:
        if os.environ.get("CI"):
            pytest.fail(f"{MISSING}: {error}", pytrace=False)
        pytest.skip(f"{MISSING}: {error}")


def _say_past_capture(config: pytest.Config) -> Callable[[str], None]:
    """Lines for the terminal: pytest would keep them until the test has failed, and a build takes minutes."""
    capture = config.pluginmanager.getplugin("capturemanager")

    def say(line: str) -> None:
        with capture.global_and_fixture_disabled() if capture else contextlib.nullcontext():
            print(f"\ntest cluster: {line}", flush=True)

    return say


async def _schedulable(plane: ControlPlane) -> bool:
    """Whether all nodes are Ready and the controllers have taken the `not-ready` taints away."""
    nodes = (await plane.request("GET", "/api/v1/nodes"))["items"]
    taints = {taint["key"] for node in nodes for taint in node["spec"].get("taints", ())}
    return all(_is_ready(node) for node in nodes) and taints <= {"node-role.kubernetes.io/control-plane"}


def _is_ready(item: objects.Manifest) -> bool:
    conditions = item["status"].get("conditions", ())
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
