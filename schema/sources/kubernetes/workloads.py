"""What keeps pods running (apps/v1): deployments, replica sets, stateful sets and daemon sets.

Numbers and words are kubectl's: `printDeployment` and its neighbours in pkg/printers/internalversion/printers.go of
Kubernetes 1.37, and `kubectl rollout status`. `replicas` is what is asked for, `current_replicas` what there is.
"""

from typing import Final

from msgspec import Struct, field

from schema.sources.kubernetes.cold import Rest
from schema.sources.kubernetes.label_selectors import LabelSelector, selector_text
from schema.sources.kubernetes.objects import Label, Owner, Sharing
from schema.sources.kubernetes.rollouts import (
    DaemonSetProgress,
    DeploymentProgress,
    Rollout,
    RolloutState,
    StatefulSetProgress,
    daemon_set_rollout,
    deployment_rollout,
    stateful_set_rollout,
)
from schema.sources.kubernetes.templates import Template
from schema.sources.kubernetes.wire import Condition, Meta

_ROLLING: Final = "RollingUpdate"
_STALLED: Final = "ProgressDeadlineExceeded"
_NO_TEMPLATE: Final = Template()


class WorkloadMeta(Meta, frozen=True, gc=False):
    generation: int | None = None


class _Strategy(Struct, frozen=True, gc=False):
    type: str | None = None


def _selector(selector: LabelSelector | None, sharing: Sharing) -> str | None:
    text = selector_text(selector)
    return None if text is None else sharing.strings[text]


# ----------------------------------------------------------------------------------------------------- deployments


class DeploymentRecord(Struct, frozen=True, gc=False, eq=False):
    """A deployment. `ready_text`, `updated_replicas` and `available_replicas` are READY, UP-TO-DATE and AVAILABLE.

    `selector` in Kubernetes' syntax; `rollout` and `rollout_text` say how far its latest change is.
    """

    uid: str
    resource_version: str
    namespace: str
    name: str
    created_at: str
    labels: tuple[Label, ...]
    owner: Owner | None
    replicas: int
    current_replicas: int
    updated_replicas: int
    ready_replicas: int
    available_replicas: int
    strategy: str
    paused: bool
    rollout: RolloutState
    rollout_text: str
    selector: str | None
    container_names: tuple[str, ...]
    images: tuple[str, ...]
    rest: Rest

    @property
    def ready_text(self) -> str:
        return f"{self.ready_replicas}/{self.replicas}"


class _DeploymentSpec(Struct, frozen=True, gc=False):
    replicas: int | None = None
    selector: LabelSelector | None = None
    strategy: _Strategy | None = None
    template: Template | None = None
    paused: bool | None = None


class _DeploymentStatus(Struct, frozen=True, gc=False):
    observed_generation: int | None = field(name="observedGeneration", default=None)
    replicas: int | None = None
    updated_replicas: int | None = field(name="updatedReplicas", default=None)
    ready_replicas: int | None = field(name="readyReplicas", default=None)
    available_replicas: int | None = field(name="availableReplicas", default=None)
    conditions: list[Condition] | None = None


class WireDeployment(Struct, frozen=True, gc=False):
    metadata: WorkloadMeta
    spec: _DeploymentSpec | None = None
    status: _DeploymentStatus | None = None


def deployment_record(wire: WireDeployment, rest: Rest, sharing: Sharing) -> DeploymentRecord:
    meta, spec, status = wire.metadata, wire.spec or _DeploymentSpec(), wire.status or _DeploymentStatus()
    template = spec.template or _NO_TEMPLATE
    rollout = _deployment_rollout(meta, spec, status)
    return DeploymentRecord(
        uid=meta.uid,
        resource_version=meta.resource_version,
        namespace=sharing.strings[meta.namespace],
        name=meta.name,
        created_at=meta.creation_timestamp or "",
        labels=sharing.labels(meta.labels),
        owner=sharing.owner(meta.owner_references),
        replicas=_wanted(spec.replicas),
        current_replicas=status.replicas or 0,
        updated_replicas=status.updated_replicas or 0,
        ready_replicas=status.ready_replicas or 0,
        available_replicas=status.available_replicas or 0,
        strategy=sharing.strings[(spec.strategy or _Strategy()).type or _ROLLING],
        paused=bool(spec.paused),
        rollout=rollout.state,
        rollout_text=rollout.text,
        selector=_selector(spec.selector, sharing),
        container_names=template.container_names(sharing),
        images=template.images(sharing),
        rest=rest,
    )


def _deployment_rollout(meta: WorkloadMeta, spec: _DeploymentSpec, status: _DeploymentStatus) -> Rollout:
    progressing = next((one for one in status.conditions or () if one.type == "Progressing"), None)
    return deployment_rollout(
        DeploymentProgress(
            name=meta.name,
            observed=(meta.generation or 0) <= (status.observed_generation or 0),
            stalled=progressing is not None and progressing.reason == _STALLED,
            desired=_wanted(spec.replicas),
            made=status.replicas or 0,
            updated=status.updated_replicas or 0,
            available=status.available_replicas or 0,
        )
    )


