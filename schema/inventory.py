"""What the cluster holds: nodes and pods in groups, and what there is of processors and memory, claimed or not.

Counts are the store's own where the caller sees everything, and counted over what they see where not. What pods claim
is kept by the store for each namespace (schema/sources/kubernetes/claims.py). So nothing here grows with the pods, for
whoever may list all of them.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import cast

import strawberry

from auth.access import NODES, PODS, AccessNeed, Everywhere
from schema.execution.context import GraphInfo, listable, listable_everywhere
from schema.execution.needs import FieldNeeds, Reach, needing
from schema.lists.counts import NAMESPACE_PODS, VALUE_COUNTS
from schema.lists.elements import counted_field
from schema.node import NodeResources
from schema.sources.kubernetes.claims import NOTHING, together
from schema.sources.kubernetes.objects import NodeRecord, Resources


@strawberry.type(description="How many things have one value in common.")
class ValueCount:
    value: str | None = strawberry.field(description="The value; null for those that have none.")
    count: int = strawberry.field(description="How many they are.")


@strawberry.type(description="The pods of one namespace: how many, and what they claim of the nodes.")
class NamespacePods:
    namespace: str = strawberry.field(description="The namespace's name.")
    count: int = strawberry.field(description="How many pods are in it, finished ones included.")
    requested: NodeResources = strawberry.field(
        description="What those that are not done request together; `pods` is their number."
    )
    limits: NodeResources = strawberry.field(description="The limits of those together.")


def _nodes_needs(_reach: Reach) -> FieldNeeds:
    return FieldNeeds(access=(AccessNeed(NODES),))


def _pods_needs(_reach: Reach) -> FieldNeeds:
    return FieldNeeds(access=(AccessNeed(PODS),))


def _ranked(counts: Mapping[str | None, int]) -> list[ValueCount]:
    """The largest group first; among equals by value."""
    ranked = sorted(counts.items(), key=lambda group: (-group[1], group[0] or ""))
    return [ValueCount(value=value, count=count) for value, count in ranked]


def _nodes_by(info: GraphInfo, attribute: str) -> list[ValueCount] | None:
    return None if listable(info, NODES) is None else _ranked(info.context.view.snapshot.nodes.counts(attribute))


def _nodes_by_status(info: GraphInfo) -> list[ValueCount] | None:
    return _nodes_by(info, "status")


def _nodes_by_zone(info: GraphInfo) -> list[ValueCount] | None:
    return _nodes_by(info, "zone")


def _nodes_by_instance_type(info: GraphInfo) -> list[ValueCount] | None:
    return _nodes_by(info, "instance_type")


def _nodes_by_pool(info: GraphInfo) -> list[ValueCount] | None:
    return _nodes_by(info, "pool")


def _pods_by(info: GraphInfo, attribute: str) -> list[ValueCount] | None:
    scope = listable(info, PODS)
    if scope is None:
        return None
    pods = info.context.view.snapshot.pods
    if isinstance(scope, Everywhere):
        return _ranked(pods.counts(attribute))
    counts: Counter[str | None] = Counter()
    for namespace in scope:
        counts.update(map(attrgetter(attribute), pods.in_namespace(namespace)))
    return _ranked(counts)


def _pods_by_phase(info: GraphInfo) -> list[ValueCount] | None:
    return _pods_by(info, "phase")


def _pods_by_status(info: GraphInfo) -> list[ValueCount] | None:
    return _pods_by(info, "status")


def _pods_by_namespace(info: GraphInfo) -> list[NamespacePods] | None:
    scope = listable(info, PODS)
    if scope is None:
        return None
    pods = info.context.view.snapshot.pods
    shown = pods.namespaces() if isinstance(scope, Everywhere) else [name for name in scope if pods.count_in(name)]
    rows = []
    for namespace in sorted(shown):
        claimed = pods.claims.get(namespace, NOTHING)
        rows.append(
            NamespacePods(
                namespace=namespace,
                count=pods.count_in(namespace),
                requested=cast("NodeResources", claimed.requested),
                limits=cast("NodeResources", claimed.limited),
            )
        )
    return rows


def _unscheduled_pod_count(info: GraphInfo) -> int | None:
    scope = listable(info, PODS)
    if scope is None:
        return None
    pods = info.context.view.snapshot.pods
    if isinstance(scope, Everywhere):
        return pods.ungrouped
    return sum(pod.node_name is None for namespace in scope for pod in pods.in_namespace(namespace))


def _capacity(info: GraphInfo) -> NodeResources | None:
    if listable(info, NODES) is None:
        return None
    return cast("NodeResources", _of_all(info.context.view.snapshot.nodes, "capacity"))


def _allocatable(info: GraphInfo) -> NodeResources | None:
    if listable(info, NODES) is None:
        return None
    return cast("NodeResources", _of_all(info.context.view.snapshot.nodes, "allocatable"))


def _of_all(nodes: Iterable[NodeRecord], attribute: str) -> Resources:
    return together(map(attrgetter(attribute), nodes))


def _requested(info: GraphInfo) -> NodeResources | None:
    if not listable_everywhere(info, PODS):
        return None
    claims = info.context.view.snapshot.pods.claims.values()
    return cast("NodeResources", together(claimed.requested for claimed in claims))


def _limits(info: GraphInfo) -> NodeResources | None:
    if not listable_everywhere(info, PODS):
        return None
    claims = info.context.view.snapshot.pods.claims.values()
    return cast("NodeResources", together(claimed.limited for claimed in claims))


@strawberry.type
class Inventory:
    """The part of `Cluster` that is read from nodes and pods."""

    nodes_by_status: list[ValueCount] | None = counted_field(
        VALUE_COUNTS,
        _nodes_by_status,
        AccessNeed(NODES),
        (
            "How many nodes have each `Node.status`, kubectl's word, the largest group first. "
            "Needs the right to list nodes."
        ),
    )
    nodes_by_zone: list[ValueCount] | None = counted_field(
        VALUE_COUNTS,
        _nodes_by_zone,
        AccessNeed(NODES),
        (
            "How many nodes are in each zone, by the label `topology.kubernetes.io/zone` (or its old name). "
            "Needs the right to list nodes."
        ),
    )
    nodes_by_instance_type: list[ValueCount] | None = counted_field(
        VALUE_COUNTS,
        _nodes_by_instance_type,
        AccessNeed(NODES),
        (
            "How many nodes are of each type of machine, by the label `node.kubernetes.io/instance-type` "
            "(or its old name). Needs the right to list nodes."
        ),
    )
    nodes_by_pool: list[ValueCount] | None = counted_field(
        VALUE_COUNTS,
        _nodes_by_pool,
        AccessNeed(NODES),
        (
            "How many nodes are in each pool, by the label of Karpenter (`karpenter.sh/nodepool`), GKE "
            "(`cloud.google.com/gke-nodepool`), EKS (`eks.amazonaws.com/nodegroup`, `alpha.eksctl.io/nodegroup-name`) "
            "or AKS (`kubernetes.azure.com/agentpool`), the first that it has. Needs the right to list nodes."
        ),
    )
    pods_by_phase: list[ValueCount] | None = counted_field(
        VALUE_COUNTS,
        _pods_by_phase,
        AccessNeed(PODS),
        "How many pods that the caller may see are in each phase, the largest group first.",
    )
    pods_by_status: list[ValueCount] | None = counted_field(
        VALUE_COUNTS,
        _pods_by_status,
        AccessNeed(PODS),
        ("How many pods that the caller may see have each `Pod.status`, kubectl's word, the largest group first."),
    )
    pods_by_namespace: list[NamespacePods] | None = counted_field(
        NAMESPACE_PODS,
        _pods_by_namespace,
        AccessNeed(PODS),
        "The namespaces with pods that the caller may see, by name, and what these claim.",
    )
    unscheduled_pod_count: int | None = strawberry.field(
        resolver=_unscheduled_pod_count,
        metadata=needing(_pods_needs),
        description=(
            "How many pods that the caller may see have no node: those that wait for the scheduler, and those that "
            "ended before they had one."
        ),
    )
    capacity: NodeResources | None = strawberry.field(
        resolver=_capacity,
        metadata=needing(_nodes_needs),
        description="What all nodes together have. Needs the right to list nodes.",
    )
    allocatable: NodeResources | None = strawberry.field(
        resolver=_allocatable,
        metadata=needing(_nodes_needs),
        description="What of it pods may use. Needs the right to list nodes.",
    )
    requested: NodeResources | None = strawberry.field(
        resolver=_requested,
        metadata=needing(_pods_needs),
        description=(
            "What all pods that are not done request together, those without a node too, as the scheduler counts "
            "(`Pod.requests`); `pods` is their number. Needs the right to list pods in all namespaces."
        ),
    )
    limits: NodeResources | None = strawberry.field(
        resolver=_limits,
        metadata=needing(_pods_needs),
        description="The limits of those pods together. Needs the right to list pods in all namespaces.",
    )
