"""The simulated numbers, and the queries that they answer."""

import msgspec
import pytest

from gateway.demo.nodes import Node
from gateway.demo.pods import Pod, Situation
from gateway.demo.promql import recognise
from gateway.demo.usage import SYSTEM_CPU, Usage
from gateway.demo.world import build
from schema.sources.prometheus.catalogue import CATALOGUE, Level, MetricName, render
from schema.sources.prometheus.frames import Question, Selector
from schema.sources.prometheus.settings import PrometheusSettings

NOW = 1_795_521_600.0
MOMENTS = [NOW + 97.0 * step for step in range(40)]


class Cluster:
    def __init__(self) -> None:
        world = build(nodes=6, pods_per_node=30, seed=3, now=lambda: NOW)
        self.nodes = {node.name: node for node in world.storage.all("nodes") if isinstance(node, Node)}
        self.pods = [pod for pod in world.storage.all("pods") if isinstance(pod, Pod)]

    def of_pods(self, metric: MetricName, at: float = NOW) -> dict[str, float]:
        usage = Usage(self.nodes, at)
        hosts = usage.of_nodes(metric, self.pods)
        return {pod.name: value for pod, value in usage.of_pods(metric, self.pods, hosts)}

    def of_nodes(self, metric: MetricName, at: float = NOW) -> dict[str, float]:
        return Usage(self.nodes, at).of_nodes(metric, self.pods)


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    return Cluster()


def test_a_pod_never_uses_more_than_its_limits(cluster: Cluster):
    """Processor and memory, at any moment."""
    for at in MOMENTS:
        cpu, memory = cluster.of_pods(MetricName.CPU_USAGE, at), cluster.of_pods(MetricName.MEMORY_USAGE, at)
        for pod in cluster.pods:
            containers = pod.workload.containers
            if all(container.cpu_limit for container in containers):
                assert cpu.get(pod.name, 0) <= sum(container.cpu_limit for container in containers) / 1000
            if all(container.memory_limit for container in containers):
                assert memory.get(pod.name, 0) <= sum(container.memory_limit for container in containers) * 2**20


def test_a_node_never_uses_more_than_it_has(cluster: Cluster):
    """Processor, memory and disk, at any moment; and never nothing."""
    most = {
        MetricName.CPU_USAGE: lambda node: node.cpu,
        MetricName.MEMORY_USAGE: lambda node: node.memory,
        MetricName.FILESYSTEM_USAGE: lambda node: node.disk,
    }
    for at in MOMENTS:
        for metric, of in most.items():
            for name, value in cluster.of_nodes(metric, at).items():
                assert 0 < value < of(cluster.nodes[name])


@pytest.mark.parametrize("metric", [MetricName.CPU_USAGE, MetricName.MEMORY_USAGE, MetricName.NETWORK_RECEIVE])
def test_a_nodes_use_is_that_of_its_pods_and_a_little_more(cluster: Cluster, metric: MetricName):
    """What the pods use is part of what the node uses."""
    pods, nodes = cluster.of_pods(metric), cluster.of_nodes(metric)
    for name, value in nodes.items():
        of_its_pods = sum(
            pods.get(pod.name, 0)
            for pod in cluster.pods
            if pod.node_name == name and not (metric is MetricName.NETWORK_RECEIVE and pod.workload.host_network)
        )
        assert of_its_pods < value
        if metric is MetricName.CPU_USAGE:
            assert value - of_its_pods < 2 * SYSTEM_CPU


def test_a_pod_on_its_nodes_network_shows_the_nodes_traffic(cluster: Cluster):
    """As cAdvisor has it."""
    pods, nodes = cluster.of_pods(MetricName.NETWORK_TRANSMIT), cluster.of_nodes(MetricName.NETWORK_TRANSMIT)
    hosted = [pod for pod in cluster.pods if pod.workload.host_network and pod.node_name in nodes]

    assert hosted
    assert all(pods[pod.name] == nodes[pod.node_name] for pod in hosted)


