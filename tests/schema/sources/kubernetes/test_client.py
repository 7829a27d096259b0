"""The door to the API server, over real sockets: what is sent, what is waited for, what is released."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from auth.api import Unreachable
from schema.sources.kubernetes import client
from schema.sources.kubernetes.api import REFUSAL_LIMIT_BYTES
from schema.sources.kubernetes.client import KubernetesApi, open_api
from schema.sources.kubernetes.settings import KubernetesSettings

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """An HTTP server whose answer a test gives, and which remembers what it was asked."""

    def __init__(self) -> None:
        self.requests: list[web.Request] = []
        self.bodies: list[bytes] = []
        self.gone = asyncio.Event()  # a client has closed a connection in mid-answer
        self.answer: Handler = self._ok
        self.address = ""

    async def _ok(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"well": True})

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        self.bodies.append(await request.read())
        return await self.answer(request)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", made.handle)
    runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.address = site.name if not site.name.endswith(":0") else f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


@pytest.fixture
def token(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text("first")
    return file


@pytest.fixture
async def api(server: Server, token: Path) -> AsyncIterator[KubernetesApi]:
    async with open_api(KubernetesSettings(server=server.address, token_file=token), "binnacle/1.2.3") as opened:
        yield opened


async def test_who_asks_and_for_what_is_said(api: KubernetesApi, server: Server):
    """User agent, token, JSON, uncompressed; parameters encoded once."""
    reply = await api.get("/api/v1/pods", {"fieldSelector": "spec.nodeName=a b&c"}, timeout=5)

    assert (reply.status, reply.body) == (200, b'{"well": true}')
    assert reply.headers["content-type"].startswith("application/json")
    sent = server.requests[0]
    assert sent.path == "/api/v1/pods"
    assert sent.query["fieldSelector"] == "spec.nodeName=a b&c"
    for name, value in {
        "User-Agent": "binnacle/1.2.3",
        "Authorization": "Bearer first",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
    }.items():
        assert sent.headers[name] == value


async def test_a_review_is_posted_as_json(api: KubernetesApi, server: Server):
    """The body as it was given."""
    await api.post("/apis/authentication.k8s.io/v1/tokenreviews", b'{"spec":{}}', timeout=5)

    assert server.requests[0].method == "POST"
    assert server.requests[0].content_type == "application/json"
    assert server.bodies == [b'{"spec":{}}']


async def test_statuses_are_left_to_whoever_asked(api: KubernetesApi, server: Server):
    """Nothing is raised for a 403; a redirect is not followed, our token with it."""

    async def refuse(_: web.Request) -> web.StreamResponse:
        return web.Response(status=403, text="no")

    async def redirect(_: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": "/elsewhere"})

    server.answer = refuse
    refused = await api.get("/version", {}, timeout=5)
    server.answer = redirect
    redirected = await api.get("/version", {}, timeout=5)

    assert (refused.status, refused.body) == (403, b"no")
    assert redirected.status == 302
    assert len(server.requests) == 2


async def test_after_401_the_token_is_read_again_once(api: KubernetesApi, server: Server, token: Path):
    """It was replaced a moment ago."""

    async def second_only(request: web.Request) -> web.StreamResponse:
        return web.Response(status=200 if request.headers["Authorization"] == "Bearer second" else 401)

    server.answer = second_only
    await api.get("/version", {}, timeout=5)
    token.write_text("second")
    reply = await api.get("/version", {}, timeout=5)
    async with api.stream("/api/v1/pods", {}) as incoming:
        streamed = incoming.status

    assert (reply.status, streamed) == (200, 200)
    assert [request.headers["Authorization"] for request in server.requests] == [
        "Bearer first",
        "Bearer first",
        "Bearer second",
        "Bearer second",
    ]


async def test_a_401_that_stays_is_asked_no_third_time(api: KubernetesApi, server: Server):
    """The same token again would change nothing."""

    async def refuse(_: web.Request) -> web.StreamResponse:
        return web.Response(status=401)

    server.answer = refuse
    reply = await api.post("/x", b"{}", timeout=5)

    assert reply.status == 401
    assert len(server.requests) == 1


async def test_every_wait_ends(api: KubernetesApi, server: Server):
    """A server that accepts and says nothing costs the time that was given."""

    async def never(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60)
        raise AssertionError

    server.answer = never
    with pytest.raises(Unreachable, match=r"no answer within 0\.2 s"):
        await api.get("/version", {}, timeout=0.2)


async def test_a_server_that_is_not_there_is_one_line():
    """With the reason."""
    async with open_api(KubernetesSettings(server="http://127.0.0.1:1"), "binnacle/1") as api:
        with pytest.raises(Unreachable, match="Cannot connect") as caught:
            await api.get("/version", {}, timeout=5)
        with pytest.raises(Unreachable, match="Cannot connect"):
            async with api.stream("/api/v1/pods", {}):
                raise AssertionError

    assert "\n" not in str(caught.value)


async def test_a_token_file_that_vanished_is_no_answer_either(api: KubernetesApi, token: Path):
    """It is not the asker's mistake."""
    token.unlink()
    with pytest.raises(Unreachable, match="token file"):
        await api.get("/version", {}, timeout=5)


