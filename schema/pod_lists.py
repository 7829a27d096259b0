"""Lists of pods, wherever they stand: which ones, in which order, a page of them, and counts of groups."""

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from operator import attrgetter
from typing import Annotated, Final, Optional, cast

import strawberry

from auth.access import PODS, SERVICES, AccessNeed, Everywhere, Scope, Visibility
from auth.errors import InvalidArgument
from schema.arguments import NAME_BYTES, UID_BYTES, check_length, check_values
from schema.asking import filters
from schema.asking.connections import Bounds, Window, check_size, page
from schema.asking.cursors import fingerprint
from schema.asking.durations import duration
from schema.asking.filters import Expression, Moment
from schema.asking.orders import NATURAL, Order, first, ordered
from schema.asking.selectors import SELECTOR_BYTES, field_selector, label_selector
from schema.enums import graphql_enum
from schema.execution.context import GraphInfo, listable
from schema.execution.needs import FieldNeeds, MetricNeed, Reach
from schema.order import Direction, Key, Metered, check_order, metric_values, metrics_in, order_of
from schema.page_info import After, Before, First, Last, PageInfo, page_info
from schema.pod import Pod
from schema.sources.described import Described
from schema.sources.kubernetes.cluster import ClusterSnapshot
from schema.sources.kubernetes.objects import PodRecord
from schema.sources.kubernetes.store import Snapshot
from schema.sources.prometheus.catalogue import Level, MetricName

