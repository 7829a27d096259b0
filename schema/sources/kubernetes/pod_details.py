"""Details of pods, beside their containers: what their spec says, and what the kubelet reports of them as a whole."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from msgspec import Raw, Struct, field

from schema.sources.described import Described
from schema.sources.kubernetes.conditions import ReportedCondition, WireCondition, reported
from schema.sources.kubernetes.details import Details, HasRest, Pair, pairs
from schema.sources.kubernetes.placement import Toleration, WireToleration, tolerations
from schema.sources.kubernetes.quality import QosClass, qos_class
from schema.sources.kubernetes.volumes import Volume, volumes
from schema.sources.kubernetes.wire import NOTHING


class RestartPolicy(Described):
    """Whether containers that have ended are started again. Init containers have rules of their own."""

    ALWAYS = "ALWAYS", "Always."
    ON_FAILURE = "ON_FAILURE", "When they failed."
    NEVER = "NEVER", "Never."


_RESTART_POLICIES: Final = {"OnFailure": RestartPolicy.ON_FAILURE, "Never": RestartPolicy.NEVER}


# ------------------------------------------------------------------------------------------------ what the wire says


class _Meta(Struct, frozen=True, gc=False):
    name: str
    deletion_timestamp: str | None = field(name="deletionTimestamp", default=None)
    deletion_grace_period_seconds: int | None = field(name="deletionGracePeriodSeconds", default=None)
    finalizers: list[str] | None = None


class _Claimant(Struct, frozen=True, gc=False):
    resources: Raw = NOTHING


class _Gate(Struct, frozen=True, gc=False):
    name: str = ""  # of a scheduling gate
    condition_type: str = field(name="conditionType", default="")  # of a readiness gate


class _Spec(Struct, frozen=True, gc=False):
    containers: list[_Claimant] | None = None
    init_containers: list[_Claimant] | None = field(name="initContainers", default=None)
    resources: Raw = NOTHING
    restart_policy: str | None = field(name="restartPolicy", default=None)
    termination_grace_period_seconds: int | None = field(name="terminationGracePeriodSeconds", default=None)
    active_deadline_seconds: int | None = field(name="activeDeadlineSeconds", default=None)
    service_account_name: str | None = field(name="serviceAccountName", default=None)
    scheduler_name: str | None = field(name="schedulerName", default=None)
    host_network: bool | None = field(name="hostNetwork", default=None)
    host_pid: bool | None = field(name="hostPID", default=None)
    host_ipc: bool | None = field(name="hostIPC", default=None)
    priority: int | None = None
    priority_class_name: str | None = field(name="priorityClassName", default=None)
    runtime_class_name: str | None = field(name="runtimeClassName", default=None)
    node_selector: dict[str, str] | None = field(name="nodeSelector", default=None)
    tolerations: list[WireToleration] | None = None
    readiness_gates: list[_Gate] | None = field(name="readinessGates", default=None)
    scheduling_gates: list[_Gate] | None = field(name="schedulingGates", default=None)
    volumes: list[dict[str, Raw]] | None = None


class _Address(Struct, frozen=True, gc=False):
    ip: str = ""


class _Status(Struct, frozen=True, gc=False):
    reason: str | None = None
    message: str | None = None
    conditions: list[WireCondition] | None = None
    qos_class: str | None = field(name="qosClass", default=None)
    host_ip: str | None = field(name="hostIP", default=None)
    host_ips: list[_Address] | None = field(name="hostIPs", default=None)
    start_time: str | None = field(name="startTime", default=None)
    nominated_node_name: str | None = field(name="nominatedNodeName", default=None)


class WirePodDetails(Struct, frozen=True, gc=False):
    metadata: _Meta
    spec: _Spec | None = None
    status: _Status | None = None


# ---------------------------------------------------------------------------------------------- what is made of that


class PodDetails(Struct, frozen=True, gc=False):
    """Moments are RFC 3339, as Kubernetes sent them; what was not said is None."""

    reason: str | None
    message: str | None
    conditions: tuple[ReportedCondition, ...]
    qos_class: QosClass
    host_addresses: tuple[str, ...]
    started_at: str | None
    deletion_timestamp: str | None
    deletion_grace_period_seconds: int | None
    finalizers: tuple[str, ...]
    restart_policy: RestartPolicy
    termination_grace_period_seconds: int | None
    active_deadline_seconds: int | None
    service_account_name: str | None
    scheduler_name: str | None
    host_network: bool
    host_pid: bool
    host_ipc: bool
    priority: int | None
    priority_class_name: str | None
    runtime_class_name: str | None
    node_selector: tuple[Pair, ...]
    nominated_node_name: str | None
    tolerations: tuple[Toleration, ...]
    readiness_gates: tuple[str, ...]
    scheduling_gates: tuple[str, ...]
    volumes: tuple[Volume, ...]


def _pod_details(pod: WirePodDetails) -> PodDetails:
    meta, spec, status = pod.metadata, pod.spec or _Spec(), pod.status or _Status()
    claimants = (*(spec.init_containers or ()), *(spec.containers or ()))
    return PodDetails(
        reason=status.reason or None,
        message=status.message or None,
        conditions=reported(status.conditions),
        qos_class=qos_class(status.qos_class, spec.resources, (one.resources for one in claimants)),
        host_addresses=tuple(_host_addresses(status)),
        started_at=status.start_time,
        deletion_timestamp=meta.deletion_timestamp,
        deletion_grace_period_seconds=meta.deletion_grace_period_seconds,
        finalizers=tuple(meta.finalizers or ()),
        restart_policy=_RESTART_POLICIES.get(spec.restart_policy or "", RestartPolicy.ALWAYS),
        termination_grace_period_seconds=spec.termination_grace_period_seconds,
        active_deadline_seconds=spec.active_deadline_seconds,
        service_account_name=spec.service_account_name or None,
        scheduler_name=spec.scheduler_name or None,
        host_network=bool(spec.host_network),
        host_pid=bool(spec.host_pid),
        host_ipc=bool(spec.host_ipc),
        priority=spec.priority,
        priority_class_name=spec.priority_class_name or None,
        runtime_class_name=spec.runtime_class_name or None,
        node_selector=pairs(spec.node_selector),
        nominated_node_name=status.nominated_node_name or None,
        tolerations=tolerations(spec.tolerations),
        readiness_gates=tuple(gate.condition_type for gate in spec.readiness_gates or ()),
        scheduling_gates=tuple(gate.name for gate in spec.scheduling_gates or ()),
        volumes=volumes(spec.volumes, meta.name),
    )


def _host_addresses(status: _Status) -> Iterator[str]:
    if status.host_ips:
        yield from (address.ip for address in status.host_ips if address.ip)
    elif status.host_ip:  # a kubelet before 1.29
        yield status.host_ip


pod_details: Final = Details(WirePodDetails, _pod_details)


# What field selectors may name of it, as the API server writes it (ToSelectableFields in its registry of pods).
_POLICY_WORDS: Final = {RestartPolicy.ALWAYS: "Always"} | {policy: word for word, policy in _RESTART_POLICIES.items()}
SELECTABLE: Final[Mapping[str, Callable[[HasRest], str]]] = {
    "spec.restartPolicy": lambda pod: _POLICY_WORDS[pod_details(pod).restart_policy],
    "spec.schedulerName": lambda pod: pod_details(pod).scheduler_name or "",
    "spec.serviceAccountName": lambda pod: pod_details(pod).service_account_name or "",
    "spec.hostNetwork": lambda pod: "true" if pod_details(pod).host_network else "false",
    "status.nominatedNodeName": lambda pod: pod_details(pod).nominated_node_name or "",
}
