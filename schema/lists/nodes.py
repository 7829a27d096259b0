"""Lists of nodes."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final, Optional

import strawberry

from auth.access import PODS
from schema.arguments import NAME_BYTES, check_values
from schema.asking import filters
from schema.asking.filters import Expression
from schema.attention import NodeAttention
from schema.execution.view import View
from schema.lists.by_metric import OfNodes, node_pods
from schema.lists.filter import (
    ObjectFilter,
    Reads,
    Test,
    exactly,
    filter_of,
    negated,
    one_of,
    selectable,
    tested,
    text,
    texts,
    unchecked,
    whether,
)
from schema.lists.listing import ClusterListing
from schema.lists.order import OBJECT_KEYS, Derived, Key
from schema.sources.kubernetes import kinds
from schema.sources.kubernetes.attention import SAID_BY_NODES
from schema.sources.kubernetes.node_sums import left, requested, scarcities
from schema.sources.kubernetes.objects import NodeRecord, Resources

CONTROL_PLANE_ROLES: Final = frozenset({"control-plane", "master"})
# What is told of pods that the caller may not see each, they may not ask for either.
_CLAIMS: Final = Reads(PODS, everywhere=True)
_REASONS_NEED: Final = (
    "CPU_SCARCE, MEMORY_SCARCE and PODS_SCARCE need the right to list pods in all namespaces; so does "
    "REQUESTS_NOT_VISIBLE, which no node has for those who have that right."
)


def _has_role(role: str) -> Expression:
    if role in CONTROL_PLANE_ROLES:
        return filters.overlaps("roles", CONTROL_PLANE_ROLES)
    if role == "worker":
        return filters.overlaps("roles", CONTROL_PLANE_ROLES, wanted=False)
    return filters.has("roles", role)


def _has_a_role(roles: list[str]) -> Expression:
    known = frozenset(roles) - {"worker"}
    if not CONTROL_PLANE_ROLES.isdisjoint(known):
        known |= CONTROL_PLANE_ROLES
    parts = [filters.overlaps("roles", known)]
    if "worker" in roles:
        parts.append(_has_role("worker"))
    return filters.any_of(parts)


def _attention(_filter: object, _at: str, wanted: bool) -> Expression:  # noqa: FBT001 - the field's value
    return Expression(f"{'' if wanted else 'not '}{{}}(r)", (_Attention(frozenset(NodeAttention)),))


def _has_reason(_filter: object, _at: str, reasons: NodeAttention | list[NodeAttention]) -> Expression:
    wanted = _reasons(reasons)
    if _counts_requests(wanted):
        return Expression("{}(r)", (_Attention(wanted),))
    return filters.overlaps("attention", wanted)


def _check_reasons(at: str, reasons: NodeAttention | list[NodeAttention]) -> None:
    check_values(at, [reasons] if isinstance(reasons, NodeAttention) else reasons, NAME_BYTES)


def _counts_requests(reasons: NodeAttention | Collection[NodeAttention]) -> bool:
    """Whether nobody may ask for one of them who may not list all pods. That they may not is itself such a reason."""
    return not _reasons(reasons) <= SAID_BY_NODES


def _reasons(reasons: NodeAttention | Collection[NodeAttention]) -> frozenset[NodeAttention]:
    return frozenset([reasons] if isinstance(reasons, NodeAttention) else reasons)


@dataclass(frozen=True, slots=True)
class _Attention(filters.Bound):
    """Whether a person should look at a node for one of these reasons: by its own report, or what its pods request."""

    reasons: frozenset[NodeAttention]

    def at(self, moment: filters.Moment) -> Callable[[NodeRecord], bool]:
        pods, reasons = moment.snapshot.pods, self.reasons

        def judge(node: NodeRecord) -> bool:
            if not reasons.isdisjoint(node.attention):
                return True
            return not reasons.isdisjoint(scarcities(node.allocatable, requested(pods.on_node(node.name))))

        return judge


@strawberry.input(description=filter_of("Nodes"))
class NodeFilter(ObjectFilter):
    FIELDS: ClassVar[Mapping[str, str]] = {
        **ObjectFilter.FIELDS,
        "spec.unschedulable": "('false' if r.schedulable else 'true')",
    }

    address: str | None = text(
        "One of its addresses, of any type, is exactly this; 255 bytes at most.", filters.has_address
    )
    addresses: list[str] | None = texts(
        "One of its addresses, of any type, is one of these.",
        lambda known: Expression("any(a.address in {} for a in r.addresses)", (frozenset(known),)),
    )
    role: str | None = text(
        "It has this role; 255 bytes at most. `master` and `control-plane` are two names of one role; "
        "`worker` is every node without it.",
        _has_role,
    )
    roles: list[str] | None = texts("It has one of these roles, understood as `role` is.", _has_a_role)
    zone: str | None = exactly("zone", "In exactly this zone (`Node.zone`).")
    zones: list[str] | None = one_of("zone", "In one of these zones.")
    instance_type: str | None = exactly("instance_type", "Of exactly this type of machine (`Node.instanceType`).")
    instance_types: list[str] | None = one_of("instance_type", "Of one of these types of machines.")
    pool: str | None = exactly("pool", "In exactly this pool (`Node.pool`).")
    pools: list[str] | None = one_of("pool", "In one of these pools.")
    status: str | None = exactly(
        "status", "In exactly this status, in kubectl's words, such as `Ready,SchedulingDisabled`."
    )
    statuses: list[str] | None = one_of("status", "In one of these statuses.")
    ready: bool | None = whether("ready", "Whether its Ready condition is true.")
    schedulable: bool | None = whether("schedulable", "Whether new pods may be placed on it.")
    attention: bool | None = tested(
        "Whether there is a reason why a person should look at it (`Node.attention`). Needs the right to list pods in "
        "all namespaces: some reasons are what its pods request.",
        Test(unchecked, _attention, late=True, reads=_CLAIMS),
    )
    attention_reason: NodeAttention | None = tested(
        f"`Node.attention` has this reason, beside others. {_REASONS_NEED}",
        Test(_check_reasons, _has_reason, late=True, reads=_CLAIMS, reads_for=_counts_requests),
    )
    attention_reasons: list[NodeAttention] | None = tested(
        f"`Node.attention` has one of these reasons. {_REASONS_NEED}",
        Test(_check_reasons, _has_reason, late=True, reads=_CLAIMS, reads_for=_counts_requests),
    )
    field_selector: str | None = selectable("`spec.unschedulable=true`. Fields: metadata.name and spec.unschedulable.")
    not_: Optional["NodeFilter"] = negated()


def _by_claims(amount: Callable[[NodeRecord, Resources], float]) -> Callable[[View], Derived]:
    """An order by what the pods on a node request."""

    def of(view: View) -> Derived:
        pods = view.snapshot.pods
        return Derived(lambda node: amount(node, requested(pods.on_node(node.name))), (node_pods(view),))

    return of


def _claims_key(told: str, amount: Callable[[NodeRecord, Resources], float]) -> Key:
    return Key("name", f"{told} Needs the right to list pods in all namespaces.", of=_by_claims(amount), reads=_CLAIMS)


_KEYS: Final = OBJECT_KEYS | {
    "STATUS": Key("status", "Its status in kubectl's words, by the alphabet."),
    "READY": Key("ready", "Whether it is ready."),
    "SCHEDULABLE": Key("schedulable", "Whether new pods may be placed on it."),
    "CPU_CAPACITY": Key("capacity.cpu", "The processors that it has."),
    "CPU_ALLOCATABLE": Key("allocatable.cpu", "The processor time that pods may use."),
    "MEMORY_CAPACITY": Key("capacity.memory", "The memory that it has."),
    "MEMORY_ALLOCATABLE": Key("allocatable.memory", "The memory that pods may use."),
    "POD_CAPACITY": Key("capacity.pods", "The most pods that its kubelet runs at once."),
    "KUBELET_VERSION": Key("kubelet_version", "The version of its kubelet, by the alphabet."),
    "ZONE": Key("zone", "Its zone, by the alphabet; without one: last.", nullable=True),
    "INSTANCE_TYPE": Key("instance_type", "Its type of machine, by the alphabet; without one: last.", nullable=True),
    "POOL": Key("pool", "Its pool, by the alphabet; without one: last.", nullable=True),
    "CPU_REQUESTED": _claims_key("The processor time that its pods request.", lambda _, claims: claims.cpu),
    "MEMORY_REQUESTED": _claims_key("The memory that its pods request.", lambda _, claims: claims.memory),
    "PODS_REQUESTED": _claims_key("How many pods on it are not done.", lambda _, claims: claims.pods),
    "CPU_AVAILABLE": _claims_key(
        "The processor time left to request.", lambda node, claims: left(node.allocatable, claims).cpu
    ),
    "MEMORY_AVAILABLE": _claims_key(
        "The memory left to request.", lambda node, claims: left(node.allocatable, claims).memory
    ),
    "PODS_AVAILABLE": _claims_key(
        "How many more pods it could run.", lambda node, claims: left(node.allocatable, claims).pods
    ),
}

NODES: Final[ClusterListing[NodeRecord]] = ClusterListing(
    kinds.NODES, kinds.NODES.resource, NodeFilter, _KEYS, ("node", "nodes"), OfNodes()
)
