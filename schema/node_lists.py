"""Lists of nodes: which ones, in which order, a page of them."""

from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from typing import Annotated, Final, Optional, cast

import strawberry

from auth.access import NODES, AccessNeed
from auth.errors import InvalidArgument
from schema.arguments import LABEL_KEY_BYTES, NAME_BYTES, UID_BYTES, check_length, check_values
from schema.asking import filters
from schema.asking.connections import Window, check_size, page
from schema.asking.cursors import fingerprint
from schema.asking.durations import duration
from schema.asking.filters import Expression, Moment
from schema.asking.orders import Order, first, ordered
from schema.asking.selectors import SELECTOR_BYTES, field_selector, label_selector
from schema.enums import graphql_enum
from schema.execution.context import GraphInfo, listable, refuse_look_up
from schema.execution.needs import FieldNeeds, MetricNeed, Reach
from schema.node import CONTROL_PLANE_ROLES, Node, node_needs
from schema.order import Direction, Key, check_order, metric_values, metrics_in, order_of
from schema.page_info import After, Before, First, Last, PageInfo, page_info
from schema.sources.described import Described
from schema.sources.kubernetes.objects import NodeRecord
from schema.sources.prometheus.catalogue import Level, MetricName

DEEPEST_NOT: Final = 8
# What a node's field selector may name, as an expression over the record.
_FIELDS: Final = {"metadata.name": "r.name", "spec.unschedulable": "('false' if r.schedulable else 'true')"}


@strawberry.input(
    description=(
        "Nodes for which everything that is given holds. What is left out or null does not count. "
        "Names in the plural take several values, at most 256, one of which must be met."
    )
)
class NodeFilter:
    id: strawberry.ID | None = strawberry.field(default=None, description="Exactly this UID; 40 bytes at most.")
    ids: list[strawberry.ID] | None = strawberry.field(default=None, description="One of these UIDs.")
    name: str | None = strawberry.field(default=None, description="Exactly this name; 255 bytes at most.")
    names: list[str] | None = strawberry.field(default=None, description="One of these names.")
    name_contains: str | None = strawberry.field(default=None, description="Its name contains this.")
    name_prefix: str | None = strawberry.field(default=None, description="Its name begins with this.")
    address: str | None = strawberry.field(
        default=None, description="One of its addresses, of any type, is exactly this; 255 bytes at most."
    )
    label_key: str | None = strawberry.field(
        default=None, description="It has a label with this key; 317 bytes at most."
    )
    label_value: str | None = strawberry.field(
        default=None, description="The label `labelKey` (without it: any label) has this value; 255 bytes at most."
    )
    role: str | None = strawberry.field(
        default=None,
        description=(
            "It has this role; 255 bytes at most. `master` and `control-plane` are two names of one role; "
            "`worker` is every node without it."
        ),
    )
    status: str | None = strawberry.field(
        default=None, description="In exactly this status, in kubectl's words, such as `Ready,SchedulingDisabled`."
    )
    statuses: list[str] | None = strawberry.field(default=None, description="In one of these statuses.")
    ready: bool | None = strawberry.field(default=None, description="Whether its Ready condition is true.")
    schedulable: bool | None = strawberry.field(default=None, description="Whether new pods may be placed on it.")
    older_than: str | None = strawberry.field(
        default=None, description="Joined the cluster longer ago than this: `90s`, `2h30m`, `7d`."
    )
    younger_than: str | None = strawberry.field(
        default=None, description="Joined the cluster at most so long ago: `90s`, `2h30m`, `7d`."
    )
    label_selector: str | None = strawberry.field(
        default=None,
        description="Kubernetes' own syntax: `zone in (a,b),!gpu`; what the API server refuses is refused.",
    )
    field_selector: str | None = strawberry.field(
        default=None,
        description=(
            "Kubernetes' own syntax: `spec.unschedulable=true`. Fields: metadata.name and spec.unschedulable."
        ),
    )
    not_: Optional["NodeFilter"] = strawberry.field(
        name="not", default=None, description="Everything that is given in here does not hold together."
    )

    @cached_property
    def expression(self) -> Expression:
        """What must hold. Raises InvalidArgument for a value that cannot be used, or that nothing could match."""
        return self._expression("filter", 1)

    def _expression(self, at: str, depth: int) -> Expression:
        if depth > DEEPEST_NOT:
            raise InvalidArgument(f"`{at}` is nested too deep; the limit is {DEEPEST_NOT}", argument="filter")
        self._check(at)
        parts = [*self._identity(), *self._state(), *self._labels()]
        if self.older_than is not None:
            parts.append(filters.older(duration(f"{at}.olderThan", self.older_than)))
        if self.younger_than is not None:
            parts.append(filters.younger(duration(f"{at}.youngerThan", self.younger_than)))
        if self.not_ is not None:
            parts.append(filters.none_of(self.not_._expression(f"{at}.not", depth + 1)))  # noqa: SLF001 - its own class
        return filters.all_of(parts)

    def _check(self, at: str) -> None:
        check_length(f"{at}.id", self.id, UID_BYTES)
        check_values(f"{at}.ids", self.ids, UID_BYTES)
        check_values(f"{at}.names", self.names, NAME_BYTES)
        check_values(f"{at}.statuses", self.statuses, NAME_BYTES)
        check_length(f"{at}.labelKey", self.label_key, LABEL_KEY_BYTES)
        for name, value in (
            ("name", self.name),
            ("nameContains", self.name_contains),
            ("namePrefix", self.name_prefix),
            ("address", self.address),
            ("labelValue", self.label_value),
            ("role", self.role),
            ("status", self.status),
        ):
            check_length(f"{at}.{name}", value, NAME_BYTES)
        check_length(f"{at}.labelSelector", self.label_selector, SELECTOR_BYTES)
        check_length(f"{at}.fieldSelector", self.field_selector, SELECTOR_BYTES)

    def _identity(self) -> Iterable[Expression]:
        for attribute, one, several in (
            ("uid", self.id, self.ids),
            ("name", self.name, self.names),
            ("status", self.status, self.statuses),
        ):
            if one is not None:
                yield filters.equals(attribute, one)
            if several is not None:
                yield filters.is_one_of(attribute, several)
        if self.name_contains is not None:
            yield filters.contains("name", self.name_contains)
        if self.name_prefix is not None:
            yield filters.starts_with("name", self.name_prefix)
        if self.address is not None:
            yield filters.has_address(self.address)

    def _state(self) -> Iterable[Expression]:
        if self.role is not None:
            yield _has_role(self.role)
        if self.ready is not None:
            yield filters.is_(self.ready, "ready")
        if self.schedulable is not None:
            yield filters.is_(self.schedulable, "schedulable")

    def _labels(self) -> Iterable[Expression]:
        if self.label_key is not None or self.label_value is not None:
            yield filters.has_label(self.label_key, self.label_value)
        if self.label_selector is not None:
            yield filters.labelled(label_selector(self.label_selector))
        if self.field_selector is not None:
            yield filters.fields(field_selector(self.field_selector), _FIELDS)


