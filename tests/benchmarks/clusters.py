"""Clusters to measure on: etcd and kube-apiserver, filled once by a recipe and kept; and what they say, recorded.

    async with filled(recipe, say) as plane:                 a real API server with the recipe's objects in it
        ...
    recording = await recorded(recipe, say)             its streaming lists and 10,000 changes of pods, as it sent them

Filling 150,000 pods takes some minutes; etcd's data is then kept in the cache folder, and each run begins with a copy.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
import shutil
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson

from tests.benchmarks.objects import PodPlan, Recipe, manifest, sort_of, stamped, statuses
from tests.cluster.build import cache_folder
from tests.cluster.control_plane import AT_ONCE, ControlPlane, eventually
from tests.cluster.objects import Manifest

FOLDER: Final = cache_folder().parent / "bench"
CLERKS: Final = "clerks"
"""The namespace of the service accounts that see a few namespaces only."""
CLERK_ACCOUNTS: Final = 24
READERS: Final = ("alice", "bob", "carol", "dave")
"""Users who may list everything, each with a share of their own of what the gateway holds for slow readers."""

UID: Final = re.compile(rb"(?<=\x24)[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
"""A uid in protobuf: 36 (0x24) bytes. The first in a pod is its own; its owner's follows."""

START_LIMIT_S: Final = 900.0
"""How long an API server may take to read 150,000 pods when it starts; half a minute on two idle cores."""

CHURNED_PODS: Final = 5_000
LISTED: Final = ("nodes", "pods", "namespaces", "services")
RBAC: Final = "/apis/rbac.authorization.k8s.io/v1"

Say = Callable[[str], None]


@contextlib.asynccontextmanager
async def filled(recipe: Recipe, say: Say) -> AsyncIterator[ControlPlane]:
    """A control plane with the recipe's objects, its readers and its clerks."""
    kept = FOLDER / "etcd" / recipe.key
    if not kept.exists():
        began = time.monotonic()
        async with ControlPlane(say=say) as plane:
            await _fill(plane, recipe, say)
            with _replaced(kept) as folder:
                await asyncio.to_thread(plane.keep, folder)
        say(f"{recipe.title}: created in {time.monotonic() - began:.0f} s, and kept in {kept}")
    async with ControlPlane(kept=kept, start_limit_s=START_LIMIT_S, say=say) as plane:
        await _served(plane, recipe)
        yield plane


@dataclass(frozen=True, slots=True)
class Recording:
    """What one API server sent, byte for byte: a file for each list, and one with the lines of a watch of pods."""

    folder: Path

    def initial(self, kind: str) -> Path:
        return self.folder / f"{kind}.jsonl"

    @property
    def changes(self) -> Path:
        return self.folder / "changes.jsonl"


async def recorded(recipe: Recipe, say: Say) -> Recording:
    """The recording of this recipe's cluster: the kept one, else made now."""
    folder = FOLDER / "streams" / recipe.key
    if not folder.exists():
        async with filled(recipe, say) as plane:
            say(f"{recipe.title}: recording its streaming lists, and a watch of pods that change")
            with _replaced(folder) as made:
                made.mkdir()
                await _record(plane, recipe, Recording(made))
    return Recording(folder)


def streaming_list(kind: str) -> str:
    """The path of a list as a stream, which then continues as a watch."""
    return (
        f"/api/v1/{kind}?watch=true&sendInitialEvents=true&allowWatchBookmarks=true"
        "&resourceVersionMatch=NotOlderThan&resourceVersion=0"
    )


INITIAL_END: Final = b'"k8s.io/initial-events-end":"true"'


# ------------------------------------------------------------------------------------------------------------- filling


async def _fill(plane: ControlPlane, recipe: Recipe, say: Say) -> None:
    async with plane.api() as api:
        await _each(_names(recipe), lambda name: _post(api, "/api/v1/namespaces", {"metadata": {"name": name}}))
        await _each(recipe.node_manifests(), lambda node: _post(api, "/api/v1/nodes", node))
        await _rights(api, recipe)
        patterns = recipe.patterns()
        for plan in patterns.values():
            await _create(api, plan)
    # The API server's own way would take 150,000 pods a quarter of an hour. It does not run meanwhile: it would hear of
    # each, and keep old versions.
    async with aiohttp.ClientSession(plane.etcd) as etcd:
        stored = {sort: await _stored(etcd, pattern) for sort, pattern in patterns.items()}
        plane.stop_api_server()
        say(f"{recipe.title}: stamping the pods from {len(patterns)} that the API server made")

        async def stamp(plan: PodPlan) -> None:
            sort = sort_of(plan)
            await _put(etcd, plan, stamped(*stored[sort], patterns[sort], plan))

        first = set(patterns.values())
        await _each((plan for plan in recipe.plans if plan not in first), stamp)


