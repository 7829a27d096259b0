"""The load generator: HTTP/1.1 over one connection or many, with as little work a request as Python allows.

A connection sends prepared bytes and keeps the answer's in one buffer; nothing is decoded while the clock runs. As a
program it keeps large requests under way, apart from whoever measures small ones beside them:

    python -m tests.benchmarks.load FILE      (JSON: {"url": …, "connections": [[request, …], …]}; until it is ended)
"""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast
from urllib.parse import urlsplit

import orjson
import uvloop

CHUNK: Final = 256 * 1024
TAIL: Final = 4_096
HEAD_END: Final = b"\r\n\r\n"


@dataclass(slots=True)
class Reply:
    """An answer, with the seconds from the request's first byte to the answer's last."""

    seconds: float
    status: int
    head: bytes
    body: bytes


class Broken(Exception):  # noqa: N818 - what happened to a connection
    """The server closed the connection, or answered with something that is no HTTP."""


Complete = Callable[[bytearray, int, int], bool]
"""Whether an answer is complete: the buffer, where the body begins, and how much of the buffer is filled."""


class Connection(asyncio.BufferedProtocol):
    """One connection that is kept. One request at a time."""

    def __init__(self) -> None:
        self._buffer = bytearray(4 * CHUNK)
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._dropping = False
        self._clear()

    def make_room(self, size: int) -> None:
        """Have the memory for an answer of so many bytes, before the clock runs: it is touched, not just promised."""
        self._buffer = bytearray(b"\1") * (size + 2 * CHUNK)

    def _clear(self) -> None:
        self._filled = 0
        self._dropped = 0
        self._body_at = 0
        self._complete: Complete | None = None
        self._status = 0

    async def ask(self, request: bytes, complete: Complete | None = None) -> Reply:
        """Send it and wait for the whole answer, whose end is `complete`'s to say, else its headers'."""
        return (await self._asked(request, complete, keep=True))[1]

    async def time(self, request: bytes) -> float:
        """As `ask`, without copying the answer; raises Broken if it is not a 200."""
        return (await self._asked(request, None, keep=False))[0]

    async def drain(self, request: bytes, complete: Complete | None = None) -> tuple[float, int]:
        """As `ask`, for an answer too long to be kept: its seconds and its bytes, the body's framing included."""
        self._dropping = True
        try:
            seconds = (await self._asked(request, complete, keep=False))[0]
        finally:
            self._dropping = False
        return seconds, self._dropped + self._filled - self._body_at

    async def _asked(self, request: bytes, complete: Complete | None, *, keep: bool) -> tuple[float, Reply]:
        assert self._transport is not None
        self._clear()
        self._given = complete
        self._waiter = asyncio.get_running_loop().create_future()
        began = time.perf_counter()
        self._transport.write(request)
        await self._waiter
        seconds = self._ended - began
        if not keep:
            if self._status != 200:
                raise Broken(f"status {self._status}: {bytes(self._buffer[self._body_at : self._body_at + 300])!r}")
            return seconds, EMPTY
        head = bytes(self._buffer[: self._body_at])
        return seconds, Reply(
            seconds, self._status, head, bytes(memoryview(self._buffer)[self._body_at : self._filled])
        )

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # --------------------------------------------------------------------------------------------------- the protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class

    def connection_lost(self, error: Exception | None) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_exception(Broken(f"the connection was closed: {error}"))

    def get_buffer(self, _hint: int) -> memoryview:
        if len(self._buffer) - self._filled < CHUNK:
            larger = bytearray(2 * len(self._buffer))
            larger[: self._filled] = memoryview(self._buffer)[: self._filled]
            self._buffer = larger
        return memoryview(self._buffer)[self._filled :]

    def buffer_updated(self, count: int) -> None:
        self._filled += count
        if self._complete is None:
            self._read_head()
        if self._complete is not None and self._complete(self._buffer, self._body_at, self._filled):
            self._ended = time.perf_counter()
            if self._waiter and not self._waiter.done():
                self._waiter.set_result(None)
        elif self._dropping and self._filled - self._body_at > 2 * CHUNK:
            kept = self._body_at + TAIL
            self._buffer[self._body_at : kept] = self._buffer[self._filled - TAIL : self._filled]
            self._dropped += self._filled - kept
            self._filled = kept

    def _read_head(self) -> None:
        end = self._buffer.find(HEAD_END, 0, self._filled)
        if end < 0:
            return
        self._body_at = end + len(HEAD_END)
        head = bytes(self._buffer[:end]).lower()
        self._status = int(head[9:12])
        if self._given is not None and self._status == 200:
            self._complete = self._given
        elif (at := head.find(b"content-length:")) >= 0:
            size = int(head[at + 15 :].split(b"\r\n", 1)[0]) + self._body_at
            self._complete = lambda _buffer, _body_at, filled: self._dropped + filled >= size
        else:
            self._complete = chunks_end


