"""Quality of service: which pods the kubelet evicts first when its node runs short.

After `GetPodQOS` in pkg/apis/core/v1/helper/qos/qos.go of Kubernetes 1.37. The API server writes the class when a pod
is made; only of a pod whose status lacks it is it worked out here.
"""

from collections.abc import Iterable
from typing import Final

import msgspec
from msgspec import Raw, Struct

from schema.sources.described import Described
from schema.sources.kubernetes.quantities import quantity
from schema.sources.kubernetes.requests import is_pod_level


class QosClass(Described):
    """How well a pod is protected when its node runs short of memory or storage."""

    GUARANTEED = "GUARANTEED", "Each container may use exactly the cpu and memory that it requests: evicted last."
    BURSTABLE = "BURSTABLE", "Some cpu or memory is requested or limited."
    BEST_EFFORT = "BEST_EFFORT", "No cpu or memory is requested or limited: evicted first."


_CLASSES: Final = {
    "Guaranteed": QosClass.GUARANTEED,
    "Burstable": QosClass.BURSTABLE,
    "BestEffort": QosClass.BEST_EFFORT,
}


class _Requirements(Struct, frozen=True, gc=False):
    requests: dict[str, str] | None = None
    limits: dict[str, str] | None = None


_decoder: Final = msgspec.json.Decoder(_Requirements | None)
_LOOKED_AT: Final = ("cpu", "memory")


def qos_class(said: str | None, pod: Raw, containers: Iterable[Raw]) -> QosClass:
    """`said` by the status; else by the `resources` of the pod as a whole, if it has any, else of all containers."""
    if said in _CLASSES:
        return _CLASSES[said]
    whole = _read(pod)
    if any(map(is_pod_level, (*(whole.requests or ()), *(whole.limits or ())))):
        return _class_of(whole)
    classes = {_class_of(_read(one)) for one in containers}
    return _same(classes) if classes else QosClass.BEST_EFFORT


def _read(resources: Raw) -> _Requirements:
    said = bytes(resources)
    return (_decoder.decode(said) if said else None) or _Requirements()


def _class_of(required: _Requirements) -> QosClass:
    requests, limits = required.requests or {}, required.limits or {}
    return _same({_shape(requests.get(name, "0"), limits.get(name, "0")) for name in _LOOKED_AT})


def _shape(requested: str, limited: str) -> QosClass:
    if quantity(requested) != quantity(limited):
        return QosClass.BURSTABLE
    return QosClass.GUARANTEED if quantity(requested) else QosClass.BEST_EFFORT


def _same(classes: set[QosClass]) -> QosClass:
    return next(iter(classes)) if len(classes) == 1 else QosClass.BURSTABLE
