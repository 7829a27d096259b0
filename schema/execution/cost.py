"""What an answer may cost: its fields, multiplied by the lists that they are in.

What is multiplied is written down once per operation, while its fields are walked (`needs.py`); how long the lists are
is known per request, after the rights: as long as the caller sees them, never as long as they are. So 1,000 hidden pods
change no refusal. A list inside an object is taken for as long as such lists are on average: the pods of a node for all
pods by all nodes. An estimate, then, for refusing what is out of proportion; the time limit is what holds in any case.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, Final, final

from graphql import FieldNode, GraphQLList, GraphQLOutputType, get_named_type, get_nullable_type
from msgspec import Struct

from auth.access import NAMESPACES, Everywhere, Resource, Visibility
from schema.asking.connections import DEFAULT_PAGE
from schema.execution.limits import LimitExceeded, located
from schema.sources.kubernetes.cluster import ClusterSnapshot
from schema.sources.kubernetes.kinds import KINDS
from schema.sources.kubernetes.store import Snapshot

# The types whose lists are as long as the cluster is large.
COUNTED: Final[Mapping[str, Resource]] = {kind.kind: resource for resource, kind in KINDS.items()}
# All others (labels, roles, addresses) have a handful of items.
HANDFUL: Final = 5
# The type whose lists are as long as the range that was asked for.
POINT: Final = "MetricPoint"
# Arguments that bound how many items a list has, or the list inside a connection.
PAGE_ARGUMENTS: Final = frozenset({"first", "last", "limit"})


class ListOf(Struct, frozen=True):
    """One list of an operation: of what, in each of what (nothing: at the root), and what bounds it."""

    kind: str
    owner: str = ""
    namespaces: frozenset[str] | None = None
    at_most: int | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A place of an operation: the lists around it, outermost first; its path in the answer; what is inside of what."""

    lists: tuple[ListOf, ...] = ()
    path: tuple[str, ...] = ()
    owner: str = ""
    at_most: int | None = None  # a page size that waits for its list
    points: int | None = None  # a range that waits for its list of points
    node: FieldNode | None = field(default=None, compare=False)

    def field(
        self,
        node: FieldNode,
        kind: GraphQLOutputType,
        *,
        namespaces: frozenset[str] | None,
        at_most: int | None,
        points: int | None = None,
    ) -> "Place":
        """The place inside a field of this type, of which `at_most` so many items are asked for."""
        name = get_named_type(kind).name.removesuffix("Edge")  # a page is as long as what is in it
        bound = self.at_most if at_most is None else at_most
        if name == POINT:
            bound = self.points
        lists = self.lists
        if isinstance(get_nullable_type(kind), GraphQLList):
            lists, bound = (*lists, ListOf(name, self.owner, namespaces, bound)), None
        owner = name if name in COUNTED else self.owner
        return Place(lists, (*self.path, (node.alias or node.name).value), owner, bound, points, node)


@dataclass(frozen=True, slots=True)
class Cost:
    """So many values in each item of the innermost list around `place`."""

    place: Place
    values: int


@final
class Costs:
    """Collects what one operation multiplies; places within the same lists count together, told at the first."""

    def __init__(self) -> None:
        self._values: dict[tuple[ListOf, ...], int] = {}
        self._places: dict[tuple[ListOf, ...], Place] = {}

    def add(self, place: Place, values: int) -> None:
        self._places.setdefault(place.lists, place)
        self._values[place.lists] = self._values.get(place.lists, 0) + values

    def all(self) -> tuple[Cost, ...]:
        return tuple(Cost(self._places[lists], values) for lists, values in self._values.items())


def page_size(arguments: Mapping[str, Any]) -> int | None:
    """The smallest number of items that these arguments ask for; of pages also when nothing is said."""
    sizes = [size for name, size in arguments.items() if name in PAGE_ARGUMENTS and isinstance(size, int)]
    if not sizes:
        return DEFAULT_PAGE if "first" in arguments else None
    return max(min(sizes), 0)


def check_cost(costs: Sequence[Cost], snapshot: ClusterSnapshot, visibility: Visibility, limit: int) -> int:
    """The cost; raises a GraphQLError that stands for a LimitExceeded, at the place that costs most."""
    lengths = _Lengths(snapshot, visibility)
    amounts = [cost.values * prod(map(lengths.of, cost.place.lists)) for cost in costs]
    total = sum(amounts)
    if total > limit:
        place = costs[amounts.index(max(amounts))].place
        refusal = LimitExceeded(
            "cost",
            f"The answer may come to {{got}} values, most of them in `{'.'.join(place.path)}`",
            got=total,
            limit=limit,
            field=".".join(place.path),
        )
        raise located(refusal, place.node)
    return total


@final
class _Lengths:
    """How long lists are for one caller."""

    def __init__(self, snapshot: ClusterSnapshot, visibility: Visibility) -> None:
        self._snapshot = snapshot
        self._visibility = visibility
        self._counts: dict[tuple[str, frozenset[str] | None], int] = {}

    def of(self, asked: ListOf) -> int:
        if asked.kind == POINT and asked.at_most is not None:
            return asked.at_most
        length = HANDFUL
        if asked.kind in COUNTED:
            length = self._count(asked.kind, asked.namespaces)
            if asked.owner in COUNTED and (owners := self._count(asked.owner, None)):
                length = -(-length // owners)  # rounded up
        return length if asked.at_most is None else min(length, asked.at_most)

    def _count(self, kind: str, namespaces: frozenset[str] | None) -> int:
        key = (kind, namespaces)
        if key not in self._counts:
            self._counts[key] = visible(self._snapshot, self._visibility, COUNTED[kind], namespaces)
        return self._counts[key]


def visible(
    snapshot: ClusterSnapshot, visibility: Visibility, resource: Resource, namespaces: frozenset[str] | None
) -> int:
    """How many objects of a kind the caller sees, of those in these namespaces; 0 if nobody asked for the right."""
    if not visibility.asked(resource) or resource.name not in snapshot.pictures:
        return 0
    objects = snapshot.named(resource.name)
    scope = visibility.scope(resource)
    if resource == NAMESPACES:
        return len(objects) if isinstance(scope, Everywhere) else len(scope)
    if isinstance(scope, Everywhere):
        return len(objects) if namespaces is None else _in(objects, namespaces)
    return _in(objects, scope if namespaces is None else scope & namespaces)


def _in(objects: Snapshot[Any], namespaces: Iterable[str]) -> int:
    return sum(objects.count_in(name) for name in namespaces)
