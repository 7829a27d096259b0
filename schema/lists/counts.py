"""Lists of what is counted: groups of nodes and pods, and what namespaces claim."""

from typing import Any, Final, Optional

import strawberry

from schema.lists.elements import Elements
from schema.lists.filter import Filter, at_least, begins, contains, exactly, filter_of, negated, one_of
from schema.lists.order import Key


@strawberry.input(description=filter_of("Groups"))
class ValueCountFilter(Filter):
    value: str | None = exactly("value", "Of exactly this value; 255 bytes at most.")
    values: list[str] | None = one_of("value", "Of one of these values.")
    value_contains: str | None = contains("value", "The value contains this.")
    min_count: int | None = at_least("count", "At least so many.")
    not_: Optional["ValueCountFilter"] = negated()


@strawberry.input(description=filter_of("Namespaces"))
class NamespacePodsFilter(Filter):
    namespace: str | None = exactly("namespace", "Exactly this namespace; 255 bytes at most.")
    namespaces: list[str] | None = one_of("namespace", "One of these namespaces.")
    namespace_contains: str | None = contains("namespace", "The namespace's name contains this.")
    namespace_prefix: str | None = begins("namespace", "The namespace's name begins with this.")
    min_count: int | None = at_least("count", "At least so many pods are in it.")
    not_: Optional["NamespacePodsFilter"] = negated()


VALUE_COUNTS: Final[Elements[Any]] = Elements(
    "ValueCount",
    ValueCountFilter,
    {
        "COUNT": Key("count", "How many they are."),
        "VALUE": Key("value", "The value, by the alphabet; those that have none stand last.", nullable=True),
    },
    "groups",
)
NAMESPACE_PODS: Final[Elements[Any]] = Elements(
    "NamespacePods",
    NamespacePodsFilter,
    {
        "NAMESPACE": Key("namespace", "The namespace's name."),
        "COUNT": Key("count", "How many pods are in it."),
        "CPU_REQUESTED": Key("requested.cpu", "The processor time that its pods request."),
        "MEMORY_REQUESTED": Key("requested.memory", "The memory that its pods request."),
        "CPU_LIMITED": Key("limits.cpu", "The most processor time that its pods may use."),
        "MEMORY_LIMITED": Key("limits.memory", "The most memory that its pods may use."),
    },
    "namespaces",
)
