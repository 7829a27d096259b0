"""Lists of what keeps pods running: deployments, replica sets, stateful sets, daemon sets, jobs and cron jobs."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final, Optional

import strawberry

from schema.asking.filters import Expression
from schema.enums import graphql_enum
from schema.lists.belonging import owned, pods_through
from schema.lists.by_metric import OfWorkloads
from schema.lists.filter import (
    NamespacedFilter,
    Test,
    element_of,
    exactly,
    filter_of,
    has_one_of,
    negated,
    one_of,
    selectable,
    tested,
    text,
    unchecked,
    whether,
)
from schema.lists.listing import Listing
from schema.lists.order import NAMESPACED_KEYS, Key
from schema.lists.pods import PODS
from schema.sources.kubernetes import kinds
from schema.sources.kubernetes.batch import CronJobRecord, JobRecord
from schema.sources.kubernetes.rollouts import RolloutState
from schema.sources.kubernetes.workloads import (
    DaemonSetRecord,
    DeploymentRecord,
    ReplicaSetRecord,
    StatefulSetRecord,
)

graphql_enum(RolloutState, "RolloutState", "How far a workload is with its latest change.")


def _ready(description: str, ready: str = "ready_replicas", wanted: str = "replicas") -> Any:
    """Whether as many pods are ready as are wanted."""

    def expression(_filter: object, _at: str, is_ready: bool) -> Expression:  # noqa: FBT001 - the field's value
        return Expression(f"r.{ready} {'>=' if is_ready else '<'} r.{wanted}")

    return tested(description, Test(unchecked, expression))


_READY: Final = "Whether as many of its pods are ready as are wanted."
_ROLLOUT: Final = "Exactly so far with its latest change."
_ROLLOUTS: Final = "So far with its latest change as one of these says."


@strawberry.input(description="Workloads for which everything that is given holds.")
class WorkloadFilter(NamespacedFilter):
    """What the filter of every kind has that keeps pods running."""

    image: str | None = element_of("images", "One of its containers asks for exactly this image.")
    images: list[str] | None = has_one_of("images", "One of its containers asks for one of these images.")
    image_contains: str | None = text(
        "The image of one of its containers contains this, such as `nginx`.",
        lambda part: Expression("any({} in image for image in r.images)", (part,)),
    )


@strawberry.input(description=filter_of("Deployments"))
class DeploymentFilter(WorkloadFilter):
    rollout: RolloutState | None = exactly("rollout", _ROLLOUT)
    rollouts: list[RolloutState] | None = one_of("rollout", _ROLLOUTS)
    ready: bool | None = _ready(_READY)
    paused: bool | None = whether("paused", "Whether its rollouts are paused.")
    not_: Optional["DeploymentFilter"] = negated()


@strawberry.input(description=filter_of("Replica sets"))
class ReplicaSetFilter(WorkloadFilter):
    ready: bool | None = _ready(_READY)
    wanted: bool | None = whether("replicas", "Whether any pods of it are wanted: old revisions want none.")
    not_: Optional["ReplicaSetFilter"] = negated()


@strawberry.input(description=filter_of("Stateful sets"))
class StatefulSetFilter(WorkloadFilter):
    rollout: RolloutState | None = exactly("rollout", _ROLLOUT)
    rollouts: list[RolloutState] | None = one_of("rollout", _ROLLOUTS)
    ready: bool | None = _ready(_READY)
    not_: Optional["StatefulSetFilter"] = negated()


@strawberry.input(description=filter_of("Daemon sets"))
class DaemonSetFilter(WorkloadFilter):
    rollout: RolloutState | None = exactly("rollout", _ROLLOUT)
    rollouts: list[RolloutState] | None = one_of("rollout", _ROLLOUTS)
    ready: bool | None = _ready("Whether it is ready on as many nodes as it is wanted on.", "ready", "desired")
    not_: Optional["DaemonSetFilter"] = negated()


@strawberry.input(description=filter_of("Jobs"))
class JobFilter(WorkloadFilter):
    FIELDS: ClassVar[Mapping[str, str]] = {**NamespacedFilter.FIELDS, "status.successful": "'%d' % r.succeeded"}

    status: str | None = exactly("status", "In exactly this status, in kubectl's word, such as `Complete`.")
    statuses: list[str] | None = one_of("status", "In one of these statuses.")
    suspended: bool | None = whether("suspended", "Whether it is suspended.")
    field_selector: str | None = selectable("Fields: metadata.name, metadata.namespace and status.successful.")
    not_: Optional["JobFilter"] = negated()


@strawberry.input(description=filter_of("Cron jobs"))
class CronJobFilter(WorkloadFilter):
    suspended: bool | None = whether("suspended", "Whether it is suspended.")
    active: bool | None = whether("active", "Whether jobs of it are running.")
    not_: Optional["CronJobFilter"] = negated()


_REPLICAS: Final = {
    "REPLICAS": Key("replicas", "How many pods are wanted."),
    "READY_REPLICAS": Key("ready_replicas", "How many of its pods are ready."),
}
_ROLLS: Final = {"ROLLOUT": Key("rollout", "How far it is with its latest change, by the alphabet.")}

DEPLOYMENTS: Final[Listing[DeploymentRecord]] = Listing(
    kinds.DEPLOYMENTS,
    kinds.DEPLOYMENTS.resource,
    DeploymentFilter,
    NAMESPACED_KEYS | _REPLICAS | _ROLLS,
    ("deployment", "deployments"),
    OfWorkloads(kinds.DEPLOYMENTS, pods_through(kinds.REPLICA_SET_OWNERS), kinds.REPLICA_SET_OWNERS),
)
REPLICA_SETS: Final[Listing[ReplicaSetRecord]] = Listing(
    kinds.REPLICA_SETS,
    kinds.REPLICA_SETS.resource,
    ReplicaSetFilter,
    NAMESPACED_KEYS | _REPLICAS,
    ("replica set", "replica sets"),
    OfWorkloads(kinds.REPLICA_SETS, owned(PODS)),
)
STATEFUL_SETS: Final[Listing[StatefulSetRecord]] = Listing(
    kinds.STATEFUL_SETS,
    kinds.STATEFUL_SETS.resource,
    StatefulSetFilter,
    NAMESPACED_KEYS | _REPLICAS | _ROLLS,
    ("stateful set", "stateful sets"),
    OfWorkloads(kinds.STATEFUL_SETS, owned(PODS)),
)
DAEMON_SETS: Final[Listing[DaemonSetRecord]] = Listing(
    kinds.DAEMON_SETS,
    kinds.DAEMON_SETS.resource,
    DaemonSetFilter,
    NAMESPACED_KEYS
    | _ROLLS
    | {
        "DESIRED": Key("desired", "On how many nodes it is wanted."),
        "READY": Key("ready", "On how many nodes it is ready."),
    },
    ("daemon set", "daemon sets"),
    OfWorkloads(kinds.DAEMON_SETS, owned(PODS)),
)
JOBS: Final[Listing[JobRecord]] = Listing(
    kinds.JOBS,
    kinds.JOBS.resource,
    JobFilter,
    NAMESPACED_KEYS
    | {
        "STATUS": Key("status", "Its status in kubectl's word, by the alphabet."),
        "STARTED_AT": Key("started_at", "When it was started; those that were not stand last.", nullable=True),
        "FAILED": Key("failed", "How many of its pods have failed."),
    },
    ("job", "jobs"),
    OfWorkloads(kinds.JOBS, owned(PODS)),
)
CRON_JOBS: Final[Listing[CronJobRecord]] = Listing(
    kinds.CRON_JOBS,
    kinds.CRON_JOBS.resource,
    CronJobFilter,
    NAMESPACED_KEYS
    | {
        "LAST_SCHEDULED_AT": Key("last_scheduled_at", "When it last started a job; never: last.", nullable=True),
        "ACTIVE": Key("active", "How many jobs of it are running."),
    },
    ("cron job", "cron jobs"),
    OfWorkloads(kinds.CRON_JOBS, pods_through(kinds.JOBS), kinds.JOBS),
)
