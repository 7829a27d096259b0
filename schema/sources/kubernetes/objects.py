"""The objects of the cluster, one kind after another: what the wire says, and the records made of it.

A record has two tiers. Its hot fields are attributes, read directly by the graph; `rest` is the whole object,
compressed (cold.py). Records are frozen, compared by identity, invisible to the garbage collector, with tuples for
sequences (the collector keeps visiting lists of structs: 700 ms at 150,000 pods, 15 ms with tuples), and share their
equal strings, labels and label sets. Wire names are spelled as Kubernetes spells them (`podIPs`, not what a rename rule
would make of it); every field may be absent or null, since that is how Kubernetes says "empty".
"""

from collections.abc import Iterable
from typing import ClassVar, Final

from msgspec import Struct, field

from schema.sources.kubernetes.quantities import cores, whole
from schema.sources.kubernetes.sharing import Shared

CLUSTER_SCOPED: Final = ""


# ---------------------------------------------------------------------------------------------- what records share


class Label(Struct, frozen=True, gc=False, eq=False):
    """One label; equal ones are the same object."""

    key: str
    value: str


class Address(Struct, frozen=True, gc=False, eq=False):
    """One address of a node; `type` is Kubernetes' word: InternalIP, ExternalIP, Hostname, InternalDNS, ExternalDNS."""

    type: str
    address: str


class Resources(Struct, frozen=True, gc=False, eq=False):
    """What a node has or lends: `cpu` in cores, `memory` and `ephemeral_storage` in bytes, `pods` a count.

    What a node has not reported is 0, except storage, which not every kubelet reports: None.
    """

    cpu: float
    memory: int
    ephemeral_storage: int | None
    pods: int


class Sharing:
    """The tables of equal values behind one cluster's records."""

    def __init__(self) -> None:
        self.strings: Shared[str, str] = Shared(lambda text: text)
        self._label: Shared[tuple[str, str], Label] = Shared(
            lambda pair: Label(self.strings[pair[0]], self.strings[pair[1]])
        )
        self._labels: Shared[tuple[tuple[str, str], ...], tuple[Label, ...]] = Shared(
            lambda pairs: tuple(self._label[pair] for pair in sorted(pairs))
        )
        self.address: Shared[tuple[str, str], Address] = Shared(
            lambda pair: Address(self.strings[pair[0]], self.strings[pair[1]])
        )
        self._resources: Shared[tuple[float, int, int | None, int], Resources] = Shared(lambda four: Resources(*four))

    def labels(self, pairs: dict[str, str] | None) -> tuple[Label, ...]:
        """Sorted by key."""
        return self._labels[tuple(pairs.items())] if pairs else ()

    def resources(self, quantities: dict[str, str] | None) -> Resources:
        said = quantities or {}
        storage = said.get("ephemeral-storage")
        return self._resources[
            cores(said.get("cpu", "0")),
            whole(said.get("memory", "0")),
            None if storage is None else whole(storage),
            whole(said.get("pods", "0")),
        ]


class Meta(Struct, frozen=True, gc=False):
    name: str
    uid: str
    resource_version: str = field(name="resourceVersion")
    namespace: str = CLUSTER_SCOPED
    creation_timestamp: str | None = field(name="creationTimestamp", default=None)
    labels: dict[str, str] | None = None


class _Condition(Struct, frozen=True, gc=False):
    type: str
    status: str


def _is_true(conditions: Iterable[_Condition] | None, kind: str) -> bool:
    return any(condition.status == "True" for condition in conditions or () if condition.type == kind)


# ----------------------------------------------------------------------------------------------------------- nodes


class NodeRecord(Struct, frozen=True, gc=False, eq=False):
    """A node. `roles` as kubectl shows them, sorted; `created_at` as Kubernetes sent it (RFC 3339)."""

    namespace: ClassVar[str] = CLUSTER_SCOPED

    uid: str
    resource_version: str
    name: str
    created_at: str
    labels: tuple[Label, ...]
    roles: tuple[str, ...]
    addresses: tuple[Address, ...]
    ready: bool
    schedulable: bool
    capacity: Resources
    allocatable: Resources
    kubelet_version: str
    os_image: str
    rest: bytes


class _WireAddress(Struct, frozen=True, gc=False):
    type: str
    address: str


class _NodeInfo(Struct, frozen=True, gc=False):
    kubelet_version: str = field(name="kubeletVersion", default="")
    os_image: str = field(name="osImage", default="")


class _NodeSpec(Struct, frozen=True, gc=False):
    unschedulable: bool | None = None


