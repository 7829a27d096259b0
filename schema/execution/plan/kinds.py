"""What a plan does at each place of the answer: leaves, lists and objects, made from a shape.

Each kind completes a value exactly as graphql-core's "Value Completion" does, and, where it depends on nothing but the
objects, a whole column of values at once. A column raises at anything odd: its list is then completed row by row.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cached_property, lru_cache, partial
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, cast

import orjson
from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLError,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLLeafType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLScalarType,
    GraphQLString,
    Undefined,
)
from graphql.pyutils import UndefinedType, inspect, is_iterable
from msgspec.json import Encoder

from schema.execution.alike import Alike, SideBySide
from schema.execution.alone import of_object, refused
from schema.execution.for_all import ReadsFrames, ResolveAll, frames_read_by, resolver_of_all
from schema.execution.plan.records import declared
from schema.execution.plan.rows import COLUMN, SAME, Standing, members_of, row_builder
from schema.execution.plan.shape import FieldShape, Shape, Unplannable

if TYPE_CHECKING:
    from schema.execution.plan.run import Path, Run

_NOTHING: Final = type(None)
_INT_MIN, _INT_MAX = -(2**31), 2**31 - 1
# Below this, columns cost more than they save.
FEW: Final = 4
# Above this, columns are read part by part: what several fields read of one object's cold tier is kept so long.
PART: Final = 128
# Rows of so many objects pay for a class of their own.
STRUCTS_FROM: Final = PART
_encode_structs: Final = Encoder().encode
# What msgspec, which encodes structs, writes as orjson does: from here on exponents differ (1e16, 1e+16).
_FLOATS_ALIKE: Final = 1e16
_WRITTEN_ALIKE: Final = frozenset({str, int, bool, _NOTHING})


class Odd(Exception):  # noqa: N818 - not an error yet: row by row it may turn out to be one
    """A column holds something that only row-by-row completion can judge."""


@lru_cache(maxsize=256)  # of the few sorts of rows and values that there are; asked for every list
def _told_in_place(types: frozenset[type], *, null_too: bool = False) -> bool:
    """Whether an error was returned instead of raised, or what counts as null; null itself where that is odd too."""
    return (null_too and _NOTHING in types) or any(issubclass(each, (Exception, UndefinedType)) for each in types)


class Kind(ABC):
    """The type of a field or of a list's items."""

    def __init__(self, *, nullable: bool, pure: bool) -> None:
        self.nullable = nullable
        self.pure = pure  # depends on nothing but the object

    def complete(self, run: "Run", field: "Field", path: "Path", value: Any) -> Any:
        """graphql-core's complete_value: raises what the place that holds it must tell."""
        if isinstance(value, Exception):
            raise value
        if value is None or value is Undefined:
            if self.nullable:
                return None
            raise TypeError(f"Cannot return null for non-nullable field {field.coordinate}.")
        return self._completed(run, field, path, value)

    @abstractmethod
    def _completed(self, run: "Run", field: "Field", path: "Path", value: Any) -> Any:
        """The completed value of something that is not null."""

    def column(self, values: Sequence[Any]) -> Sequence[Any]:
        """All values completed, in order."""
        if _told_in_place(frozenset(map(type, values))):
            raise Odd
        if None not in values:
            return self._column(values)
        if not self.nullable:
            raise Odd
        present = iter(self._column([value for value in values if value is not None]))
        return [None if value is None else next(present) for value in values]

    @abstractmethod
    def _column(self, values: Sequence[Any]) -> Sequence[Any]:
        """The column of values none of which is null."""


