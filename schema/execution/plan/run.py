"""One execution of a plan over one View.

It completes values as graphql-core does, row by row (sections "Executing Selection Sets" and "Handling Execution
Errors" of the GraphQL specification), except that lists are first tried by columns, and that the lists of records with
nothing but pure fields become blocks of bytes.
"""

import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, compress, count, islice
from operator import attrgetter
from typing import Any, Final, TypeAlias, TypeVar, cast, final

import orjson
from graphql import FieldNode, GraphQLError, located_error
from msgspec import Struct

from schema.execution.for_all import ResolveAll
from schema.execution.patience import Patience
from schema.execution.plan.blocks import (
    BLOCK_OBJECTS,
    NOTHING,
    Block,
    Earlier,
    EncodedList,
    EncodedLists,
    Mending,
    candidates,
    changed,
    cut,
    mending,
    together,
)
from schema.execution.plan.encoded import EncodedData
from schema.execution.plan.kinds import PART, STRUCTS_FROM, Field, ListOf, Object, Odd, Selection
from schema.execution.plan.records import is_record
from schema.execution.plan.shape import Nodes
from schema.execution.problems import Problems
from schema.execution.view import View
from schema.sources.prometheus.frames import MetricFrame

T = TypeVar("T")

# From the answer's root down: (path of what holds it, its name or index).
Path: TypeAlias = "tuple[Path, str | int] | None"

# By site, the frames that its blocks are from: they hold only as long as these are still the newest. A frame may speak
# of every pod of the cluster; what is kept does not hold it.
FramesRead: TypeAlias = Mapping[int, tuple["weakref.ref[MetricFrame]", ...]]

_EMPTY: Final = orjson.Fragment(b"[]")
# Around a list's number in the outline of an answer: no JSON has it, in a text it would be escaped.
_MARK: Final = b"\0"


def _mark(number: int) -> orjson.Fragment:
    return orjson.Fragment(b"[\0%d\0]" % number)


# Of as many lists as there are nodes in a large cluster: each answer has them all.
_MARKS: Final = tuple(map(_mark, range(8_192)))

_BLOCKS: Final = attrgetter("blocks")
_ENCODED: Final = attrgetter("encoded")


class TooManyObjects(BaseException):
    """More than whoever executes wanted to do at once. No error of the answer, as `patience.GivenUp` is none."""


class PlanContext:
    """A request's context as a plan's resolvers see it.

    The answer may be kept for others with the same rights as long as resolvers read the view alone. Reading anything
    else of the context (who asks, say) is possible, and noted: such an answer is this request's own.
    """

    def __init__(self, context: Any) -> None:
        self._context = context
        self.view: View = context.view
        self.problems: Problems = context.problems
        self.patience: Patience = context.patience
        self.personal = False

    def __getattr__(self, name: str) -> Any:
        self.personal = True
        return getattr(self._context, name)


@final
class FieldInfo(Struct, frozen=True):
    """What a plan tells a resolver that asks for `info`: the part of GraphInfo that resolvers may use."""

    context: PlanContext
    field_node: FieldNode
    _path: Path

    @property
    def response_path(self) -> list[str | int]:
        return listed(self._path)


def listed(path: Path) -> list[str | int]:
    """A path as errors tell it."""
    keys: list[str | int] = []
    while path is not None:
        path, key = path
        keys.append(key)
    return keys[::-1]


