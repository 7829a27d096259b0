"""Why a person should look at a pod or a node: what its own report says, whatever the time is."""

from collections.abc import Iterable, Iterator
from typing import Final

from schema.sources.described import Described
from schema.sources.kubernetes.pod_words import NODE_LOST
from schema.sources.kubernetes.wire import Condition, ContainerState, ContainerStatus, PodStatus, is_true, says


class PodAttention(Described):
    """A reason why a person should look at a pod."""

    FAILED = "FAILED", "Its phase is Failed: a container failed, and none is started again."
    EVICTED = "EVICTED", "The kubelet evicted it, for want of memory, storage or process ids on its node."
    UNSCHEDULABLE = "UNSCHEDULABLE", "The scheduler finds no node for it; its PodScheduled condition says why."
    IMAGE_UNAVAILABLE = "IMAGE_UNAVAILABLE", "The image of a container cannot be pulled, or its name is no image's."
    CANNOT_START = (
        "CANNOT_START",
        "A container cannot be created or started: a missing ConfigMap or Secret, a command that is not there.",
    )
    CRASHING = "CRASHING", "A container ends again and again; the kubelet waits before it starts it once more."
    OUT_OF_MEMORY = "OUT_OF_MEMORY", "A container was killed because it used more memory than its limit allows."
    NOT_READY = "NOT_READY", "It runs, and its Ready condition is not true: it gets no requests from services."
    NODE_LOST = "NODE_LOST", "Nobody hears of its node; what is known of it is old."


class NodeAttention(Described):
    """A reason why a person should look at a node."""

    NOT_READY = "NOT_READY", "Its Ready condition is false, or it has none yet: it takes no pods."
    UNREACHABLE = "UNREACHABLE", "Its Ready condition is unknown: nobody hears of its kubelet."
    MEMORY_PRESSURE = "MEMORY_PRESSURE", "It is short of memory; its kubelet evicts pods."
    DISK_PRESSURE = "DISK_PRESSURE", "It is short of disk space; its kubelet evicts pods and removes images."
    PID_PRESSURE = "PID_PRESSURE", "It is short of process ids; its kubelet evicts pods."
    NETWORK_UNAVAILABLE = "NETWORK_UNAVAILABLE", "Its network is not set up."
    CORDONED = "CORDONED", "No new pods may be placed on it."
    CPU_SCARCE = "CPU_SCARCE", "Its pods request more than 90 % of its allocatable processor time."
    MEMORY_SCARCE = "MEMORY_SCARCE", "Its pods request more than 90 % of its allocatable memory."
    PODS_SCARCE = "PODS_SCARCE", "It runs more than 90 % of the pods that it can run."
    REQUESTS_NOT_VISIBLE = (
        "REQUESTS_NOT_VISIBLE",
        (
            "The caller may not list pods in all namespaces, so that nothing is said of what its pods request: "
            "CPU_SCARCE, MEMORY_SCARCE and PODS_SCARCE may hold or not."
        ),
    )


# What a node itself tells; the rest is counted from its pods.
SAID_BY_NODES: Final = frozenset(
    {
        NodeAttention.NOT_READY,
        NodeAttention.UNREACHABLE,
        NodeAttention.MEMORY_PRESSURE,
        NodeAttention.DISK_PRESSURE,
        NodeAttention.PID_PRESSURE,
        NodeAttention.NETWORK_UNAVAILABLE,
        NodeAttention.CORDONED,
    }
)

_WAITING_FOR: Final = {
    "CrashLoopBackOff": PodAttention.CRASHING,
    **dict.fromkeys(
        (
            "ErrImagePull",
            "ImagePullBackOff",
            "ErrImageNeverPull",
            "InvalidImageName",
            "ImageInspectError",
            "RegistryUnavailable",
            "SignatureValidationFailed",
        ),
        PodAttention.IMAGE_UNAVAILABLE,
    ),
    **dict.fromkeys(
        (
            "CreateContainerConfigError",
            "CreateContainerError",
            "RunContainerError",
            "PreCreateHookError",
            "PreStartHookError",
            "PostStartHookError",
        ),
        PodAttention.CANNOT_START,
    ),
}
_UNSTATED: Final = ContainerState()


def pod_attention(status: PodStatus, *, deleted: bool) -> tuple[PodAttention, ...]:
    """In the order of the enum. A pod that is on its way out is not unready: it is leaving."""
    found = set(_of_the_pod(status, deleted=deleted))
    for container in (*(status.init_container_statuses or ()), *(status.container_statuses or ())):
        found |= set(_of_a_container(container))
    return tuple(reason for reason in PodAttention if reason in found) if found else ()


def _of_the_pod(status: PodStatus, *, deleted: bool) -> Iterator[PodAttention]:
    if status.phase == "Failed":
        yield PodAttention.EVICTED if status.reason == "Evicted" else PodAttention.FAILED
    if status.reason == NODE_LOST or says(status.conditions, "Ready", "False", "NodeNotReady"):
        yield PodAttention.NODE_LOST
    elif status.phase == "Running" and not deleted and not is_true(status.conditions, "Ready"):
        yield PodAttention.NOT_READY
    if says(status.conditions, "PodScheduled", "False", "Unschedulable"):
        yield PodAttention.UNSCHEDULABLE


def _of_a_container(status: ContainerStatus) -> Iterator[PodAttention]:
    state, before = status.state or _UNSTATED, status.last_state or _UNSTATED
    if state.waiting and state.waiting.reason in _WAITING_FOR:
        yield _WAITING_FOR[state.waiting.reason]
    if _out_of_memory(state) or _out_of_memory(before):
        yield PodAttention.OUT_OF_MEMORY


def _out_of_memory(state: ContainerState) -> bool:
    return state.terminated is not None and state.terminated.reason == "OOMKilled"


_PRESSURES: Final = {
    "MemoryPressure": NodeAttention.MEMORY_PRESSURE,
    "DiskPressure": NodeAttention.DISK_PRESSURE,
    "PIDPressure": NodeAttention.PID_PRESSURE,
    "NetworkUnavailable": NodeAttention.NETWORK_UNAVAILABLE,
}


def node_attention(conditions: Iterable[Condition] | None, *, unschedulable: bool) -> tuple[NodeAttention, ...]:
    """What the node itself says; what its pods request is not looked at here."""
    said = {condition.type: condition.status for condition in conditions or ()}
    found = [reason for kind, reason in _PRESSURES.items() if said.get(kind) == "True"]
    ready = said.get("Ready")
    if ready != "True":
        found.insert(0, NodeAttention.UNREACHABLE if ready == "Unknown" else NodeAttention.NOT_READY)
    if unschedulable:
        found.append(NodeAttention.CORDONED)
    return tuple(found)