async def endless(server: Server, *pieces: bytes, end: Callable[[web.Request], None] | None = None) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
        if end is not None:
            end(request)
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            server.gone.set()
            raise
        return response

    server.answer = answer


async def test_chunks_come_as_they_arrive(api: KubernetesApi, server: Server):
    """A watch is read while it lasts; leaving it closes the connection."""
    await endless(server, b"one\n")
    async with api.stream("/api/v1/pods", {"watch": "true"}) as incoming:
        first = await anext(incoming.chunks)
    async with asyncio.timeout(5):
        await server.gone.wait()

    assert first == b"one\n"


async def test_a_silent_socket_is_dead(api: KubernetesApi, server: Server, monkeypatch: pytest.MonkeyPatch):
    """Bookmarks come once a minute: more silence than that is a broken path."""
    monkeypatch.setattr(client, "SILENCE_LIMIT_S", 0.1)
    await endless(server, b"one\n")
    async with api.stream("/api/v1/pods", {"watch": "true"}) as incoming:
        first = await anext(incoming.chunks)
        with pytest.raises(Unreachable, match=r"silent for 0\.1 s"):
            await anext(incoming.chunks)

    assert first == b"one\n"


async def test_a_cut_connection_is_told(api: KubernetesApi, server: Server):
    """Not taken for the end of the answer."""

    def cut(request: web.Request) -> None:
        assert request.transport is not None
        request.transport.abort()

    await endless(server, end=cut)
    async with api.stream("/api/v1/pods", {"watch": "true"}) as incoming:
        with pytest.raises(Unreachable):
            await anext(incoming.chunks)


async def test_of_a_refusal_only_the_beginning_is_read(api: KubernetesApi, server: Server):
    """A proxy's endless page is of no use."""
    await endless(server, b"x" * (REFUSAL_LIMIT_BYTES + 1))
    async with api.stream("/api/v1/pods", {}) as incoming:
        assert len(await incoming.refusal()) == REFUSAL_LIMIT_BYTES


async def test_connections_are_used_again(api: KubernetesApi, server: Server):
    """A hundred questions, one connection: nothing is left unreleased."""
    peers = set()

    async def note(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        peers.add(request.transport.get_extra_info("peername"))
        return web.Response(text="ok")

    server.answer = note
    for _ in range(100):
        await api.get("/version", {}, timeout=5)

    assert len(peers) == 1


async def test_netrc_is_not_read(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A person's password for that host is not ours to send."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    async with open_api(KubernetesSettings(server=server.address), "binnacle/1") as api:
        await api.get("/version", {}, timeout=5)

    assert "Authorization" not in server.requests[0].headers


async def test_closing_leaves_nothing_open(server: Server):
    """Session and connections end with the block."""
    async with open_api(KubernetesSettings(server=server.address), "binnacle/1") as api:
        await api.get("/version", {}, timeout=5)
        sessions: list[aiohttp.ClientSession] = [api._streams, api._pools._current.session]

    assert all(session.closed for session in sessions)
    with pytest.raises(RuntimeError):
        await api.get("/version", {}, timeout=5)
