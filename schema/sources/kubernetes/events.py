"""Events (core/v1): what controllers, the scheduler and kubelets told of an object, counted as Kubernetes counts it.

Of the two ways in which events are written, the older one has `count` and first and last timestamps, the newer one
`eventTime` and a `series`. First, last and count are read as `printEvent` in pkg/printers/internalversion/printers.go
of Kubernetes 1.37 reads them.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Struct, field

from schema.sources.kubernetes.cold import Rest
from schema.sources.kubernetes.objects import Label, Sharing
from schema.sources.kubernetes.wire import Meta


class ObjectReference(Struct, frozen=True, gc=False, eq=False):
    """What an event is about. `field_path` names a part of it: "spec.containers{web}".

    The uid of a node is its name where a kubelet wrote the event, and the node's own where a controller did.
    """

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str
    field_path: str | None


class EventRecord(Struct, frozen=True, gc=False, eq=False):
    """An event. `first_seen_at` and `last_seen_at` as Kubernetes sent them (RFC 3339), None if it did not say.

    `about` finds an object's events: "Pod/shop/web-1", with an empty namespace for cluster-scoped kinds. What it finds
    may be about an earlier object of the name: its uid tells.
    """

    uid: str
    resource_version: str
    namespace: str
    name: str
    created_at: str
    labels: tuple[Label, ...]
    type: str
    reason: str
    message: str
    count: int
    first_seen_at: str | None
    last_seen_at: str | None
    source: str
    source_instance: str | None
    object: ObjectReference
    about: str
    rest: Rest


def about(kind: str, namespace: str, name: str) -> str:
    """What an object's events are found by."""
    return f"{kind}/{namespace}/{name}"


def _written(event: EventRecord, *path: str) -> str:
    """A text that is not hot, as it was sent; empty if it was not."""
    value: Any = event.rest.whole()
    for key in path:
        value = (value or {}).get(key)
    return value or ""


# What field selectors may name of it beside what is hot, as the API server writes it (its registry of events).
SELECTABLE: Final[Mapping[str, Callable[[EventRecord], str]]] = {
    "reportingComponent": lambda event: _written(event, "reportingComponent"),
    "involvedObject.resourceVersion": lambda event: _written(event, "involvedObject", "resourceVersion"),
}


class _Reference(Struct, frozen=True, gc=False):
    api_version: str | None = field(name="apiVersion", default=None)
    kind: str | None = None
    namespace: str | None = None
    name: str | None = None
    uid: str | None = None
    field_path: str | None = field(name="fieldPath", default=None)


class _Source(Struct, frozen=True, gc=False):
    component: str | None = None
    host: str | None = None


class _Series(Struct, frozen=True, gc=False):
    count: int | None = None
    last_observed_time: str | None = field(name="lastObservedTime", default=None)


class WireEvent(Struct, frozen=True, gc=False):
    metadata: Meta
    type: str | None = None
    reason: str | None = None
    message: str | None = None
    count: int | None = None
    first_timestamp: str | None = field(name="firstTimestamp", default=None)
    last_timestamp: str | None = field(name="lastTimestamp", default=None)
    event_time: str | None = field(name="eventTime", default=None)
    series: _Series | None = None
    source: _Source | None = None
    reporting_controller: str | None = field(name="reportingComponent", default=None)
    reporting_instance: str | None = field(name="reportingInstance", default=None)
    involved_object: _Reference | None = field(name="involvedObject", default=None)


def event_record(wire: WireEvent, rest: Rest, sharing: Sharing) -> EventRecord:
    meta, source, concerned = wire.metadata, wire.source or _Source(), wire.involved_object or _Reference()
    first, last, count = _seen(wire)
    strings = sharing.strings
    kind, namespace, name = concerned.kind or "", concerned.namespace or "", concerned.name or ""
    return EventRecord(
        uid=meta.uid,
        resource_version=meta.resource_version,
        namespace=strings[meta.namespace],
        name=meta.name,
        created_at=meta.creation_timestamp or "",
        labels=sharing.labels(meta.labels),
        type=strings[wire.type or ""],
        reason=strings[wire.reason or ""],
        message=(wire.message or "").strip(),
        count=count,
        first_seen_at=first,
        last_seen_at=last,
        source=strings[source.component or wire.reporting_controller or ""],
        source_instance=strings[instance] if (instance := source.host or wire.reporting_instance) else None,
        object=ObjectReference(
            api_version=strings[concerned.api_version or ""],
            kind=strings[kind],
            namespace=strings[namespace],
            name=strings[name],
            uid=strings[concerned.uid or ""],
            field_path=strings[concerned.field_path] if concerned.field_path else None,
        ),
        about=strings[about(kind, namespace, name)],
        rest=rest,
    )


def _seen(wire: WireEvent) -> tuple[str | None, str | None, int]:
    """First, last, and how often."""
    first = wire.first_timestamp or wire.event_time
    if wire.series is not None:
        return first, wire.series.last_observed_time, wire.series.count or 0
    return first, wire.last_timestamp or first, wire.count or 1
