"""The only place where a query waits: for rights, then for kinds that nobody watched yet, then for metrics."""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol, TypeAlias, final

from auth.access import ALL, NODES, PODS, Access, AccessNeed, Everywhere, Resource, Scope, Visibility
from auth.errors import NotSynced, ResourceVersionNotReached
from auth.identity import Identity
from auth.reviewers import Attributes, Decision
from schema.asking.indexes import Indexes
from schema.execution.cost import check_cost
from schema.execution.foresight import Foresight
from schema.execution.limits import LimitExceeded, located
from schema.execution.needs import MetricNeed, Needs, Reach
from schema.execution.settings import ExecutionSettings, LimitSettings
from schema.execution.versions import NO_VERSIONS, VersionsAsked
from schema.execution.view import View
from schema.sources.kubernetes.cluster import ClusterSnapshot, KindStatus
from schema.sources.kubernetes.kinds import STANDING, Kind, Record
from schema.sources.prometheus.catalogue import MEASURED, Level, MetricName
from schema.sources.prometheus.frames import MetricFrame, Missing, Question, Selector, TimeWindow
from schema.sources.prometheus.raw import RawDisabled, RawForbidden, RawOutcome, RawQuery

# Longer selectors cost Prometheus more than the rows that they save; from here on, all series are asked for.
NAMED_AT_MOST: Final = 256
NAMED_BYTES: Final = 16_384
# What else must be allowed, where `require_metrics_right` says so: what `kubectl top` needs.
_METRICS_OF_PODS: Final = Resource("metrics.k8s.io", "pods")
_METRICS_OF_NODES: Final = Resource("metrics.k8s.io", "nodes", namespaced=False)
METRICS_RIGHT: Final[Mapping[Level, Resource]] = {
    Level.CLUSTER: _METRICS_OF_NODES,
    Level.NODE: _METRICS_OF_NODES,
    Level.NAMESPACE: _METRICS_OF_PODS,
    Level.POD: _METRICS_OF_PODS,
    Level.CONTAINER: _METRICS_OF_PODS,
}
NOBODY: Final = Selector(names=frozenset())

Asked: TypeAlias = tuple[MetricName, Level, TimeWindow | None]


class KubernetesSource(Protocol):
    """What gather needs of the watch cache."""

    async def want(self, kinds: Iterable[Kind[Any]]) -> None: ...
    def snapshot(self, kinds: Iterable[Kind[Any]]) -> ClusterSnapshot: ...
    def troubled(self, kinds: Iterable[Kind[Any]]) -> Mapping[str, KindStatus]: ...
    async def reach(self, wanted: Mapping[Kind[Any], str], seconds: float) -> Mapping[Kind[Any], str]: ...


class MetricsSource(Protocol):
    """What gather needs of Prometheus. Never raises for a source's failure: the frames carry it."""

    async def frames(self, questions: Iterable[Question]) -> Mapping[Question, MetricFrame]: ...


class RawSource(Protocol):
    """What passes PromQL on. Never raises for a failure: the outcome says it."""

    async def raw_all(self, queries: Collection[RawQuery]) -> Mapping[RawQuery, RawOutcome]: ...


@dataclass(frozen=True, slots=True)
class PassingOn:
    """Whom PromQL of users' own is passed on to, and what somebody must be allowed to do for it."""

    source: RawSource
    right: Attributes


