"""Kept connections that lead nowhere any more, and servers that are only slow: over real sockets, through a proxy."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
import pytest_asyncio
from aiohttp import web

from auth.api import Unreachable
from schema.sources.kubernetes import client, pools
from schema.sources.kubernetes.client import KubernetesApi, open_api
from schema.sources.kubernetes.settings import KubernetesSettings
from tests.faults.proxy import Proxy

MANY = 8
LIMIT_S = 20.0
PATIENCE_S = 0.3  # in place of a second


@dataclass
class Server:
    """Answers with its number to every request that it is let answer: with `held` set, only those it had before."""

    asked: int = 0
    answered: int = 0
    answering: asyncio.Event = field(default_factory=asyncio.Event)
    connections: set[object] = field(default_factory=set)

    async def handle(self, request: web.Request) -> web.Response:
        self.asked += 1
        assert request.transport is not None
        self.connections.add(request.transport.get_extra_info("peername"))
        await self.answering.wait()
        self.answered += 1
        return web.json_response({"number": self.answered})


@dataclass
class World:
    server: Server
    proxy: Proxy
    api: KubernetesApi

    async def ask(self, limit: float = LIMIT_S) -> int:
        return (await self.api.get("/version", {}, timeout=limit)).status

    async def ask_all(self, limit: float = LIMIT_S) -> list[int]:
        """As many calls at once as there are to be connections."""
        return await asyncio.gather(*(self.ask(limit) for _ in range(MANY)))

    async def keep_connections(self) -> None:
        """Have as many of them, all idle."""
        self.server.answering.clear()
        asking = asyncio.create_task(self.ask_all())
        await until(lambda: self.server.asked == MANY)
        self.server.answering.set()
        await asking


@asynccontextmanager
async def serving(server: Server) -> AsyncIterator[int]:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(application, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not condition():
            await asyncio.sleep(0.01)


@pytest_asyncio.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """A server, a proxy before it, and as many idle connections through it."""
    monkeypatch.setattr(pools, "LONGEST_PATIENCE_S", PATIENCE_S)
    server = Server()
    async with (
        serving(server) as port,
        Proxy("127.0.0.1", port) as proxy,
        open_api(KubernetesSettings(server=f"http://127.0.0.1:{proxy.port}"), "binnacle/test") as api,
    ):
        made = World(server, proxy, api)
        await made.keep_connections()
        assert len(server.connections) == MANY
        yield made


async def test_the_first_call_after_a_path_forgot_its_connections_is_answered(world: World):
    """It is asked again over a new one, in a fraction of its time; nobody after it meets the others."""
    world.proxy.strand()

    assert await world.ask() == 200
    assert await world.ask_all() == [200] * MANY

    assert world.server.asked == MANY + 1 + MANY


async def test_all_who_wait_on_dead_connections_are_told_by_the_first_one(world: World):
    """One of them finds out, and each is asked once more."""
    world.proxy.strand()

    assert await world.ask_all() == [200] * MANY

    assert world.server.asked == 2 * MANY, "what was sent over the old ones never arrived"


async def test_a_slow_server_is_asked_once_more_and_no_oftener(world: World):
    """Whoever else waits goes on waiting, and so does everybody for a while: its load is not doubled."""
    asked = []
    for _ in range(2):
        world.server.answering.clear()
        before = world.server.asked
        asking = asyncio.create_task(world.ask_all())
        await asyncio.sleep(4 * PATIENCE_S)
        world.server.answering.set()
        assert await asking == [200] * MANY
        asked.append(world.server.asked - before)

    assert asked == [MANY + 1, MANY]


async def test_calls_to_a_slow_server_keep_their_connections(world: World):
    """The first one's answer counts, and the new connection is given up, not the old ones."""
    world.server.answering.clear()
    asking = asyncio.create_task(world.ask())
    await until(lambda: world.server.asked == MANY + 2)  # it is doubted
    answering, world.server.answering = world.server.answering, asyncio.Event()  # the second one waits on
    answering.set()
    assert await asking == 200

    world.server.answering.set()
    assert await world.ask_all() == [200] * MANY

    assert len(world.server.connections) == MANY + 1


async def test_a_call_that_got_no_answer_leaves_its_connections(world: World):
    """A path that was silent for its whole time: when it is whole again, the next one connects anew."""
    world.proxy.stall()
    with pytest.raises(Unreachable):
        await world.ask(limit=PATIENCE_S)
    world.proxy.strand()

    assert await world.ask() == 200
    assert await world.ask_all() == [200] * MANY


async def test_calls_after_all_connections_were_cut_are_answered(world: World):
    """Each of them breaks once at most: the second time it does not meet another of the broken ones."""
    for _ in range(5):
        world.proxy.cut()
        assert await world.ask_all() == [200] * MANY


async def test_a_call_that_nobody_waits_for_any_more_leaves_nothing_behind(world: World):
    """Neither of its two requests."""
    world.server.answering.clear()
    asking = asyncio.create_task(world.ask())
    await until(lambda: world.server.asked == MANY + 2)
    asking.cancel()
    await asyncio.wait([asking])

    assert asking.cancelled()
    await until(lambda: not [task for task in asyncio.all_tasks() if "api-c" in task.get_name()])


async def test_a_watch_begins_on_a_connection_of_its_own(world: World):
    """On a kept one that leads nowhere it would be silent for a minute."""
    world.proxy.strand()

    async with asyncio.timeout(LIMIT_S):
        async with world.api.stream("/api/v1/pods", {"watch": "true"}) as incoming:
            assert incoming.status == 200


async def test_more_watches_than_a_pool_has_connections_leave_room_for_calls(world: World):
    """One a kind and namespace: some hundred in namespaced mode."""
    world.server.answering.clear()
    before = world.server.asked

    async def watch() -> None:
        async with world.api.stream("/api/v1/pods", {"watch": "true"}):
            pass

    watching = [asyncio.create_task(watch()) for _ in range(120)]
    await until(lambda: world.server.asked == before + 120)
    asking = asyncio.create_task(world.ask())
    await until(lambda: world.server.asked == before + 121)
    world.server.answering.set()

    assert await asking == 200
    await asyncio.gather(*watching)


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="the system has no such option")
def test_the_kernel_finds_dead_connections_within_seconds():
    """Also under a watch without bookmarks, which may be silent for minutes."""
    with client._socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 1))) as made:
        options = {
            name: made.getsockopt(socket.IPPROTO_TCP, getattr(socket, name))
            for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_USER_TIMEOUT")
        }
        assert made.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)

    assert options == {
        "TCP_KEEPIDLE": client.KEEPALIVE_S,
        "TCP_KEEPINTVL": client.KEEPALIVE_AGAIN_S,
        "TCP_USER_TIMEOUT": client.UNACKNOWLEDGED_S * 1000,
    }
