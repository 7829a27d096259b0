"""Records: the objects of the watch cache as plans see them."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import UnionType
from typing import Any, TypeGuard, Union, get_args, get_origin, get_type_hints

import msgspec


@lru_cache(maxsize=256)  # there are as many as sorts of rows
def is_record(kind: type) -> bool:
    """Whether its objects stay what they are: immutable, and equal to nothing but themselves."""
    return _is_frozen(kind) and not kind.__struct_config__.eq


def _is_frozen(kind: type) -> TypeGuard[type[msgspec.Struct]]:
    return issubclass(kind, msgspec.Struct) and kind.__struct_config__.frozen


@lru_cache(maxsize=256)  # there are as many as sorts of rows
def declared(kind: type) -> Mapping[str, frozenset[Any]]:
    """The types that a frozen struct declares for its attributes; nothing of other classes.

    They hold what was decoded as declared: to look at each value again would cost more than to show it.
    """
    if not _is_frozen(kind):
        return {}
    return {name: frozenset(_alternatives(hint)) for name, hint in get_type_hints(kind).items()}


def _alternatives(hint: Any) -> Iterable[Any]:
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
