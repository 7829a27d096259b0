"""The root of every query."""

from typing import Annotated

import strawberry

from schema.cluster import Cluster
from schema.execution.context import GraphInfo
from schema.execution.needs import needing
from schema.me import Me, who_asks
from schema.node import Node, find_node, node_needs
from schema.node_lists import (
    NodeConnection,
    NodeFilterArgument,
    NodeLimit,
    NodeOrderArgument,
    nodes_connection,
    nodes_needs,
    select_nodes,
)
from schema.pod import Pod, find_pod, pod_needs
from schema.pod_lists import (
    PodConnection,
    PodCount,
    PodFilterArgument,
    PodLimit,
    PodOrderArgument,
    pod_counts,
    pod_counts_needs,
    pods_connection,
    root_page_needs,
    root_pods_needs,
    select_pods,
)

NodeName = Annotated[str, strawberry.argument(description="The node's name; 255 bytes at most.")]
PodNamespace = Annotated[str, strawberry.argument(description="The pod's namespace; 255 bytes at most.")]
PodName = Annotated[str, strawberry.argument(description="The pod's name; 255 bytes at most.")]


def _cluster() -> Cluster:
    return Cluster()


def _nodes(
    info: GraphInfo,
    filter: NodeFilterArgument = None,  # noqa: A002 - the schema's name
    order_by: NodeOrderArgument = None,
    limit: NodeLimit = None,
) -> list[Node] | None:
    return select_nodes(info, filter, order_by, limit)


def _node(info: GraphInfo, name: NodeName) -> Node | None:
    return find_node(info, name)


def _pods(
    info: GraphInfo,
    filter: PodFilterArgument = None,  # noqa: A002
    order_by: PodOrderArgument = None,
    limit: PodLimit = None,
) -> list[Pod] | None:
    return select_pods(info, filter, order_by, limit)


def _pod(info: GraphInfo, namespace: PodNamespace, name: PodName) -> Pod | None:
    return find_pod(info, namespace, name)


@strawberry.type(description="What can be asked. Everything shows exactly what the caller's token may see.")
class Query:
    me: Me = strawberry.field(
        resolver=who_asks, description="Whom the gateway takes the caller for, and what they may do."
    )
    cluster: Cluster = strawberry.field(resolver=_cluster, description="The cluster as a whole.")
    nodes: list[Node] | None = strawberry.field(
        resolver=_nodes,
        metadata=needing(nodes_needs),
        description="The nodes, by name unless ordered otherwise. Needs the right to list nodes.",
    )
    nodes_connection: NodeConnection | None = strawberry.field(
        resolver=nodes_connection,
        metadata=needing(nodes_needs),
        description=(
            "The nodes, a page at a time. In orders by keys that never change no row is skipped or repeated while "
            "others come and go; in others it is best effort. Needs the right to list nodes."
        ),
    )
    node: Node | None = strawberry.field(
        resolver=_node,
        metadata=needing(node_needs),
        description=(
            "The node of this name, null when there is none. Needs the right to list nodes, or to get this one. "
            "(By UID: `nodes(filter: {id: …})`. Relay's `node(id:)` and its interface are not offered: "
            "here a Node is Kubernetes' Node.)"
        ),
    )
    pods: list[Pod] | None = strawberry.field(
        resolver=_pods,
        metadata=needing(root_pods_needs),
        description="The pods that the caller may see, by namespace and name unless ordered otherwise.",
    )
    pods_connection: PodConnection | None = strawberry.field(
        resolver=pods_connection,
        metadata=needing(root_page_needs),
        description=(
            "The pods that the caller may see, a page at a time. In orders by keys that never change no row is "
            "skipped or repeated while others come and go; in others it is best effort."
        ),
    )
    pod_counts: list[PodCount] | None = strawberry.field(
        resolver=pod_counts,
        metadata=needing(pod_counts_needs),
        description="How many pods the caller sees in each group that has any, the largest group first.",
    )
    pod: Pod | None = strawberry.field(
        resolver=_pod,
        metadata=needing(pod_needs),
        description=(
            "The pod of this name, null when there is none. Needs the right to list pods in its namespace, "
            "or to get this one."
        ),
    )