def _has_role(role: str) -> Expression:
    if role in CONTROL_PLANE_ROLES:
        return filters.overlaps("roles", CONTROL_PLANE_ROLES)
    if role == "worker":
        return filters.overlaps("roles", CONTROL_PLANE_ROLES, wanted=False)
    return filters.has("roles", role)


class NodeOrderKey(Described):
    """What nodes can be ordered by, beside metrics."""

    NAME = "NAME", "Its name. Never changes."
    CREATED_AT = "CREATED_AT", "When it joined the cluster. Never changes."
    AGE = "AGE", "How old it is. Never changes between two nodes."
    READY = "READY", "Whether it is ready."
    SCHEDULABLE = "SCHEDULABLE", "Whether new pods may be placed on it."
    CPU_CAPACITY = "CPU_CAPACITY", "The processors that it has."
    CPU_ALLOCATABLE = "CPU_ALLOCATABLE", "The processor time that pods may use."
    MEMORY_CAPACITY = "MEMORY_CAPACITY", "The memory that it has."
    MEMORY_ALLOCATABLE = "MEMORY_ALLOCATABLE", "The memory that pods may use."
    POD_CAPACITY = "POD_CAPACITY", "The most pods that its kubelet runs at once."
    KUBELET_VERSION = "KUBELET_VERSION", "The version of its kubelet, by the alphabet."


graphql_enum(NodeOrderKey, "NodeOrderKey", "What nodes can be ordered by, beside metrics.")

_KEYS: Final = {
    NodeOrderKey.NAME: Key("name"),
    NodeOrderKey.CREATED_AT: Key("created_at"),
    NodeOrderKey.AGE: Key("created_at", inverted=True),
    NodeOrderKey.READY: Key("ready"),
    NodeOrderKey.SCHEDULABLE: Key("schedulable"),
    NodeOrderKey.CPU_CAPACITY: Key("capacity.cpu"),
    NodeOrderKey.CPU_ALLOCATABLE: Key("allocatable.cpu"),
    NodeOrderKey.MEMORY_CAPACITY: Key("capacity.memory"),
    NodeOrderKey.MEMORY_ALLOCATABLE: Key("allocatable.memory"),
    NodeOrderKey.POD_CAPACITY: Key("capacity.pods"),
    NodeOrderKey.KUBELET_VERSION: Key("kubelet_version"),
}


@strawberry.input(description="One key of an order of nodes: either `key` or `metric`.")
class NodeOrder:
    key: NodeOrderKey | None = strawberry.field(default=None, description="By a field of the node.")
    metric: MetricName | None = strawberry.field(
        default=None, description="By the newest value of a metric; nodes without one stand last."
    )
    direction: Direction = strawberry.field(default=Direction.ASC, description="Which way.")


