"""The cluster as a whole."""

from typing import Any, cast

import strawberry
from msgspec.structs import replace

from auth.access import NODES, PODS, AccessNeed, Everywhere
from schema.execution.context import GraphInfo, listable
from schema.execution.needs import FieldNeeds, NeedsHook, Reach, needing
from schema.inventory import Inventory
from schema.measured import MEASURED_CLUSTER
from schema.metric import (
    CLAIMED,
    Metric,
    MetricNames,
    MetricRange,
    MetricRecord,
    TimeRangeArgument,
    forbidden_metrics,
    forbidden_ranges,
    metrics_needs,
    metrics_of,
    metrics_range_needs,
    metrics_range_of,
    names_asked,
    names_over_time,
    window_of,
)
from schema.sources.prometheus.catalogue import MetricName


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
    metrics: list[MetricRecord] = []
    for name in names_asked(MEASURED_CLUSTER, names):
        if _hidden(info, name):
            metrics += forbidden_metrics(MEASURED_CLUSTER, [name])
        else:
            metrics += metrics_of(info, MEASURED_CLUSTER, (None,), [name])[0]
    return cast("list[Metric]", metrics)


def _metrics_range(
    info: GraphInfo,
    names: MetricNames = None,
    range: TimeRangeArgument = None,  # noqa: A002
) -> list[MetricRange]:
    window = window_of(range)
    lines: list[MetricRange] = []
    for name in names_over_time(MEASURED_CLUSTER, names):
        if _hidden(info, name):
            lines += forbidden_ranges(MEASURED_CLUSTER, [name])
        else:
            lines += metrics_range_of(info, MEASURED_CLUSTER, None, [name], window)
    return lines


def _hidden(info: GraphInfo, name: MetricName) -> bool:
    """Whether it is taken from nodes that the caller may not list; for what pods claim, the pods' own right counts."""
    return name not in CLAIMED and listable(info, NODES) is None


def _needing_nodes(needs: NeedsHook) -> NeedsHook:
    """With the right to list nodes, if anything of it is taken from these."""

    def hook(reach: Reach, names: list[MetricName] | None = None, **more: Any) -> FieldNeeds:
        own = needs(reach, names=names, **more)
        if CLAIMED.issuperset(names_asked(MEASURED_CLUSTER, names)):
            return own
        return replace(own, access=(*own.access, AccessNeed(NODES)))

    return hook


@strawberry.type(description="The cluster as a whole, by its nodes and pods. Counts count what the caller may see.")
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
        metadata=needing(_needing_nodes(metrics_needs(MEASURED_CLUSTER))),
        description=(
            "What all nodes together use at this moment: at least one Metric per name asked, in that order, "
            "also when there is no value to show. Needs the right to list nodes; what pods claim (CPU_REQUEST and the "
            "like) the right to list pods in all namespaces instead."
        ),
    )
    metrics_range: list[MetricRange] = strawberry.field(
        resolver=_metrics_range,
        metadata=needing(_needing_nodes(metrics_range_needs(MEASURED_CLUSTER))),
        description=(
            "What all nodes together used over time, by default in the last hour: at least one MetricRange per name "
            "asked. Needs the right to list nodes."
        ),
    )
