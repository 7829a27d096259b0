"""The outermost layer of every request: its id, its line in the log, and the last resort for mistakes of ours."""

import re
import time
from collections.abc import Awaitable, Mapping
from random import getrandbits
from typing import Final, final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from auth.errors import InternalError
from gateway import logs
from gateway.http.answers import refuse
from gateway.http.media import MediaType, header

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{8,64}")
_QUIET: Final = frozenset({"/healthz", "/readyz"})  # probes come every few seconds and say nothing new


@final
class Rim:
    """Gives each request an id (its own `X-Request-Id`, if that is harmless), says it in the answer, logs one line.

    What nothing below has caught it answers with a masked error; the log has the traceback under the request's id.
    `direct` are applications of single paths, found without a router: what is asked all the time.
    """

    def __init__(self, app: ASGIApp, direct: Mapping[str, ASGIApp]) -> None:
        self._app = app
        self._direct = direct

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = scope["request_id"] = _request_id(scope)
        told = (b"x-request-id", request_id.encode())
        started = time.perf_counter()
        status, size = 0, 0

        def send_with_id(message: Message) -> Awaitable[None]:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], told]}
            else:
                size += len(message.get("body", b""))
            return send(message)

        with logs.bound(request_id=request_id):
            try:
                await self._direct.get(scope["path"], self._app)(scope, receive, send_with_id)
            except Exception as error:  # noqa: BLE001 - the last place that can answer at all
                logs.event("request.failed", level=40, error=error)
                if not status:
                    await refuse(InternalError(), MediaType.JSON)(scope, receive, send_with_id)
            finally:
                if scope["path"] not in _QUIET or status >= 500:
                    logs.event(
                        "request",
                        method=scope["method"],
                        path=scope["path"],
                        status=status,
                        bytes=size,
                        milliseconds=round((time.perf_counter() - started) * 1000, 1),
                    )


def _request_id(scope: Scope) -> str:
    given = header(scope, b"x-request-id") or ""
    if _REQUEST_ID.fullmatch(given):
        return given
    return f"{getrandbits(64):016x}"  # no secret: to be told apart is enough, and costs no call of the system
