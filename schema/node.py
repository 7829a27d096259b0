"""Nodes: the machines of the cluster, with the pods on them and the metrics of both."""

from collections.abc import Iterable
from typing import Annotated, Final, cast

import strawberry

from auth.access import NODES, PODS, AccessNeed, Everywhere
from schema.arguments import LABEL_KEY_BYTES, NAME_BYTES, UID_BYTES, check_length
from schema.execution.context import GraphInfo, listable, refuse_look_up
from schema.execution.needs import FieldNeeds, Reach, needing
from schema.label import Label
from schema.metric import Metric, MetricNames, metrics_needs, metrics_of
from schema.pod import Pod, PodFilterArgument, pods_needs, select_pods
from schema.scalars import Bytes, DateTime
from schema.sources.kubernetes.objects import NodeRecord
from schema.sources.prometheus.catalogue import Level

CONTROL_PLANE_ROLES: Final = frozenset({"control-plane", "master"})
# What a person would connect to first; the order of `kubectl get nodes -o wide`.
_ADDRESS_TYPES: Final = ("InternalIP", "ExternalIP", "Hostname")


@strawberry.type(description="Amounts that a node has.")
class NodeResources:
    cpu: float = strawberry.field(description="Processor time, in cores.")
    memory: Bytes = strawberry.field(description="Memory, in bytes.")
    ephemeral_storage: Bytes | None = strawberry.field(
        description="Local storage for containers, in bytes; null when the kubelet does not say."
    )
    pods: int = strawberry.field(description="The most pods that the kubelet runs at once.")


@strawberry.input(
    description="Nodes for which everything that is given holds. What is left out or null does not count."
)
class NodeFilter:
    id: strawberry.ID | None = strawberry.field(default=None, description="Exactly this UID; 40 bytes at most.")
    name: str | None = strawberry.field(default=None, description="Exactly this name; 255 bytes at most.")
    address: str | None = strawberry.field(
        default=None, description="One of its addresses, of any type, is exactly this; 255 bytes at most."
    )
    label_key: str | None = strawberry.field(
        default=None, description="It has a label with this key; 317 bytes at most."
    )
    label_value: str | None = strawberry.field(
        default=None, description="The label `labelKey` (without it: any label) has this value; 255 bytes at most."
    )
    role: str | None = strawberry.field(
        default=None,
        description=(
            "It has this role; 255 bytes at most. `master` and `control-plane` are two names of one role; "
            "`worker` is every node without it."
        ),
    )

    def check(self) -> None:
        """Raise ArgumentTooLong for a value that nothing could match."""
        check_length("filter.id", self.id, UID_BYTES)
        check_length("filter.name", self.name, NAME_BYTES)
        check_length("filter.address", self.address, NAME_BYTES)
        check_length("filter.labelKey", self.label_key, LABEL_KEY_BYTES)
        check_length("filter.labelValue", self.label_value, NAME_BYTES)
        check_length("filter.role", self.role, NAME_BYTES)

    def matches(self, node: NodeRecord) -> bool:
        return (
            (self.id is None or node.uid == self.id)
            and (self.name is None or node.name == self.name)
            and (self.address is None or any(known.address == self.address for known in node.addresses))
            and ((self.label_key is None and self.label_value is None) or self._matches_label(node))
            and (self.role is None or _has_role(node, self.role))
        )

    def _matches_label(self, node: NodeRecord) -> bool:
        return any(
            self.label_key in (None, label.key) and self.label_value in (None, label.value) for label in node.labels
        )


def _has_role(node: NodeRecord, role: str) -> bool:
    if role in CONTROL_PLANE_ROLES:
        return not CONTROL_PLANE_ROLES.isdisjoint(node.roles)
    if role == "worker":
        return CONTROL_PLANE_ROLES.isdisjoint(node.roles)
    return role in node.roles


NodeFilterArgument = Annotated[
    NodeFilter | None, strawberry.argument(description="Only the nodes for which all of it holds.")
]


def nodes_needs(reach: Reach, filter: NodeFilter | None = None) -> FieldNeeds:  # noqa: A002 - the schema's name
    """What a list of nodes needs, and what the fields inside it can come to."""
    if filter is None or filter.name is None:
        return FieldNeeds(access=(AccessNeed(NODES),))
    return node_needs(reach, filter.name)