def test_what_does_not_run_has_no_numbers(cluster: Cluster):
    """Pending, completed and evicted pods, and all pods of a node that is lost; nor has that node."""
    silent = {
        Situation.UNSCHEDULABLE,
        Situation.INIT_FAILING,
        Situation.COMPLETED,
        Situation.EVICTED,
        Situation.NODE_LOST,
    }
    numbered = cluster.of_pods(MetricName.MEMORY_USAGE)

    for pod in cluster.pods:
        if pod.situation in silent:
            assert pod.name not in numbered
        elif pod.situation is Situation.RUNNING:
            assert pod.name in numbered
    assert set(cluster.of_nodes(MetricName.CPU_USAGE)) == {node.name for node in cluster.nodes.values() if node.ready}


def test_a_young_pod_has_no_rate_yet(cluster: Cluster):
    """Two scrapes make a rate; the first makes a size."""
    pod = next(pod for pod in cluster.pods if pod.situation is Situation.RUNNING)

    def numbered(metric: MetricName, age: int) -> bool:
        young = msgspec.structs.replace(pod, created=int(NOW) - age)
        return bool(list(Usage(cluster.nodes, NOW).of_pods(metric, [young], {})))

    assert [numbered(MetricName.CPU_USAGE, age) for age in (5, 20, 40)] == [False, False, True]
    assert [numbered(MetricName.MEMORY_USAGE, age) for age in (5, 20, 40)] == [False, True, True]


def test_numbers_move_with_time_and_are_the_same_at_the_same_time(cluster: Cluster):
    """A line, not noise."""
    assert cluster.of_pods(MetricName.CPU_USAGE) == Cluster().of_pods(MetricName.CPU_USAGE)
    assert cluster.of_pods(MetricName.CPU_USAGE) != cluster.of_pods(MetricName.CPU_USAGE, NOW + 60)


SELECTORS = {
    Level.POD: [
        Selector(),
        Selector(namespaces=frozenset({"shop"})),
        Selector(namespaces=frozenset({"shop", "payments"})),
        Selector(names=frozenset({"web-1"})),
        Selector(namespaces=frozenset({"shop"}), names=frozenset({"web.1", 'we"ir\\d|na*me', "x"})),
    ],
    Level.NODE: [
        Selector(),
        Selector(names=frozenset({"worker-1"})),
        Selector(names=frozenset({"ip-10-0-0-1.ec2", "b"})),
    ],
    Level.NAMESPACE: [Selector(), Selector(namespaces=frozenset({"shop", "payments"}))],
    Level.CLUSTER: [Selector()],
}
SELECTORS[Level.CONTAINER] = SELECTORS[Level.POD]


@pytest.mark.parametrize(("metric", "level"), CATALOGUE)
@pytest.mark.parametrize("window", ["5m", "10s", "1h30m"])
def test_every_query_that_the_catalogue_can_render_is_recognised(metric: MetricName, level: Level, window: str):
    """With any selector and any window, as the question that it was."""
    settings = PrometheusSettings(rate_window=window, scrape_interval_seconds=1)
    for selector in SELECTORS[level]:
        question = Question(metric, level, selector)

        assert recognise(render(question, settings)) == question


@pytest.mark.parametrize(
    "change", [lambda query: query + " ", lambda query: query.replace("max", "min"), lambda _: "up"]
)
def test_any_other_query_is_not_recognised(change):
    """However near."""
    query = render(Question(MetricName.CPU_USAGE, Level.POD, Selector(frozenset({"shop"}))), PrometheusSettings())

    assert recognise(query) is not None
    assert recognise(change(query)) is None


def test_a_query_whose_parts_ask_for_different_objects_is_not_recognised():
    """Rendering again compares every selector with the first."""
    query = render(Question(MetricName.CPU_USAGE, Level.NODE, Selector(names=frozenset({"a"}))), PrometheusSettings())

    assert recognise(query.replace('instance="a"', 'instance="b"')) is None
    assert recognise(query[::-1].replace('"a"=edon', '"b"=edon', 1)[::-1]) is None
