"""How one kind is listed: what that needs, and which rows the caller gets, in which order.

A list at the root is of all objects of its kind, a list inside an object of those that belong to that object (Among).
Rows are the store's own records.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import attrgetter
from typing import Any, Final, Generic, TypeVar, cast

from msgspec import Struct
from msgspec.structs import replace

from auth.access import NAMESPACES, AccessNeed, Everywhere, Resource, Scope, Visibility
from schema.arguments import NAME_BYTES, check_length
from schema.asking import filters
from schema.asking.connections import Choose, Page, Window, check_size, leading, page
from schema.asking.cursors import fingerprint
from schema.asking.filters import Moment
from schema.asking.indexes import Part
from schema.asking.orders import NATURAL, Order, first
from schema.execution.context import GraphInfo, listable, listable_everywhere, refuse_look_up, watched
from schema.execution.foresight import ROWS_AT_MOST, Foresight, Rows, unless_refused
from schema.execution.needs import EVERYTHING, FieldNeeds, MetricNeed, Reach
from schema.lists.by_metric import MetricOrders
from schema.lists.filter import ObjectFilter, Reads
from schema.lists.order import Key, OrderArgument, check_order, metrics_in, order_input, order_of, reads_in
from schema.sources.kubernetes.cluster import ClusterSnapshot
from schema.sources.kubernetes.kinds import Kind, Record
from schema.sources.kubernetes.store import Snapshot
from schema.sources.prometheus.catalogue import MetricName

R = TypeVar("R", bound=Record)

Orders = Sequence[OrderArgument] | None
PLACE: Final = attrgetter("namespace", "name")


class Among(Struct, Generic[R], frozen=True):
    """The rows that belong to one object, sorted by namespace and name, whoever may see them.

    `of` names the object. `namespace`: where all of them are; "" if they may be anywhere.
    """

    of: str
    rows: Iterable[R]
    namespace: str = ""


# The rows of a list: of a whole kind, or among those that belong to one object.
Choice = Callable[[GraphInfo, Among[R] | None], Sequence[R] | None]


@dataclass(frozen=True, slots=True, eq=False)
class _Shown(Generic[R]):
    """Which rows a list will have: the whole kind's, or those of each object that it stands in."""

    listing: "Listing[R]"
    parts: Rows | None
    choose: Choice[R]

    def __call__(self, foresight: Foresight) -> Sequence[R] | None:
        info = cast("GraphInfo", foresight)
        if self.parts is None:
            return self._few(self._chosen(info, None))
        parts = foresight.of(self.parts)
        if parts is None:
            return None
        rows: list[R] = []
        looked_at = 0
        for among in parts:
            seen = list(islice(self.listing.visible(info, among.rows), ROWS_AT_MOST + 1))
            looked_at += len(seen)
            if looked_at > ROWS_AT_MOST:
                return None
            rows += self._chosen(info, replace(among, rows=seen))
        return rows

    def _chosen(self, info: GraphInfo, among: Among[R] | None) -> Sequence[R]:
        return unless_refused(lambda: self.choose(info, among)) or ()

    def _few(self, rows: Sequence[R]) -> Sequence[R] | None:
        return rows if len(rows) <= ROWS_AT_MOST else None


def _ordered_by(metrics: MetricOrders, names: Sequence[MetricName], own: FieldNeeds, inside: Reach) -> FieldNeeds:
    """With what the order by these metrics needs."""
    measured = replace(inside, rows=metrics.measured(inside.rows))
    reads = metrics.reads(names)
    return replace(
        own,
        access=(
            *own.access,
            *(AccessNeed(each.resource, None if each.everywhere else inside.namespaces) for each in reads),
        ),
        metrics=tuple(MetricNeed(name, metrics.level, measured) for name in names),
        kinds=tuple(metrics.kinds),
    )


