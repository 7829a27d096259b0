"""Orders by metrics: whose numbers are read, what of them is a row's, and what that needs beside the rows.

Measured numbers are those of one answer of Prometheus; what objects claim and lend is what they say themselves. Who may
not see a number gets no place by it: such a row stands last, or there is no order at all.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Hashable, Iterable
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, cast, final

from auth.access import PODS, Scope
from schema.asking.orders import Beside, By, Value, ValueOf
from schema.execution.context import GraphInfo
from schema.execution.foresight import Foresight, Rows, Through
from schema.execution.view import View
from schema.lists.filter import Reads
from schema.measured import MEASURED_CONTAINERS, MEASURED_NAMESPACES, MEASURED_NODES, MEASURED_PODS, SUMMED
from schema.metric import CLAIMED, Measuring, frame_of, no_order
from schema.sources.kubernetes.kinds import Kind, Record
from schema.sources.kubernetes.objects import NodeRecord, PodRecord
from schema.sources.prometheus.catalogue import MEASURED, SHARES, Level, MetricName
from schema.sources.prometheus.frames import NOTHING, Held, MetricFrame, Missing

_ALL_PODS: Final = Reads(PODS, everywhere=True)


class MetricOrders(ABC):
    """How the rows of one kind are ordered by metrics."""

    level: Level  # of the frames
    names: Collection[MetricName]  # of which there are orders
    one: ClassVar[str] = ""  # a row, where it is no object of that level
    needs: ClassVar[str] = ""  # in prose
    kinds: Collection[Kind[Any]] = ()  # of which only the metadata is watched

    @abstractmethod
    def by(self, info: GraphInfo, name: MetricName, *, descending: bool) -> By:
        """Rows that have no value, or none that the caller may see, stand last. Raises InvalidArgument."""

    def reads(self, names: Iterable[MetricName]) -> frozenset[Reads]:  # noqa: ARG002 - others look at them
        """What must be readable beside the rows, where these are."""
        return frozenset()

    def measured(self, rows: Rows | None) -> Rows | None:
        """The objects that are asked about, to order these rows."""
        return rows

    def check(self, names: Iterable[MetricName]) -> None:
        """Raises InvalidArgument for what is no order of these rows."""
        for name in names:
            if name not in self.names:
                raise no_order(name, self.one or self.level.name.lower())


class _Own(MetricOrders):
    """Of what has numbers of its own, which whoever sees it sees too."""

    def __init__(self, measuring: Measuring[Any]) -> None:
        self.level = measuring.level
        self.names = MEASURED[measuring.level]
        self._measuring = measuring

    def by(self, info: GraphInfo, name: MetricName, *, descending: bool) -> By:
        self.check([name])
        if name.measured is None:
            return By(_named(name), _said(info, self._measuring, name), descending, nullable=True)
        frame = frame_of(info, name, self.level)
        value = self._values(frame)
        if name in SHARES:
            value = _share(value, _said(info, self._measuring, SHARES[name][1]))
        return _by(name, value, frame, descending=descending)

    def _values(self, frame: MetricFrame) -> ValueOf:
        return _values(frame, max)


@final
class OfPods(_Own):
    """Their own."""

    def __init__(self) -> None:
        super().__init__(MEASURED_PODS)


@final
class OfNodes(_Own):
    """Their own; what their pods claim, for those who may list all pods."""

    needs = " What pods claim (CPU_REQUEST and the like) needs the right to list pods in all namespaces."

    def __init__(self) -> None:
        super().__init__(MEASURED_NODES)

    def by(self, info: GraphInfo, name: MetricName, *, descending: bool) -> By:
        own = super().by(info, name, descending=descending)
        if name not in CLAIMED:
            return own
        return By(own.name, own.value, descending, nullable=True, beside=(node_pods(info.context.view),))

    def reads(self, names: Iterable[MetricName]) -> frozenset[Reads]:
        return frozenset() if CLAIMED.isdisjoint(names) else frozenset({_ALL_PODS})


@final
class OfContainers(_Own):
    """Their own, among those of their pod."""

    def __init__(self) -> None:
        super().__init__(MEASURED_CONTAINERS)

    def _values(self, frame: MetricFrame) -> ValueOf:
        evaluated, samples, place = _written(frame.evaluated_at), frame.samples, self._measuring.place

        def value(container: Any) -> float | None:
            namespace, name, created_at = place(container)
            return _value(samples.get(namespace, NOTHING).get(name), created_at, evaluated, max)

        return value


@final
class OfNamespaces(MetricOrders):
    """Summed by Prometheus; for those who may list the pods there."""

    level = Level.NAMESPACE
    names = MEASURED[Level.NAMESPACE]
    needs = " Needs the right to list pods; namespaces in which it is missing stand last."

    def by(self, info: GraphInfo, name: MetricName, *, descending: bool) -> By:
        self.check([name])
        view = info.context.view
        scope = view.visibility.scope(PODS)
        if name.measured is None:
            claimed = _within(scope, _said(info, MEASURED_NAMESPACES, name))
            return By(_named(name), claimed, descending, nullable=True, seen=scope, beside=(_namespace_pods(view),))
        frame = frame_of(info, name, self.level)
        if name not in SHARES:
            return _by(name, _within(scope, _values(frame, max)), frame, scope, descending=descending)
        share = _share(_values(frame, max), _said(info, MEASURED_NAMESPACES, SHARES[name][1]))
        return _by(name, _within(scope, share), frame, scope, (_namespace_pods(view),), descending=descending)

    def reads(self, names: Iterable[MetricName]) -> frozenset[Reads]:  # noqa: ARG002
        return frozenset({Reads(PODS)})


@final
class OfWorkloads(MetricOrders):
    """Summed over the pods that they have now."""

    level = Level.POD
    names = SUMMED
    one = "workload"
    needs = " The sum over its pods; needs the right to list these. Where it is missing: last."

    def __init__(
        self, kind: Kind[Any], pods_of: Callable[[Any, GraphInfo], Any], through: Kind[Any] | None = None
    ) -> None:
        """`through`: the kind that stands between the workloads and their pods."""
        self._kind = kind
        self._pods_of = pods_of
        self._through = through
        self._reads = frozenset({Reads(PODS)} if through is None else {Reads(PODS), Reads(through.resource)})
        self.kinds = () if through is None else (through,)

    def by(self, info: GraphInfo, name: MetricName, *, descending: bool) -> By:
        self.check([name])
        view = info.context.view
        seen = tuple(view.visibility.scope(each.resource) for each in self._ordered_reads())
        beside = self._beside(view)
        if name.measured is None:
            claimed = self._sum(view, _said(info, MEASURED_PODS, name))
            return By(_named(name), claimed, descending, nullable=True, seen=seen, beside=beside)
        frame = frame_of(info, name, self.level)
        value = self._sum(view, _values(frame, sum))
        if name in SHARES:
            value = _share(value, self._sum(view, _said(info, MEASURED_PODS, SHARES[name][1])))
        return _by(name, value, frame, seen, beside, descending=descending)

    def reads(self, names: Iterable[MetricName]) -> frozenset[Reads]:  # noqa: ARG002
        return self._reads

    def measured(self, rows: Rows | None) -> Rows | None:
        return Through(rows, self._pods)

    def _ordered_reads(self) -> list[Reads]:
        return sorted(self._reads, key=lambda each: each.resource.name)

    def _pods(self, root: Any, info: GraphInfo) -> Iterable[PodRecord]:
        """Those that the caller may see. Where they may not, nothing is asked, which would tell a missing right."""
        visibility = info.context.view.visibility
        if any(root.namespace not in visibility.scope(each.resource) for each in self._reads):
            return ()
        among = self._pods_of(root, info)
        return () if among is None else [pod for pod in among.rows if pod.namespace == root.namespace]

    def _sum(self, view: View, of: ValueOf) -> ValueOf:
        info = cast("GraphInfo", Foresight(view))  # what was missing is told already

        def value(root: Any) -> float | None:
            known = [value for value in map(of, self._pods(root, info)) if isinstance(value, (float, int))]
            return sum(known) if known else None

        return value

    def _beside(self, view: View) -> tuple[Beside, ...]:
        """The pods, and what they are reached through."""
        rows = view.snapshot.of(self._kind)
        if self._through is None:
            return (Beside(view.snapshot.pods, _owner_in(rows)),)
        between = view.snapshot.of(self._through)
        return (Beside(between, _owner_in(rows)), Beside(view.snapshot.pods, _owner_in(between, _owner_in(rows))))


OF_NAMESPACES: Final = OfNamespaces()


def node_pods(view: View) -> Beside:
    """The pods as what nodes' claims are made of."""
    nodes = view.snapshot.nodes

    def node_of(pod: PodRecord) -> Iterable[NodeRecord]:
        node = None if pod.node_name is None else nodes.get("", pod.node_name)
        return () if node is None else (node,)

    return Beside(view.snapshot.pods, node_of)


