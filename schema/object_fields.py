"""What every object has, whatever its kind."""

from operator import attrgetter
from typing import Any

import strawberry

from schema.annotation import Annotation, annotations_field
from schema.label import Label
from schema.lists.common import LABELS
from schema.lists.elements import elements_field
from schema.scalars import DateTime


def labels_field() -> Any:
    """The field of every kind."""
    return elements_field(LABELS, attrgetter("labels"), "Its labels, by key.")


@strawberry.type(description="What every object has.")
class ObjectFields:
    uid: strawberry.ID = strawberry.field(name="id", description="Its Kubernetes UID.")
    name: str = strawberry.field(description="Its name, unique among those of its kind, in its namespace if any.")
    labels: list[Label] = labels_field()
    annotations: list[Annotation] = annotations_field()
    created_at: DateTime = strawberry.field(description="When it was created.")


@strawberry.type(description="What every object in a namespace has.")
class NamespacedFields(ObjectFields):
    namespace: str = strawberry.field(description="The namespace it is in.")


OWNER = "The controller that made it and keeps it; null if a person made it. From its owner references."
