"""Slow and rude clients at the socket: each is given up in time, nobody else notices, nothing is held for them."""

import asyncio
import contextlib
import json
import logging
import os
import resource
import socket
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from gateway.http.protocol import PIPELINED_AT_MOST
from tests.front_door import ADMIN, VIEWER, FrontDoor, simulated_door
from tests.gateway.http.apart import Apart, gateway_apart

PLAIN = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
SOON = {"header_seconds": 0.4, "body_seconds": 0.8, "idle_seconds": 0.4, "stalled_seconds": 0.5}
QUERY = json.dumps({"query": "{ cluster { nodeCount } }"}).encode()
_PODS = "pods { id name namespace phase status nodeName labels { key value } }"
# 13 MB of 10,000 pods: more than the kernel takes from the gateway's hands.
EVERY_POD_OFTEN = json.dumps({"query": f"{{ a: {_PODS} b: {_PODS} c: {_PODS} d: {_PODS} }}"}).encode()


@dataclass(slots=True)
class Socket:
    """A client that writes what it likes."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the next answer."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        status, *lines = head.rstrip().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        return int(status.split()[1]), headers, await self.reader.readexactly(int(headers["content-length"]))

    async def closed_after(self) -> tuple[bytes, float]:
        """What still comes until the server closes, and how many seconds that takes."""
        started = time.monotonic()
        async with asyncio.timeout(10):
            with contextlib.suppress(ConnectionResetError):
                return await self.reader.read(), time.monotonic() - started
        return b"", time.monotonic() - started


@contextlib.asynccontextmanager
async def connect(door: FrontDoor, *, buffer: int = 2**16) -> AsyncIterator[Socket]:
    """A connection; with a small `buffer` neither we nor the kernel read far ahead."""
    address = urlsplit(door.url)
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    line.setblocking(False)
    await asyncio.get_running_loop().sock_connect(line, (address.hostname, address.port))
    reader, writer = await asyncio.open_connection(sock=line, limit=buffer)
    try:
        yield Socket(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@pytest_asyncio.fixture
async def door() -> AsyncIterator[FrontDoor]:
    """A gateway that gives up soon."""
    async with simulated_door(server=SOON) as door:
        yield door


def post(body: bytes, *, announced: int | None = None, token: str = ADMIN, more: bytes = b"") -> bytes:
    head = (
        f"POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body) if announced is None else announced}\r\n"
    )
    return head.encode() + more + b"\r\n" + body


async def test_a_connection_without_a_word_is_closed_without_a_word(door: FrontDoor):
    """Browsers open some in advance: no 408 waits there for a request that comes later."""
    async with connect(door) as client:
        said, seconds = await client.closed_after()

    assert said == b""
    assert 0.3 < seconds < 2


async def test_headers_that_trickle_in_have_one_time_limit(door: FrontDoor):
    """Each byte comes soon after the one before; the header as a whole does not."""
    async with connect(door) as client:
        trickle = asyncio.create_task(send_slowly(client, b"GET /graphql HTTP/1.1\r\nHost: x\r\nX-Slow: " + b"a" * 100))
        status, headers, body = await client.answer()
        trickle.cancel()
        said, _ = await client.closed_after()

    assert (status, headers["connection"], said) == (408, "close", b"")
    assert json.loads(body)["errors"][0] == {
        "message": "The headers took longer than 0.4 seconds",
        "extensions": {"code": "BAD_REQUEST"},
    }


async def send_slowly(client: Socket, data: bytes) -> None:
    for byte in data:
        await client.send(bytes([byte]))
        await asyncio.sleep(0.05)


async def test_a_body_that_trickles_in_has_one_time_limit(door: FrontDoor, caplog: pytest.LogCaptureFixture):
    """The caller is known and the body announced: 408, and the request that waited for it ends without a complaint."""
    caplog.set_level(logging.INFO)
    async with connect(door) as client:
        await client.send(post(b"", announced=100))
        trickle = asyncio.create_task(send_slowly(client, b"{" * 100))
        status, _, body = await client.answer()
        trickle.cancel()

    assert status == 408
    assert json.loads(body)["errors"][0]["message"] == "The body took longer than 0.8 seconds"
    await until(lambda: [line["status"] for line in fields(caplog, "request") if line["path"] == "/graphql"] == [499])
    assert "request.failed" not in caplog.text


def fields(caplog: pytest.LogCaptureFixture, event: str) -> list[dict[str, object]]:
    return [record.__dict__["fields"] for record in caplog.records if record.getMessage() == event]


async def until(holds) -> None:
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0.01)


async def test_the_body_of_a_refused_request_has_the_same_limit(door: FrontDoor):
    """Whoever is not known is answered at once, and cannot keep the connection by sending on."""
    async with connect(door) as client:
        await client.send(post(b"", announced=1_000, token="nobody"))
        status, _, _ = await client.answer()
        trickle = asyncio.create_task(send_slowly(client, b"{" * 100))
        said, seconds = await client.closed_after()
        trickle.cancel()

    assert status == 401
    assert said == b"", "no second answer to one request"
    assert seconds < 3


async def test_an_idle_connection_is_closed_and_empty_lines_do_not_keep_it(door: FrontDoor):
    """A line end between requests is allowed by RFC 9112, and begins nothing."""
    async with connect(door) as client:
        await client.send(post(QUERY))
        assert (await client.answer())[0] == 200
        await client.send(b"\r\n")
        said, seconds = await client.closed_after()

    assert said == b""
    assert 0.2 < seconds < 2


async def test_a_busy_connection_is_kept(door: FrontDoor):
    """Its clocks start anew with each request."""
    async with connect(door) as client:
        for _ in range(6):
            await client.send(post(QUERY))
            assert (await client.answer())[0] == 200
            await asyncio.sleep(0.2)


@pytest.mark.parametrize("padding", [70_000, 3_000_000], ids=["at its end", "without an end"])
async def test_headers_that_are_too_long_are_431(door: FrontDoor, padding: int):
    """65,536 bytes of request line and headers are read; a header without an end is not collected."""
    async with connect(door) as client:
        with contextlib.suppress(ConnectionError):
            await client.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * padding)
            await client.send(b"\r\n\r\n")
        status, _, body = await client.answer()

    assert status == 431
    assert json.loads(body)["errors"][0]["message"] == "The request line and its headers are longer than 65536 bytes"


async def test_headers_as_long_as_the_limit_are_read(door: FrontDoor):
    """One over is refused, not one below: a token of 16 KiB leaves room for a query in the URL."""
    async with connect(door) as client:
        await client.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 65_000 + b"\r\n\r\n")
        assert (await client.answer())[0] == 200


async def test_what_is_no_http_is_400_and_closed(door: FrontDoor):
    """Said as every other refusal of the gateway."""
    async with connect(door) as client:
        await client.send(b"\x16\x03\x01 this is TLS, or nothing\r\n\r\n")
        status, headers, body = await client.answer()

    assert (status, headers["connection"]) == (400, "close")
    assert json.loads(body)["errors"][0]["message"] == "This is not HTTP/1.1"


async def test_requests_that_do_not_wait_for_answers_are_read_a_few_ahead(door: FrontDoor):
    """Those that were read are answered in order; one too many ends the connection, and stands inside no answer."""
    async with connect(door) as client:
        await client.send(post(QUERY) * PIPELINED_AT_MOST)
        for _ in range(PIPELINED_AT_MOST):
            assert (await client.answer())[0] == 200
        await client.send(post(QUERY) * (PIPELINED_AT_MOST + 10))
        said, _ = await client.closed_after()

    assert b"More than" not in said


async def test_a_half_closed_connection_is_let_go():
    """Whoever says that nothing more comes, in the middle of a header, is not waited for."""
    async with simulated_door() as door, connect(door) as client:
        await client.send(b"GET /graphql HTTP/1.1\r\nHost:")
        client.writer.write_eof()
        said, seconds = await client.closed_after()

    assert said == b""
    assert seconds < 3, "the limits are ten seconds and more"


async def test_a_half_closed_connection_is_let_go_in_the_middle_of_a_body(
    caplog: pytest.LogCaptureFixture,
):
    """What was announced will not come: the request ends, and nobody calls that a mistake of ours."""
    caplog.set_level(logging.INFO)
    async with simulated_door() as door, connect(door) as client:
        await client.send(post(b"{", announced=100))
        client.writer.write_eof()
        said, seconds = await client.closed_after()

    assert said == b""
    assert seconds < 3, "the limits are ten seconds and more"
    await until(lambda: [line["status"] for line in fields(caplog, "request") if line["path"] == "/graphql"] == [499])
    assert "request.failed" not in caplog.text


async def test_a_half_closed_connection_is_worked_for_no_longer():
    """Whoever ends their side while the answer is made is gone: the only place is free for the next."""
    limits = {"requests_at_work": 1, "request_seconds": 120}
    async with simulated_door(server=limits, prometheus={"timeout_seconds": 60}) as door:
        assert (await door.ask("{ nodes { name } }")).status == 200
        door.simulated.prometheus.pause()
        async with connect(door) as client:
            waits = json.dumps({"query": "{ nodes { metrics(names: [CPU_USAGE]) { missing } } }"}).encode()
            await client.send(post(waits))
            await until(lambda: any(task.get_name() == "http/client-watch" for task in asyncio.all_tasks()))
            client.writer.write_eof()
            started = time.monotonic()
            assert (await door.ask("{ cluster { nodeCount } }", VIEWER)).status == 200
            assert time.monotonic() - started < 10, "Prometheus is waited for a minute"
        door.simulated.prometheus.resume()


async def test_a_client_that_never_reads_is_cut_off_and_costs_little(caplog: pytest.LogCaptureFixture):
    """An answer of megabytes waits in slices; another client's small question is answered meanwhile."""
    async with simulated_door(server=SOON, nodes=50, pods_per_node=200) as door:
        for _ in range(3):  # what is kept of an answer, once, is not what is measured
            await door.request("POST", "/graphql", ADMIN, data=EVERY_POD_OFTEN, headers=PLAIN)
        async with contextlib.AsyncExitStack() as stack:
            rude = [await stack.enter_async_context(connect(door, buffer=1_024)) for _ in range(8)]
            before = resident()
            for each in rude:
                await each.send(post(EVERY_POD_OFTEN))
            assert (await door.ask("{ cluster { nodeCount } }")).data == {"cluster": {"nodeCount": 50}}
            await until(lambda: len(fields(caplog, "connection.stalled")) == len(rude))
            grown = resident() - before

    assert grown < 40e6, f"{grown / 1e6:.0f} MB"


