"""What is measured, of every level and kind, beside what real exporters serve to the real Prometheus that is asked."""

import asyncio
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

import pytest

from gateway.config import Config
from schema.sources.prometheus.frames import Missing
from schema.sources.prometheus.settings import PrometheusSettings
from tests.cluster import objects
from tests.cluster.control_plane import ADMIN, GATEWAY, ControlPlane, Refused
from tests.cluster.exporters import Exporters, PodUse
from tests.cluster.fixtures import NODES, Namespace
from tests.cluster.process import free_ports
from tests.cluster.prometheus import PrometheusServer
from tests.front_door import FrontDoor, open_front_door
from tests.test_end_to_end import config_for

CORES, MIB = 4.0, 2**20
ALLOCATABLE = 15 * 2**30
# Of each container with claims: cores and bytes.
REQUEST, LIMIT = (0.5, 128 * MIB), (1.0, 512 * MIB)
NAMES = "[CPU_USAGE, MEMORY_USAGE, NETWORK_RECEIVE, CPU_REQUEST, CPU_REQUEST_UTILIZATION, MEMORY_LIMIT_UTILIZATION]"
OF_PODS = f"metrics(names: {NAMES}) {{ name value missing }}"
OF_CONTAINERS = "metrics(names: [CPU_USAGE]) { name value }"
OF_NODES = (
    "metrics(names: [CPU_USAGE, MEMORY_USAGE, CPU_ALLOCATABLE_UTILIZATION, MEMORY_ALLOCATABLE_UTILIZATION]) "
    "{ name value missing }"
)
MEASURED = f"""query($in: String!) {{
  pods(filter: {{namespace: $in}}) {{ name {OF_PODS} containers {{ name {OF_CONTAINERS} }} }}
  deployments(filter: {{namespace: $in}}) {{ name {OF_PODS} }}
  replicaSets(filter: {{namespace: $in}}) {{ {OF_PODS} }}
  daemonSets(filter: {{namespace: $in}}) {{ name {OF_PODS} }}
  namespace(name: $in) {{ {OF_PODS} }}
  nodes {{ name {OF_NODES} }}
  cluster {{ {OF_NODES} }}
}}"""


def short_window(config: Config, **more: Any) -> Config:
    """Rates over five seconds: a change of the world shows as soon."""
    prometheus = config.prometheus.model_copy(update={"rate_window": "5s", **more})
    return config.model_copy(update={"prometheus": prometheus})


def workload(kind: str, **spec: Any) -> dict[str, Any]:
    """Its pods use a quarter of a core and 64 MiB."""
    pod = objects.pod("any", cpu_use="250m", memory_use="64Mi")
    container = {
        "name": "main",
        "image": "registry.example.com/web:1",
        "resources": {"requests": {"cpu": "500m", "memory": "128Mi"}, "limits": {"cpu": "1", "memory": "512Mi"}},
    }
    template = {
        "metadata": {"labels": {"app": kind.lower()}, "annotations": pod["metadata"]["annotations"]},
        "spec": {"automountServiceAccountToken": False, "containers": [container]},
    }
    metadata = {"name": kind.lower()}
    selector = {"matchLabels": {"app": kind.lower()}}
    return {"metadata": metadata, "spec": {"selector": selector, "template": template, **spec}}


def expected(pods: Iterable[PodUse]) -> dict[str, float | None]:
    """What these pods use together, and their shares of what those with claims claim."""
    used = list(pods)
    claiming = [pod for pod in used if not pod.name.startswith("plain")]
    cpu = sum(pod.cpu_used * len(pod.containers) for pod in used)
    memory = sum(pod.memory_used * len(pod.containers) for pod in used)
    requested = REQUEST[0] * len(claiming)
    return {
        "CPU_USAGE": cpu,
        "MEMORY_USAGE": memory,
        "NETWORK_RECEIVE": sum(pod.receive_rate for pod in used),
        "CPU_REQUEST": requested or None,
        "CPU_REQUEST_UTILIZATION": cpu / requested if requested else None,
        "MEMORY_LIMIT_UTILIZATION": memory / (LIMIT[1] * len(claiming)) if claiming else None,
    }


def of_nodes(cpu: float, memory: float, count: int) -> dict[str, float | None]:
    return {
        "CPU_USAGE": cpu,
        "MEMORY_USAGE": memory,
        "CPU_ALLOCATABLE_UTILIZATION": cpu / (CORES * count),
        "MEMORY_ALLOCATABLE_UTILIZATION": memory / (ALLOCATABLE * count),
    }


