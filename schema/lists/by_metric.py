"""Orders by metrics: whose numbers are read, what of them is a row's, and what that needs beside the rows."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, final

from auth.access import PODS, Everywhere, Resource
from schema.asking.orders import By, Value, ValueOf
from schema.execution.context import GraphInfo
from schema.execution.foresight import Rows, Through
from schema.measured import MEASURED_NAMESPACES, MEASURED_PODS, SUMMED
from schema.metric import Measuring, frame_of, no_order
from schema.sources.kubernetes.kinds import Kind
from schema.sources.kubernetes.objects import PodRecord
from schema.sources.prometheus.catalogue import SHARES, Level, MetricName
from schema.sources.prometheus.frames import NOTHING, MetricFrame, Missing


class MetricOrders(ABC):
    """How the rows of one kind are ordered by metrics."""

    level: Level  # of the frames
    needs: ClassVar[str] = ""  # in prose
    reads: Collection[Resource] = ()  # to be listed where the rows are
    kinds: Collection[Kind[Any]] = ()  # of which only the metadata is watched

    @abstractmethod
    def by(self, info: GraphInfo, name: MetricName, *, descending: bool) -> By:
        """Rows that have no value, or none that the caller may see, stand last. Raises InvalidArgument."""

    def measured(self, rows: Rows | None) -> Rows | None:
        """The objects that are asked about, to order these rows."""
        return rows


@final
class Own(MetricOrders):
    """Of pods and nodes: each has its own numbers, and who sees it sees these."""

    def __init__(self, measuring: Measuring[Any]) -> None:
        self.level = measuring.level
        self._measuring = measuring

    def by(self, info: GraphInfo, name: MetricName, *, descending: bool) -> By:
        frame = frame_of(info, name, self.level)
        value = _values(frame, max)
        if name in SHARES:
            value = _share(value, _said(info, self._measuring, name))
        return By(name.name, value, descending, nullable=True, source=frame)


@final
class OfNamespaces(MetricOrders):
    """Summed by Prometheus; for those who may list the pods there."""

    level = Level.NAMESPACE
    needs = " Needs the right to list pods; namespaces in which it is missing stand last."
    reads = (PODS,)

    def by(self, info: GraphInfo, name: MetricName, *, descending: bool) -> By:
        frame = frame_of(info, name, self.level)
        scope = info.context.view.visibility.scope(PODS)
        own = _values(frame, max)
        if name in SHARES:
            own = _share(own, _said(info, MEASURED_NAMESPACES, name))

        def value(namespace: Any) -> Value:
            return own(namespace) if namespace.name in scope else None

        fleeting = name in SHARES or not isinstance(scope, Everywhere)
        return By(name.name, value, descending, nullable=True, source=frame, fleeting=fleeting)


@final
class OfWorkloads(MetricOrders):
    """Summed over the pods that they have now, so that no index is kept by them."""

    level = Level.POD
    needs = " The sum over its pods; needs the right to list these. Where it is missing: last."

    def __init__(self, pods_of: Callable[[Any, GraphInfo], Any], through: Kind[Any] | None = None) -> None:
        self._pods_of = pods_of
        self.reads = (PODS,) if through is None else (PODS, through.resource)
        self.kinds = () if through is None else (through,)

    def by(self, info: GraphInfo, name: MetricName, *, descending: bool) -> By:
        if name not in SUMMED:
            raise no_order(name, "workload")
        frame = frame_of(info, name, self.level)
        part = self._sum(info, _values(frame, sum))
        if name in SHARES:
            part = _share(part, self._sum(info, _said(info, MEASURED_PODS, name)))
        return By(name.name, part, descending, nullable=True, source=frame, fleeting=True)

    def measured(self, rows: Rows | None) -> Rows | None:
        return Through(rows, self._pods)

    def _pods(self, root: Any, info: GraphInfo) -> Iterable[PodRecord]:
        """Those that the caller may see. Where they may not, nothing is asked, which would tell a missing right."""
        visibility = info.context.view.visibility
        if any(root.namespace not in visibility.scope(each) for each in self.reads):
            return ()
        among = self._pods_of(root, info)
        return () if among is None else [pod for pod in among.rows if pod.namespace == root.namespace]

    def _sum(self, info: GraphInfo, of: Callable[[PodRecord], Any]) -> ValueOf:
        def value(root: Any) -> float | None:
            known = [value for value in map(of, self._pods(root, info)) if value is not None]
            return sum(known) if known else None

        return value


OF_NAMESPACES: Final = OfNamespaces()


def _said(info: GraphInfo, measuring: Measuring[Any], share: MetricName) -> ValueOf:
    """What the objects themselves say that it is a share of."""
    whole = measuring.said(info, SHARES[share][1])
    return (lambda _row: None) if isinstance(whole, Missing) else whole


def _share(part: ValueOf, whole: ValueOf) -> ValueOf:
    def value(row: Any) -> float | None:
        measured, said = part(row), whole(row)
        return measured / said if isinstance(measured, float) and isinstance(said, (float, int)) and said else None

    return value


def _values(frame: MetricFrame, together: Callable[[Iterable[float]], float]) -> ValueOf:
    """The values that a frame shows of objects which existed when they were measured; of several series `together`."""
    evaluated = datetime.fromtimestamp(frame.evaluated_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def value(row: Any) -> float | None:
        held = frame.samples.get(row.namespace, NOTHING).get(row.name)
        if held is None:
            return None
        if isinstance(held, float):  # nearly always, and 150,000 times
            return held if row.created_at <= evaluated else None
        created = datetime.fromisoformat(row.created_at).timestamp()
        fresh = [each.value for each in held if each.value is not None and each.timestamp >= created]
        return together(fresh) if fresh else None

    return value
