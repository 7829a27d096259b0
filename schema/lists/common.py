"""Lists of what objects of many kinds consist of: labels, annotations, conditions, amounts of resources."""

from typing import Final, Optional

import strawberry

from schema.enums import graphql_enum
from schema.lists.elements import Elements
from schema.lists.filter import (
    Filter,
    NamedFilter,
    PairFilter,
    contains,
    exactly,
    filter_of,
    negated,
    older_than,
    one_of,
    younger_than,
)
from schema.lists.order import Key
from schema.sources.kubernetes.conditions import ConditionStatus, ReportedCondition
from schema.sources.kubernetes.details import Pair
from schema.sources.kubernetes.objects import Label
from schema.sources.kubernetes.requests import ResourceAmount

graphql_enum(ConditionStatus, "ConditionStatus", "Whether a condition holds.")


@strawberry.input(description=filter_of("Labels"))
class LabelFilter(PairFilter):
    not_: Optional["LabelFilter"] = negated()


@strawberry.input(description=filter_of("Annotations"))
class AnnotationFilter(PairFilter):
    not_: Optional["AnnotationFilter"] = negated()


@strawberry.input(description=filter_of("Conditions"))
class ConditionFilter(Filter):
    type: str | None = exactly("type", "Of exactly this type, such as `Ready`.")
    types: list[str] | None = one_of("type", "Of one of these types.")
    status: ConditionStatus | None = exactly("status", "In exactly this status.")
    statuses: list[ConditionStatus] | None = one_of("status", "In one of these statuses.")
    reason: str | None = exactly("reason", "For exactly this reason, such as `KubeletReady`.")
    reasons: list[str] | None = one_of("reason", "For one of these reasons.")
    message_contains: str | None = contains("message", "Its message contains this.")
    older_than: str | None = older_than("It became what it is longer ago than this", "since")
    younger_than: str | None = younger_than("It became what it is at most so long ago", "since")
    not_: Optional["ConditionFilter"] = negated()


@strawberry.input(description=filter_of("Amounts"))
class ResourceAmountFilter(NamedFilter):
    not_: Optional["ResourceAmountFilter"] = negated()


_OF_PAIRS: Final = {"KEY": Key("key", "Its key."), "VALUE": Key("value", "Its value, by the alphabet.")}

LABELS: Final[Elements[Label]] = Elements("Label", LabelFilter, _OF_PAIRS, "labels")
ANNOTATIONS: Final[Elements[Pair]] = Elements("Annotation", AnnotationFilter, _OF_PAIRS, "annotations")
CONDITIONS: Final[Elements[ReportedCondition]] = Elements(
    "Condition",
    ConditionFilter,
    {
        "TYPE": Key("type", "Its type, by the alphabet."),
        "STATUS": Key("status", "Its status, by the alphabet."),
        "REASON": Key("reason", "Its reason, by the alphabet; none: last.", nullable=True),
        "SINCE": Key("since", "When it became what it is; where nobody noted it: last.", nullable=True),
        "AGE": Key("since", "How long ago that was; where nobody noted it: last.", nullable=True, inverted=True),
    },
    "conditions",
)
RESOURCE_AMOUNTS: Final[Elements[ResourceAmount]] = Elements(
    "ResourceAmount",
    ResourceAmountFilter,
    {"NAME": Key("name", "The resource, by the alphabet."), "AMOUNT": Key("amount", "How much of it.")},
    "amounts",
)