async def test_answers_that_nobody_reads_leave_no_room_for_more_of_the_same_user():
    """Different large answers add up to a quarter of the room at most; others' large answers have the rest."""
    options = {"stalled_seconds": 5.0, "unsent_bytes": 32_000_000}
    async with (
        simulated_door(server=options, nodes=50, pods_per_node=200) as door,
        contextlib.AsyncExitStack() as stack,
    ):
        for number in range(3):
            rude = await stack.enter_async_context(connect(door, buffer=1_024))
            await rude.send(post(EVERY_POD_OFTEN.replace(b" a: ", b" x%d: " % number)))
        large = json.dumps({"query": f"{{ {_PODS} }}"}).encode()
        refused = await door.request("POST", "/graphql", ADMIN, data=large, headers=PLAIN)
        other = await door.request("POST", "/graphql", VIEWER, data=large, headers=PLAIN)

    assert (refused.status, refused.codes, refused.headers["Retry-After"]) == (429, ["TOO_MANY_REQUESTS"], "1")
    assert (
        refused.errors[0]["message"] == "Your earlier answers are not read yet; at most 8000000 bytes of them may wait"
    )
    assert (other.status, len(other.data["pods"])) == (200, 10_000)


def resident() -> int:
    """The memory of this process, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def test_the_longest_idle_connection_makes_room_for_one_more():
    """Whoever takes all connections and does nothing with them keeps nobody out."""
    async with simulated_door(server={"connections": 20}) as door, contextlib.AsyncExitStack() as stack:
        idle = [await stack.enter_async_context(connect(door)) for _ in range(40)]
        assert (await door.ask("{ cluster { nodeCount } }")).status == 200
        first, _ = await idle[0].closed_after()

        await idle[-1].send(post(QUERY))
        assert (await idle[-1].answer())[0] == 200
        assert first == b""


@pytest.mark.thorough
async def test_ten_thousand_idle_connections_are_held_in_little_memory(tmp_path: Path):
    """Or as many as a process may open here (`ulimit -Hn`); others are served beside them as before."""
    count = min(10_000, files_allowed() - 1_000)
    async with gateway_apart(
        tmp_path, sections={"server": {"header_seconds": 120, "connections": count + 10}}
    ) as apart:
        alone = await seconds_of_an_answer(apart)
        before = apart.process.memory()
        idle = await asyncio.to_thread(connect_many, apart.url, count)
        try:
            await held_by(apart, count)
            beside = await seconds_of_an_answer(apart)
            grown = apart.process.memory() - before
        finally:
            for line in idle:
                line.close()

    print(f"{count} idle connections: {grown / count:.0f} bytes each; {beside / alone:.2f} of the usual time")
    assert grown / count < 16_000, f"{grown / count:.0f} bytes a connection"
    assert beside < 3 * alone


def files_allowed() -> int:
    """How many files a process may have open here; this one from now on too."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard if hard != resource.RLIM_INFINITY else 1_000_000


