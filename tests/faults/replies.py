"""In the place of the real ones: an API server that answers everything with one status, a Prometheus that lies."""

import asyncio
import json
import logging
import ssl
from collections.abc import Awaitable, Callable
from enum import Enum, auto
from pathlib import Path
from typing import Any, Self

import aiohttp
from aiohttp import web

# aiohttp tells its log of each client that went away in mid-answer, as ours are meant to.
_quiet = logging.getLogger(__name__)
_quiet.addHandler(logging.NullHandler())
_quiet.propagate = False


class RefusingApiServer:
    """Answers every request with `status`, as an overloaded or stopping API server does."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self.status = 503
        self.asked = 0
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._tls.load_cert_chain(certificate, key)

    async def __aenter__(self) -> Self:
        self._runner = web.ServerRunner(web.Server(self._answer, logger=_quiet))
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._tls).start()
        self.port: int = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        self.asked += 1
        status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": self.status}
        headers = {"Retry-After": "1"} if self.status == 429 else {}
        return web.json_response(status, status=self.status, headers=headers)


class Lie(Enum):
    """What is answered in the place of the truth."""

    STATUS = auto()  # 500, and a page for people
    ERROR = auto()  # 200, and a body that says `error`
    NAN = auto()  # every number is NaN
    HUGE = auto()  # a string without an end
    DEEP = auto()  # JSON, and nested deeper than anybody reads
    TRUNCATED = auto()  # the first half of the answer, said to be all of it
    CUT = auto()  # the first half, and the connection breaks


class LyingPrometheus:
    """Passes questions on to a real Prometheus, and its answers back unless there is a lie to be told."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.lie: Lie | None = None
        self.lies = 0

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30))
        # Whoever asked and is gone is not answered: handlers end with their connections.
        self._runner = web.ServerRunner(
            web.Server(self._answer, logger=_quiet), handler_cancellation=True, shutdown_timeout=1.0
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port: int = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            status, body = await self._asked(request)
        except (aiohttp.ClientError, TimeoutError):
            assert request.transport is not None
            request.transport.abort()  # as if it were the real one's connection
            raise
        if self.lie is None:
            return web.Response(status=status, body=body, content_type="application/json")
        self.lies += 1
        return await _LIES[self.lie](request, body)

    async def _asked(self, request: web.BaseRequest) -> tuple[int, bytes]:
        data = await request.read()
        headers = {"Content-Type": request.headers.get("Content-Type", "")} if data else {}
        async with self._session.request(
            request.method, self._url + request.path_qs, data=data or None, headers=headers
        ) as answer:
            return answer.status, await answer.read()


async def _status(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
    return web.Response(status=500, text="<html>Internal Server Error</html>", content_type="text/html")


async def _error(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
    return web.json_response({"status": "error", "errorType": "internal", "error": "it is not so"})


async def _nan(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
    answer: dict[str, Any] = json.loads(body)
    for series in answer.get("data", {}).get("result", []):
        series["value"][1] = "NaN"
    return web.json_response(answer)


async def _huge(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    await response.write(b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{"pod":"')
    while True:
        await response.write(b"x" * 65_536)
        await asyncio.sleep(0)


async def _deep(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
    nested = b'{"status":"success","data":' + b"[" * 5_000 + b"]" * 5_000 + b"}"
    return web.Response(body=nested, content_type="application/json")


async def _truncated(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
    return web.Response(body=body[: len(body) // 2], content_type="application/json")


async def _cut(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(body))})
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    assert request.transport is not None
    request.transport.abort()
    return response


_LIES: dict[Lie, Callable[[web.BaseRequest, bytes], Awaitable[web.StreamResponse]]] = {
    Lie.STATUS: _status,
    Lie.ERROR: _error,
    Lie.NAN: _nan,
    Lie.HUGE: _huge,
    Lie.DEEP: _deep,
    Lie.TRUNCATED: _truncated,
    Lie.CUT: _cut,
}
