"""How much the simulated nodes and pods use: numbers that follow from the objects, the seed in their uids, and time.

Promised: a pod uses no more than its limits, a node no more than its capacity.
Promised: a node's processor, memory and network are those of the pods on it, and the system's own besides.
Promised: what does not run has no number, and neither has anything on a node that stopped reporting.
Not promised: continuity across a pod's replacement; the new one has a uid, and habits, of its own.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from gateway.demo.nodes import Node
from gateway.demo.pods import Pod, Situation
from gateway.demo.workloads import Container
from schema.sources.prometheus.catalogue import MetricName

MIB = 2**20

SCRAPE_INTERVAL_S = 15
FIRST_RATE_S = 2 * SCRAPE_INTERVAL_S
"""A rate needs two samples: younger pods have none."""

SYSTEM_CPU = 0.12  # cores that kubelet, runtime and kernel use on every node
SYSTEM_MEMORY = 640 * MIB
SYSTEM_TRAFFIC = 18_000.0  # bytes per second
IMAGES = 14 * 2**30  # what images and the operating system take of a node's disk
FULLEST = 0.97  # of anything that a node has

SYSTEM_DISK = 40_000.0  # bytes per second, in either direction

TRAFFIC = frozenset({MetricName.NETWORK_RECEIVE, MetricName.NETWORK_TRANSMIT})
DISKS = frozenset({MetricName.DISK_READ, MetricName.DISK_WRITE})
RATES = frozenset({MetricName.CPU_USAGE, MetricName.CPU_THROTTLING}) | TRAFFIC | DISKS

# Which containers a scrape of the pod's node finds: all; those beside the first, which is in trouble; none.
_ALL = frozenset({Situation.RUNNING, Situation.UNREADY})
_SIDECARS = frozenset({Situation.CRASHING, Situation.IMAGE_MISSING})
# A pod whose sandbox exists has a network, whatever its containers do.
_CONNECTED = _ALL | _SIDECARS | {Situation.INIT_FAILING}


@dataclass(frozen=True, slots=True)
class Usage:
    """The cluster's use at one moment, in seconds since 1970. Nodes by name; pods as they are given."""

    nodes: Mapping[str, Node]
    at: float

    def of_pods(
        self, metric: MetricName, pods: Iterable[Pod], host_traffic: Mapping[str, float]
    ) -> Iterator[tuple[Pod, float]]:
        """Those pods that have a number, and it; `host_traffic` is what pods on their node's own network show."""
        for pod in pods:
            value = self._of_pod(metric, pod)
            if value is None:
                continue
            if metric in TRAFFIC and pod.workload.host_network:
                value = host_traffic.get(pod.node_name, 0.0)
            yield pod, value

    def of_containers(self, metric: MetricName, pods: Iterable[Pod]) -> Iterator[tuple[Pod, str, float]]:
        """The containers of those pods that have a number, by name, and it."""
        for pod in pods:
            if not self._measured(metric, pod):
                continue
            for container in _running(pod):
                value = self._of_container(metric, pod, container)
                if value is not None:
                    yield pod, container.name, value

    def of_nodes(self, metric: MetricName, pods: Iterable[Pod]) -> dict[str, float]:
        """Every reporting node's number, from all pods of the cluster."""
        if metric is MetricName.FILESYSTEM_SIZE:
            return {name: float(node.disk) for name, node in self.nodes.items() if node.ready}
        sums = {
            name: self._of_system(metric, node)
            for name, node in self.nodes.items()
            if node.ready and node.created <= self.at
        }
        for pod in pods:
            if pod.node_name not in sums or (metric in TRAFFIC and pod.workload.host_network):
                continue
            sums[pod.node_name] += self._of_pod(metric, pod) or 0.0
        return {name: min(value, self._most(metric, self.nodes[name])) for name, value in sums.items()}

    def _of_pod(self, metric: MetricName, pod: Pod) -> float | None:
        if not self._measured(metric, pod):
            return None
        if metric in TRAFFIC:
            return self._traffic(metric, pod) if pod.situation in _CONNECTED else None
        of_containers = [self._of_container(metric, pod, container) for container in _running(pod)]
        values = [value for value in of_containers if value is not None]
        if not values:
            return None
        return sum(values) / len(values) if metric is MetricName.CPU_THROTTLING else float(sum(values))

    def _measured(self, metric: MetricName, pod: Pod) -> bool:
        node = self.nodes.get(pod.node_name)
        return node is not None and node.ready and not self._too_young(metric, pod)

    def _of_container(self, metric: MetricName, pod: Pod, container: Container) -> float | None:
        match metric:
            case MetricName.CPU_USAGE:
                return self._cpu(pod, container)
            case MetricName.CPU_THROTTLING:
                return self._throttled(pod, container)
            case MetricName.MEMORY_USAGE:
                return float(self._memory(pod, container))
            case MetricName.DISK_READ | MetricName.DISK_WRITE:
                return self._disk(metric, pod, container)
            case _:
                return float(self._written(pod, container))

    def _too_young(self, metric: MetricName, pod: Pod) -> bool:
        return self.at < pod.created + (FIRST_RATE_S if metric in RATES else SCRAPE_INTERVAL_S)

    def _cpu(self, pod: Pod, container: Container) -> float:
        used = container.cpu_request * container.busy * self._swing(pod.uid, 0.55)
        return min(used, container.cpu_limit or used) / 1000

    def _throttled(self, pod: Pod, container: Container) -> float | None:
        """The nearer to its limit, the more often it is held back; one without a limit never is, and has no number."""
        if not container.cpu_limit:
            return None
        return max(0.0, self._cpu(pod, container) * 1000 / container.cpu_limit - 0.5) / 2

    def _disk(self, metric: MetricName, pod: Pod, container: Container) -> float:
        """Mostly nothing to speak of; some write a lot."""
        habit = _habit(pod.uid, f"{container.name} {metric.value}")
        return 2_000_000 * habit**8 * self._swing(pod.uid, 0.8)

    def _memory(self, pod: Pod, container: Container) -> int:
        share = 0.5 + 0.4 * _habit(pod.uid, container.name)
        used = container.memory_request * share * self._swing(pod.uid, 0.04)
        return int(min(used, container.memory_limit or used) * MIB)

    def _written(self, pod: Pod, container: Container) -> int:
        return int(256 * MIB * _habit(pod.uid, container.image) ** 3 + 4096)

    def _traffic(self, metric: MetricName, pod: Pod) -> float:
        """From some hundred bytes to some hundred kilobytes a second, by the pod's habit."""
        return 200 * math.pow(2_000, _habit(pod.uid, metric.value)) * self._swing(pod.uid, 0.5)

    def _of_system(self, metric: MetricName, node: Node) -> float:
        match metric:
            case MetricName.CPU_USAGE:
                return SYSTEM_CPU * self._swing(node.uid, 0.3)
            case MetricName.MEMORY_USAGE:
                return int(SYSTEM_MEMORY * self._swing(node.uid, 0.02))
            case MetricName.FILESYSTEM_USAGE:
                return int(IMAGES * (0.7 + 0.6 * _habit(node.uid, "images")))
            case MetricName.DISK_READ | MetricName.DISK_WRITE:
                return SYSTEM_DISK * self._swing(node.uid, 0.6)
            case _:
                return SYSTEM_TRAFFIC * self._swing(node.uid, 0.4)

    def _most(self, metric: MetricName, node: Node) -> float:
        match metric:
            case MetricName.CPU_USAGE:
                return node.cpu * FULLEST
            case MetricName.MEMORY_USAGE:
                return node.memory * FULLEST
            case MetricName.FILESYSTEM_USAGE:
                return node.disk * FULLEST
            case _:
                return math.inf

    def _swing(self, uid: str, depth: float) -> float:
        """Around 1: a slow wave and a quick one, at a phase of the object's own, never below 1 - depth."""
        phase = int(uid[:8], 16) / 2**32 * math.tau
        slow = math.sin(self.at / 1_260 * math.tau + phase)
        quick = math.sin(self.at / 170 * math.tau + 3 * phase)
        return 1 + depth * (0.7 * slow + 0.3 * quick)


def _running(pod: Pod) -> tuple[Container, ...]:
    if pod.situation in _ALL:
        return pod.workload.containers
    return pod.workload.containers[1:] if pod.situation in _SIDECARS else ()


def _habit(uid: str, what: str) -> float:
    """A number between 0 and 1 that an object has for good."""
    return (int(uid[-8:], 16) * 31 + sum(what.encode()) * 40_503) % 10_007 / 10_007
