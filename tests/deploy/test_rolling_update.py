"""A rolling update as Kubernetes makes one: the new pod first, then the old one goes, while 50 clients keep asking."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp

from tests.cluster.control_plane import GATEWAY, ControlPlane, answers, eventually
from tests.cluster.fixtures import Namespace
from tests.cluster.process import Process, free_ports
from tests.deploy.kubelet import pump

CLIENTS = 50
USERS = 10
"""One alone may not have so many requests under way (`server.requests_per_user`)."""
PRE_STOP_S = 1.0
"""Shorter than the chart's five seconds: this balancer hears of a change at once."""
PROBED_EVERY_S = 0.1
QUERY = {"query": "{ nodes { name pods { namespace name } } }"}


class Balancer:
    """Takes connections to the pods that are ready and not going, in turn; one that is taken stays with its pod, as
    kube-proxy's do. Readiness is asked as a kubelet asks for it."""

    def __init__(self) -> None:
        self.pods: set[int] = set()
        """Their ports."""
        self.going: set[int] = set()
        self._ready: list[int] = []
        self._turn = itertools.count()

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        following = asyncio.create_task(self._follow())
        async with server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            following.cancel()

    async def serves(self, *ports: int) -> None:
        """Wait until connections go to exactly these."""

        async def so() -> bool:
            return self._ready == sorted(ports)

        await eventually(so)

    async def _follow(self) -> None:
        while True:
            asked = sorted(self.pods - self.going)
            ready = await asyncio.gather(*(answers(f"http://127.0.0.1:{port}/readyz") for port in asked))
            self._ready = [port for port, yes in zip(asked, ready, strict=True) if yes and port not in self.going]
            await asyncio.sleep(PROBED_EVERY_S)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        backend = self._ready[next(self._turn) % len(self._ready)]
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", backend)
        await asyncio.gather(pump(reader, to_writer), pump(to_reader, writer), return_exceptions=True)


async def test_a_rolling_update_under_load_fails_no_request(
    real_cluster: ControlPlane, namespace: Namespace, tmp_path: Path
):
    """Half of the clients keep their connections, half open a new one for each request."""
    users = [await namespace.account(f"user-{number}") for number in range(USERS)]
    for user in users:
        await real_cluster.allow(user.user, ["list"], ["nodes", "pods"])
    old, new = free_ports(2)
    counts: Counter[str] = Counter()
    stop = asyncio.Event()
    balancer = Balancer()
    async with contextlib.AsyncExitStack() as stack:
        url = await stack.enter_async_context(balancer.listening())
        before = started(real_cluster, old, tmp_path)
        stack.callback(before.kill)
        balancer.pods.add(old)
        await balancer.serves(old)
        clients = [
            asyncio.create_task(ask_until(stop, url, users[number % USERS].token, counts, keeps=number < CLIENTS / 2))
            for number in range(CLIENTS)
        ]
        await enough(counts, 200)

        after = started(real_cluster, new, tmp_path)
        stack.callback(after.kill)
        balancer.pods.add(new)  # with its start: it gets connections only once it is ready
        await balancer.serves(old, new)
        await enough(counts, 200)
        balancer.going.add(old)  # its endpoint leaves, then preStop, then SIGTERM
        await balancer.serves(new)
        await asyncio.sleep(PRE_STOP_S)
        await asyncio.to_thread(before.terminate)
        await enough(counts, 200)
        stop.set()
        await asyncio.gather(*clients)
    assert set(counts) == {"200"}, counts


def started(plane: ControlPlane, port: int, folder: Path) -> Process:
    binnacle = Path(sys.executable).parent / "binnacle"
    flags = ("--host", "127.0.0.1", "--port", str(port), "--kubeconfig", plane.kubeconfig_of(GATEWAY))
    process = Process([binnacle, "serve", *flags], folder / f"{port}.log")
    process.start()
    return process


async def ask_until(stop: asyncio.Event, url: str, token: str, counts: Counter[str], *, keeps: bool) -> None:
    connector = aiohttp.TCPConnector(force_close=not keeps)
    async with aiohttp.ClientSession(connector=connector, headers={"Authorization": f"Bearer {token}"}) as session:
        while not stop.is_set():
            try:
                async with session.post(f"{url}/graphql", json=QUERY) as answer:
                    await answer.read()
                    counts[str(answer.status)] += 1
            except aiohttp.ClientError as error:
                counts[f"{'kept' if keeps else 'new'}: {type(error).__name__}: {error}"] += 1


async def enough(counts: Counter[str], more: int) -> None:
    """Wait until so many more requests were answered."""
    wanted = counts.total() + more
    async with asyncio.timeout(60):
        while counts.total() < wanted:
            await asyncio.sleep(0.02)