def _wanted(replicas: int | None) -> int:
    return 1 if replicas is None else replicas  # what the API server takes nothing for


# ---------------------------------------------------------------------------------------------------- replica sets


class ReplicaSetRecord(Struct, frozen=True, gc=False, eq=False):
    """A replica set. `replicas`, `current_replicas` and `ready_replicas` are DESIRED, CURRENT and READY."""

    uid: str
    resource_version: str
    namespace: str
    name: str
    created_at: str
    labels: tuple[Label, ...]
    owner: Owner | None
    replicas: int
    current_replicas: int
    ready_replicas: int
    available_replicas: int
    selector: str | None
    container_names: tuple[str, ...]
    images: tuple[str, ...]
    rest: Rest


class _ReplicaSetSpec(Struct, frozen=True, gc=False):
    replicas: int | None = None
    selector: LabelSelector | None = None
    template: Template | None = None


class _ReplicaSetStatus(Struct, frozen=True, gc=False):
    replicas: int | None = None
    ready_replicas: int | None = field(name="readyReplicas", default=None)
    available_replicas: int | None = field(name="availableReplicas", default=None)


class WireReplicaSet(Struct, frozen=True, gc=False):
    metadata: Meta
    spec: _ReplicaSetSpec | None = None
    status: _ReplicaSetStatus | None = None


def replica_set_record(wire: WireReplicaSet, rest: Rest, sharing: Sharing) -> ReplicaSetRecord:
    meta, spec, status = wire.metadata, wire.spec or _ReplicaSetSpec(), wire.status or _ReplicaSetStatus()
    template = spec.template or _NO_TEMPLATE
    return ReplicaSetRecord(
        uid=meta.uid,
        resource_version=meta.resource_version,
        namespace=sharing.strings[meta.namespace],
        name=meta.name,
        created_at=meta.creation_timestamp or "",
        labels=sharing.labels(meta.labels),
        owner=sharing.owner(meta.owner_references),
        replicas=_wanted(spec.replicas),
        current_replicas=status.replicas or 0,
        ready_replicas=status.ready_replicas or 0,
        available_replicas=status.available_replicas or 0,
        selector=_selector(spec.selector, sharing),
        container_names=template.container_names(sharing),
        images=template.images(sharing),
        rest=rest,
    )


# --------------------------------------------------------------------------------------------------- stateful sets


class StatefulSetRecord(Struct, frozen=True, gc=False, eq=False):
    """A stateful set. `ready_text` is READY; `service_name` is the headless service that names its pods."""

    uid: str
    resource_version: str
    namespace: str
    name: str
    created_at: str
    labels: tuple[Label, ...]
    owner: Owner | None
    replicas: int
    current_replicas: int
    updated_replicas: int
    ready_replicas: int
    available_replicas: int
    strategy: str
    service_name: str | None
    rollout: RolloutState
    rollout_text: str
    selector: str | None
    container_names: tuple[str, ...]
    images: tuple[str, ...]
    rest: Rest

    @property
    def ready_text(self) -> str:
        return f"{self.ready_replicas}/{self.replicas}"


class _Partition(Struct, frozen=True, gc=False):
    partition: int | None = None


class _StatefulSetStrategy(Struct, frozen=True, gc=False):
    type: str | None = None
    rolling_update: _Partition | None = field(name="rollingUpdate", default=None)


class _StatefulSetSpec(Struct, frozen=True, gc=False):
    replicas: int | None = None
    selector: LabelSelector | None = None
    template: Template | None = None
    service_name: str | None = field(name="serviceName", default=None)
    strategy: _StatefulSetStrategy | None = field(name="updateStrategy", default=None)


class _StatefulSetStatus(Struct, frozen=True, gc=False):
    observed_generation: int | None = field(name="observedGeneration", default=None)
    replicas: int | None = None
    current_replicas: int | None = field(name="currentReplicas", default=None)
    updated_replicas: int | None = field(name="updatedReplicas", default=None)
    ready_replicas: int | None = field(name="readyReplicas", default=None)
    available_replicas: int | None = field(name="availableReplicas", default=None)
    current_revision: str | None = field(name="currentRevision", default=None)
    update_revision: str | None = field(name="updateRevision", default=None)


class WireStatefulSet(Struct, frozen=True, gc=False):
    metadata: WorkloadMeta
    spec: _StatefulSetSpec | None = None
    status: _StatefulSetStatus | None = None


