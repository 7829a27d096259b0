"""Pods: what runs on the nodes."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, cast

import strawberry

from auth.access import NODES, PODS, SERVICES, AccessNeed, Everywhere, Scope
from schema.arguments import NAME_BYTES, UID_BYTES, check_length
from schema.execution.context import GraphInfo, listable, refuse_look_up
from schema.execution.needs import EVERYTHING, FieldNeeds, Reach, needing
from schema.execution.view import View
from schema.label import Label
from schema.metric import Metric, MetricNames, metrics_needs, metrics_of
from schema.scalars import DateTime
from schema.sources.kubernetes.objects import PodRecord
from schema.sources.prometheus.catalogue import Level

if TYPE_CHECKING:
    from schema.node import Node


@strawberry.input(description="Pods for which everything that is given holds. What is left out or null does not count.")
class PodFilter:
    id: strawberry.ID | None = strawberry.field(default=None, description="Exactly this UID; 40 bytes at most.")
    name: str | None = strawberry.field(default=None, description="Exactly this name; 255 bytes at most.")
    namespace: str | None = strawberry.field(default=None, description="In this namespace; 255 bytes at most.")
    address: str | None = strawberry.field(
        default=None, description="One of its IP addresses is exactly this; 255 bytes at most."
    )
    node_name: str | None = strawberry.field(default=None, description="On the node of this name; 255 bytes at most.")
    service: str | None = strawberry.field(
        default=None,
        description=(
            "Selected by a service of this name in the pod's own namespace; 255 bytes at most. "
            "Needs the right to list services; in a namespace without it no pod matches."
        ),
    )

    def check(self) -> None:
        """Raise ArgumentTooLong for a value that nothing could match."""
        check_length("filter.id", self.id, UID_BYTES)
        check_length("filter.name", self.name, NAME_BYTES)
        check_length("filter.namespace", self.namespace, NAME_BYTES)
        check_length("filter.address", self.address, NAME_BYTES)
        check_length("filter.nodeName", self.node_name, NAME_BYTES)
        check_length("filter.service", self.service, NAME_BYTES)

    def matches(self, pod: PodRecord) -> bool:
        """All but `service`, which is no property of the pod itself."""
        return (
            (self.id is None or pod.uid == self.id)
            and (self.name is None or pod.name == self.name)
            and (self.namespace is None or pod.namespace == self.namespace)
            and (self.address is None or self.address in pod.addresses)
            and (self.node_name is None or pod.node_name == self.node_name)
        )


PodFilterArgument = Annotated[
    PodFilter | None, strawberry.argument(description="Only the pods for which all of it holds.")
]
_NO_FILTER = PodFilter()


def pods_needs(reach: Reach, filter: PodFilter | None = None) -> FieldNeeds:  # noqa: A002 - the schema's name
    """What a list of pods needs, below a node or at the root."""
    wanted = filter or _NO_FILTER
    wanted.check()
    namespaces = None if wanted.namespace is None else frozenset({wanted.namespace})
    access = [AccessNeed(PODS, namespaces)]
    if wanted.service is not None:
        access.append(AccessNeed(SERVICES, namespaces))
    nodes = reach.nodes if wanted.node_name is None else frozenset({wanted.node_name})
    return FieldNeeds(access=tuple(access), reach=Reach(nodes=nodes, namespaces=namespaces))


def select_pods(info: GraphInfo, filter: PodFilter | None, node: str | None = None) -> "list[Pod] | None":  # noqa: A002
    """The pods that the caller sees and `filter` leaves (on `node`, if given), by namespace and name.

    None without the right to list pods, which is then told.
    """
    wanted = filter or _NO_FILTER
    wanted.check()
    scope = listable(info, PODS, wanted.namespace)
    if scope is None:
        return None
    visible = _visible(info.context.view, scope, wanted, node)
    if filter is None:
        return cast("list[Pod]", list(visible))
    matching = [pod for pod in visible if wanted.matches(pod)]
    if wanted.service is not None:
        return cast("list[Pod] | None", _behind_service(info, matching, wanted.service, wanted.namespace))
    return cast("list[Pod]", matching)


def _visible(view: View, scope: Scope, wanted: PodFilter, node: str | None) -> Iterable[PodRecord]:
    """Everything visible, from the smallest index that the question allows."""
    pods = view.snapshot.pods
    on_node = node or wanted.node_name
    if on_node is not None:
        placed = pods.on_node(on_node)
        return placed if isinstance(scope, Everywhere) else [pod for pod in placed if pod.namespace in scope]
    if wanted.namespace is not None:
        return pods.in_namespace(wanted.namespace)
    if isinstance(scope, Everywhere):
        return pods
    return (pod for namespace in sorted(scope) for pod in pods.in_namespace(namespace))


def _behind_service(
    info: GraphInfo, pods: Sequence[PodRecord], service: str, namespace: str | None
) -> list[PodRecord] | None:
    """The pods that carry all labels of the selector which the service of this name has in their namespace."""
    scope = listable(info, SERVICES, namespace)
    if scope is None:
        return None
    selectors = {name: _selector(info.context.view, scope, name, service) for name in {pod.namespace for pod in pods}}
    return [pod for pod in pods if (selector := selectors[pod.namespace]) and selector <= _pairs(pod.labels)]


def _selector(view: View, scope: Scope, namespace: str, service: str) -> frozenset[tuple[str, str]]:
    """What pods must carry; empty when there is no such service, or it selects nothing by itself."""
    found = view.snapshot.services.get(namespace, service)
    if found is None or not (isinstance(scope, Everywhere) or namespace in scope):
        return frozenset()
    return _pairs(found.selector)


def _pairs(labels: Iterable[object]) -> frozenset[tuple[str, str]]:
    return frozenset((label.key, label.value) for label in cast("Iterable[Label]", labels))


def pod_needs(_reach: Reach, namespace: str, name: str) -> FieldNeeds:
    """What a look-up by name needs: `list` in that namespace, else `get` of that one."""
    return FieldNeeds(
        access=(AccessNeed(PODS, frozenset({namespace}), name),),
        reach=Reach(namespaces=frozenset({namespace}), pods=frozenset({name})),
    )


def find_pod(info: GraphInfo, namespace: str, name: str) -> "Pod | None":
    """The pod of this name; None when there is none, or when the caller may not see it, which is then told."""
    check_length("namespace", namespace, NAME_BYTES)
    check_length("name", name, NAME_BYTES)
    if refuse_look_up(info, PODS, namespace, name):
        return None
    return cast("Pod | None", info.context.view.snapshot.pods.get(namespace, name))


def _node_needs(_reach: Reach) -> FieldNeeds:
    return FieldNeeds(access=(AccessNeed(NODES),), reach=EVERYTHING)  # one pod's node may be any node


def _node(
    root: strawberry.Parent[PodRecord], info: GraphInfo
) -> Annotated["Node", strawberry.lazy("schema.node")] | None:
    if root.node_name is None or listable(info, NODES) is None:
        return None
    return cast("Node | None", info.context.view.snapshot.nodes.get("", root.node_name))


def _address(root: strawberry.Parent[PodRecord]) -> str | None:
    return root.addresses[0] if root.addresses else None


def _metrics(root: strawberry.Parent[PodRecord], info: GraphInfo, names: MetricNames = None) -> list[Metric]:
    return metrics_of(info, Level.POD, (root.namespace, root.name), root.created_at, names)


@strawberry.type(description="A pod: containers that the scheduler placed together on one node.")
class Pod:
    uid: strawberry.ID = strawberry.field(name="id", description="Its Kubernetes UID.")
    name: str = strawberry.field(description="Its name, unique among the pods of its namespace.")
    namespace: str = strawberry.field(description="The namespace it is in.")
    address: str | None = strawberry.field(
        resolver=_address, description="Its IP address, the primary one if it has two; null until it has one."
    )
    node_name: str | None = strawberry.field(
        description="The name of the node it was placed on; null until it is scheduled."
    )
    node: Annotated["Node", strawberry.lazy("schema.node")] | None = strawberry.field(
        resolver=_node,
        metadata=needing(_node_needs),
        description="The node it was placed on; null until it is scheduled. Needs the right to list nodes.",
    )
    phase: str = strawberry.field(
        description="Where it is in its life, in Kubernetes' words: Pending, Running, Succeeded, Failed or Unknown."
    )
    ready: bool = strawberry.field(description="Whether its Ready condition is true: it can serve requests.")
    containers_ready: int = strawberry.field(
        description="How many of its containers are ready, as kubectl counts: sidecars included."
    )
    containers_total: int = strawberry.field(
        description="How many containers it has, as kubectl counts: sidecars included, init containers not."
    )
    restarts: int = strawberry.field(description="How often its containers were restarted in all, as kubectl counts.")
    labels: list[Label] = strawberry.field(description="Its labels, by key.")
    created_at: DateTime = strawberry.field(description="When it was created.")
    metrics: list[Metric] = strawberry.field(
        resolver=_metrics,
        metadata=needing(metrics_needs(Level.POD)),
        description=(
            "What its containers use at this moment: at least one Metric per name asked, in that order, "
            "also when there is no value to show."
        ),
    )
