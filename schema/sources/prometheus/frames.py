"""Questions to Prometheus, and the answers as the resolvers read them: frozen, complete, and never an exception."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self, TypeAlias

import msgspec

from schema.sources.described import Described
from schema.sources.prometheus.catalogue import Level, MetricName

# One object's name in a frame: a node's name, or a pod's namespace and name.
Key: TypeAlias = str | tuple[str, str]
# What a frame holds of one object: the bare number where nothing else is to be said, which is nearly always.
Held: TypeAlias = "float | tuple[Sample, ...]"


class Missing(Described):
    """Why a metric has no value."""

    NOT_CONFIGURED = "NOT_CONFIGURED", "The gateway knows of no Prometheus."
    UNREACHABLE = (
        "UNREACHABLE",
        "Prometheus did not answer, not in time, or not with what was asked; the errors say more.",
    )
    NO_SERIES = "NO_SERIES", "Prometheus answered, and has no such series of this object (yet)."
    STALE = "STALE", "The newest number is too old, or from before this object was created."
    FORBIDDEN = "FORBIDDEN", "You may not see this metric."
    NOT_A_NUMBER = "NOT_A_NUMBER", "Prometheus answered with NaN, an infinity or a histogram."


class Sample(msgspec.Struct, frozen=True, gc=False):
    """One number, or why there is none: exactly one of `value` and `missing` is set.

    `timestamp` is in seconds since 1970 of Prometheus' clock (the gateway's where Prometheus did not answer). `labels`
    are those that tell several samples of one object apart (a configured query may keep `device`, say); the catalogue's
    own queries leave none.
    """

    value: float | None
    missing: Missing | None
    timestamp: float
    labels: tuple[tuple[str, str], ...] = ()

    def stale(self) -> "Sample":
        """The same moment without its number."""
        return Sample(None, Missing.STALE, self.timestamp, self.labels)


@dataclass(frozen=True, slots=True)
class Selector:
    """Which objects a question is about; None is all of them. Only names read from the store belong in here."""

    namespaces: frozenset[str] | None = None
    names: frozenset[str] | None = None

    @property
    def empty(self) -> bool:
        """No object at all is wanted: there is nothing to ask."""
        return self.namespaces == frozenset() or self.names == frozenset()


@dataclass(frozen=True, slots=True)
class Question:
    """One metric of one level for some objects, now. Equal questions are one query."""

    metric: MetricName
    level: Level
    selector: Selector = Selector()

    def __post_init__(self) -> None:
        if self.level is Level.NODE and self.selector.namespaces is not None:
            raise ValueError("nodes are in no namespace: select them by name")


@dataclass(frozen=True, slots=True)
class MetricFrame:
    """Prometheus' answer to one question at one moment; or `failure` and a one-line `reason` without secrets.

    `samples` is `{namespace: {name: held}}`, nodes under the namespace "". Bare numbers in nested dicts, because a
    frame may speak of every pod of a large cluster: 150,000 take 19 MB, most of it their names, where one Sample a pod
    under (namespace, name) took 55 MB; and the garbage collector does not visit dicts of strings and floats. Samples
    are made when they are read.

    `evaluated_at` is the moment of the answer in seconds since 1970, by Prometheus' clock (the gateway's, where there
    was no answer).
    """

    question: Question
    samples: Mapping[str, Mapping[str, Held]]
    failure: Missing | None = None
    reason: str = ""
    evaluated_at: float = 0.0

    @classmethod
    def failed(cls, question: Question, failure: Missing, reason: str, at: float) -> Self:
        return cls(question, {}, failure, reason, at)

    @property
    def size(self) -> int:
        """How many objects it speaks of."""
        return sum(map(len, self.samples.values()))

    def of(self, key: Key, *, not_before: float | None = None) -> tuple[Sample, ...]:
        """What is known of one object: at least one Sample.

        `not_before` is the object's creation (seconds since 1970): what was measured earlier belongs to a predecessor
        of the same name, and is STALE.
        """
        if self.failure is not None:
            return (Sample(None, self.failure, self.evaluated_at),)
        namespace, name = ("", key) if isinstance(key, str) else key
        held = self.samples.get(namespace, NOTHING).get(name)
        if held is None:
            return (Sample(None, Missing.NO_SERIES, self.evaluated_at),)
        samples = (Sample(held, None, self.evaluated_at),) if isinstance(held, float) else held
        if not_before is None:
            return samples
        return tuple(sample if sample.timestamp >= not_before else sample.stale() for sample in samples)


NOTHING: Final[Mapping[str, Held]] = {}