def _namespace_pods(view: View) -> Beside:
    namespaces = view.snapshot.namespaces

    def namespace_of(pod: PodRecord) -> Iterable[Record]:
        namespace = namespaces.get("", pod.namespace)
        return () if namespace is None else (namespace,)

    return Beside(view.snapshot.pods, namespace_of)


def _owner_in(owners: Any, beyond: Callable[[Any], Iterable[Any]] | None = None) -> Callable[[Any], Iterable[Any]]:
    """From an object to its controller among these, and from there `beyond`."""

    def owner_of(owned: Any) -> Iterable[Any]:
        owner = None if owned.owner is None else owners.by_uid(owned.owner.uid)
        if owner is None:
            return ()
        return (owner,) if beyond is None else beyond(owner)

    return owner_of


def _named(name: MetricName) -> str:
    """Told from a key of the same name."""
    return f"metric {name.name}"


def _by(  # noqa: PLR0913 - what an order by something measured is made of
    name: MetricName,
    value: ValueOf,
    frame: MetricFrame,
    seen: Hashable = None,
    beside: tuple[Beside, ...] = (),
    *,
    descending: bool,
) -> By:
    """An order by the values of one answer.

    One that has nothing is made anew for each question, and all such are alike; one of which somebody sees a part too,
    and what it shows them is told by the rest.
    """
    if not frame.samples:
        return By(f"{_named(name)}, unknown", _nothing, descending, nullable=True)
    if frame.namespaces is None:
        return By(_named(name), value, descending, nullable=True, source=frame, seen=seen, beside=beside)
    part = (frame.question, frame.evaluated_at, frame.namespaces)
    return By(_named(name), value, descending, nullable=True, seen=(seen, part), beside=beside)


