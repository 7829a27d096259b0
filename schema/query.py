"""The root of every query."""

import strawberry

from schema.cluster import Cluster
from schema.execution.needs import needing
from schema.lists.connection import Connection
from schema.lists.fields import look_up_field, look_up_named_field, page_field, rows_field
from schema.lists.nodes import NODES
from schema.lists.pods import PODS, PodCount, pod_counts, pod_counts_needs
from schema.me import Me, who_asks
from schema.node import Node
from schema.pod import Pod


def _cluster() -> Cluster:
    return Cluster()


@strawberry.type(description="What can be asked. Everything shows exactly what the caller's token may see.")
class Query:
    me: Me = strawberry.field(
        resolver=who_asks, description="Whom the gateway takes the caller for, and what they may do."
    )
    cluster: Cluster = strawberry.field(resolver=_cluster, description="The cluster as a whole.")
    nodes: list[Node] | None = rows_field(
        NODES, "The nodes, by name unless ordered otherwise. Needs the right to list nodes."
    )
    nodes_connection: Connection[Node] | None = page_field(NODES)
    node: Node | None = look_up_named_field(
        NODES,
        "The node of this name, null when there is none. Needs the right to list nodes, or to get this one. "
        "(By UID: `nodes(filter: {id: …})`. Relay's `node(id:)` and its interface are not offered: "
        "here a Node is Kubernetes' Node.)",
    )
    pods: list[Pod] | None = rows_field(PODS, needs=PODS.root_needs)
    pods_connection: Connection[Pod] | None = page_field(PODS, needs=PODS.root_page_needs)
    pod_counts: list[PodCount] | None = strawberry.field(
        resolver=pod_counts,
        metadata=needing(pod_counts_needs),
        description="How many pods the caller sees in each group that has any, the largest group first.",
    )
    pod: Pod | None = look_up_field(PODS)