class Leaf(Kind):
    """A scalar or an enum."""

    def __init__(self, leaf: GraphQLLeafType, *, nullable: bool, structs: bool) -> None:
        super().__init__(nullable=nullable, pure=True)
        self._structs = structs
        self._leaf = leaf
        self._coerce: Callable[[Any], Any] = leaf.coerce_output_value
        self._unchanged = _unchanged(leaf) | {_NOTHING} if nullable else _unchanged(leaf)
        self.enum = leaf if isinstance(leaf, GraphQLEnumType) else None
        self._members: type | None = None
        self._names: Mapping[Any, str | None] = {}
        if self.enum is not None:
            self._members, self._names = members_of(self.enum)

    def _completed(self, run: "Run", field: "Field", path: "Path", value: Any) -> Any:  # noqa: ARG002
        if type(value) is self._members:
            return self._names[value]
        coerced = self._coerce(value)
        if coerced is None or coerced is Undefined:
            raise TypeError(
                f"Expected `{self._leaf}.coerce_output_value({inspect(value)})` to return non-nullable value,"
                f" returned: {inspect(coerced)}"
            )
        return coerced

    def shows_all(self, types: Collection[type]) -> bool:
        """Whether values of these types are what is shown, or members that are shown by their names, whichever."""
        if self._leaf in (GraphQLInt, GraphQLFloat):  # only those within range
            return False
        return bool(types) and self._unchanged.union({self._members}).issuperset(types)

    def column(self, values: Sequence[Any]) -> Sequence[Any]:
        """Unchanged, if coercion would change nothing; that is told from the types that occur, in one C loop."""
        types = set(map(type, values))
        if types <= self._unchanged and self._in_range(values):
            return values
        if types == {self._members}:
            return list(map(self._names.__getitem__, values))
        completed = super().column(values)
        if self._structs and not _written_alike(completed):
            raise Odd
        return completed

    def _column(self, values: Sequence[Any]) -> Sequence[Any]:
        coerced = list(map(self._coerce, values))
        if None in coerced or any(each is Undefined for each in coerced):
            raise Odd
        return coerced

    def _in_range(self, values: Sequence[Any]) -> bool:
        if self._leaf is GraphQLInt:
            return all(each is None or _INT_MIN <= each <= _INT_MAX for each in values)
        if self._leaf is GraphQLFloat:
            return _all_below(_FLOATS_ALIKE if self._structs else math.inf, values)
        return True


def _all_below(limit: float, values: Sequence[float | None]) -> bool:
    """One that is too large, or NaN, makes the sum so; those that are so together alone are looked at singly."""
    if None not in values and sum(map(abs, values)) < limit:  # type: ignore[arg-type] # as just seen
        return True
    return all(each is None or abs(each) < limit for each in values)


def _written_alike(values: Sequence[Any]) -> bool:
    others = [value for value in values if type(value) not in _WRITTEN_ALIKE]
    return set(map(type, others)) <= {float} and _all_below(_FLOATS_ALIKE, others)


def _unchanged(leaf: GraphQLLeafType) -> frozenset[type]:
    """The types (exactly these) whose values the leaf's coercion returns as they are, Int and Float within range."""
    if isinstance(leaf, GraphQLEnumType):
        return frozenset()
    known = {
        GraphQLString.name: str,
        GraphQLID.name: str,
        GraphQLInt.name: int,
        GraphQLFloat.name: float,
        GraphQLBoolean.name: bool,
    }
    if leaf.name in known:
        return frozenset({known[leaf.name]})
    coerce: Any = leaf.coerce_output_value
    return frozenset({coerce}) if coerce in (str, int) else frozenset()  # str(text) is text


class Object(Kind):
    """An object type with what is selected of it."""

    def __init__(self, selection: "Selection", *, nullable: bool) -> None:
        super().__init__(nullable=nullable, pure=selection.pure)
        self.selection = selection

    def _completed(self, run: "Run", field: "Field", path: "Path", value: Any) -> Any:  # noqa: ARG002
        return run.object(self.selection, value, path)

    def column(self, values: Sequence[Any]) -> Sequence[Any]:
        return self.selection.alike(values) if isinstance(values, Alike) else super().column(values)

    def _column(self, values: Sequence[Any]) -> Sequence[Any]:
        return self.selection.rows(values, self.selection.columns(values))


class ListOf(Kind):
    """A list of any other kind."""

    def __init__(self, item: Kind, *, nullable: bool) -> None:
        super().__init__(nullable=nullable, pure=item.pure)
        self.item = item

    def _completed(self, run: "Run", field: "Field", path: "Path", value: Any) -> Any:
        if not is_iterable(value):
            raise GraphQLError(f"Expected Iterable, but did not find one for field '{field.coordinate}'.")
        items = tuple(value)
        if isinstance(self.item, Object) and len(items) >= FEW:
            return run.objects(self, self.item, field, path, items)
        return self.one_by_one(run, field, path, items)

    def one_by_one(self, run: "Run", field: "Field", path: "Path", items: Iterable[Any]) -> list[Any]:
        completed: list[Any] = []
        for index, item in run.patiently(items):
            here = (path, index)
            try:
                completed.append(self.item.complete(run, field, here, item))
            except Exception as error:  # noqa: BLE001 - whatever a resolver raises becomes an error of the answer
                run.fail(error, field, here, nullable=self.item.nullable)
                completed.append(None)
        return completed

    def column(self, values: Sequence[Any]) -> Sequence[Any]:
        if isinstance(values, SideBySide):  # as metrics mostly are: one of each name
            return list(zip(*map(self.item.column, values.columns), strict=True))
        return super().column(values)

    def _column(self, values: Sequence[Any]) -> Sequence[Any]:
        """All lists end to end as one column, cut up again."""
        if not set(map(type, values)) <= {tuple, list}:
            raise Odd
        items = self.item.column(list(chain.from_iterable(values)))
        if len(values) == 1:
            return [items]
        ends = 0
        lists = []
        for value in values:
            lists.append(items[ends : ends + len(value)])
            ends += len(value)
        return lists