def stateful_set_record(wire: WireStatefulSet, rest: Rest, sharing: Sharing) -> StatefulSetRecord:
    meta, spec, status = wire.metadata, wire.spec or _StatefulSetSpec(), wire.status or _StatefulSetStatus()
    template = spec.template or _NO_TEMPLATE
    rollout = _stateful_set_rollout(meta, spec, status)
    return StatefulSetRecord(
        uid=meta.uid,
        resource_version=meta.resource_version,
        namespace=sharing.strings[meta.namespace],
        name=meta.name,
        created_at=meta.creation_timestamp or "",
        labels=sharing.labels(meta.labels),
        owner=sharing.owner(meta.owner_references),
        replicas=_wanted(spec.replicas),
        current_replicas=status.replicas or 0,  # of either revision; `currentReplicas` are those of the old one
        updated_replicas=status.updated_replicas or 0,
        ready_replicas=status.ready_replicas or 0,
        available_replicas=status.available_replicas or 0,
        strategy=sharing.strings[(spec.strategy or _StatefulSetStrategy()).type or _ROLLING],
        service_name=spec.service_name or None,
        rollout=rollout.state,
        rollout_text=rollout.text,
        selector=_selector(spec.selector, sharing),
        container_names=template.container_names(sharing),
        images=template.images(sharing),
        rest=rest,
    )


def _stateful_set_rollout(meta: WorkloadMeta, spec: _StatefulSetSpec, status: _StatefulSetStatus) -> Rollout:
    strategy = spec.strategy or _StatefulSetStrategy()
    rolling, observed = strategy.rolling_update, status.observed_generation or 0
    return stateful_set_rollout(
        StatefulSetProgress(
            rolling=(strategy.type or _ROLLING) == _ROLLING,
            observed=observed > 0 and (meta.generation or 0) <= observed,
            desired=_wanted(spec.replicas),
            ready=status.ready_replicas or 0,
            current=status.current_replicas or 0,
            updated=status.updated_replicas or 0,
            partition=None if rolling is None else rolling.partition or 0,
            current_revision=status.current_revision or "",
            update_revision=status.update_revision or "",
        )
    )


# ----------------------------------------------------------------------------------------------------- daemon sets


class DaemonSetRecord(Struct, frozen=True, gc=False, eq=False):
    """A daemon set, counted in nodes: DESIRED, CURRENT, READY, UP-TO-DATE, AVAILABLE and NODE SELECTOR.

    `misscheduled` nodes run one of its pods and should not.
    """

    uid: str
    resource_version: str
    namespace: str
    name: str
    created_at: str
    labels: tuple[Label, ...]
    owner: Owner | None
    desired: int
    current: int
    ready: int
    updated: int
    available: int
    misscheduled: int
    strategy: str
    node_selector: tuple[Label, ...]
    rollout: RolloutState
    rollout_text: str
    selector: str | None
    container_names: tuple[str, ...]
    images: tuple[str, ...]
    rest: Rest


class _DaemonSetSpec(Struct, frozen=True, gc=False):
    selector: LabelSelector | None = None
    template: Template | None = None
    strategy: _Strategy | None = field(name="updateStrategy", default=None)


class _DaemonSetStatus(Struct, frozen=True, gc=False):
    observed_generation: int | None = field(name="observedGeneration", default=None)
    desired: int | None = field(name="desiredNumberScheduled", default=None)
    current: int | None = field(name="currentNumberScheduled", default=None)
    ready: int | None = field(name="numberReady", default=None)
    updated: int | None = field(name="updatedNumberScheduled", default=None)
    available: int | None = field(name="numberAvailable", default=None)
    misscheduled: int | None = field(name="numberMisscheduled", default=None)


class WireDaemonSet(Struct, frozen=True, gc=False):
    metadata: WorkloadMeta
    spec: _DaemonSetSpec | None = None
    status: _DaemonSetStatus | None = None


def daemon_set_record(wire: WireDaemonSet, rest: Rest, sharing: Sharing) -> DaemonSetRecord:
    meta, spec, status = wire.metadata, wire.spec or _DaemonSetSpec(), wire.status or _DaemonSetStatus()
    template = spec.template or _NO_TEMPLATE
    rollout = _daemon_set_rollout(meta, spec, status)
    return DaemonSetRecord(
        uid=meta.uid,
        resource_version=meta.resource_version,
        namespace=sharing.strings[meta.namespace],
        name=meta.name,
        created_at=meta.creation_timestamp or "",
        labels=sharing.labels(meta.labels),
        owner=sharing.owner(meta.owner_references),
        desired=status.desired or 0,
        current=status.current or 0,
        ready=status.ready or 0,
        updated=status.updated or 0,
        available=status.available or 0,
        misscheduled=status.misscheduled or 0,
        strategy=sharing.strings[(spec.strategy or _Strategy()).type or _ROLLING],
        node_selector=template.node_selector(sharing),
        rollout=rollout.state,
        rollout_text=rollout.text,
        selector=_selector(spec.selector, sharing),
        container_names=template.container_names(sharing),
        images=template.images(sharing),
        rest=rest,
    )


def _daemon_set_rollout(meta: WorkloadMeta, spec: _DaemonSetSpec, status: _DaemonSetStatus) -> Rollout:
    return daemon_set_rollout(
        DaemonSetProgress(
            name=meta.name,
            rolling=((spec.strategy or _Strategy()).type or _ROLLING) == _ROLLING,
            observed=(meta.generation or 0) <= (status.observed_generation or 0),
            desired=status.desired or 0,
            updated=status.updated or 0,
            available=status.available or 0,
        )
    )