def connect_many(url: str, count: int) -> list[socket.socket]:
    address = urlsplit(url)
    return [socket.create_connection((address.hostname, address.port), timeout=30) for _ in range(count)]


async def held_by(apart: Apart, count: int) -> None:
    """Until the gateway has taken them all: the loop takes one a turn, and the rest stand in the listener's queue."""
    async with asyncio.timeout(60):
        while (await apart.metrics("process_open_fds"))[""] <= count:
            await asyncio.sleep(0.1)


async def seconds_of_an_answer(apart: Apart) -> float:
    """The median of many: small ones, one after the other."""
    took = []
    for _ in range(200):
        started = time.perf_counter()
        assert (await apart.ask("{ cluster { nodeCount } }")).status == 200
        took.append(time.perf_counter() - started)
    return statistics.median(took)


@pytest.mark.thorough
async def test_hundreds_of_slow_clients_are_given_up_in_time_and_keep_nobody_waiting():
    """Headers and bodies that trickle in, all at once; somebody else is answered all the while."""
    async with simulated_door(server={"header_seconds": 1.5, "body_seconds": 1.5}) as door:
        assert (await door.ask("{ cluster { nodeCount } }")).status == 200
        async with contextlib.AsyncExitStack() as stack:
            slow = [await stack.enter_async_context(connect(door)) for _ in range(300)]
            for number, each in enumerate(slow):
                await each.send(b"GET /graphql HTTP/1.1\r\nX-" if number % 2 else post(b"{", announced=100))
            trickling = asyncio.gather(*(send_slowly(each, b"x" * 40) for each in slow), return_exceptions=True)
            took = []
            ends = asyncio.gather(*(each.closed_after() for each in slow))
            while not ends.done():
                started = time.monotonic()
                assert (await door.ask("{ cluster { nodeCount } }", VIEWER)).status == 200
                took.append(time.monotonic() - started)
                await asyncio.sleep(0.05)
            trickling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await trickling

    said = Counter(answer[9:12] for answer, _ in await ends)  # a byte that crosses the 408 resets the connection
    assert set(said) <= {b"408", b""}
    assert statistics.median(took) < 0.5