@final
@dataclass(slots=True)
class Run:
    """The state of one execution.

    `before` are the lists of an earlier one, from the frames `read_before`, and `answered` is what came of them, if it
    is kept; `lists` and `read` are those of this one.
    """

    context: PlanContext
    nodes: Nodes
    before: EncodedLists
    read_before: FramesRead
    answered: EncodedData | None = None
    at_most: int | None = None  # objects, in all lists together
    lists: dict[int, list[EncodedList]] = field(default_factory=dict)
    read: dict[int, tuple["weakref.ref[MetricFrame]", ...]] = field(default_factory=dict)
    errors: list[GraphQLError] = field(default_factory=list)
    _earlier: dict[int, Earlier] = field(default_factory=dict)  # what is usable of `before`, by site
    _made: dict[tuple[int, int, int], Block] = field(default_factory=dict)  # by site, and what it begins and ends with
    _objects: int = 0
    _shown: list[EncodedList] = field(default_factory=list)  # of which `data` has the number alone

    def execute(self, selection: Selection) -> EncodedData | None:
        """The `data`; None when an error has taken all of it."""
        try:
            data = self.object(selection, None, None)
        except GraphQLError as error:  # of a field that must not be null, located by `fail`
            self.errors.append(error)
            return None
        outline = orjson.dumps(data)
        pieces = assembled(outline, self._shown)
        if self.answered is not None and self.answered.shows(pieces):
            return self.answered
        return EncodedData(pieces, own=len(outline))

    def object(self, selection: Selection, source: Any, path: Path) -> dict[str, Any]:
        return {each.name: self.field(each, source, path) for each in selection.fields}

    def field(self, what: Field, source: Any, path: Path) -> Any:
        """graphql-core's execute_field: resolve, complete, and tell the error of either."""
        here = (path, what.name)
        return self.completed(what, here, self.value(what, source, here))

    def value(self, what: Field, source: Any, here: Path) -> Any:
        """What the resolver returns, or the exception that it raises, which completion treats alike."""
        try:
            if what.needs_info:
                return what.resolve(source, self._info(what, here))
            return what.resolve(source)
        except Exception as error:  # noqa: BLE001 - whatever a resolver raises becomes an error of the answer
            return error

    def completed(self, what: Field, here: Path, value: Any) -> Any:
        try:
            return what.kind.complete(self, what, here, value)
        except Exception as error:  # noqa: BLE001 - as above
            self.fail(error, what, here, nullable=what.kind.nullable)
            return None

    def patiently(self, items: Iterable[T]) -> Iterator[tuple[int, T]]:
        """The items with their indexes, and a look now and then whether anybody still waits."""
        for index, item in enumerate(items):
            if not index % BLOCK_OBJECTS:
                self.context.patience.check()
            yield index, item

    def fail(self, error: Exception, what: Field, path: Path, *, nullable: bool) -> None:
        """Tell an error at its place; where null is not allowed there, raise it to what holds the place."""
        located = located_error(error, self.nodes[what.site], listed(path))
        if not nullable:
            raise located
        self.errors.append(located)

    def objects(self, kind: ListOf, item: Object, what: Field, path: Path, items: tuple[Any, ...]) -> Any:
        """A list of objects: by blocks and columns where nothing is odd, else row by row."""
        self.context.patience.check()
        self._count(len(items))
        selection = item.selection
        if selection.refused:
            return kind.one_by_one(self, what, path, items)
        try:
            if selection.keepable and _is_record(items[0]) and self._reads_only_frames(selection, what.site):
                return self._blocks(selection, what.site, items, path)
            columns = selection.columns(items)
        except Exception:  # noqa: BLE001 - told, if it is an error, by the very same fields row by row
            return kind.one_by_one(self, what, path, items)
        values = self._values(selection.asked, items, path) if selection.shallow else {}
        try:
            if selection.shallow and not any(map(_leads_to_records, values.values())):
                rows = selection.rows(
                    items, columns | {each: each.kind.column(values[each]) for each in selection.asked}
                )
                return orjson.Fragment(orjson.dumps(rows))  # rows of one list at a time: the next reuses their memory
        except Exception:  # noqa: BLE001, S110 - as above: the same values are completed row by row
            pass
        if not selection.shallow:
            values = self._values([each for each in selection.asked if _lists_keepable(each)], items, path)
        for each in filter(_lists_keepable, selection.asked):
            values[each] = self._encoded_lists(each, values[each], path)
        if all(each in values and _all_encoded(values[each]) for each in selection.asked):
            return selection.rows(items, columns | values)
        blank = zip(items, selection.rows(items, columns), strict=True)
        return self._ask(item, what, path, blank, values)

    def _count(self, objects: int) -> None:
        self._objects += objects
        if self.at_most is not None and self._objects > self.at_most:
            raise TooManyObjects

    def _values(self, fields: Sequence[Field], items: Sequence[Any], path: Path) -> dict[Field, Sequence[Any]]:
        """What the resolvers of these fields return: row by row, in the document's order, as graphql-core asks."""
        values: dict[Field, Any] = {each: [] for each in fields}
        asked = [(each, each.name, values[each].append) for each in fields if each.resolve_all is None]
        for index, source in self.patiently(items) if asked else ():
            here = (path, index)
            for each, name, append in asked:
                append(self.value(each, source, (here, name)))
        for each in fields:
            if each.resolve_all is not None:
                values[each] = self._value_of_all(each, each.resolve_all, items, path)
        return values

    def _value_of_all(self, what: Field, resolve_all: ResolveAll, items: Sequence[Any], path: Path) -> list[Any]:
        """One call for the whole list; where that fails, each object's own call tells why."""
        try:
            return list(resolve_all(items, self._info(what, ((path, 0), what.name))))
        except Exception:  # noqa: BLE001 - told, if it is an error, row by row
            return [self.value(what, source, ((path, index), what.name)) for index, source in enumerate(items)]

    def _info(self, what: Field, here: Path) -> FieldInfo:
        return FieldInfo(self.context, self.nodes[what.site][0], here)

    def _ask(
        self,
        item: Object,
        what: Field,
        path: Path,
        blank: Iterable[tuple[Any, dict[str, Any]]],
        values: Mapping[Field, Sequence[Any]],
    ) -> list[dict[str, Any] | None]:
        """The rows of the objects in `blank`, filled in row by row, in the document's order; `values` are had."""
        completed: list[dict[str, Any] | None] = []
        for index, (source, row) in self.patiently(blank):
            here = (path, index)
            try:
                for each in item.selection.asked:
                    if each not in values:
                        row[each.name] = self.field(each, source, here)
                    elif type(value := values[each][index]) is orjson.Fragment:
                        row[each.name] = value
                    else:
                        row[each.name] = self.completed(each, (here, each.name), value)
                completed.append(row)
            except GraphQLError as error:  # of a field that must not be null
                self.fail(error, what, here, nullable=item.nullable)
                completed.append(None)
        return completed

    def _reads_only_frames(self, selection: Selection, site: int) -> bool:
        """Whether blocks can be made of the site's lists, and kept; which frames they are from is noted."""
        if site not in self.read:
            frames: list[MetricFrame] = []
            for each in selection.asked:
                read = None if each.reads is None else each.reads(self.context.view)
                if read is None:
                    return False
                frames += read
            self.read[site] = tuple(map(weakref.ref, frames))
            self._earlier[site] = Earlier(self.before.get(site, ()) if self._same_frames(site) else ())
        return True

    def _blocks(self, selection: Selection, site: int, items: tuple[Any, ...], path: Path) -> orjson.Fragment:
        (encoded,) = self._as_blocks(selection, site, [items], path)
        if encoded is NOTHING:
            raise Odd
        (mark,) = self._listed([encoded])
        return mark

    def _encoded_lists(self, what: Field, values: Sequence[Any], path: Path) -> Sequence[Any]:
        """The lists of one field of many objects: encoded together where nothing is odd, else as they were resolved.

        Most lists inside a list are short: its columns are as long as those of a long one when they are read together.
        """
        selection = cast("Object", cast("ListOf", what.kind).item).selection
        try:
            if not self._reads_only_frames(selection, what.site):
                return values
        except Exception:  # noqa: BLE001 - told, if it is an error, list by list
            return values
        if self.at_most is not None:
            self._count(sum(len(each) for each in values if _of_records(each)))
        encoded = self._as_blocks(selection, what.site, values, ((path, 0), what.name))
        if NOTHING not in encoded:
            return self._listed(encoded)
        marks = iter(self._listed([each for each in encoded if each is not NOTHING]))
        return [
            next(marks) if each is not NOTHING else _EMPTY if value == () else value
            for value, each in zip(values, encoded, strict=True)
        ]

    def _listed(self, encoded: Sequence[EncodedList]) -> Sequence[orjson.Fragment]:
        """What stands for lists until the answer is put together."""
        first = len(self._shown)
        self._shown += encoded
        return _marks(first, len(self._shown))

    def _as_blocks(self, selection: Selection, site: int, lists: Sequence[Any], path: Path) -> list[EncodedList]:
        """Lists of a site in their blocks, which are kept; NOTHING for what is no list of records, or odd."""
        found = self._earlier[site].found(lists)
        new = list(compress(count(), changed(found, lists)))
        cuts = {at: cut(tuple(lists[at])) for at in new if _of_records(lists[at])}
        known = chain.from_iterable(candidates(found[at], each) for at, each in cuts.items())
        wanted = zip(chain.from_iterable(cuts.values()), known, strict=True)  # never all at once
        made = iter(self._encoded(selection, site, wanted, path))
        for at in new:
            found[at] = together(list(islice(made, len(cuts.get(at, ())))))
        self.lists.setdefault(site, []).extend(found)
        return found

    def _encoded(
        self, selection: Selection, site: int, wanted: Iterable[tuple[tuple[Any, ...], Block | None]], path: Path
    ) -> list[Block | None]:
        """Blocks of these objects, beside which stand earlier ones: those, or new ones; None where anything is odd."""
        first_field = selection.fields[0].name
        found: list[Block | None] = []
        new: dict[int, tuple[Any, ...] | Mending] = {}
        waiting = 0
        for at, (objects, known) in enumerate(wanted):
            same = known if known is not None and known.shows(objects) else self._made.get(_place(site, objects))
            if same is not None and same.shows(objects):
                found.append(same)
                continue
            found.append(None)
            mend = None if known is None else mending(known, objects, first_field)
            new[at] = mend or objects
            waiting += len(objects if mend is None else mend.new)
            if waiting >= PART:
                self._encode(selection, site, new, path, found)
                new, waiting = {}, 0
        self._encode(selection, site, new, path, found)
        return found

    def _encode(
        self,
        selection: Selection,
        site: int,
        blocks: Mapping[int, tuple[Any, ...] | Mending],
        path: Path,
        found: list[Block | None],
    ) -> None:
        """Encode some blocks by columns, or what is new of them; they are then known and `found` at their places."""
        self.context.patience.check()
        new = [each.new if isinstance(each, Mending) else each for each in blocks.values()]
        objects = tuple(chain.from_iterable(new))
        try:
            rows, encode = self._rows(selection, objects, path)
        except Exception:  # noqa: BLE001 - told, if it is an error, row by row
            return
        start = 0
        for (at, block), own in zip(blocks.items(), new, strict=True):
            stop = start + len(own)
            if isinstance(block, Mending):
                made = block.mended(list(map(encode, rows[start:stop])))
            else:
                made = Block(block, bytes(memoryview(encode(rows[start:stop]))[1:-1]))
            twice = self._made.setdefault(_place(site, made.objects), made)
            found[at] = twice if twice.shows(made.objects) else made
            start = stop

    def _rows(
        self, selection: Selection, objects: Sequence[Any], path: Path
    ) -> tuple[Sequence[Any], Callable[[Any], bytes]]:
        """Rows of the objects, and what encodes them. Raises whatever a resolver raises, and Odd."""
        if len(objects) >= STRUCTS_FROM and not selection.structs:
            with suppress(Exception):  # what is odd there alone, or an error, which is then met again
                return self._rows(selection.with_structs, objects, path)
        columns = selection.columns(objects) | self._columns_of_all(selection, objects, path)
        return selection.rows(objects, columns), selection.encode

    def _same_frames(self, site: int) -> bool:
        """Whether what was kept of the site is from the frames that are now to be shown."""
        now, then = self.read[site], self.read_before.get(site, ())
        return len(now) == len(then) and all(one() is other() for one, other in zip(now, then, strict=True))

    def _columns_of_all(self, selection: Selection, objects: Sequence[Any], path: Path) -> dict[Field, Sequence[Any]]:
        """The columns of the fields that are not pure, which all can be had for the whole list at once."""
        asked = ((each, each.resolve_all) for each in selection.asked)
        return {
            each: each.kind.column(resolve_all(objects, self._info(each, ((path, 0), each.name))))
            for each, resolve_all in asked
            if resolve_all is not None
        }


