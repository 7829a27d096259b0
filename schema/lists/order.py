"""Orders of lists, as arguments; each key says itself what it reads."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, Final, Protocol

import strawberry

from auth.errors import InvalidArgument
from schema.asking.orders import By, Order, ValueOf
from schema.enums import graphql_enum
from schema.execution.context import GraphInfo
from schema.execution.view import View
from schema.lists.filter import Reads, reads_of
from schema.measured import MEASURED_ALONE
from schema.metric import frame_of
from schema.sources.described import Described
from schema.sources.prometheus.catalogue import SHARES, Level, MetricName
from schema.sources.prometheus.frames import NOTHING, MetricFrame, Missing

ORDER_KEYS: Final = 6  # more than anybody reads an order by


class Direction(Described):
    """Which way an order goes."""

    ASC = "ASC", "Smallest, first in the alphabet or oldest moment first; false before true."
    DESC = "DESC", "Largest, last in the alphabet or newest moment first; true before false."


graphql_enum(Direction, "Direction", "Which way an order goes. What has no value stands last either way.")


@dataclass(frozen=True, slots=True)
class Key:
    """How a kind's rows are ordered by one key: by an attribute of the record, or by what a view says of it."""

    attribute: str
    description: str
    nullable: bool = False
    inverted: bool = False  # an age grows as the moment of creation gets smaller
    of: Callable[[View], ValueOf] | None = None  # in the place of the attribute
    reads: Reads | None = None


OBJECT_KEYS: Final = {
    "NAME": Key("name", "Its name. Never changes."),
    "CREATED_AT": Key("created_at", "When it was created. Never changes."),
    "AGE": Key("created_at", "How old it is. Never changes between two of them.", inverted=True),
}
NAMESPACED_KEYS: Final = OBJECT_KEYS | {"NAMESPACE": Key("namespace", "Its namespace. Never changes.")}


class OrderArgument(Protocol):
    """One element of an `orderBy`: by a key or by a metric."""

    @property
    def key(self) -> Described | None: ...
    @property
    def metric(self) -> MetricName | None: ...
    @property
    def direction(self) -> Direction: ...


def order_input(kind: str, keys: Mapping[str, Key], *, metrics: bool = False) -> type[Any]:
    """The type of the elements of a kind's `orderBy`, with an enum of its keys."""
    plural = f"objects of type {kind}"
    enum: Any = Described  # made by its functional form, which type checkers know of plain enums alone
    members = enum(f"{kind}OrderKey", {name: (name, key.description) for name, key in keys.items()}, module=__name__)
    graphql_enum(members, f"{kind}OrderKey", f"What {plural} can be ordered by{', beside metrics' * metrics}.")
    by_key = strawberry.field(default=None, description=f"By a field of the {kind}.")
    by_metric = strawberry.field(default=None, description="By the newest value of a metric; without one: last.")
    way = strawberry.field(default=Direction.ASC, description="Which way.")
    if metrics:
        body = {"key": by_key, "metric": by_metric, "direction": way}
        annotations = {"key": members | None, "metric": MetricName | None, "direction": Direction}
        told = f"One key of an order of {plural}: either `key` or `metric`."
    else:
        body = {"key": strawberry.field(description=f"By this field of the {kind}."), "direction": way, "metric": None}
        annotations = {"key": members, "direction": Direction}
        told = f"One key of an order of {plural}."
    made = type(f"{kind}Order", (), body | {"__annotations__": annotations, "__module__": __name__})
    return strawberry.input(made, description=told)


def reads_in(asked: Iterable[OrderArgument] | None, keys: Mapping[str, Key]) -> frozenset[Reads]:
    """The other kinds that an order reads."""
    return reads_of(keys[element.key].reads for element in asked or () if element.key is not None)


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
    asked: Iterable[OrderArgument] | None, keys: Mapping[str, Key], info: GraphInfo, level: Level | None
) -> Order:
    """The order that a checked `orderBy` asks for."""
    return tuple(_by(element, keys, info, level) for element in asked or ())


def _by(element: OrderArgument, keys: Mapping[str, Key], info: GraphInfo, level: Level | None) -> By:
    descending = element.direction is Direction.DESC
    if element.metric is not None:
        if level is None:
            raise AssertionError("only kinds that are measured have orders by metrics")
        frame = frame_of(info, element.metric, level)
        value = _share(info, element.metric, level, _values(frame)) if element.metric in SHARES else _values(frame)
        return By(element.metric.name, value, descending, nullable=True, source=frame)
    if element.key is None:
        raise AssertionError("check_order lets no such element pass")
    key = keys[element.key]
    value = attrgetter(key.attribute) if key.of is None else key.of(info.context.view)
    return By(element.key.name, value, descending != key.inverted, key.nullable, fleeting=key.of is not None)


def _share(info: GraphInfo, metric: MetricName, level: Level, part: ValueOf) -> ValueOf:
    """What a metric is of what the objects themselves say; nothing where they say nothing."""
    whole = MEASURED_ALONE[level].said(info, SHARES[metric][1])
    of = (lambda _record: None) if isinstance(whole, Missing) else whole

    def value(record: Any) -> float | None:
        measured, said = part(record), of(record)
        return measured / said if isinstance(measured, float) and said else None

    return value


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