def differences(where: str, told: Iterable[Mapping[str, Any]], served: Mapping[str, float | None]) -> dict[str, Any]:
    """Where a value is not that of the targets; with none there, it is that nothing is claimed."""
    values = {metric["name"]: metric for metric in told}
    found = {}
    for name, value in served.items():
        metric = values[name]
        # a rate over five seconds is off by as much as a scrape comes late
        close = 0.1 if name.startswith(("CPU_USAGE", "NETWORK", "CPU_REQUEST_", "CPU_ALLOCATABLE_")) else 0.05
        right = metric["missing"] == "NOT_SET" if value is None else metric["value"] == pytest.approx(value, rel=close)
        if not right:
            found[f"{where} {name}"] = (metric, value)
    return found


async def test_every_value_is_what_the_targets_serve(
    real_cluster: ControlPlane, real_prometheus: PrometheusServer, exporters: Exporters, namespace: Namespace
):
    """Pods, containers, workloads, the namespace, nodes and the cluster: use, claims, and use as a share of them."""
    base = f"/apis/apps/v1/namespaces/{namespace.name}"
    await real_cluster.request("POST", f"{base}/deployments", workload("Deployment", replicas=2))
    await real_cluster.request("POST", f"{base}/daemonsets", workload("DaemonSet"))
    plain = objects.pod("plain-0", cpu_use="100m", memory_use="32Mi", containers=2)
    for container in plain["spec"]["containers"]:
        del container["resources"]
    await real_cluster.create([plain], namespace.name)
    workloads = ["deployments", "replicasets", "daemonsets"]
    watching = await real_cluster.allow(GATEWAY, ["list", "watch"], workloads, group="apps")
    config = short_window(config_for(real_cluster, real_prometheus))

    async with open_front_door(config) as door:

        async def wrong() -> dict[str, Any]:
            answer = await door.ask(MEASURED, real_cluster.token(ADMIN), variables={"in": namespace.name})
            world = exporters.world()
            mine = [pod for pod in world.pods if pod.namespace == namespace.name and pod.phase == "Running"]
            return {"pods": len(mine)} if len(mine) != 5 else compared(answer.data, mine, world.nodes)

        await door.eventually(wrong, {}, within=60)
        await hold_lines(door, real_prometheus, real_cluster.token(ADMIN), namespace.name)
    await watching.revoke()


def compared(data: Any, mine: list[PodUse], nodes: Iterable[Any]) -> dict[str, Any]:
    of = {kind: [pod for pod in mine if pod.name.startswith(kind)] for kind in ("deployment", "daemonset")}
    by_name = {pod.name: pod for pod in mine}
    found: dict[str, Any] = {}
    for pod in data["pods"]:
        found |= differences(pod["name"], pod["metrics"], expected([by_name[pod["name"]]]))
        for container in pod["containers"]:
            one = {"CPU_USAGE": by_name[pod["name"]].cpu_used}
            found |= differences(f"{pod['name']}/{container['name']}", container["metrics"], one)
    for kind, rows in (("deployment", "deployments"), ("deployment", "replicaSets"), ("daemonset", "daemonSets")):
        [row] = data[rows]
        found |= differences(rows, row["metrics"], expected(of[kind]))
    found |= differences("namespace", data["namespace"]["metrics"], expected(mine))
    used = {node.name: (node.cpu_used, node.memory_total - node.memory_available) for node in nodes}
    for node in data["nodes"]:
        found |= differences(node["name"], node["metrics"], of_nodes(*used[node["name"]], 1))
    whole = of_nodes(sum(cpu for cpu, _ in used.values()), sum(memory for _, memory in used.values()), len(NODES))
    return found | differences("cluster", data["cluster"]["metrics"], whole)


