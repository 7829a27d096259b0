"""`python -m tests.benchmarks.execution`: what one large answer costs, by graphql-core and by its plan.

In process and over HTTP, in turns in one run, for 500 nodes with 15,000 pods and 5,000 with 150,000:

    stock      graphql-core over the view, encoded by orjson
    cold       the plan, nothing kept
    changed    the plan, after 1 % of the pods changed
    warm       the plan, nothing changed
    HTTP …     the same through the gateway's ASGI application in uvicorn: token, rights and metrics from caches
    starlette  bare Starlette in uvicorn, sending the same bytes in the same slices: the limit

Objects are made up and live in memory. Prints medians, and ratios to bare Starlette (in process: to `warm`).
"""

import argparse
import asyncio
import gc
import json
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from random import Random
from typing import Any, Final, cast

import aiohttp
import orjson
import uvicorn
from graphql import execute_sync
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from auth.access import Access
from auth.authenticator import Authenticator
from auth.identity import Identity
from auth.reviewers import Attributes, Decision
from auth.settings import AuthSettings
from gateway.app import Gateway, build_app
from gateway.config import ServerSettings
from gateway.telemetry.request import Telemetry
from schema.execution.context import GraphContext
from schema.execution.extension import Pipeline
from schema.execution.gather import Gatherer
from schema.execution.plan.operations import Operation, Operations
from schema.execution.prepare import Documents, PreparedDocument
from schema.execution.settings import ExecutionSettings
from schema.execution.view import View
from schema.schema import build_schema
from schema.sources.kubernetes.cluster import Cluster, ClusterSnapshot, KindStatus
from schema.sources.kubernetes.kinds import Kind
from schema.sources.kubernetes.store import Put
from schema.sources.prometheus.frames import MetricFrame, Question
from tests.benchmarks.bare import HEADERS, Sliced

QUERY: Final = "{ nodes { name pods { name namespace phase nodeName address } } }"
SMALL: Final = '{ node(name: "node-00007") { name pods { name namespace phase nodeName address } } }'
WITH_METRICS: Final = (
    "{ nodes { name pods { name namespace phase nodeName address "
    "metrics(names: [CPU_USAGE, MEMORY_USAGE]) { name value unit } } } }"
)
MIB: Final = 1024 * 1024


