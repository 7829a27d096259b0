"""Annotations: what people and programs note on objects, of every kind."""

from typing import Any

import strawberry

from schema.lists.common import ANNOTATIONS
from schema.lists.elements import elements_field
from schema.sources.kubernetes.details import annotations

_TOLD = (
    "Its annotations, by key, from its metadata; "
    "without kubectl's own copy of the object (`last-applied-configuration`)."
)


@strawberry.type(description="An annotation: what somebody noted in an object's metadata, for people or programs.")
class Annotation:
    key: str = strawberry.field(description="The key, such as `prometheus.io/scrape`.")
    value: str = strawberry.field(description="The value: any text, may be long and may be empty.")


def annotations_field() -> Any:
    """The field of every kind."""
    return elements_field(ANNOTATIONS, annotations, _TOLD)
