"""Annotations: what people and programs note on objects, of every kind."""

from typing import cast

import strawberry

from schema.sources.kubernetes.details import HasRest, annotations

ANNOTATIONS = (
    "Its annotations, by key, from its metadata; "
    "without kubectl's own copy of the object (`last-applied-configuration`)."
)


@strawberry.type(description="An annotation: what somebody noted in an object's metadata, for people or programs.")
class Annotation:
    key: str = strawberry.field(description="The key, such as `prometheus.io/scrape`.")
    value: str = strawberry.field(description="The value: any text, may be long and may be empty.")


def annotations_of(root: strawberry.Parent[HasRest]) -> list[Annotation]:
    """The resolver of the field of every kind."""
    return cast("list[Annotation]", annotations(root))