class Everything:
    """A reviewer that knows one user, who may do everything; a source that knows no odd state; no Prometheus wait."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._frames: dict[Question, MetricFrame] = {}

    async def authenticate(self, token: str) -> Identity:
        return Identity("admin")

    async def decide(self, identity: Identity, attributes: Attributes) -> Decision:
        return Decision(allowed=True)

    def snapshot(self, kinds: Iterable[Kind[Any]] | None = None) -> ClusterSnapshot:
        return self._cluster.snapshot(kinds)

    def troubled(self, _kinds: Iterable[Kind[Any]]) -> Mapping[str, KindStatus]:
        return {}

    async def want(self, kinds: Iterable[Kind[Any]]) -> None:
        """All that is asked for is there."""

    async def reach(self, wanted: Mapping[Kind[Any], str], seconds: float) -> Mapping[Kind[Any], str]:
        return await self._cluster.reach(wanted, seconds)

    async def frames(self, questions: Iterable[Question]) -> Mapping[Question, MetricFrame]:
        return {question: self._frames.get(question) or self._frame(question) for question in questions}

    def _frame(self, question: Question) -> MetricFrame:
        samples: dict[str, dict[str, Any]] = {}
        for pod in self._cluster.snapshot().pods:
            samples.setdefault(pod.namespace, {})[pod.name] = 0.25
        self._frames[question] = MetricFrame(question, samples, None, "", 2_000_000_000.0)
        return self._frames[question]


class Bench:
    """A cluster in memory, and everything that answers about it."""

    def __init__(self, nodes: int, pods: int) -> None:
        self.cluster = Cluster(cast("Any", None))
        self._names = [f"node-{number:05}" for number in range(nodes)]
        self._version = 0
        self._chance = Random(1)
        decode = self.cluster.nodes.decoder.decode
        self.cluster.nodes.store.replace([decode(_node(name)) for name in self._names], "1")
        decode_pod = self.cluster.pods.decoder.decode
        self.cluster.pods.store.replace([decode_pod(self._pod(number, 1)) for number in range(pods)], "1")
        source = Everything(self.cluster)
        self.access = access = Access(source, lambda _resource: frozenset(), AuthSettings())
        self.authenticator = Authenticator(source, AuthSettings())
        self.gatherer = Gatherer(source, source, access)
        self.operations = Operations(ExecutionSettings(cache_bytes=512 * MIB))
        self.documents = Documents()
        self.worker = ThreadPoolExecutor(1)
        pipeline = Pipeline(self.documents, self.operations, self.gatherer, self.worker)
        self.schema = build_schema(self.authenticator, pipeline)

    def _pod(self, number: int, version: int) -> bytes:
        return json.dumps(
            {
                "metadata": {
                    "name": f"pod-{number:06}-7d9f8b6c5-x2k4q",
                    "namespace": f"team-{number % 500:03}",
                    "uid": f"{number:08}-0000-4000-8000-000000000000",
                    "resourceVersion": str(version),
                    "creationTimestamp": "2025-11-24T09:00:00Z",
                    "labels": {"app": f"app-{number % 300}"},
                },
                "spec": {"nodeName": self._names[number % len(self._names)], "containers": [{"name": "main"}]},
                "status": {"phase": "Running", "podIPs": [{"ip": f"10.{number % 250}.{number // 250 % 250}.7"}]},
            }
        ).encode()

    def change(self, share: float) -> None:
        """A part of the pods, anywhere, is written again."""
        decode = self.cluster.pods.decoder.decode
        count = len(self.cluster.snapshot().pods)
        self._version += count
        numbers = sorted(self._chance.sample(range(count), round(count * share)))
        changed = [decode(self._pod(number, self._version + number)) for number in numbers]
        self.cluster.pods.store.apply(Put(record) for record in changed)

    async def asked(self, text: str) -> tuple[PreparedDocument, Operation, View]:
        document = self.documents.prepare(self.schema, text)
        operation = self.operations.find(self.schema, document, document.operation(None), {})
        assert isinstance(operation, Operation)
        return document, operation, await self.gatherer.view(Identity("admin"), operation.needs)


def _node(name: str) -> bytes:
    metadata = {"name": name, "uid": name, "resourceVersion": "1", "creationTimestamp": "2025-11-24T09:00:00Z"}
    return json.dumps({"metadata": metadata, "status": {"conditions": []}}).encode()


async def in_process(bench: Bench, text: str, rounds: int, stock_rounds: int) -> dict[str, list[float]]:
    """Seconds for the bytes of `data`, from a gathered view on."""
    figures: dict[str, list[float]] = {}
    document, operation, view = await bench.asked(text)
    assert operation.plan is not None

    def timed(name: str, work: Callable[[], object]) -> Any:
        gc.collect()
        started = time.perf_counter()
        result = work()
        figures.setdefault(name, []).append(time.perf_counter() - started)
        return result

    def context() -> GraphContext:
        made = GraphContext(headers=())
        made.view = view
        return made

    def stock() -> bytes:
        core = bench.schema._schema
        return orjson.dumps(execute_sync(core, document.document, context_value=context()).data)

    def plan() -> bytes:
        assert operation.plan is not None
        kept = operation.plan.kept(view, operation.nodes)
        data = kept.data if kept else operation.plan.execute(context(), operation.nodes)[0]
        assert data is not None
        return data.encoded

    for _ in range(stock_rounds):
        timed("stock", stock)
    for _ in range(rounds):
        bench.operations.forget()
        document, operation, view = await bench.asked(text)
        assert timed("cold", plan) == timed("warm", plan)
        bench.change(0.01)
        document, operation, view = await bench.asked(text)
        timed("changed", plan)
    assert plan() == stock(), "a plan and graphql-core must answer the same"
    return figures


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[str]:
    server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="off", log_config=None, access_log=False))
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


async def over_http(bench: Bench, text: str, rounds: int) -> dict[str, list[float]]:
    """Seconds from request to last byte, on one connection of a client in the same process."""
    figures: dict[str, list[float]] = {}
    gateway = Gateway(bench.schema, bench.authenticator, bench.cluster, bench.worker, bench.access, Telemetry())
    body = b""

    async def same_bytes(_request: Request) -> Response:
        return Sliced(body, headers=HEADERS)

    bare = Starlette(routes=[Route("/", same_bytes)])
    async with (
        served(build_app(gateway, ServerSettings())) as url,
        served(bare) as bare_url,
        aiohttp.ClientSession(headers={"Authorization": "Bearer t", "Accept-Encoding": "identity"}) as session,
    ):

        async def ask() -> bytes:
            async with session.post(f"{url}/graphql", json={"query": text}) as response:
                return await response.read()

        async def fetch() -> bytes:
            async with session.get(bare_url) as response:
                return await response.read()

        async def timed(name: str, work: Callable[[], Awaitable[bytes]]) -> bytes:
            gc.collect()
            started = time.perf_counter()
            received = await work()
            figures.setdefault(name, []).append(time.perf_counter() - started)
            return received

        await ask()
        for _ in range(rounds):
            bench.operations.forget()
            body = await timed("HTTP cold", ask)
            assert b'"errors"' not in body[-1000:], body[-1000:]
            assert await timed("HTTP warm", ask) == body
            assert await timed("starlette", fetch) == body
            bench.change(0.01)
            await timed("HTTP changed", ask)
    return figures


def report(title: str, figures: dict[str, list[float]], base: str) -> None:
    reference = statistics.median(figures[base])
    print(f"\n{title}\n{'':<14}{'median':>11}{'min':>11}{'max':>11}{'ratio':>9}")
    for name, seconds in figures.items():
        median = statistics.median(seconds)
        times = "".join(f"{each * 1000:>9.2f}ms" for each in (median, min(seconds), max(seconds)))
        print(f"{name:<14}{times}{median / reference:>9.2f}")


async def run(options: argparse.Namespace) -> None:
    for nodes, pods in options.sizes:
        bench = Bench(nodes, pods)
        gc.freeze()
        cold: dict[str, float] = {}
        for text in (QUERY, WITH_METRICS, SMALL) if pods < 100_000 else (QUERY, SMALL):
            figures = await in_process(bench, text, options.rounds, options.stock_rounds)
            report(f"{pods} pods, in process, {text}", figures, "warm")
            cold[text] = statistics.median(figures["cold"])
            report(f"{pods} pods, over HTTP", await over_http(bench, text, options.rounds), "starlette")
        if WITH_METRICS in cold:
            print(f"\n{pods} pods, cold: {cold[WITH_METRICS] / cold[QUERY]:.2f} times as long with two metrics each")
        bench.worker.shutdown()


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.execution",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--stock-rounds", type=int, default=3)
    parser.add_argument("--small", action="store_true", help="15,000 pods only")
    options = parser.parse_args(arguments)
    options.sizes = [(500, 15_000)] if options.small else [(500, 15_000), (5_000, 150_000)]
    asyncio.run(run(options))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