def select_nodes(info: GraphInfo, filter: NodeFilter | None) -> "list[Node] | None":  # noqa: A002
    """The nodes that `filter` leaves, by name; None without the right to list nodes, which is then told."""
    if filter is None:
        return None if listable(info, NODES) is None else cast("list[Node]", list(info.context.view.snapshot.nodes))
    filter.check()
    candidates = _candidates(info, filter)
    if candidates is None:
        return None
    return cast("list[Node]", [node for node in candidates if filter.matches(node)])


def _candidates(info: GraphInfo, filter: NodeFilter) -> Iterable[NodeRecord] | None:  # noqa: A002
    """Few nodes that hold all that can match; None without the right to see them, which is then told.

    A filter by name is a look-up: the right to get that node is enough.
    """
    nodes = info.context.view.snapshot.nodes
    if filter.name is None:
        return None if listable(info, NODES) is None else nodes
    if refuse_look_up(info, NODES, "", filter.name):
        return None
    named = nodes.get("", filter.name)
    return () if named is None else (named,)


def node_needs(_reach: Reach, name: str) -> FieldNeeds:
    """What a look-up by name needs: `list`, else `get` of that one."""
    return FieldNeeds(access=(AccessNeed(NODES, name=name),), reach=Reach(nodes=frozenset({name})))


def find_node(info: GraphInfo, name: str) -> "Node | None":
    """The node of this name; None when there is none, or when the caller may not see it, which is then told."""
    check_length("name", name, NAME_BYTES)
    if refuse_look_up(info, NODES, "", name):
        return None
    return cast("Node | None", info.context.view.snapshot.nodes.get("", name))


def _address(root: strawberry.Parent[NodeRecord]) -> str | None:
    for kind in _ADDRESS_TYPES:
        for known in root.addresses:
            if known.type == kind:
                return known.address
    return None


def _pods(
    root: strawberry.Parent[NodeRecord],
    info: GraphInfo,
    filter: PodFilterArgument = None,  # noqa: A002
) -> list[Pod] | None:
    return select_pods(info, filter, node=root.name)


def _pod_count_needs(_reach: Reach) -> FieldNeeds:
    return FieldNeeds(access=(AccessNeed(PODS),))


def _pod_count(root: strawberry.Parent[NodeRecord], info: GraphInfo) -> int | None:
    scope = listable(info, PODS)
    if scope is None:
        return None
    placed = info.context.view.snapshot.pods.on_node(root.name)
    return len(placed) if isinstance(scope, Everywhere) else sum(pod.namespace in scope for pod in placed)


def _metrics(root: strawberry.Parent[NodeRecord], info: GraphInfo, names: MetricNames = None) -> list[Metric]:
    return metrics_of(info, Level.NODE, root.name, root.created_at, names)


@strawberry.type(description="A node: a machine of the cluster, on which pods run.")
class Node:
    uid: strawberry.ID = strawberry.field(name="id", description="Its Kubernetes UID.")
    name: str = strawberry.field(description="Its name, unique in the cluster.")
    address: str | None = strawberry.field(
        resolver=_address,
        description="The address to reach it at: its internal IP, else its external IP, else its host name.",
    )
    roles: list[str] = strawberry.field(
        description="Its roles as kubectl shows them, such as `control-plane`; a plain worker has none."
    )
    labels: list[Label] = strawberry.field(description="Its labels, by key.")
    ready: bool = strawberry.field(description="Whether its Ready condition is true: it can run pods.")
    schedulable: bool = strawberry.field(description="Whether new pods may be placed on it: it is not cordoned.")
    capacity: NodeResources = strawberry.field(description="What the machine has.")
    allocatable: NodeResources = strawberry.field(
        description="What of it pods may use: the capacity without what the system keeps for itself."
    )
    kubelet_version: str = strawberry.field(description="The version of its kubelet, such as `v1.37.2`.")
    os_image: str = strawberry.field(description="Its operating system, such as `Debian GNU/Linux 13 (trixie)`.")
    created_at: DateTime = strawberry.field(description="When it joined the cluster.")
    pod_count: int | None = strawberry.field(
        resolver=_pod_count,
        metadata=needing(_pod_count_needs),
        description="How many pods on it the caller may see, finished ones included.",
    )
    pods: list[Pod] | None = strawberry.field(
        resolver=_pods,
        metadata=needing(pods_needs),
        description="The pods on it that the caller may see, by namespace and name.",
    )
    metrics: list[Metric] = strawberry.field(
        resolver=_metrics,
        metadata=needing(metrics_needs(Level.NODE)),
        description=(
            "What the machine uses at this moment: at least one Metric per name asked, in that order, "
            "also when there is no value to show."
        ),
    )
