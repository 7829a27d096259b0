"""Filters of lists, as arguments: a field of a filter says itself what it tests.

A kind's filter inherits what every object has, and adds fields made by the functions below. Its `not` is of its own
type, and so stands in each.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cached_property, partial
from typing import Any, ClassVar, Final, Optional, cast

import strawberry

from auth.access import Resource
from auth.errors import InvalidArgument
from schema.arguments import LABEL_KEY_BYTES, NAME_BYTES, UID_BYTES, check_count, check_length, check_values
from schema.asking import filters
from schema.asking.durations import duration
from schema.asking.filters import Expression
from schema.asking.selectors import SELECTOR_BYTES, field_selector, label_selector

DEEPEST_NOT: Final = 8
INDEXED: Final = frozenset({"uid", "name", "namespace", "node_name"})
_TEST: Final = "binnacle/test"


@dataclass(frozen=True, slots=True)
class Reads:
    """Another kind that a filter, an order or a way to other objects reads, which needs a right of its own."""

    resource: Resource
    everywhere: bool = False  # counts for nothing unless it may be listed in all namespaces


@dataclass(frozen=True, slots=True)
class Test:
    """What a field of a filter does with its value; `at` is the field's name in the document."""

    check: Callable[[str, Any], None]  # raises InvalidArgument
    expression: Callable[[Any, str, Any], Expression]  # of the whole filter, `at`, and the value
    attribute: str = ""  # the value, or one of the values, is what this attribute of the record has
    late: bool = False  # dearer than comparing attributes: tested after those
    reads: Reads | None = None
    reads_for: Callable[[Any], bool] = lambda _value: True  # with which values it does


def tested(description: str, test: Test) -> Any:
    return strawberry.field(default=None, description=description, metadata={_TEST: test})


def _texts(limit: int) -> Callable[[str, Any], None]:
    return lambda at, value: check_length(at, value, limit)


def unchecked(_at: str, _value: object) -> None:
    """What GraphQL itself has checked."""


def exactly(attribute: str, description: str, limit: int = NAME_BYTES) -> Any:
    test = Test(_texts(limit), lambda _, __, value: filters.equals(attribute, value), attribute)
    return tested(description, test)


def one_of(attribute: str, description: str, limit: int = NAME_BYTES) -> Any:
    def check(at: str, values: Any) -> None:
        check_values(at, values, limit)

    return tested(description, Test(check, lambda _, __, values: filters.is_one_of(attribute, values), attribute))


def text(description: str, expression: Callable[[str], Expression], limit: int = NAME_BYTES, **more: Any) -> Any:
    """A text of at most so many bytes."""
    return tested(description, Test(_texts(limit), lambda _, __, value: expression(value), **more))


def texts(description: str, expression: Callable[[list[str]], Expression], limit: int = NAME_BYTES, **more: Any) -> Any:
    """Several texts, each of at most so many bytes."""

    def check(at: str, values: Any) -> None:
        check_values(at, values, limit)

    return tested(description, Test(check, lambda _, __, values: expression(values), **more))


def has_one_of(attribute: str, description: str) -> Any:
    """The attribute is a sequence, and one of the values is among its elements."""

    def check(at: str, values: Any) -> None:
        check_values(at, values, NAME_BYTES)

    return tested(description, Test(check, lambda _, __, values: filters.overlaps(attribute, values)))


def has_member(attribute: str, description: str) -> Any:
    """The attribute is a sequence of an enum's members, and the value one of them."""
    return tested(description, Test(unchecked, lambda _, __, value: filters.has(attribute, value)))


def element_of(attribute: str, description: str) -> Any:
    """The attribute is a sequence, and the value one of its elements."""
    return text(description, partial(filters.has, attribute))


def whether(attribute: str, description: str) -> Any:
    """The attribute is true, or it is not: empty, 0 or None."""
    return tested(description, Test(unchecked, lambda _, __, value: filters.is_(value, attribute)))


def at_least(attribute: str, description: str) -> Any:
    return tested(description, Test(unchecked, lambda _, __, value: filters.at_least(attribute, value)))


def number(attribute: str, description: str) -> Any:
    return tested(description, Test(unchecked, lambda _, __, value: filters.equals(attribute, value)))


def one_of_numbers(attribute: str, description: str) -> Any:
    return tested(description, Test(check_count, lambda _, __, values: filters.is_one_of(attribute, values)))