EMPTY: Final = Reply(0.0, 200, b"", b"")


def chunks_end(buffer: bytearray, body_at: int, filled: int) -> bool:
    """Whether the last chunk of a chunked body has come."""
    return filled - body_at >= 5 and buffer[filled - 5 : filled] == b"0\r\n\r\n"


def ends_with(mark: bytes, within: int = TAIL) -> Complete:
    """An endless stream is read until something was said at its end."""
    return lambda buffer, body_at, filled: buffer.find(mark, max(body_at, filled - within), filled) >= 0


def unchunked(body: bytes) -> bytes:
    """The content of a chunked body, as far as it came."""
    parts: list[bytes] = []
    at = 0
    while (end := body.find(b"\r\n", at)) >= 0:
        size = int(body[at:end], 16)
        parts.append(body[end + 2 : end + 2 + size])
        at = end + 2 + size + 2
    return b"".join(parts)


def post(url: str, body: object, token: str = "", encoding: str = "identity") -> bytes:
    """A POST of JSON as it goes over the wire."""
    return _request("POST", url, token, encoding, orjson.dumps(body))


def get(url: str, token: str = "", encoding: str = "identity") -> bytes:
    return _request("GET", url, token, encoding, b"")


def form(url: str, body: str) -> bytes:
    """A POST of a form's fields, which are encoded already."""
    return _request("POST", url, "", "identity", body.encode(), "application/x-www-form-urlencoded")


def _request(method: str, url: str, token: str, encoding: str, body: bytes, kind: str = "application/json") -> bytes:
    at = urlsplit(url)
    path = f"{at.path or '/'}?{at.query}" if at.query else at.path or "/"
    lines = [
        f"{method} {path} HTTP/1.1",
        f"Host: {at.netloc}",
        "Accept: application/json",
        f"Accept-Encoding: {encoding}",
        *([f"Authorization: Bearer {token}"] if token else []),
        *([f"Content-Type: {kind}\r\nContent-Length: {len(body)}"] if body else []),
    ]
    return "\r\n".join(lines).encode() + HEAD_END + body


@asynccontextmanager
async def connected(url: str, count: int = 1, ca_file: Path | None = None) -> AsyncIterator[list[Connection]]:
    """So many connections to where a URL points."""
    at = urlsplit(url)
    assert at.hostname, f"{url} has no host"
    tls = ssl.create_default_context(cafile=ca_file) if at.scheme == "https" else None
    port = at.port or (443 if tls else 80)
    loop = asyncio.get_running_loop()
    made: list[Connection] = []
    try:
        while len(made) < count:
            _, connection = await loop.create_connection(Connection, at.hostname, port, ssl=tls)
            made.append(connection)
        yield made
    finally:
        for connection in made:
            connection.close()


async def latencies(connections: Sequence[Connection], requests: Sequence[bytes], seconds: float) -> list[float]:
    """Seconds of each answer while all connections ask without a pause, each beginning at another request."""
    until = time.perf_counter() + seconds
    found: list[float] = []

    async def keep_asking(connection: Connection, at: int) -> None:
        while time.perf_counter() < until:
            found.append(await connection.time(requests[at % len(requests)]))
            at += len(connections)

    async with asyncio.TaskGroup() as tasks:
        for number, connection in enumerate(connections):
            tasks.create_task(keep_asking(connection, number), name=f"connection-{number}")
    return found


async def _keep_large_ones_under_way(file: str) -> None:
    asked = json.loads(Path(file).read_text())

    async def keep_asking(connection: Connection, requests: Sequence[bytes]) -> None:
        while True:
            for request in requests:
                await connection.time(request)

    async with connected(asked["url"], len(asked["connections"])) as connections, asyncio.TaskGroup() as tasks:
        for connection, requests in zip(connections, asked["connections"], strict=True):
            tasks.create_task(keep_asking(connection, [base64.b64decode(each) for each in requests]))
        print("under way", flush=True)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_keep_large_ones_under_way(sys.argv[1]))
