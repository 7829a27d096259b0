"""The objects of the cluster, one kind after another: what the wire says, and the records made of it.

A record has two tiers. Its hot fields are attributes, read directly by the graph; `rest` is the whole object,
compressed (cold.py), of which details.py reads what is asked. Records are frozen, compared by identity, invisible to
the garbage collector, with tuples for sequences (the collector keeps visiting lists of structs: 700 ms at 150,000 pods,
15 ms with tuples), and share their equal strings, labels and label sets. Wire names are spelled as Kubernetes spells
them (`podIPs`, not what a rename rule would make of it); every field may be absent or null, since that is how
Kubernetes says "empty".
"""

from collections.abc import Iterable
from typing import ClassVar, Final

from msgspec import Struct, field

from schema.sources.kubernetes.attention import NodeAttention, PodAttention, node_attention, pod_attention
from schema.sources.kubernetes.cold import Rest
from schema.sources.kubernetes.pod_words import node_status, pod_words
from schema.sources.kubernetes.quantities import cores, whole
from schema.sources.kubernetes.requests import Amounts, PodClaims, ResourceAmount
from schema.sources.kubernetes.sharing import Shared
from schema.sources.kubernetes.wire import (
    CLUSTER_SCOPED,
    Condition,
    Meta,
    OwnerReference,
    PodSpec,
    PodStatus,
    is_true,
)

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

    What a node has not reported is 0, except storage, which not every kubelet reports: None. `others` by name.
    """

    cpu: float
    memory: int
    ephemeral_storage: int | None
    pods: int
    others: tuple[ResourceAmount, ...] = ()


class Owner(Struct, frozen=True, gc=False, eq=False):
    """What made an object, and keeps it as it should be: its controller."""

    api_version: str
    kind: str
    name: str
    uid: str


_OWN_FIELDS: Final = frozenset({"cpu", "memory", "ephemeral-storage", "pods"})

_MOMENTS_LIMIT: Final = 1024


class Sharing:
    """The tables of equal values behind one cluster's records."""

    def __init__(self) -> None:
        self.strings: Shared[str, str] = Shared(lambda text: text)
        # of pods: those of one workload begin together, and stand together in a list; few moments are met again later
        self.moments: Shared[str, str] = Shared(lambda text: text, limit=_MOMENTS_LIMIT)
        self._label: Shared[tuple[str, str], Label] = Shared(
            lambda pair: Label(self.strings[pair[0]], self.strings[pair[1]])
        )
        self._labels: Shared[tuple[tuple[str, str], ...], tuple[Label, ...]] = Shared(
            lambda pairs: tuple(self._label[pair] for pair in sorted(pairs))
        )
        self.address: Shared[tuple[str, str], Address] = Shared(
            lambda pair: Address(self.strings[pair[0]], self.strings[pair[1]])
        )
        self._resources: Shared[tuple[tuple[str, str], ...], Resources] = Shared(
            lambda quantities: _resources(dict(quantities))
        )
        self._owner: Shared[tuple[str, str, str, str], Owner] = Shared(
            lambda parts: Owner(self.strings[parts[0]], self.strings[parts[1]], parts[2], parts[3])
        )
        self.attention: Shared[tuple[PodAttention, ...], tuple[PodAttention, ...]] = Shared(lambda reasons: reasons)
        self.claims = PodClaims()

    def labels(self, pairs: dict[str, str] | None) -> tuple[Label, ...]:
        """Sorted by key."""
        return self._labels[tuple(pairs.items())] if pairs else ()

    def resources(self, quantities: dict[str, str] | None) -> Resources:
        return self._resources[tuple((quantities or {}).items())]

    def owner(self, references: list[OwnerReference] | None) -> Owner | None:
        """The one that says it is the controller; an object has one at most."""
        for one in references or ():
            if one.controller:
                return self._owner[one.api_version, one.kind, one.name, one.uid]
        return None


def _resources(said: dict[str, str]) -> Resources:
    storage = said.get("ephemeral-storage")
    return Resources(
        cpu=cores(said.get("cpu", "0")),
        memory=whole(said.get("memory", "0")),
        ephemeral_storage=None if storage is None else whole(storage),
        pods=whole(said.get("pods", "0")),
        others=tuple(ResourceAmount(name, whole(said[name])) for name in sorted(said.keys() - _OWN_FIELDS)),
    )


# ----------------------------------------------------------------------------------------------------------- nodes


class NodeRecord(Struct, frozen=True, gc=False, eq=False):
    """A node. `roles` and `status` as kubectl shows them, roles sorted; `created_at` as Kubernetes sent it (RFC 3339).

    `attention` is what the node itself says; what its pods request is no part of it. `zone`, `instance_type` and `pool`
    are what the well-known labels say, None where none does.
    """

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
    status: str
    attention: tuple[NodeAttention, ...]
    capacity: Resources
    allocatable: Resources
    kubelet_version: str
    os_image: str
    zone: str | None
    instance_type: str | None
    pool: str | None
    rest: Rest


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
    conditions: list[Condition] | None = None
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


