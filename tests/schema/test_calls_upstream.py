"""What the largest questions cost at the wire: as many calls as they have kinds, rights and metrics, whatever there is.

Of the simulated cluster, and of a real API server and a real Prometheus: each behind a proxy that counts.
"""

import secrets
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from auth.settings import AuthSettings
from gateway.config import Config
from gateway.demo import SHOP_TOKEN, simulated_cluster
from schema.sources.kubernetes.kinds import KINDS, ON_DEMAND
from schema.sources.kubernetes.settings import KubernetesSettings
from schema.sources.prometheus.catalogue import Profile
from schema.sources.prometheus.settings import PrometheusSettings
from tests.cluster.control_plane import ADMIN, GATEWAY, ControlPlane
from tests.cluster.fixtures import Namespace
from tests.cluster.prometheus import PrometheusServer
from tests.front_door import ADMIN as SIMULATED_ADMIN
from tests.front_door import FrontDoor, free_port, open_front_door
from tests.wire import Wire

NAMES = "names: [CPU_USAGE, MEMORY_USAGE, CPU_REQUEST_UTILIZATION]"
VALUES = f"metrics({NAMES}) {{ name value missing }}"
HOUR = 'range: {start: "2026-11-24T08:00:00Z", end: "2026-11-24T09:00:00Z"}'
BESIDE = """
  me {
    lists { kind everywhere namespaces }
    a: can(verb: "delete", resource: "pods", namespace: "shop") { allowed }
    b: can(verb: "patch", group: "apps", resource: "deployments", subresource: "scale") { allowed }
    again: can(verb: "delete", resource: "pods", namespace: "shop") { reason }
  }
  podCounts(by: [NAMESPACE, STATUS, NODE]) { count }
  podsConnection(first: 10) { totalCount edges { node { name events { message } } } }
  events { message object { name } }
  replicaSets { name pods { name } }
  persistentVolumeClaims { name events { message } }
  podDisruptionBudgets { name pods { name } }
  horizontalPodAutoscalers { name }
"""
OF_NAMESPACES = f"""
  namespaces {{
    name podCount serviceCount {VALUES} events {{ message }} resourceQuotas {{ amounts {{ used }} }}
    services {{ name pods {{ name {VALUES} containers {{ {VALUES} }} workload {{ name }} services {{ name }} }} }}
    deployments {{ name {VALUES} pods {{ name events {{ message }} }} }}
    statefulSets {{ {VALUES} pods {{ name }} }} daemonSets {{ {VALUES} pods {{ name }} }}
    jobs {{ {VALUES} pods {{ name }} }} cronJobs {{ {VALUES} jobs {{ name }} pods {{ name }} }}
  }}
"""
OF_ALL = f"""
  cluster {{
    nodesByStatus {{ count }} podsByStatus {{ count }} requested {{ pods }} {VALUES}
    metricsRange(names: [CPU_USAGE], {HOUR}) {{ points {{ value }} }}
  }}
  nodes(orderBy: [{{metric: CPU_USAGE}}]) {{
    name {VALUES} attention requested {{ cpu }} events {{ message }}
    pods(orderBy: [{{metric: MEMORY_USAGE}}], limit: 10) {{ name {VALUES} events {{ message }} node {{ name }} }}
  }}
"""
EVERYTHING = f"{{ {BESIDE} {OF_NAMESPACES} {OF_ALL} }}"
RESOURCES = len(KINDS)
REVIEWS = ("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews")
CREDENTIALS = ("POST", "/apis/authentication.k8s.io/v1/tokenreviews")
QUERY, QUERY_RANGE = ("POST", "/api/v1/query"), ("POST", "/api/v1/query_range")

