"""The kinds the gateway watches: where the API server keeps them, and how bytes become records."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

import msgspec
from msgspec import Struct

from auth.access import Resource
from schema.sources.kubernetes.autoscaling import AutoscalerRecord, WireAutoscaler, autoscaler_record
from schema.sources.kubernetes.batch import CronJobRecord, JobRecord, WireCronJob, WireJob, cron_job_record, job_record
from schema.sources.kubernetes.claims import Claimed, NamespaceClaims
from schema.sources.kubernetes.cold import Body, ColdTier, Rest
from schema.sources.kubernetes.disruption import DisruptionBudgetRecord, WireDisruptionBudget, disruption_budget_record
from schema.sources.kubernetes.events import EventRecord, WireEvent, event_record
from schema.sources.kubernetes.objects import (
    NamespaceRecord,
    NodeRecord,
    PodRecord,
    Sharing,
    WireNamespace,
    WireNode,
    WirePod,
    namespace_record,
    node_record,
    pod_record,
)
from schema.sources.kubernetes.owned import OwnedRecord, WireOwned, owned_record
from schema.sources.kubernetes.quotas import ResourceQuotaRecord, WireResourceQuota, resource_quota_record
from schema.sources.kubernetes.services import ServiceRecord, WireService, service_record
from schema.sources.kubernetes.volume_claims import VolumeClaimRecord, WireVolumeClaim, volume_claim_record
from schema.sources.kubernetes.wire import CLUSTER_SCOPED
from schema.sources.kubernetes.workloads import (
    DaemonSetRecord,
    DeploymentRecord,
    ReplicaSetRecord,
    StatefulSetRecord,
    WireDaemonSet,
    WireDeployment,
    WireReplicaSet,
    WireStatefulSet,
    daemon_set_record,
    deployment_record,
    replica_set_record,
    stateful_set_record,
)


class Record(Protocol):
    """What every record has. Cluster-scoped ones have the namespace ""."""

    @property
    def uid(self) -> str: ...
    @property
    def resource_version(self) -> str: ...
    @property
    def namespace(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def rest(self) -> Rest: ...


R = TypeVar("R", bound=Record)
R_contra = TypeVar("R_contra", contravariant=True)


class Sums(Protocol[R_contra]):
    """What a store sums over its objects, fed with each change; an object stays in its namespace."""

    def take(self, before: R_contra | None, after: R_contra | None) -> None: ...
    def frozen(self) -> Mapping[str, Claimed]: ...


class Identity(Struct, frozen=True, gc=False):
    """Where an object stands, and as of when."""

    namespace: str = CLUSTER_SCOPED
    name: str = ""
    resource_version: str = msgspec.field(name="resourceVersion", default="")


class OddObject(Exception):  # noqa: N818 - the object is odd; the list it stands in is fine
    """One object that cannot be read, and is left out. Its identity is empty if not even that could be read."""

    def __init__(self, identity: Identity, reason: str) -> None:
        super().__init__(f"{identity.namespace}/{identity.name}: {reason}")
        self.identity = identity
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Kind(Generic[R]):
    """One kind of object: its path, its record, and what its store counts and groups by.

    `metadata_only` kinds are asked for as PartialObjectMetadata: who owns what costs a tenth of what the objects do.
    """

    name: str  # the plural in paths: "pods"
    kind: str  # "Pod"
    wire: type[Any]
    make: Callable[[Any, Rest, Sharing], R]  # of what `wire` decoded, and the whole object in the cold tier
    counted_by: tuple[str, ...] = ()  # attributes of the record
    grouped_by: str | None = None  # an attribute of the record; what has None there is in no group
    api_version: str = "v1"
    summing: Callable[[], Sums[R]] | None = None  # makes what its store sums
    namespaced: bool = True
    metadata_only: bool = False
    bookmarks: bool = True  # about once a minute the API server says how far its watch is; of events it does not

    @property
    def group(self) -> str:
        """The API group, "" for the core group."""
        return self.api_version.rpartition("/")[0]

    @property
    def resource(self) -> Resource:
        """The kind as RBAC names it."""
        return Resource(self.group, self.name, self.namespaced)

    @property
    def key(self) -> str:
        """What the kind is called wherever kinds are told apart: its plural name."""
        return f"{self.name}/metadata" if self.metadata_only else self.name

    @property
    def rule(self) -> str:
        """What a role must say so that this kind can be watched, as a person would write it there."""
        return f'{{apiGroups: ["{self.group}"], resources: ["{self.name}"], verbs: ["list", "watch"]}}'

    def path(self, namespace: str = "") -> str:
        """The path of all of them, or of those in one namespace."""
        root = f"/apis/{self.api_version}" if "/" in self.api_version else f"/api/{self.api_version}"
        return f"{root}/namespaces/{namespace}/{self.name}" if namespace else f"{root}/{self.name}"


class Decoder(Generic[R]):
    """One object's bytes to its record, and back to the whole object."""

    def __init__(self, kind: Kind[R], sharing: Sharing) -> None:
        self._kind = kind
        self._sharing = sharing
        self._wire = msgspec.json.Decoder(kind.wire)
        self._cold = ColdTier()

    def decode(self, body: Body) -> R:
        """The record of one object as the API server sent it; raises OddObject."""
        try:
            wire = self._wire.decode(body)
            return self._kind.make(wire, self._cold.pack(body, wire.metadata.managed_fields), self._sharing)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:  # no such type, no quantity, too deep
            raise OddObject(identity(body), str(error)) from None

    def rest(self, record: R) -> dict[str, Any]:
        """The whole object behind a record that this decoder made, without what cold.py leaves out.

        Safe to call from any thread.
        """
        # items of a list do not say what they are
        return {"apiVersion": self._kind.api_version, "kind": self._kind.kind, **record.rest.whole()}


