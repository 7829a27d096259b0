"""Four kinds as one source: one picture, one state, one owner of the tasks."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from auth.api import Unreachable
from schema.sources.kubernetes.cluster import Cluster
from schema.sources.kubernetes.policy import Backoff
from schema.sources.kubernetes.selfcheck import CacheDiverged
from tests.schema.sources.kubernetes import pods
from tests.schema.sources.kubernetes.clock import Clock
from tests.schema.sources.kubernetes.model_api import KINDS, ModelApi
from tests.schema.sources.kubernetes.model_server import Refusal


class Watched:
    """A cluster that runs against a model, in virtual time."""

    def __init__(self, *, self_check: bool = False) -> None:
        self.api = ModelApi()
        self.api["nodes"].put("worker-1", namespace="")
        self.api["pods"].put("a")
        clock = Clock()
        self.cluster = Cluster(
            self.api, self_check=self_check, backoff=lambda: Backoff(clock, clock.sleep, lambda: 0.0)
        )
        self.running: asyncio.Task[None]

    def start(self) -> None:
        self.running = asyncio.create_task(self.cluster.run(), name="cluster")

    async def until(self, condition: Callable[[], object]) -> None:
        for _ in range(2_000):
            if condition():
                return
            if self.running.done():
                self.running.result()
            await asyncio.sleep(0)
        raise AssertionError(f"never so: {self.cluster.status()}")

    async def ready(self) -> None:
        self.start()
        await self.until(lambda: self.cluster.synced and self.cluster.snapshot().version)


@pytest.fixture
async def watched() -> AsyncIterator[Watched]:
    made = Watched()
    yield made
    made.running.cancel()
    await asyncio.wait([made.running])
    assert all(server.closed == len(server.requests) for server in made.api.kinds.values())


async def test_one_picture_of_all_kinds(watched: Watched):
    """The server's version, and a resourceVersion for each kind: they compare with nothing of another kind's."""
    await watched.ready()
    snapshot = watched.cluster.snapshot()

    assert [node.name for node in snapshot.nodes] == ["worker-1"]
    assert [pod.name for pod in snapshot.pods.on_node("worker-1")] == ["a"]
    assert snapshot.version == "v1.37.2"
    assert snapshot.versions == {"nodes": "2", "pods": "2", "namespaces": "1", "services": "1"}


async def test_a_picture_is_shared_until_something_in_it_changes(watched: Watched):
    """Caches may be keyed by it; what did not change in a new one is the same object as before."""
    await watched.ready()
    first = watched.cluster.snapshot()
    again = watched.cluster.snapshot()
    watched.api["pods"].put("b")
    await watched.until(lambda: watched.cluster.snapshot() is not first)
    second = watched.cluster.snapshot()

    assert again is first
    assert second.nodes is first.nodes
    assert [pod.name for pod in first.pods] == ["a"]
    assert [pod.name for pod in second.pods] == ["a", "b"]


async def test_it_is_known_when_every_kind_is_listed_or_refused(watched: Watched):
    """A kind that the gateway may not read keeps nobody waiting; one that is on its way does."""
    for kind in ("nodes", "pods"):
        watched.api[kind].cut_lists = 1_000_000
    refusal = Refusal(403, pods.failure(403, "Forbidden", "no"))
    watched.api["services"].refusals += [refusal] * 1_000_000
    watched.start()
    await watched.until(lambda: watched.cluster.status()["services"].refused)
    too_early = watched.cluster.synced
    for kind in ("nodes", "pods"):
        watched.api[kind].cut_lists = 0
    await watched.until(lambda: watched.cluster.synced)

    assert too_early is False
    assert {kind for kind, status in watched.cluster.status().items() if status.refused} == {"services"}


async def test_the_servers_version_is_read_again_when_it_comes_back(watched: Watched):
    """It may have been upgraded; while it cannot be had, the last one stays."""
    await watched.ready()
    asked = watched.api.versions_asked
    watched.api.git_version, watched.api.version_failures = "v1.38.0", 2
    watched.api["pods"].refusals.append(Unreachable("connection refused"))
    watched.api["pods"].cut_watches()
    await watched.until(lambda: watched.cluster.snapshot().version == "v1.38.0")

    assert asked == 1
    assert watched.api.versions_asked == 4


async def test_a_task_that_dies_ends_all_of_them_with_its_reason(watched: Watched):
    """A frozen picture must not be shown as live."""
    await watched.ready()

    def fail(_: object) -> None:
        raise RuntimeError("a mistake of ours")

    watched.cluster.pods.store.consume(fail)
    watched.api["pods"].put("b")
    await asyncio.wait([watched.running], timeout=5)

    with pytest.RaisesGroup(pytest.RaisesExc(RuntimeError, match="a mistake of ours")):
        watched.running.result()


async def test_every_task_has_a_name(watched: Watched):
    """For whoever looks at a dump of them."""
    await watched.ready()
    names = {task.get_name() for task in asyncio.all_tasks()}

    assert names >= {"kubernetes/version", *(f"reflector/{kind}" for kind in KINDS)}


async def test_the_self_check_ends_a_cache_that_differs():
    """A store that lost an object is found by the second list of the same version."""
    watched = Watched(self_check=True)
    server = watched.api["pods"]
    server.streams.append(pods.bookmark(server.version, initial_end=True))  # a whole list, and "a" is not in it
    watched.start()
    await asyncio.wait([watched.running], timeout=5)

    with pytest.RaisesGroup(pytest.RaisesExc(CacheDiverged, match="the cache has None, the API server has 2")):
        watched.running.result()
