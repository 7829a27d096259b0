"""Orders of lists, as arguments."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any, Final, Protocol

from auth.errors import InvalidArgument
from schema.asking.orders import By, Order, ValueOf
from schema.enums import graphql_enum
from schema.execution.context import GraphInfo
from schema.metric import frame_of
from schema.sources.described import Described
from schema.sources.prometheus.catalogue import Level, MetricName

ORDER_KEYS: Final = 6  # more than anybody reads an order by


class Direction(Described):
    """Which way an order goes."""

    ASC = "ASC", "Smallest, first in the alphabet or oldest moment first; false before true."
    DESC = "DESC", "Largest, last in the alphabet or newest moment first; true before false."


graphql_enum(Direction, "Direction", "Which way an order goes. What has no value stands last either way.")


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
    asked: Iterable[OrderArgument] | None, keys: Mapping[Any, Key], metric_value: Callable[[MetricName], ValueOf]
) -> Order:
    """The order that a checked `orderBy` asks for."""
    return tuple(_by(element, keys, metric_value) for element in asked or ())


def _by(element: OrderArgument, keys: Mapping[Any, Key], metric_value: Callable[[MetricName], ValueOf]) -> By:
    descending = element.direction is Direction.DESC
    if element.metric is not None:
        return By(element.metric.name, metric_value(element.metric), descending, nullable=True)
    if element.key is None:
        raise AssertionError("check_order lets no such element pass")
    key = keys[element.key]
    return By(element.key.name, attrgetter(key.attribute), descending != key.inverted, key.nullable)


def metric_values(
    info: GraphInfo, level: Level, key_of: Callable[[Any], str | tuple[str, str]]
) -> Callable[[MetricName], ValueOf]:
    """How records are ordered by a metric: by its newest value, of several series by the largest."""

    def of(metric: MetricName) -> ValueOf:
        frame = frame_of(info, metric, level)

        def value(record: Any) -> float | None:
            created = datetime.fromisoformat(record.created_at).timestamp()
            samples = frame.of(key_of(record), not_before=created)
            return max((sample.value for sample in samples if sample.value is not None), default=None)

        return value

    return of
