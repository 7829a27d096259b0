"""What every object has, whatever its kind."""

import strawberry

from schema.annotation import ANNOTATIONS, Annotation, annotations_of
from schema.label import Label
from schema.scalars import DateTime


@strawberry.type(description="What every object has.")
class ObjectFields:
    uid: strawberry.ID = strawberry.field(name="id", description="Its Kubernetes UID.")
    name: str = strawberry.field(description="Its name, unique among those of its kind, in its namespace if any.")
    labels: list[Label] = strawberry.field(description="Its labels, by key.")
    annotations: list[Annotation] = strawberry.field(resolver=annotations_of, description=ANNOTATIONS)
    created_at: DateTime = strawberry.field(description="When it was created.")


@strawberry.type(description="What every object in a namespace has.")
class NamespacedFields(ObjectFields):
    namespace: str = strawberry.field(description="The namespace it is in.")


OWNER = "The controller that made it and keeps it; null if a person made it. From its owner references."