async def hold_lines(door: FrontDoor, prometheus: PrometheusServer, token: str, namespace: str) -> None:
    """Each point over time is what Prometheus answers for that moment, of a namespace and added up for a workload."""
    line = "metricsRange(names: [MEMORY_USAGE], range: {start: $since, step: 1}) { points { timestamp value } }"
    query = f"""query($in: String!, $since: DateTime!) {{
      namespace(name: $in) {{ {line} }}
      deployments(filter: {{namespace: $in}}) {{ {line} }}
    }}"""
    since = (datetime.now(UTC) - timedelta(seconds=20)).isoformat()
    data = (await door.ask(query, token, variables={"in": namespace, "since": since})).data
    series = f'namespace="{namespace}",container!="",container!="POD",metrics_path="/metrics/cadvisor"'
    for row, more in ((data["namespace"], ""), (data["deployments"][0], ',pod=~"deployment-.*"')):
        points = [point for point in row["metricsRange"][0]["points"] if point["value"] is not None]
        assert len(points) >= 3
        for point in points[-3:]:
            promql = f"sum(container_memory_working_set_bytes{{{series}{more}}})"
            [told] = await prometheus.query(promql, at=point["timestamp"])
            assert point["value"] == float(told["value"][1])


REASONS = """query($in: String!, $name: String!) {
  pod(namespace: $in, name: $name) { metrics(names: [MEMORY_USAGE, FILESYSTEM_SIZE, DISK_READ, CPU_LIMIT]) { missing } }
  namespace(name: $in) { metrics(names: [MEMORY_USAGE]) { missing } }
}"""


async def test_each_reason_why_a_value_is_missing(
    real_cluster: ControlPlane, real_prometheus: PrometheusServer, namespace: Namespace
):
    """Provoked one after the other, each at the object that it is about."""
    await namespace.run_pods("web")
    waiting = objects.pod("waiting")
    waiting["spec"] |= {"schedulerName": "nobody"}
    for container in waiting["spec"]["containers"]:
        del container["resources"]
    await real_cluster.create([waiting], namespace.name)
    await real_prometheus.wait_for_series(f'container_memory_working_set_bytes{{namespace="{namespace.name}"}}', 2)
    clerk = await namespace.account("clerk")
    await real_cluster.allow(clerk.user, ["get", "list"], ["namespaces"])
    settings = {
        "url": real_prometheus.url,
        "scrape_interval_seconds": 60,  # no newer answer is asked for within the test
        "catalogue": {
            "DISK_READ": {"POD": "sum by (namespace, pod) (container_memory_working_set_bytes{$selector}) * NaN"}
        },
    }
    without = config_for(real_cluster)
    config = without.model_copy(update={"prometheus": PrometheusSettings.model_validate(settings)})
    admin = real_cluster.token(ADMIN)

    async def reasons(door: FrontDoor, name: str, token: str = admin) -> list[str | None]:
        answer = await door.ask(REASONS, token, variables={"in": namespace.name, "name": name})
        rows = (answer.body["data"]["pod"] or {"metrics": []}, answer.body["data"]["namespace"])
        return [metric["missing"] for row in rows for metric in row["metrics"]]

    async with open_front_door(config) as door:
        assert await reasons(door, "web") == [None, "NOT_MEASURED", "NOT_A_NUMBER", None, None]
        assert await reasons(door, "waiting") == ["NO_SERIES", "NOT_MEASURED", "NO_SERIES", "NOT_SET", None]
        assert await reasons(door, "web", clerk.token) == ["FORBIDDEN"]

        pods = f"/api/v1/namespaces/{namespace.name}/pods"

        async def made_anew() -> str | None:
            try:
                await real_cluster.request("POST", pods, objects.pod("web"))
            except Refused as refused:  # it is there, unless KWOK, which deletes by name, took it for the one before
                if refused.status != HTTPStatus.CONFLICT:
                    raise
            return (await reasons(door, "web"))[0]

        await asyncio.sleep(1)  # Kubernetes tells whole seconds: it is made in a later one than the answer
        await real_cluster.request("DELETE", f"{pods}/web", params={"gracePeriodSeconds": "0"})
        await door.eventually(made_anew, "STALE", within=40)
    async with open_front_door(without) as door:
        assert (await reasons(door, "web"))[0] == "NOT_CONFIGURED"
    [nobody] = free_ports(1)
    nowhere = config.prometheus.model_copy(update={"url": f"http://127.0.0.1:{nobody}"})
    async with open_front_door(config.model_copy(update={"prometheus": nowhere})) as door:
        assert (await reasons(door, "web"))[0] == "UNREACHABLE"
    told = {
        "NOT_MEASURED",
        "NOT_A_NUMBER",
        "NO_SERIES",
        "NOT_SET",
        "FORBIDDEN",
        "STALE",
        "NOT_CONFIGURED",
        "UNREACHABLE",
    }
    assert {reason.value for reason in Missing} == told, "a reason that is added is provoked here"
