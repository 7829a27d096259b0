"""Nodes: the machines of the cluster, with the pods on them and the metrics of both."""

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Final, cast

import strawberry

from auth.access import PODS, AccessNeed, Everywhere
from schema.amounts import ResourceAmount, others_field
from schema.annotation import Annotation, annotations_field
from schema.attention import NodeAttention
from schema.condition import Condition
from schema.event import Event
from schema.execution.context import GraphInfo, listable, listable_everywhere
from schema.execution.for_all import for_all
from schema.execution.needs import FieldNeeds, Reach, needing
from schema.label import Label
from schema.lists.common import CONDITIONS
from schema.lists.connection import Connection
from schema.lists.elements import elements_field
from schema.lists.events import EVENTS, cluster_events_needs, events_of
from schema.lists.fields import belonging_field, belonging_page_field
from schema.lists.listing import Among
from schema.lists.placement import ATTACHED_VOLUMES, NODE_ADDRESSES, NODE_IMAGES, TAINTS
from schema.lists.pods import PODS as PODS_LISTED
from schema.measured import MEASURED_NODES
from schema.metric import (
    Metric,
    MetricNames,
    MetricRange,
    MetricRecord,
    TimeRangeArgument,
    frames_of,
    metrics_needs,
    metrics_of,
    metrics_range_needs,
    metrics_range_of,
    window_of,
)
from schema.object_fields import labels_field
from schema.placement import Taint
from schema.pod import Pod
from schema.scalars import Bytes, DateTime
from schema.sources.kubernetes.conditions import ReportedCondition
from schema.sources.kubernetes.node_details import AttachedVolume as AttachedRecord
from schema.sources.kubernetes.node_details import node_details, node_images
from schema.sources.kubernetes.node_sums import left, limited, requested, scarcities
from schema.sources.kubernetes.objects import NodeRecord, PodRecord
from schema.sources.kubernetes.placement import Taint as TaintRecord
from schema.sources.prometheus.catalogue import MetricName
from schema.volume import AttachedVolume

# What a person would connect to first; the order of `kubectl get nodes -o wide`.
_ADDRESS_TYPES: Final = ("InternalIP", "ExternalIP", "Hostname")


@strawberry.type(
    description=(
        "Amounts that nodes have, lend, or have left, and that pods claim of them together. From the nodes' status, "
        "and from the pods' specs and statuses."
    )
)
class NodeResources:
    cpu: float = strawberry.field(description="Processor time, in cores.")
    memory: Bytes = strawberry.field(description="Memory, in bytes.")
    ephemeral_storage: Bytes | None = strawberry.field(
        description="Local storage for containers, in bytes; null when the kubelet does not say."
    )
    pods: int = strawberry.field(
        description="Pods: the most that the kubelet runs at once; of what is requested, how many there are."
    )
    others: list[ResourceAmount] = others_field()


@strawberry.type(description="What runs a node, as its kubelet reports it; empty texts until it has.")
class NodeSystem:
    kubelet_version: str = strawberry.field(description="The version of its kubelet, such as `v1.37.2`.")
    kube_proxy_version: str | None = strawberry.field(
        description="The version of its kube-proxy; null from kubelets of 1.31 and later, which do not know it."
    )
    container_runtime: str = strawberry.field(
        description="Its container runtime and that one's version, such as `containerd://2.2.1`."
    )
    os_image: str = strawberry.field(description="Its operating system, such as `Debian GNU/Linux 13 (trixie)`.")
    kernel_version: str = strawberry.field(description="The version of its kernel, as `uname -r` prints it.")
    operating_system: str = strawberry.field(description="The kind of its operating system: `linux` or `windows`.")
    architecture: str = strawberry.field(description="Its processors' architecture: `amd64`, `arm64` and others.")
    machine_id: str = strawberry.field(description="The id of the installed system, from /etc/machine-id.")
    system_uuid: str = strawberry.field(description="The id of the machine, from its firmware.")
    boot_id: str = strawberry.field(description="An id that is new each time the machine boots.")
    swap: Bytes | None = strawberry.field(description="Its swap space, in bytes; null when the kubelet does not say.")


@strawberry.type(description="An image that is kept on a node. From its status.")
class NodeImage:
    names: list[str] = strawberry.field(description="Its names there: by tag and by digest.")
    size: Bytes = strawberry.field(description="Its size on disk, in bytes.")


@strawberry.type(description="One address of a node. From its status.")
class NodeAddress:
    type: str = strawberry.field(
        description="Kubernetes' word for it: `InternalIP`, `ExternalIP`, `Hostname`, `InternalDNS` or `ExternalDNS`."
    )
    address: str = strawberry.field(description="The IP address or name.")


def _address(root: strawberry.Parent[NodeRecord]) -> str | None:
    for kind in _ADDRESS_TYPES:
        for known in root.addresses:
            if known.type == kind:
                return known.address
    return None


