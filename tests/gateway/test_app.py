"""The process: it starts, stops in order, and does not outlive its background tasks."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from gateway import app
from gateway.config import Config
from gateway.demo import simulated_cluster
from schema.sources.kubernetes.client import open_api
from schema.sources.kubernetes.cluster import Cluster
from schema.sources.kubernetes.settings import KubernetesSettings
from tests.front_door import ADMIN, FrontDoor, free_port, simulated_door

BINNACLE = Path(sys.executable).parent / "binnacle"


class Doomed(Cluster):
    """A cluster whose background task dies when told so."""

    die = asyncio.Event()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(super().run())
            await self.die.wait()
            raise RuntimeError("the reflector broke")


async def test_a_dying_background_task_ends_the_process_in_order(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """Not ready, stop accepting, drain what is under way, close the sources, exit non-zero with the reason."""
    not_ready = asyncio.Event()
    shutdown = app._Server.shutdown

    async def awaited(server: app._Server, sockets) -> None:
        await not_ready.wait()  # it may come in the same moment, and this test is to see both
        await shutdown(server, sockets)

    monkeypatch.setattr(app._Server, "shutdown", awaited)
    monkeypatch.setattr(Doomed, "die", asyncio.Event())
    monkeypatch.setattr(app, "Cluster", Doomed)
    order: list[str] = []

    @contextlib.asynccontextmanager
    async def watched(*arguments):
        async with open_api(*arguments) as api:
            yield api
            order.append("sources closed")

    monkeypatch.setattr(app, "open_api", watched)
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    async with simulated_cluster(nodes=2, pods_per_node=2) as simulated:
        config = Config(
            server=free_port().model_copy(update={"shutdown_grace_seconds": 10}),
            kubernetes=KubernetesSettings(server=simulated.kubernetes_url, token_file=simulated.gateway_token_file),
            auth={"review_timeout_seconds": 5},
        )
        serving = asyncio.create_task(app.serve(config, address.set_result))
        url = await address
        async with aiohttp.ClientSession() as session:
            await ready(session, url)
            simulated.kubernetes.pause()  # its token's review holds this request under way
            under_way = asyncio.create_task(ask(session, url))
            await asyncio.sleep(0)
            await until(lambda: "auth/token-review" in {task.get_name() for task in asyncio.all_tasks()})

            Doomed.die.set()

            await until_async(lambda: a_newcomer_sees(url, 503))
            not_ready.set()
            await until_async(lambda: a_newcomer_sees(url, None))
            assert not serving.done(), "what is under way is waited for"
            assert order == []
            simulated.kubernetes.resume()
            assert await under_way == 200
            order.append("drained")
        assert await serving == 1
    assert order == ["drained", "sources closed"]
    assert "the reflector broke" in caplog.text


async def test_idle_connections_are_parted_from_within_the_grace_of_requests(monkeypatch: pytest.MonkeyPatch):
    """Without any grace nobody waits for them, however long a parting may take."""
    monkeypatch.setattr(app, "PARTING_S", 60.0)
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    async with simulated_cluster(nodes=2, pods_per_node=2) as simulated:
        config = Config(
            server=free_port().model_copy(update={"shutdown_grace_seconds": 0}),
            kubernetes=KubernetesSettings(server=simulated.kubernetes_url, token_file=simulated.gateway_token_file),
        )
        serving = asyncio.create_task(app.serve(config, address.set_result))
        url = await address
        async with aiohttp.ClientSession() as session:
            await ready(session, url)  # and its connection is kept

            os.kill(os.getpid(), signal.SIGTERM)

            async with asyncio.timeout(30):
                assert await serving == 0


async def ask(session: aiohttp.ClientSession, url: str) -> int:
    headers = {"Authorization": f"Bearer {ADMIN}"}
    async with session.post(f"{url}/graphql", json={"query": "{ cluster { version } }"}, headers=headers) as response:
        await response.read()
        return response.status


async def ready(session: aiohttp.ClientSession, url: str) -> None:
    async def is_ready() -> bool:
        async with session.get(f"{url}/readyz") as response:
            return response.status == 200

    await until_async(is_ready)


async def a_newcomer_sees(url: str, status: int | None) -> bool:
    """At /readyz; None: nobody accepts."""
    async with aiohttp.ClientSession() as newcomer:
        try:
            async with newcomer.get(f"{url}/readyz") as response:
                return response.status == status
        except aiohttp.ClientConnectorError:
            return status is None


async def until(holds) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.01)


async def until_async(holds) -> None:
    async with asyncio.timeout(10):
        while not await holds():
            await asyncio.sleep(0.01)


async def test_every_background_task_has_a_name_and_is_gone_at_the_end():
    """A dump of a stuck process says who is waiting; nothing is left behind."""
    before = set(asyncio.all_tasks())
    async with simulated_door() as door:
        assert isinstance(door, FrontDoor)
        names = {task.get_name() for task in asyncio.all_tasks() - before}
        assert {"cluster", "reflector/nodes", "reflector/pods", "reflector/namespaces", "reflector/services"} <= names
    left = {task.get_name() for task in asyncio.all_tasks() - before if not task.done()}
    assert left == set()


def test_what_the_demo_prints_works_as_it_stands():
    """The curl command, copied from the terminal, answers with nodes, pods and metrics."""
    process = subprocess.Popen(
        [BINNACLE, "demo", "--port", "0", "--nodes", "3"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        banner = ""
        while "Ctrl-C" not in banner:
            line = process.stdout.readline()
            assert line, process.communicate()
            banner += line
        command = banner[banner.index("curl -s") : banner.index("The tokens")]

        printed = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=30, check=True).stdout
    finally:
        process.terminate()
        _, errors = process.communicate(timeout=20)

    answer = json.loads(printed)
    assert "errors" not in answer
    assert len(answer["data"]["nodes"]) == answer["data"]["cluster"]["nodeCount"] == 3
    assert any(pod["metrics"][0]["value"] for node in answer["data"]["nodes"] for pod in node["pods"])
    assert (process.returncode, errors) == (0, "")


async def test_an_answer_does_not_wait_for_an_acknowledgement():
    """Twenty small answers on one connection: without TCP_NODELAY each would take the 40 ms of a delayed one."""
    async with simulated_door() as door:
        took = []
        for _ in range(20):
            started = asyncio.get_running_loop().time()
            assert (await door.request("GET", "/healthz")).status == 200
            took.append(asyncio.get_running_loop().time() - started)

    assert sorted(took)[10] < 0.03
