"""Containers of pods. Commands, arguments and environment variables are not shown: they often hold secrets."""

from collections.abc import Sequence
from operator import attrgetter
from typing import cast

import strawberry

from schema.amounts import Amounts
from schema.execution.context import GraphInfo
from schema.execution.for_all import for_all
from schema.execution.needs import needing
from schema.lists.containers import CONTAINER_PORTS, VOLUME_MOUNTS
from schema.lists.elements import elements_field
from schema.measured import MEASURED_CONTAINERS
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
from schema.scalars import DateTime
from schema.sources.kubernetes.containers import Container as ContainerRecord
from schema.sources.kubernetes.containers import ContainerPhase
from schema.sources.prometheus.catalogue import MetricName


@strawberry.type(description="What a container does, or did before it was restarted; as the kubelet reports it.")
class ContainerState:
    phase: ContainerPhase = strawberry.field(description="Whether it waits, runs or has ended.")
    reason: str | None = strawberry.field(
        description="Why, in one word, such as `CrashLoopBackOff`, `OOMKilled` or `Completed`; null while it runs."
    )
    message: str | None = strawberry.field(
        description="Why, in a sentence, or what it left in its termination message."
    )
    exit_code: int | None = strawberry.field(description="With what code it ended; null unless it has ended.")
    signal: int | None = strawberry.field(description="Which signal ended it; null if none did or nobody says.")
    started_at: DateTime | None = strawberry.field(description="When it began; null while it waits.")
    finished_at: DateTime | None = strawberry.field(description="When it ended; null unless it has ended.")


@strawberry.type(
    description="A port that a container says it listens on, in its pod's spec. It may listen on others as well."
)
class ContainerPort:
    port: int = strawberry.field(description="The port's number, on the pod's address.")
    name: str | None = strawberry.field(description="Its name, which services and probes may use.")
    protocol: str = strawberry.field(description="`TCP`, `UDP` or `SCTP`.")
    host_port: int | None = strawberry.field(description="The port of the node that leads to it; null for none.")
    host_address: str | None = strawberry.field(description="The node's address for that; null for all of them.")


@strawberry.type(description="Where a container sees a volume of its pod. From the pod's spec.")
class VolumeMount:
    volume: str = strawberry.field(description="The name of the volume, one of `Pod.volumes`.")
    path: str = strawberry.field(description="Where it is in the container.")
    sub_path: str | None = strawberry.field(description="What of the volume is there; null for all of it.")
    read_only: bool = strawberry.field(description="Whether the container may only read it.")


def _metrics_of_all(
    roots: Sequence[ContainerRecord], info: GraphInfo, names: list[MetricName] | None = None
) -> Sequence[Sequence[MetricRecord]]:
    return metrics_of(info, MEASURED_CONTAINERS, roots, names)


def _metrics(root: strawberry.Parent[ContainerRecord], info: GraphInfo, names: MetricNames = None) -> list[Metric]:
    return cast("list[Metric]", _metrics_of_all((root,), info, names)[0])


def _metrics_range(
    root: strawberry.Parent[ContainerRecord],
    info: GraphInfo,
    names: MetricNames = None,
    range: TimeRangeArgument = None,  # noqa: A002
) -> list[MetricRange]:
    return metrics_range_of(info, MEASURED_CONTAINERS, root, names, window_of(range))


@strawberry.type(
    description=(
        "A container of a pod: what the pod's spec says of it, with what the kubelet reports. Its command, arguments "
        "and environment are left out: they may hold secrets."
    )
)
class Container:
    name: str = strawberry.field(description="Its name, unique in the pod.")
    image: str = strawberry.field(description="The image that it asks for, such as `registry.k8s.io/nginx:1.29`.")
    image_id: str | None = strawberry.field(
        description="The image that it got, by its digest; null until the kubelet has reported."
    )
    image_pull_policy: str | None = strawberry.field(
        description="When the image is fetched: `Always`, `IfNotPresent` or `Never`."
    )
    container_id: str | None = strawberry.field(
        description="Its id in the container runtime, such as `containerd://…`; null until there was one."
    )
    sidecar: bool = strawberry.field(
        description="Of an init container: whether it keeps running beside the others (it always restarts)."
    )
    target: str | None = strawberry.field(
        description="Of an ephemeral container: the container whose processes it looks at; else null."
    )
    ready: bool = strawberry.field(
        description="Whether it can serve requests; of an init container, whether it has ended well."
    )
    started: bool | None = strawberry.field(
        description="Whether its startup probe has succeeded, if it has one; null until the kubelet has reported."
    )
    state: ContainerState | None = strawberry.field(description="What it does; null until the kubelet has reported.")
    last_state: ContainerState | None = strawberry.field(
        description="How it ended the last time before it was restarted; null if it never was."
    )
    started_at: DateTime | None = strawberry.field(
        description="When it began to run, or had begun if it has ended since; null while it waits."
    )
    restarts: int = strawberry.field(
        description="How often it was restarted; the kubelet may forget some, as it counts what is left of old ones."
    )
    ports: list[ContainerPort] = elements_field(CONTAINER_PORTS, attrgetter("ports"), "The ports that its spec names.")
    requests: Amounts = strawberry.field(description="What it claims of the node: `resources.requests` of its spec.")
    limits: Amounts = strawberry.field(description="The most it may use: `resources.limits` of its spec.")
    volume_mounts: list[VolumeMount] = elements_field(
        VOLUME_MOUNTS, attrgetter("volume_mounts"), "Where it sees which volumes."
    )
    metrics: list[Metric] = strawberry.field(
        resolver=_metrics,
        metadata={
            **needing(metrics_needs(MEASURED_CONTAINERS)),
            **for_all(_metrics_of_all, frames_of(MEASURED_CONTAINERS)),
        },
        description=(
            "What it uses at this moment: at least one Metric per name asked, in that order, also when there is no "
            "value to show. Containers share the network of their pod."
        ),
    )
    metrics_range: list[MetricRange] = strawberry.field(
        resolver=_metrics_range,
        metadata=needing(metrics_range_needs(MEASURED_CONTAINERS)),
        description="What it used over time, by default in the last hour: at least one MetricRange per name asked.",
    )