@final
class Gatherer:
    """Turns the needs of an operation and the identity of its caller into a View."""

    def __init__(  # noqa: PLR0913 - the sources, and how far each may be asked
        self,
        kubernetes: KubernetesSource,
        metrics: MetricsSource,
        access: Access,
        wall_clock: Callable[[], float] = time.time,
        limits: LimitSettings = LimitSettings(),  # noqa: B008 - it never changes
        *,
        require_metrics_right: bool = False,
        passing_on: PassingOn | None = None,
        execution: ExecutionSettings = ExecutionSettings(),  # noqa: B008 - nor does it
    ) -> None:
        self._kubernetes = kubernetes
        self._metrics = metrics
        self._access = access
        self._wall_clock = wall_clock
        self._indexes = Indexes()
        self._require_metrics_right = require_metrics_right
        self._passing_on = passing_on
        self._version_seconds = execution.min_resource_version_seconds
        self._cost_limit = limits.cost
        self._calls_limit = limits.calls

    async def view(self, identity: Identity, needs: Needs, versions: VersionsAsked = NO_VERSIONS) -> View:
        """Await what the operation needs. Raises NotSynced and ReviewsUnavailable: then nothing can be answered.

        Raises also BadRequest and ResourceVersionNotReached for versions that it cannot show.

        Raises also, before anything is asked of Prometheus, when the answer would cost more than the limit. A kind is
        watched for nobody who may not see it: the rights are known before.

        The view is of the moment after the last wait; where metrics were asked of single objects, of the moment before
        it: those that came in between would seem to have none.
        """
        if self._require_metrics_right:
            needs = replace(needs, access=needs.access | _metrics_rights(needs.metrics))
        wanted = versions.wanted(needs.kinds)
        self._check_standing(needs.kinds)
        self._check_calls(needs)
        visibility, rights, decisions = await self._permissions(identity, needs)
        kinds = [kind for kind in needs.kinds if kind in STANDING or _sees(visibility, kind, needs.access)]
        await self._kubernetes.want(kinds)
        if wanted:
            await self._reach({kind: wanted[kind] for kind in wanted if _sees(visibility, kind, needs.access)})
        troubled = self._kubernetes.troubled(kinds)
        snapshot = self._kubernetes.snapshot(needs.kinds)
        cost = check_cost(needs.costs, snapshot, visibility, self._cost_limit)
        now = self._wall_clock()
        refused = {key: status.reason for key, status in troubled.items() if status.refused}
        pending = {key: status.reason for key, status in troubled.items() if not status.synced and not status.refused}
        foresight = Foresight(View(snapshot, visibility, {}, refused, {}, now, indexes=self._indexes, pending=pending))
        questions = _questions(needs.metrics, foresight, now)
        frames, raw = await self._asked(questions.values(), visibility, needs.raw, decisions)
        if not foresight.used:  # else the answer shows what was asked about
            snapshot, now = self._kubernetes.snapshot(needs.kinds), self._wall_clock()
        return View(
            snapshot,
            visibility,
            {
                (metric, level): frames[question]
                for (metric, level, window), question in questions.items()
                if window is None
            },
            refused,
            _stale(troubled),
            now if needs.clock else 0.0,
            indexes=self._indexes,
            ranges={
                (metric, level, window): frames[question]
                for (metric, level, window), question in questions.items()
                if window is not None
            },
            pending=pending,
            rights=rights,
            decisions=decisions,
            raw=raw,
            cost=cost,
        )

    def at_once(self, identity: Identity, needs: Needs) -> View | None:
        """The view, if nothing has to be waited for or told beside it: to look for an answer over an equal one.

        What it costs is not estimated: an answer over an equal view has been within the limit.
        """
        if not needs.at_once or self._kubernetes.troubled(needs.kinds):
            return None
        visibility = self._access.known(identity, needs.access)
        if visibility is None:
            return None
        return View(self._kubernetes.snapshot(needs.kinds), visibility, {}, {}, {}, indexes=self._indexes)

    def forget(self, kind: Kind[Any]) -> None:
        """Let go of what is kept of a kind that is no longer watched."""
        self._indexes.forget(kind.key)

    async def _reach(self, wanted: Mapping[Kind[Any], str]) -> None:
        """Wait for what the answer must show: only of kinds that its caller sees, or the wait would tell of others."""
        for kind, seen in (await self._kubernetes.reach(wanted, self._version_seconds)).items():
            raise ResourceVersionNotReached(kind.name, wanted=wanted[kind], seen=seen)

    async def _permissions(
        self, identity: Identity, needs: Needs
    ) -> tuple[Visibility, Visibility, Mapping[Attributes, Decision]]:
        """What the caller sees of what is read, what they may list, and what they may do; all asked together."""
        decisions = list(needs.decisions)
        if needs.raw and self._passing_on is not None:
            decisions.append(self._passing_on.right)
        if not needs.rights and not decisions:
            return await self._access.visibility(identity, needs.access), Visibility({}), {}
        return await asyncio.gather(
            self._access.visibility(identity, needs.access),
            self._access.visibility(identity, needs.rights),
            self._access.decisions(identity, decisions),
        )

    async def _asked(
        self,
        questions: Collection[Question],
        visibility: Visibility,
        queries: Collection[RawQuery],
        decisions: Mapping[Attributes, Decision],
    ) -> tuple[Mapping[Question, MetricFrame], Mapping[RawQuery, RawOutcome]]:
        """What Prometheus is asked, all together."""
        if not queries:
            return await self._frames(questions, visibility), {}
        return await asyncio.gather(self._frames(questions, visibility), self._raw(queries, decisions))

    async def _raw(
        self, queries: Collection[RawQuery], decisions: Mapping[Attributes, Decision]
    ) -> Mapping[RawQuery, RawOutcome]:
        """What becomes of each query; only those of who may ask it leave the gateway."""
        if not queries or self._passing_on is None:
            return dict.fromkeys(queries, RawDisabled())
        if not decisions[self._passing_on.right].allowed:
            return dict.fromkeys(queries, RawForbidden(self._passing_on.right))
        return await self._passing_on.source.raw_all(queries)

    async def _frames(self, questions: Collection[Question], visibility: Visibility) -> Mapping[Question, MetricFrame]:
        """A frame for every question; those that no object is in reach of are empty, and not asked."""
        scopes = {question: self._metrics_scope(question.level, visibility) for question in questions}
        asked = [question for question, scope in scopes.items() if scope and not question.selector.empty]
        frames = dict(await self._metrics.frames(asked)) if asked else {}
        return {question: _seen(question, frames.get(question), scope) for question, scope in scopes.items()}

    def _metrics_scope(self, level: Level, visibility: Visibility) -> Scope:
        return visibility.scope(METRICS_RIGHT[level]) if self._require_metrics_right else ALL

    def _check_calls(self, needs: Needs) -> None:
        """Raises LimitExceeded for an operation of which too many fields cost a call each, before any is made."""
        nodes = [*needs.decisions.values(), *needs.raw.values()]
        if len(nodes) > self._calls_limit:
            what = "The operation has {got} different `can` and `prometheus`, each of which may cost a call of its own"
            refusal = LimitExceeded("calls", what, got=len(nodes), limit=self._calls_limit)
            raise located(refusal, nodes[self._calls_limit])

    def _check_standing(self, kinds: Iterable[Kind[Any]]) -> None:
        """Raises NotSynced at the gateway's own start. A kind on demand that is late costs its own fields alone."""
        for kind, status in self._kubernetes.troubled(kind for kind in kinds if kind in STANDING).items():
            if not status.synced and not status.refused:
                raise NotSynced(f"The first list of {kind} is still on its way", kind=kind)


