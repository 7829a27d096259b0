"""Lists of services."""

from collections.abc import Mapping
from typing import ClassVar, Final, Optional

import strawberry

from schema.lists.elements import Elements
from schema.lists.filter import (
    Filter,
    NamespacedFilter,
    element_of,
    exactly,
    filter_of,
    has_one_of,
    negated,
    number,
    one_of,
    one_of_numbers,
    selectable,
)
from schema.lists.listing import Listing
from schema.lists.order import NAMESPACED_KEYS, Key
from schema.sources.kubernetes import kinds
from schema.sources.kubernetes.services import ServicePort, ServiceRecord


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
    addresses: list[str] | None = has_one_of("cluster_ips", "One of its cluster IPs is one of these.")
    field_selector: str | None = selectable(
        "`spec.type=NodePort`. Fields: metadata.name, metadata.namespace, spec.clusterIP and spec.type."
    )
    not_: Optional["ServiceFilter"] = negated()


@strawberry.input(description=filter_of("Ports"))
class ServicePortFilter(Filter):
    name: str | None = exactly("name", "Exactly this name; 255 bytes at most.")
    names: list[str] | None = one_of("name", "One of these names.")
    port: int | None = number("port", "Exactly this number.")
    ports: list[int] | None = one_of_numbers("port", "One of these numbers.")
    protocol: str | None = exactly("protocol", "`TCP`, `UDP` or `SCTP`.")
    protocols: list[str] | None = one_of("protocol", "One of these protocols.")
    not_: Optional["ServicePortFilter"] = negated()


SERVICE_PORTS: Final[Elements[ServicePort]] = Elements(
    "ServicePort",
    ServicePortFilter,
    {
        "PORT": Key("port", "Its number."),
        "NAME": Key("name", "Its name; those without one stand last.", nullable=True),
        "PROTOCOL": Key("protocol", "Its protocol, by the alphabet."),
    },
    "ports",
)
SERVICES: Final[Listing[ServiceRecord]] = Listing(
    kinds.SERVICES,
    kinds.SERVICES.resource,
    ServiceFilter,
    NAMESPACED_KEYS | {"TYPE": Key("type", "Its type, by the alphabet.")},
    ("service", "services"),
)
