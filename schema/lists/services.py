"""Lists of services."""

from collections.abc import Mapping
from typing import ClassVar, Final, Optional

import strawberry

from schema.lists.filter import NamespacedFilter, element_of, exactly, filter_of, negated, one_of, selectable
from schema.lists.listing import Listing
from schema.lists.order import NAMESPACED_KEYS, Key
from schema.sources.kubernetes import kinds
from schema.sources.kubernetes.services import ServiceRecord


@strawberry.input(description=filter_of("Services"))
class ServiceFilter(NamespacedFilter):
    FIELDS: ClassVar[Mapping[str, str]] = {
        **NamespacedFilter.FIELDS,
        "spec.clusterIP": "(r.cluster_ips[0] if r.cluster_ips else '')",
        "spec.type": "r.type",
    }

    type: str | None = exactly("type", "Of exactly this type, such as `LoadBalancer`.")
    types: list[str] | None = one_of("type", "Of one of these types.")
    address: str | None = element_of("cluster_ips", "One of its cluster IPs is exactly this; 255 bytes at most.")
    field_selector: str | None = selectable(
        "`spec.type=NodePort`. Fields: metadata.name, metadata.namespace, spec.clusterIP and spec.type."
    )
    not_: Optional["ServiceFilter"] = negated()


SERVICES: Final[Listing[ServiceRecord]] = Listing(
    kinds.SERVICES,
    kinds.SERVICES.resource,
    ServiceFilter,
    NAMESPACED_KEYS | {"TYPE": Key("type", "Its type, by the alphabet.")},
    ("service", "services"),
)
