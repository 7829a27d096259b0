"""Pods: what runs on the nodes."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, cast

import strawberry

from auth.access import NODES, PODS, AccessNeed
from schema.amounts import Amounts
from schema.arguments import NAME_BYTES, check_length
from schema.enums import graphql_enum
from schema.execution.context import GraphInfo, listable, refuse_look_up
from schema.execution.needs import EVERYTHING, FieldNeeds, Reach, needing
from schema.label import Label
from schema.metric import (
    Measured,
    Metric,
    MetricNames,
    MetricRange,
    TimeRangeArgument,
    metrics_needs,
    metrics_of,
    metrics_range_needs,
    metrics_range_of,
    window_of,
)
from schema.owner import Owner
from schema.scalars import DateTime
from schema.sources.kubernetes.attention import PodAttention
from schema.sources.kubernetes.objects import PodRecord
from schema.sources.kubernetes.pod_words import restarts_text
from schema.sources.prometheus.catalogue import Level

if TYPE_CHECKING:
    from schema.node import Node

graphql_enum(PodAttention, "PodAttention", "A reason why a person should look at a pod.")


def pod_needs(_reach: Reach, namespace: str, name: str) -> FieldNeeds:
    """What a look-up by name needs: `list` in that namespace, else `get` of that one."""
    return FieldNeeds(
        access=(AccessNeed(PODS, frozenset({namespace}), name),),
        reach=Reach(namespaces=frozenset({namespace}), pods=frozenset({name})),
    )


def find_pod(info: GraphInfo, namespace: str, name: str) -> "Pod | None":
    """The pod of this name; None when there is none, or when the caller may not see it, which is then told."""
    check_length("namespace", namespace, NAME_BYTES)
    check_length("name", name, NAME_BYTES)
    if refuse_look_up(info, PODS, namespace, name):
        return None
    return cast("Pod | None", info.context.view.snapshot.pods.get(namespace, name))


def _node_needs(_reach: Reach) -> FieldNeeds:
    return FieldNeeds(access=(AccessNeed(NODES),), reach=EVERYTHING)  # one pod's node may be any node


def _node(
    root: strawberry.Parent[PodRecord], info: GraphInfo
) -> Annotated["Node", strawberry.lazy("schema.node")] | None:
    if root.node_name is None or listable(info, NODES) is None:
        return None
    return cast("Node | None", info.context.view.snapshot.nodes.get("", root.node_name))


def _address(root: strawberry.Parent[PodRecord]) -> str | None:
    return root.addresses[0] if root.addresses else None


def _ready_text(root: strawberry.Parent[PodRecord]) -> str:
    return f"{root.containers_ready}/{root.containers_total}"


def _restarts_needs(_reach: Reach) -> FieldNeeds:
    return FieldNeeds(clock=True)


def _restarts_text(root: strawberry.Parent[PodRecord], info: GraphInfo) -> str:
    last = None if root.last_restart is None else datetime.fromisoformat(root.last_restart).timestamp()
    return restarts_text(root.restarts, last, info.context.view.now)


def _metrics(root: strawberry.Parent[PodRecord], info: GraphInfo, names: MetricNames = None) -> list[Metric]:
    return metrics_of(info, _measured(root), names)


def _metrics_range(
    root: strawberry.Parent[PodRecord],
    info: GraphInfo,
    names: MetricNames = None,
    range: TimeRangeArgument = None,  # noqa: A002
) -> list[MetricRange]:
    return metrics_range_of(info, _measured(root), names, window_of(range))


def _measured(pod: PodRecord) -> Measured:
    return Measured(Level.POD, (pod.namespace, pod.name), pod.created_at)


@strawberry.type(description="A pod: containers that the scheduler placed together on one node.")
class Pod:
    uid: strawberry.ID = strawberry.field(name="id", description="Its Kubernetes UID.")
    name: str = strawberry.field(description="Its name, unique among the pods of its namespace.")
    namespace: str = strawberry.field(description="The namespace it is in.")
    address: str | None = strawberry.field(
        resolver=_address, description="Its IP address, the primary one if it has two; null until it has one."
    )
    node_name: str | None = strawberry.field(
        description="The name of the node it was placed on; null until it is scheduled."
    )
    node: Annotated["Node", strawberry.lazy("schema.node")] | None = strawberry.field(
        resolver=_node,
        metadata=needing(_node_needs),
        description="The node it was placed on; null until it is scheduled. Needs the right to list nodes.",
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
    labels: list[Label] = strawberry.field(description="Its labels, by key.")
    created_at: DateTime = strawberry.field(description="When it was created.")
    metrics: list[Metric] = strawberry.field(
        resolver=_metrics,
        metadata=needing(metrics_needs(Level.POD)),
        description=(
            "What its containers use at this moment: at least one Metric per name asked, in that order, "
            "also when there is no value to show."
        ),
    )
    metrics_range: list[MetricRange] = strawberry.field(
        resolver=_metrics_range,
        metadata=needing(metrics_range_needs(Level.POD)),
        description=(
            "What its containers used over time, by default in the last hour: at least one MetricRange per name asked."
        ),
    )