DEEPEST_NOT: Final = 8
# What a pod's field selector may name, as an expression over the record. The API server knows `status.podIPs`, and
# never fills it.
_FIELDS: Final = {
    "metadata.name": "r.name",
    "metadata.namespace": "r.namespace",
    "spec.nodeName": "(r.node_name or '')",
    "spec.host": "(r.node_name or '')",
    "status.phase": "r.phase",
    "status.podIP": "(r.addresses[0] if r.addresses else '')",
    "status.podIPs": "''",
}
_PLACE: Final = attrgetter("namespace", "name")
# So many pods may go while metrics are fetched, without one of the page lacking its own.
_SPARE: Final = 16


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What indexes can be asked for: only pods with one of these can match; None: any."""

    uids: frozenset[str] | None
    names: frozenset[str] | None
    namespaces: frozenset[str] | None
    nodes: frozenset[str] | None


_ANYWHERE: Final = Narrowing(None, None, None, None)


@strawberry.input(
    description=(
        "Pods for which everything that is given holds. What is left out or null does not count. "
        "Names in the plural take several values, at most 256, one of which must be met."
    )
)
class PodFilter:
    id: strawberry.ID | None = strawberry.field(default=None, description="Exactly this UID; 40 bytes at most.")
    ids: list[strawberry.ID] | None = strawberry.field(default=None, description="One of these UIDs.")
    name: str | None = strawberry.field(default=None, description="Exactly this name; 255 bytes at most.")
    names: list[str] | None = strawberry.field(default=None, description="One of these names.")
    name_contains: str | None = strawberry.field(default=None, description="Its name contains this.")
    name_prefix: str | None = strawberry.field(default=None, description="Its name begins with this.")
    namespace: str | None = strawberry.field(default=None, description="In this namespace; 255 bytes at most.")
    namespaces: list[str] | None = strawberry.field(default=None, description="In one of these namespaces.")
    address: str | None = strawberry.field(
        default=None, description="One of its IP addresses is exactly this; 255 bytes at most."
    )
    node_name: str | None = strawberry.field(default=None, description="On the node of this name; 255 bytes at most.")
    node_names: list[str] | None = strawberry.field(default=None, description="On one of these nodes.")
    scheduled: bool | None = strawberry.field(default=None, description="Whether it was placed on a node.")
    phase: str | None = strawberry.field(default=None, description="In exactly this phase, such as `Running`.")
    phases: list[str] | None = strawberry.field(default=None, description="In one of these phases.")
    status: str | None = strawberry.field(
        default=None, description="In exactly this status, in kubectl's word, such as `CrashLoopBackOff`."
    )
    statuses: list[str] | None = strawberry.field(default=None, description="In one of these statuses.")
    attention: bool | None = strawberry.field(
        default=None, description="Whether there is a reason why a person should look at it (`Pod.attention`)."
    )
    ready: bool | None = strawberry.field(default=None, description="Whether its Ready condition is true.")
    min_restarts: int | None = strawberry.field(default=None, description="Restarted at least so often.")
    older_than: str | None = strawberry.field(
        default=None, description="Created longer ago than this: `90s`, `2h30m`, `7d`."
    )
    younger_than: str | None = strawberry.field(
        default=None, description="Created at most so long ago: `90s`, `2h30m`, `7d`."
    )
    label_selector: str | None = strawberry.field(
        default=None,
        description="Kubernetes' own syntax: `app=web,tier in (a,b),!canary`; what the API server refuses is refused.",
    )
    field_selector: str | None = strawberry.field(
        default=None,
        description=(
            "Kubernetes' own syntax: `status.phase!=Running,spec.nodeName=worker-1`. Fields: metadata.name, "
            "metadata.namespace, spec.nodeName, status.phase and status.podIP."
        ),
    )
    service: str | None = strawberry.field(
        default=None,
        description=(
            "Selected by a service of this name in the pod's own namespace; 255 bytes at most. "
            "Needs the right to list services; in a namespace without it no pod matches."
        ),
    )
    not_: Optional["PodFilter"] = strawberry.field(
        name="not", default=None, description="Everything that is given in here does not hold together."
    )

    @cached_property
    def expression(self) -> Expression:
        """What must hold. Raises InvalidArgument for a value that cannot be used, or that nothing could match."""
        return self._expression("filter", 1)

    @cached_property
    def narrowing(self) -> Narrowing:
        """What indexes can be asked for; only after `expression` has found nothing wrong."""
        # no index holds what has no value
        terms = [term for term in field_selector(self.field_selector or "") if term.value and not term.negated]

        def wanted(one: str | None, several: Iterable[str] | None, *fields: str) -> frozenset[str] | None:
            sets = [frozenset({one})] if one is not None else []
            sets += [frozenset(several)] if several is not None else []
            sets += [frozenset({term.value}) for term in terms if term.field in fields]
            return frozenset.intersection(*sets) if sets else None

        return Narrowing(
            wanted(self.id, self.ids),
            wanted(self.name, self.names, "metadata.name"),
            # contradicting namespaces are no reason to refuse, nor to ask for other rights: nothing matches
            wanted(self.namespace, self.namespaces, "metadata.namespace") or None,
            wanted(self.node_name, self.node_names, "spec.nodeName", "spec.host"),
        )

    @property
    def services(self) -> frozenset[str]:
        """The names of services that it asks for, anywhere in it."""
        inner = self.not_.services if self.not_ is not None else frozenset()
        return inner if self.service is None else inner | {self.service}

    def _expression(self, at: str, depth: int) -> Expression:
        if depth > DEEPEST_NOT:
            raise InvalidArgument(f"`{at}` is nested too deep; the limit is {DEEPEST_NOT}", argument="filter")
        self._check(at)
        parts = [*self._identity(), *self._state(), *self._selectors()]
        parts += [filters.older(duration(f"{at}.olderThan", self.older_than))] if self.older_than is not None else []
        if self.younger_than is not None:
            parts.append(filters.younger(duration(f"{at}.youngerThan", self.younger_than)))
        if self.not_ is not None:
            parts.append(filters.none_of(self.not_._expression(f"{at}.not", depth + 1)))  # noqa: SLF001 - its own class
        return filters.all_of(parts)

    def _check(self, at: str) -> None:
        check_length(f"{at}.id", self.id, UID_BYTES)
        check_values(f"{at}.ids", self.ids, UID_BYTES)
        for name, value in (
            ("name", self.name),
            ("nameContains", self.name_contains),
            ("namePrefix", self.name_prefix),
            ("namespace", self.namespace),
            ("address", self.address),
            ("nodeName", self.node_name),
            ("phase", self.phase),
            ("status", self.status),
            ("service", self.service),
        ):
            check_length(f"{at}.{name}", value, NAME_BYTES)
        for name, values in (
            ("names", self.names),
            ("namespaces", self.namespaces),
            ("nodeNames", self.node_names),
            ("phases", self.phases),
            ("statuses", self.statuses),
        ):
            check_values(f"{at}.{name}", values, NAME_BYTES)
        check_length(f"{at}.labelSelector", self.label_selector, SELECTOR_BYTES)
        check_length(f"{at}.fieldSelector", self.field_selector, SELECTOR_BYTES)

    def _identity(self) -> Iterable[Expression]:
        for attribute, one, several in (
            ("uid", self.id, self.ids),
            ("name", self.name, self.names),
            ("namespace", self.namespace, self.namespaces),
            ("node_name", self.node_name, self.node_names),
            ("phase", self.phase, self.phases),
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
            yield filters.has("addresses", self.address)

    def _state(self) -> Iterable[Expression]:
        if self.attention is not None:
            yield filters.is_(self.attention, "attention")
        if self.ready is not None:
            yield filters.is_(self.ready, "ready")
        if self.scheduled is not None:
            yield filters.is_(self.scheduled, "node_name")
        if self.min_restarts is not None:
            yield filters.at_least("restarts", self.min_restarts)

    def _selectors(self) -> Iterable[Expression]:
        if self.label_selector is not None:
            yield filters.labelled(label_selector(self.label_selector))
        if self.field_selector is not None:
            yield filters.fields(field_selector(self.field_selector), _FIELDS)
        if self.service is not None:
            yield filters.behind_service(self.service)


class PodOrderKey(Described):
    """What pods can be ordered by, beside metrics."""

    NAME = "NAME", "Its name. Never changes."
    NAMESPACE = "NAMESPACE", "Its namespace. Never changes."
    CREATED_AT = "CREATED_AT", "When it was created. Never changes."
    AGE = "AGE", "How old it is. Never changes between two pods."
    NODE = "NODE", "The name of its node; those without one stand last."
    PHASE = "PHASE", "Its phase, by the alphabet."
    STATUS = "STATUS", "Its status in kubectl's word, by the alphabet."
    READY = "READY", "Whether it is ready."
    RESTARTS = "RESTARTS", "How often its containers were restarted."
    CPU_REQUESTS = "CPU_REQUESTS", "The processor time that it requests; pods that request none stand last."
    MEMORY_REQUESTS = "MEMORY_REQUESTS", "The memory that it requests; pods that request none stand last."


graphql_enum(PodOrderKey, "PodOrderKey", "What pods can be ordered by, beside metrics.")

_KEYS: Final = {
    PodOrderKey.NAME: Key("name"),
    PodOrderKey.NAMESPACE: Key("namespace"),
    PodOrderKey.CREATED_AT: Key("created_at"),
    PodOrderKey.AGE: Key("created_at", inverted=True),
    PodOrderKey.NODE: Key("node_name", nullable=True),
    PodOrderKey.PHASE: Key("phase"),
    PodOrderKey.STATUS: Key("status"),
    PodOrderKey.READY: Key("ready"),
    PodOrderKey.RESTARTS: Key("restarts"),
    PodOrderKey.CPU_REQUESTS: Key("requests.cpu", nullable=True),
    PodOrderKey.MEMORY_REQUESTS: Key("requests.memory", nullable=True),
}


@strawberry.input(description="One key of an order of pods: either `key` or `metric`.")
class PodOrder:
    key: PodOrderKey | None = strawberry.field(default=None, description="By a field of the pod.")
    metric: MetricName | None = strawberry.field(
        default=None, description="By the newest value of a metric; pods without one stand last."
    )
    direction: Direction = strawberry.field(default=Direction.ASC, description="Which way.")


PodFilterArgument = Annotated[
    PodFilter | None, strawberry.argument(description="Only the pods for which all of it holds.")
]
PodOrderArgument = Annotated[
    list[PodOrder] | None,
    strawberry.argument(
        description="By the first of these, among equals by the next, at last by namespace and name; at most 6."
    ),
]
PodLimit = Annotated[
    int | None, strawberry.argument(description="At most so many, the first ones of the order; left out: all.")
]
_NO_FILTER: Final = PodFilter()


# ----------------------------------------------------------------------------------------------------- what is needed


def pods_needs(
    reach: Reach,
    filter: PodFilter | None = None,  # noqa: A002 - the schema's name
    order_by: list[PodOrder] | None = None,
    **_page: object,
) -> FieldNeeds:
    """What a list of pods needs, below a node or at the root, whole or in pages."""
    wanted = filter or _NO_FILTER
    expression, narrowing = wanted.expression, wanted.narrowing
    check_order(order_by)
    access = [AccessNeed(PODS, narrowing.namespaces)]
    if wanted.services:
        access.append(AccessNeed(SERVICES, narrowing.namespaces))
    inside = Reach(
        nodes=reach.nodes if narrowing.nodes is None else narrowing.nodes,
        namespaces=reach.namespaces if narrowing.namespaces is None else narrowing.namespaces,
        pods=narrowing.names,
    )
    return FieldNeeds(
        access=tuple(access),
        metrics=tuple(MetricNeed(metric, Level.POD, inside) for metric in metrics_in(order_by)),
        reach=inside,
        clock=filters.depends_on_time(expression),
    )


def root_pods_needs(
    reach: Reach,
    filter: PodFilter | None = None,  # noqa: A002
    order_by: list[PodOrder] | None = None,
    limit: int | None = None,
) -> FieldNeeds:
    """What the list at the root needs: metrics of its own rows alone, where these are few."""
    check_size("limit", limit)
    bounds = Bounds(first=sys.maxsize if limit is None else limit)
    return _with_rows(pods_needs(reach, filter, order_by), filter, order_by, bounds)


def root_page_needs(  # noqa: PLR0913, PLR0917 - the schema's arguments
    reach: Reach,
    filter: PodFilter | None = None,  # noqa: A002
    order_by: list[PodOrder] | None = None,
    first: int | None = None,
    after: str | None = None,
    last: int | None = None,
    before: str | None = None,
) -> FieldNeeds:
    """What a page at the root needs: metrics of that page alone, where it is short."""
    needs = pods_needs(reach, filter, order_by)
    bounds = Window(first, after, last, before).bounds(_fingerprint(filter, order_by, None))
    return _with_rows(needs, filter, order_by, bounds)


def _with_rows(
    needs: FieldNeeds,
    filter: PodFilter | None,  # noqa: A002
    order_by: list[PodOrder] | None,
    bounds: Bounds,
) -> FieldNeeds:
    """An order by a metric is only known when that is: then the metrics of all are needed."""
    if needs.metrics or needs.reach is None:
        return needs
    rows = _Rows(filter or _NO_FILTER, order_of(order_by, _KEYS, _unread), bounds)
    return replace(needs, reach=replace(needs.reach, rows=rows))


def _unread(metric: MetricName) -> Metered:
    raise AssertionError(f"an order by {metric} needs that metric")


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Which pods a list will show, before it is shown."""

    wanted: PodFilter
    order: Order
    bounds: Bounds

    def __call__(self, snapshot: ClusterSnapshot, visibility: Visibility, now: float) -> Sequence[PodRecord]:
        """Some more than it has now: the list is made a moment later, when others may have gone."""
        found = _found(self.wanted, snapshot, visibility, now)
        rows = ordered(found, self.order) if self.order else found
        window = self.bounds.of(rows, self.order)
        return rows[max(window.start - _SPARE, 0) : window.stop + _SPARE]


