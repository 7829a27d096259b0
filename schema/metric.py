"""Metrics: what Prometheus has of an object, now and over time, or the reason why there is nothing."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Final, cast

import strawberry

from auth.access import AccessNeed
from auth.errors import InvalidArgument, MetricsUnavailable
from schema.enums import graphql_enum
from schema.execution.context import GraphInfo
from schema.execution.needs import FieldNeeds, MetricNeed, NeedsHook, Reach
from schema.label import Label
from schema.scalars import DateTime
from schema.sources.kubernetes.objects import NodeRecord
from schema.sources.prometheus.catalogue import MEASURED, Level, MetricName, MetricUnit
from schema.sources.prometheus.frames import (
    POINTS_AT_MOST,
    Key,
    MetricFrame,
    Missing,
    Range,
    Sample,
    Series,
    TimeWindow,
)

graphql_enum(MetricName, "MetricName", "What is measured; each name has one unit.")
graphql_enum(MetricUnit, "MetricUnit", "What one unit of a value is.")
graphql_enum(Missing, "MetricMissing", "Why a metric has no value.")

# What shares are shares of, by the share's name; no entry where that is not known.
Wholes = Mapping[MetricName, float]

MetricNames = Annotated[
    list[MetricName] | None,
    strawberry.argument(description="Which metrics, in this order; left out: all that this kind of object has."),
]


@strawberry.input(description="A stretch of time, and how closely it is looked at.")
class TimeRange:
    start: DateTime | None = strawberry.field(
        default=None, description="The beginning; left out or null: an hour before the end."
    )
    end: DateTime | None = strawberry.field(default=None, description="The end; left out or null: now.")
    step: int | None = strawberry.field(
        default=None,
        description=(
            "Seconds between two points; left out or null: a usual step that gives about 60. More than "
            f"{POINTS_AT_MOST} points are never given: the step is then widened, and the answer says to what."
        ),
    )

    def window(self) -> TimeWindow:
        """Raises InvalidArgument."""
        window = TimeWindow(_moment("range.start", self.start), _moment("range.end", self.end), self.step)
        if window.start is not None and window.end is not None and window.start > window.end:
            raise InvalidArgument("`range.start` is after `range.end`", argument="range.start")
        if self.step is not None and self.step < 1:
            raise InvalidArgument("`range.step` must be at least one second", argument="range.step")
        return window


TimeRangeArgument = Annotated[TimeRange | None, strawberry.argument(description="Which time; left out: the last hour.")]
_LAST_HOUR: Final = TimeRange()


# What a node has of what its shares are shares of.
ALLOCATABLE: Final[Mapping[MetricName, Callable[[NodeRecord], float]]] = {
    MetricName.CPU_ALLOCATABLE_UTILIZATION: lambda node: node.allocatable.cpu,
    MetricName.MEMORY_ALLOCATABLE_UTILIZATION: lambda node: node.allocatable.memory,
}


@dataclass(frozen=True, slots=True)
class Measured:
    """An object whose metrics are shown: its key in a frame; its creation, empty where nothing can have preceded it."""

    level: Level
    key: Key
    created_at: str = ""
    wholes: Wholes = field(default_factory=dict)


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


@strawberry.type(description="One number of a metric over time.")
class MetricPoint:
    timestamp: float = strawberry.field(description="The moment: seconds since 1970-01-01T00:00:00Z.")
    value: float | None = strawberry.field(description="The value then; null exactly when `missing` says why.")
    missing: Missing | None = strawberry.field(description="Why there is a gap; null exactly when there is a value.")


@strawberry.type(description="One metric of one object over time, as Prometheus has it.")
class MetricRange:
    name: MetricName = strawberry.field(description="What is measured.")
    unit: MetricUnit = strawberry.field(description="The unit of the points' values.")
    missing: Missing | None = strawberry.field(description="Why there is no point at all; null when there are some.")
    start: DateTime | None = strawberry.field(
        description=(
            "The first moment that was asked for: start and end are rounded to whole steps, so that equal questions "
            "share an answer. Null when Prometheus is not asked for this metric."
        )
    )
    end: DateTime | None = strawberry.field(description="The last moment that was asked for.")
    step: int | None = strawberry.field(
        description="Seconds between two points: as asked, or wider where that would have been too many."
    )
    labels: list[Label] = strawberry.field(
        description="Labels that tell several series of one metric apart; empty when there is only one."
    )
    points: list[MetricPoint] = strawberry.field(
        description="One for each moment since the object was created; what was before belongs to a predecessor."
    )


def metrics_needs(level: Level, access: tuple[AccessNeed, ...] = ()) -> NeedsHook:
    """The hook of a `metrics` field: one question per name to Prometheus, whatever the number of objects."""

    def hook(reach: Reach, names: list[MetricName] | None = None) -> FieldNeeds:
        return FieldNeeds(access=access, metrics=tuple(_needs(level, reach, names, None)))

    return hook


def metrics_range_needs(level: Level, access: tuple[AccessNeed, ...] = ()) -> NeedsHook:
    """The hook of a `metricsRange` field: one question per name and time, whatever the number of objects."""

    def hook(
        reach: Reach,
        names: list[MetricName] | None = None,
        range: TimeRange | None = None,  # noqa: A002 - the schema's name
    ) -> FieldNeeds:
        return FieldNeeds(access=access, metrics=tuple(_needs(level, reach, names, window_of(range))))

    return hook


def _needs(
    level: Level, reach: Reach, names: list[MetricName] | None, window: TimeWindow | None
) -> Iterator[MetricNeed]:
    return (MetricNeed(name, level, reach, window) for name in _asked(level, names))


def metrics_of(info: GraphInfo, of: Measured, names: list[MetricName] | None) -> list[Metric]:
    """At least one Metric per name asked, in that order."""
    not_before = _seconds(of.created_at)
    metrics: list[Metric] = []
    for name in _asked(of.level, names):
        if name not in MEASURED[of.level]:
            metrics.append(_absent(name, Missing.NOT_MEASURED))
            continue
        samples = _frame_of(info, name, of.level).of(of.key, not_before=not_before)
        metrics += [_metric(name, _as_measured(name, sample, of.wholes)) for sample in samples]
    return metrics


def frame_of(info: GraphInfo, name: MetricName, level: Level) -> MetricFrame:
    """What is known of all objects in reach, to order them by. Raises InvalidArgument where that is no order.

    A source that failed is told, once per metric and level.
    """
    if name not in MEASURED[level] or name is not name.measured:
        raise InvalidArgument(f"There is no order of {level.name.lower()}s by {name.name}", argument="orderBy")
    return _frame_of(info, name, level)


def _frame_of(info: GraphInfo, name: MetricName, level: Level) -> MetricFrame:
    frame = info.context.view.frames[name.measured, level]
    if frame.failure is Missing.UNREACHABLE:
        _report(info, frame)
    return frame


def metrics_range_of(
    info: GraphInfo, of: Measured, names: list[MetricName] | None, window: TimeWindow
) -> list[MetricRange]:
    """At least one MetricRange per name asked, in that order."""
    ranges: list[MetricRange] = []
    for name in _asked(of.level, names):
        if name not in MEASURED[of.level]:
            ranges.append(_range(name, None, Missing.NOT_MEASURED))
            continue
        frame = info.context.view.ranges[name.measured, of.level, window]
        if frame.failure is Missing.UNREACHABLE:
            _report(info, frame)
        ranges += _ranges(name, frame, of)
    return ranges


def _ranges(name: MetricName, frame: MetricFrame, of: Measured) -> Iterator[MetricRange]:
    asked = cast("Range", frame.question.range)
    not_before = _seconds(of.created_at)
    found = frame.over_time(of.key)
    if not found:
        yield _range(name, asked, frame.failure or Missing.NO_SERIES)
    for series in found:
        samples = series.samples(asked.moments())
        points = [_as_measured(name, sample, of.wholes) for sample in samples if sample.timestamp >= not_before]
        yield _range(name, asked, None if points else Missing.STALE, series, points)


def forbidden_metrics(level: Level, names: list[MetricName] | None) -> list[Metric]:
    """What somebody without the right sees; the error that says which right it is stands beside it."""
    return [_absent(name, Missing.FORBIDDEN) for name in _asked(level, names)]


def forbidden_ranges(level: Level, names: list[MetricName] | None) -> list[MetricRange]:
    return [_range(name, None, Missing.FORBIDDEN) for name in _asked(level, names)]


def window_of(range: TimeRange | None) -> TimeWindow:  # noqa: A002 - the schema's name
    """What the argument asks for. Raises InvalidArgument."""
    return (range or _LAST_HOUR).window()


def _moment(argument: str, text: str | None) -> float | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = datetime.min  # noqa: DTZ901 - refused below, as what has no zone
    if moment.tzinfo is None or moment.year < _EARLIEST_YEAR:
        raise InvalidArgument(
            f"`{argument}` must be a moment such as 2026-11-24T09:30:00Z, in or after 1970", argument=argument
        )
    return moment.timestamp()


_EARLIEST_YEAR: Final = 1970


def _seconds(created_at: str) -> float:
    return datetime.fromisoformat(created_at).timestamp() if created_at else 0.0


def _asked(level: Level, names: list[MetricName] | None) -> Collection[MetricName]:
    return MEASURED[level] if names is None else tuple(dict.fromkeys(names))


def _as_measured(name: MetricName, sample: Sample, wholes: Wholes) -> Sample:
    """The sample itself, or what it is of the whole."""
    if name is name.measured or sample.value is None:
        return sample
    whole = wholes.get(name, 0.0)
    if not whole:
        return Sample(None, Missing.NOT_A_NUMBER, sample.timestamp, sample.labels)
    return Sample(sample.value / whole, None, sample.timestamp, sample.labels)


def _absent(name: MetricName, missing: Missing) -> Metric:
    return Metric(name=name, unit=name.unit, value=None, missing=missing, timestamp=None, labels=[])


def _metric(name: MetricName, sample: Sample) -> Metric:
    return Metric(
        name=name,
        unit=name.unit,
        value=sample.value,
        missing=sample.missing,
        timestamp=None if sample.value is None else sample.timestamp,
        labels=_labels(sample.labels),
    )


def _range(
    name: MetricName,
    asked: Range | None,
    missing: Missing | None,
    series: Series | None = None,
    points: list[Sample] | None = None,
) -> MetricRange:
    return MetricRange(
        name=name,
        unit=name.unit,
        missing=missing,
        start=None if asked is None else _date_time(asked.start),
        end=None if asked is None else _date_time(asked.end),
        step=None if asked is None else asked.step,
        labels=_labels(series.labels) if series else [],
        points=cast("list[MetricPoint]", points or []),  # a Sample is read as a point, as a record is as its type
    )


def _labels(pairs: tuple[tuple[str, str], ...]) -> list[Label]:
    return [Label(key=key, value=value) for key, value in pairs]


def _date_time(seconds: int) -> DateTime:
    return DateTime(datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))


def _report(info: GraphInfo, frame: MetricFrame) -> None:
    question = frame.question
    key = (question.metric, question.level, question.range)
    if not info.context.problems.met(key):
        error = MetricsUnavailable(
            f"Prometheus gave no answer about {question.metric.name} of {question.level.value}s: {frame.reason}",
            metric=question.metric.name,
            level=question.level.name,
        )
        info.context.problems.report(key, error, info)
