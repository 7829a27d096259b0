"""The running simulated cluster: its tokens, its failures, and the gateway's own reflectors over it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest

from gateway.demo import ADMIN_TOKEN, SHOP_TOKEN, VIEWER_TOKEN, SimulatedCluster, rights, simulated_cluster
from gateway.demo.statuses import too_many_requests
from schema.sources.kubernetes.client import KubernetesApi, open_api
from schema.sources.kubernetes.cluster import Cluster
from schema.sources.kubernetes.kinds import NAMESPACES, NODES, PODS, SERVICES
from schema.sources.kubernetes.selfcheck import differences
from schema.sources.kubernetes.settings import KubernetesSettings

pytestmark = pytest.mark.thorough


async def statuses(cluster: SimulatedCluster, token: str, *paths: str) -> list[int]:
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(cluster.kubernetes_url, headers=headers) as session:
        answers = []
        for path in paths:
            async with session.get(path) as response:
                answers.append(response.status)
        return answers


PATHS = (
    "/api/v1/nodes",
    "/api/v1/pods",
    "/api/v1/namespaces",
    "/api/v1/namespaces/shop",
    "/api/v1/namespaces/shop/pods",
    "/api/v1/namespaces/shop/services",
    "/api/v1/namespaces/payments/pods",
    "/api/v1/namespaces/payments",
)


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        (ADMIN_TOKEN, [200] * 8),
        (VIEWER_TOKEN, [200] * 8),
        (SHOP_TOKEN, [403, 403, 403, 200, 200, 200, 403, 403]),
        ("nobody", [401] * 8),
    ],
)
async def test_each_fixed_token_sees_what_it_is_for(token: str, expected: list[int]):
    """Everything, everything to look at, one namespace, nothing."""
    async with simulated_cluster() as cluster:
        assert await statuses(cluster, token, *PATHS) == expected


async def test_rights_can_change_while_it_runs():
    """From the next request on."""
    async with simulated_cluster() as cluster:
        token = cluster.add_user("ann", rights(["list"], ["pods"], namespace="shop"))
        assert await statuses(cluster, token, "/api/v1/pods", "/api/v1/namespaces/shop/pods") == [403, 200]

        cluster.add_user("ann", rights(["list"], ["pods"]), token=token)
        assert await statuses(cluster, token, "/api/v1/pods") == [200]

        cluster.add_user("ann", token=token)
        assert await statuses(cluster, token, "/api/v1/namespaces/shop/pods") == [403]


async def test_requests_are_counted_by_method_and_what_they_ask():
    """Also those that are refused."""
    async with simulated_cluster() as cluster:
        await statuses(cluster, VIEWER_TOKEN, "/api/v1/pods", "/api/v1/pods/", "/api/v1/namespaces/shop", "/version")
        await statuses(cluster, "nobody", "/api/v1/pods")

        assert cluster.requests == {
            ("GET", "list pods"): 3,
            ("GET", "get namespaces"): 1,
            ("GET", "/version"): 1,
        }


async def test_a_stopped_half_refuses_connections_and_comes_back_at_its_address():
    """The other half goes on."""
    async with simulated_cluster() as cluster:
        url = cluster.kubernetes_url
        await cluster.kubernetes.stop()
        with pytest.raises(aiohttp.ClientConnectorError):
            await statuses(cluster, ADMIN_TOKEN, "/version")
        async with aiohttp.ClientSession(cluster.prometheus_url) as session, session.get("/-/ready") as response:
            assert response.status == 200

        await cluster.kubernetes.start()

        assert cluster.kubernetes_url == url
        assert await statuses(cluster, ADMIN_TOKEN, "/version") == [200]


async def test_a_paused_half_accepts_and_says_nothing():
    """Until it is resumed; then what waited is answered."""
    async with simulated_cluster() as cluster:
        cluster.kubernetes.pause()
        waiting = asyncio.create_task(statuses(cluster, ADMIN_TOKEN, "/version"))
        done, _ = await asyncio.wait([waiting], timeout=0.1)
        assert not done

        cluster.kubernetes.resume()

        assert await waiting == [200]


async def test_a_half_can_refuse_everything_for_a_while():
    """With the given Status, then no more."""
    async with simulated_cluster() as cluster:
        cluster.refuse(too_many_requests(1))
        assert await statuses(cluster, ADMIN_TOKEN, "/version", "/api/v1/pods") == [429, 429]

        cluster.kubernetes.recover()

        assert await statuses(cluster, ADMIN_TOKEN, "/version") == [200]


async def test_a_cut_resets_open_streams():
    """In the middle of a watch."""
    async with simulated_cluster() as cluster:
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        async with (
            aiohttp.ClientSession(cluster.kubernetes_url, headers=headers) as session,
            session.get("/api/v1/nodes", params={"watch": "true"}) as watch,
        ):
            await watch.content.readline()

            cluster.kubernetes.cut()

            with pytest.raises((aiohttp.ClientError, ConnectionResetError)):
                await watch.content.read()


async def test_churn_goes_on_by_itself():
    """At the rate that was asked for."""
    async with simulated_cluster(churn=200) as cluster:
        before = cluster.revision
        async with asyncio.timeout(10):
            while cluster.revision < before + 50:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def reflected(cluster: SimulatedCluster) -> AsyncIterator[tuple[KubernetesApi, Cluster]]:
    """The gateway's cache of the simulated cluster, once it is synced."""
    settings = KubernetesSettings(server=cluster.kubernetes_url, token_file=cluster.gateway_token_file)
    async with open_api(settings, "binnacle/test") as api, asyncio.TaskGroup() as tasks:
        cache = Cluster(api)
        running = tasks.create_task(cache.run())
        await eventually(lambda: cache.synced)
        yield api, cache
        running.cancel()