class _NodeStatus(Struct, frozen=True, gc=False):
    addresses: list[_WireAddress] | None = None
    conditions: list[_Condition] | None = None
    capacity: dict[str, str] | None = None
    allocatable: dict[str, str] | None = None
    node_info: _NodeInfo | None = field(name="nodeInfo", default=None)


class WireNode(Struct, frozen=True, gc=False):
    metadata: Meta
    spec: _NodeSpec | None = None
    status: _NodeStatus | None = None


_ROLE_PREFIX: Final = "node-role.kubernetes.io/"
_ROLE_LABEL: Final = "kubernetes.io/role"


def _roles(labels: Iterable[Label]) -> tuple[str, ...]:
    """As kubectl's ROLES column finds them (findNodeRoles in pkg/printers/internalversion/printers.go)."""
    roles = {label.key.removeprefix(_ROLE_PREFIX) for label in labels if label.key.startswith(_ROLE_PREFIX)}
    roles |= {label.value for label in labels if label.key == _ROLE_LABEL}
    return tuple(sorted(roles - {""}))


def node_record(wire: WireNode, rest: bytes, sharing: Sharing) -> NodeRecord:
    meta, spec, status = wire.metadata, wire.spec or _NodeSpec(), wire.status or _NodeStatus()
    info = status.node_info or _NodeInfo()
    labels = sharing.labels(meta.labels)
    return NodeRecord(
        uid=meta.uid,
        resource_version=meta.resource_version,
        name=sharing.strings[meta.name],  # the pods on it name it too
        created_at=meta.creation_timestamp or "",
        labels=labels,
        roles=_roles(labels),
        addresses=tuple(sharing.address[address.type, address.address] for address in status.addresses or ()),
        ready=_is_true(status.conditions, "Ready"),
        schedulable=not spec.unschedulable,
        capacity=sharing.resources(status.capacity),
        allocatable=sharing.resources(status.allocatable),
        kubelet_version=sharing.strings[info.kubelet_version],
        os_image=sharing.strings[info.os_image],
        rest=rest,
    )


# ------------------------------------------------------------------------------------------------------------ pods


class PodRecord(Struct, frozen=True, gc=False, eq=False):
    """A pod. `ready` is its Ready condition; `addresses` are its IPs; `node_name` is None until it is scheduled.

    `containers_ready`, `containers_total` and `restarts` are what kubectl shows as READY and RESTARTS.
    """

    uid: str
    resource_version: str
    namespace: str
    name: str
    created_at: str
    labels: tuple[Label, ...]
    node_name: str | None
    phase: str
    addresses: tuple[str, ...]
    ready: bool
    containers_ready: int
    containers_total: int
    restarts: int
    rest: bytes


class _Present(Struct, frozen=True, gc=False):
    """Something that is only looked at for being there."""


class _InitContainer(Struct, frozen=True, gc=False):
    name: str
    restart_policy: str | None = field(name="restartPolicy", default=None)


class _Terminated(Struct, frozen=True, gc=False):
    exit_code: int = field(name="exitCode", default=0)


class _ContainerState(Struct, frozen=True, gc=False):
    running: _Present | None = None
    terminated: _Terminated | None = None


class _ContainerStatus(Struct, frozen=True, gc=False):
    name: str
    ready: bool = False
    restart_count: int = field(name="restartCount", default=0)
    started: bool | None = None
    state: _ContainerState | None = None


class _PodIP(Struct, frozen=True, gc=False):
    ip: str = ""


class _PodSpec(Struct, frozen=True, gc=False):
    node_name: str | None = field(name="nodeName", default=None)
    containers: list[_Present] | None = None
    init_containers: list[_InitContainer] | None = field(name="initContainers", default=None)


class _PodStatus(Struct, frozen=True, gc=False):
    phase: str = ""
    pod_ip: str | None = field(name="podIP", default=None)
    pod_ips: list[_PodIP] | None = field(name="podIPs", default=None)
    conditions: list[_Condition] | None = None
    container_statuses: list[_ContainerStatus] | None = field(name="containerStatuses", default=None)
    init_container_statuses: list[_ContainerStatus] | None = field(name="initContainerStatuses", default=None)


class WirePod(Struct, frozen=True, gc=False):
    metadata: Meta
    spec: _PodSpec | None = None
    status: _PodStatus | None = None