class Field:
    """One field, ready to run: its resolver, and the kind of what that returns."""

    def __init__(self, shape: FieldShape, kind: Kind) -> None:
        self.name = shape.name
        self.coordinate = shape.coordinate
        self.site = shape.site
        self.kind = kind
        self.resolve, self.needs_info = _resolver(shape)  # called with the object, and with info if it needs that
        self.attribute = _attribute(shape)
        self.resolve_all = _resolver_of_all(shape)  # the same for all objects of a list at once, if there is such
        self.reads = _reads(shape)  # which frames that one's answers are from, if they are from nothing else
        self.pure = kind.pure and not self.needs_info
        self.refused = shape.strawberry is not None and refused(shape.strawberry, shape.keywords)

    def column(self, sources: Sequence[Any]) -> Sequence[Any]:
        """The field of all objects. Raises whatever a resolver raises, and Odd."""
        return self.kind.column(list(map(self.resolve, sources)))

    def standing_in(self, kind: type) -> Standing | None:
        """Where objects of this class have what is shown; None: it must be read and completed."""
        types = declared(kind).get(self.attribute, ())
        if isinstance(self.kind, Leaf) and self.kind.shows_all(types):
            return Standing(self.attribute, self.kind.enum)
        return None


def _attribute(shape: FieldShape) -> str:
    """The attribute of the object that it is; empty where it has a resolver."""
    definition = shape.strawberry
    return "" if definition is None or definition.base_resolver is not None else definition.python_name


def _resolver(shape: FieldShape) -> tuple[Callable[..., Any], bool]:
    """The very function that Strawberry would call, with its arguments bound, and whether it wants info."""
    definition = shape.strawberry
    if definition is None:
        parent, _, _ = shape.coordinate.partition(".")
        return (lambda _source: parent), False
    if definition.extensions or definition.is_async:
        raise Unplannable(shape.coordinate)
    resolver = definition.base_resolver
    if resolver is None:
        return attrgetter(definition.python_name), False
    alone = of_object(definition, shape.keywords)
    if alone is not None:
        return alone, False
    function: Callable[..., Any] = cast("Callable[..., Any]", resolver.wrapped_func)
    if shape.keywords:
        function = partial(function, **shape.keywords)
    reserved = (resolver.self_parameter, resolver.root_parameter, resolver.parent_parameter)
    source = next((each.name for each in reserved if each is not None), None)
    info = None if resolver.info_parameter is None else resolver.info_parameter.name
    return _placed(function, list(resolver.signature.parameters), source, info), info is not None


def _resolver_of_all(shape: FieldShape) -> ResolveAll | None:
    definition = shape.strawberry
    resolve_all = None if definition is None else resolver_of_all(definition)
    return partial(resolve_all, **shape.keywords) if resolve_all is not None and shape.keywords else resolve_all


def _reads(shape: FieldShape) -> ReadsFrames | None:
    reads = None if shape.strawberry is None else frames_read_by(shape.strawberry)
    return None if reads is None else partial(reads, **shape.keywords)


def _placed(
    function: Callable[..., Any], parameters: Sequence[str], source: str | None, info: str | None
) -> Callable[..., Any]:
    """The function with the object, and info if it wants that, where its signature has them."""
    wanted = [name for name in (source, info) if name is not None]
    if source is not None and parameters[: len(wanted)] == wanted:
        return function  # as nearly all are written: no call in between

    def call(value: Any, told: Any = None) -> Any:
        given = {source: value, info: told}
        return function(**{name: given[name] for name in wanted})

    return call


