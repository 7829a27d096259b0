"""A TCP proxy between a client and a server, that can cut, stall, delay, refuse, and lead elsewhere."""

import asyncio
import contextlib
from typing import Self


class Proxy:
    """Listens on a port of 127.0.0.1 and passes bytes on, unread, to one address: TLS goes through it untouched."""

    def __init__(self, host: str, port: int) -> None:
        self._target: tuple[str, int] | None = (host, port)
        self._connections: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self.accepted = 0
        self.delay_s = 0.0  # that whatever is read waits before it is passed on

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def cut(self) -> int:
        """Break all connections at once (RST), in the middle of whatever they carry; how many there were."""
        cut = [connection for connection in self._connections if connection.cancel()]
        return len(cut)

    def stall(self) -> None:
        """Pass nothing on any more; the connections stay open and silent."""
        self._flowing.clear()

    def strand(self) -> None:
        """The connections that stand fall silent for good, as if their path had forgotten them; new ones work."""
        self._flowing.clear()
        self._flowing = asyncio.Event()
        self._flowing.set()

    def flow(self) -> None:
        self._flowing.set()

    def lead_to(self, host: str, port: int) -> None:
        """Connections from now on end there; those that stand are left alone."""
        self._target = (host, port)

    def refuse(self) -> None:
        """Connections from now on are broken as soon as they are made; those that stand are left alone."""
        self._target = None

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        upstream: asyncio.StreamWriter | None = None
        try:
            if self._target is None:
                return
            upstream_reader, upstream = await asyncio.open_connection(*self._target)
            async with asyncio.TaskGroup() as both_ways:
                both_ways.create_task(self._pass_on(reader, upstream, self._flowing))
                both_ways.create_task(self._pass_on(upstream_reader, writer, self._flowing))
        except (OSError, ExceptionGroup):
            pass  # one side has gone: so has the connection
        except asyncio.CancelledError:
            pass  # cut; the server's own task must not be seen as cancelled by asyncio.start_server
        finally:
            self._connections.discard(task)
            for end in (writer, upstream):
                if end is not None:
                    end.transport.abort()

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, flowing: asyncio.Event
    ) -> None:
        while data := await reader.read(65_536):
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            await flowing.wait()
            writer.write(data)
            await writer.drain()
        with contextlib.suppress(OSError):
            writer.write_eof()
