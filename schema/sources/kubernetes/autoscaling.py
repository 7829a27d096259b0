"""Horizontal pod autoscalers (autoscaling/v2): what they scale, between which bounds, and by which metrics.

TARGETS is written as `formatHPAMetrics` in pkg/printers/internalversion/printers.go of Kubernetes 1.37 writes it.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct, field

from schema.sources.kubernetes.cold import Rest
from schema.sources.kubernetes.objects import Label, Sharing
from schema.sources.kubernetes.quantities import quantity
from schema.sources.kubernetes.wire import Condition, Meta, is_true

_UNKNOWN: Final = "<unknown>"
_SHOWN: Final = 2  # of the metrics; of the others TARGETS says how many there are


class ScaledObject(Struct, frozen=True, gc=False, eq=False):
    """What an autoscaler scales, in its own namespace."""

    api_version: str
    kind: str
    name: str


class AutoscalerMetric(Struct, frozen=True, gc=False, eq=False):
    """One metric that an autoscaler looks at, in base units: cores, bytes, a count, or a share of what is requested.

    `source` is Kubernetes' word (Resource, ContainerResource, Pods, Object, External) and `target_type` too
    (Utilization, AverageValue, Value). `current` is None while nobody knows it; `text` as in TARGETS.
    """

    source: str
    name: str
    container: str | None
    target_type: str
    target: float | None
    current: float | None
    text: str


class AutoscalerRecord(Struct, frozen=True, gc=False, eq=False):
    """An autoscaler. `able_to_scale`, `scaling_active` and `scaling_limited` are its conditions of these names."""

    uid: str
    resource_version: str
    namespace: str
    name: str
    created_at: str
    labels: tuple[Label, ...]
    target: ScaledObject
    min_replicas: int | None
    max_replicas: int
    current_replicas: int
    desired_replicas: int
    metrics: tuple[AutoscalerMetric, ...]
    able_to_scale: bool
    scaling_active: bool
    scaling_limited: bool
    last_scaled_at: str | None
    rest: Rest

    @property
    def targets_text(self) -> str:
        """TARGETS."""
        shown = ", ".join(metric.text for metric in self.metrics[:_SHOWN]) or "<none>"
        return shown if len(self.metrics) <= _SHOWN else f"{shown} + {len(self.metrics) - _SHOWN} more..."


class _Reference(Struct, frozen=True, gc=False):
    api_version: str | None = field(name="apiVersion", default=None)
    kind: str | None = None
    name: str | None = None


class _Identifier(Struct, frozen=True, gc=False):
    name: str | None = None


class _Value(Struct, frozen=True, gc=False):
    """Of a target or of what is now."""

    value: str | None = None
    average_value: str | None = field(name="averageValue", default=None)
    average_utilization: int | None = field(name="averageUtilization", default=None)


class _Source(Struct, frozen=True, gc=False):
    """Of a metric's spec it has a target, of its status a current value; resources have a name, others a metric."""

    name: str | None = None
    container: str | None = None
    metric: _Identifier | None = None
    target: _Value | None = None
    current: _Value | None = None


class _Metric(Struct, frozen=True, gc=False):
    type: str | None = None
    resource: _Source | None = None
    container_resource: _Source | None = field(name="containerResource", default=None)
    pods: _Source | None = None
    object: _Source | None = None
    external: _Source | None = None

    def of(self, kind: str) -> _Source | None:
        match kind:
            case "Resource":
                return self.resource
            case "ContainerResource":
                return self.container_resource
            case "Pods":
                return self.pods
            case "Object":
                return self.object
            case "External":
                return self.external
            case _:
                return None


class _Spec(Struct, frozen=True, gc=False):
    target: _Reference | None = field(name="scaleTargetRef", default=None)
    min_replicas: int | None = field(name="minReplicas", default=None)
    max_replicas: int | None = field(name="maxReplicas", default=None)
    metrics: list[_Metric] | None = None


class _Status(Struct, frozen=True, gc=False):
    current_replicas: int | None = field(name="currentReplicas", default=None)
    desired_replicas: int | None = field(name="desiredReplicas", default=None)
    current_metrics: list[_Metric] | None = field(name="currentMetrics", default=None)
    last_scale_time: str | None = field(name="lastScaleTime", default=None)
    conditions: list[Condition] | None = None