def _containers(spec: _PodSpec, status: _PodStatus) -> tuple[int, int, int]:
    """Containers ready, containers in total, restarts: as kubectl's READY and RESTARTS columns count them (printPod in
    pkg/printers/internalversion/printers.go).

    Sidecars (init containers that always restart) count like containers. Other init containers are in neither number of
    READY, and their restarts are shown only while the pod initialises: then nobody else's are.
    """
    sidecars = {init.name for init in spec.init_containers or () if init.restart_policy == "Always"}
    total = len(spec.containers or ()) + len(sidecars)
    ready = restarts = sidecar_restarts = 0
    initializing = False
    for init in status.init_container_statuses or ():
        restarts += init.restart_count
        if init.name in sidecars:
            sidecar_restarts += init.restart_count
        terminated = init.state.terminated if init.state else None
        if terminated is not None and terminated.exit_code == 0:
            continue
        if init.name in sidecars and init.started:
            ready += init.ready
            continue
        initializing = True  # what stands behind it has not begun
        break
    if initializing and not _is_true(status.conditions, "Initialized"):
        return ready, total, restarts
    for container in status.container_statuses or ():
        sidecar_restarts += container.restart_count
        ready += container.ready and container.state is not None and container.state.running is not None
    return ready, total, sidecar_restarts


def _pod_addresses(status: _PodStatus) -> tuple[str, ...]:
    if status.pod_ips:
        return tuple(address.ip for address in status.pod_ips if address.ip)
    return (status.pod_ip,) if status.pod_ip else ()  # API servers before 1.16, and some simulated ones


def pod_record(wire: WirePod, rest: bytes, sharing: Sharing) -> PodRecord:
    meta, spec, status = wire.metadata, wire.spec or _PodSpec(), wire.status or _PodStatus()
    ready, total, restarts = _containers(spec, status)
    return PodRecord(
        uid=meta.uid,
        resource_version=meta.resource_version,
        namespace=sharing.strings[meta.namespace],
        name=meta.name,
        created_at=meta.creation_timestamp or "",
        labels=sharing.labels(meta.labels),
        node_name=sharing.strings[spec.node_name] if spec.node_name else None,
        phase=sharing.strings[status.phase],
        addresses=_pod_addresses(status),
        ready=_is_true(status.conditions, "Ready"),
        containers_ready=ready,
        containers_total=total,
        restarts=restarts,
        rest=rest,
    )


# ------------------------------------------------------------------------------------------ namespaces and services


class NamespaceRecord(Struct, frozen=True, gc=False, eq=False):
    """A namespace; it belongs to none itself."""

    namespace: ClassVar[str] = CLUSTER_SCOPED

    uid: str
    resource_version: str
    name: str
    created_at: str
    labels: tuple[Label, ...]
    phase: str
    rest: bytes


class _NamespaceStatus(Struct, frozen=True, gc=False):
    phase: str = ""


class WireNamespace(Struct, frozen=True, gc=False):
    metadata: Meta
    status: _NamespaceStatus | None = None


def namespace_record(wire: WireNamespace, rest: bytes, sharing: Sharing) -> NamespaceRecord:
    return NamespaceRecord(
        uid=wire.metadata.uid,
        resource_version=wire.metadata.resource_version,
        name=sharing.strings[wire.metadata.name],  # everything in it names it too
        created_at=wire.metadata.creation_timestamp or "",
        labels=sharing.labels(wire.metadata.labels),
        phase=sharing.strings[(wire.status or _NamespaceStatus()).phase],
        rest=rest,
    )


class ServiceRecord(Struct, frozen=True, gc=False, eq=False):
    """A service; an empty `selector` selects nothing (its endpoints are somebody else's business)."""

    uid: str
    resource_version: str
    namespace: str
    name: str
    created_at: str
    labels: tuple[Label, ...]
    selector: tuple[Label, ...]
    rest: bytes


class _ServiceSpec(Struct, frozen=True, gc=False):
    selector: dict[str, str] | None = None


class WireService(Struct, frozen=True, gc=False):
    metadata: Meta
    spec: _ServiceSpec | None = None


def service_record(wire: WireService, rest: bytes, sharing: Sharing) -> ServiceRecord:
    return ServiceRecord(
        uid=wire.metadata.uid,
        resource_version=wire.metadata.resource_version,
        namespace=sharing.strings[wire.metadata.namespace],
        name=wire.metadata.name,
        created_at=wire.metadata.creation_timestamp or "",
        labels=sharing.labels(wire.metadata.labels),
        selector=sharing.labels((wire.spec or _ServiceSpec()).selector),
        rest=rest,
    )
