"""What a pod claims of its node, counted as the scheduler counts it.

After `PodRequests` and `PodLimits` in k8s.io/component-helpers/resource/helpers.go, with the options that Kubernetes
1.37's scheduler gives by default: what the kubelet reports of a resize in place counts, of containers and of the pod;
requests of the pod as a whole take the place of its containers' sums; its overhead is added. Shares of devices that
dynamic resource allocation reports as part of the node's own cpu and memory (alpha, off) are not counted.

`kubectl describe node` counts its rows in the same way, save for a pod-level resize, which it does not look at.
Quantities are whole thousandths here: the API server rounds every request up to one.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from schema.sources.kubernetes.quantities import quantity
from schema.sources.kubernetes.sharing import Shared
from schema.sources.kubernetes.wire import Container, ContainerStatus, PodSpec, PodStatus

Thousandths = Mapping[str, int]  # of what, by the resource's name

_THOUSAND: Final = 1000
_HUGE_PAGES: Final = "hugepages-"
_POD_LEVEL: Final = frozenset({"cpu", "memory"})  # and huge pages: what may be asked for a pod as a whole
# The distinct shapes of a cluster's pods: some hundred. An entry costs about a kilobyte.
_SHAPES_LIMIT: Final = 4096


class ResourceAmount(Struct, frozen=True, gc=False, eq=False):
    """Of a resource that has no field of its own: huge pages in bytes, everything else (GPUs) as a count."""

    name: str
    amount: int


class Amounts(Struct, frozen=True, gc=False, eq=False):
    """`cpu` in cores, `memory` and `ephemeral_storage` in bytes; None where nothing is said. `others` by name."""

    cpu: float | None = None
    memory: int | None = None
    ephemeral_storage: int | None = None
    others: tuple[ResourceAmount, ...] = ()


def amounts(said: Thousandths) -> Amounts:
    cpu, memory, storage = said.get("cpu"), said.get("memory"), said.get("ephemeral-storage")
    return Amounts(
        cpu=None if cpu is None else cpu / _THOUSAND,
        memory=None if memory is None else _whole(memory),
        ephemeral_storage=None if storage is None else _whole(storage),
        others=tuple(
            ResourceAmount(name, _whole(amount)) for name, amount in sorted(said.items()) if name not in _OWN_FIELDS
        ),
    )


def requirements(resources: bytes) -> tuple[Amounts, Amounts]:
    """Requests and limits of one container by itself, from the JSON of its `resources`; no bytes ask for nothing."""
    said = (_resources.decode(resources) if resources else None) or _Resources()
    return amounts(_thousandths(said.requests) or {}), amounts(_thousandths(said.limits) or {})


_OWN_FIELDS: Final = frozenset({"cpu", "memory", "ephemeral-storage"})


def _whole(thousandths: int) -> int:
    """Rounded up, as `Quantity.Value()` rounds."""
    return -(-thousandths // _THOUSAND)


class _Shape(Struct, frozen=True, gc=False):
    """All that the sums depend on, as the JSON it came in: what pods of one workload have in common."""

    containers: tuple["_Claim", ...]
    inits: tuple["_Claim", ...]
    overhead: bytes
    resources: bytes
    allocated: bytes
    actual: bytes
    infeasible: bool


class _Claim(Struct, frozen=True, gc=False):
    """One container: what its spec asks for, what the kubelet has set aside for it, what it runs with."""

    sidecar: bool
    asked: bytes
    allocated: bytes
    actual: bytes


class PodClaims:
    """The requests and limits of pods; equal ones are the same object."""

    def __init__(self) -> None:
        self._of: Shared[_Shape, tuple[Amounts, Amounts]] = Shared(_sums, limit=_SHAPES_LIMIT)

    def of(self, spec: PodSpec, status: PodStatus) -> tuple[Amounts, Amounts]:
        """Requests and limits. Raises ValueError or msgspec's error for what is no amount."""
        reported = {one.name: one for one in status.init_container_statuses or ()}
        reported |= {one.name: one for one in status.container_statuses or ()}
        return self._of[
            _Shape(
                containers=_claims(spec.containers or (), reported),
                inits=_claims(spec.init_containers or (), reported),
                overhead=bytes(spec.overhead),
                resources=bytes(spec.resources),
                allocated=bytes(status.allocated_resources),
                actual=bytes(status.resources),
                infeasible=_is_infeasible(status),
            )
        ]


def _claims(containers: Sequence[Container], reported: Mapping[str, ContainerStatus]) -> tuple[_Claim, ...]:
    return tuple(_claim(container, reported.get(container.name)) for container in containers)


def _claim(container: Container, status: ContainerStatus | None) -> _Claim:
    asked = bytes(container.resources)
    if status is None:
        return _Claim(container.sidecar, asked, b"", b"")
    return _Claim(container.sidecar, asked, bytes(status.allocated_resources), bytes(status.resources))


def _is_infeasible(status: PodStatus) -> bool:
    """A resize that the node can never do: what was asked for does not count then."""
    for condition in status.conditions or ():
        if condition.type == "PodResizePending":
            return condition.reason == "Infeasible"
    return False


# --------------------------------------------------------------------------------------------------- the arithmetic


class _Resources(Struct, frozen=True, gc=False):
    requests: dict[str, str] | None = None
    limits: dict[str, str] | None = None