def _found(find: Callable[[GraphInfo], R | None]) -> Rows:
    """What a look-up will show."""

    def rows(foresight: Foresight) -> Sequence[R]:
        found = unless_refused(lambda: find(cast("GraphInfo", foresight)))
        return () if found is None else (found,)

    return rows


class Listing(Generic[R]):
    """The lists of a kind whose objects are in namespaces. Subclasses say what is odd about theirs."""

    def __init__(  # noqa: PLR0913, PLR0917 - what a kind's lists are made of
        self,
        kind: Kind[R],
        resource: Resource,
        filter: type[ObjectFilter],  # noqa: A002 - the schema's name
        keys: Mapping[str, Key],
        words: tuple[str, str],
        metrics: MetricOrders | None = None,
    ) -> None:
        """`words`: one of them, and several, in prose. `metrics`: how they can be ordered by these."""
        self.kind = kind
        self.resource = resource
        self.filter = filter
        self.order = order_input(kind.kind, keys, metrics)
        self.one, self.many = words
        self._metrics = metrics
        self._keys = keys
        self._everything: Any = filter()

    # ------------------------------------------------------------------------------------------------- what is needed

    def needs(
        self,
        reach: Reach,
        filter: Any = None,  # noqa: A002
        order_by: Any = None,
        limit: int | None = None,
    ) -> FieldNeeds:
        """What a list needs, and what the fields inside it can come to."""
        check_size("limit", limit)
        whole = limit is None and filter is None and reach.parts is None

        def shown(info: GraphInfo, among: Among[R] | None) -> Sequence[R] | None:
            return self.select(info, filter, order_by, limit, among)

        return self._needs(reach, filter, order_by, None if whole else shown)

    def page_needs(  # noqa: PLR0913, PLR0917 - the schema's arguments
        self,
        reach: Reach,
        filter: Any = None,  # noqa: A002
        order_by: Any = None,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
    ) -> FieldNeeds:
        """What a page needs, and what the fields inside it can come to."""
        window = Window(first, after, last, before)

        def shown(info: GraphInfo, among: Among[R] | None) -> Sequence[R] | None:
            page = self.page(info, filter, order_by, window, among)
            return None if page is None else page.rows

        return self._needs(reach, filter, order_by, shown)

    def _needs(
        self,
        reach: Reach,
        filter: Any,  # noqa: A002
        order_by: Any,
        shown: Choice[R] | None,
    ) -> FieldNeeds:
        """`shown` are the rows that the list will have, None: all of the kind.

        An order by something measured is only known when that is: then what it chooses from is asked about.
        """
        wanted: ObjectFilter = filter or self._everything
        expression = wanted.expression
        check_order(order_by)
        inside = self._inside(reach, wanted)
        if any(name.measured is not None for name in metrics_in(order_by)):
            whole = filter is None and reach.parts is None
            shown = None if whole else lambda info, among: self.select(info, filter, among=among)
        inside = replace(inside, rows=None if shown is None else _Shown(self, reach.parts, shown), parts=None)
        places = self._places(wanted)
        others = wanted.reads | reads_in(order_by, self._keys)
        own = FieldNeeds(
            access=(
                self._access(wanted, inside),
                *(AccessNeed(each.resource, None if each.everywhere else places) for each in others),
            ),
            reach=inside,
            clock=filters.depends_on_time(expression),
        )
        names = metrics_in(order_by)
        return own if self._metrics is None or not names else _ordered_by(self._metrics, names, own, inside)

    def find_needs(self, _reach: Reach, namespace: str, name: str) -> FieldNeeds:
        """What a look-up by name needs: `list` in that namespace, else `get` of that one."""
        place = frozenset({namespace})
        reach = Reach(namespaces=place, rows=_found(lambda info: self.find(info, namespace, name)))
        return FieldNeeds(access=(AccessNeed(self.resource, place, name),), reach=reach)

    def _places(self, wanted: ObjectFilter) -> frozenset[str] | None:
        """The namespaces that the filter names. Contradicting ones are no reason to refuse, nor to ask for others."""
        return wanted.narrowing.get("namespace") or None

    def _access(self, wanted: ObjectFilter, inside: Reach) -> AccessNeed:  # noqa: ARG002 - others look at the filter
        return AccessNeed(self.resource, inside.namespaces)

    def _inside(self, reach: Reach, wanted: ObjectFilter) -> Reach:
        places = self._places(wanted)
        return Reach(namespaces=reach.namespaces if places is None else places)

    # -------------------------------------------------------------------------------------------------- what is shown

    def objects(self, snapshot: ClusterSnapshot) -> Snapshot[R]:
        found: Snapshot[R] = snapshot.of(self.kind)
        return found

    def find(self, info: GraphInfo, namespace: str, name: str) -> R | None:
        """The one of this name; None when there is none, or the caller may not see it, which is then told."""
        check_length("namespace", namespace, NAME_BYTES)
        check_length("name", name, NAME_BYTES)
        if refuse_look_up(info, self.resource, namespace, name):
            return None
        return self.objects(info.context.view.snapshot).get(namespace, name)

    def check(self, filter: Any, order_by: Orders, limit: int | None = None) -> None:  # noqa: A002
        """Raises InvalidArgument for what cannot be used, before anything is read: for that nothing was gathered."""
        check_size("limit", limit)
        check_order(order_by)
        (filter or self._everything).expression  # noqa: B018 - made here, and kept

    def select(
        self,
        info: GraphInfo,
        filter: Any = None,  # noqa: A002
        order_by: Orders = None,
        limit: int | None = None,
        among: Among[R] | None = None,
    ) -> Sequence[R] | None:
        """The first `limit` rows, in this order, that the caller sees and the filter leaves.

        None without a right that the question needs, which is then told. Raises InvalidArgument.
        """
        check_size("limit", limit)
        check_order(order_by)
        wanted: ObjectFilter = filter or self._everything
        if self._elsewhere(wanted, among):
            return []
        if not self._may_ask(info, wanted, order_by, among):
            return None
        return self._in_order(info, wanted, self._order(info, order_by), among, limit)

    def page(
        self,
        info: GraphInfo,
        filter: Any,  # noqa: A002
        order_by: Orders,
        window: Window,
        among: Among[R] | None = None,
    ) -> Page[R] | None:
        """One page of the list that `select` would give; None and errors as there."""
        check_order(order_by)
        of = self.fingerprint(filter, order_by, among)
        bounds = window.bounds(of)
        wanted: ObjectFilter = filter or self._everything
        if self._elsewhere(wanted, among):
            return page([], NATURAL, bounds, of)
        if not self._may_ask(info, wanted, order_by, among):
            return None
        order = self._order(info, order_by)
        if among is not None or wanted.narrowing:
            return page(self._in_order(info, wanted, order, among), order, bounds, of)
        return page(self._all_in_order(info, order), order, bounds, of, self._chosen(info, wanted))

    def matching(self, info: GraphInfo, filter: Any = None) -> list[R] | None:  # noqa: A002
        """All rows that the caller sees and the filter leaves, by namespace and name; None as in `select`."""
        wanted: ObjectFilter = filter or self._everything
        if not self._may_ask(info, wanted, None, None):
            return None
        view = info.context.view
        return self.found(wanted, view.snapshot, view.visibility, view.now)

    def fingerprint(self, filter: Any, order_by: Orders, among: Among[R] | None = None) -> bytes:  # noqa: A002
        of = None if among is None else among.of
        return fingerprint(self.kind.name, of, filter or self._everything, order_by or [])

    def found(
        self,
        wanted: ObjectFilter,
        snapshot: ClusterSnapshot,
        visibility: Visibility,
        now: float,
        among: Among[R] | None = None,
    ) -> list[R]:
        """The rows that may be seen and that the filter leaves, by namespace and name."""
        scope = visibility.scope(self.resource)
        objects = self.objects(snapshot)
        candidates = self._candidates(objects, scope, wanted) if among is None else self._visible(scope, among.rows)
        if wanted.expression is filters.EVERYTHING:
            return list(candidates)
        return filters.select(candidates, wanted.expression, Moment(now, snapshot, visibility))

    def _order(self, info: GraphInfo, order_by: Orders) -> Order:
        return order_of(order_by, self._keys, info, self._metrics) if order_by else NATURAL

    def _elsewhere(self, wanted: ObjectFilter, among: Among[R] | None) -> bool:
        """Whether the filter names other namespaces than the one that they are in: that asks for nothing there."""
        if among is None or not among.namespace:
            return False
        places = self._places(wanted)
        return places is not None and among.namespace not in places

    def _may_ask(self, info: GraphInfo, wanted: ObjectFilter, order_by: Orders, among: Among[R] | None) -> bool:
        """Whether the caller has the rights that it needs; what is missing is told. Raises InvalidArgument."""
        if wanted is self._everything and not order_by:  # by far the most, and once for each object around
            return self._may_list(info, wanted, among)
        wanted.expression  # noqa: B018 - what cannot be used is told first: without it no right was asked for
        others = wanted.reads | reads_in(order_by, self._keys)
        return (
            self._may_list(info, wanted, among)
            and all(self._may_read(info, wanted, each) for each in others)
            and self._may_measure(info, wanted, metrics_in(order_by), among)
        )

    def _may_measure(
        self, info: GraphInfo, wanted: ObjectFilter, names: Sequence[MetricName], among: Among[R] | None
    ) -> bool:
        if self._metrics is None or not names:
            return True
        within = "" if among is None else among.namespace
        places = (within,) if within else self._places(wanted) or ()
        return all(self._may_count(info, each, places) for each in self._metrics.reads(names)) and all(
            watched(info, kind) for kind in self._metrics.kinds
        )

    def _may_count(self, info: GraphInfo, other: Reads, places: Iterable[str]) -> bool:
        if other.everywhere:
            return listable_everywhere(info, other.resource)
        return listable(info, other.resource, *places) is not None

    def _may_list(self, info: GraphInfo, wanted: ObjectFilter, among: Among[R] | None) -> bool:
        if among is not None and among.namespace:
            return listable(info, self.resource, among.namespace) is not None
        return listable(info, self.resource, *(self._places(wanted) or ())) is not None

    def _may_read(self, info: GraphInfo, wanted: ObjectFilter, other: Reads) -> bool:
        return self._may_count(info, other, self._places(wanted) or ())

    def _in_order(
        self, info: GraphInfo, wanted: ObjectFilter, order: Order, among: Among[R] | None, limit: int | None = None
    ) -> Sequence[R]:
        """The first `limit` rows: from the order's index, where the question is about all, else by sorting a few."""
        view = info.context.view
        if among is not None or wanted.narrowing or not order:
            return first(self.found(wanted, view.snapshot, view.visibility, view.now, among), order, limit)
        rows = self._all_in_order(info, order)
        if wanted.expression is filters.EVERYTHING:
            return first(rows, NATURAL, limit)
        chosen = self._chosen(info, wanted)
        return chosen(rows) if limit is None else leading(rows, chosen, limit)

    def _all_in_order(self, info: GraphInfo, order: Order) -> Sequence[R]:
        """All that the caller sees, from the index that is kept of this order."""
        view = info.context.view
        objects, scope = self.objects(view.snapshot), view.visibility.scope(self.resource)
        return view.indexes.rows(self.kind.key, objects, order, self._part(objects, scope))

    def _chosen(self, info: GraphInfo, wanted: ObjectFilter) -> Choose[R]:
        view = info.context.view
        return filters.selecting(wanted.expression, Moment(view.now, view.snapshot, view.visibility))

    def _part(self, objects: Snapshot[R], scope: Scope) -> Part[R] | None:
        """What may be seen of the whole kind; None: all of it."""
        if isinstance(scope, Everywhere):
            return None
        return Part(scope, lambda: self._candidates(objects, scope, self._everything), self._within(scope))

    def _within(self, scope: Scope) -> Callable[[R], bool]:
        return lambda row: row.namespace in scope

    def _candidates(self, objects: Snapshot[R], scope: Scope, wanted: ObjectFilter) -> Iterable[R]:
        """Everything visible that can match, sorted, from the smallest index that the question allows."""
        uids, names = wanted.narrowing.get("uid"), wanted.narrowing.get("name")
        namespaces = self._places(wanted)
        if uids is not None:
            found = [each for each in map(objects.by_uid, uids) if each is not None]
            return self._visible(scope, sorted(found, key=PLACE))
        if names is not None and namespaces is not None:
            places = ((namespace, name) for namespace in namespaces for name in names)
            return self._visible(scope, [each for place in sorted(places) if (each := objects.get(*place)) is not None])
        if namespaces is not None:
            shown = [namespace for namespace in sorted(namespaces) if namespace in scope]
        elif isinstance(scope, Everywhere):
            return objects
        else:
            shown = sorted(scope)
        return (each for namespace in shown for each in objects.in_namespace(namespace))

    def visible(self, info: GraphInfo, rows: Iterable[R]) -> Iterable[R]:
        """Those of the rows that the caller may list."""
        return self._visible(info.context.view.visibility.scope(self.resource), rows)

    def visible_of_all(self, info: GraphInfo, lists: Iterable[Sequence[R]]) -> list[Sequence[R]]:
        """The same of each list."""
        scope = info.context.view.visibility.scope(self.resource)
        if isinstance(scope, Everywhere):
            return list(lists)
        return [[each for each in rows if each.namespace in scope] for rows in lists]

    def _visible(self, scope: Scope, rows: Iterable[R]) -> Iterable[R]:
        return rows if isinstance(scope, Everywhere) else [each for each in rows if each.namespace in scope]


