"""Which objects are measured, how they are found in the answers of Prometheus, and what they say themselves."""

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any, Final

from auth.access import PODS
from schema.execution.context import GraphInfo, listable_everywhere
from schema.metric import CLAIMED, Measuring, Said
from schema.sources.kubernetes.claims import NOTHING, Claimed
from schema.sources.kubernetes.containers import Container
from schema.sources.kubernetes.node_sums import is_done, limited, requested
from schema.sources.kubernetes.objects import NamespaceRecord, NodeRecord, PodRecord
from schema.sources.prometheus.catalogue import MEASURED, Level, MetricName
from schema.sources.prometheus.frames import Missing

_NODE_SAYS: Final[dict[MetricName, Callable[[NodeRecord], float]]] = {
    MetricName.CPU_ALLOCATABLE: lambda node: node.allocatable.cpu,
    MetricName.MEMORY_ALLOCATABLE: lambda node: float(node.allocatable.memory),
}

# Pods and containers both have `requests` and `limits`.
_SAYS: Final[dict[MetricName, Callable[[Any], float | None]]] = {
    MetricName.CPU_REQUEST: attrgetter("requests.cpu"),
    MetricName.CPU_LIMIT: attrgetter("limits.cpu"),
    MetricName.MEMORY_REQUEST: attrgetter("requests.memory"),
    MetricName.MEMORY_LIMIT: attrgetter("limits.memory"),
}

_CLAIMED: Final[dict[MetricName, Callable[[Claimed], float]]] = {
    MetricName.CPU_REQUEST: attrgetter("requested.cpu"),
    MetricName.CPU_LIMIT: attrgetter("limited.cpu"),
    MetricName.MEMORY_REQUEST: attrgetter("requested.memory"),
    MetricName.MEMORY_LIMIT: attrgetter("limited.memory"),
}

_OF_PODS_TOGETHER: Final[dict[MetricName, Callable[[Iterable[PodRecord]], float]]] = {
    MetricName.CPU_REQUEST: lambda pods: requested(pods).cpu,
    MetricName.CPU_LIMIT: lambda pods: limited(pods).cpu,
    MetricName.MEMORY_REQUEST: lambda pods: float(requested(pods).memory),
    MetricName.MEMORY_LIMIT: lambda pods: float(limited(pods).memory),
}


def _pod_says(_info: GraphInfo, name: MetricName) -> Said:
    of = _SAYS[name]

    def said(pod: PodRecord) -> float | None:
        amount = None if is_done(pod) else of(pod)  # the scheduler gives back what a pod that is done has claimed
        return None if amount is None else float(amount)

    return said


def _container_says(_info: GraphInfo, name: MetricName) -> Said:
    of = _SAYS[name]

    def said(container: Container) -> float | None:
        amount = of(container)
        return None if amount is None else float(amount)

    return said


def _namespace_says(info: GraphInfo, name: MetricName) -> Said:
    """Who asks may list the namespace's pods: its resolver has seen to that."""
    claims, of = info.context.view.snapshot.pods.claims, _CLAIMED[name]

    def said(namespace: NamespaceRecord) -> float | None:
        return float(of(claims.get(namespace.name, NOTHING))) or None

    return said


def _node_says(info: GraphInfo, name: MetricName) -> Said:
    if name not in CLAIMED:
        return _NODE_SAYS[name]
    if not listable_everywhere(info, PODS):
        return Missing.FORBIDDEN
    pods, together = info.context.view.snapshot.pods, _OF_PODS_TOGETHER[name]
    return lambda node: together(pods.on_node(node.name))


def _cluster_says(info: GraphInfo, name: MetricName) -> Said:
    snapshot = info.context.view.snapshot
    if name not in CLAIMED:
        of = _NODE_SAYS[name]
        return lambda _cluster: sum(map(of, snapshot.nodes))
    if not listable_everywhere(info, PODS):
        return Missing.FORBIDDEN
    together = _OF_PODS_TOGETHER[name]
    return lambda _cluster: together(pod for pod in snapshot.pods if pod.node_name is not None)


def _without_claims(level: Level) -> tuple[MetricName, ...]:
    """What is shown where no names are asked for: what needs no other right."""
    return tuple(name for name in MEASURED[level] if name not in CLAIMED)


MEASURED_PODS: Final[Measuring[PodRecord]] = Measuring(
    Level.POD, attrgetter("namespace", "name", "created_at"), _pod_says, MEASURED[Level.POD]
)
MEASURED_NODES: Final[Measuring[NodeRecord]] = Measuring(
    Level.NODE, attrgetter("namespace", "name", "created_at"), _node_says, _without_claims(Level.NODE)
)
# Containers share the life of their pod: one that is restarted keeps its series.
MEASURED_CONTAINERS: Final[Measuring[Container]] = Measuring(
    Level.CONTAINER,
    lambda container: (container.namespace, f"{container.pod_name}/{container.name}", container.pod_created_at),
    _container_says,
    MEASURED[Level.CONTAINER],
)
MEASURED_NAMESPACES: Final[Measuring[NamespaceRecord]] = Measuring(
    Level.NAMESPACE,
    attrgetter("namespace", "name", "created_at"),
    _namespace_says,
    MEASURED[Level.NAMESPACE],
)
# There is one cluster, which Prometheus' labels do not name.
MEASURED_CLUSTER: Final[Measuring[None]] = Measuring(
    Level.CLUSTER, lambda _cluster: ("", "", ""), _cluster_says, _without_claims(Level.CLUSTER)
)
# What is added up over the pods of a workload: a share of periods is nothing that adds up.
SUMMED: Final = tuple(name for name in MEASURED[Level.POD] if name is not MetricName.CPU_THROTTLING)
