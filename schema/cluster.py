"""The cluster as a whole."""

import strawberry

from auth.access import NODES, PODS, AccessNeed, Everywhere
from schema.execution.context import GraphInfo, listable
from schema.execution.needs import FieldNeeds, Reach, needing


def _version(info: GraphInfo) -> str | None:
    return info.context.view.snapshot.version or None


def _node_count_needs(_reach: Reach) -> FieldNeeds:
    return FieldNeeds(access=(AccessNeed(NODES),))


def _node_count(info: GraphInfo) -> int | None:
    return None if listable(info, NODES) is None else len(info.context.view.snapshot.nodes)


def _pod_count_needs(_reach: Reach) -> FieldNeeds:
    return FieldNeeds(access=(AccessNeed(PODS),))


def _pod_count(info: GraphInfo) -> int | None:
    scope = listable(info, PODS)
    if scope is None:
        return None
    pods = info.context.view.snapshot.pods
    return len(pods) if isinstance(scope, Everywhere) else sum(pods.count_in(namespace) for namespace in scope)


@strawberry.type(description="The cluster as a whole. Counts count what the caller may see.")
class Cluster:
    version: str | None = strawberry.field(
        resolver=_version,
        description="The version of the API server, such as `v1.37.2`; null until it was first reached.",
    )
    node_count: int | None = strawberry.field(
        resolver=_node_count,
        metadata=needing(_node_count_needs),
        description="How many nodes there are. Needs the right to list nodes.",
    )
    pod_count: int | None = strawberry.field(
        resolver=_pod_count,
        metadata=needing(_pod_count_needs),
        description="How many pods the caller may see, finished ones included.",
    )
