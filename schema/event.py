"""Events: what the cluster's components told of objects lately."""

from typing import Any

import strawberry

from schema.label import Label
from schema.lists.events import EVENTS, events_of
from schema.lists.fields import belonging_field
from schema.object_fields import labels_field
from schema.scalars import DateTime


@strawberry.type(description="The object that an event is about, as the event names it; it may be gone already.")
class EventObject:
    api_version: str = strawberry.field(description="Its API group and version, such as `v1`.")
    kind: str = strawberry.field(description="Its kind, such as `Pod`.")
    namespace: str = strawberry.field(description="Its namespace; empty for what is in none.")
    name: str = strawberry.field(description="Its name.")
    uid: strawberry.ID = strawberry.field(
        description="Its Kubernetes UID, as the event's author knew it: kubelets write their node's name."
    )
    field_path: str | None = strawberry.field(
        description="The part of it that is meant, such as `spec.containers{web}`; null for all of it."
    )


@strawberry.type(
    description=(
        "Something that happened to an object, as a component of the cluster told it. From the API server's events, "
        "which the gateway watches from the first question on. The same again counts up one event. Events are kept for "
        "as long as the API server keeps them: an hour after they were last seen, unless its `--event-ttl` says "
        "otherwise. Seen by those who may list events in the event's own namespace, which is `default` for what is in "
        "none, such as nodes."
    )
)
class Event:
    uid: strawberry.ID = strawberry.field(name="id", description="Its Kubernetes UID.")
    namespace: str = strawberry.field(description="The namespace it is in.")
    name: str = strawberry.field(description="Its name, unique in its namespace.")
    labels: list[Label] = labels_field()
    type: str = strawberry.field(
        description="`Normal`, or `Warning` for what a person should know; text, since Kubernetes may add others."
    )
    reason: str = strawberry.field(description="Why, in one word for programs, such as `BackOff` or `Scheduled`.")
    message: str = strawberry.field(description="What happened, for people.")
    count: int = strawberry.field(description="How often it was seen, as `kubectl get events` counts it.")
    first_seen_at: DateTime | None = strawberry.field(description="When it was seen first; null if nobody says.")
    last_seen_at: DateTime | None = strawberry.field(description="When it was seen last; null if nobody says.")
    source: str = strawberry.field(description="The component that told it, such as `kubelet`.")
    source_instance: str | None = strawberry.field(
        description="Which one of these: its host, or its own name; null if it does not say."
    )
    object: EventObject = strawberry.field(description="What it is about.")
    created_at: DateTime = strawberry.field(description="When it was written first.")


def happenings(kind: str) -> Any:
    """The field `events` of a kind in namespaces."""
    told = "What happened to it lately, the newest first. Needs the right to list events in its namespace."
    return belonging_field(EVENTS, events_of(kind), told)
