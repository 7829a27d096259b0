"""The main job on real parts: a real API server with KWOK in the place of kubelets, and a real Prometheus."""

import json

import pytest

from gateway.config import Config
from schema.sources.kubernetes.settings import KubernetesSettings
from schema.sources.prometheus.settings import PrometheusSettings
from tests.cluster.control_plane import GATEWAY, ControlPlane
from tests.cluster.exporters import Exporters
from tests.cluster.fixtures import NODES, Namespace, StartPrometheus
from tests.cluster.prometheus import PrometheusServer, exporter_targets
from tests.front_door import free_port, open_front_door

QUERY = """
{ cluster { version nodeCount podCount }
  nodes { name ready roles pods { name namespace phase ready restarts
          metrics(names: [CPU_USAGE, MEMORY_USAGE]) { name value unit } } } }
"""


def config_for(cluster: ControlPlane, prometheus: PrometheusServer | None = None) -> Config:
    """As `binnacle serve --kubeconfig … --prometheus-url …` would have it."""
    return Config(
        server=free_port(),
        kubernetes=KubernetesSettings(kubeconfig=cluster.kubeconfig_of(GATEWAY)),
        prometheus=PrometheusSettings(
            url=prometheus.url if prometheus else None, scrape_interval_seconds=1, rate_window="10s"
        ),
    )


async def test_nodes_with_nested_pods_and_metrics_are_what_kubectl_and_prometheus_say(
    real_cluster: ControlPlane, real_prometheus: PrometheusServer, namespace: Namespace
):
    """Three nodes, pods that really run, a service account's own token: one answer that agrees with both sources."""
    names = [f"web-{index}" for index in range(6)]
    await namespace.run_pods(*names, cpu_use="250m", memory_use="64Mi")
    await real_prometheus.wait_for_value(cpu_of(namespace.name), 0.25, 6, within=0.1)
    user = await namespace.account("reader")
    await real_cluster.allow(user.user, ["get", "list", "watch"], ["nodes", "pods", "namespaces", "services"])

    async with open_front_door(config_for(real_cluster, real_prometheus)) as door:
        answer = await door.ask(QUERY, user.token)

    data = answer.data
    listed = json.loads(await real_cluster.kubectl("get", "nodes,pods", "-A", "-o", "json"))["items"]
    nodes = [item for item in listed if item["kind"] == "Node"]
    pods = [item for item in listed if item["kind"] == "Pod"]
    version = json.loads(await real_cluster.kubectl("version", "-o", "json"))["serverVersion"]["gitVersion"]
    assert data["cluster"] == {"version": version, "nodeCount": 3, "podCount": len(pods)}
    assert [node["name"] for node in data["nodes"]] == sorted(node["metadata"]["name"] for node in nodes)
    assert [node["roles"] for node in data["nodes"]] == [["control-plane"], [], []]
    assert all(node["ready"] for node in data["nodes"])
    shown = {
        (node["name"], pod["namespace"], pod["name"], pod["phase"], pod["ready"], pod["restarts"])
        for node in data["nodes"]
        for pod in node["pods"]
    }
    assert shown == {as_shown(pod) for pod in pods}
    mine = [pod for node in data["nodes"] for pod in node["pods"] if pod["namespace"] == namespace.name]
    assert len(mine) == 6
    held = {row["metric"]["pod"]: float(row["value"][1]) for row in await real_prometheus.query(cpu_of(namespace.name))}
    for pod in mine:
        cpu, memory = pod["metrics"]
        assert (cpu["name"], cpu["unit"]) == ("CPU_USAGE", "CORES")
        assert cpu["value"] == pytest.approx(held[pod["name"]], rel=0.3)
        assert cpu["value"] == pytest.approx(0.25, rel=0.3)
        assert memory == {"name": "MEMORY_USAGE", "value": 64 * 2**20, "unit": "BYTES"}


def containers_of(namespace: str) -> str:
    """Series that only cAdvisor's endpoint has; the kubelet's other one knows the same containers."""
    matchers = f'namespace="{namespace}",container!="",container!="POD",metrics_path="/metrics/cadvisor"'
    return f"container_cpu_usage_seconds_total{{{matchers}}}"


def cpu_of(namespace: str) -> str:
    """Asked independently of the gateway's catalogue."""
    return f"sum by (pod) (rate({containers_of(namespace)}[10s]))"


def as_shown(pod) -> tuple[object, ...]:
    status = pod["status"]
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", ()))
    restarts = sum(container["restartCount"] for container in status.get("containerStatuses", ()))
    metadata = pod["metadata"]
    return (pod["spec"].get("nodeName"), metadata["namespace"], metadata["name"], status["phase"], ready, restarts)


async def test_prometheus_stopped_and_started_again_costs_metrics_in_between(
    real_cluster: ControlPlane, own_prometheus: StartPrometheus, exporters: Exporters, namespace: Namespace
):
    """Only clear errors meanwhile, and values again soon after, without a restart of the gateway."""
    await namespace.run_pods("web")
    prometheus = await own_prometheus(exporter_targets(exporters.address, NODES))
    await prometheus.wait_for_series(containers_of(namespace.name), at_least=1)
    query = "{ nodes { name metrics(names: [MEMORY_USAGE]) { value missing } } }"
    token = real_cluster.token("admin")

    async with open_front_door(config_for(real_cluster, prometheus)) as door:

        async def missing():
            answer = await door.ask(query, token)
            assert answer.status == 200
            assert set(answer.codes) <= {"METRICS_UNAVAILABLE"}
            return {node["metrics"][0]["missing"] for node in answer.body["data"]["nodes"]}

        await door.eventually(missing, {None})
        prometheus.kill()
        await door.eventually(missing, {"UNREACHABLE"})
        await prometheus.start_again()
        await door.eventually(missing, {None}, within=20)
