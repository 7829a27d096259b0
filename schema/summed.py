"""Metrics of what stands above pods: of workloads, summed over their pods here; of namespaces, summed by Prometheus.

A workload has no series of its own, and its pods are known only here, with the rights of who asks: so the numbers of
its pods are added up from the answer that its pods would be shown from. Both need the right to list pods there.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, cast

import strawberry
from msgspec.structs import replace

from auth.access import PODS, AccessNeed
from schema.execution.context import GraphInfo, listable
from schema.execution.foresight import Through
from schema.execution.needs import FieldNeeds, NeedsHook, Reach, needing
from schema.lists.fields import Belonging
from schema.measured import MEASURED_NAMESPACES, MEASURED_PODS, SUMMED
from schema.metric import (
    Measuring,
    Metric,
    MetricNames,
    MetricPoint,
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
from schema.sources.kubernetes.objects import NamespaceRecord, PodRecord
from schema.sources.prometheus.catalogue import SHARES, MetricName
from schema.sources.prometheus.frames import Missing, Sample, TimeWindow

MEASURED_WORKLOADS: Final[Measuring[PodRecord]] = replace(MEASURED_PODS, shown=SUMMED)

PodsOf = Belonging[PodRecord]

_NOW: Final = (
    "at least one Metric per name asked, in that order, also when there is no value to show. Needs the right to list "
    "pods there."
)
_OVER_TIME: Final = (
    "by default in the last hour: at least one MetricRange per name asked. Needs the right to list pods there."
)


def _needs(needs: NeedsHook, *also: Callable[[Reach], FieldNeeds]) -> NeedsHook:
    """With the right to list pods in the same namespaces, and what else leads to the pods."""

    def hook(reach: Reach, **arguments: Any) -> FieldNeeds:
        own = needs(reach, **arguments)
        more = [other(reach) for other in also]
        return FieldNeeds(
            access=(
                *own.access,
                AccessNeed(PODS, reach.namespaces),
                *(need for each in more for need in each.access),
            ),
            metrics=own.metrics,
            kinds=tuple(kind for each in more for kind in each.kinds),
        )

    return hook


def _of_pods(pods_of: PodsOf, needs: NeedsHook) -> NeedsHook:
    """Asked of the workloads' pods, as far as these can be told before."""

    def pods(root: Any, info: GraphInfo) -> Sequence[PodRecord]:
        return _visible(pods_of, root, info) or ()

    return lambda reach, **arguments: needs(replace(reach, rows=Through(reach.rows, pods)), **arguments)


def namespace_metrics() -> Any:
    def metrics(root: strawberry.Parent[NamespaceRecord], info: GraphInfo, names: MetricNames = None) -> list[Metric]:
        if listable(info, PODS, root.name) is None:
            return cast("list[Metric]", forbidden_metrics(MEASURED_NAMESPACES, names))
        return cast("list[Metric]", metrics_of(info, MEASURED_NAMESPACES, (root,), names)[0])

    return strawberry.field(
        resolver=metrics,
        metadata=needing(_needs(metrics_needs(MEASURED_NAMESPACES))),
        description=f"What all its pods use together at this moment: {_NOW}",
    )


def namespace_metrics_range() -> Any:
    def metrics_range(
        root: strawberry.Parent[NamespaceRecord],
        info: GraphInfo,
        names: MetricNames = None,
        range: TimeRangeArgument = None,  # noqa: A002
    ) -> list[MetricRange]:
        window = window_of(range)
        if listable(info, PODS, root.name) is None:
            return forbidden_ranges(MEASURED_NAMESPACES, names)
        return metrics_range_of(info, MEASURED_NAMESPACES, root, names, window)

    return strawberry.field(
        resolver=metrics_range,
        metadata=needing(_needs(metrics_range_needs(MEASURED_NAMESPACES))),
        description=f"What all its pods used together over time, {_OVER_TIME}",
    )


def workload_metrics(pods_of: PodsOf, *also: Callable[[Reach], FieldNeeds]) -> Any:
    """The field of a workload whose pods are `pods_of`; `also` is what finding them needs."""

    def metrics(root: Any, info: GraphInfo, names: MetricNames = None) -> list[Metric]:
        pods = _visible(pods_of, root, info)
        if pods is None:
            return cast("list[Metric]", forbidden_metrics(MEASURED_WORKLOADS, names))
        return cast("list[Metric]", [_sum(info, pods, name) for name in names_asked(MEASURED_WORKLOADS, names)])

    return strawberry.field(
        resolver=metrics,
        metadata=needing(_needs(_of_pods(pods_of, metrics_needs(MEASURED_WORKLOADS)), *also)),
        description=f"What its pods use together at this moment, those that have a value: {_NOW}",
    )