def contains(attribute: str, description: str) -> Any:
    """The attribute is a text, or None, which contains nothing."""
    return text(description, partial(filters.contains_or_none, attribute))


def begins(attribute: str, description: str) -> Any:
    return text(description, partial(filters.starts_with, attribute))


def older_than(description: str, attribute: str = "created_at") -> Any:
    """The moment in the attribute was longer ago."""

    def expression(_filter: Any, at: str, value: str) -> Expression:
        return filters.older(duration(at, value), attribute)

    return tested(f"{description}: `90s`, `2h30m`, `7d`.", Test(unchecked, expression, late=True))


def younger_than(description: str, attribute: str = "created_at") -> Any:
    """The moment in the attribute was that long ago at most."""

    def expression(_filter: Any, at: str, value: str) -> Expression:
        return filters.younger(duration(at, value), attribute)

    return tested(f"{description}: `90s`, `2h30m`, `7d`.", Test(unchecked, expression, late=True))


def _labelled(_filter: Any, _at: str, value: str) -> Expression:
    return filters.labelled(label_selector(value))


def _fields(wanted: "ObjectFilter", _at: str, value: str) -> Expression:
    return filters.fields(field_selector(value), wanted.FIELDS, wanted.COLD)


def _label_key(wanted: "ObjectFilter", _at: str, value: str) -> Expression:
    return filters.has_label(value, wanted.label_value)


def _label_value(wanted: "ObjectFilter", _at: str, value: str) -> Expression:
    """One label must have both, which the key's test says already."""
    return filters.EVERYTHING if wanted.label_key is not None else filters.has_label(None, value)


def negated() -> Any:
    return strawberry.field(
        name="not", default=None, description="Everything that is given in here does not hold together."
    )


def selectable(description: str) -> Any:
    """A kind's field selector; which fields there are is its filter's FIELDS."""
    return tested(f"Kubernetes' own syntax. {description}", _FIELD_SELECTOR)


_FIELD_SELECTOR: Final = Test(_texts(SELECTOR_BYTES), _fields)


class Filter:
    """What every filter does with the fields that it has. Made once per document, and never changed."""

    not_: Any  # another one of its class, or None

    @cached_property
    def expression(self) -> Expression:
        """What must hold. Raises InvalidArgument for a value that cannot be used, or that nothing could match."""
        return self._expression("filter", 1)

    @cached_property
    def reads(self) -> frozenset[Reads]:
        """What else it reads, anywhere in it."""
        inner = self.not_.reads if self.not_ is not None else frozenset()
        tests = ((test.reads, test.reads_for(value)) for _, test, value in self._tests())
        return inner | {reads for reads, counts in tests if reads is not None and counts}

    def _tests(self) -> Iterator[tuple[str, Test, Any]]:
        """The tests that have a value: attributes first, then what is dearer."""
        given = [
            (each.name, each.metadata[_TEST], getattr(self, each.name))
            for each in fields(cast("Any", type(self)))
            if _TEST in each.metadata and getattr(self, each.name) is not None
        ]
        return iter(sorted(given, key=lambda each: each[1].late))

    def _expression(self, at: str, depth: int) -> Expression:
        if depth > DEEPEST_NOT:
            raise InvalidArgument(f"`{at}` is nested too deep; the limit is {DEEPEST_NOT}", argument="filter")
        tests = [(f"{at}.{_camel(name)}", test, value) for name, test, value in self._tests()]
        for named, test, value in tests:
            test.check(named, value)
        parts = [test.expression(self, named, value) for named, test, value in tests]
        if self.not_ is not None:
            parts.append(filters.none_of(self.not_._expression(f"{at}.not", depth + 1)))  # noqa: SLF001 - its own class
        return filters.all_of(parts)


