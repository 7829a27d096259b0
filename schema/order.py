"""Orders of lists, as arguments."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, Final, Protocol

from auth.errors import InvalidArgument
from schema.asking.orders import By, Order, ValueOf
from schema.enums import graphql_enum
from schema.execution.context import GraphInfo
from schema.metric import frame_of
from schema.sources.described import Described
from schema.sources.prometheus.catalogue import Level, MetricName
from schema.sources.prometheus.frames import NOTHING, MetricFrame

ORDER_KEYS: Final = 6  # more than anybody reads an order by


class Direction(Described):
    """Which way an order goes."""

    ASC = "ASC", "Smallest, first in the alphabet or oldest moment first; false before true."
    DESC = "DESC", "Largest, last in the alphabet or newest moment first; true before false."


graphql_enum(Direction, "Direction", "Which way an order goes. What has no value stands last either way.")


@dataclass(frozen=True, slots=True)
class Metered:
    """A metric's values, and the answer of Prometheus that they are from."""

    frame: MetricFrame
    value: ValueOf


@dataclass(frozen=True, slots=True)
class Key:
    """How a kind's rows are ordered by one key: by an attribute of the record."""

    attribute: str
    nullable: bool = False
    inverted: bool = False  # an age grows as the moment of creation gets smaller


class OrderArgument(Protocol):
    """One element of an `orderBy`: by a key or by a metric."""

    @property
    def key(self) -> Described | None: ...
    @property
    def metric(self) -> MetricName | None: ...
    @property
    def direction(self) -> Direction: ...


def check_order(asked: Sequence[OrderArgument] | None) -> None:
    """Raise InvalidArgument for too many keys, and for an element that is not by exactly one thing."""
    elements = asked or []
    if len(elements) > ORDER_KEYS:
        raise InvalidArgument(
            f"`orderBy` has {len(elements)} elements; the limit is {ORDER_KEYS}", argument="orderBy", limit=ORDER_KEYS
        )
    for number, element in enumerate(elements):
        if (element.key is None) == (element.metric is None):
            raise InvalidArgument(f"`orderBy[{number}]` must have `key` or `metric`, and not both", argument="orderBy")


def metrics_in(asked: Iterable[OrderArgument] | None) -> tuple[MetricName, ...]:
    """The metrics that an order reads."""
    return tuple(dict.fromkeys(element.metric for element in asked or () if element.metric is not None))


def order_of(
    asked: Iterable[OrderArgument] | None, keys: Mapping[Any, Key], metric_value: Callable[[MetricName], Metered]
) -> Order:
    """The order that a checked `orderBy` asks for."""
    return tuple(_by(element, keys, metric_value) for element in asked or ())


def _by(element: OrderArgument, keys: Mapping[Any, Key], metric_value: Callable[[MetricName], Metered]) -> By:
    descending = element.direction is Direction.DESC
    if element.metric is not None:
        metered = metric_value(element.metric)
        return By(element.metric.name, metered.value, descending, nullable=True, source=metered.frame)
    if element.key is None:
        raise AssertionError("check_order lets no such element pass")
    key = keys[element.key]
    return By(element.key.name, attrgetter(key.attribute), descending != key.inverted, key.nullable)


def metric_values(info: GraphInfo, level: Level) -> Callable[[MetricName], Metered]:
    """How records are ordered by a metric: by its newest value, of several series by the largest."""

    def of(metric: MetricName) -> Metered:
        frame = frame_of(info, metric, level)
        return Metered(frame, _values(frame))

    return of


def _values(frame: MetricFrame) -> ValueOf:
    """The values that a frame shows of objects which existed when they were measured."""
    evaluated = datetime.fromtimestamp(frame.evaluated_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def value(record: Any) -> float | None:
        held = frame.samples.get(record.namespace, NOTHING).get(record.name)
        if held is None:
            return None
        if isinstance(held, float):  # nearly always, and 150,000 times
            return held if record.created_at <= evaluated else None
        created = datetime.fromisoformat(record.created_at).timestamp()
        return max((each.value for each in held if each.value is not None and each.timestamp >= created), default=None)

    return value
