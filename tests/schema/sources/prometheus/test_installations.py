"""Each usual installation, as a real Prometheus scrapes it: its jobs, the labels that these give, and its rules.

What is asked are the numbers that the targets serve. Beside them a tenant has other numbers of the same objects
scraped, under a job of its own.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from schema.sources.prometheus.catalogue import CATALOGUE, Profile
from schema.sources.prometheus.client import open_prometheus
from schema.sources.prometheus.settings import PrometheusSettings
from tests.cluster.control_plane import eventually
from tests.cluster.exporters import Exporters, NodeUse, PodUse, World
from tests.cluster.fixtures import StartPrometheus
from tests.cluster.prometheus import Target
from tests.schema.sources.prometheus.test_against_prometheus import NUMBERS, WORLD, hold_numbers

pytestmark = pytest.mark.cluster


def relabelled(source: str, target: str) -> dict[str, Any]:
    return {"source_labels": [f"__meta_kubernetes_{source}"], "target_label": target}


LABELS_OF_NODES = {"action": "labelmap", "regex": "__meta_kubernetes_node_label_(.+)"}
LABELS_OF_SERVICES = {"action": "labelmap", "regex": "__meta_kubernetes_service_label_(.+)"}


def of_service(name: str, node: str = "", pod: str = "") -> dict[str, str]:
    """What service discovery says of an endpoint of a service in the namespace `monitoring`."""
    return {
        "__meta_kubernetes_namespace": "monitoring",
        "__meta_kubernetes_service_name": name,
        "__meta_kubernetes_service_label_app_kubernetes_io_name": name,
        "__meta_kubernetes_pod_name": pod,
        "__meta_kubernetes_pod_node_name": node,
    }


def of_node(name: str) -> dict[str, str]:
    labels = {"kubernetes_io_hostname": name, "kubernetes_io_os": "linux"}
    return {f"__meta_kubernetes_node_label_{key}": value for key, value in labels.items()} | {"instance": name}


def stack(exporters: str) -> Iterator[Target]:
    """As prometheus-operator writes it for the ServiceMonitors of kube-prometheus-stack."""
    state = of_service("kube-state-metrics", pod="kube-state-metrics-0")
    yield Target(exporters, "/state/metrics", "kube-state-metrics", {"instance": "10.0.1.9:8080", **state})
    for node in WORLD.nodes:
        exporter = {"instance": f"{node.address}:9100", "endpoint": "http-metrics"}
        found = of_service("prometheus-node-exporter", pod=f"node-exporter-{node.name}")
        yield Target(exporters, f"/nodes/{node.name}/metrics", "node-exporter", exporter | found)
        kubelet = {
            "instance": f"{node.address}:10250",
            "namespace": "kube-system",
            "service": "kubelet",
            "endpoint": "https-metrics",
            "metrics_path": "/metrics/cadvisor",
            "node": node.name,
        }
        yield Target(exporters, f"/cadvisor/{node.name}/metrics", "kubelet", kubelet)


def chart(exporters: str) -> Iterator[Target]:
    """The community chart: annotated services by one job, kubelets through the API server by their nodes' names."""
    job = "kubernetes-service-endpoints"
    state = of_service("prometheus-kube-state-metrics", node="worker-1")
    yield Target(exporters, "/state/metrics", job, {"instance": "10.0.1.9:8080", **state})
    for node in WORLD.nodes:
        exporter = {"instance": f"{node.address}:9100", **of_service("prometheus-node-exporter", node=node.name)}
        yield Target(exporters, f"/nodes/{node.name}/metrics", job, exporter)
        yield Target(exporters, f"/cadvisor/{node.name}/metrics", "kubernetes-nodes-cadvisor", of_node(node.name))


def example(exporters: str) -> Iterator[Target]:
    """Prometheus' own example for Kubernetes: nothing but addresses for exporters, cAdvisor by its nodes' names."""
    job = "kubernetes-service-endpoints"
    yield Target(exporters, "/state/metrics", job, {"instance": "10.0.1.9:8080", **of_service("kube-state-metrics")})
    for node in WORLD.nodes:
        exporter = {"instance": f"{node.address}:9100", **of_service("node-exporter")}
        yield Target(exporters, f"/nodes/{node.name}/metrics", job, exporter)
        yield Target(exporters, f"/cadvisor/{node.name}/metrics", "kubernetes-cadvisor", of_node(node.name))


def tenant(exporters: str) -> Iterator[Target]:
    """All labels that anybody could go by, under a job of its own."""
    yield Target(exporters, "/state/metrics", "tenant")
    for node in WORLD.nodes:
        claims = {"node": node.name, "instance": node.name, "metrics_path": "/metrics/cadvisor"}
        for page in ("nodes", "cadvisor"):
            yield Target(exporters, f"/{page}/{node.name}/metrics", "tenant", claims)


