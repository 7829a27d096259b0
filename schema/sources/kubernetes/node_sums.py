"""What the pods on a node claim together, and what that leaves: the scheduler's view of a node.

Pods that are done (Succeeded, Failed) claim nothing any more. As in the scheduler's own sums, each pod is rounded up to
whole millicores and bytes before it is added.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from schema.sources.kubernetes.attention import NodeAttention
from schema.sources.kubernetes.objects import PodRecord, Resources
from schema.sources.kubernetes.requests import Amounts, ResourceAmount

SCARCE_ABOVE: Final = 0.9
_DONE: Final = frozenset({"Succeeded", "Failed"})
_MILLI: Final = 3  # digits: floats of whole millicores, added and rounded, are exact


def requested(pods: Iterable[PodRecord]) -> Resources:
    return _sum(pods, lambda pod: pod.requests)


def limited(pods: Iterable[PodRecord]) -> Resources:
    return _sum(pods, lambda pod: pod.limits)


def left(allocatable: Resources, claimed: Resources) -> Resources:
    """What may still be requested; 0 where more is claimed than there is."""
    storage = allocatable.ephemeral_storage
    taken = {one.name: one.amount for one in claimed.others}
    return Resources(
        cpu=max(round(allocatable.cpu - claimed.cpu, _MILLI), 0.0),
        memory=max(allocatable.memory - claimed.memory, 0),
        ephemeral_storage=None if storage is None else max(storage - (claimed.ephemeral_storage or 0), 0),
        pods=max(allocatable.pods - claimed.pods, 0),
        others=tuple(
            ResourceAmount(one.name, max(one.amount - taken.get(one.name, 0), 0)) for one in allocatable.others
        ),
    )


def scarcities(allocatable: Resources, claimed: Resources) -> Iterator[NodeAttention]:
    if claimed.cpu > allocatable.cpu * SCARCE_ABOVE:
        yield NodeAttention.CPU_SCARCE
    if claimed.memory > allocatable.memory * SCARCE_ABOVE:
        yield NodeAttention.MEMORY_SCARCE
    if claimed.pods > allocatable.pods * SCARCE_ABOVE:
        yield NodeAttention.PODS_SCARCE


def is_done(pod: PodRecord) -> bool:
    """Whether it has ended for good, and claims nothing any more."""
    return pod.phase in _DONE


def _sum(pods: Iterable[PodRecord], of: Callable[[PodRecord], Amounts]) -> Resources:
    claims = [of(pod) for pod in pods if not is_done(pod)]
    others: dict[str, int] = {}
    for claim in claims:
        for one in claim.others:
            others[one.name] = others.get(one.name, 0) + one.amount
    return Resources(
        cpu=round(sum(claim.cpu or 0.0 for claim in claims), _MILLI),
        memory=sum(claim.memory or 0 for claim in claims),
        ephemeral_storage=sum(claim.ephemeral_storage or 0 for claim in claims),
        pods=len(claims),
        others=tuple(ResourceAmount(name, others[name]) for name in sorted(others)),
    )
