"""Lists of what an object consists of: its containers, conditions, volumes and the like.

They are asked in the words of all other lists, and stay in the order of the object unless another one is asked for.
There are no pages of them, no rights of their own, and no indexes: each is some few elements.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Generic, TypeVar

import strawberry
from msgspec.structs import replace

from auth.access import AccessNeed
from schema.asking import filters
from schema.asking.connections import check_size
from schema.asking.filters import Moment
from schema.asking.orders import first
from schema.execution.alone import OfObject, alone
from schema.execution.context import GraphInfo
from schema.execution.needs import EVERYTHING, FieldNeeds, MetricNeed, Reach, needing
from schema.lists.by_metric import MetricOrders
from schema.lists.fields import Limit
from schema.lists.filter import Filter
from schema.lists.order import Key, OrderArgument, check_order, metrics_in, order_alone, order_input, order_of

E = TypeVar("E")

Read = Callable[[Any], Sequence[E]]  # from an object to its elements, in its own order


class Elements(Generic[E]):
    """How the elements of one type are listed, whatever they stand in."""

    def __init__(
        self,
        kind: str,
        filter: type[Filter],  # noqa: A002 - the schema's name
        keys: Mapping[str, Key],
        many: str,
        metrics: MetricOrders | None = None,
    ) -> None:
        """`kind`: their type in the schema. `many`: several of them, in prose."""
        self.filter = filter
        self.order = order_input(kind, keys, metrics)
        self.many = many
        self._keys = keys
        self._metrics = metrics
        self._everything: Filter = filter()

    def needs(
        self,
        reach: Reach,
        filter: Any = None,  # noqa: A002
        order_by: Any = None,
        limit: int | None = None,
    ) -> FieldNeeds:
        """What a list of them needs beside the objects that they stand in."""
        wanted = self._checked(filter, order_by, limit)
        names = metrics_in(order_by) if self._metrics is not None else ()
        return FieldNeeds(
            metrics=tuple(MetricNeed(name, self._metrics.level, reach) for name in names) if self._metrics else (),
            clock=filters.depends_on_time(wanted.expression),
        )

    def select(
        self,
        elements: Sequence[E],
        info: GraphInfo,
        filter: Any = None,  # noqa: A002
        order_by: Sequence[OrderArgument] | None = None,
        limit: int | None = None,
    ) -> Sequence[E]:
        """The first `limit` of those that the filter leaves, in this order. Raises InvalidArgument."""
        expression = self._checked(filter, order_by, limit).expression
        view = info.context.view
        left = filters.select(elements, expression, Moment(view.now, view.snapshot, view.visibility))
        return first(left, order_of(order_by, self._keys, info, self._metrics), limit)

    def alone(
        self,
        read: Read[E],
        filter: Any = None,  # noqa: A002
        order_by: Sequence[OrderArgument] | None = None,
        limit: int | None = None,
    ) -> OfObject | None:
        """The same of an object that they are read from, where it depends on that alone; None where it does not.

        Raises InvalidArgument as `select` would.
        """
        if filter is None and order_by is None and limit is None:
            return read
        choose = filters.select_alone(self._checked(filter, order_by, limit).expression)
        order = order_alone(order_by, self._keys)
        if choose is None or order is None:
            return None
        return lambda root: first(choose(read(root)), order, limit)

    def _checked(self, filter: Any, order_by: Iterable[OrderArgument] | None, limit: int | None) -> Filter:  # noqa: A002
        check_size("limit", limit)
        check_order(None if order_by is None else list(order_by))
        wanted: Filter = filter or self._everything
        wanted.expression  # noqa: B018 - made here, and kept
        if self._metrics is not None:
            self._metrics.check(metrics_in(order_by))
        return wanted


def counted_field(
    elements: Elements[E],
    count: Callable[[GraphInfo], Sequence[E] | None],
    access: AccessNeed,
    description: str,
) -> Any:
    """A list of what is counted over all objects that somebody sees; None where they see none, which is then told."""

    def rows(
        info: GraphInfo,
        filter: Any = None,  # noqa: A002
        order_by: Any = None,
        limit: Limit = None,
    ) -> Any:
        elements.needs(EVERYTHING, filter, order_by, limit)  # what cannot be used is told before anything is counted
        counted = count(info)
        return None if counted is None else elements.select(counted, info, filter, order_by, limit)

    def needs(reach: Reach, **arguments: Any) -> FieldNeeds:
        return replace(elements.needs(reach, **arguments), access=(access,))

    return _field(elements, rows, "as counted", needing(needs), description)


def elements_field(elements: Elements[E], read: Read[E], description: str) -> Any:
    """A list of an object's elements; its type is what its class says that it is."""

    def rows(
        root: Any,
        info: GraphInfo,
        filter: Any = None,  # noqa: A002
        order_by: Any = None,
        limit: Limit = None,
    ) -> Any:
        return elements.select(read(root), info, filter, order_by, limit)

    def of_object(**arguments: Any) -> OfObject | None:
        return elements.alone(read, **arguments)

    metadata = {**needing(elements.needs), **alone(of_object)}
    return _field(elements, rows, "as they stand in the object", metadata, description)


def _field(elements: Elements[E], resolver: Any, equals: str, metadata: Mapping[str, Any], description: str) -> Any:
    """`equals`: how those stand that no key of an order tells apart."""
    only = f"Only the {elements.many} for which all of it holds."
    order = f"By the first of these, among equals by the next, at last {equals}; at most 6."
    resolver.__annotations__ |= {
        "filter": Annotated[elements.filter | None, strawberry.argument(description=only)],
        "order_by": Annotated[list[elements.order] | None, strawberry.argument(description=order)],  # type: ignore[name-defined]
    }
    del resolver.__annotations__["return"]
    return strawberry.field(resolver=resolver, metadata=metadata, description=description)