def _on_node(root: NodeRecord, info: GraphInfo) -> Among[PodRecord]:
    return Among(root.name, info.context.view.snapshot.pods.on_node(root.name))


def _on_nodes(roots: Sequence[NodeRecord], info: GraphInfo) -> Iterable[Sequence[PodRecord]]:
    return map(info.context.view.snapshot.pods.on_node, map(attrgetter("name"), roots))


def _pod_count_needs(_reach: Reach) -> FieldNeeds:
    return FieldNeeds(access=(AccessNeed(PODS),), indexed=True)


def _pod_count(root: strawberry.Parent[NodeRecord], info: GraphInfo) -> int | None:
    scope = listable(info, PODS)
    if scope is None:
        return None
    placed = info.context.view.snapshot.pods.on_node(root.name)
    return len(placed) if isinstance(scope, Everywhere) else sum(pod.namespace in scope for pod in placed)


def _claims_needs(_reach: Reach) -> FieldNeeds:
    return FieldNeeds(access=(AccessNeed(PODS),), indexed=True)


def _requested(root: strawberry.Parent[NodeRecord], info: GraphInfo) -> NodeResources | None:
    if not listable_everywhere(info, PODS):
        return None
    return cast("NodeResources", requested(info.context.view.snapshot.pods.on_node(root.name)))


def _limited(root: strawberry.Parent[NodeRecord], info: GraphInfo) -> NodeResources | None:
    if not listable_everywhere(info, PODS):
        return None
    return cast("NodeResources", limited(info.context.view.snapshot.pods.on_node(root.name)))


def _available(root: strawberry.Parent[NodeRecord], info: GraphInfo) -> NodeResources | None:
    if not listable_everywhere(info, PODS):
        return None
    claimed = requested(info.context.view.snapshot.pods.on_node(root.name))
    return cast("NodeResources", left(root.allocatable, claimed))


def _attention(root: strawberry.Parent[NodeRecord], info: GraphInfo) -> list[NodeAttention]:
    view = info.context.view
    if PODS.name in view.refused or not isinstance(view.visibility.scope(PODS), Everywhere):
        return [*root.attention, NodeAttention.REQUESTS_NOT_VISIBLE]
    claimed = requested(view.snapshot.pods.on_node(root.name))
    return [*root.attention, *scarcities(root.allocatable, claimed)]


def _metrics_of_all(
    roots: Sequence[NodeRecord], info: GraphInfo, names: list[MetricName] | None = None
) -> Sequence[Sequence[MetricRecord]]:
    return metrics_of(info, MEASURED_NODES, roots, names)


# What is cold: read from the whole object, and only for those who ask (details.py).


def _system(root: strawberry.Parent[NodeRecord]) -> NodeSystem:
    return cast("NodeSystem", node_details(root).system)


def _conditions(root: NodeRecord) -> Sequence[ReportedCondition]:
    return node_details(root).conditions


def _taints(root: NodeRecord) -> Sequence[TaintRecord]:
    return node_details(root).taints


def _pod_cidrs(root: strawberry.Parent[NodeRecord]) -> list[str]:
    return list(node_details(root).pod_cidrs)


def _provider_id(root: strawberry.Parent[NodeRecord]) -> str | None:
    return node_details(root).provider_id


def _volumes(root: NodeRecord) -> Sequence[AttachedRecord]:
    return node_details(root).volumes


def _metrics(root: strawberry.Parent[NodeRecord], info: GraphInfo, names: MetricNames = None) -> list[Metric]:
    return cast("list[Metric]", _metrics_of_all((root,), info, names)[0])


def _metrics_range(
    root: strawberry.Parent[NodeRecord],
    info: GraphInfo,
    names: MetricNames = None,
    range: TimeRangeArgument = None,  # noqa: A002
) -> list[MetricRange]:
    return metrics_range_of(info, MEASURED_NODES, root, names, window_of(range))


