"""Amounts of what a node lends and containers claim, in base units."""

from enum import Enum
from operator import attrgetter
from typing import Any

import strawberry

from schema.lists.common import RESOURCE_AMOUNTS
from schema.lists.elements import elements_field
from schema.scalars import Bytes
from schema.sources.kubernetes.requests import ResourceAmount as AmountRecord


@strawberry.enum(description="The unit of an amount.")
class ResourceUnit(Enum):
    BYTES = strawberry.enum_value("BYTES", description="Bytes: of huge pages.")
    COUNT = strawberry.enum_value("COUNT", description="A number of things: of GPUs and other devices.")


def _unit(root: strawberry.Parent[AmountRecord]) -> ResourceUnit:
    return ResourceUnit.BYTES if root.name.startswith("hugepages-") else ResourceUnit.COUNT


@strawberry.type(description="An amount of a resource that has no field of its own: huge pages, GPUs, other devices.")
class ResourceAmount:
    name: str = strawberry.field(description="The resource, such as `nvidia.com/gpu` or `hugepages-2Mi`.")
    amount: float = strawberry.field(description="How much of it, a whole number in `unit`.")
    unit: ResourceUnit = strawberry.field(resolver=_unit, description="The unit of `amount`.")


def others_field() -> Any:
    return elements_field(RESOURCE_AMOUNTS, attrgetter("others"), "Huge pages, GPUs and other devices, by name.")


@strawberry.type(
    description="What a pod or container claims, or may use at most, by its spec; null where nothing is said."
)
class Amounts:
    cpu: float | None = strawberry.field(description="Processor time, in cores.")
    memory: Bytes | None = strawberry.field(description="Memory, in bytes.")
    ephemeral_storage: Bytes | None = strawberry.field(description="Local storage for containers, in bytes.")
    others: list[ResourceAmount] = others_field()
