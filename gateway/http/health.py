"""Whether the process lives, and whether it can answer.

`/healthz` is for liveness: it answers as long as the event loop turns. `/readyz` is for traffic: the first lists are
done (or refused for good) and the process is not shutting down. A broken watch does not count: it would take all
replicas out of service at once, when each could still answer and say how stale it is.
"""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response


async def healthz(_request: Request) -> Response:
    return PlainTextResponse("ok\n")


def readyz(missing: Callable[[], str | None]) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that answers 200 `ok`, or 503 with one line: what is `missing`."""

    async def respond(_request: Request) -> Response:
        reason = missing()
        if reason is None:
            return PlainTextResponse("ok\n")
        return PlainTextResponse(f"not ready: {reason}\n", status_code=503, headers={"Retry-After": "1"})

    return respond