@strawberry.type(
    description=(
        "A node: a machine of the cluster, on which pods run. From the API server's nodes, which the gateway watches."
    )
)
class Node:
    uid: strawberry.ID = strawberry.field(name="id", description="Its Kubernetes UID.")
    name: str = strawberry.field(description="Its name, unique in the cluster.")
    address: str | None = strawberry.field(
        resolver=_address,
        description="The address to reach it at: its internal IP, else its external IP, else its host name.",
    )
    addresses: list[NodeAddress] = elements_field(
        NODE_ADDRESSES, attrgetter("addresses"), "All its addresses, as its kubelet reports them."
    )
    roles: list[str] = strawberry.field(
        description="Its roles as kubectl shows them, such as `control-plane`; a plain worker has none."
    )
    labels: list[Label] = labels_field()
    annotations: list[Annotation] = annotations_field()
    ready: bool = strawberry.field(description="Whether its Ready condition is true: it can run pods.")
    schedulable: bool = strawberry.field(description="Whether new pods may be placed on it: it is not cordoned.")
    status: str = strawberry.field(
        description="As kubectl prints STATUS: `Ready`, `NotReady` or `Unknown`; `,SchedulingDisabled` if cordoned."
    )
    capacity: NodeResources = strawberry.field(description="What the machine has.")
    allocatable: NodeResources = strawberry.field(
        description="What of it pods may use: the capacity without what the system keeps for itself."
    )
    requested: NodeResources | None = strawberry.field(
        resolver=_requested,
        metadata=needing(_claims_needs),
        description=(
            "What the pods on it that are not done request together, as the scheduler counts (`Pod.requests`); `pods` "
            "is their number. Needs the right to list pods in all namespaces."
        ),
    )
    limits: NodeResources | None = strawberry.field(
        resolver=_limited,
        metadata=needing(_claims_needs),
        description=(
            "The limits of those pods together (`Pod.limits`); may be more than it has. "
            "Needs the right to list pods in all namespaces."
        ),
    )
    available: NodeResources | None = strawberry.field(
        resolver=_available,
        metadata=needing(_claims_needs),
        description=(
            "What is left for new pods to request: `allocatable` without `requested`, 0 at the least. "
            "Needs the right to list pods in all namespaces."
        ),
    )
    attention: list[NodeAttention] = strawberry.field(
        resolver=_attention,
        metadata=needing(_claims_needs),
        description="Why a person should look at it: by its conditions, and by what its pods request. Mostly empty.",
    )
    kubelet_version: str = strawberry.field(description="The version of its kubelet, such as `v1.37.2`.")
    os_image: str = strawberry.field(description="Its operating system, such as `Debian GNU/Linux 13 (trixie)`.")
    system: NodeSystem = strawberry.field(
        resolver=_system,
        description="What runs it: versions, architecture and ids. From its status.",
    )
    conditions: list[Condition] = elements_field(
        CONDITIONS,
        _conditions,
        "What its kubelet and others say of it: `Ready`, `MemoryPressure`, `DiskPressure`, `PIDPressure`, ...",
    )
    taints: list[Taint] = elements_field(TAINTS, _taints, "Why it turns away pods that do not tolerate it.")
    pod_cidrs: list[str] = strawberry.field(
        resolver=_pod_cidrs,
        description=(
            "The ranges of IP addresses for the pods on it, if Kubernetes hands them out; at most one a family."
        ),
    )
    provider_id: str | None = strawberry.field(
        resolver=_provider_id,
        description="What the cloud provider calls the machine, such as `aws:///eu-1a/i-0a1b`; null where nobody says.",
    )
    volumes: list[AttachedVolume] = elements_field(
        ATTACHED_VOLUMES, _volumes, "The volumes that are attached to it or in use on it, by name."
    )
    images: list[NodeImage] = elements_field(
        NODE_IMAGES,
        node_images,
        "The images kept on it, the largest first; the kubelet names 50 at most unless it is told otherwise. "
        "Many bytes: ask for them where they are shown.",
    )
    zone: str | None = strawberry.field(
        description="The zone it is in, by the label `topology.kubernetes.io/zone`, or its old name."
    )
    instance_type: str | None = strawberry.field(
        description="The type of machine, by the label `node.kubernetes.io/instance-type`, or its old name."
    )
    pool: str | None = strawberry.field(
        description="The pool it belongs to, by the label of Karpenter, GKE, EKS or AKS (`Cluster.nodesByPool`)."
    )
    created_at: DateTime = strawberry.field(description="When it joined the cluster.")
    pod_count: int | None = strawberry.field(
        resolver=_pod_count,
        metadata=needing(_pod_count_needs),
        description="How many pods on it the caller may see, finished ones included.",
    )
    pods: list[Pod] | None = belonging_field(
        PODS_LISTED,
        _on_node,
        "The pods on it that the caller may see, by namespace and name unless ordered otherwise.",
        found=_on_nodes,
    )
    pods_connection: Connection[Pod] | None = belonging_page_field(
        PODS_LISTED, _on_node, "The pods on it that the caller may see, a page at a time."
    )
    events: list[Event] | None = belonging_field(
        EVENTS,
        events_of("Node"),
        "What happened to it lately, the newest first. Needs the right to list events in the namespace `default`.",
        cluster_events_needs,
    )
    metrics: list[Metric] = strawberry.field(
        resolver=_metrics,
        metadata={**needing(metrics_needs(MEASURED_NODES)), **for_all(_metrics_of_all, frames_of(MEASURED_NODES))},
        description=(
            "What the machine uses at this moment: at least one Metric per name asked, in that order, "
            "also when there is no value to show."
        ),
    )
    metrics_range: list[MetricRange] = strawberry.field(
        resolver=_metrics_range,
        metadata=needing(metrics_range_needs(MEASURED_NODES)),
        description=(
            "What the machine used over time, by default in the last hour: at least one MetricRange per name asked."
        ),
    )
