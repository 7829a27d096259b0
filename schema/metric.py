"""Metrics: what Prometheus has of an object, now and over time, or the reason why there is nothing."""

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain
from typing import Annotated, Any, Final, Generic, TypeAlias, TypeGuard, TypeVar, cast

import strawberry
from msgspec import Struct

from auth.access import PODS, AccessNeed
from auth.errors import InvalidArgument, MetricsUnavailable
from schema.enums import graphql_enum
from schema.execution.alike import Alike, SideBySide
from schema.execution.context import GraphInfo, listable
from schema.execution.for_all import ReadsFrames
from schema.execution.gather import METRICS_RIGHT
from schema.execution.needs import FieldNeeds, MetricNeed, NeedsHook, Reach
from schema.execution.view import View
from schema.label import Label
from schema.scalars import DateTime
from schema.sources.kubernetes.objects import Label as LabelRecord
from schema.sources.prometheus.catalogue import MEASURED, SAID, SHARES, Level, MetricName, MetricUnit
from schema.sources.prometheus.frames import (
    NOTHING,
    POINTS_AT_MOST,
    Held,
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


R = TypeVar("R")
# What objects say themselves of one metric, None where they say nothing; or why nobody may know.
Said: TypeAlias = Callable[[Any], float | None] | Missing


class Measuring(Struct, Generic[R], frozen=True):
    """How the objects of one kind are found in the answers of Prometheus, and what they say themselves.

    `place` is namespace and name as frames keep them, and the moment of creation (RFC 3339 in UTC, as Kubernetes writes
    it; empty where nothing can have preceded the object). `said` is asked once for a list, never for each object.
    """

    level: Level
    place: Callable[[R], tuple[str, str, str]]
    said: Callable[["GraphInfo", MetricName], Said]
    shown: tuple[MetricName, ...]  # where no names are asked for


class MetricRecord(Struct, frozen=True, gc=False):
    """What the schema shows as a Metric: a record is read as its type."""

    name: MetricName
    unit: MetricUnit
    value: float | None
    missing: Missing | None
    timestamp: float | None = None
    window: float | None = None
    labels: tuple[LabelRecord, ...] = ()


@strawberry.type(description="The newest value of one metric of one object, as Prometheus has it.")
class Metric:
    name: MetricName = strawberry.field(description="What is measured.")
    unit: MetricUnit = strawberry.field(description="The unit of `value`.")
    value: float | None = strawberry.field(description="The value; null exactly when `missing` says why.")
    missing: Missing | None = strawberry.field(description="Why there is no value; null exactly when there is one.")
    timestamp: float | None = strawberry.field(
        description=(
            "When Prometheus evaluated it, or by `metrics.k8s.io` in its place when it was measured: seconds since "
            "1970-01-01T00:00:00Z; null without a value, and for what the objects say themselves: requests, limits and "
            "what nodes lend, as they are now."
        )
    )
    window: float | None = strawberry.field(
        description=(
            "Over how many seconds until `timestamp` the value is averaged, as Prometheus was asked or as "
            "`metrics.k8s.io` says; null where it is of one moment, where there is none, and where a configured query "
            "has a window of its own."
        )
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
    window: float | None = strawberry.field(
        description=(
            "Over how many seconds until its moment each point is averaged, a step at least; null where points are of "
            "one moment, where Prometheus is not asked, and where a configured query has a window of its own."
        )
    )
    labels: list[Label] = strawberry.field(
        description="Labels that tell several series of one metric apart; empty when there is only one."
    )
    points: list[MetricPoint] = strawberry.field(
        description="One for each moment since the object was created; what was before belongs to a predecessor."
    )


def metrics_needs(measuring: Measuring[Any]) -> NeedsHook:
    """The hook of a `metrics` field: one question per name to Prometheus, whatever the number of objects."""

    def hook(reach: Reach, names: list[MetricName] | None = None) -> FieldNeeds:
        asked = names_asked(measuring, names)
        return _needs(measuring, reach, asked, None)

    return hook


def metrics_range_needs(measuring: Measuring[Any]) -> NeedsHook:
    """The hook of a `metricsRange` field: one question per name and time, whatever the number of objects."""

    def hook(
        reach: Reach,
        names: list[MetricName] | None = None,
        range: TimeRange | None = None,  # noqa: A002 - the schema's name
    ) -> FieldNeeds:
        return _needs(measuring, reach, names_over_time(measuring, names), window_of(range))

    return hook


def _needs(
    measuring: Measuring[Any],
    reach: Reach,
    names: Collection[MetricName],
    window: TimeWindow | None,
) -> FieldNeeds:
    counted = measuring.level in _SUMMED_OVER_PODS and not CLAIMED.isdisjoint(names)
    metrics = tuple(MetricNeed(name, measuring.level, reach, window) for name in names)
    return FieldNeeds(access=(AccessNeed(PODS),) if counted else (), metrics=metrics)


# What pods claim: of nodes and the cluster only those may know who may list all pods.
CLAIMED: Final = SAID - {MetricName.CPU_ALLOCATABLE, MetricName.MEMORY_ALLOCATABLE}
_SUMMED_OVER_PODS: Final = frozenset({Level.NODE, Level.CLUSTER})


def frames_of(measuring: Measuring[Any]) -> ReadsFrames:
    """Which frames `metrics_of` reads, where it reads nothing beside its objects and these, and has nothing to tell."""

    def reads(view: View, names: list[MetricName] | None = None) -> list[MetricFrame] | None:
        asked = [name for name in names_asked(measuring, names) if name in MEASURED[measuring.level]]
        if measuring.level in _SUMMED_OVER_PODS and not CLAIMED.isdisjoint(asked):
            return None
        frames = [view.frames[name.measured, measuring.level] for name in asked if name.measured is not None]
        return None if any(frame.failure in _TOLD for frame in frames) else frames

    return reads


_TOLD: Final = frozenset({Missing.UNREACHABLE, Missing.FORBIDDEN})


def metrics_of(
    info: GraphInfo, measuring: Measuring[R], objects: Sequence[R], names: list[MetricName] | None
) -> Sequence[Sequence[MetricRecord]]:
    """Of each object at least one Metric per name asked, in that order."""
    places = list(map(measuring.place, objects))
    columns = [_column(info, measuring, objects, places, name) for name in names_asked(measuring, names)]
    if not (objects and columns):
        return [()] * len(objects)
    if not any(isinstance(column[0], tuple) for column in columns):
        return SideBySide(cast("Sequence[Sequence[MetricRecord]]", columns))
    several = [column if isinstance(column[0], tuple) else zip(column, strict=True) for column in columns]
    return [tuple(chain.from_iterable(row)) for row in zip(*several, strict=True)]


# One metric of each object: nearly always one record of each, else some of each.
_Column: TypeAlias = "Sequence[MetricRecord] | Sequence[tuple[MetricRecord, ...]]"
_Place: TypeAlias = tuple[str, str, str]


def _column(
    info: GraphInfo, measuring: Measuring[R], objects: Sequence[R], places: Sequence[_Place], name: MetricName
) -> _Column:
    if name not in MEASURED[measuring.level]:
        return [_absent(name, Missing.NOT_MEASURED)] * len(objects)
    if name.measured is None:
        return _said(name, objects, measuring.said(info, name))
    if name in SHARES:
        return _shares(info, name, measuring, objects, places)
    return _measured(name, places, _frame_of(info, name, measuring.level, len(objects)))


def _said(name: MetricName, objects: Sequence[R], said: Said) -> _Column:
    if isinstance(said, Missing):
        return [_absent(name, said)] * len(objects)
    unset, values = _absent(name, Missing.NOT_SET), list(map(said, objects))
    if None not in values:
        return Alike(MetricRecord(name, name.unit, None, None), "value", values)
    return [unset if value is None else MetricRecord(name, name.unit, value, None) for value in values]


def _measured(name: MetricName, places: Sequence[_Place], frame: MetricFrame) -> _Column:
    if frame.failure is not None:
        return [_absent(name, frame.failure)] * len(places)
    unit, samples, moment, window = name.unit, frame.samples, frame.evaluated_at, frame.window
    written = date_time(moment)
    found = [samples.get(namespace, NOTHING).get(called) for namespace, called, _ in places]
    if _all_numbers(found) and max([created_at for _, _, created_at in places]) <= written:
        return Alike(MetricRecord(name, unit, None, None, moment, window), "value", found)
    each = [
        (MetricRecord(name, unit, held, None, moment, window),)
        if held.__class__ is float and place[2] <= written
        else tuple(_metric(name, sample, window) for sample in _samples(frame, place))
        for held, place in zip(found, places, strict=True)
    ]
    return list(chain.from_iterable(each)) if set(map(len, each)) == {1} else each


def _all_numbers(found: "Sequence[Held | None]") -> TypeGuard[Sequence[float]]:
    return set(map(type, found)) == {float}


def _shares(
    info: GraphInfo, name: MetricName, measuring: Measuring[R], objects: Sequence[R], places: Sequence[_Place]
) -> _Column:
    said = measuring.said(info, SHARES[name][1])
    if isinstance(said, Missing):
        return [_absent(name, said)] * len(objects)
    frame = _frame_of(info, name, measuring.level, len(objects))
    return [
        tuple(_metric(name, _share(sample, whole), frame.window) for sample in _samples(frame, place))
        for whole, place in zip(map(said, objects), places, strict=True)
    ]


def _samples(frame: MetricFrame, place: _Place) -> tuple[Sample, ...]:
    namespace, name, created_at = place
    return frame.of((namespace, name), not_before=_seconds(created_at))


def frame_of(info: GraphInfo, name: MetricName, level: Level) -> MetricFrame:
    """What is known of all objects in reach, to order them by.

    A source that failed is told, once per metric and level.
    """
    return _frame_of(info, name, level)


def no_order(name: MetricName, of: str) -> InvalidArgument:
    return InvalidArgument(f"There is no order of {of}s by {name.name}", argument="orderBy")


def _frame_of(info: GraphInfo, name: MetricName, level: Level, places: int = 1) -> MetricFrame:
    frame = info.context.view.frames[_measured_by(name), level]
    _tell(info, frame, places)
    return frame


def _tell(info: GraphInfo, frame: MetricFrame, places: int = 1) -> None:
    """A source that failed once per question, a right that is missing once per field of the document."""
    if frame.failure is Missing.UNREACHABLE:
        _report(info, frame, places)
    elif frame.failure is Missing.FORBIDDEN:
        listable(info, METRICS_RIGHT[frame.question.level])


def _measured_by(name: MetricName) -> MetricName:
    if name.measured is None:
        raise AssertionError(f"nobody measures {name}")
    return name.measured


def metrics_range_of(
    info: GraphInfo, measuring: Measuring[R], of: R, names: list[MetricName] | None, window: TimeWindow
) -> list[MetricRange]:
    """At least one MetricRange per name asked, in that order."""
    ranges: list[MetricRange] = []
    for name in names_over_time(measuring, names):
        if name not in MEASURED[measuring.level] or name.measured is None:
            ranges.append(_range(name, None, Missing.NOT_MEASURED))
            continue
        said = measuring.said(info, SHARES[name][1]) if name in SHARES else None
        if isinstance(said, Missing):
            ranges.append(_range(name, None, said))
            continue
        frame = info.context.view.ranges[name.measured, measuring.level, window]
        _tell(info, frame)
        whole = None if said is None else said(of) or 0.0
        ranges += _ranges(name, frame, measuring.place(of), whole)
    return ranges


def _ranges(
    name: MetricName, frame: MetricFrame, place: tuple[str, str, str], whole: float | None
) -> Iterator[MetricRange]:
    """`whole` is what a share is one of, None for everything else."""
    asked = cast("Range", frame.question.range)
    namespace, called, created_at = place
    not_before = _seconds(created_at)
    found = frame.over_time((namespace, called))
    if not found:
        yield _range(name, frame, frame.missing((namespace, called)))
    for series in found:
        samples = [sample for sample in series.samples(asked.moments()) if sample.timestamp >= not_before]
        points = samples if whole is None else [_share(sample, whole) for sample in samples]
        yield _range(name, frame, None if points else Missing.STALE, series, points)


def forbidden_metrics(measuring: Measuring[Any], names: list[MetricName] | None) -> list[MetricRecord]:
    """What somebody without the right sees; the error that says which right it is stands beside it."""
    return [_absent(name, Missing.FORBIDDEN) for name in names_asked(measuring, names)]


def forbidden_ranges(measuring: Measuring[Any], names: list[MetricName] | None) -> list[MetricRange]:
    return [_range(name, None, Missing.FORBIDDEN) for name in names_over_time(measuring, names)]


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


def names_asked(measuring: Measuring[Any], names: list[MetricName] | None) -> Collection[MetricName]:
    return measuring.shown if names is None else tuple(dict.fromkeys(names))


def names_over_time(measuring: Measuring[Any], names: list[MetricName] | None) -> Collection[MetricName]:
    """What objects say themselves has no past."""
    asked = names_asked(measuring, names)
    return asked if names is not None else tuple(name for name in asked if name.measured is not None)


def _share(sample: Sample, whole: float | None) -> Sample:
    if sample.value is None:
        return sample
    if not whole:
        return Sample(None, Missing.NOT_SET, sample.timestamp, sample.labels)
    return Sample(sample.value / whole, None, sample.timestamp, sample.labels, sample.window)


def _absent(name: MetricName, missing: Missing) -> MetricRecord:
    return MetricRecord(name, name.unit, None, missing)


def _metric(name: MetricName, sample: Sample, window: float | None) -> MetricRecord:
    """`window` is that of all samples which have none of their own."""
    labels = _labels(sample.labels)
    if sample.value is None:
        return MetricRecord(name, name.unit, None, sample.missing, labels=labels)
    own = window if sample.window is None else sample.window
    return MetricRecord(name, name.unit, sample.value, None, sample.timestamp, own, labels)


def _range(
    name: MetricName,
    frame: MetricFrame | None,
    missing: Missing | None,
    series: Series | None = None,
    points: list[Sample] | None = None,
) -> MetricRange:
    """Without a frame nobody was asked."""
    asked = None if frame is None else frame.question.range
    return MetricRange(
        name=name,
        unit=name.unit,
        missing=missing,
        start=None if asked is None else date_time(asked.start),
        end=None if asked is None else date_time(asked.end),
        step=None if asked is None else asked.step,
        window=None if frame is None else frame.window,
        labels=cast("list[Label]", _labels(series.labels) if series else ()),
        points=cast("list[MetricPoint]", points or []),  # a Sample is read as a point, as a record is as its type
    )


def _labels(pairs: tuple[tuple[str, str], ...]) -> tuple[LabelRecord, ...]:
    return tuple(LabelRecord(key, value) for key, value in pairs)


@lru_cache(maxsize=256)  # asked for every list, of a handful of frames
def date_time(seconds: float) -> DateTime:
    """A moment as Kubernetes writes moments, down to the second: their texts compare as the moments do."""
    return DateTime(datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))


def _report(info: GraphInfo, frame: MetricFrame, places: int = 1) -> None:
    question = frame.question
    key = (question.metric, question.level, question.range)
    if not info.context.problems.met(key, places):
        error = MetricsUnavailable(
            f"{frame.source} gave no answer about {question.metric.name} of {question.level.value}s: {frame.reason}",
            metric=question.metric.name,
            level=question.level.name,
        )
        info.context.problems.report(key, error, info, places)
