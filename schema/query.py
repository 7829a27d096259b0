"""The root of every query."""

from typing import Annotated

import strawberry

from schema.cluster import Cluster
from schema.execution.context import GraphInfo
from schema.execution.needs import needing
from schema.node import Node, NodeFilterArgument, find_node, node_needs, nodes_needs, select_nodes
from schema.pod import Pod, PodFilterArgument, find_pod, pod_needs, pods_needs, select_pods

NodeName = Annotated[str, strawberry.argument(description="The node's name; 255 bytes at most.")]
PodNamespace = Annotated[str, strawberry.argument(description="The pod's namespace; 255 bytes at most.")]
PodName = Annotated[str, strawberry.argument(description="The pod's name; 255 bytes at most.")]


def _cluster() -> Cluster:
    return Cluster()


def _nodes(info: GraphInfo, filter: NodeFilterArgument = None) -> list[Node] | None:  # noqa: A002 - the schema's name
    return select_nodes(info, filter)


def _node(info: GraphInfo, name: NodeName) -> Node | None:
    return find_node(info, name)


def _pods(info: GraphInfo, filter: PodFilterArgument = None) -> list[Pod] | None:  # noqa: A002
    return select_pods(info, filter)


def _pod(info: GraphInfo, namespace: PodNamespace, name: PodName) -> Pod | None:
    return find_pod(info, namespace, name)


@strawberry.type(description="What can be asked. Everything shows exactly what the caller's token may see.")
class Query:
    cluster: Cluster = strawberry.field(resolver=_cluster, description="The cluster as a whole.")
    nodes: list[Node] | None = strawberry.field(
        resolver=_nodes,
        metadata=needing(nodes_needs),
        description="The nodes, by name. Needs the right to list nodes.",
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
        metadata=needing(pods_needs),
        description="The pods that the caller may see, by namespace and name.",
    )
    pod: Pod | None = strawberry.field(
        resolver=_pod,
        metadata=needing(pod_needs),
        description=(
            "The pod of this name, null when there is none. Needs the right to list pods in its namespace, "
            "or to get this one."
        ),
    )
