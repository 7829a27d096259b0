"""What this package, and what stands above it, needs of a connection to the API server."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of the API server, whatever its status: nobody raises for a 403, so look at `status`.

    `headers` have lower-case names; of a header sent twice the last one counts.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


class Unreachable(Exception):  # noqa: N818 - says what the API server is, not what went wrong with us
    """The API server gave no answer (refused, timed out, TLS, cut); `str()` is one line with the reason."""


class ReviewApi(Protocol):
    """The one seam between authentication and the network; faults are injected and calls counted here."""

    async def post(
        self,
        path: str,
        body: bytes,
        *,
        timeout: float,  # noqa: ASYNC109 - covers connecting too
        token: str | None = None,
    ) -> Reply:
        """Send a JSON body as the gateway's own account; or, with `token`, as its holder and nobody else.

        Nothing that identifies the gateway goes along with such a token: to the API server a client certificate would
        come before it. Raises Unreachable, at the latest after `timeout` seconds, connecting included.
        """
        ...