async def _create(api: aiohttp.ClientSession, plan: PodPlan) -> None:
    path, pod = f"/api/v1/namespaces/{plan.namespace}/pods", manifest(plan)
    await _post(api, path, pod)
    await _send(api, "PATCH", f"{path}/{plan.name}/status", {"status": pod["status"]})


async def _stored(etcd: aiohttp.ClientSession, plan: PodPlan) -> tuple[bytes, str]:
    """What etcd holds of a pod, and the pod's uid."""
    async with etcd.post("/v3/kv/range", json={"key": _etcd_key(plan)}) as answer:
        value = base64.b64decode((await answer.json(content_type=None))["kvs"][0]["value"])
    found = UID.findall(value)
    return value, found[0].decode()


async def _put(etcd: aiohttp.ClientSession, plan: PodPlan, value: bytes) -> None:
    body = {"key": _etcd_key(plan), "value": base64.b64encode(value).decode()}
    async with etcd.post("/v3/kv/put", json=body) as answer:
        if answer.status != 200:
            raise RuntimeError(f"etcd: {answer.status} {(await answer.read())[:300]!r}")


def _etcd_key(plan: PodPlan) -> str:
    return base64.b64encode(f"/registry/pods/{plan.namespace}/{plan.name}".encode()).decode()


def _names(recipe: Recipe) -> list[str]:
    return [*recipe.namespaces, CLERKS]


async def _rights(api: aiohttp.ClientSession, recipe: Recipe) -> None:
    def rule(*resources: str) -> dict[str, Any]:
        return {"apiGroups": [""], "resources": list(resources), "verbs": ["get", "list", "watch"]}

    def binding(name: str, role: str, subjects: list[Manifest]) -> Manifest:
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}
        return {"metadata": {"name": name}, "roleRef": reference, "subjects": subjects}

    group = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group"}
    clerks = [{**group, "name": f"system:serviceaccounts:{CLERKS}"}]
    readers = [{**group, "kind": "User", "name": name} for name in READERS]
    for name, resources in (("bench-nodes", ["nodes"]), ("bench-pods", ["pods"])):
        await _post(api, f"{RBAC}/clusterroles", {"metadata": {"name": name}, "rules": [rule(*resources)]})
    await _post(api, f"{RBAC}/clusterrolebindings", binding("bench-clerks", "bench-nodes", clerks))
    await _post(api, f"{RBAC}/clusterrolebindings", binding("bench-readers", "test-viewer", readers))
    for namespace in recipe.clerks_namespaces:
        await _post(api, f"{RBAC}/namespaces/{namespace}/rolebindings", binding("clerks", "bench-pods", clerks))
    for number in range(CLERK_ACCOUNTS):
        account = {"metadata": {"name": f"clerk-{number}"}}
        await _post(api, f"/api/v1/namespaces/{CLERKS}/serviceaccounts", account)


async def _each(things: Iterable[Any], work: Callable[[Any], Awaitable[None]]) -> None:
    """Work on all of them, AT_ONCE at a time, taking the next one only when its turn has come."""
    waiting: Iterator[Any] = iter(things)

    async def worker() -> None:
        for thing in waiting:
            await work(thing)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(AT_ONCE):
            tasks.create_task(worker(), name="create")


async def _post(api: aiohttp.ClientSession, path: str, body: Manifest) -> None:
    await _send(api, "POST", path, body)


async def _send(api: aiohttp.ClientSession, method: str, path: str, body: Manifest) -> None:
    kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
    async with api.request(method, path, data=orjson.dumps(body), headers={"Content-Type": kind}) as answer:
        said = await answer.read()
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status} {said[:300]!r}")


