"""Whether the process lives, and whether it can answer.

`/healthz` is for liveness: it answers as long as the event loop turns. `/readyz` is for traffic: the first lists are
done (or refused for good) and the process is not shutting down. A broken watch does not count: it would take all
replicas out of service at once, when each could still answer and say how stale it is.
"""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response


async def healthz(_request: Request) -> Response:
    return PlainTextResponse("ok\n")


class Readyz:
    """Answers 200 `ok`, or 503 with one line that says what is missing."""

    def __init__(self, missing: Callable[[], str | None]) -> None:
        self._missing = missing

    async def __call__(self, _request: Request) -> Response:
        missing = self._missing()
        if missing is None:
            return PlainTextResponse("ok\n")
        return PlainTextResponse(f"not ready: {missing}\n", status_code=503, headers={"Retry-After": "1"})