class Selection:
    """What is selected of one type, ready to run: the fields that depend on the object alone, and those to be asked.

    Raises Unplannable.
    """

    def __init__(self, shapes: Shape, *, structs: bool = False) -> None:
        self._shapes = shapes
        self.structs = structs
        self.encode: Callable[[Any], bytes] = _encode_structs if structs else orjson.dumps
        self.fields = fields = tuple(_field(shape, id(shape.definition), structs=structs) for shape in shapes)
        self.asked = tuple(field for field in fields if not field.pure)
        self.pure = not self.asked
        # One of them raises of whatever object: none behind it is asked, as row by row none is.
        self.refused = any(field.refused for field in fields)
        # Only the resolvers of the asked fields look beyond their object, nothing inside what they return does.
        self.shallow = all(field.kind.pure for field in self.asked)
        # Nor do their answers depend on anything but the objects and some frames.
        self.keepable = bool(fields) and self.shallow and all(field.reads is not None for field in self.asked)
        self._pure = tuple(field for field in fields if field.pure)
        self._names = tuple(field.name for field in fields)
        self._standing: dict[type, Mapping[Field, Standing]] = {}

    def columns(self, objects: Sequence[Any]) -> dict[Field, Sequence[Any]]:
        """The pure fields of all objects, by columns, without those that stand in them. Raises at anything odd."""
        types = frozenset(map(type, objects))
        if not self.fields or _told_in_place(types, null_too=True):
            raise Odd
        standing = self._standing_in(next(iter(types))) if len(types) == 1 else {}
        read = [field for field in self._pure if field not in standing]
        if len(objects) <= PART:
            return {field: field.column(objects) for field in read}
        parts = [objects[start : start + PART] for start in range(0, len(objects), PART)] if read else []
        columns = zip(*([field.column(part) for field in read] for part in parts), strict=True)
        return {field: list(chain.from_iterable(column)) for field, column in zip(read, columns, strict=True)}

    def rows(self, objects: Sequence[Any], columns: Mapping[Field, Sequence[Any]]) -> list[dict[str, Any]]:
        """Rows of the objects: by these columns, by what stands in the objects, and None for what is to be asked."""
        if not objects:
            return []
        standing = self._standing_in(type(objects[0]))  # of several classes, every pure field has a column
        sources = tuple(COLUMN if field in columns else standing.get(field) for field in self.fields)
        build = row_builder(self._names, sources, structs=self.structs)
        return build(objects, *(columns[field] for field in self.fields if field in columns))

    def alike(self, records: Alike[Any]) -> Sequence[Any]:
        """Rows of such records: what is shown of one is shown of all, but for the attribute in which they differ."""
        if not all(field.attribute for field in self.fields):  # a resolver may read that one, too
            return self.rows(objects := list(records), self.columns(objects))
        differs = {field: field.attribute == records.attribute for field in self.fields}
        given = [
            field.kind.column(records.values) if of_each else field.column((records.record,))[0]
            for field, of_each in differs.items()
        ]
        sources = tuple(COLUMN if of_each else SAME for of_each in differs.values())
        build = row_builder(self._names, sources, structs=self.structs)
        return build(records, *given)

    @cached_property
    def with_structs(self) -> "Selection":
        """The same with rows that are structs. Odd is here, too, what only orjson writes as orjson does."""
        return Selection(self._shapes, structs=True)

    def _standing_in(self, kind: type) -> Mapping[Field, Standing]:
        """The pure fields that stand in objects of this class."""
        standing = self._standing.get(kind)
        if standing is None:
            found = ((field, field.standing_in(kind)) for field in self._pure)
            standing = self._standing[kind] = {field: where for field, where in found if where is not None}
        return standing


@lru_cache(maxsize=4096)  # of one document with other variables most fields are the same
def _field(shape: FieldShape, _definition: int, *, structs: bool) -> Field:
    """Shapes are equal whichever schema they are of; the definition, which the shape holds, is of one."""
    return Field(shape, _kind_of(shape, structs=structs))


def _kind_of(shape: FieldShape, *, structs: bool) -> Kind:
    if shape.definition is None:
        return Leaf(GraphQLString, nullable=False, structs=structs)
    return _kind(shape.definition.type, Selection(shape.selection, structs=structs), nullable=True)


def _kind(kind: GraphQLOutputType, inner: Selection, *, nullable: bool) -> Kind:
    match kind:
        case GraphQLNonNull():
            return _kind(kind.of_type, inner, nullable=False)
        case GraphQLList():
            return ListOf(_kind(kind.of_type, inner, nullable=True), nullable=nullable)
        case GraphQLObjectType() if kind.is_type_of is None:
            return Object(inner, nullable=nullable)
        case GraphQLScalarType() | GraphQLEnumType():
            return Leaf(kind, nullable=nullable, structs=inner.structs)
    raise Unplannable(str(kind))
