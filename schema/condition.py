"""Conditions: what an object says of itself, one aspect each."""

from typing import Any, cast

import strawberry

from schema.enums import graphql_enum
from schema.scalars import DateTime
from schema.sources.kubernetes.conditions import ConditionStatus, conditions
from schema.sources.kubernetes.details import HasRest

CONDITIONS = "What its controller says of it, one aspect each. From its status."

graphql_enum(ConditionStatus, "ConditionStatus", "Whether a condition holds.")


@strawberry.type(description="One aspect of an object's state, as whoever looks after it reports it. From its status.")
class Condition:
    type: str = strawberry.field(
        description="The aspect, such as `Ready` or `MemoryPressure`; controllers may add their own."
    )
    status: ConditionStatus = strawberry.field(description="Whether it holds.")
    reason: str | None = strawberry.field(description="Why, in one word for programs, such as `KubeletReady`.")
    message: str | None = strawberry.field(description="Why, in a sentence for people.")
    since: DateTime | None = strawberry.field(
        description="When it last became what it is (`lastTransitionTime`); null where nobody noted it."
    )
    reported_at: DateTime | None = strawberry.field(
        description=(
            "When it was last confirmed: a node's `lastHeartbeatTime`, a pod's `lastProbeTime`; null for all others."
        )
    )


def conditions_field() -> Any:
    """The field of every kind whose other details are not read with them."""
    return strawberry.field(resolver=_conditions, description=CONDITIONS)


def _conditions(root: strawberry.Parent[HasRest]) -> list[Condition]:
    return cast("list[Condition]", conditions(root))
