"""What the watch cache needs of an API server, whoever speaks to it: the seam at which tests inject faults."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final, Protocol

from auth.api import Reply

# What is read of the body of a refusal: a Status is a few hundred bytes, and a proxy's HTML page is of no use.
REFUSAL_LIMIT_BYTES: Final = 65_536

JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Incoming:
    """An answer whose body is still on its way. Valid inside the `stream(...)` block that gave it."""

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]

    async def refusal(self) -> bytes:
        """The beginning of the body of an answer that is not what was asked for."""
        body = b""
        async for chunk in self.chunks:
            body += chunk
            if len(body) >= REFUSAL_LIMIT_BYTES:
                break
        return body[:REFUSAL_LIMIT_BYTES]


class ObjectsApi(Protocol):
    """What the watch cache needs of an API server: the seam at which tests inject faults."""

    def stream(
        self, path: str, params: Mapping[str, str], *, accept: str = JSON, silence: float | None = None
    ) -> AbstractAsyncContextManager[Incoming]:
        """GET an answer piece by piece; entering, and reading the chunks, may raise Unreachable.

        So does a socket that is silent for `silence` seconds; None: for as long as one with bookmarks never is.
        """
        ...

    async def get(self, path: str, params: Mapping[str, str], *, timeout: float) -> Reply: ...  # noqa: ASYNC109