# ------------------------------------------------------------------------------------------------------- what is shown


def select_pods(
    info: GraphInfo,
    filter: PodFilter | None,  # noqa: A002
    order_by: list[PodOrder] | None = None,
    limit: int | None = None,
    *,
    node: str | None = None,
) -> list[Pod] | None:
    """The first `limit` pods, in this order, that the caller sees and `filter` leaves (on `node`, if given).

    None without a right that the question needs, which is then told. Raises InvalidArgument.
    """
    check_size("limit", limit)
    check_order(order_by)
    if not _may_ask(info, filter):
        return None
    rows = _in_order(info, filter, _order(info, order_by), node, limit)
    return cast("list[Pod]", rows)


def _order(info: GraphInfo, order_by: list[PodOrder] | None) -> Order:
    return order_of(order_by, _KEYS, metric_values(info, Level.POD))


def matching(info: GraphInfo, filter: PodFilter | None) -> list[PodRecord] | None:  # noqa: A002
    """The pods that the caller sees and `filter` leaves, by namespace and name; None as in `select_pods`."""
    if not _may_ask(info, filter):
        return None
    view = info.context.view
    return _found(filter or _NO_FILTER, view.snapshot, view.visibility, view.now)


def _may_ask(info: GraphInfo, filter: PodFilter | None) -> bool:  # noqa: A002
    """Whether the caller has the rights that the question needs; what is missing is told. Raises InvalidArgument."""
    wanted = filter or _NO_FILTER
    wanted.expression  # noqa: B018 - what cannot be used is told first: without it no right was asked for
    namespaces = wanted.narrowing.namespaces or ()
    if listable(info, PODS, *namespaces) is None:
        return False
    return not wanted.services or listable(info, SERVICES, *namespaces) is not None