Calls = Counter[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Upstream:
    """An API server and a Prometheus, and the tokens of the gateway, of who may everything, and of who may little."""

    kubernetes: str
    gateway_token_file: Path
    prometheus: str
    profile: Profile
    admin: str
    clerk: str
    trusting: ssl.SSLContext | bool = True


@dataclass(frozen=True, slots=True)
class Counted:
    """A gateway that has to pass two wires."""

    door: FrontDoor
    kubernetes: Wire
    prometheus: Wire

    async def calls_of(self, query: str, token: str) -> tuple[Calls, Calls]:
        """What one question makes the gateway ask of the API server and of Prometheus."""
        to_kubernetes, to_prometheus = self.kubernetes.requests.copy(), self.prometheus.requests.copy()
        answer = await self.door.ask(query, token)
        assert answer.status == 200, answer.text
        assert set(answer.codes) <= {"FORBIDDEN"}, answer.errors
        return self.kubernetes.requests - to_kubernetes, self.prometheus.requests - to_prometheus

    async def hold_known(self, query: str, token: str) -> None:
        """Asked again it costs nothing; on a busy machine a right has been renewed meanwhile, and is then in use."""

        async def again() -> tuple[Calls, Calls]:
            return await self.calls_of(query, token)

        await self.door.eventually(again, (Counter(), Counter()), within=60)


@asynccontextmanager
async def counted(upstream: Upstream) -> AsyncIterator[Counted]:
    async with (
        Wire(upstream.kubernetes, trusting=upstream.trusting) as kubernetes,
        Wire(upstream.prometheus) as prometheus,
    ):
        config = Config(
            server=free_port(),
            auth=AuthSettings(review_timeout_seconds=10),  # on a busy machine; an answer without reviews would be none
            kubernetes=KubernetesSettings(server=kubernetes.url, token_file=upstream.gateway_token_file),
            # an answer is kept for as long as the scrapes are apart
            prometheus=PrometheusSettings(url=prometheus.url, profile=upstream.profile, scrape_interval_seconds=60),
        )
        async with open_front_door(config) as door:

            async def has_begun() -> bool:  # the version is asked for once, beside the lists
                return kubernetes.requests["GET", "/version"] > 0

            await door.eventually(has_begun, expected=True, within=30)
            yield Counted(door, kubernetes, prometheus)


Sizes = Callable[[], AsyncIterator[Upstream]]


async def simulated_sizes() -> AsyncIterator[Upstream]:
    for nodes in (3, 40):
        async with simulated_cluster(nodes=nodes, pods_per_node=20, churn=0) as cluster:
            yield Upstream(
                cluster.kubernetes_url,
                cluster.gateway_token_file,
                cluster.prometheus_url,
                Profile.GENERIC,
                admin=SIMULATED_ADMIN,
                clerk=SHOP_TOKEN,
            )


async def real_sizes(
    namespace: Namespace, prometheus: PrometheusServer, folder: Path, allow: Callable[[str], Awaitable[None]]
) -> AsyncIterator[Upstream]:
    """The same cluster before and after 60 pods came into two more namespaces, in one of which the clerk is."""
    cluster = namespace.cluster
    (folder / "token").write_text(cluster.token(GATEWAY))
    clerk = await namespace.account("clerk")
    await allow(clerk.user)
    upstream = Upstream(
        cluster.server,
        folder / "token",
        prometheus.url,
        Profile.KUBE_PROMETHEUS_STACK,
        admin=cluster.token(ADMIN),
        clerk=clerk.token,
        trusting=ssl.create_default_context(cafile=cluster.ca_file),
    )
    await namespace.run_pods("web-0", "web-1")
    yield upstream
    other = Namespace(cluster, f"{namespace.name}-more")
    await cluster.create_namespace(other.name)
    for place in (namespace, other):
        await place.run_pods(*(f"more-{number}" for number in range(30)))
    yield replace(upstream, clerk=await cluster.create_token("clerk", namespace.name))
    await cluster.request("DELETE", f"/api/v1/namespaces/{other.name}")


@pytest.fixture(params=["simulated", pytest.param("real", marks=pytest.mark.cluster)])
def real_parts(request: pytest.FixtureRequest) -> tuple[ControlPlane, PrometheusServer] | None:
    """The real ones, or None for the simulated."""
    if request.param == "simulated":
        return None
    return request.getfixturevalue("real_cluster"), request.getfixturevalue("real_prometheus")


@pytest.fixture
async def sizes(real_parts: Any, tmp_path: Path) -> AsyncIterator[Sizes]:
    """A cluster, and the same or one like it with many more objects in it."""
    if real_parts is None:
        yield simulated_sizes
        return
    cluster, prometheus = real_parts
    name = f"test-{secrets.token_hex(4)}"
    await cluster.create_namespace(name)
    groups: dict[str, list[str]] = {}
    for kind in KINDS.values():
        groups.setdefault(kind.group, []).append(kind.name)
    reading = ["list", "watch"]
    grants = [await cluster.allow(GATEWAY, reading, names, group=group) for group, names in groups.items()]

    async def allow(user: str) -> None:
        for group, names in groups.items():
            within = [kind for kind in names if kind != "nodes"]
            await cluster.allow(user, ["get", "list"], within, namespace=name, group=group)

    yield lambda: real_sizes(Namespace(cluster, name), prometheus, tmp_path, allow)
    for grant in grants:
        await grant.revoke()
    await cluster.request("DELETE", f"/api/v1/namespaces/{name}")


async def test_the_largest_question_costs_as_much_in_a_large_cluster_as_in_a_small_one(sizes: Sizes):
    """One list a kind that is asked for first, one review a right, one for each different `can`, one query a metric."""
    calls = []
    async for upstream in sizes():
        async with counted(upstream) as gateway:
            calls.append(await gateway.calls_of(EVERYTHING, upstream.admin))
            await gateway.hold_known(EVERYTHING, upstream.admin)

    small, large = calls
    assert small == large
    to_kubernetes, to_prometheus = large
    lists = {path: count for (method, path), count in to_kubernetes.items() if method == "GET"}
    assert set(lists) <= {kind.path() for kind in ON_DEMAND}
    assert sum(lists.values()) <= len(ON_DEMAND), lists
    assert to_kubernetes[REVIEWS] == RESOURCES + 2
    assert to_kubernetes[CREDENTIALS] == 1
    # CPU and memory of five levels; the cluster's line once more.
    assert to_prometheus == {QUERY: 10, QUERY_RANGE: 1}


async def test_who_may_see_one_namespace_costs_a_review_for_each_kind_and_namespace_at_most(sizes: Sizes):
    """However many objects there are in it, and none at all the next time."""
    query = f"{{ {BESIDE} {OF_NAMESPACES} }}"
    async for upstream in sizes():
        async with counted(upstream) as gateway:
            namespaces = len((await gateway.door.ask("{ namespaces { name } }", upstream.admin)).data["namespaces"])
            to_kubernetes, to_prometheus = await gateway.calls_of(query, upstream.clerk)
            await gateway.hold_known(query, upstream.clerk)

        assert RESOURCES <= to_kubernetes[REVIEWS] - 2 <= RESOURCES * (1 + namespaces)
        # CPU and memory of pods, containers and namespaces
        assert to_prometheus == {QUERY: 6}
