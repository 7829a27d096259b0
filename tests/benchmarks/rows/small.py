"""A small query, one node with its pods: how many a second, beside bare Starlette with the same token check."""

from __future__ import annotations

import asyncio
from typing import Final

from tests.benchmarks.figures import figure, percentile
from tests.benchmarks.load import connected, latencies
from tests.benchmarks.stage import ONE_NODE, Stage, answered, same

CHART: Final = "small query"
WARM_UP_S: Final = 0.3
LATE: Final = 0.99
SHARE: Final = 0.4


async def measure(stage: Stage) -> None:
    node = stage.recipe.node_names[-1]
    body = stage.recipe.one_node(node)
    stage.body("small", body)
    request = stage.ask(ONE_NODE % node)
    sent = stage.as_asked(f"{stage.bare.url}/checked/small", ONE_NODE % node)
    async with connected(stage.gateway.url) as (one,), connected(stage.bare.url) as (other,):
        same(await answered(one, request), body, "the small answer")
        same(await answered(other, sent), body, "bare Starlette's small answer")
    for count in (1, 50):
        await _rates(stage, request, sent, count, len(body))


async def _rates(stage: Stage, request: bytes, sent: bytes, count: int, size: int) -> None:
    seconds = stage.options.seconds
    rates: dict[str, list[float]] = {"binnacle": [], "bare Starlette": []}
    late: dict[str, list[float]] = {"binnacle": [], "bare Starlette": []}
    cpu: dict[str, float] = {}
    async with connected(stage.gateway.url, count) as ours, connected(stage.bare.url, count) as bare:
        await latencies(ours, [request], WARM_UP_S)
        await latencies(bare, [sent], WARM_UP_S)
        for _ in range(stage.options.runs):
            for who, server, connections, asked in (
                ("binnacle", stage.gateway, ours, request),
                ("bare Starlette", stage.bare, bare, sent),
            ):
                before = server.cpu_seconds()
                found = await latencies(connections, [asked], seconds)
                cpu[who] = (server.cpu_seconds() - before) / len(found)
                rates[who].append(len(found) / seconds)
                late[who].append(percentile(found, LATE) * 1000)
    plural = "connection" if count == 1 else "connections"
    for who, values in rates.items():
        stage.bar(f"{CHART}, {count} {plural}", who, figure(values), "requests/s", bytes=size, cpu_seconds=cpu[who])
    for who, values in late.items():
        stage.bar(f"{CHART}, 99th percentile, {count} {plural}", who, figure(values), "ms")
    share = figure(rates["binnacle"]).median / figure(rates["bare Starlette"]).median
    profile = [] if share >= SHARE else await _profile(stage, request, count)
    stage.goal(
        "small", f"small query, {count} {plural}", f"at least {SHARE} of bare Starlette's rate", share, SHARE, "times",
        pods=(30, 1_000, 15_000, 150_000), at_least=True, profile=profile,
    )  # fmt: skip


async def _profile(stage: Stage, request: bytes, count: int) -> list[dict[str, object]]:
    async with connected(stage.gateway.url, count) as connections:
        profiling = asyncio.create_task(stage.gateway.profile(stage.profiled_s))
        await latencies(connections, [request], stage.profiled_s)
        return await profiling
