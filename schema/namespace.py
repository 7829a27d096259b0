"""Namespaces: what stands in them."""

from typing import Any

import strawberry

from auth.access import AccessNeed
from schema.condition import Condition, conditions_field
from schema.event import Event
from schema.execution.context import GraphInfo, listable
from schema.execution.needs import FieldNeeds, NeedsHook, needing
from schema.lists.belonging import in_namespace
from schema.lists.events import EVENTS
from schema.lists.fields import belonging_field
from schema.lists.listing import Listing
from schema.lists.pods import PODS
from schema.lists.policies import RESOURCE_QUOTAS
from schema.lists.services import SERVICES
from schema.lists.workloads import CRON_JOBS, DAEMON_SETS, DEPLOYMENTS, JOBS, STATEFUL_SETS
from schema.metric import Metric, MetricRange
from schema.object_fields import ObjectFields
from schema.pod import Pod
from schema.quota import ResourceQuota
from schema.service import Service
from schema.sources.kubernetes.objects import NamespaceRecord
from schema.summed import namespace_metrics, namespace_metrics_range
from schema.workload import CronJob, DaemonSet, Deployment, Job, StatefulSet


def _count_needs(listing: Listing[Any]) -> NeedsHook:
    return lambda reach: FieldNeeds(access=(AccessNeed(listing.resource, reach.namespaces),))


def _pod_count(root: strawberry.Parent[NamespaceRecord], info: GraphInfo) -> int | None:
    return _count(PODS, root, info)


def _service_count(root: strawberry.Parent[NamespaceRecord], info: GraphInfo) -> int | None:
    return _count(SERVICES, root, info)


def _count(listing: Listing[Any], root: NamespaceRecord, info: GraphInfo) -> int | None:
    if listable(info, listing.resource, root.name) is None:
        return None
    return listing.objects(info.context.view.snapshot).count_in(root.name)


def _listed(listing: Listing[Any]) -> Any:
    return belonging_field(
        listing,
        in_namespace(listing),
        f"The {listing.many} in it, by name unless ordered otherwise. Needs the right to list {listing.many} in it.",
    )


@strawberry.type(
    description=(
        "A namespace: a part of the cluster with names and rights of its own. From the API server's namespaces, which "
        "the gateway watches. Shown to those who may list namespaces, or get this one."
    )
)
class Namespace(ObjectFields):
    phase: str = strawberry.field(description="`Active`, or `Terminating` while everything in it is being deleted.")
    pod_count: int | None = strawberry.field(
        resolver=_pod_count,
        metadata=needing(_count_needs(PODS)),
        description="How many pods there are in it, finished ones included. Needs the right to list pods in it.",
    )
    service_count: int | None = strawberry.field(
        resolver=_service_count,
        metadata=needing(_count_needs(SERVICES)),
        description="How many services there are in it. Needs the right to list services in it.",
    )
    conditions: list[Condition] = conditions_field()
    metrics: list[Metric] = namespace_metrics()
    metrics_range: list[MetricRange] = namespace_metrics_range()
    pods: list[Pod] | None = _listed(PODS)
    services: list[Service] | None = _listed(SERVICES)
    deployments: list[Deployment] | None = _listed(DEPLOYMENTS)
    stateful_sets: list[StatefulSet] | None = _listed(STATEFUL_SETS)
    daemon_sets: list[DaemonSet] | None = _listed(DAEMON_SETS)
    jobs: list[Job] | None = _listed(JOBS)
    cron_jobs: list[CronJob] | None = _listed(CRON_JOBS)
    resource_quotas: list[ResourceQuota] | None = _listed(RESOURCE_QUOTAS)
    events: list[Event] | None = belonging_field(
        EVENTS, in_namespace(EVENTS), "The events in it, the newest first. Needs the right to list events in it."
    )