def _in_order(
    info: GraphInfo,
    filter: PodFilter | None,  # noqa: A002
    order: Order,
    node: str | None,
    limit: int | None = None,
) -> Sequence[PodRecord]:
    """The first `limit` rows: from the order's index, where the question is about all pods, else by sorting a few."""
    view, wanted = info.context.view, filter or _NO_FILTER
    scope = view.visibility.scope(PODS)
    if not order or node is not None or wanted.narrowing != _ANYWHERE or not isinstance(scope, Everywhere):
        return first(_found(wanted, view.snapshot, view.visibility, view.now, node), order, limit)
    rows = view.indexes.rows("pods", view.snapshot.pods, order)
    if wanted.expression is filters.EVERYTHING:
        return first(rows, NATURAL, limit)
    moment = Moment(view.now, _behind(wanted, view.snapshot, view.visibility))
    return first(filters.select(rows, wanted.expression, moment), NATURAL, limit)


def _found(
    wanted: PodFilter, snapshot: ClusterSnapshot, visibility: Visibility, now: float, node: str | None = None
) -> list[PodRecord]:
    """The pods that may be seen and that the filter leaves, by namespace and name."""
    candidates = _candidates(snapshot.pods, visibility.scope(PODS), wanted.narrowing, node)
    return filters.select(candidates, wanted.expression, Moment(now, _behind(wanted, snapshot, visibility)))


