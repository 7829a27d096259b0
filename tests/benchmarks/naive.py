"""What one writes first: Strawberry resolvers over kubernetes-asyncio, joined in memory, executed by graphql-core.

Without a cache there is one LIST of nodes and one of all pods per query: better than one LIST per node, and nothing
more. With `--cached` nodes and pods are listed once and kept up to date by kubernetes-asyncio's own watch, and a query
reads them from dictionaries: what a second week brings.
Run as a program: `python -m tests.benchmarks.naive KUBECONFIG PORT [--cached]`.
"""

import asyncio
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final

import strawberry
import uvicorn
from kubernetes_asyncio import client, config, watch
from starlette.applications import Starlette
from starlette.routing import Mount
from strawberry.asgi import GraphQL


@strawberry.type
class Pod:
    name: str
    namespace: str
    phase: str
    node_name: str | None
    address: str | None


@strawberry.type
class Node:
    name: str
    pods: list[Pod]


class Cache:
    """Nodes and pods by uid, as kubernetes-asyncio's models."""

    def __init__(self) -> None:
        self.nodes: dict[str, Any] = {}
        self.pods: dict[str, Any] = {}

    async def keep(self) -> None:
        async with client.ApiClient() as api, asyncio.TaskGroup() as tasks:
            core = client.CoreV1Api(api)
            tasks.create_task(self._follow(core.list_node, self.nodes))
            tasks.create_task(self._follow(core.list_pod_for_all_namespaces, self.pods))

    async def _follow(self, listing: Any, kept: dict[str, Any]) -> None:
        listed = await listing()
        kept.update({each.metadata.uid: each for each in listed.items})
        version = listed.metadata.resource_version
        while True:
            async with watch.Watch().stream(listing, resource_version=version) as events:
                async for event in events:
                    version = event["object"].metadata.resource_version
                    if event["type"] == "DELETED":
                        kept.pop(event["object"].metadata.uid, None)
                    else:
                        kept[event["object"].metadata.uid] = event["object"]


CACHE: Final = Cache()


def joined(nodes: Iterable[Any], pods: Iterable[Any]) -> list[Node]:
    placed = defaultdict(list)
    for pod in pods:
        placed[pod.spec.node_name].append(
            Pod(
                name=pod.metadata.name,
                namespace=pod.metadata.namespace,
                phase=pod.status.phase,
                node_name=pod.spec.node_name,
                address=pod.status.pod_ip,
            )
        )
    return [Node(name=node.metadata.name, pods=placed[node.metadata.name]) for node in nodes]


@strawberry.type
class Query:
    @strawberry.field
    async def nodes(self) -> list[Node]:
        async with client.ApiClient() as api:
            core = client.CoreV1Api(api)
            nodes = await core.list_node()
            pods = await core.list_pod_for_all_namespaces()
        return joined(nodes.items, pods.items)


@strawberry.type(name="Query")
class CachedQuery:
    @strawberry.field
    async def nodes(self) -> list[Node]:
        return joined(CACHE.nodes.values(), CACHE.pods.values())


def app(kubeconfig: str, *, cached: bool) -> Starlette:
    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await config.load_kube_config(kubeconfig)
        if not cached:
            yield
            return
        keeping = asyncio.create_task(CACHE.keep())
        yield
        keeping.cancel()

    schema = strawberry.Schema(query=CachedQuery if cached else Query)
    return Starlette(routes=[Mount("/graphql", GraphQL(schema))], lifespan=lifespan)


if __name__ == "__main__":
    uvicorn.run(
        app(sys.argv[1], cached="--cached" in sys.argv),
        host="127.0.0.1",
        port=int(sys.argv[2]),
        log_level="warning",
        access_log=False,
        timeout_keep_alive=600,  # the client's connections wait their turn
    )