class WireAutoscaler(Struct, frozen=True, gc=False):
    metadata: Meta
    spec: _Spec | None = None
    status: _Status | None = None


def autoscaler_record(wire: WireAutoscaler, rest: Rest, sharing: Sharing) -> AutoscalerRecord:
    meta, spec, status = wire.metadata, wire.spec or _Spec(), wire.status or _Status()
    scaled, strings = spec.target or _Reference(), sharing.strings
    return AutoscalerRecord(
        uid=meta.uid,
        resource_version=meta.resource_version,
        namespace=strings[meta.namespace],
        name=meta.name,
        created_at=meta.creation_timestamp or "",
        labels=sharing.labels(meta.labels),
        target=ScaledObject(strings[scaled.api_version or ""], strings[scaled.kind or ""], scaled.name or ""),
        min_replicas=spec.min_replicas,
        max_replicas=spec.max_replicas or 0,
        current_replicas=status.current_replicas or 0,
        desired_replicas=status.desired_replicas or 0,
        metrics=_metrics(spec.metrics or (), status.current_metrics or (), sharing),
        able_to_scale=is_true(status.conditions, "AbleToScale"),
        scaling_active=is_true(status.conditions, "ScalingActive"),
        scaling_limited=is_true(status.conditions, "ScalingLimited"),
        last_scaled_at=status.last_scale_time,
        rest=rest,
    )


def _metrics(wanted: Sequence[_Metric], now: Sequence[_Metric], sharing: Sharing) -> tuple[AutoscalerMetric, ...]:
    """A metric and its current value stand at the same place of two lists."""
    at = [*now, *([_Metric()] * (len(wanted) - len(now)))]
    return tuple(_metric(metric, said, sharing) for metric, said in zip(wanted, at, strict=False))


def _metric(wanted: _Metric, said: _Metric, sharing: Sharing) -> AutoscalerMetric:
    kind = wanted.type or ""
    source = wanted.of(kind) or _Source()
    reported = said.of(kind)
    target, current = source.target or _Value(), (reported.current if reported else None) or _Value()
    identifier = source.name or (source.metric.name if source.metric else None) or ""
    measured = _measured(kind, target)
    return AutoscalerMetric(
        source=sharing.strings[kind],
        name=sharing.strings[identifier],
        container=source.container or None,
        target_type=measured,
        target=_number(target, measured),
        current=_number(current, measured),
        text=_text(kind, identifier, target, current if reported else None),
    )


def _measured(kind: str, target: _Value) -> str:
    """By what kubectl compares; pods are always averaged."""
    if target.average_value is not None or kind == "Pods":
        return "AverageValue"
    return "Utilization" if kind in _OF_RESOURCES else "Value"


_OF_RESOURCES: Final = frozenset({"Resource", "ContainerResource"})


def _number(value: _Value, measured: str) -> float | None:
    if measured == "Utilization":
        return None if value.average_utilization is None else value.average_utilization / 100
    said = value.average_value if measured == "AverageValue" else value.value
    return None if said is None else float(quantity(said))


def _text(kind: str, name: str, target: _Value, current: _Value | None) -> str:
    match kind, _measured(kind, target):
        case "Resource" | "ContainerResource", "AverageValue":
            return f"{name}: {_averaged(current)}/{_averaged(target)}"
        case "Resource" | "ContainerResource", _:
            return f"{name}: {_percent(current, _UNKNOWN)}/{_percent(target, '<auto>')}"
        case "Pods", _:
            return f"{_averaged(current)}/{_averaged(target)}"
        case "Object" | "External", "AverageValue":
            return f"{(current.average_value if current else None) or _UNKNOWN}/{_averaged(target)} (avg)"
        case "Object" | "External", _:
            return f"{_valued(current)}/{_valued(target)}"
        case _:
            return "<unknown type>"


def _averaged(value: _Value | None) -> str:
    """A quantity that is reported and empty is 0, as Go's zero value is."""
    return _UNKNOWN if value is None else value.average_value or "0"


def _valued(value: _Value | None) -> str:
    return _UNKNOWN if value is None else value.value or "0"


def _percent(value: _Value | None, otherwise: str) -> str:
    return otherwise if value is None or value.average_utilization is None else f"{value.average_utilization}%"
