"""Orders of lists, as arguments; each key says itself what it reads."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any, Final, Protocol

import strawberry

from auth.errors import InvalidArgument
from schema.asking.orders import Beside, By, Order, ValueOf
from schema.enums import graphql_enum
from schema.execution.context import GraphInfo
from schema.execution.view import View
from schema.lists.by_metric import MetricOrders
from schema.lists.filter import Reads, reads_of
from schema.sources.described import Described
from schema.sources.prometheus.catalogue import MetricName

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
    of: "Callable[[View], Derived] | None" = None  # in the place of the attribute
    reads: Reads | None = None


@dataclass(frozen=True, slots=True)
class Derived:
    """What a view says of rows, and the objects of other kinds that it says it by."""

    value: ValueOf
    beside: tuple[Beside, ...] = ()


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


def order_input(kind: str, keys: Mapping[str, Key], metrics: MetricOrders | None = None) -> type[Any]:
    """The type of the elements of a kind's `orderBy`, with an enum of its keys."""
    plural = f"objects of type {kind}"
    enum: Any = Described  # made by its functional form, which type checkers know of plain enums alone
    members = enum(f"{kind}OrderKey", {name: (name, key.description) for name, key in keys.items()}, module=__name__)
    graphql_enum(members, f"{kind}OrderKey", f"What {plural} can be ordered by{', beside metrics' if metrics else ''}.")
    by_key = strawberry.field(default=None, description=f"By a field of the {kind}.")
    told = f"By the newest value of a metric; without one: last.{metrics.needs if metrics else ''}"
    by_metric = strawberry.field(default=None, description=told)
    way = strawberry.field(default=Direction.ASC, description="Which way.")
    if metrics is not None:
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
    asked: Iterable[OrderArgument] | None, keys: Mapping[str, Key], info: GraphInfo, metrics: MetricOrders | None
) -> Order:
    """The order that a checked `orderBy` asks for."""
    return tuple(_by(element, keys, info, metrics) for element in asked or ())


def order_alone(asked: Iterable[OrderArgument] | None, keys: Mapping[str, Key]) -> Order | None:
    """The same where it depends on the rows alone; None where it does not."""
    elements = list(asked or ())
    if any(element.key is None or keys[element.key].of is not None for element in elements):
        return None
    return tuple(_by_attribute(element, keys) for element in elements)


def _by(element: OrderArgument, keys: Mapping[str, Key], info: GraphInfo, metrics: MetricOrders | None) -> By:
    if element.metric is not None:
        if metrics is None:
            raise AssertionError("only what is measured has orders by metrics")
        return metrics.by(info, element.metric, descending=element.direction is Direction.DESC)
    by = _by_attribute(element, keys)
    of = keys[by.name].of
    if of is None:
        return by
    derived = of(info.context.view)
    return replace(by, value=derived.value, beside=derived.beside)


def _by_attribute(element: OrderArgument, keys: Mapping[str, Key]) -> By:
    if element.key is None:
        raise AssertionError("check_order lets no such element pass")
    key = keys[element.key]
    descending = element.direction is Direction.DESC
    return By(element.key.name, attrgetter(key.attribute), descending != key.inverted, key.nullable)
