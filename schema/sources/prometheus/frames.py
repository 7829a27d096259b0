"""Questions to Prometheus, and the answers as the resolvers read them: frozen, complete, and never an exception."""

import math
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Self, TypeAlias, TypeVar

import msgspec

from schema.sources.described import Described
from schema.sources.prometheus.catalogue import Level, MetricName

T = TypeVar("T")
# One object's name in a frame: a node's or namespace's name, a pod's namespace and name, a container's namespace and
# `pod/container`; the cluster's is empty.
Key: TypeAlias = str | tuple[str, str]
# What a frame holds of one object: the bare number where nothing else is to be said, which is nearly always.
Held: TypeAlias = "float | tuple[Sample, ...]"


class Missing(Described):
    """Why a metric has no value."""

    NOT_CONFIGURED = (
        "NOT_CONFIGURED",
        (
            "The gateway knows of no Prometheus. Without one there are CPU_USAGE and MEMORY_USAGE of this moment "
            "alone, and shares of them, where the cluster has `metrics.k8s.io`."
        ),
    )
    UNREACHABLE = (
        "UNREACHABLE",
        (
            "Prometheus, or `metrics.k8s.io` in its place, did not answer, not in time, or not with what was asked; "
            "the errors say more."
        ),
    )
    NO_SERIES = "NO_SERIES", "Prometheus answered, and has no such series of this object (yet)."
    STALE = "STALE", "The newest number is too old, or from before this object was created."
    FORBIDDEN = "FORBIDDEN", "You may not see this metric."
    NOT_MEASURED = "NOT_MEASURED", "There is no such metric of this kind of object."
    NOT_SET = "NOT_SET", "The object claims none, or has no such limit; so there is no share of it either."
    NOT_A_NUMBER = "NOT_A_NUMBER", "Prometheus answered with NaN, an infinity or a histogram."


class Sample(msgspec.Struct, frozen=True, gc=False):
    """One number, or why there is none: exactly one of `value` and `missing` is set.

    `timestamp` is in seconds since 1970 of Prometheus' clock (the gateway's where Prometheus did not answer). `labels`
    are those that tell several samples of one object apart (a configured query may keep `device`, say); the catalogue's
    own queries leave none. `window` is over how many seconds until then it is averaged, where that differs from sample
    to sample; else it is its frame's.
    """

    value: float | None
    missing: Missing | None
    timestamp: float
    labels: tuple[tuple[str, str], ...] = ()
    window: float | None = None

    def stale(self) -> "Sample":
        """The same moment without its number."""
        return Sample(None, Missing.STALE, self.timestamp, self.labels)


class Selector(msgspec.Struct, frozen=True):
    """Which objects a question is about; None is all of them. Only names read from the store belong in here."""

    namespaces: frozenset[str] | None = None
    names: frozenset[str] | None = None

    @property
    def empty(self) -> bool:
        """No object at all is wanted: there is nothing to ask."""
        return self.namespaces == frozenset() or self.names == frozenset()


# An hour in steps of a minute: enough for a line as wide as a card on a screen.
DEFAULT_SPAN_S: Final = 3_600
DEFAULT_POINTS: Final = 60
POINTS_AT_MOST: Final = 500
# Steps that people read off an axis; wider ones are whole days.
STEPS_S: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200)
DAY_S: Final = 86_400


class Range(msgspec.Struct, frozen=True):
    """Moments from `start` to `end`, both among them, every `step` seconds: whole multiples of it since 1970.

    So everybody who asks for the last hour within the same minute asks the same.
    """

    start: int
    end: int
    step: int

    def moments(self) -> range:
        return range(self.start, self.end + 1, self.step)


class TimeWindow(msgspec.Struct, frozen=True):
    """What somebody wants to see of the past; None: the end is now, it begins an hour earlier, in some 60 steps.

    Start and end in seconds since 1970, the step in seconds.
    """

    start: float | None = None
    end: float | None = None
    step: int | None = None

    def at(self, now: float) -> Range:
        """The moments to ask for. A step that would give more than POINTS_AT_MOST is widened to a usual one."""
        end = now if self.end is None else self.end
        start = end - DEFAULT_SPAN_S if self.start is None else self.start
        span = max(end - start, 0.0)
        step = self.step or _usual(span / DEFAULT_POINTS)
        if span / step >= POINTS_AT_MOST:
            step = _usual(span / (POINTS_AT_MOST - 1))
        last = math.floor(end / step) * step
        return Range(min(math.ceil(start / step) * step, last), last, step)

    @property
    def points(self) -> int:
        """The most points that an answer has, whenever it is asked for."""
        if self.start is not None and self.end is None:
            return POINTS_AT_MOST  # the span grows with the time
        return len(self.at(self.end or 0.0).moments()) + 1


def _usual(seconds: float) -> int:
    """The smallest usual step that is no smaller."""
    return next((step for step in STEPS_S if step >= seconds), math.ceil(seconds / DAY_S) * DAY_S)


