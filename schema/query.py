"""The root of every query."""

import strawberry

from schema.cluster import Cluster
from schema.event import Event
from schema.execution.needs import needing
from schema.lists.connection import Connection
from schema.lists.events import EVENTS
from schema.lists.fields import look_up_field, look_up_named_field, page_field, rows_field
from schema.lists.namespaces import NAMESPACES
from schema.lists.nodes import NODES
from schema.lists.pods import PODS, PodCount, pod_counts, pod_counts_needs
from schema.lists.policies import AUTOSCALERS, DISRUPTION_BUDGETS, RESOURCE_QUOTAS, VOLUME_CLAIMS
from schema.lists.services import SERVICES
from schema.lists.workloads import CRON_JOBS, DAEMON_SETS, DEPLOYMENTS, JOBS, REPLICA_SETS, STATEFUL_SETS
from schema.me import Me, who_asks
from schema.namespace import Namespace
from schema.node import Node
from schema.pod import Pod
from schema.promql import DESCRIPTION as PROMQL
from schema.promql import PrometheusResult, promql, promql_needs
from schema.quota import HorizontalPodAutoscaler, PersistentVolumeClaim, PodDisruptionBudget, ResourceQuota
from schema.service import Service
from schema.workload import CronJob, DaemonSet, Deployment, Job, ReplicaSet, StatefulSet


def _cluster() -> Cluster:
    return Cluster()


@strawberry.type(description="What can be asked. Everything shows exactly what the caller's token may see.")
class Query:
    me: Me = strawberry.field(
        resolver=who_asks, description="Whom the gateway takes the caller for, and what they may do."
    )
    cluster: Cluster = strawberry.field(resolver=_cluster, description="The cluster as a whole.")
    nodes: list[Node] | None = rows_field(
        NODES, "The nodes, by name unless ordered otherwise. Needs the right to list nodes."
    )
    nodes_connection: Connection[Node] | None = page_field(NODES)
    node: Node | None = look_up_named_field(
        NODES,
        "The node of this name, null when there is none. Needs the right to list nodes, or to get this one. "
        "(By UID: `nodes(filter: {id: …})`. Relay's `node(id:)` and its interface are not offered: "
        "here a Node is Kubernetes' Node.)",
    )
    pods: list[Pod] | None = rows_field(PODS)
    pods_connection: Connection[Pod] | None = page_field(PODS)
    pod_counts: list[PodCount] | None = strawberry.field(
        resolver=pod_counts,
        metadata=needing(pod_counts_needs),
        description="How many pods the caller sees in each group that has any, the largest group first.",
    )
    pod: Pod | None = look_up_field(PODS)
    events: list[Event] | None = rows_field(EVENTS, "The events that the caller may see, the newest first.")
    events_connection: Connection[Event] | None = page_field(
        EVENTS,
        "The events that the caller may see, the newest first unless ordered otherwise, a page at a time. An event "
        "that is seen again moves: only in orders by keys that never change no row is skipped or repeated.",
    )
    namespaces: list[Namespace] | None = rows_field(NAMESPACES)
    namespaces_connection: Connection[Namespace] | None = page_field(NAMESPACES)
    namespace: Namespace | None = look_up_field(NAMESPACES)
    services: list[Service] | None = rows_field(SERVICES)
    services_connection: Connection[Service] | None = page_field(SERVICES)
    service: Service | None = look_up_field(SERVICES)
    deployments: list[Deployment] | None = rows_field(DEPLOYMENTS)
    deployments_connection: Connection[Deployment] | None = page_field(DEPLOYMENTS)
    deployment: Deployment | None = look_up_field(DEPLOYMENTS)
    replica_sets: list[ReplicaSet] | None = rows_field(REPLICA_SETS)
    replica_sets_connection: Connection[ReplicaSet] | None = page_field(REPLICA_SETS)
    replica_set: ReplicaSet | None = look_up_field(REPLICA_SETS)
    stateful_sets: list[StatefulSet] | None = rows_field(STATEFUL_SETS)
    stateful_sets_connection: Connection[StatefulSet] | None = page_field(STATEFUL_SETS)
    stateful_set: StatefulSet | None = look_up_field(STATEFUL_SETS)
    daemon_sets: list[DaemonSet] | None = rows_field(DAEMON_SETS)
    daemon_sets_connection: Connection[DaemonSet] | None = page_field(DAEMON_SETS)
    daemon_set: DaemonSet | None = look_up_field(DAEMON_SETS)
    jobs: list[Job] | None = rows_field(JOBS)
    jobs_connection: Connection[Job] | None = page_field(JOBS)
    job: Job | None = look_up_field(JOBS)
    cron_jobs: list[CronJob] | None = rows_field(CRON_JOBS)
    cron_jobs_connection: Connection[CronJob] | None = page_field(CRON_JOBS)
    cron_job: CronJob | None = look_up_field(CRON_JOBS)
    persistent_volume_claims: list[PersistentVolumeClaim] | None = rows_field(VOLUME_CLAIMS)
    persistent_volume_claims_connection: Connection[PersistentVolumeClaim] | None = page_field(VOLUME_CLAIMS)
    persistent_volume_claim: PersistentVolumeClaim | None = look_up_field(VOLUME_CLAIMS)
    resource_quotas: list[ResourceQuota] | None = rows_field(RESOURCE_QUOTAS)
    resource_quotas_connection: Connection[ResourceQuota] | None = page_field(RESOURCE_QUOTAS)
    resource_quota: ResourceQuota | None = look_up_field(RESOURCE_QUOTAS)
    pod_disruption_budgets: list[PodDisruptionBudget] | None = rows_field(DISRUPTION_BUDGETS)
    pod_disruption_budgets_connection: Connection[PodDisruptionBudget] | None = page_field(DISRUPTION_BUDGETS)
    pod_disruption_budget: PodDisruptionBudget | None = look_up_field(DISRUPTION_BUDGETS)
    horizontal_pod_autoscalers: list[HorizontalPodAutoscaler] | None = rows_field(AUTOSCALERS)
    horizontal_pod_autoscalers_connection: Connection[HorizontalPodAutoscaler] | None = page_field(AUTOSCALERS)
    horizontal_pod_autoscaler: HorizontalPodAutoscaler | None = look_up_field(AUTOSCALERS)
    prometheus: PrometheusResult | None = strawberry.field(
        resolver=promql, metadata=needing(promql_needs), description=PROMQL
    )
