"""The four kinds that are served, and which of their objects a selector wants."""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.demo.requests import ListOptions
from gateway.demo.selectors import Predicate, field_predicate, label_predicate
from gateway.demo.storage import Stored


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind as its URLs, lists and field selectors name it."""

    name: str
    kind: str
    namespaced: bool
    fields: frozenset[str]

    @property
    def type_meta(self) -> bytes:
        """How an object of the kind begins; within a list that part is left out."""
        return b'{"kind":"%s","apiVersion":"v1",' % self.kind.encode()


_NAMES = frozenset({"metadata.name", "metadata.namespace"})
RESOURCES = {
    "nodes": Resource(
        "nodes", "Node", namespaced=False, fields=_NAMES - {"metadata.namespace"} | {"spec.unschedulable"}
    ),
    "pods": Resource(
        "pods",
        "Pod",
        namespaced=True,
        fields=_NAMES
        | {
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.podIPs",
            "status.nominatedNodeName",
        },
    ),
    "namespaces": Resource(
        "namespaces", "Namespace", namespaced=False, fields=_NAMES - {"metadata.namespace"} | {"status.phase", "name"}
    ),
    "services": Resource("services", "Service", namespaced=True, fields=_NAMES | {"spec.clusterIP", "spec.type"}),
}


def selection(resource: Resource, options: ListOptions) -> Callable[[Stored], bool]:
    labels: Predicate | None = label_predicate(options.label_selector) if options.label_selector else None
    fields: Predicate | None = (
        field_predicate(options.field_selector, resource.fields) if options.field_selector else None
    )

    def wanted(stored: Stored) -> bool:
        return (labels is None or labels(stored.object.labels)) and (fields is None or fields(stored.object.fields))

    return wanted