def _metrics_rights(needs: Iterable[MetricNeed]) -> frozenset[AccessNeed]:
    """What these metrics need beside the right to their objects, in the namespaces that they are asked of."""
    return frozenset(
        AccessNeed(right, need.reach.namespaces if right.namespaced else None)
        for need in needs
        for right in (METRICS_RIGHT[need.level],)
    )


def _seen(question: Question, frame: MetricFrame | None, scope: Scope) -> MetricFrame:
    """The frame as far as the caller may see metrics."""
    if not scope:
        return MetricFrame.failed(question, Missing.FORBIDDEN, "", 0.0)
    if frame is None:
        return MetricFrame(question, {})
    return frame if isinstance(scope, Everywhere) else frame.within(scope)


def _sees(visibility: Visibility, kind: Kind[Any], needs: Iterable[AccessNeed]) -> bool:
    """Whether the caller may see anything of the kind that the operation asks for."""
    if visibility.scope(kind.resource):
        return True
    return any(
        visibility.reads(need.resource, namespace, need.name)
        for need in needs
        if need.name and need.resource == kind.resource
        for namespace in need.namespaces or ("",)
    )


def _stale(troubled: Mapping[str, KindStatus]) -> dict[str, int]:
    ages = {key: status.age for key, status in troubled.items() if status.synced and not status.live}
    return {key: round(age) for key, age in ages.items() if age is not None}


