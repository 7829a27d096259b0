"""Taints and tolerations: which pods a node turns away, and which of that a pod puts up with."""

import strawberry

from schema.scalars import DateTime
from schema.sources.kubernetes.placement import TaintEffect


@strawberry.type(description="A taint: a reason why a node turns pods away that do not tolerate it. From its spec.")
class Taint:
    key: str = strawberry.field(description="The key, such as `node.kubernetes.io/unreachable`.")
    value: str = strawberry.field(description="The value; mostly empty.")
    effect: TaintEffect = strawberry.field(description="What it does to pods that do not tolerate it.")
    since: DateTime | None = strawberry.field(
        description="When it was put on the node (`timeAdded`); null where nobody noted it."
    )


@strawberry.type(description="A toleration: taints that a pod puts up with. From its spec.")
class Toleration:
    key: str | None = strawberry.field(description="The key of the taints; null for all of them.")
    operator: str = strawberry.field(
        description=(
            "How a taint's value must relate to `value`: `Equal`; or `Exists`, whatever it is; "
            "`Lt` and `Gt` for numbers, on servers that have them."
        )
    )
    value: str | None = strawberry.field(description="The value that is compared; null where none is.")
    effect: TaintEffect | None = strawberry.field(description="The effect of the taints; null for all effects.")
    seconds: float | None = strawberry.field(
        description=(
            "How long the pod may stay once such a NO_EXECUTE taint is on its node, in seconds; null for as long as it "
            "likes, 0 or less for not at all."
        )
    )