def _nothing(_row: object) -> None:
    return None


def _said(info: GraphInfo, measuring: Measuring[Any], name: MetricName) -> ValueOf:
    """What the objects themselves say."""
    said = measuring.said(info, name)
    return _nothing if isinstance(said, Missing) else said


def _within(scope: Scope, value: ValueOf) -> ValueOf:
    """Of those namespaces alone."""
    return lambda namespace: value(namespace) if namespace.name in scope else None


def _share(part: ValueOf, whole: ValueOf) -> ValueOf:
    def value(row: Any) -> float | None:
        measured, said = part(row), whole(row)
        return measured / said if isinstance(measured, float) and isinstance(said, (float, int)) and said else None

    return value


def _values(frame: MetricFrame, together: Callable[[Iterable[float]], float]) -> ValueOf:
    """The values that a frame shows of objects which existed when they were measured; of several series `together`."""
    evaluated, samples = _written(frame.evaluated_at), frame.samples

    def value(row: Any) -> Value:
        held = samples.get(row.namespace, NOTHING).get(row.name)
        if isinstance(held, float):  # nearly always, and 150,000 times
            return held if row.created_at <= evaluated else None
        return _value(held, row.created_at, evaluated, together)

    return value


def _value(
    held: "Held | None", created_at: str, evaluated: str, together: Callable[[Iterable[float]], float]
) -> float | None:
    if held is None:
        return None
    if isinstance(held, float):
        return held if created_at <= evaluated else None
    created = datetime.fromisoformat(created_at).timestamp()
    fresh = [each.value for each in held if each.value is not None and each.timestamp >= created]
    return together(fresh) if fresh else None


def _written(seconds: float) -> str:
    """A moment as Kubernetes writes moments: their texts compare as the moments do."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