async def _served(plane: ControlPlane, recipe: Recipe) -> None:
    """Wait until the API server has read everything into its watch cache.

    A watch is refused until then; a list would be served from etcd, a gigabyte each time.
    """
    path = "/api/v1/pods?watch=true&resourceVersion=0&fieldSelector=spec.nodeName%3D" + recipe.node_names[-1]

    async def complete() -> bool:
        with contextlib.suppress(TimeoutError):
            async with plane.api() as api, api.get(path) as answer:
                return answer.status == 200 and b"ADDED" in await answer.content.readline()
        return False

    await eventually(complete, limit_s=START_LIMIT_S, every_s=0.5)


@contextlib.contextmanager
def _replaced(folder: Path) -> Iterator[Path]:
    """A folder to write into, which takes its name only when it is complete."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        made = Path(temporary) / folder.name
        yield made
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)


# ----------------------------------------------------------------------------------------------------------- recording


async def _record(plane: ControlPlane, recipe: Recipe, recording: Recording) -> None:
    for kind in LISTED:
        with recording.initial(kind).open("wb") as file:
            await _record_list(plane, kind, file.write)
    await _record_changes(plane, recipe, recording.changes)


async def _record_list(plane: ControlPlane, kind: str, write: Callable[[bytes], object]) -> None:
    """The whole streaming list, until and with the bookmark that ends it."""
    end = b""
    async with (
        _patient(plane) as api,
        api.get(streaming_list(kind), headers={"Accept-Encoding": "identity"}) as answer,
    ):
        answer.raise_for_status()
        async for line in _lines(answer):
            write(line)
            end = line
            if INITIAL_END in line:
                return
    raise RuntimeError(f"the list of {kind} ended early: {end[:200]!r}")


async def _record_changes(plane: ControlPlane, recipe: Recipe, file: Path) -> None:
    """Two changes of each of up to 5,000 pods, spread over the nodes: what a watch says of them."""
    plans = spread(recipe)
    async with watched(plane) as lines, plane.api() as writer, asyncio.TaskGroup() as tasks:
        tasks.create_task(_change_twice(writer, plans), name="change")
        with file.open("wb") as out:
            count = 0
            async for line in lines:
                out.write(line)
                count += 1
                if count == 2 * len(plans):
                    return


@contextlib.asynccontextmanager
async def watched(plane: ControlPlane) -> AsyncIterator[AsyncIterator[bytes]]:
    """The lines of a watch of pods, from now on."""
    async with _patient(plane) as api:
        async with api.get("/api/v1/pods?limit=1") as answer:
            version = (await answer.json())["metadata"]["resourceVersion"]
        async with contextlib.aclosing(_watch(api, version)) as lines:
            yield lines


async def _watch(api: aiohttp.ClientSession, version: str) -> AsyncGenerator[bytes, None]:
    """The API server ends it for a reader that falls behind: then it is resumed."""
    while True:
        path = f"/api/v1/pods?watch=true&resourceVersion={version}"
        async with api.get(path, headers={"Accept-Encoding": "identity"}) as watch:
            watch.raise_for_status()
            async for line in _lines(watch):
                version = orjson.loads(line)["object"]["metadata"]["resourceVersion"]
                yield line


async def _change_twice(api: aiohttp.ClientSession, plans: list[PodPlan]) -> None:
    await _each(plans, lambda plan: restart(api, plan, 101))
    await _each(plans, lambda plan: restart(api, plan, 102))


async def restart(api: aiohttp.ClientSession, plan: PodPlan, restarts: int) -> None:
    """What a kubelet tells after a restart of the first container."""
    path = f"/api/v1/namespaces/{plan.namespace}/pods/{plan.name}/status"
    await _send(api, "PATCH", path, {"status": statuses(plan, manifest(plan), restarts)})


def spread(recipe: Recipe) -> list[PodPlan]:
    """Pods to change: neighbours stand on other nodes and in other namespaces."""
    count = min(CHURNED_PODS, recipe.pods)
    step = 7_919 if recipe.pods % 7_919 else 1  # a prime: goes round all of them
    return [recipe.plans[number * step % recipe.pods] for number in range(count)]


@contextlib.asynccontextmanager
async def _patient(plane: ControlPlane) -> AsyncIterator[aiohttp.ClientSession]:
    """A session without a time limit and with room for long lines."""
    async with plane.api() as api:
        session = aiohttp.ClientSession(
            plane.server,
            connector=api.connector,
            connector_owner=False,
            headers=api.headers,
            timeout=aiohttp.ClientTimeout(total=None),
        )
        async with session:
            yield session


async def _lines(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    rest = b""
    async for chunk in answer.content.iter_any():
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line + b"\n"
