"""Conditions: what an object says of itself, one aspect each."""

from typing import Any

import strawberry

from schema.lists.common import CONDITIONS
from schema.lists.elements import elements_field
from schema.scalars import DateTime
from schema.sources.kubernetes.conditions import ConditionStatus, conditions

_TOLD = "What its controller says of it, one aspect each. From its status."


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
    return elements_field(CONDITIONS, conditions, _TOLD)