def _questions(needs: Iterable[MetricNeed], foresight: Foresight, now: float) -> dict[Asked, Question]:
    """One question per metric, level and window: the union of what its fields can come to."""
    reaches: dict[Asked, set[Reach]] = {}
    for need in needs:
        asked = need.metric.measured  # None: what the objects say themselves
        if asked is not None and need.metric in MEASURED[need.level]:  # else its resolver says that there is none
            reaches.setdefault((asked, need.level, need.window), set()).add(need.reach)
    return {
        (metric, level, window): Question(
            metric,
            level,
            _selector(level, wanted, foresight),
            None if window is None else window.at(now),
        )
        for (metric, level, window), wanted in reaches.items()
    }


def _selector(level: Level, reaches: Collection[Reach], foresight: Foresight) -> Selector:
    """The objects in reach by name, where they are few; else their namespaces, where those are few; else all."""
    match level:
        case Level.CLUSTER:
            return Selector() if isinstance(foresight.context.view.visibility.scope(NODES), Everywhere) else NOBODY
        case Level.NODE:
            return Selector(names=_bounded(_union(_names(foresight.of(reach.rows)) for reach in reaches)))
        case Level.NAMESPACE:
            named = [(_names(foresight.of(reach.rows)), reach.namespaces) for reach in reaches]
            parts = (_with_pods(within if names is None else names, foresight) for names, within in named)
            return Selector(namespaces=_bounded(_union(parts)))
        case Level.POD | Level.CONTAINER:
            pods = [(reach.namespaces, foresight.of(reach.rows)) for reach in reaches]
            places = (_with_pods(within, foresight) if rows is None else _places(rows) for within, rows in pods)
            return Selector(
                namespaces=_bounded(_union(places)), names=_bounded(_union(_names(rows) for _, rows in pods))
            )


def _names(rows: Iterable[Record] | None) -> frozenset[str] | None:
    return None if rows is None else frozenset(row.name for row in rows)


def _places(rows: Iterable[Record]) -> frozenset[str]:
    return frozenset(row.namespace for row in rows)


def _with_pods(namespaces: frozenset[str] | None, foresight: Foresight) -> frozenset[str] | None:
    """Of these namespaces those that have pods which the caller may list: no others ever reach PromQL."""
    view = foresight.context.view
    scope = view.visibility.scope(PODS)
    if namespaces is not None:
        return frozenset(name for name in namespaces if name in scope and view.snapshot.pods.count_in(name))
    return None if isinstance(scope, Everywhere) else scope


def _union(parts: Iterable[frozenset[str] | None]) -> frozenset[str] | None:
    """All names of all parts; None (everything) as soon as one part is everything."""
    union: frozenset[str] = frozenset()
    for part in parts:
        if part is None:
            return None
        union |= part
    return union


def _bounded(names: frozenset[str] | None) -> frozenset[str] | None:
    """All (None) where there are too many to name."""
    if names is None or len(names) > NAMED_AT_MOST or sum(map(len, names)) > NAMED_BYTES:
        return None
    return names