NodeFilterArgument = Annotated[
    NodeFilter | None, strawberry.argument(description="Only the nodes for which all of it holds.")
]
NodeOrderArgument = Annotated[
    list[NodeOrder] | None,
    strawberry.argument(description="By the first of these, among equals by the next, at last by name; at most 6."),
]
NodeLimit = Annotated[
    int | None, strawberry.argument(description="At most so many, the first ones of the order; left out: all.")
]
_NO_FILTER: Final = NodeFilter()


# ----------------------------------------------------------------------------------------------------- what is needed


def nodes_needs(
    reach: Reach,
    filter: NodeFilter | None = None,  # noqa: A002 - the schema's name
    order_by: list[NodeOrder] | None = None,
    **_page: object,
) -> FieldNeeds:
    """What a list of nodes needs, whole or in pages, and what the fields inside it can come to."""
    wanted = filter or _NO_FILTER
    expression = wanted.expression
    check_order(order_by)
    needs = FieldNeeds(access=(AccessNeed(NODES),)) if wanted.name is None else node_needs(reach, wanted.name)
    if wanted.name is None and wanted.names is not None:
        needs = replace(needs, reach=Reach(nodes=frozenset(wanted.names)))
    metrics = tuple(MetricNeed(metric, Level.NODE, needs.reach or reach) for metric in metrics_in(order_by))
    return replace(needs, metrics=metrics, clock=filters.depends_on_time(expression))


# ------------------------------------------------------------------------------------------------------- what is shown


def select_nodes(
    info: GraphInfo,
    filter: NodeFilter | None,  # noqa: A002
    order_by: list[NodeOrder] | None = None,
    limit: int | None = None,
) -> list[Node] | None:
    """The first `limit` nodes, in this order, that `filter` leaves.

    None without the right to list nodes, which is then told. Raises InvalidArgument.
    """
    check_size("limit", limit)
    check_order(order_by)
    rows = matching_nodes(info, filter)
    return None if rows is None else cast("list[Node]", first(rows, _order(info, order_by), limit))


def _order(info: GraphInfo, order_by: list[NodeOrder] | None) -> Order:
    return order_of(order_by, _KEYS, metric_values(info, Level.NODE))


def matching_nodes(info: GraphInfo, filter: NodeFilter | None) -> list[NodeRecord] | None:  # noqa: A002
    """The nodes that `filter` leaves, by name; None as in `select_nodes`."""
    wanted = filter or _NO_FILTER
    expression = wanted.expression
    candidates = _candidates(info, wanted)
    if candidates is None:
        return None
    return filters.select(candidates, expression, Moment(info.context.view.now, _no_services))


def _no_services(_namespace: str, _service: str) -> frozenset[tuple[str, str]]:
    return frozenset()


def _candidates(info: GraphInfo, wanted: NodeFilter) -> Iterable[NodeRecord] | None:
    """Few nodes that hold all that can match; None without the right to see them, which is then told.

    A filter by name is a look-up: the right to get that node is enough.
    """
    nodes = info.context.view.snapshot.nodes
    if wanted.name is None:
        return None if listable(info, NODES) is None else nodes
    if refuse_look_up(info, NODES, "", wanted.name):
        return None
    named = nodes.get("", wanted.name)
    return () if named is None else (named,)


# ------------------------------------------------------------------------------------------------------ page by page


@strawberry.type(description="A node in a page of nodes.")
class NodeEdge:
    cursor: str = strawberry.field(description="Its place in this list, for `after` and `before`.")
    node: Node = strawberry.field(description="The node.")


@strawberry.type(description="One page of nodes.")
class NodeConnection:
    total_count: int = strawberry.field(description="How many nodes there are in all pages.")
    edges: list[NodeEdge] = strawberry.field(description="The nodes of this page, in order.")
    page_info: PageInfo = strawberry.field(description="What stands around this page.")


def nodes_connection(  # noqa: PLR0913, PLR0917 - the schema's arguments
    info: GraphInfo,
    filter: NodeFilterArgument = None,  # noqa: A002
    order_by: NodeOrderArgument = None,
    first: First = None,
    after: After = None,
    last: Last = None,
    before: Before = None,
) -> NodeConnection | None:
    check_order(order_by)
    of = fingerprint("nodes", filter or _NO_FILTER, order_by or [])
    bounds = Window(first, after, last, before).bounds(of)
    rows = matching_nodes(info, filter)
    if rows is None:
        return None
    order = _order(info, order_by)
    shown = page(ordered(rows, order), order, bounds, of)
    return NodeConnection(
        total_count=shown.total,
        edges=[
            NodeEdge(cursor=cursor, node=cast("Node", node))
            for cursor, node in zip(shown.cursors, shown.rows, strict=True)
        ],
        page_info=page_info(shown),
    )
