"""What stands around one page of a list."""

from typing import Annotated, Any

import strawberry

from schema.asking.connections import DEFAULT_PAGE, LONGEST_PAGE, Page

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


def page_info(page: Page[Any]) -> PageInfo:
    return PageInfo(
        has_previous_page=page.has_previous,
        has_next_page=page.has_next,
        start_cursor=page.cursors[0] if page.cursors else None,
        end_cursor=page.cursors[-1] if page.cursors else None,
    )
