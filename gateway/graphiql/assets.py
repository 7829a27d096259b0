"""What the gateway serves of GraphiQL: one page, and the files that the page names, all from the gateway itself."""

from pathlib import Path
from typing import Final

DIST: Final = Path(__file__).parent / "dist"
"""Served under `/graphiql/`. Names below `assets/` carry a hash of their content; the others do not."""


class NotBuiltError(Exception):
    """The files of GraphiQL are missing: this is a checkout in which they were never built."""

    def __init__(self) -> None:
        super().__init__("GraphiQL is not built; run: make assets")


def page(dist: Path = DIST) -> bytes:
    """GraphiQL's page, in UTF-8: it holds no data, and asks for a token itself. Raises NotBuiltError."""
    try:
        return (dist / "index.html").read_bytes()
    except FileNotFoundError:
        raise NotBuiltError from None
