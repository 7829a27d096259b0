"""A listing as fields of the graph. The type of each field is what its class says that it is."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, TypeVar

import strawberry
from msgspec.structs import replace

from schema.asking.connections import Window
from schema.execution.context import GraphInfo
from schema.execution.for_all import ResolveAll, for_all
from schema.execution.foresight import Through
from schema.execution.needs import FieldNeeds, Reach, needing
from schema.lists.connection import After, Before, First, Last, connection
from schema.lists.listing import Among, ClusterListing, Listing
from schema.sources.kubernetes.kinds import Record

R = TypeVar("R", bound=Record)

Limit = Annotated[
    int | None, strawberry.argument(description="At most so many, the first ones of the order; left out: all.")
]
Namespace = Annotated[str, strawberry.argument(description="Its namespace; 255 bytes at most.")]
Name = Annotated[str, strawberry.argument(description="Its name; 255 bytes at most.")]

# What belongs to an object, and what else that takes to know; None where a right is missing, which is then told.
Belonging = Callable[[Any, GraphInfo], Among[R] | None]
# The same of all objects of a list at once: the rows of each, in their order.
Found = Callable[[Sequence[Any], GraphInfo], Iterable[Sequence[R]]]
NeedsHook = Callable[..., FieldNeeds]


def rows_field(listing: Listing[R], description: str = "") -> Any:
    """All of a kind: the list at the root."""

    def rows(info: GraphInfo, filter: Any = None, order_by: Any = None, limit: Limit = None) -> Any:  # noqa: A002
        return listing.select(info, filter, order_by, limit)

    told = description or _all(listing) + "."
    return _field(listing, rows, listing.needs, told)


def page_field(listing: Listing[R], description: str = "") -> Any:
    """The same, a page at a time."""

    def rows(  # noqa: PLR0913, PLR0917 - the schema's arguments
        info: GraphInfo,
        filter: Any = None,  # noqa: A002
        order_by: Any = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Any:
        page = listing.page(info, filter, order_by, Window(first, after, last, before))
        return None if page is None else connection(page)

    told = description or (
        f"{_all(listing)}, a page at a time. In orders by keys that never change no row is skipped or repeated while "
        "others come and go; in others it is best effort."
    )
    return _field(listing, rows, listing.page_needs, told)


def belonging_field(
    listing: Listing[R],
    belonging: Belonging[R],
    description: str,
    needs: NeedsHook | None = None,
    *,
    found: Found[R] | None = None,
) -> Any:
    """What belongs to an object. `found` is for what an index finds for each of them, in whichever namespaces it is.

    Then the right to list it is the same for all objects.
    """

    def rows(
        root: Any,
        info: GraphInfo,
        filter: Any = None,  # noqa: A002
        order_by: Any = None,
        limit: Limit = None,
    ) -> Any:
        listing.check(filter, order_by, limit)
        among = belonging(root, info)
        return None if among is None else listing.select(info, filter, order_by, limit, among)

    def rows_of_all(
        roots: Sequence[Any],
        info: GraphInfo,
        filter: Any = None,  # noqa: A002
        order_by: Any = None,
        limit: int | None = None,
    ) -> list[Any]:
        known = rows(roots[0], info, filter, order_by, limit)
        if known is None or found is None or filter is not None or order_by is not None or limit is not None:
            return [known, *(rows(root, info, filter, order_by, limit) for root in roots[1:])]
        return listing.visible_of_all(info, found(roots, info))

    below = _below(belonging, needs or listing.needs)
    if found is None:
        return _field(listing, rows, below, description)
    return _field(listing, rows, _indexed(below), description, rows_of_all)


def belonging_page_field(listing: Listing[R], belonging: Belonging[R], description: str) -> Any:
    """The same, a page at a time."""

    def rows(  # noqa: PLR0913, PLR0917 - the schema's arguments
        root: Any,
        info: GraphInfo,
        filter: Any = None,  # noqa: A002
        order_by: Any = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Any:
        listing.check(filter, order_by)
        among = belonging(root, info)
        if among is None:
            return None
        page = listing.page(info, filter, order_by, Window(first, after, last, before), among)
        return None if page is None else connection(page)

    return _field(listing, rows, _below(belonging, listing.page_needs), description)


def look_up_field(listing: Listing[R]) -> Any:
    """One of a kind, by its name."""
    if isinstance(listing, ClusterListing):
        return look_up_named_field(listing)

    def find(info: GraphInfo, namespace: Namespace, name: Name) -> Any:
        return listing.find(info, namespace, name)

    told = (
        f"The {listing.one} of this name, null when there is none. Needs the right to list {listing.many} in its "
        "namespace, or to get this one."
    )
    return strawberry.field(resolver=find, metadata=needing(listing.find_needs), description=told)


def look_up_named_field(listing: ClusterListing[R], description: str = "") -> Any:
    def find(info: GraphInfo, name: Name) -> Any:
        return listing.find_named(info, name)

    told = description or (
        f"The {listing.one} of this name, null when there is none. Needs the right to list {listing.many}, "
        "or to get this one."
    )
    return strawberry.field(resolver=find, metadata=needing(listing.find_named_needs), description=told)


def reading(needs: NeedsHook, *also: NeedsHook) -> NeedsHook:
    """What a field needs, and what is needed beside it to know what belongs to its object."""

    def hook(reach: Reach, **arguments: Any) -> FieldNeeds:
        asked = needs(reach, **arguments)
        more = [other(reach) for other in also]
        return replace(
            asked,
            access=(*asked.access, *(need for each in more for need in each.access)),
            kinds=(*asked.kinds, *(kind for each in more for kind in each.kinds)),
        )

    return hook


def _below(belonging: Belonging[R], needs: NeedsHook) -> NeedsHook:
    """The same for a list of what belongs to the objects around it."""

    def part(root: Any, info: GraphInfo) -> Sequence[Among[R]]:
        among = belonging(root, info)
        return () if among is None else (among,)

    return lambda reach, **arguments: needs(replace(reach, parts=Through(reach.rows, part)), **arguments)


def _indexed(needs: NeedsHook) -> NeedsHook:
    return lambda reach, **arguments: replace(needs(reach, **arguments), indexed=True)


def _all(listing: Listing[R]) -> str:
    by = "name" if isinstance(listing, ClusterListing) else "namespace and name"
    return f"The {listing.many} that the caller may see, by {by} unless ordered otherwise"


def _field(
    listing: Listing[R],
    resolver: Any,
    needs: NeedsHook,
    description: str,
    resolve_all: ResolveAll | None = None,
) -> Any:
    resolver.__annotations__ |= _arguments(listing)
    del resolver.__annotations__["return"]
    metadata = {**needing(needs), **({} if resolve_all is None else for_all(resolve_all))}
    return strawberry.field(resolver=resolver, metadata=metadata, description=description)


def _arguments(listing: Listing[R]) -> Mapping[str, Any]:
    by = "name" if isinstance(listing, ClusterListing) else "namespace and name"
    only = f"Only the {listing.many} for which all of it holds."
    order = f"By the first of these, among equals by the next, at last by {by}; at most 6."
    return {
        "filter": Annotated[listing.filter | None, strawberry.argument(description=only)],
        "order_by": Annotated[list[listing.order] | None, strawberry.argument(description=order)],  # type: ignore[name-defined]
    }
