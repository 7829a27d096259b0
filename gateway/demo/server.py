"""One half of the simulated cluster as an HTTP server that can fail in the ways real servers do."""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

HOST = "127.0.0.1"

Answer = Callable[[], web.Response]


class Server:
    """Serves an application on a port of 127.0.0.1 that it keeps for its life.

    Stopped, connections are refused; paused, they are accepted, nothing is answered and open streams fall silent; cut,
    they are reset in the middle of whatever they were doing; failing, every new request gets the given answer.
    """

    def __init__(self) -> None:
        self.port = 0
        self._failure: Answer | None = None
        self._running = asyncio.Event()
        self._running.set()
        self._runner: web.AppRunner | None = None
        self._application: Callable[[], web.Application] | None = None

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    async def gate(self) -> None:
        """Return when the server is not paused."""
        await self._running.wait()

    async def serve(self, application: Callable[[], web.Application]) -> None:
        self._application = application
        await self.start()

    async def start(self) -> None:
        """Listen (again), on the port that it had before."""
        if self._runner is not None or self._application is None:
            return
        application = self._application()
        application.middlewares.append(self._middleware)
        # Without handler_cancellation a watch whose client has gone would wait for its next event or bookmark.
        runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=0.05)
        await runner.setup()
        site = web.TCPSite(runner, HOST, self.port, reuse_address=True)
        await site.start()
        self.port = runner.addresses[0][1]
        self._runner = runner

    async def stop(self) -> None:
        """Refuse connections and reset the open ones, as a killed process does."""
        if self._runner is None:
            return
        for site in list(self._runner.sites):
            await site.stop()
        self.cut()
        await self._runner.cleanup()
        self._runner = None

    def pause(self) -> None:
        self._running.clear()

    def resume(self) -> None:
        self._running.set()

    def cut(self) -> None:
        """Reset every open connection."""
        server = self._runner.server if self._runner is not None else None
        for connection in server.connections if server is not None else ():
            if connection.transport is not None:
                connection.transport.abort()

    def fail_with(self, answer: Answer) -> None:
        """Answer every new request so, until `recover`."""
        self._failure = answer

    def recover(self) -> None:
        self._failure = None

    @web.middleware
    async def _middleware(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        await self.gate()
        if self._failure is not None:
            return self._failure()
        return await handler(request)
