"""Rows of an answer, made by functions that are written out for them: three times as fast as dict(zip(names, row))."""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeAlias, cast

from graphql import GraphQLEnumType
from msgspec import defstruct
from strawberry.schema.schema_converter import CustomGraphQLEnumType


class Standing(NamedTuple):
    """What stands in each object: an attribute, shown as it is, or by its name if it is a member of an enum."""

    attribute: str
    enum: GraphQLEnumType | None


COLUMN: Final = "column"
SAME: Final = "same"
# Where a field's values are from: its column, one value for all rows, or the objects; None: nothing yet.
Source: TypeAlias = Standing | str | None


@lru_cache(maxsize=256)  # there are as many as enums
def members_of(enum: GraphQLEnumType) -> tuple[type, Mapping[Any, str | None]]:
    """The Python enum behind a GraphQL one, and how its members are written, null among them; else nothing's type."""
    if not isinstance(enum, CustomGraphQLEnumType):
        return _NoMembers, {}
    members = cast("type[Enum]", enum.wrapped_cls)
    return members, {None: None} | {member: enum.coerce_output_value(member) for member in members}


class _NoMembers:
    """The type of nothing."""


@lru_cache(maxsize=1024)
def row_builder(
    names: tuple[str, ...], sources: tuple[Source, ...], *, structs: bool = False
) -> Callable[..., list[Any]]:
    """A function from the objects and, in order, their columns and what is the same in all rows, to rows.

    Rows are dictionaries, or structs of a class of their own: these are a quarter faster to make and to encode, but the
    class takes as long as some hundred rows. The names are GraphQL's: letters, digits and underscores, so that nothing
    of a request becomes code; the attributes are the schema's.
    """
    known: dict[str, Any] = {}
    values = [_value(number, source, known) for number, source in enumerate(sources)]
    given = [number for number, source in enumerate(sources) if source in (COLUMN, SAME)]
    columns = [number for number in given if sources[number] == COLUMN]
    row = _struct(names, values, known) if structs else _dictionary(names, values)
    parameters = ["objects", *(f"c{number}" if number in columns else f"v{number}" for number in given)]
    objects = [("o", "objects")] if not columns or any(isinstance(each, Standing) for each in sources) else []
    items, lists = zip(*objects, *((f"v{number}", f"c{number}") for number in columns), strict=True)
    each = f"{', '.join(items)} in " + (f"zip({', '.join(lists)})" if len(lists) > 1 else lists[0])
    built: Callable[..., list[Any]] = eval(f"lambda {', '.join(parameters)}: [{row} for {each}]", known)  # noqa: S307
    return built


def _value(number: int, source: Source, known: dict[str, Any]) -> str:
    match source:
        case None:
            return "None"
        case Standing(attribute, None):
            return f"o.{attribute}"
        case Standing(attribute, enum):
            known[f"names{number}"] = members_of(cast("GraphQLEnumType", enum))[1]
            return f"names{number}[o.{attribute}]"
        case _:
            return f"v{number}"


def _dictionary(names: Sequence[str], values: Sequence[str]) -> str:
    return f"{{{', '.join(f'{name!r}: {value}' for name, value in zip(names, values, strict=True))}}}"


def _struct(names: Sequence[str], values: Sequence[str], known: dict[str, Any]) -> str:
    attributes = [f"a{number}" for number in range(len(names))]  # names may be words that Python keeps for itself
    known["row"] = defstruct("Row", attributes, rename=dict(zip(attributes, names, strict=True)), gc=False)
    return f"row({', '.join(values)})"