class ClusterListing(Listing[R]):
    """The lists of a kind whose objects are in no namespace. A filter by name is a look-up: `get` is enough."""

    def find_named(self, info: GraphInfo, name: str) -> R | None:
        return self.find(info, "", name)

    def find_named_needs(self, _reach: Reach, name: str) -> FieldNeeds:
        reach = replace(self._named(frozenset({name})), rows=_found(lambda info: self.find_named(info, name)))
        return FieldNeeds(access=(AccessNeed(self.resource, name=name),), reach=reach)

    def _named(self, names: frozenset[str]) -> Reach:
        """What the fields inside such objects can come to."""
        return Reach(namespaces=names) if self.resource == NAMESPACES else EVERYTHING

    def _places(self, wanted: ObjectFilter) -> frozenset[str] | None:  # noqa: ARG002
        return None

    def _access(self, wanted: ObjectFilter, inside: Reach) -> AccessNeed:  # noqa: ARG002
        return AccessNeed(self.resource, name=wanted.name or "")

    def _inside(self, reach: Reach, wanted: ObjectFilter) -> Reach:
        names = wanted.narrowing.get("name")
        return reach if names is None else self._named(names)

    def _may_list(self, info: GraphInfo, wanted: ObjectFilter, among: Among[R] | None) -> bool:
        if among is None and wanted.name:
            return not refuse_look_up(info, self.resource, "", wanted.name)
        return listable(info, self.resource) is not None

    def _candidates(self, objects: Snapshot[R], scope: Scope, wanted: ObjectFilter) -> Iterable[R]:
        if wanted.name:  # that this one may be read is known
            named = objects.get("", wanted.name)
            return () if named is None else (named,)
        return self._visible(scope, objects)

    def _visible(self, scope: Scope, rows: Iterable[R]) -> Iterable[R]:
        """Nodes may be listed or not; of namespaces, the scope is the names of those that may be seen."""
        return rows if isinstance(scope, Everywhere) else [each for each in rows if each.name in scope]

    def _within(self, scope: Scope) -> Callable[[R], bool]:
        return lambda row: row.name in scope
