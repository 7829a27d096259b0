"""Kinds on demand at a real API server: what they cost while somebody asks, and that it is given back."""

import asyncio
import gc
import tracemalloc
from asyncio import sslproto
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from schema.sources.kubernetes.client import open_api
from schema.sources.kubernetes.cluster import Cluster
from schema.sources.kubernetes.kinds import Kind
from schema.sources.kubernetes.objects import NamespaceRecord, WireNamespace, namespace_record
from schema.sources.kubernetes.settings import KubernetesSettings
from tests.cluster.control_plane import ADMIN, ControlPlane, eventually
from tests.cluster.fixtures import StartControlPlane

WIDGETS: Final[Kind[NamespaceRecord]] = Kind(
    "widgets", "Widget", WireNamespace, namespace_record, api_version="example.com/v1", namespaced=False
)
COUNT: Final = 800
IDLE_S: Final = 2.0


@asynccontextmanager
async def watching(plane: ControlPlane) -> AsyncIterator[Cluster]:
    kubeconfig = plane.kubeconfig_of(ADMIN)
    settings = KubernetesSettings(kubeconfig=kubeconfig, idle_kind_seconds=IDLE_S, first_list_seconds=IDLE_S)
    async with open_api(settings, "binnacle/test") as api:
        cluster = Cluster(api, on_demand=(WIDGETS,), settings=settings, self_check=True)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(cluster.run(), name="cluster")
            await eventually(lambda: _synced(cluster))
            yield cluster
            running.cancel()


async def _synced(cluster: Cluster) -> bool:
    return cluster.synced


async def given_back(cluster: Cluster) -> None:
    """Return when the kind is not watched any more and what watched it has ended.

    A cancelled task holds its store until its next turn. Whoever looks at the memory in the very turn in which the kind
    is given back, as a busy machine has it now and then, still finds all of it.
    """
    keepers = list(cluster._in_use[WIDGETS.key].tasks)

    async def unwatched() -> bool:
        return WIDGETS.key not in cluster.status()

    await eventually(unwatched)
    await asyncio.wait(keepers)


async def define_widgets(plane: ControlPlane) -> None:
    """A custom resource, as an operator brings it."""
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
    }
    names = {"plural": "widgets", "singular": "widget", "kind": "Widget"}
    spec = {"group": "example.com", "scope": "Cluster", "names": names, "versions": [version]}
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    await plane.request("POST", path, {"metadata": {"name": "widgets.example.com"}, "spec": spec})
    await plane.kubectl("wait", "--for=condition=Established", "crd/widgets.example.com", "--timeout=30s")


async def create_widgets(plane: ControlPlane) -> None:
    at_once = asyncio.Semaphore(32)

    async def create(number: int) -> None:
        annotations = {
            f"note-{key}": f"widget {number} says {key}: " + f"{number * 7919 + key:x}" * 20 for key in range(8)
        }
        manifest = {
            "apiVersion": "example.com/v1",
            "kind": "Widget",
            "metadata": {"name": f"widget-{number:05}", "annotations": annotations},
        }
        async with at_once:
            await plane.request("POST", WIDGETS.path(), manifest)

    await asyncio.gather(*map(create, range(COUNT)))


def held() -> int:
    """The memory that Python objects take, in bytes; without the 256 KiB that asyncio reads TLS into per connection.

    The pool of connections keeps these for a while, whatever was read: they are nothing of a kind's.
    """
    gc.collect()
    snapshot = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(False, sslproto.__file__)])
    return sum(trace.size for trace in snapshot.traces)


async def test_an_idle_kinds_memory_is_given_back_and_the_next_question_has_it_again(control_plane: StartControlPlane):
    """Nine tenths of what its first list took, at least; its watch is left; the next question lists it anew."""
    plane = await control_plane()
    await define_widgets(plane)
    await create_widgets(plane)
    async with watching(plane) as cluster:
        await cluster.want([WIDGETS])  # code, decoders and connections are made once: that is not what is measured
        await given_back(cluster)
        tracemalloc.start()
        try:
            before = held()
            await cluster.want([WIDGETS])
            shown = len(cluster.snapshot().of(WIDGETS))
            full = held()
            await given_back(cluster)
            after = held()
        finally:
            tracemalloc.stop()
        empty = len(cluster.snapshot().of(WIDGETS))
        await cluster.want([WIDGETS])
        again = len(cluster.snapshot().of(WIDGETS))

    assert (shown, empty, again) == (COUNT, 0, COUNT)
    assert full - before > COUNT * 500
    assert after - before < (full - before) / 10


async def test_a_kind_that_comes_later_is_found(control_plane: StartControlPlane):
    """A custom resource is defined while the gateway runs: until then the API server's 404 is told."""
    plane = await control_plane()
    async with watching(plane) as cluster:
        await cluster.want([WIDGETS])
        before = cluster.status_of(WIDGETS)
        await define_widgets(plane)

        async def shown() -> bool:
            await cluster.want([WIDGETS])
            return cluster.status_of(WIDGETS).synced

        await eventually(shown)

    assert (before.refused, before.served) == (True, False)
    assert before.reason.startswith("The API server has no widgets in example.com/v1: 404")