@dataclass(frozen=True, slots=True)
class Installed:
    targets: Any
    relabelling: Sequence[Mapping[str, Any]]
    honor_labels: bool = True
    rules: Mapping[str, str] = field(default_factory=dict)


STACK = Installed(
    stack,
    [
        relabelled("namespace", "namespace"),
        relabelled("service_name", "service"),
        relabelled("pod_name", "pod"),
    ],
)
# kubernetes-mixin's, over seconds in the place of five minutes: a sum of rates has no job, a product keeps its own.
BY_NODE = """
    * on (cluster, namespace, pod) group_left(node)
    topk by (cluster, namespace, pod) (1, max by (cluster, namespace, pod, node) (kube_pod_info{node!=""}))
"""
CADVISOR = 'job="kubelet", metrics_path="/metrics/cadvisor", image!=""'
RULES = {
    "node_namespace_pod_container:container_cpu_usage_seconds_total:sum_rate5m": (
        "sum by (cluster, namespace, pod, container)"
        f" (rate(container_cpu_usage_seconds_total{{{CADVISOR}}}[5s])) {BY_NODE}"
    ),
    "node_namespace_pod_container:container_memory_working_set_bytes": (
        f"container_memory_working_set_bytes{{{CADVISOR}}} {BY_NODE}"
    ),
}
INSTALLED = {
    Profile.KUBE_PROMETHEUS_STACK: STACK,
    Profile.KUBERNETES_MIXIN: replace(STACK, rules=RULES),
    Profile.PROMETHEUS: Installed(
        chart,
        [
            LABELS_OF_NODES,
            LABELS_OF_SERVICES,
            relabelled("namespace", "namespace"),
            relabelled("service_name", "service"),
            relabelled("pod_node_name", "node"),
        ],
    ),
    Profile.KUBERNETES_CADVISOR: Installed(
        example,
        [
            LABELS_OF_NODES,
            LABELS_OF_SERVICES,
            relabelled("namespace", "kubernetes_namespace"),
            relabelled("service_name", "kubernetes_name"),
        ],
        honor_labels=False,
    ),
}

WITH_EXPORTERS = replace(
    WORLD,
    pods=(
        *WORLD.pods,
        *(
            PodUse("monitoring", f"node-exporter-{node.name}", node.name, uid=node.name, created_by="DaemonSet")
            for node in WORLD.nodes
        ),
    ),
)


def claimed(node: NodeUse) -> NodeUse:
    more = replace(node, cpu_used=3.0, memory_available=0, filesystem_size=9 * node.filesystem_size)
    return replace(more, receive_rate=9e6, transmit_rate=9e6, read_rate=9e6, write_rate=9e6)


LIES = World(
    nodes=[claimed(node) for node in WORLD.nodes],
    pods=[
        replace(pod, cpu_used=3.0, memory_used=2**33, filesystem_used=2**33, receive_rate=9e6, transmit_rate=9e6,
                read_rate=9e6, write_rate=9e6, throttled=0.9)
        for pod in WORLD.pods
    ],
)  # fmt: skip


async def hold_installation(profile: Profile, start: StartPrometheus, exporters: str, liar: str) -> None:
    """It is recognised, and every number is the one that its own targets serve."""
    installed = INSTALLED[profile]
    server = await start(
        [*installed.targets(exporters), *tenant(liar)],
        relabelling=installed.relabelling,
        honor_labels=installed.honor_labels,
        rules=installed.rules,
    )
    settings = PrometheusSettings(url=server.url, scrape_interval_seconds=1, rate_window="5s", timeout_seconds=10)
    async with open_prometheus(settings, "binnacle/test") as prometheus:

        async def recognised() -> bool:
            await prometheus.recognise()
            return prometheus.profile is profile

        await eventually(recognised, every_s=0.5)
        await hold_numbers(prometheus, NUMBERS)


async def test_every_number_is_what_the_targets_of_an_installation_serve(own_prometheus: StartPrometheus):
    """Of all metrics and levels, whatever a tenant says of the same objects."""
    with Exporters(lambda: WITH_EXPORTERS) as exporters, Exporters(lambda: LIES) as liar:
        async with asyncio.TaskGroup() as side_by_side:
            for profile in INSTALLED:
                side_by_side.create_task(hold_installation(profile, own_prometheus, exporters.address, liar.address))

    assert {*INSTALLED, Profile.GENERIC} == set(Profile), "one that is added comes with its installation"
    assert set(NUMBERS) == set(CATALOGUE)