def _candidates(pods: Snapshot[PodRecord], scope: Scope, narrowing: Narrowing, node: str | None) -> Iterable[PodRecord]:
    """Everything visible that can match, sorted, from the smallest index that the question allows."""
    if narrowing.uids is not None:
        found = [pod for pod in map(pods.by_uid, narrowing.uids) if pod is not None]
        found = sorted(found, key=_PLACE) if node is None else [pod for pod in found if pod.node_name == node]
        return _within(scope, found)
    if narrowing.names is not None and narrowing.namespaces is not None:
        places = ((namespace, name) for namespace in narrowing.namespaces for name in narrowing.names)
        found = [pod for place in sorted(places) if (pod := pods.get(*place)) is not None]
        return _within(scope, [pod for pod in found if node is None or pod.node_name == node])
    if node is not None:
        return _within(scope, pods.on_node(node))
    if narrowing.nodes is not None:
        placed = sorted((pod for name in narrowing.nodes for pod in pods.on_node(name)), key=_PLACE)
        return _within(scope, placed)
    if narrowing.namespaces is not None:
        shown = [namespace for namespace in sorted(narrowing.namespaces) if namespace in scope]
    elif isinstance(scope, Everywhere):
        return pods
    else:
        shown = sorted(scope)
    return (pod for namespace in shown for pod in pods.in_namespace(namespace))


def _within(scope: Scope, pods: Sequence[PodRecord]) -> Sequence[PodRecord]:
    return pods if isinstance(scope, Everywhere) else [pod for pod in pods if pod.namespace in scope]


_NO_SELECTOR: Final[frozenset[tuple[str, str]]] = frozenset()


def _behind(wanted: PodFilter, snapshot: ClusterSnapshot, visibility: Visibility) -> filters.BehindService:
    """What services select, as far as the caller may list them."""
    if not wanted.services:
        return lambda _namespace, _service: _NO_SELECTOR
    scope, services = visibility.scope(SERVICES), snapshot.services

    def behind(namespace: str, service: str) -> frozenset[tuple[str, str]]:
        found = services.get(namespace, service) if namespace in scope else None
        return _NO_SELECTOR if found is None else frozenset((label.key, label.value) for label in found.selector)

    return behind


# ------------------------------------------------------------------------------------------------------ page by page


@strawberry.type(description="A pod in a page of pods.")
class PodEdge:
    cursor: str = strawberry.field(description="Its place in this list, for `after` and `before`.")
    node: Pod = strawberry.field(description="The pod.")


