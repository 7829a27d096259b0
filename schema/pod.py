"""Pods: what runs on the nodes."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, cast

import strawberry
from msgspec.structs import replace

from auth.access import NAMESPACES, NODES, AccessNeed
from schema.amounts import Amounts
from schema.annotation import Annotation, annotations_field
from schema.attention import PodAttention
from schema.condition import Condition
from schema.container import Container
from schema.enums import graphql_enum
from schema.event import Event, happenings
from schema.execution.context import GraphInfo, listable
from schema.execution.for_all import for_all
from schema.execution.foresight import Through
from schema.execution.needs import FieldNeeds, Reach, needing
from schema.label import Label
from schema.lists.belonging import selecting_services, workload_needs, workload_of
from schema.lists.common import CONDITIONS
from schema.lists.containers import CONTAINERS
from schema.lists.elements import elements_field
from schema.lists.fields import belonging_field
from schema.lists.placement import TOLERATIONS, VOLUMES
from schema.lists.services import SERVICES
from schema.measured import MEASURED_PODS
from schema.metric import (
    Metric,
    MetricNames,
    MetricRange,
    MetricRecord,
    TimeRangeArgument,
    frames_of,
    metrics_needs,
    metrics_of,
    metrics_range_needs,
    metrics_range_of,
    window_of,
)
from schema.object_fields import labels_field
from schema.owner import Owner
from schema.placement import Toleration
from schema.scalars import DateTime
from schema.sources.kubernetes.conditions import ReportedCondition
from schema.sources.kubernetes.containers import Container as ContainerRecord
from schema.sources.kubernetes.containers import pod_containers
from schema.sources.kubernetes.objects import PodRecord
from schema.sources.kubernetes.placement import Toleration as TolerationRecord
from schema.sources.kubernetes.pod_details import RestartPolicy, pod_details
from schema.sources.kubernetes.pod_words import restarts_text
from schema.sources.kubernetes.quality import QosClass
from schema.sources.kubernetes.volumes import Volume as VolumeRecord
from schema.sources.prometheus.catalogue import MetricName
from schema.volume import Volume

if TYPE_CHECKING:
    from schema.namespace import Namespace
    from schema.node import Node
    from schema.service import Service

graphql_enum(QosClass, "QosClass", "How well a pod is protected when its node runs short of memory or storage.")
graphql_enum(RestartPolicy, "RestartPolicy", "Whether containers that have ended are started again.")


def _workload(root: strawberry.Parent[PodRecord], info: GraphInfo) -> Owner | None:
    return cast("Owner | None", workload_of(root, info))


def _in_namespace_needs(reach: Reach) -> FieldNeeds:
    return FieldNeeds(
        access=(AccessNeed(NAMESPACES, reach.namespaces),),
        reach=replace(reach, rows=Through(reach.rows, _leading_to(_in_namespace))),
        indexed=True,
    )


def _in_namespace(
    root: strawberry.Parent[PodRecord], info: GraphInfo
) -> Annotated["Namespace", strawberry.lazy("schema.namespace")] | None:
    if listable(info, NAMESPACES, root.namespace) is None:
        return None
    return cast("Namespace | None", info.context.view.snapshot.namespaces.get("", root.namespace))


def _node_needs(reach: Reach) -> FieldNeeds:
    # From one pod's node, pods of all namespaces can be come to.
    inside = Reach(rows=Through(reach.rows, _leading_to(_node)))
    return FieldNeeds(access=(AccessNeed(NODES),), reach=inside, indexed=True)


def _leading_to(resolve: Callable[[Any, GraphInfo], Any]) -> Callable[[Any, Any], Iterable[Any]]:
    return lambda root, info: filter(None, (resolve(root, info),))


def _node(
    root: strawberry.Parent[PodRecord], info: GraphInfo
) -> Annotated["Node", strawberry.lazy("schema.node")] | None:
    if root.node_name is None or listable(info, NODES) is None:
        return None
    return cast("Node | None", info.context.view.snapshot.nodes.get("", root.node_name))


def _ready_text(root: strawberry.Parent[PodRecord]) -> str:
    return f"{root.containers_ready}/{root.containers_total}"


def _restarts_needs(_reach: Reach) -> FieldNeeds:
    return FieldNeeds(clock=True)


def _restarts_text(root: strawberry.Parent[PodRecord], info: GraphInfo) -> str:
    last = None if root.last_restart is None else datetime.fromisoformat(root.last_restart).timestamp()
    return restarts_text(root.restarts, last, info.context.view.now)


def _metrics_of_all(
    roots: Sequence[PodRecord], info: GraphInfo, names: list[MetricName] | None = None
) -> Sequence[Sequence[MetricRecord]]:
    return metrics_of(info, MEASURED_PODS, roots, names)


# What is cold: read from the whole object, and only for those who ask (details.py).


def _containers(root: PodRecord) -> Sequence[ContainerRecord]:
    return pod_containers(root).containers


def _init_containers(root: PodRecord) -> Sequence[ContainerRecord]:
    return pod_containers(root).inits


def _ephemeral_containers(root: PodRecord) -> Sequence[ContainerRecord]:
    return pod_containers(root).ephemeral


def _reason(root: strawberry.Parent[PodRecord]) -> str | None:
    return pod_details(root).reason


def _message(root: strawberry.Parent[PodRecord]) -> str | None:
    return pod_details(root).message


def _conditions(root: PodRecord) -> Sequence[ReportedCondition]:
    return pod_details(root).conditions


def _qos_class(root: strawberry.Parent[PodRecord]) -> QosClass:
    return pod_details(root).qos_class


def _priority(root: strawberry.Parent[PodRecord]) -> int | None:
    return pod_details(root).priority


def _priority_class_name(root: strawberry.Parent[PodRecord]) -> str | None:
    return pod_details(root).priority_class_name


def _service_account_name(root: strawberry.Parent[PodRecord]) -> str | None:
    return pod_details(root).service_account_name


def _restart_policy(root: strawberry.Parent[PodRecord]) -> RestartPolicy:
    return pod_details(root).restart_policy


def _host_addresses(root: strawberry.Parent[PodRecord]) -> list[str]:
    return list(pod_details(root).host_addresses)


def _host_network(root: strawberry.Parent[PodRecord]) -> bool:
    return pod_details(root).host_network


def _host_pid(root: strawberry.Parent[PodRecord]) -> bool:
    return pod_details(root).host_pid


def _host_ipc(root: strawberry.Parent[PodRecord]) -> bool:
    return pod_details(root).host_ipc


def _started_at(root: strawberry.Parent[PodRecord]) -> DateTime | None:
    return cast("DateTime | None", pod_details(root).started_at)


def _deletion_timestamp(root: strawberry.Parent[PodRecord]) -> DateTime | None:
    return cast("DateTime | None", pod_details(root).deletion_timestamp)


def _deletion_grace_period_seconds(root: strawberry.Parent[PodRecord]) -> float | None:
    return pod_details(root).deletion_grace_period_seconds


def _termination_grace_period_seconds(root: strawberry.Parent[PodRecord]) -> float | None:
    return pod_details(root).termination_grace_period_seconds


def _active_deadline_seconds(root: strawberry.Parent[PodRecord]) -> float | None:
    return pod_details(root).active_deadline_seconds


def _finalizers(root: strawberry.Parent[PodRecord]) -> list[str]:
    return list(pod_details(root).finalizers)


def _tolerations(root: PodRecord) -> Sequence[TolerationRecord]:
    return pod_details(root).tolerations


def _node_selector(root: strawberry.Parent[PodRecord]) -> list[Label]:
    return cast("list[Label]", pod_details(root).node_selector)


def _nominated_node_name(root: strawberry.Parent[PodRecord]) -> str | None:
    return pod_details(root).nominated_node_name


def _scheduler_name(root: strawberry.Parent[PodRecord]) -> str | None:
    return pod_details(root).scheduler_name


def _scheduling_gates(root: strawberry.Parent[PodRecord]) -> list[str]:
    return list(pod_details(root).scheduling_gates)


def _readiness_gates(root: strawberry.Parent[PodRecord]) -> list[str]:
    return list(pod_details(root).readiness_gates)


def _runtime_class_name(root: strawberry.Parent[PodRecord]) -> str | None:
    return pod_details(root).runtime_class_name


def _volumes(root: PodRecord) -> Sequence[VolumeRecord]:
    return pod_details(root).volumes


def _metrics(root: strawberry.Parent[PodRecord], info: GraphInfo, names: MetricNames = None) -> list[Metric]:
    return cast("list[Metric]", _metrics_of_all((root,), info, names)[0])


def _metrics_range(
    root: strawberry.Parent[PodRecord],
    info: GraphInfo,
    names: MetricNames = None,
    range: TimeRangeArgument = None,  # noqa: A002
) -> list[MetricRange]:
    return metrics_range_of(info, MEASURED_PODS, root, names, window_of(range))


@strawberry.type(
    description=(
        "A pod: containers that run together on one node. From the API server's pods, which the gateway watches."
    )
)
class Pod:
    uid: strawberry.ID = strawberry.field(name="id", description="Its Kubernetes UID.")
    name: str = strawberry.field(description="Its name, unique among the pods of its namespace.")
    namespace: str = strawberry.field(description="The namespace it is in.")
    address: str | None = strawberry.field(
        description="Its IP address, the primary one if it has two; null until it has one."
    )
    node_name: str | None = strawberry.field(
        description="The name of the node it was placed on; null until it is scheduled."
    )
    node: Annotated["Node", strawberry.lazy("schema.node")] | None = strawberry.field(
        resolver=_node,
        metadata=needing(_node_needs),
        description="The node it was placed on; null until it is scheduled. Needs the right to list nodes.",
    )
    in_namespace: Annotated["Namespace", strawberry.lazy("schema.namespace")] | None = strawberry.field(
        resolver=_in_namespace,
        metadata=needing(_in_namespace_needs),
        description="The namespace it is in. Needs the right to list namespaces, or to get this one.",
    )
    services: list[Annotated["Service", strawberry.lazy("schema.service")]] | None = belonging_field(
        SERVICES, selecting_services, "The services that select it. Needs the right to list services in its namespace."
    )
    workload: Owner | None = strawberry.field(
        resolver=_workload,
        metadata=needing(workload_needs),
        description=(
            "What somebody wrote to have it: its controller, or that one's, where it is a ReplicaSet (a Deployment, "
            "mostly) or a Job (a CronJob, perhaps). Needs the right to list replica sets or jobs in its namespace "
            "where it has such a controller."
        ),
    )
    phase: str = strawberry.field(
        description="Where it is in its life, in Kubernetes' words: Pending, Running, Succeeded, Failed or Unknown."
    )
    ready: bool = strawberry.field(description="Whether its Ready condition is true: it can serve requests.")
    containers_ready: int = strawberry.field(
        description="How many of its containers are ready, as kubectl counts: sidecars included."
    )
    containers_total: int = strawberry.field(
        description="How many containers it has, as kubectl counts: sidecars included, init containers not."
    )
    ready_text: str = strawberry.field(
        resolver=_ready_text, description="Containers ready of containers in total, as kubectl prints READY: `1/2`."
    )
    status: str = strawberry.field(
        description=(
            "How it is, in one word, as kubectl prints STATUS: such as `Running`, `Completed`, `CrashLoopBackOff`, "
            "`ContainerCreating`, `Init:0/2`, `Terminating`. Made of its phase, its reason and its containers' states."
        )
    )
    attention: list[PodAttention] = strawberry.field(
        description="Why a person should look at it, from its own report; empty when there is no reason."
    )
    requests: Amounts = strawberry.field(
        description=(
            "What it claims of its node, as the scheduler counts: the sum over containers and sidecars or the largest "
            "init container, what is asked for the pod as a whole, overhead, and a resize that is under way."
        )
    )
    limits: Amounts = strawberry.field(
        description="The most it may use, counted in the same way; containers without a limit are not in the sum."
    )
    events: list[Event] | None = happenings("Pod")
    owner: Owner | None = strawberry.field(
        description="The controller that made it and keeps it; null if a person made it. From its owner references."
    )
    restarts: int = strawberry.field(description="How often its containers were restarted in all, as kubectl counts.")
    restarts_text: str = strawberry.field(
        resolver=_restarts_text,
        metadata=needing(_restarts_needs),
        description="Restarts and how long ago the last one was, as kubectl prints RESTARTS: `3 (5m ago)`, or `0`.",
    )
    addresses: list[str] = strawberry.field(description="All its IP addresses, the primary one first.")
    labels: list[Label] = labels_field()
    annotations: list[Annotation] = annotations_field()
    created_at: DateTime = strawberry.field(description="When it was created.")
    containers: list[Container] = elements_field(
        CONTAINERS, _containers, "Its containers, in the order of its spec unless ordered otherwise."
    )
    init_containers: list[Container] = elements_field(
        CONTAINERS,
        _init_containers,
        "Containers that run before the others, one after another; those that are `sidecar` keep running beside them.",
    )
    ephemeral_containers: list[Container] = elements_field(
        CONTAINERS,
        _ephemeral_containers,
        "Containers that somebody added to look at it while it runs (`kubectl debug`).",
    )
    reason: str | None = strawberry.field(
        resolver=_reason,
        description=(
            "Why it is in its phase, in one word, such as `Evicted` or `NodeLost`; mostly null. From its status."
        ),
    )
    message: str | None = strawberry.field(
        resolver=_message,
        description="Why it is in its phase, in a sentence; mostly null. From its status.",
    )
    conditions: list[Condition] = elements_field(
        CONDITIONS,
        _conditions,
        "What it says of itself: `PodScheduled`, `Initialized`, `ContainersReady`, `Ready` and readiness gates.",
    )
    qos_class: QosClass = strawberry.field(
        resolver=_qos_class,
        description="Its class of service, by what its containers request and may use at most; from its status.",
    )
    priority: int | None = strawberry.field(
        resolver=_priority,
        description=(
            "How important it is: higher ones are scheduled first and may evict lower ones; null where nobody has "
            "resolved it. From its spec."
        ),
    )
    priority_class_name: str | None = strawberry.field(
        resolver=_priority_class_name,
        description="The PriorityClass behind `priority`; null for none.",
    )
    service_account_name: str | None = strawberry.field(
        resolver=_service_account_name,
        description=(
            "The service account that its containers act as, in its namespace; null where the API server sets none."
        ),
    )
    restart_policy: RestartPolicy = strawberry.field(
        resolver=_restart_policy,
        description="Whether its containers are started again once they have ended.",
    )
    host_addresses: list[str] = strawberry.field(
        resolver=_host_addresses,
        description="The IP addresses of its node, the primary one first; empty until its kubelet has taken it up.",
    )
    host_network: bool = strawberry.field(
        resolver=_host_network,
        description="Whether it uses the network of its node: its addresses are the node's own.",
    )
    host_pid: bool = strawberry.field(
        resolver=_host_pid,
        description="Whether its containers see the processes of its node.",
    )
    host_ipc: bool = strawberry.field(
        resolver=_host_ipc,
        description="Whether its containers share memory and semaphores with the processes of its node.",
    )
    started_at: DateTime | None = strawberry.field(
        resolver=_started_at,
        description="When its kubelet took it up, before images were fetched (`startTime`); null until then.",
    )
    deletion_timestamp: DateTime | None = strawberry.field(
        resolver=_deletion_timestamp,
        description=(
            "When it is due to be gone, if its deletion was asked for: that moment and the grace period. Else null."
        ),
    )
    deletion_grace_period_seconds: float | None = strawberry.field(
        resolver=_deletion_grace_period_seconds,
        description="How long it may take to end, in seconds, if its deletion was asked for; else null.",
    )
    termination_grace_period_seconds: float | None = strawberry.field(
        resolver=_termination_grace_period_seconds,
        description=(
            "How long it may take to end when it is deleted, in seconds, unless whoever deletes it says otherwise."
        ),
    )
    active_deadline_seconds: float | None = strawberry.field(
        resolver=_active_deadline_seconds,
        description=(
            "How long it may run before the kubelet ends it as failed, in seconds from `startedAt`; null for ever."
        ),
    )
    finalizers: list[str] = strawberry.field(
        resolver=_finalizers,
        description="Who must agree before it is gone once it is deleted.",
    )
    tolerations: list[Toleration] = elements_field(
        TOLERATIONS, _tolerations, "The taints of nodes that it puts up with."
    )
    node_selector: list[Label] = strawberry.field(
        resolver=_node_selector,
        description="The labels that its node must have, by key.",
    )
    nominated_node_name: str | None = strawberry.field(
        resolver=_nominated_node_name,
        description="The node on which the scheduler makes room for it, by evicting others; mostly null.",
    )
    scheduler_name: str | None = strawberry.field(
        resolver=_scheduler_name,
        description="The scheduler that places it; null where the API server sets none.",
    )
    scheduling_gates: list[str] = strawberry.field(
        resolver=_scheduling_gates,
        description="What must be lifted before it is scheduled at all; mostly empty.",
    )
    readiness_gates: list[str] = strawberry.field(
        resolver=_readiness_gates,
        description="Conditions that must be true, beside its containers', before it is ready; mostly empty.",
    )
    runtime_class_name: str | None = strawberry.field(
        resolver=_runtime_class_name,
        description="The RuntimeClass its containers run in; null for the node's usual one.",
    )
    volumes: list[Volume] = elements_field(VOLUMES, _volumes, "What its containers can mount.")
    metrics: list[Metric] = strawberry.field(
        resolver=_metrics,
        metadata={**needing(metrics_needs(MEASURED_PODS)), **for_all(_metrics_of_all, frames_of(MEASURED_PODS))},
        description=(
            "What its containers use at this moment: at least one Metric per name asked, in that order, "
            "also when there is no value to show."
        ),
    )
    metrics_range: list[MetricRange] = strawberry.field(
        resolver=_metrics_range,
        metadata=needing(metrics_range_needs(MEASURED_PODS)),
        description=(
            "What its containers used over time, by default in the last hour: at least one MetricRange per name asked."
        ),
    )
