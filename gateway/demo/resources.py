"""The kinds that are served, as what, and which of their objects a selector wants."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import orjson

from gateway.demo.requests import ListOptions
from gateway.demo.selectors import Predicate, field_predicate, label_predicate
from gateway.demo.storage import Stored


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind as its URLs, lists and field selectors name it."""

    name: str
    kind: str
    namespaced: bool = True
    fields: frozenset[str] = frozenset()
    """Those that a field selector may name, beside the name and the namespace."""
    api_version: str = "v1"
    bookmarks: bool = True
    """Of events there are none: the API server keeps no watch cache of them."""
    metadata_only: bool = False

    @property
    def group(self) -> str:
        return self.api_version.rpartition("/")[0]

    @property
    def root(self) -> str:
        """What its paths begin with."""
        return f"/apis/{self.api_version}/" if self.group else f"/api/{self.api_version}/"

    @property
    def as_metadata(self) -> "Resource":
        """The same objects as PartialObjectMetadata."""
        return replace(self, kind="PartialObjectMetadata", api_version="meta.k8s.io/v1", metadata_only=True)

    @property
    def selectable(self) -> frozenset[str]:
        return self.fields | {"metadata.name"} | ({"metadata.namespace"} if self.namespaced else frozenset())

    @property
    def type_meta(self) -> bytes:
        """How an object of the kind begins; within a list of whole objects that part is left out."""
        return b'{"kind":"%s","apiVersion":"%s",' % (self.kind.encode(), self.api_version.encode())

    def document(self, stored: Stored, revision: int | None = None) -> bytes:
        """One object as it is sent, with the version that wrote it unless another is given."""
        whole = stored.object.manifest(stored.revision if revision is None else revision)
        if not self.metadata_only:
            return whole
        return self.type_meta + b'"metadata":%s}' % orjson.dumps(orjson.loads(whole)["metadata"])

    def item(self, stored: Stored) -> bytes:
        """One object as it stands in a list: the list says what it is, but to partial objects."""
        document, head = self.document(stored), self.type_meta
        return document if self.metadata_only or not document.startswith(head) else b"{" + document[len(head) :]


_POD_FIELDS = frozenset(
    {
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.podIPs",
        "status.nominatedNodeName",
    }
)
_EVENT_FIELDS = frozenset(
    {
        *(f"involvedObject.{part}" for part in ("kind", "namespace", "name", "uid", "apiVersion", "fieldPath")),
        "involvedObject.resourceVersion",
        "reason",
        "reportingComponent",
        "source",
        "type",
    }
)

RESOURCES = {
    (resource.group, resource.name): resource
    for resource in (
        Resource("nodes", "Node", namespaced=False, fields=frozenset({"spec.unschedulable"})),
        Resource("pods", "Pod", fields=_POD_FIELDS),
        Resource("namespaces", "Namespace", namespaced=False, fields=frozenset({"status.phase", "name"})),
        Resource("services", "Service", fields=frozenset({"spec.clusterIP", "spec.type"})),
        Resource("deployments", "Deployment", api_version="apps/v1"),
        Resource("replicasets", "ReplicaSet", api_version="apps/v1"),
        Resource("statefulsets", "StatefulSet", api_version="apps/v1"),
        Resource("daemonsets", "DaemonSet", api_version="apps/v1"),
        Resource("jobs", "Job", fields=frozenset({"status.successful"}), api_version="batch/v1"),
        Resource("cronjobs", "CronJob", api_version="batch/v1"),
        Resource("events", "Event", fields=_EVENT_FIELDS, bookmarks=False),
        Resource("persistentvolumeclaims", "PersistentVolumeClaim", fields=frozenset({"name"})),
        Resource("resourcequotas", "ResourceQuota"),
        Resource("poddisruptionbudgets", "PodDisruptionBudget", api_version="policy/v1"),
        Resource("horizontalpodautoscalers", "HorizontalPodAutoscaler", api_version="autoscaling/v2"),
    )
}


def selection(resource: Resource, options: ListOptions) -> Callable[[Stored], bool]:
    labels: Predicate | None = label_predicate(options.label_selector) if options.label_selector else None
    fields: Predicate | None = (
        field_predicate(options.field_selector, resource.selectable) if options.field_selector else None
    )

    def wanted(stored: Stored) -> bool:
        return (labels is None or labels(stored.object.labels)) and (fields is None or fields(stored.object.fields))

    return wanted
