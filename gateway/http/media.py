"""Which media type an answer has: content negotiation as GraphQL over HTTP wants it.

https://graphql.github.io/graphql-over-http/draft/#sec-Media-Types
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache, wraps
from typing import Final, TypeVar

from starlette.types import Scope

T = TypeVar("T")

REMEMBERED_CHARS: Final = 512


class MediaType(StrEnum):
    """What the gateway can answer with, best first."""

    GRAPHQL = "application/graphql-response+json"
    JSON = "application/json"


@dataclass(frozen=True, slots=True)
class _Range:
    """One media range of an Accept header (RFC 9110, 12.5.1)."""

    kind: str
    quality: float

    def matches(self, media_type: str) -> bool:
        return self.kind in ("*/*", media_type) or (
            self.kind.endswith("/*") and media_type.startswith(self.kind.removesuffix("*"))
        )


_HEADERS: Final = "binnacle.headers"


def header(scope: Scope, name: bytes) -> str | None:
    """The first header of this name (in lower case) that a request has."""
    headers = scope.get(_HEADERS)
    if headers is None:
        headers = scope[_HEADERS] = dict(reversed(scope["headers"]))  # several are asked for: looked through once
    value = headers.get(name)
    return None if value is None else str(value, "latin-1")


def once_per_header(read: Callable[[str | None], T]) -> Callable[[str | None], T]:
    """Remember what short headers say: clients are of few sorts, and say the same each time."""
    remembered = lru_cache(maxsize=256)(read)

    @wraps(read)
    def reading(given: str | None) -> T:
        return read(given) if given is not None and len(given) > REMEMBERED_CHARS else remembered(given)

    return reading


@once_per_header
def negotiate(accept: str | None) -> MediaType | None:
    """The media type to answer with; None when the client accepts neither.

    Nothing said, or `*/*`: application/json, so that clients from before the specification read refusals as they
    always did.
    """
    ranges = _ranges(accept) if accept else [_Range("*/*", 1.0)]
    qualities = {kind: _quality(kind, ranges) for kind in MediaType}
    best = max(qualities.values())
    if best <= 0:
        return None
    if qualities[MediaType.GRAPHQL] == best and _named(MediaType.GRAPHQL, ranges):
        return MediaType.GRAPHQL
    return MediaType.JSON if qualities[MediaType.JSON] == best else MediaType.GRAPHQL


@once_per_header
def accepts_html(accept: str | None) -> bool:
    """Whether a browser's page load asks: text/html must be named, `*/*` (curl) is not enough."""
    return accept is not None and any(
        asked.kind in ("text/html", "application/xhtml+xml") and asked.quality > 0 for asked in _ranges(accept)
    )


def _named(media_type: str, ranges: list[_Range]) -> bool:
    return any(asked.kind == media_type for asked in ranges)


def _quality(media_type: str, ranges: list[_Range]) -> float:
    """The quality of the most specific range that matches; 0 when none does."""
    matching = [asked for asked in ranges if asked.matches(media_type)]
    return min(matching, key=lambda asked: asked.kind.count("*")).quality if matching else 0.0


def _ranges(accept: str) -> list[_Range]:
    ranges = []
    for part in accept.split(","):
        kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
        if kind and _charset_is_utf8(parameters):
            ranges.append(_Range(kind, _quality_of(parameters)))
    return ranges


def _charset_is_utf8(parameters: list[str]) -> bool:
    """JSON is UTF-8: a range that wants another charset cannot be served."""
    return all(
        parameter.partition("=")[2].strip('" ') in ("utf-8", "utf8")
        for parameter in parameters
        if parameter.startswith("charset")
    )


def _quality_of(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(max(float(value), 0.0), 1.0)
            except ValueError:
                return 0.0
    return 1.0