def _marks(first: int, end: int) -> Sequence[orjson.Fragment]:
    """What stands in an outline for the lists of these numbers."""
    return _MARKS[first:end] if end <= len(_MARKS) else list(map(_mark, range(first, end)))


def assembled(outline: bytes, lists: Sequence[EncodedList]) -> list[bytes]:
    """The pieces of the answer: its outline with the blocks of the lists in their places."""
    texts = outline.split(_MARK)
    shown = list(map(_BLOCKS, map(lists.__getitem__, map(int, texts[1::2]))))
    if all(map((1).__eq__, map(len, shown))):  # as are those of short ones
        texts[1::2] = list(map(_ENCODED, chain.from_iterable(shown)))
        return texts
    pieces = [texts[0]]
    for (first, *others), text in zip(shown, texts[2::2], strict=True):
        pieces.append(first.encoded)
        for each in others:
            pieces += (b",", each.encoded)
        pieces.append(text)
    return pieces


def _place(site: int, objects: tuple[Any, ...]) -> tuple[int, int, int]:
    """Where blocks of one execution are found again, which holds their objects: no others have their ids."""
    return site, id(objects[0]), id(objects[-1])


def _all_encoded(values: Iterable[Any]) -> bool:
    return set(map(type, values)) == {orjson.Fragment}


def _lists_keepable(what: Field) -> bool:
    """Whether it lists objects that become blocks, if they are records."""
    kind = what.kind
    return isinstance(kind, ListOf) and isinstance(kind.item, Object) and kind.item.selection.keepable


def _is_record(item: Any) -> bool:
    kind: type = type(item)
    return is_record(kind)


def _of_records(value: Any) -> bool:
    """Whether it is a list that begins with a record, as it does then with nothing else."""
    return isinstance(value, (tuple, list)) and bool(value) and _is_record(value[0])


def _leads_to_records(values: Iterable[Any]) -> bool:
    """Whether a column of lists is one of records, which become blocks instead; the first that is not empty tells."""
    first = next((each for each in values if isinstance(each, (tuple, list)) and each), ())
    return _of_records(first)