class _Asked(Struct, frozen=True, gc=False):
    """A shape, read: of each container, and of the pod as a whole, what of it is asked, set aside and in force."""

    asked: Thousandths | None
    allocated: Thousandths | None
    actual: Thousandths | None
    sidecar: bool = False


_Side = Callable[[_Resources], dict[str, str] | None]  # its requests, or its limits
_resources: Final = msgspec.json.Decoder(_Resources | None)
_quantities: Final = msgspec.json.Decoder(dict[str, str] | None)


def _sums(shape: _Shape) -> tuple[Amounts, Amounts]:
    return amounts(_requests(shape)), amounts(_limits(shape))


def _requests(shape: _Shape) -> Thousandths:
    side: _Side = lambda resources: resources.requests  # noqa: E731 - it has a type, and no better name
    pod = _Asked(_read(shape.resources, side), _list(shape.allocated), _read(shape.actual, side))
    containers, inits = _read_all(shape.containers, side), _read_all(shape.inits, side)
    fallback = _nothing if shape.infeasible else _asked
    if pod.allocated is not None and pod.actual is not None:
        allocated, actual = pod.allocated, pod.actual
    else:
        allocated = _aggregate(containers, inits, lambda one: _first(one.allocated, fallback(one)))
        actual = _aggregate(containers, inits, lambda one: _first(one.actual, one.allocated, fallback(one)))
    asked = None if shape.infeasible else _aggregate(containers, inits, _asked)
    total = _most(asked, actual, allocated)
    if any(map(is_pod_level, pod.asked or ())):
        total |= _pod_level(shape, pod)
    return _plus(total, _list(shape.overhead))


def _limits(shape: _Shape) -> Thousandths:
    side: _Side = lambda resources: resources.limits  # noqa: E731
    pod = _Asked(_read(shape.resources, side), None, _read(shape.actual, side))
    containers, inits = _read_all(shape.containers, side), _read_all(shape.inits, side)
    fallback = _nothing if shape.infeasible else _asked
    actual = pod.actual
    if actual is None:
        actual = _aggregate(containers, inits, lambda one: _first(one.actual, fallback(one)))
    asked = None if shape.infeasible else _aggregate(containers, inits, _asked)
    total = _most(asked, actual)
    requested = _read(shape.resources, lambda resources: resources.requests)
    if any(map(is_pod_level, (*(requested or ()), *(pod.asked or ())))):
        total |= _pod_level(shape, pod)
    overhead = _list(shape.overhead) or {}
    return _plus(total, {name: value for name, value in overhead.items() if total.get(name)})


def _pod_level(shape: _Shape, pod: _Asked) -> Thousandths:
    """What is said of the pod as a whole, and so takes the place of its containers' sum."""
    said = pod.asked
    if shape.actual:  # the kubelet reports of the pod as a whole
        said = _most(None if shape.infeasible else pod.asked, pod.actual, pod.allocated)
    return {name: value for name, value in (said or {}).items() if is_pod_level(name)}


def _aggregate(
    containers: Iterable[_Asked], inits: Iterable[_Asked], of: Callable[[_Asked], Thousandths | None]
) -> dict[str, int]:
    """Containers and sidecars run together; an init container with the sidecars before it: the larger counts."""
    together: dict[str, int] = {}
    for container in containers:
        together = _plus(together, of(container))
    sidecars: dict[str, int] = {}
    starting: dict[str, int] = {}
    for init in inits:
        claimed = _plus(sidecars, of(init))
        if init.sidecar:
            together = _plus(together, of(init))
            sidecars = claimed
        starting = _most(starting, claimed)
    return _most(together, starting)


def _nothing(_one: _Asked) -> Thousandths | None:
    return None


def _asked(one: _Asked) -> Thousandths | None:
    return one.asked


def _first(*lists: Thousandths | None) -> Thousandths | None:
    return next((one for one in lists if one is not None), None)


def _plus(first: Thousandths, second: Thousandths | None) -> dict[str, int]:
    total = dict(first)
    for name, value in (second or {}).items():
        total[name] = total.get(name, 0) + value
    return total


def _most(*lists: Thousandths | None) -> dict[str, int]:
    """Of each resource the largest amount."""
    most: dict[str, int] = {}
    for one in lists:
        for name, value in (one or {}).items():
            most[name] = max(value, most.get(name, value))
    return most


def is_pod_level(name: str) -> bool:
    """Whether a resource may be asked for a pod as a whole."""
    return name in _POD_LEVEL or name.startswith(_HUGE_PAGES)


def _read_all(claims: Iterable[_Claim], side: _Side) -> list[_Asked]:
    return [
        _Asked(_read(claim.asked, side), _list(claim.allocated), _read(claim.actual, side), claim.sidecar)
        for claim in claims
    ]


def _read(resources: bytes, side: _Side) -> Thousandths | None:
    decoded = _resources.decode(resources) if resources else None
    return None if decoded is None else _thousandths(side(decoded))


def _list(quantities: bytes) -> Thousandths | None:
    return _thousandths(_quantities.decode(quantities)) if quantities else None


def _thousandths(said: dict[str, str] | None) -> Thousandths | None:
    return None if said is None else {name: math.ceil(quantity(text) * _THOUSAND) for name, text in said.items()}