class Question(msgspec.Struct, frozen=True):
    """One metric of one level for some objects: now, or over a range of time. Equal questions are one query."""

    metric: MetricName
    level: Level
    selector: Selector = Selector()
    range: Range | None = None

    def __post_init__(self) -> None:
        if self.level in (Level.NODE, Level.CLUSTER) and self.selector.namespaces is not None:
            raise ValueError("nodes are in no namespace: select them by name")
        if self.level in (Level.NAMESPACE, Level.CLUSTER) and self.selector.names:
            raise ValueError("a sum is of all objects, whatever their names")


@dataclass(frozen=True, slots=True)
class Series:
    """The numbers of one series, one for each moment of a range: NaN where there is none, an infinity where what
    Prometheus has is no number. (An array, because 15,000 pods of 60 points are 7 MB so, and 50 MB as tuples.)

    `labels` as those of a Sample.
    """

    numbers: "array[float]"
    labels: tuple[tuple[str, str], ...] = ()

    def samples(self, moments: range) -> Iterator[Sample]:
        for moment, number in zip(moments, self.numbers, strict=True):
            if math.isfinite(number):
                yield Sample(number, None, float(moment))
            else:
                yield Sample(None, Missing.NO_SERIES if math.isnan(number) else Missing.NOT_A_NUMBER, float(moment))


@dataclass(frozen=True, slots=True, weakref_slot=True)
class MetricFrame:
    """Prometheus' answer to one question at one moment; or `failure` and a one-line `reason` without secrets.

    `samples` is `{namespace: {name: held}}`, what is in no namespace under "". Bare numbers in nested dicts, because a
    frame may speak of every pod of a large cluster: 150,000 take 19 MB, most of it their names, where one Sample a pod
    under (namespace, name) took 55 MB; and the garbage collector does not visit dicts of strings and floats. Samples
    are made when they are read. A question over time has `series` in their place, by the same names.

    `evaluated_at` is the moment of the answer in seconds since 1970, by Prometheus' clock (the gateway's, where there
    was no answer). `window` is over how many seconds each number is averaged: None for what is of one moment.
    """

    question: Question
    samples: Mapping[str, Mapping[str, Held]]
    failure: Missing | None = None
    reason: str = ""
    evaluated_at: float = 0.0
    series: Mapping[str, Mapping[str, tuple[Series, ...]]] = field(default_factory=dict)
    namespaces: frozenset[str] | None = None  # all others are FORBIDDEN; None: none is
    source: str = "Prometheus"  # who was asked, for the errors
    window: float | None = None

    @classmethod
    def failed(cls, question: Question, failure: Missing, reason: str, at: float, source: str = "Prometheus") -> Self:
        return cls(question, {}, failure, reason, at, source=source)

    def within(self, namespaces: frozenset[str]) -> Self:
        """As somebody sees it who may see metrics in these namespaces alone."""
        by_name = self.question.level is Level.NAMESPACE
        return replace(
            self,
            samples=_within(self.samples, namespaces, by_name=by_name),
            series=_within(self.series, namespaces, by_name=by_name),
            namespaces=namespaces,
        )

    def missing(self, key: Key) -> Missing:
        """Why there is nothing of an object of which there is nothing."""
        if self.failure is not None:
            return self.failure
        if self.namespaces is not None:
            namespace, name = _parts(key)
            if (name if self.question.level is Level.NAMESPACE else namespace) not in self.namespaces:
                return Missing.FORBIDDEN
        return Missing.NO_SERIES

    @property
    def size(self) -> int:
        """How many objects it speaks of; over time, how many numbers it holds."""
        if self.question.range is None:
            return sum(map(len, self.samples.values()))
        moments = len(self.question.range.moments())
        return moments * sum(len(series) for names in self.series.values() for series in names.values())

    def of(self, key: Key, *, not_before: float | None = None) -> tuple[Sample, ...]:
        """What is known of one object: at least one Sample.

        `not_before` is the object's creation (seconds since 1970): what was measured earlier belongs to a predecessor
        of the same name, and is STALE.
        """
        if self.failure is not None:
            return (Sample(None, self.failure, self.evaluated_at),)
        namespace, name = _parts(key)
        held = self.samples.get(namespace, NOTHING).get(name)
        if held is None:
            return (Sample(None, self.missing(key), self.evaluated_at),)
        samples = (Sample(held, None, self.evaluated_at),) if isinstance(held, float) else held
        if not_before is None:
            return samples
        return tuple(sample if sample.timestamp >= not_before else sample.stale() for sample in samples)

    def over_time(self, key: Key) -> tuple[Series, ...]:
        """What is known of one object over the question's range; nothing where there is no such series."""
        namespace, name = _parts(key)
        return self.series.get(namespace, NO_SERIES).get(name, ())


def _within(
    held: Mapping[str, Mapping[str, T]], namespaces: frozenset[str], *, by_name: bool
) -> Mapping[str, Mapping[str, T]]:
    if by_name:
        return {
            place: {name: one for name, one in names.items() if name in namespaces} for place, names in held.items()
        }
    return {namespace: names for namespace, names in held.items() if namespace in namespaces}


def _parts(key: Key) -> tuple[str, str]:
    return ("", key) if isinstance(key, str) else key


NO_SERIES: Final[Mapping[str, tuple[Series, ...]]] = {}
NOTHING: Final[Mapping[str, Held]] = {}
