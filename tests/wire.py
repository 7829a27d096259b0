"""What is asked of a server, counted at the wire: an HTTP proxy that passes on whatever it is sent."""

import contextlib
import ssl
from collections import Counter
from typing import Self, final

import aiohttp
from aiohttp import web
from yarl import URL

# Of a connection, not of what it carries; lengths are written anew.
_OF_A_CONNECTION = frozenset({"connection", "content-length", "host", "keep-alive", "transfer-encoding"})


@final
class Wire:
    """Listens on a port of 127.0.0.1 and passes requests on to one server, answers back as they come.

    `requests` counts them by method and path: `("GET", "/api/v1/pods")`.
    """

    def __init__(self, target: str, *, trusting: ssl.SSLContext | bool = True) -> None:
        self._target = target
        self._trusting = trusting
        self.requests: Counter[tuple[str, str]] = Counter()

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._trusting, limit=0),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        application = web.Application(client_max_size=16 * 2**20)
        application.router.add_route("*", "/{path:.*}", self._pass_on)
        self._runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
        await self._session.close()

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        self.requests[request.method, request.path] += 1
        async with self._session.request(
            request.method,
            URL(self._target + request.raw_path, encoded=True),
            headers={name: value for name, value in request.headers.items() if name.lower() not in _OF_A_CONNECTION},
            data=await request.read() or None,
            allow_redirects=False,
        ) as answer:
            headers = {name: value for name, value in answer.headers.items() if name.lower() not in _OF_A_CONNECTION}
            passed = web.StreamResponse(status=answer.status, headers=headers)
            with contextlib.suppress(ConnectionError):  # whoever asked has gone
                await passed.prepare(request)
                async for piece in answer.content.iter_any():
                    await passed.write(piece)
                await passed.write_eof()
            return passed