async def eventually(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not holds():
            await asyncio.sleep(0.01)


async def caught_up(cluster: SimulatedCluster, cache: Cluster, oldest: int) -> None:
    """Wait until every kind shows no forgotten version, and pods have what was written until now."""
    await eventually(lambda: all(int(version) >= oldest for version in cache.snapshot().versions.values()))
    cluster.create_pod("default", "marker")
    await eventually(lambda: cache.snapshot().pods.get("default", "marker") is not None)
    cluster.delete_pod("default", "marker")
    await eventually(lambda: cache.snapshot().pods.get("default", "marker") is None)


Trouble = Callable[[SimulatedCluster], Awaitable[int]]
"""Makes some, and returns the oldest version that can be asked for afterwards."""


async def nothing(_: SimulatedCluster) -> int:
    return 0


async def cut(cluster: SimulatedCluster) -> int:
    cluster.kubernetes.cut()
    return 0


async def forget(cluster: SimulatedCluster) -> int:
    return cluster.forget_history()


async def restart(cluster: SimulatedCluster) -> int:
    await cluster.kubernetes.stop()
    cluster.churn(50)
    oldest = cluster.forget_history()
    await cluster.kubernetes.start()
    return oldest


async def forget_over_http(cluster: SimulatedCluster) -> int:
    cluster.features.old_watches_refused_over_http = True
    cluster.kubernetes.cut()
    return cluster.forget_history()


@pytest.mark.parametrize("streaming", [True, False], ids=["streaming lists", "plain lists"])
@pytest.mark.parametrize("trouble", [nothing, cut, forget, restart, forget_over_http])
async def test_the_gateways_cache_equals_the_simulated_cluster(
    trouble: Trouble,
    streaming: bool,  # noqa: FBT001
):
    """After the first sync, after churn, and after whatever trouble there was."""
    async with simulated_cluster(nodes=5, pods_per_node=20) as cluster:
        cluster.features.watch_list = streaming
        async with reflected(cluster) as (api, cache):
            cluster.churn(200)
            oldest = await trouble(cluster)
            cluster.churn(200)
            await caught_up(cluster, cache, oldest)

            snapshot = cache.snapshot()
            assert len(snapshot.pods) == len(cluster.pods())
            assert await differences(api, PODS, snapshot.pods) == []
            assert await differences(api, NODES, snapshot.nodes) == []
            assert await differences(api, NAMESPACES, snapshot.namespaces) == []
            assert await differences(api, SERVICES, snapshot.services) == []
            assert snapshot.version == "v1.37.2"
