"""The cluster as a whole."""

from typing import cast

import strawberry

from auth.access import NODES, PODS, AccessNeed, Everywhere
from schema.execution.context import GraphInfo, listable
from schema.execution.needs import FieldNeeds, Reach, needing
from schema.inventory import Inventory
from schema.measured import MEASURED_CLUSTER
from schema.metric import (
    Metric,
    MetricNames,
    MetricRange,
    TimeRangeArgument,
    forbidden_metrics,
    forbidden_ranges,
    metrics_needs,
    metrics_of,
    metrics_range_needs,
    metrics_range_of,
    window_of,
)


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


def _metrics(info: GraphInfo, names: MetricNames = None) -> list[Metric]:
    if listable(info, NODES) is None:
        return cast("list[Metric]", forbidden_metrics(MEASURED_CLUSTER, names))
    return cast("list[Metric]", metrics_of(info, MEASURED_CLUSTER, (None,), names)[0])


def _metrics_range(
    info: GraphInfo,
    names: MetricNames = None,
    range: TimeRangeArgument = None,  # noqa: A002
) -> list[MetricRange]:
    window = window_of(range)
    if listable(info, NODES) is None:
        return forbidden_ranges(MEASURED_CLUSTER, names)
    return metrics_range_of(info, MEASURED_CLUSTER, None, names, window)


_LIST_NODES = (AccessNeed(NODES),)


@strawberry.type(description="The cluster as a whole. Counts count what the caller may see.")
class Cluster(Inventory):
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
    metrics: list[Metric] = strawberry.field(
        resolver=_metrics,
        metadata=needing(metrics_needs(MEASURED_CLUSTER, _LIST_NODES)),
        description=(
            "What all nodes together use at this moment: at least one Metric per name asked, in that order, "
            "also when there is no value to show. Needs the right to list nodes."
        ),
    )
    metrics_range: list[MetricRange] = strawberry.field(
        resolver=_metrics_range,
        metadata=needing(metrics_range_needs(MEASURED_CLUSTER, _LIST_NODES)),
        description=(
            "What all nodes together used over time, by default in the last hour: at least one MetricRange per name "
            "asked. Needs the right to list nodes."
        ),
    )