@strawberry.input(description="Objects for which everything that is given holds.")
class ObjectFilter(Filter):
    """What the filter of every kind of object has."""

    # What a field selector may name, as an expression over the record; and which of these are plain attributes.
    FIELDS: ClassVar[Mapping[str, str]] = {"metadata.name": "r.name"}
    COLD: ClassVar[
        Mapping[str, Callable[[Any], str]]
    ] = {}  # what else it may name: the text, from the record's details
    PLAIN: ClassVar[Mapping[str, str]] = {"metadata.name": "name", "metadata.namespace": "namespace"}

    id: strawberry.ID | None = exactly("uid", "Exactly this UID; 40 bytes at most.", UID_BYTES)
    ids: list[strawberry.ID] | None = one_of("uid", "One of these UIDs.", UID_BYTES)
    name: str | None = exactly("name", "Exactly this name; 255 bytes at most.")
    names: list[str] | None = one_of("name", "One of these names.")
    name_contains: str | None = text("Its name contains this.", partial(filters.contains, "name"))
    name_prefix: str | None = text("Its name begins with this.", partial(filters.starts_with, "name"))
    label_key: str | None = tested(
        "It has a label with this key; 317 bytes at most.", Test(_texts(LABEL_KEY_BYTES), _label_key, late=True)
    )
    label_value: str | None = tested(
        "The label `labelKey` (without it: any label) has this value; 255 bytes at most.",
        Test(_texts(NAME_BYTES), _label_value, late=True),
    )
    older_than: str | None = older_than("Created longer ago than this")
    younger_than: str | None = younger_than("Created at most so long ago")
    label_selector: str | None = tested(
        "Kubernetes' own syntax: `app=web,tier in (a,b),!canary`; what the API server refuses is refused.",
        Test(_texts(SELECTOR_BYTES), _labelled, late=True),
    )
    field_selector: str | None = selectable("Fields: metadata.name.")
    not_: Optional["ObjectFilter"] = negated()

    @cached_property
    def narrowing(self) -> Mapping[str, frozenset[str]]:
        """By attribute, the values one of which a record must have to match: what indexes can be asked for.

        Only after `expression` has found nothing wrong.
        """
        sets: dict[str, list[frozenset[str]]] = {}
        for _, test, value in self._tests():
            if test.attribute in INDEXED:
                sets.setdefault(test.attribute, []).append(frozenset([value] if isinstance(value, str) else value))
        for term in field_selector(self.field_selector or ""):
            attribute = self.PLAIN.get(term.field)
            if attribute and term.value and not term.negated:  # no index holds what has no value
                sets.setdefault(attribute, []).append(frozenset({term.value}))
        return {attribute: frozenset.intersection(*values) for attribute, values in sets.items()}


@strawberry.input(description="Objects in namespaces for which everything that is given holds.")
class NamespacedFilter(ObjectFilter):
    """What the filter of a kind in namespaces has."""

    FIELDS: ClassVar[Mapping[str, str]] = {"metadata.name": "r.name", "metadata.namespace": "r.namespace"}

    namespace: str | None = exactly("namespace", "In this namespace; 255 bytes at most.")
    namespaces: list[str] | None = one_of("namespace", "In one of these namespaces.")
    field_selector: str | None = selectable("Fields: metadata.name and metadata.namespace.")


@strawberry.input(description="What has a name of its own, for which everything that is given holds.")
class NamedFilter(Filter):
    """What the filter of everything has that has a name, and is no object by itself."""

    name: str | None = exactly("name", "Exactly this name; 255 bytes at most.")
    names: list[str] | None = one_of("name", "One of these names.")
    name_contains: str | None = contains("name", "Its name contains this.")
    name_prefix: str | None = begins("name", "Its name begins with this.")


@strawberry.input(description="Pairs of key and value for which everything that is given holds.")
class PairFilter(Filter):
    """What the filters of labels and annotations have."""

    key: str | None = exactly("key", "Exactly this key; 317 bytes at most.", LABEL_KEY_BYTES)
    keys: list[str] | None = one_of("key", "One of these keys.", LABEL_KEY_BYTES)
    key_contains: str | None = contains("key", "Its key contains this.")
    key_prefix: str | None = begins("key", "Its key begins with this, such as `app.kubernetes.io/`.")
    value: str | None = exactly("value", "Exactly this value; 255 bytes at most.")
    values: list[str] | None = one_of("value", "One of these values.")
    value_contains: str | None = contains("value", "Its value contains this.")


def filter_of(objects: str) -> str:
    """The description of a kind's filter."""
    return (
        f"{objects} for which everything that is given holds. What is left out or null does not count. "
        "Names in the plural take several values, at most 256, one of which must be met."
    )


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


def reads_of(parts: Iterable[Reads | None]) -> frozenset[Reads]:
    return frozenset(part for part in parts if part is not None)
