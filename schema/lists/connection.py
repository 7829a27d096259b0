"""One page of a list, as arguments and as a type."""

from typing import Annotated, Any, Generic, TypeVar, cast

import strawberry

from schema.asking.connections import DEFAULT_PAGE, LONGEST_PAGE, Page

T = TypeVar("T")

First = Annotated[
    int | None,
    strawberry.argument(
        description=(
            f"So many rows from the start, or from behind `after`; {DEFAULT_PAGE} unless given, "
            f"{LONGEST_PAGE:,} at most."
        )
    ),
]
After = Annotated[str | None, strawberry.argument(description="Only rows behind the one with this cursor.")]
Last = Annotated[
    int | None,
    strawberry.argument(
        description=f"So many rows from the end, or from before `before`; {LONGEST_PAGE:,} at most. Not with `first`."
    ),
]
Before = Annotated[str | None, strawberry.argument(description="Only rows before the one with this cursor.")]


@strawberry.type(description="What stands around one page of a list.")
class PageInfo:
    has_previous_page: bool = strawberry.field(description="Whether there are rows before this page.")
    has_next_page: bool = strawberry.field(description="Whether there are rows behind this page.")
    start_cursor: str | None = strawberry.field(description="The cursor of its first row; null when it has none.")
    end_cursor: str | None = strawberry.field(description="The cursor of its last row; null when it has none.")


@strawberry.type(description="One row of a page.")
class Edge(Generic[T]):
    cursor: str = strawberry.field(description="Its place in this list, for `after` and `before`.")
    node: T = strawberry.field(description="The object that stands there.")


def _total(root: "Connection[Any]") -> int:
    return root.page.total()


@strawberry.type(description="One page of a list.")
class Connection(Generic[T]):
    page: strawberry.Private[Page[Any]]
    total_count: int = strawberry.field(
        resolver=_total, description="How many rows there are in all pages, that the caller may see."
    )
    edges: list[Edge[T]] = strawberry.field(description="The rows of this page, in order.")
    page_info: PageInfo = strawberry.field(description="What stands around this page.")


def connection(page: Page[Any]) -> Connection[Any]:
    return Connection(
        page=page,
        edges=[Edge(cursor=cursor, node=cast("Any", row)) for cursor, row in zip(page.cursors, page.rows, strict=True)],
        page_info=PageInfo(
            has_previous_page=page.has_previous,
            has_next_page=page.has_next,
            start_cursor=page.cursors[0] if page.cursors else None,
            end_cursor=page.cursors[-1] if page.cursors else None,
        ),
    )
