"""Lists of events: the newest first, unless ordered otherwise."""

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, ClassVar, Final, Optional

import strawberry
from msgspec.structs import replace

from schema.asking import filters
from schema.asking.orders import By, Order
from schema.execution.context import GraphInfo
from schema.execution.needs import FieldNeeds, Reach
from schema.lists.filter import NamespacedFilter, at_least, exactly, filter_of, negated, one_of, selectable, text
from schema.lists.listing import Among, Listing, Orders
from schema.lists.order import NAMESPACED_KEYS, Key
from schema.sources.kubernetes import kinds
from schema.sources.kubernetes.events import SELECTABLE, EventRecord, about
from schema.sources.kubernetes.kinds import Record

# Events of objects that are in no namespace are in this one.
OF_THE_CLUSTER: Final = "default"


@strawberry.input(description=filter_of("Events"))
class EventFilter(NamespacedFilter):
    FIELDS: ClassVar[Mapping[str, str]] = {
        **NamespacedFilter.FIELDS,
        "involvedObject.apiVersion": "r.object.api_version",
        "involvedObject.kind": "r.object.kind",
        "involvedObject.namespace": "r.object.namespace",
        "involvedObject.name": "r.object.name",
        "involvedObject.uid": "r.object.uid",
        "involvedObject.fieldPath": "(r.object.field_path or '')",
        "reason": "r.reason",
        "source": "r.source",
        "type": "r.type",
    }
    COLD: ClassVar[Mapping[str, Callable[[Any], str]]] = SELECTABLE

    type: str | None = exactly("type", "Of exactly this type: `Normal` or `Warning`.")
    types: list[str] | None = one_of("type", "Of one of these types.")
    reason: str | None = exactly("reason", "For exactly this reason, such as `BackOff`.")
    reasons: list[str] | None = one_of("reason", "For one of these reasons.")
    message_contains: str | None = text("Its message contains this.", lambda value: filters.contains("message", value))
    object_kind: str | None = exactly("object.kind", "About an object of this kind, such as `Pod`.")
    object_kinds: list[str] | None = one_of("object.kind", "About an object of one of these kinds.")
    object_name: str | None = exactly("object.name", "About an object of this name.")
    object_names: list[str] | None = one_of("object.name", "About an object of one of these names.")
    object_id: strawberry.ID | None = exactly("object.uid", "About the object of this UID.")
    object_ids: list[strawberry.ID] | None = one_of("object.uid", "About the objects of these UIDs.")
    source: str | None = exactly("source", "Told by exactly this component, such as `kubelet`.")
    sources: list[str] | None = one_of("source", "Told by one of these components.")
    min_count: int | None = at_least("count", "Seen at least so often.")
    field_selector: str | None = selectable(
        "`type=Warning,involvedObject.kind=Pod`. Fields: metadata.name, metadata.namespace, type, reason, source, "
        "reportingComponent, and of involvedObject apiVersion, kind, namespace, name, uid, fieldPath and "
        "resourceVersion."
    )
    not_: Optional["EventFilter"] = negated()


_KEYS: Final = NAMESPACED_KEYS | {
    "LAST_SEEN": Key("last_seen_at", "When it was last seen.", nullable=True),
    "FIRST_SEEN": Key("first_seen_at", "When it was first seen.", nullable=True),
    "COUNT": Key("count", "How often it was seen."),
    "TYPE": Key("type", "Its type: normal ones before warnings."),
    "REASON": Key("reason", "Its reason, by the alphabet."),
}
_NEWEST_FIRST: Final[Order] = (By("LAST_SEEN", attrgetter("last_seen_at"), descending=True, nullable=True),)


class _EventListing(Listing[EventRecord]):
    """Without an order: what was seen last comes first."""

    def _order(self, info: GraphInfo, order_by: Orders) -> Order:
        return super()._order(info, order_by) if order_by else _NEWEST_FIRST


EVENTS: Final = _EventListing(kinds.EVENTS, kinds.EVENTS.resource, EventFilter, _KEYS, ("event", "events"))


def events_of(kind: str) -> Callable[[Any, GraphInfo], Among[EventRecord]]:
    """The events about an object of this kind, found by its name and told from an earlier one's by its uid."""

    def belonging(root: Record, info: GraphInfo) -> Among[EventRecord]:
        named = info.context.view.snapshot.of(kinds.EVENTS).on_node(about(kind, root.namespace, root.name))
        # Kubelets write a node's name in the place of its uid, and some controllers write none.
        known = {root.uid, root.name, ""}
        rows = [event for event in named if event.object.uid in known]
        return Among(root.uid, rows, root.namespace or OF_THE_CLUSTER)

    return belonging


def cluster_events_needs(reach: Reach, **arguments: Any) -> FieldNeeds:
    """What the events of an object that is in no namespace need: the right to events where these are."""
    return EVENTS.needs(replace(reach, namespaces=frozenset({OF_THE_CLUSTER})), **arguments)
