"""What the wire says of every kind's metadata, and of a pod: the parts that become hot fields of records.

Wire names are spelled as Kubernetes spells them; every field may be absent or null, since that is how Kubernetes says
"empty". What records are made of is in objects.py; what is decoded only when asked for, in details.py.
"""

from collections.abc import Iterable
from typing import Final

from msgspec import Raw, Struct, field

CLUSTER_SCOPED: Final = ""
NOTHING: Final = Raw()


class Condition(Struct, frozen=True, gc=False):
    type: str
    status: str
    reason: str | None = None


def is_true(conditions: Iterable[Condition] | None, kind: str) -> bool:
    return says(conditions, kind, "True")


def says(
    conditions: Iterable[Condition] | None, kind: str, status: str | None = None, reason: str | None = None
) -> bool:
    """Whether one is of that kind, with that status and that reason, if they are given.

    Asked several times of each object that changes: a loop takes a third of what `any` of a generator does.
    """
    for condition in conditions or ():
        if (
            condition.type == kind
            and (status is None or condition.status == status)
            and (reason is None or condition.reason == reason)
        ):
            return True
    return False


class OwnerReference(Struct, frozen=True, gc=False):
    api_version: str = field(name="apiVersion")
    kind: str
    name: str
    uid: str
    controller: bool | None = None


class Meta(Struct, frozen=True, gc=False):
    name: str
    uid: str
    resource_version: str = field(name="resourceVersion")
    namespace: str = CLUSTER_SCOPED
    creation_timestamp: str | None = field(name="creationTimestamp", default=None)
    deletion_timestamp: str | None = field(name="deletionTimestamp", default=None)
    labels: dict[str, str] | None = None
    owner_references: list[OwnerReference] | None = field(name="ownerReferences", default=None)
    managed_fields: Raw = field(name="managedFields", default=NOTHING)


# ------------------------------------------------------------------------------------------------------------ pods


class Container(Struct, frozen=True, gc=False):
    """Of a pod's spec. `resources` stay JSON: pods repeat them, and requests.py reads each only once."""

    name: str
    restart_policy: str | None = field(name="restartPolicy", default=None)
    resources: Raw = NOTHING

    @property
    def sidecar(self) -> bool:
        """Of an init container: it is started before the others, and keeps running beside the containers."""
        return self.restart_policy == "Always"


class Present(Struct, frozen=True, gc=False):
    """Something that is only looked at for being there."""


class Waiting(Struct, frozen=True, gc=False):
    reason: str = ""


class Terminated(Struct, frozen=True, gc=False):
    exit_code: int = field(name="exitCode", default=0)
    signal: int | None = None
    reason: str = ""
    finished_at: str | None = field(name="finishedAt", default=None)


class ContainerState(Struct, frozen=True, gc=False):
    waiting: Waiting | None = None
    running: Present | None = None
    terminated: Terminated | None = None


class ContainerStatus(Struct, frozen=True, gc=False):
    name: str
    ready: bool = False
    restart_count: int = field(name="restartCount", default=0)
    started: bool | None = None
    state: ContainerState | None = None
    last_state: ContainerState | None = field(name="lastState", default=None)
    allocated_resources: Raw = field(name="allocatedResources", default=NOTHING)
    resources: Raw = NOTHING


class PodIP(Struct, frozen=True, gc=False):
    ip: str = ""


class PodSpec(Struct, frozen=True, gc=False):
    node_name: str | None = field(name="nodeName", default=None)
    containers: list[Container] | None = None
    init_containers: list[Container] | None = field(name="initContainers", default=None)
    overhead: Raw = NOTHING
    resources: Raw = NOTHING


class PodStatus(Struct, frozen=True, gc=False):
    phase: str = ""
    reason: str | None = None
    pod_ip: str | None = field(name="podIP", default=None)
    pod_ips: list[PodIP] | None = field(name="podIPs", default=None)
    conditions: list[Condition] | None = None
    container_statuses: list[ContainerStatus] | None = field(name="containerStatuses", default=None)
    init_container_statuses: list[ContainerStatus] | None = field(name="initContainerStatuses", default=None)
    allocated_resources: Raw = field(name="allocatedResources", default=NOTHING)
    resources: Raw = NOTHING