@strawberry.type(description="One page of pods.")
class PodConnection:
    total_count: int = strawberry.field(description="How many pods there are in all pages, that the caller may see.")
    edges: list[PodEdge] = strawberry.field(description="The pods of this page, in order.")
    page_info: PageInfo = strawberry.field(description="What stands around this page.")


def page_of_pods(
    info: GraphInfo,
    filter: PodFilter | None,  # noqa: A002
    order_by: list[PodOrder] | None,
    window: Window,
    *,
    node: str | None = None,
) -> PodConnection | None:
    """One page of the list that `select_pods` would give; None and errors as there."""
    check_order(order_by)
    of = _fingerprint(filter, order_by, node)
    bounds = window.bounds(of)
    if not _may_ask(info, filter):
        return None
    order = _order(info, order_by)
    shown = page(_in_order(info, filter, order, node), order, bounds, of)
    return PodConnection(
        total_count=shown.total,
        edges=[
            PodEdge(cursor=cursor, node=cast("Pod", pod)) for cursor, pod in zip(shown.cursors, shown.rows, strict=True)
        ],
        page_info=page_info(shown),
    )


def _fingerprint(filter: PodFilter | None, order_by: list[PodOrder] | None, node: str | None) -> bytes:  # noqa: A002
    return fingerprint("pods", node, filter or _NO_FILTER, order_by or [])


def pods_connection(  # noqa: PLR0913, PLR0917 - the schema's arguments
    info: GraphInfo,
    filter: PodFilterArgument = None,  # noqa: A002
    order_by: PodOrderArgument = None,
    first: First = None,
    after: After = None,
    last: Last = None,
    before: Before = None,
) -> PodConnection | None:
    return page_of_pods(info, filter, order_by, Window(first, after, last, before))


# ------------------------------------------------------------------------------------------------------------- counts


class PodGroup(Described):
    """What pods can be counted by."""

    NAMESPACE = "NAMESPACE", "By the namespace they are in."
    NODE = "NODE", "By the node they are on; those without one are a group of their own."
    PHASE = "PHASE", "By their phase."
    STATUS = "STATUS", "By their status, in kubectl's word."


graphql_enum(PodGroup, "PodGroup", "What pods can be counted by.")

_GROUPED_BY: Final = {
    PodGroup.NAMESPACE: "namespace",
    PodGroup.NODE: "node_name",
    PodGroup.PHASE: "phase",
    PodGroup.STATUS: "status",
}


@strawberry.type(description="How many pods are alike in what they are counted by.")
class PodCount:
    namespace: str | None = strawberry.field(default=None, description="Their namespace; null unless counted by it.")
    node_name: str | None = strawberry.field(
        default=None, description="Their node; null unless counted by it, and for those that have none."
    )
    phase: str | None = strawberry.field(default=None, description="Their phase; null unless counted by it.")
    status: str | None = strawberry.field(default=None, description="Their status; null unless counted by it.")
    count: int = strawberry.field(default=0, description="How many they are.")


PodGroups = Annotated[list[PodGroup], strawberry.argument(description="What to count by: one of these or several.")]


def pod_counts(info: GraphInfo, by: PodGroups, filter: PodFilterArgument = None) -> list[PodCount] | None:  # noqa: A002
    """How many pods the caller sees in each group that has any, the largest group first."""
    grouped_by = [_GROUPED_BY[group] for group in dict.fromkeys(by)]
    if not grouped_by:
        raise InvalidArgument("`by` is empty; name what to count by", argument="by")
    rows = matching(info, filter)
    if rows is None:
        return None
    columns = [map(attrgetter(each), rows) for each in grouped_by]
    groups: Counter[tuple[str | None, ...]] = Counter(zip(*columns, strict=True))
    ranked = sorted(groups.items(), key=lambda group: (-group[1], [value or "" for value in group[0]]))
    return [_count(dict(zip(grouped_by, values, strict=True)), count) for values, count in ranked]


def _count(group: dict[str, str | None], count: int) -> PodCount:
    return PodCount(
        namespace=group.get("namespace"),
        node_name=group.get("node_name"),
        phase=group.get("phase"),
        status=group.get("status"),
        count=count,
    )


def pod_counts_needs(reach: Reach, by: list[PodGroup], filter: PodFilter | None = None) -> FieldNeeds:  # noqa: A002, ARG001
    return pods_needs(reach, filter)