class _Identified(Struct, frozen=True, gc=False):
    metadata: Identity


_identified: Final = msgspec.json.Decoder(_Identified)


def identity(body: Body) -> Identity:
    """The identity of an object of any kind; an empty one if it has none."""
    try:
        return _identified.decode(body).metadata
    except (msgspec.MsgspecError, RecursionError):
        return Identity()


NODES: Final[Kind[NodeRecord]] = Kind(
    "nodes",
    "Node",
    WireNode,
    node_record,
    counted_by=("status", "zone", "instance_type", "pool"),
    namespaced=False,
)
PODS: Final[Kind[PodRecord]] = Kind(
    "pods",
    "Pod",
    WirePod,
    pod_record,
    counted_by=("phase", "status"),
    grouped_by="node_name",
    summing=NamespaceClaims,
)
NAMESPACES: Final[Kind[NamespaceRecord]] = Kind(
    "namespaces", "Namespace", WireNamespace, namespace_record, counted_by=("phase",), namespaced=False
)
SERVICES: Final[Kind[ServiceRecord]] = Kind("services", "Service", WireService, service_record)

DEPLOYMENTS: Final[Kind[DeploymentRecord]] = Kind(
    "deployments", "Deployment", WireDeployment, deployment_record, counted_by=("rollout",), api_version="apps/v1"
)
REPLICA_SETS: Final[Kind[ReplicaSetRecord]] = Kind(
    "replicasets", "ReplicaSet", WireReplicaSet, replica_set_record, api_version="apps/v1"
)
# Who owns the replica sets that own pods: what the workload behind a pod needs, without every old template.
REPLICA_SET_OWNERS: Final[Kind[OwnedRecord]] = Kind(
    "replicasets", "ReplicaSet", WireOwned, owned_record, api_version="apps/v1", metadata_only=True
)
STATEFUL_SETS: Final[Kind[StatefulSetRecord]] = Kind(
    "statefulsets", "StatefulSet", WireStatefulSet, stateful_set_record, counted_by=("rollout",), api_version="apps/v1"
)
DAEMON_SETS: Final[Kind[DaemonSetRecord]] = Kind(
    "daemonsets", "DaemonSet", WireDaemonSet, daemon_set_record, counted_by=("rollout",), api_version="apps/v1"
)
JOBS: Final[Kind[JobRecord]] = Kind("jobs", "Job", WireJob, job_record, counted_by=("status",), api_version="batch/v1")
CRON_JOBS: Final[Kind[CronJobRecord]] = Kind(
    "cronjobs", "CronJob", WireCronJob, cron_job_record, api_version="batch/v1"
)
EVENTS: Final[Kind[EventRecord]] = Kind(
    "events", "Event", WireEvent, event_record, counted_by=("type", "reason"), grouped_by="about", bookmarks=False
)
VOLUME_CLAIMS: Final[Kind[VolumeClaimRecord]] = Kind(
    "persistentvolumeclaims",
    "PersistentVolumeClaim",
    WireVolumeClaim,
    volume_claim_record,
    counted_by=("status",),
)
RESOURCE_QUOTAS: Final[Kind[ResourceQuotaRecord]] = Kind(
    "resourcequotas", "ResourceQuota", WireResourceQuota, resource_quota_record
)
DISRUPTION_BUDGETS: Final[Kind[DisruptionBudgetRecord]] = Kind(
    "poddisruptionbudgets",
    "PodDisruptionBudget",
    WireDisruptionBudget,
    disruption_budget_record,
    api_version="policy/v1",
)
AUTOSCALERS: Final[Kind[AutoscalerRecord]] = Kind(
    "horizontalpodautoscalers",
    "HorizontalPodAutoscaler",
    WireAutoscaler,
    autoscaler_record,
    api_version="autoscaling/v2",
)

# Watched as long as the process runs: what nearly every question asks for.
STANDING: Final[tuple[Kind[Any], ...]] = (NODES, PODS, NAMESPACES, SERVICES)
# Watched from the first question of somebody who may see the kind until nobody has asked for it for a while.
ON_DEMAND: Final[tuple[Kind[Any], ...]] = (
    DEPLOYMENTS,
    REPLICA_SETS,
    REPLICA_SET_OWNERS,
    STATEFUL_SETS,
    DAEMON_SETS,
    JOBS,
    CRON_JOBS,
    EVENTS,
    VOLUME_CLAIMS,
    RESOURCE_QUOTAS,
    DISRUPTION_BUDGETS,
    AUTOSCALERS,
)
# The kind behind a right. Of two kinds of one resource, the one with whole objects: who needs the other says so.
KINDS: Final[Mapping[Resource, Kind[Any]]] = {
    kind.resource: kind for kind in (*STANDING, *ON_DEMAND) if not kind.metadata_only
}
