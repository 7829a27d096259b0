"""Lists of pods: which ones, in which order, a page of them, and counts of groups."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Annotated, Any, ClassVar, Final, Optional

import strawberry

from auth.access import SERVICES, Scope
from auth.errors import InvalidArgument
from schema.asking import filters
from schema.asking.connections import check_size
from schema.attention import PodAttention
from schema.enums import graphql_enum
from schema.execution.context import GraphInfo
from schema.execution.needs import FieldNeeds, Reach
from schema.lists.belonging import pairs
from schema.lists.by_metric import OfPods
from schema.lists.filter import (
    NamespacedFilter,
    ObjectFilter,
    Reads,
    at_least,
    element_of,
    exactly,
    filter_of,
    has_member,
    has_one_of,
    negated,
    one_of,
    selectable,
    text,
    texts,
    whether,
)
from schema.lists.listing import PLACE, Listing
from schema.lists.order import NAMESPACED_KEYS, Key
from schema.sources.described import Described
from schema.sources.kubernetes import kinds
from schema.sources.kubernetes.objects import PodRecord
from schema.sources.kubernetes.pod_details import SELECTABLE
from schema.sources.kubernetes.store import Snapshot


@dataclass(frozen=True, slots=True)
class BehindService(filters.Bound):
    """Whether a service of these names, in the pod's own namespace, selects it, as far as the caller may list services.

    Each set of labels is judged once, however many pods share it.
    """

    names: frozenset[str]

    def at(self, moment: filters.Moment) -> Mapping[tuple[str, filters.Labels], bool]:
        scope = moment.visibility.scope(SERVICES)
        services = moment.snapshot.services

        def judge(place: tuple[str, filters.Labels]) -> bool:
            namespace, labels = place
            if namespace not in scope:
                return False
            found = [service for name in self.names if (service := services.get(namespace, name)) is not None]
            return any(service.selector and pairs(service.selector) <= pairs(labels) for service in found)

        return filters.Verdicts(judge)


def behind_service(names: Iterable[str]) -> filters.Expression:
    return filters.Expression("{}[r.namespace, r.labels]", (BehindService(frozenset(names)),))


@strawberry.input(description=filter_of("Pods"))
class PodFilter(NamespacedFilter):
    # The API server knows `status.podIPs`, and never fills it.
    FIELDS: ClassVar[Mapping[str, str]] = {
        **NamespacedFilter.FIELDS,
        "spec.nodeName": "(r.node_name or '')",
        "spec.host": "(r.node_name or '')",
        "status.phase": "r.phase",
        "status.podIP": "(r.addresses[0] if r.addresses else '')",
        "status.podIPs": "''",
    }
    COLD: ClassVar[Mapping[str, Callable[[Any], str]]] = SELECTABLE
    PLAIN: ClassVar[Mapping[str, str]] = {
        **NamespacedFilter.PLAIN,
        "spec.nodeName": "node_name",
        "spec.host": "node_name",
    }

    address: str | None = element_of("addresses", "One of its IP addresses is exactly this; 255 bytes at most.")
    addresses: list[str] | None = has_one_of("addresses", "One of its IP addresses is one of these.")
    node_name: str | None = exactly("node_name", "On the node of this name; 255 bytes at most.")
    node_names: list[str] | None = one_of("node_name", "On one of these nodes.")
    scheduled: bool | None = whether("node_name", "Whether it was placed on a node.")
    phase: str | None = exactly("phase", "In exactly this phase, such as `Running`.")
    phases: list[str] | None = one_of("phase", "In one of these phases.")
    status: str | None = exactly("status", "In exactly this status, in kubectl's word, such as `CrashLoopBackOff`.")
    statuses: list[str] | None = one_of("status", "In one of these statuses.")
    attention: bool | None = whether(
        "attention", "Whether there is a reason why a person should look at it (`Pod.attention`)."
    )
    attention_reason: PodAttention | None = has_member("attention", "`Pod.attention` has this reason, beside others.")
    attention_reasons: list[PodAttention] | None = has_one_of("attention", "`Pod.attention` has one of these reasons.")
    ready: bool | None = whether("ready", "Whether its Ready condition is true.")
    min_restarts: int | None = at_least("restarts", "Restarted at least so often.")
    field_selector: str | None = selectable(
        "`status.phase!=Running,spec.nodeName=worker-1`. Fields: metadata.name, metadata.namespace, spec.nodeName, "
        "status.phase and status.podIP; also, read of each pod that all else keeps: spec.restartPolicy, "
        "spec.schedulerName, spec.serviceAccountName, spec.hostNetwork and status.nominatedNodeName."
    )
    service: str | None = text(
        "Selected by a service of this name in the pod's own namespace; 255 bytes at most. "
        "Needs the right to list services; in a namespace without it no pod matches.",
        lambda name: behind_service([name]),
        late=True,
        reads=Reads(SERVICES),
    )
    services: list[str] | None = texts(
        "Selected by a service of one of these names, understood as `service` is.",
        behind_service,
        late=True,
        reads=Reads(SERVICES),
    )
    not_: Optional["PodFilter"] = negated()


_KEYS: Final = NAMESPACED_KEYS | {
    "NODE": Key("node_name", "The name of its node; those without one stand last.", nullable=True),
    "PHASE": Key("phase", "Its phase, by the alphabet."),
    "STATUS": Key("status", "Its status in kubectl's word, by the alphabet."),
    "READY": Key("ready", "Whether it is ready."),
    "RESTARTS": Key("restarts", "How often its containers were restarted."),
    "CPU_REQUESTS": Key(
        "requests.cpu", "The processor time that it requests; pods that request none stand last.", nullable=True
    ),
    "MEMORY_REQUESTS": Key(
        "requests.memory", "The memory that it requests; pods that request none stand last.", nullable=True
    ),
}


class PodListing(Listing[PodRecord]):
    """Pods stand on nodes."""

    def _candidates(self, objects: Snapshot[PodRecord], scope: Scope, wanted: ObjectFilter) -> Iterable[PodRecord]:
        nodes = wanted.narrowing.get("node_name")
        if nodes is None or "uid" in wanted.narrowing or wanted.narrowing.keys() >= {"name", "namespace"}:
            return super()._candidates(objects, scope, wanted)
        return self._visible(scope, sorted((pod for name in nodes for pod in objects.on_node(name)), key=PLACE))


PODS: Final = PodListing(kinds.PODS, kinds.PODS.resource, PodFilter, _KEYS, ("pod", "pods"), OfPods())


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


PodFilterArgument = Annotated[
    PodFilter | None, strawberry.argument(description="Only the pods for which all of it holds.")
]


GroupLimit = Annotated[
    int | None, strawberry.argument(description="At most so many groups, the largest ones; left out: all.")
]


def pod_counts(
    info: GraphInfo,
    by: PodGroups,
    filter: PodFilterArgument = None,  # noqa: A002
    limit: GroupLimit = None,
) -> list[PodCount] | None:
    """How many pods the caller sees in each group that has any, the largest group first."""
    check_size("limit", limit)
    grouped_by = [_GROUPED_BY[group] for group in dict.fromkeys(by)]
    if not grouped_by:
        raise InvalidArgument("`by` is empty; name what to count by", argument="by")
    rows = PODS.matching(info, filter)
    if rows is None:
        return None
    columns = [map(attrgetter(each), rows) for each in grouped_by]
    groups: Counter[tuple[str | None, ...]] = Counter(zip(*columns, strict=True))
    ranked = sorted(groups.items(), key=lambda group: (-group[1], [value or "" for value in group[0]]))
    return [_count(dict(zip(grouped_by, values, strict=True)), count) for values, count in ranked[:limit]]


def _count(group: dict[str, str | None], count: int) -> PodCount:
    return PodCount(
        namespace=group.get("namespace"),
        node_name=group.get("node_name"),
        phase=group.get("phase"),
        status=group.get("status"),
        count=count,
    )


def pod_counts_needs(
    reach: Reach,
    by: list[PodGroup],  # noqa: ARG001
    filter: PodFilter | None = None,  # noqa: A002
    limit: int | None = None,  # noqa: ARG001
) -> FieldNeeds:
    return PODS.needs(reach, filter)
