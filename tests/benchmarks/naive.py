"""What one writes first: Strawberry resolvers that list through kubernetes-asyncio for every query, without a cache.

One LIST of nodes and one of all pods per query, joined in memory: better than one LIST per node, and nothing more.
Run as a program: `python -m tests.benchmarks.naive KUBECONFIG PORT`.
"""

import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import strawberry
import uvicorn
from kubernetes_asyncio import client, config
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


@strawberry.type
class Query:
    @strawberry.field
    async def nodes(self) -> list[Node]:
        async with client.ApiClient() as api:
            core = client.CoreV1Api(api)
            nodes = await core.list_node()
            pods = await core.list_pod_for_all_namespaces()
        placed = defaultdict(list)
        for pod in pods.items:
            placed[pod.spec.node_name].append(
                Pod(
                    name=pod.metadata.name,
                    namespace=pod.metadata.namespace,
                    phase=pod.status.phase,
                    node_name=pod.spec.node_name,
                    address=pod.status.pod_ip,
                )
            )
        return [Node(name=node.metadata.name, pods=placed[node.metadata.name]) for node in nodes.items]


def app(kubeconfig: str) -> Starlette:
    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await config.load_kube_config(kubeconfig)
        yield

    return Starlette(routes=[Mount("/graphql", GraphQL(strawberry.Schema(query=Query)))], lifespan=lifespan)


if __name__ == "__main__":
    uvicorn.run(app(sys.argv[1]), host="127.0.0.1", port=int(sys.argv[2]), log_level="warning")
