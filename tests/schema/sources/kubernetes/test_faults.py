"""The cache against a real API server, whole and broken: after each fault it equals a fresh LIST.

The self-check is on throughout: each list that the cache takes in is compared with one of the very same version.
Beside the standing kinds some on demand are watched: one like all others, one without bookmarks that the API server
keeps out of its own watch cache, and one of which only the metadata is asked for.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from schema.sources.kubernetes import client
from schema.sources.kubernetes.client import open_api
from schema.sources.kubernetes.cluster import Cluster
from schema.sources.kubernetes.kinds import EVENTS, REPLICA_SET_OWNERS, Kind
from schema.sources.kubernetes.owned import WireOwned, owned_record
from schema.sources.kubernetes.policy import Backoff
from schema.sources.kubernetes.settings import KubernetesSettings
from schema.sources.kubernetes.store import Snapshot
from tests.cluster.control_plane import GATEWAY, ControlPlane, Refused, eventually
from tests.cluster.fixtures import Namespace, StartControlPlane
from tests.cluster.process import free_ports
from tests.faults.proxy import Proxy
from tests.schema.sources.kubernetes import promises

RETRIES_LIMIT_S = 60.0

CONFIG_MAPS: Final = Kind("configmaps", "ConfigMap", WireOwned, owned_record)
ON_DEMAND: Final[tuple[Kind[Any], ...]] = (CONFIG_MAPS, EVENTS, REPLICA_SET_OWNERS)


@asynccontextmanager
async def watching(settings: KubernetesSettings) -> AsyncIterator[Cluster]:
    """A cluster that is watched, and known for the first time."""
    async with open_api(settings, "binnacle/test") as api:
        cluster = Cluster(api, on_demand=ON_DEMAND, self_check=True, backoff=lambda: Backoff(longest=2.0))
        running = asyncio.create_task(cluster.run(), name="cluster")
        wanted = asyncio.create_task(cluster.want(ON_DEMAND), name="want")
        await asyncio.sleep(0)  # they are watched, and nothing has come yet
        witnesses = [promises.Witness(watched.store) for watched in cluster.kinds]
        try:
            await eventually(lambda: _is_synced(cluster, running))
            await wanted
            yield cluster
            for witness in witnesses:
                witness.check()
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running


async def _is_synced(cluster: Cluster, running: asyncio.Task[None]) -> bool:
    if running.done():
        running.result()
    return cluster.synced and bool(cluster.snapshot().version)


def as_gateway(plane: ControlPlane) -> KubernetesSettings:
    return KubernetesSettings(kubeconfig=plane.kubeconfig_of(GATEWAY))


def through(proxy: Proxy, plane: ControlPlane, folder: Path) -> KubernetesSettings:
    token = folder / "token"
    token.write_text(plane.token(GATEWAY))
    return KubernetesSettings(server=f"https://127.0.0.1:{proxy.port}", ca_file=plane.ca_file, token_file=token)


async def equals_a_fresh_list(cluster: Cluster, plane: ControlPlane) -> None:
    """Wait until the cache has come to what the API server lists now, and check every promise of it."""
    missing: dict[str, Any] = {}

    async def come_to_it() -> bool:
        for watched in cluster.kinds:
            items = (await plane.request("GET", watched.kind.path()))["items"]
            listed = {(item["metadata"]["name"], item["metadata"]["resourceVersion"]) for item in items}
            shown = {(record.name, record.resource_version) for record in watched.store.snapshot()}
            missing[watched.kind.name] = listed ^ shown
        return not any(missing.values())

    try:
        await eventually(come_to_it, limit_s=RETRIES_LIMIT_S)
    except TimeoutError:
        pytest.fail(f"the cache differs in {missing}; {cluster.status()}")
    for watched in cluster.kinds:
        snapshot: Snapshot[Any] = watched.store.snapshot()
        promises.all_of(snapshot, watched.kind)


async def populate(plane: ControlPlane) -> None:
    nodes = await plane.create_nodes(3)
    await plane.create_pods(60, nodes)
    await may_watch_more(plane)
    await change_others(plane, "first")


async def may_watch_more(plane: ControlPlane) -> None:
    """Give the gateway's account the rule that each kind on demand names."""
    rules = [{"apiGroups": [kind.group], "resources": [kind.name], "verbs": ["list", "watch"]} for kind in ON_DEMAND]
    base = "/apis/rbac.authorization.k8s.io/v1"
    await plane.request("POST", f"{base}/clusterroles", {"metadata": {"name": "more"}, "rules": rules})
    binding = {
        "metadata": {"name": "more"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "more"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": GATEWAY}],
    }
    await plane.request("POST", f"{base}/clusterrolebindings", binding)
    for kind in ON_DEMAND:
        await eventually(partial(_is_granted, plane, kind.path()))


async def _is_granted(plane: ControlPlane, path: str) -> bool:
    try:
        await plane.request("GET", path, user=GATEWAY)
    except Refused:
        return False
    return True


async def change_others(plane: ControlPlane, name: str) -> None:
    """Of each kind on demand one object comes; of the config maps one goes."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "web"}]}}
    made: dict[str, Any] = {
        CONFIG_MAPS.path("default"): {"data": {"a": "b"}},
        EVENTS.path("default"): {"involvedObject": {"kind": "Pod", "namespace": "default", "name": "pod-00000"}},
        REPLICA_SET_OWNERS.path("default"): {"spec": {"selector": {"matchLabels": labels}, "template": template}},
    }
    for path, parts in made.items():
        await plane.request("POST", path, {"metadata": {"name": name, "labels": labels}, **parts})
    gone = f"gone-{name}"
    await plane.request("POST", CONFIG_MAPS.path("default"), {"metadata": {"name": gone}})
    await plane.request("DELETE", f"{CONFIG_MAPS.path('default')}/{gone}")


async def change_everything(plane: ControlPlane, prefix: str) -> None:
    """Some pods go, some come, one is replaced by another of the same name."""
    await plane.create_pods(10, ["node-0000"], prefix=prefix)
    for number in range(0, 20, 2):
        await plane.request("DELETE", f"/api/v1/namespaces/default/pods/pod-{number:05}", {"gracePeriodSeconds": 0})
    await plane.create_pods(1, ["node-0002"])  # pod-00000 again
    await change_others(plane, prefix)


async def test_a_streaming_list_and_its_watch(control_plane: StartControlPlane):
    """The ordinary case: one request a kind, and what kubectl shows."""
    plane = await control_plane()
    await populate(plane)
    async with watching(as_gateway(plane)) as cluster:
        await change_everything(plane, "late")
        await equals_a_fresh_list(cluster, plane)
        snapshot = cluster.snapshot()

        assert snapshot.version == (await plane.request("GET", "/version"))["gitVersion"]
        assert all(status.live for status in cluster.status().values())
        shown = await plane.kubectl("get", "pods", "-A", "--no-headers")
        rows = [row.split()[:6] for row in shown.splitlines()]
        assert [
            [pod.namespace, pod.name, f"{pod.containers_ready}/{pod.containers_total}", pod.phase, str(pod.restarts)]
            for pod in snapshot.pods
        ] == [row[:5] for row in rows]
        whole = cluster.pods.decoder.rest(next(iter(snapshot.pods)))
        listed = (await plane.request("GET", "/api/v1/pods"))["items"][0]
        del listed["metadata"]["managedFields"]
        assert whole == {"apiVersion": "v1", "kind": "Pod", **listed}


async def test_an_api_server_killed_and_restarted_after_other_writes(control_plane: StartControlPlane, caplog: Any):
    """Its history begins anew: the old version is answered with 410, and the list tells what vanished meanwhile."""
    plane = await control_plane()
    await populate(plane)
    async with watching(as_gateway(plane)) as cluster:
        told: list[Any] = []
        cluster.pods.store.consume(told.extend)
        with caplog.at_level(logging.WARNING, logger="schema"):
            plane.stop_api_server()
            await eventually(lambda: _all(cluster, live=False), limit_s=RETRIES_LIMIT_S)
            stale = cluster.snapshot().pods
            assert len(stale) == 60
            assert cluster.synced, "an outage of the API server takes nobody out of service"

            async with another_api_server(plane):
                await change_everything(plane, "meanwhile")
            await plane.start_api_server()
            await equals_a_fresh_list(cluster, plane)
            await eventually(lambda: _all(cluster, live=True), limit_s=RETRIES_LIMIT_S)

        assert len(cluster.snapshot().pods) == 61
        assert {change.before.name for change in told if change.after is None} >= {"pod-00002", "pod-00018"}
        reasons = {record.reason for record in caplog.records if record.message == "reflector.failed"}
        assert any("Cannot connect" in reason for reason in reasons)
        assert not any("Traceback" in reason or "\n" in reason for reason in reasons)


@asynccontextmanager
async def another_api_server(plane: ControlPlane) -> AsyncIterator[None]:
    """Writes happen while the cache cannot reach the API server: at another port, as at another replica."""
    port, (plane._port,) = plane._port, free_ports(1)
    try:
        await plane.start_api_server()
        yield
        plane.stop_api_server()
    finally:
        plane._port = port


async def _all(cluster: Cluster, *, live: bool) -> bool:
    return all(status.live is live for status in cluster.status().values())


async def test_a_connection_cut_in_mid_stream_is_resumed(control_plane: StartControlPlane, tmp_path: Path):
    """From the last version seen: nobody lists again, and nothing is missed or told twice."""
    plane = await control_plane()
    await populate(plane)
    port = int(plane.server.rpartition(":")[2])
    async with Proxy("127.0.0.1", port) as proxy, watching(through(proxy, plane, tmp_path)) as cluster:
        for watched in cluster.kinds:
            watched.reflector.listed.clear()
        for round_number in range(3):
            await eventually(lambda: _all(cluster, live=True))
            writing = asyncio.create_task(plane.create_pods(30, ["node-0001"], prefix=f"round-{round_number}"))
            await asyncio.sleep(0.02)
            assert proxy.cut() >= 4 + len(ON_DEMAND)  # one a kind
            await writing
            await equals_a_fresh_list(cluster, plane)

        assert len(cluster.snapshot().pods) == 150
        assert not any(watched.reflector.listed.is_set() for watched in cluster.kinds)


async def test_a_path_that_falls_silent_is_left(
    control_plane: StartControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """No reset, no end: only silence tells. (The limit is 70 s; here 1 s.)"""
    plane = await control_plane()
    await populate(plane)
    port = int(plane.server.rpartition(":")[2])
    async with Proxy("127.0.0.1", port) as proxy, watching(through(proxy, plane, tmp_path)) as cluster:
        monkeypatch.setattr(client, "SILENCE_LIMIT_S", 1.0)
        proxy.cut()  # so that the watches begin anew, with that limit
        await equals_a_fresh_list(cluster, plane)
        await eventually(lambda: _lives(cluster, EVENTS))
        proxy.stall()
        await plane.create_pods(5, ["node-0001"], prefix="unseen")
        with_bookmarks = {watched.kind.key for watched in cluster.kinds if watched.kind.bookmarks}
        await eventually(lambda: _dead(cluster, with_bookmarks), limit_s=RETRIES_LIMIT_S)
        assert cluster.status_of(EVENTS).live, "where no bookmarks come, silence is no sign"
        proxy.flow()
        await equals_a_fresh_list(cluster, plane)


async def _lives(cluster: Cluster, kind: Kind[Any]) -> bool:
    return cluster.status_of(kind).live


async def _dead(cluster: Cluster, kinds: Collection[str]) -> bool:
    return not any(status.live for key, status in cluster.status().items() if key in kinds)


@pytest.mark.parametrize("options", [{"feature_gates": {"WatchList": False}}, {"server": "oldest"}])
async def test_an_api_server_without_streaming_lists(control_plane: StartControlPlane, options: Any):
    """Refused with 422, it is listed and watched; after a restart the list is asked for again."""
    plane = await control_plane(**options)
    await populate(plane)
    async with watching(as_gateway(plane)) as cluster:
        await change_everything(plane, "late")
        await equals_a_fresh_list(cluster, plane)
        plane.stop_api_server()
        async with another_api_server(plane):
            await plane.create_pods(3, ["node-0001"], prefix="meanwhile")
        await plane.start_api_server()
        await equals_a_fresh_list(cluster, plane)


async def test_a_gateway_without_rights_says_so(control_plane: StartControlPlane):
    """Refused for good is ready: each kind has its reason, and costs only itself."""
    plane = await control_plane()
    await plane.allow("alice", ["list", "watch"], ["pods", "namespaces"])
    async with watching(KubernetesSettings(kubeconfig=plane.kubeconfig_of("alice"))) as cluster:
        status = cluster.status()

        refused = {"nodes", "services", *(kind.key for kind in ON_DEMAND)}
        assert {kind for kind in status if status[kind].refused} == refused
        assert 'User "alice" cannot' in status["nodes"].reason
        assert 'apiGroups: ["apps"], resources: ["replicasets"], verbs: ["list", "watch"]' in (
            status[REPLICA_SET_OWNERS.key].reason
        )
        assert {kind for kind in status if status[kind].live} == {"pods", "namespaces"}


async def test_pods_as_kubelets_and_controllers_treat_them(namespace: Namespace):
    """With a scheduler, controllers and KWOK: pods bind, run and end, and the cache follows."""
    plane = namespace.cluster
    async with watching(as_gateway(plane)) as cluster:
        await namespace.run_pods("one", "two", "three")
        await plane.kubectl("delete", "pod", "two", "-n", namespace.name, "--wait=false")

        async def come_to_it() -> bool:
            return {
                (pod.name, pod.phase, pod.ready) for pod in cluster.snapshot().pods.in_namespace(namespace.name)
            } == {
                ("one", "Running", True),
                ("three", "Running", True),
            }

        await eventually(come_to_it)
        pods = list(cluster.snapshot().pods.in_namespace(namespace.name))
        assert all(pod in cluster.snapshot().pods.on_node(str(pod.node_name)) for pod in pods)