_ZONE_LABELS: Final = ("topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone")
_INSTANCE_TYPE_LABELS: Final = ("node.kubernetes.io/instance-type", "beta.kubernetes.io/instance-type")
# The newest of each first. Karpenter's nodes on EKS and AKS have its label alone; those of a managed group, theirs.
POOL_LABELS: Final = (
    "karpenter.sh/nodepool",
    "karpenter.sh/provisioner-name",
    "cloud.google.com/gke-nodepool",
    "eks.amazonaws.com/nodegroup",
    "alpha.eksctl.io/nodegroup-name",
    "kubernetes.azure.com/agentpool",
    "agentpool",
)


def _first_label(labels: Iterable[Label], keys: Iterable[str]) -> str | None:
    values = {label.key: label.value for label in labels}
    return next((value for key in keys if (value := values.get(key))), None)


def node_record(wire: WireNode, rest: Rest, sharing: Sharing) -> NodeRecord:
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
        ready=is_true(status.conditions, "Ready"),
        schedulable=not spec.unschedulable,
        status=sharing.strings[node_status(status.conditions, unschedulable=bool(spec.unschedulable))],
        attention=node_attention(status.conditions, unschedulable=bool(spec.unschedulable)),
        capacity=sharing.resources(status.capacity),
        allocatable=sharing.resources(status.allocatable),
        kubelet_version=sharing.strings[info.kubelet_version],
        os_image=sharing.strings[info.os_image],
        zone=_first_label(labels, _ZONE_LABELS),
        instance_type=_first_label(labels, _INSTANCE_TYPE_LABELS),
        pool=_first_label(labels, POOL_LABELS),
        rest=rest,
    )


# ------------------------------------------------------------------------------------------------------------ pods


class PodRecord(Struct, frozen=True, gc=False, eq=False):
    """A pod. `ready` is its Ready condition; `node_name` is None until it is scheduled.

    `addresses` are its IPs, `address` is the first of them, None until it has one.

    `status`, `containers_ready`, `containers_total`, `restarts` and `last_restart` (RFC 3339, None if nobody knows) are
    what kubectl shows as STATUS, READY and RESTARTS. `requests` and `limits` as the scheduler counts them.
    """

    uid: str
    resource_version: str
    namespace: str
    name: str
    created_at: str
    labels: tuple[Label, ...]
    node_name: str | None
    phase: str
    address: str | None
    addresses: tuple[str, ...]
    ready: bool
    containers_ready: int
    containers_total: int
    restarts: int
    last_restart: str | None
    status: str
    attention: tuple[PodAttention, ...]
    requests: Amounts
    limits: Amounts
    owner: Owner | None
    rest: Rest


class WirePod(Struct, frozen=True, gc=False):
    metadata: Meta
    spec: PodSpec | None = None
    status: PodStatus | None = None


def _pod_addresses(status: PodStatus) -> tuple[str, ...]:
    if status.pod_ips:
        return tuple(address.ip for address in status.pod_ips if address.ip)
    return (status.pod_ip,) if status.pod_ip else ()  # API servers before 1.16, and some simulated ones


def pod_record(wire: WirePod, rest: Rest, sharing: Sharing) -> PodRecord:
    meta, spec, status = wire.metadata, wire.spec or PodSpec(), wire.status or PodStatus()
    deleted = meta.deletion_timestamp is not None
    words = pod_words(spec, status, deleted=deleted)
    requests, limits = sharing.claims.of(spec, status)
    addresses = _pod_addresses(status)
    return PodRecord(
        uid=meta.uid,
        resource_version=meta.resource_version,
        namespace=sharing.strings[meta.namespace],
        name=meta.name,
        created_at=sharing.moments[meta.creation_timestamp or ""],
        labels=sharing.labels(meta.labels),
        node_name=sharing.strings[spec.node_name] if spec.node_name else None,
        phase=sharing.strings[status.phase],
        address=addresses[0] if addresses else None,
        addresses=addresses,
        ready=is_true(status.conditions, "Ready"),
        containers_ready=words.ready,
        containers_total=words.total,
        restarts=words.restarts.count,
        last_restart=sharing.moments[words.restarts.last] if words.restarts.last else None,
        status=sharing.strings[words.status],
        attention=sharing.attention[pod_attention(status, deleted=deleted)],
        requests=requests,
        limits=limits,
        owner=sharing.owner(meta.owner_references),
        rest=rest,
    )


# ------------------------------------------------------------------------------------------------------ namespaces


class NamespaceRecord(Struct, frozen=True, gc=False, eq=False):
    """A namespace; it belongs to none itself."""

    namespace: ClassVar[str] = CLUSTER_SCOPED

    uid: str
    resource_version: str
    name: str
    created_at: str
    labels: tuple[Label, ...]
    phase: str
    rest: Rest


class _NamespaceStatus(Struct, frozen=True, gc=False):
    phase: str = ""


class WireNamespace(Struct, frozen=True, gc=False):
    metadata: Meta
    status: _NamespaceStatus | None = None


def namespace_record(wire: WireNamespace, rest: Rest, sharing: Sharing) -> NamespaceRecord:
    return NamespaceRecord(
        uid=wire.metadata.uid,
        resource_version=wire.metadata.resource_version,
        name=sharing.strings[wire.metadata.name],  # everything in it names it too
        created_at=wire.metadata.creation_timestamp or "",
        labels=sharing.labels(wire.metadata.labels),
        phase=sharing.strings[(wire.status or _NamespaceStatus()).phase],
        rest=rest,
    )
