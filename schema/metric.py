"""Metrics: the newest value of one series, or the reason why there is none."""

from datetime import datetime
from typing import Annotated, Final

import strawberry

from auth.errors import MetricsUnavailable
from schema.enums import graphql_enum
from schema.execution.context import GraphInfo
from schema.execution.needs import FieldNeeds, MetricNeed, NeedsHook, Reach
from schema.label import Label
from schema.sources.prometheus.catalogue import Level, MetricName, MetricUnit
from schema.sources.prometheus.frames import MetricFrame, Missing, Sample

graphql_enum(MetricName, "MetricName", "What is measured; each name has one unit.")
graphql_enum(MetricUnit, "MetricUnit", "What one unit of a value is.")
graphql_enum(Missing, "MetricMissing", "Why a metric has no value.")

_ALL_NAMES: Final = tuple(MetricName)

MetricNames = Annotated[
    list[MetricName] | None,
    strawberry.argument(description="Which metrics, in this order; left out: all of them."),
]


@strawberry.type(description="The newest value of one metric of one object, as Prometheus has it.")
class Metric:
    name: MetricName = strawberry.field(description="What is measured.")
    unit: MetricUnit = strawberry.field(description="The unit of `value`.")
    value: float | None = strawberry.field(description="The value; null exactly when `missing` says why.")
    missing: Missing | None = strawberry.field(description="Why there is no value; null exactly when there is one.")
    timestamp: float | None = strawberry.field(
        description="When Prometheus evaluated it: seconds since 1970-01-01T00:00:00Z; null without a value."
    )
    labels: list[Label] = strawberry.field(
        description="Labels that tell several series of one metric apart; empty when there is only one."
    )


def metrics_needs(level: Level) -> NeedsHook:
    """The hook of a `metrics` field: one question per name to Prometheus, whatever the number of objects."""

    def hook(reach: Reach, names: list[MetricName] | None = None) -> FieldNeeds:
        return FieldNeeds(metrics=tuple(MetricNeed(name, level, reach) for name in _asked(names)))

    return hook


def metrics_of(
    info: GraphInfo, level: Level, key: str | tuple[str, str], created_at: str, names: list[MetricName] | None
) -> list[Metric]:
    """At least one Metric per name asked, in that order, of the object that `key` names in Prometheus' labels."""
    not_before = datetime.fromisoformat(created_at).timestamp()
    metrics: list[Metric] = []
    for name in _asked(names):
        frame = frame_of(info, name, level)
        metrics += [_metric(name, sample) for sample in frame.of(key, not_before=not_before)]
    return metrics


def frame_of(info: GraphInfo, name: MetricName, level: Level) -> MetricFrame:
    """What is known of all objects in reach; a source that failed is told, once per metric and level."""
    frame = info.context.view.frames[name, level]
    if frame.failure is Missing.UNREACHABLE:
        _report(info, frame)
    return frame


def _asked(names: list[MetricName] | None) -> tuple[MetricName, ...]:
    return _ALL_NAMES if names is None else tuple(dict.fromkeys(names))


def _metric(name: MetricName, sample: Sample) -> Metric:
    return Metric(
        name=name,
        unit=name.unit,
        value=sample.value,
        missing=sample.missing,
        timestamp=None if sample.value is None else sample.timestamp,
        labels=[Label(key=key, value=value) for key, value in sample.labels],
    )


def _report(info: GraphInfo, frame: MetricFrame) -> None:
    question = frame.question
    key = (question.metric, question.level)
    if not info.context.problems.met(key):
        error = MetricsUnavailable(
            f"Prometheus gave no answer about {question.metric.name} of {question.level.value}s: {frame.reason}",
            metric=question.metric.name,
            level=question.level.name,
        )
        info.context.problems.report(key, error, info)
