"""Lists of namespaces."""

from collections.abc import Mapping
from typing import ClassVar, Final, Optional

import strawberry

from schema.lists.by_metric import OF_NAMESPACES
from schema.lists.filter import ObjectFilter, exactly, filter_of, negated, one_of, selectable
from schema.lists.listing import ClusterListing
from schema.lists.order import OBJECT_KEYS, Key
from schema.sources.kubernetes import kinds
from schema.sources.kubernetes.objects import NamespaceRecord


@strawberry.input(description=filter_of("Namespaces"))
class NamespaceFilter(ObjectFilter):
    FIELDS: ClassVar[Mapping[str, str]] = {**ObjectFilter.FIELDS, "status.phase": "r.phase"}

    phase: str | None = exactly("phase", "In exactly this phase: `Active` or `Terminating`.")
    phases: list[str] | None = one_of("phase", "In one of these phases.")
    field_selector: str | None = selectable("`status.phase=Active`. Fields: metadata.name and status.phase.")
    not_: Optional["NamespaceFilter"] = negated()


NAMESPACES: Final[ClusterListing[NamespaceRecord]] = ClusterListing(
    kinds.NAMESPACES,
    kinds.NAMESPACES.resource,
    NamespaceFilter,
    OBJECT_KEYS | {"PHASE": Key("phase", "Its phase, by the alphabet.")},
    ("namespace", "namespaces"),
    OF_NAMESPACES,
)
