"""The same question to others: the API server's own lists, the week-old implementations, and any peer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

import orjson

from tests.benchmarks.clusters import INITIAL_END, streaming_list
from tests.benchmarks.figures import Figure, in_turns
from tests.benchmarks.load import Broken, Reply, connected, ends_with, get, post, unchunked
from tests.benchmarks.rows.nested import expected
from tests.benchmarks.servers import EVERY, placed
from tests.benchmarks.stage import NESTED, Peer, Stage, WrongAnswer, answered, checked, same

CHART: Final = "nested, beside others"
NAIVE_RUNS: Final = 3
NAIVE_PODS: Final = 15_000
LIST_PODS: Final = 15_000
NAIVE_LIMIT_S: Final = 300.0


async def measure(stage: Stage) -> None:
    ours = await _ours(stage)
    for who, found in ours.items():
        stage.bar(CHART, who, found)
    await _api_server(stage, ours)
    if stage.recipe.pods <= NAIVE_PODS:
        for cached in (False, True):
            await _naive(stage, ours, cached=cached)
    for peer in stage.options.peers:
        await _peer(stage, peer)


async def _ours(stage: Stage) -> dict[str, Figure]:
    """Both, as the others' times are compared with each: an answer of which nothing is kept, and one that is."""
    async with connected(stage.gateway.url) as (connection,):
        same(await answered(connection, stage.ask(stage.variant())), expected(stage.recipe), "a variant")
        return await in_turns(
            {
                "binnacle, nothing kept": lambda: connection.time(stage.ask(stage.variant())),
                "binnacle, again": lambda: connection.time(stage.ask(NESTED)),
            },
            stage.options.runs,
        )


async def _api_server(stage: Stage, ours: dict[str, Figure]) -> None:
    """LIST and streaming list of the pods alone, without nodes and without a join, on all cores."""
    plane = stage.plane
    listing = get(f"{plane.server}/api/v1/pods", stage.admin)
    stream = get(f"{plane.server}{streaming_list('pods')}", stage.admin)
    small = stage.recipe.pods <= LIST_PODS
    runs = stage.options.runs if small else min(stage.options.runs, 1)
    sizes: dict[str, int] = {}

    async def asked(name: str, request: bytes, ends: bytes) -> float:
        async with connected(plane.server, ca_file=plane.ca_file) as (connection,):
            seconds, sizes[name] = await connection.drain(request, ends_with(ends) if ends else None)
            return seconds

    with placed(plane, EVERY):
        if small:
            async with connected(plane.server, ca_file=plane.ca_file) as (connection,):
                reply = await connection.ask(listing)
                pods = unchunked(reply.body).count(b'"nodeName":')
                if pods != stage.recipe.pods:
                    raise WrongAnswer(f"LIST has {pods} pods")
        found = await in_turns(
            {
                "API server, LIST of the pods": lambda: asked("API server, LIST of the pods", listing, b""),
                "API server, streaming list": lambda: asked("API server, streaming list", stream, INITIAL_END),
            },
            runs,
            warm_up=1 if small else 0,
        )
    for who, figures in found.items():
        stage.bar(CHART, who, figures, bytes=sizes[who])
    _compared(stage, ours, found["API server, LIST of the pods"], "the API server's LIST", 30)


def _compared(stage: Stage, ours: dict[str, Figure], theirs: Figure, words: str, times: float) -> None:
    for who, figures in ours.items():
        kept = "again" if who == "binnacle, again" else "with nothing kept"
        stage.goal(
            "beside", f"nested, {kept}, beside {words}", f"at least {times:g} times faster",
            theirs.median / figures.median, times, "times", pods=[15_000], at_least=True,
        )  # fmt: skip


async def _naive(stage: Stage, ours: dict[str, Figure], *, cached: bool) -> None:
    plane = stage.plane
    async with stage.servers.naive(plane.kubeconfig, cached=cached) as server:
        request = post(f"{server.url}/graphql/", {"query": NESTED})
        async with connected(server.url) as (connection,):
            await _until(lambda: connection.ask(request), lambda reply: _as_many(reply, stage))
            runs = min(stage.options.runs, NAIVE_RUNS)
            found = await in_turns({"": lambda: connection.time(request)}, runs, warm_up=0)
        who = "Strawberry, naive cache" if cached else "Strawberry, no cache"
        stage.bar(CHART, who, found[""], memory=server.memory())
    if not cached:
        _compared(stage, ours, found[""], "the week-old plain implementation", 300)


def _as_many(reply: Reply, stage: Stage) -> bool:
    """The same pods, in whatever order."""
    pods = [pod for node in orjson.loads(checked(reply))["data"]["nodes"] for pod in node["pods"]]
    wanted = {(plan.namespace, plan.name, plan.node, plan.address) for plan in stage.recipe.plans}
    return {(pod["namespace"], pod["name"], pod["nodeName"], pod["address"]) for pod in pods} == wanted


async def _peer(stage: Stage, peer: Peer) -> None:
    """Its answer is its own: that it is one without errors is all that can be checked."""
    token = stage.admin if peer.token == "-" else peer.token
    request = post(peer.url, {"query": peer.document}, token)
    async with connected(peer.url) as (connection,):
        await _until(lambda: connection.ask(request), lambda reply: bool(checked(reply)))
        found = await in_turns({"": lambda: connection.time(request)}, stage.options.runs)
        stage.bar(CHART, peer.name, found[""], bytes=len((await connection.ask(request)).body))


async def _until(ask: Callable[[], Awaitable[Reply]], good: Callable[[Reply], bool]) -> None:
    """Wait until it answers what it should; raises its last mistake when it has not in time."""
    until = time.monotonic() + NAIVE_LIMIT_S
    while True:
        try:
            if good(await ask()):
                return
            problem: Exception = WrongAnswer("not all pods are there")
        except (WrongAnswer, Broken) as error:
            problem = error
        if time.monotonic() > until:
            raise problem
        await asyncio.sleep(0.2)