def workload_metrics_range(pods_of: PodsOf, *also: Callable[[Reach], FieldNeeds]) -> Any:
    """The same over time."""

    def metrics_range(
        root: Any,
        info: GraphInfo,
        names: MetricNames = None,
        range: TimeRangeArgument = None,  # noqa: A002
    ) -> list[MetricRange]:
        window = window_of(range)
        pods = _visible(pods_of, root, info)
        if pods is None:
            return forbidden_ranges(MEASURED_WORKLOADS, names)
        return [_sum_over_time(info, pods, name, window) for name in names_over_time(MEASURED_WORKLOADS, names)]

    return strawberry.field(
        resolver=metrics_range,
        metadata=needing(_needs(_of_pods(pods_of, metrics_range_needs(MEASURED_WORKLOADS)), *also)),
        description=f"What the pods that it has now used together over time, {_OVER_TIME}",
    )


def _visible(pods_of: PodsOf, root: Any, info: GraphInfo) -> tuple[PodRecord, ...] | None:
    if listable(info, PODS, root.namespace) is None:
        return None
    among = pods_of(root, info)
    return None if among is None else tuple(pod for pod in among.rows if pod.namespace == root.namespace)


def _sum(info: GraphInfo, pods: Sequence[PodRecord], name: MetricName) -> MetricRecord:
    """Of those pods that have a value; where none has, the first one's reason stands for all."""
    if name not in SUMMED:
        return MetricRecord(name, name.unit, None, Missing.NOT_MEASURED)
    if name in SHARES:
        part, whole = (_sum(info, pods, each) for each in SHARES[name])
        if part.value is None:
            return MetricRecord(name, name.unit, None, part.missing)
        if not whole.value:
            return MetricRecord(name, name.unit, None, whole.missing or Missing.NOT_SET)
        return MetricRecord(name, name.unit, part.value / whole.value, None, part.timestamp, part.window)
    found = [metric for row in metrics_of(info, MEASURED_PODS, pods, [name]) for metric in row]
    known = [metric for metric in found if metric.value is not None]
    if not known:
        return MetricRecord(name, name.unit, None, found[0].missing if found else Missing.NO_SERIES)
    together = sum(metric.value or 0.0 for metric in known)
    longest = max(metric.window or 0.0 for metric in known) or None
    return MetricRecord(name, name.unit, together, None, known[0].timestamp, longest)


def _sum_over_time(info: GraphInfo, pods: Sequence[PodRecord], name: MetricName, window: TimeWindow) -> MetricRange:
    """At each moment of those pods that have a value then; a share is one of what they claim now."""
    part, whole = SHARES.get(name, (name, None))
    lines = [line for pod in pods for line in metrics_range_of(info, MEASURED_PODS, pod, [part], window)]
    first = lines[0] if lines else None
    claimed = 1.0 if whole is None else _sum(info, pods, whole).value
    missing = None
    if name not in SUMMED:
        missing = Missing.NOT_MEASURED
    elif not claimed:
        missing = Missing.NOT_SET
    elif not any(line.points for line in lines):
        missing = Missing.NO_SERIES if first is None else first.missing
    return MetricRange(
        name=name,
        unit=name.unit,
        missing=missing,
        start=None if first is None else first.start,
        end=None if first is None else first.end,
        step=None if first is None else first.step,
        window=None if first is None else first.window,
        labels=[],
        points=cast("list[MetricPoint]", [] if missing or not claimed else _points(lines, claimed)),
    )


def _points(lines: Iterable[MetricRange], whole: float) -> list[Sample]:
    sums: dict[float, float | None] = {}
    for line in lines:
        for point in line.points:
            before = sums.setdefault(point.timestamp, None)
            if point.value is not None:
                sums[point.timestamp] = (before or 0.0) + point.value
    return [
        Sample(None, Missing.NO_SERIES, moment) if value is None else Sample(value / whole, None, moment)
        for moment, value in sorted(sums.items())
    ]
