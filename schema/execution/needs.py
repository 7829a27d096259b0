"""What the fields of one operation need before they can be resolved without waiting.

A field says it where it is defined, in its metadata: a hook that is called with the field's own arguments and with
what the fields above it can reach. Gather awaits the union of all answers; resolvers then only read.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from graphql import FieldNode, GraphQLError, GraphQLField, GraphQLObjectType, get_named_type
from graphql.execution.collect_fields import FieldDetailsList
from msgspec import Struct

from auth.access import AccessNeed
from auth.reviewers import Attributes
from schema.execution.cost import COUNTED, PAGE_ARGUMENTS, Cost, Costs, Place, page_size
from schema.execution.foresight import Rows
from schema.execution.reading import Reading, strawberry_field
from schema.sources.kubernetes.kinds import KINDS, STANDING, Kind
from schema.sources.prometheus.catalogue import Level, MetricName
from schema.sources.prometheus.frames import TimeWindow
from schema.sources.prometheus.raw import RawQuery

_NEEDS: Final = "binnacle/needs"
_STANDING: Final = frozenset(STANDING)


class Reach(Struct, frozen=True):
    """Which objects a field can come to, as far as its arguments and those above it narrow it; None: all.

    It narrows questions to Prometheus, never what is shown. `rows` finds the objects themselves; `parts`, for a field
    that lists what belongs to other objects, what belongs to each of them (None: the field lists a whole kind).
    """

    namespaces: frozenset[str] | None = None
    rows: Rows | None = None
    parts: Rows | None = None
    kinds: frozenset[str] | None = None  # of what the caller's rights are asked


EVERYTHING: Final = Reach()


class MetricNeed(Struct, frozen=True):
    """One metric of one level, of the objects in reach; with a window over time, else at this moment."""

    metric: MetricName
    level: Level
    reach: Reach
    window: TimeWindow | None = None


class FieldNeeds(Struct, frozen=True):
    """What one field asks for, and what the fields inside it can reach (None: what it can reach itself).

    A right to a kind is also the need of that kind. `kinds` has what is read in the place of the whole objects: kinds
    of which only the metadata is watched. The right to their resource is in `access` all the same. `rights` is what is
    only to be told of a caller's rights, and `decisions` what they may do: no kind is needed for either. `raw` is
    PromQL of the caller's own. Each of the last two costs a call: they stand at the root, where no list multiplies it.
    `indexed`: what it lists of each object is found without a look at others, and is as long as such lists are.
    """

    access: tuple[AccessNeed, ...] = ()
    metrics: tuple[MetricNeed, ...] = ()
    reach: Reach | None = None
    clock: bool = False  # the answer depends on what time it is
    kinds: tuple[Kind[Any], ...] = ()
    rights: tuple[AccessNeed, ...] = ()
    decisions: tuple[Attributes, ...] = ()
    raw: tuple[RawQuery, ...] = ()
    indexed: bool = False

    def watched(self) -> set[Kind[Any]]:
        """What the field reads."""
        named = {kind.resource for kind in self.kinds}
        asked = {need.resource for need in self.access} - named
        return {*self.kinds, *(KINDS[resource] for resource in asked if resource in KINDS)}


NeedsHook = Callable[..., FieldNeeds]


NOTHING: Final = FieldNeeds()  # as most fields, which show what stands in their object


@dataclass(frozen=True, slots=True)
class Needs:
    """What one operation asks for: the union over its fields; and what its lists multiply."""

    access: frozenset[AccessNeed]
    metrics: frozenset[MetricNeed]
    clock: bool = False
    costs: tuple[Cost, ...] = ()
    kinds: tuple[Kind[Any], ...] = ()  # what its fields read, by key
    rights: frozenset[AccessNeed] = frozenset()
    decisions: Mapping[Attributes, FieldNode] = field(default_factory=dict)  # each with the first that asks for it
    raw: Mapping[RawQuery, FieldNode] = field(default_factory=dict)  # likewise
    looked_through: frozenset[AccessNeed] = frozenset()  # of `access`, what more than an index is read of
    at_once: bool = field(init=False)  # nothing of it has to be waited for, once its rights are known

    def __post_init__(self) -> None:
        more = self.metrics or self.rights or self.decisions or self.raw or self.clock
        object.__setattr__(self, "at_once", not more and _STANDING.issuperset(self.kinds))


def needing(hook: NeedsHook) -> Mapping[str, NeedsHook]:
    """Field metadata: `hook(reach, **arguments)` says what the field needs; arguments as the resolver gets them."""
    return {_NEEDS: hook}


@dataclass(slots=True)
class _Walk:
    """Follows the fields that will be executed: fragments, @skip and @include as graphql-core itself reads them."""

    reading: Reading
    access: set[AccessNeed] = field(default_factory=set)
    rights: set[AccessNeed] = field(default_factory=set)
    decisions: dict[Attributes, FieldNode] = field(default_factory=dict)
    raw: dict[RawQuery, FieldNode] = field(default_factory=dict)
    metrics: set[MetricNeed] = field(default_factory=set)
    clock: bool = False
    costs: Costs = field(default_factory=Costs)
    kinds: set[Kind[Any]] = field(default_factory=set)
    looked_through: set[AccessNeed] = field(default_factory=set)

    def root(self) -> None:
        self._fields(self.reading.query_type, self.reading.root(), EVERYTHING, Place())

    def _fields(
        self, parent: GraphQLObjectType, fields: Mapping[str, FieldDetailsList], reach: Reach, place: Place
    ) -> None:
        self.costs.add(place, len(fields))
        for details in fields.values():
            definition = parent.fields.get(details[0].node.name.value)
            if definition is not None:  # __typename and introspection need nothing
                self._field(definition, details, reach, place)

    def _field(self, definition: GraphQLField, details: FieldDetailsList, reach: Reach, place: Place) -> None:
        asked = self._asked(definition, details, reach)
        if asked is None:
            return
        if asked is not NOTHING:
            self._take(asked, details)
        inner = get_named_type(definition.type)
        if isinstance(inner, GraphQLObjectType):
            fields = self.reading.inside(inner, details)
            self._fields(inner, fields, asked.reach or reach, self._inside(definition, details, asked, place))

    def _take(self, asked: FieldNeeds, details: FieldDetailsList) -> None:
        self.access.update(asked.access)
        if not asked.indexed:
            self.looked_through.update(asked.access)
        self.rights.update(asked.rights)
        for decision in asked.decisions:
            self.decisions.setdefault(decision, details[0].node)
        for query in asked.raw:
            self.raw.setdefault(query, details[0].node)
        self.metrics.update(asked.metrics)
        self.clock |= asked.clock
        self.kinds |= asked.watched()

    def _inside(self, definition: GraphQLField, details: FieldDetailsList, asked: FieldNeeds, place: Place) -> Place:
        """Where the fields inside stand: in each item, if this field is a list."""
        resource = COUNTED.get(get_named_type(definition.type).name)
        wanted = [need for need in asked.access if need.resource == resource]
        at_most = len(asked.metrics) or None  # a list of metrics has one item per name
        if any(need.name for need in wanted):
            at_most = 1
        elif definition.args.keys() & PAGE_ARGUMENTS:
            at_most = page_size(self.reading.arguments(definition, details).values)
        namespaces = wanted[0].namespaces if wanted else None
        points = max((need.window.points for need in asked.metrics if need.window is not None), default=None)
        return place.field(details[0].node, definition.type, namespaces=namespaces, at_most=at_most, points=points)

    def _asked(self, definition: GraphQLField, details: FieldDetailsList, reach: Reach) -> FieldNeeds | None:
        """What the field needs; None for an argument that cannot be used: nothing inside it will be executed."""
        hook: NeedsHook | None = strawberry_field(definition).metadata.get(_NEEDS)
        if hook is None:
            return NOTHING
        try:
            return hook(reach, **self.reading.arguments(definition, details).keywords)
        except GraphQLError:
            return None  # the resolver meets the same bad argument, and can say where it stands


def collect_needs(reading: Reading) -> Needs:
    """Walk a validated query operation; nothing is awaited and nothing is resolved."""
    walk = _Walk(reading)
    walk.root()
    kinds = sorted(walk.kinds, key=lambda kind: kind.key)
    return Needs(
        frozenset(walk.access),
        frozenset(walk.metrics),
        walk.clock,
        walk.costs.all(),
        tuple(kinds),
        frozenset(walk.rights),
        walk.decisions,
        walk.raw,
        frozenset(walk.looked_through),
    )
