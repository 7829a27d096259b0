"""Workloads: what keeps pods running. Numbers and words are kubectl's."""

import strawberry

from schema.condition import Condition, conditions_field
from schema.event import Event, happenings
from schema.execution.context import GraphInfo
from schema.execution.needs import FieldNeeds, Reach, needing
from schema.label import Label
from schema.lists.belonging import owned, pods_through, through_needs
from schema.lists.fields import belonging_field, reading
from schema.lists.pods import PODS
from schema.lists.workloads import JOBS, REPLICA_SETS
from schema.metric import Metric, MetricRange
from schema.object_fields import OWNER, NamespacedFields
from schema.owner import Owner
from schema.pod import Pod
from schema.scalars import DateTime
from schema.sources.kubernetes import kinds
from schema.sources.kubernetes.batch import JobRecord
from schema.sources.kubernetes.rollouts import RolloutState
from schema.summed import workload_metrics, workload_metrics_range

_WATCHED = "which the gateway watches from the first question on."
_OWN_PODS = "Its pods, by name. Needs the right to list pods in its namespace."


@strawberry.type(description="What every workload has.")
class _Workload(NamespacedFields):
    owner: Owner | None = strawberry.field(description=OWNER)
    images: list[str] = strawberry.field(description="The images of its pods' containers, in their order.")
    container_names: list[str] = strawberry.field(description="The names of its pods' containers, in their order.")


@strawberry.type(description="What every workload has that is rolled out.")
class _RolledOut(_Workload):
    rollout: RolloutState = strawberry.field(description="How far it is with its latest change.")
    rollout_text: str = strawberry.field(description="The same, in the words of `kubectl rollout status`.")
    strategy: str = strawberry.field(
        description="How pods are replaced: `RollingUpdate`, or `Recreate` (deployments) or `OnDelete` (others)."
    )
    selector: str | None = strawberry.field(description="Which pods are its own, as a label selector.")


@strawberry.type(
    description=f"A deployment: replicas of one pod, changed in steps. From the API server's deployments, {_WATCHED}"
)
class Deployment(_RolledOut):
    replicas: int = strawberry.field(description="How many pods are wanted.")
    current_replicas: int = strawberry.field(description="How many pods there are, old revisions included.")
    ready_replicas: int = strawberry.field(description="How many of them are ready.")
    updated_replicas: int = strawberry.field(description="How many of them are of the latest template (UP-TO-DATE).")
    available_replicas: int = strawberry.field(description="How many of them were ready for long enough (AVAILABLE).")
    ready_text: str = strawberry.field(description="Ready of wanted pods, as kubectl prints READY: `2/3`.")
    paused: bool = strawberry.field(description="Whether its rollouts are paused.")
    conditions: list[Condition] = conditions_field()
    events: list[Event] | None = happenings("Deployment")
    replica_sets: list["ReplicaSet"] | None = belonging_field(
        REPLICA_SETS, owned(REPLICA_SETS), "Its revisions, by name. Needs the right to list replica sets there."
    )
    pods: list[Pod] | None = belonging_field(
        PODS,
        pods_through(kinds.REPLICA_SET_OWNERS),
        "Its pods, by name: those of its replica sets. Needs the right to list pods and replica sets in its namespace.",
        reading(PODS.needs, through_needs(kinds.REPLICA_SET_OWNERS)),
    )
    metrics: list[Metric] = workload_metrics(
        pods_through(kinds.REPLICA_SET_OWNERS), through_needs(kinds.REPLICA_SET_OWNERS)
    )
    metrics_range: list[MetricRange] = workload_metrics_range(
        pods_through(kinds.REPLICA_SET_OWNERS), through_needs(kinds.REPLICA_SET_OWNERS)
    )


@strawberry.type(
    description=f"A replica set: one revision of a deployment, mostly. From the API server's replica sets, {_WATCHED}"
)
class ReplicaSet(_Workload):
    replicas: int = strawberry.field(description="How many pods are wanted (DESIRED).")
    current_replicas: int = strawberry.field(description="How many there are (CURRENT).")
    ready_replicas: int = strawberry.field(description="How many of them are ready (READY).")
    available_replicas: int = strawberry.field(description="How many of them were ready for long enough.")
    selector: str | None = strawberry.field(description="Which pods are its own, as a label selector.")
    conditions: list[Condition] = conditions_field()
    events: list[Event] | None = happenings("ReplicaSet")
    pods: list[Pod] | None = belonging_field(PODS, owned(PODS), _OWN_PODS)
    metrics: list[Metric] = workload_metrics(owned(PODS))
    metrics_range: list[MetricRange] = workload_metrics_range(owned(PODS))


@strawberry.type(
    description=f"A stateful set: pods with lasting names and volumes. From the API server's stateful sets, {_WATCHED}"
)
class StatefulSet(_RolledOut):
    replicas: int = strawberry.field(description="How many pods are wanted.")
    current_replicas: int = strawberry.field(description="How many there are, of either revision.")
    ready_replicas: int = strawberry.field(description="How many of them are ready.")
    updated_replicas: int = strawberry.field(description="How many of them are of the latest template.")
    available_replicas: int = strawberry.field(description="How many of them were ready for long enough.")
    ready_text: str = strawberry.field(description="Ready of wanted pods, as kubectl prints READY: `2/3`.")
    service_name: str | None = strawberry.field(description="The headless service that names its pods.")
    conditions: list[Condition] = conditions_field()
    events: list[Event] | None = happenings("StatefulSet")
    pods: list[Pod] | None = belonging_field(PODS, owned(PODS), _OWN_PODS)
    metrics: list[Metric] = workload_metrics(owned(PODS))
    metrics_range: list[MetricRange] = workload_metrics_range(owned(PODS))


@strawberry.type(
    description=f"A daemon set: one pod on every node that it is for. From the API server's daemon sets, {_WATCHED}"
)
class DaemonSet(_RolledOut):
    desired: int = strawberry.field(description="On how many nodes it is wanted (DESIRED).")
    current: int = strawberry.field(description="On how many of them it is (CURRENT).")
    ready: int = strawberry.field(description="On how many it is ready (READY).")
    updated: int = strawberry.field(description="On how many it is of the latest template (UP-TO-DATE).")
    available: int = strawberry.field(description="On how many it was ready for long enough (AVAILABLE).")
    misscheduled: int = strawberry.field(description="On how many nodes it is and should not be.")
    node_selector: list[Label] = strawberry.field(description="The labels of the nodes that it is for, by key.")
    conditions: list[Condition] = conditions_field()
    events: list[Event] | None = happenings("DaemonSet")
    pods: list[Pod] | None = belonging_field(PODS, owned(PODS), _OWN_PODS)
    metrics: list[Metric] = workload_metrics(owned(PODS))
    metrics_range: list[MetricRange] = workload_metrics_range(owned(PODS))


def _clock(_reach: Reach) -> FieldNeeds:
    return FieldNeeds(clock=True)


def _duration(root: strawberry.Parent[JobRecord], info: GraphInfo) -> float | None:
    return root.duration_seconds(info.context.view.now)


def _duration_text(root: strawberry.Parent[JobRecord], info: GraphInfo) -> str:
    return root.duration_text(info.context.view.now)


@strawberry.type(description=f"A job: pods that run until enough succeed. From the API server's jobs, {_WATCHED}")
class Job(_Workload):
    status: str = strawberry.field(description="As kubectl prints STATUS: such as `Running`, `Complete` or `Failed`.")
    completions: int | None = strawberry.field(description="How many pods must succeed; null: any one of them.")
    completions_text: str = strawberry.field(description="Succeeded of wanted, as kubectl prints COMPLETIONS: `1/1`.")
    parallelism: int | None = strawberry.field(description="How many pods may run at once.")
    active: int = strawberry.field(description="How many of its pods are running or waiting to.")
    ready: int = strawberry.field(description="How many of these are ready.")
    succeeded: int = strawberry.field(description="How many of its pods have succeeded.")
    failed: int = strawberry.field(description="How many of its pods have failed.")
    suspended: bool = strawberry.field(description="Whether it is suspended.")
    started_at: DateTime | None = strawberry.field(description="When it was started; null until it is.")
    completed_at: DateTime | None = strawberry.field(description="When it completed; null until, or if, it does.")
    duration: float | None = strawberry.field(
        resolver=_duration,
        metadata=needing(_clock),
        description="How long it took, or has taken so far, in seconds; null until it is started.",
    )
    duration_text: str = strawberry.field(
        resolver=_duration_text, metadata=needing(_clock), description="The same as kubectl prints DURATION: `3m10s`."
    )
    selector: str | None = strawberry.field(description="Which pods are its own, as a label selector.")
    conditions: list[Condition] = conditions_field()
    events: list[Event] | None = happenings("Job")
    pods: list[Pod] | None = belonging_field(PODS, owned(PODS), _OWN_PODS)
    metrics: list[Metric] = workload_metrics(owned(PODS))
    metrics_range: list[MetricRange] = workload_metrics_range(owned(PODS))


@strawberry.type(description=f"A cron job: a job at set times. From the API server's cron jobs, {_WATCHED}")
class CronJob(_Workload):
    schedule: str = strawberry.field(description="When, as cron writes it: `*/5 * * * *`.")
    time_zone: str | None = strawberry.field(description="In which time zone; null: in its controller's own.")
    suspended: bool = strawberry.field(description="Whether it is suspended.")
    concurrency_policy: str = strawberry.field(
        description="What happens when the last job still runs: `Allow`, `Forbid` or `Replace`."
    )
    active: int = strawberry.field(description="How many of its jobs are running (ACTIVE).")
    active_jobs: list[str] = strawberry.field(description="Their names.")
    last_scheduled_at: DateTime | None = strawberry.field(description="When it last started a job; null for never.")
    last_succeeded_at: DateTime | None = strawberry.field(description="When a job of it last succeeded.")
    events: list[Event] | None = happenings("CronJob")
    jobs: list[Job] | None = belonging_field(
        JOBS, owned(JOBS), "Its jobs that are kept, by name. Needs the right to list jobs in its namespace."
    )
    pods: list[Pod] | None = belonging_field(
        PODS,
        pods_through(kinds.JOBS),
        "The pods of its jobs, by name. Needs the right to list pods and jobs in its namespace.",
        reading(PODS.needs, through_needs(kinds.JOBS)),
    )
    metrics: list[Metric] = workload_metrics(pods_through(kinds.JOBS), through_needs(kinds.JOBS))
    metrics_range: list[MetricRange] = workload_metrics_range(pods_through(kinds.JOBS), through_needs(kinds.JOBS))
