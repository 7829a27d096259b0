"""A small query beside ten large ones that are executed, half of them compressed too; and the collector's pauses."""

from __future__ import annotations

import asyncio
import base64
from typing import Final

from tests.benchmarks.clusters import READERS
from tests.benchmarks.figures import figure, percentile
from tests.benchmarks.load import connected, get, latencies
from tests.benchmarks.stage import ONE_NODE, Stage, answered, same
from tests.cluster.control_plane import ADMIN, VIEWER

CHART: Final = "small query beside ten large ones"
PAUSES: Final = "the collector's pauses"
LARGE: Final = 10
LARGE_PODS: Final = 15_000
"""With fewer, what is asked beside is not large: once is enough."""
VARIANTS: Final = 40
LIMIT_MS: Final = 30
SHORT_S: Final = 0.001
"""Shorter pauses are not to be told from other work."""


async def measure(stage: Stage) -> None:
    """Its latencies come one after the other on one connection; the large ones are another process' business."""
    node = stage.recipe.node_names[-1]
    body = stage.recipe.one_node(node)
    request = stage.ask(ONE_NODE % node)
    stage.body("small", body)
    sent = stage.as_asked(f"{stage.bare.url}/checked/small", ONE_NODE % node)
    alone, beside, limit, pauses = [], [], [], []
    async with connected(stage.gateway.url) as (ours,), connected(stage.bare.url) as (bare,):
        same(await answered(ours, request), body, "the small answer")
        same(await answered(bare, sent), body, "bare Starlette's small answer")
        for _ in range(stage.options.runs if stage.recipe.pods >= LARGE_PODS else 1):
            alone.append(percentile(await latencies([ours], [request], stage.options.seconds), 0.99) * 1000)
            async with stage.servers.large_ones_under_way(stage.gateway.url, _large(stage)):
                await stage.gateway.pauses()
                beside.append(percentile(await latencies([ours], [request], 2 * stage.options.seconds), 0.99) * 1000)
                pauses += await stage.gateway.pauses()
            async with stage.servers.large_ones_under_way(stage.bare.url, _sent(stage)):
                limit.append(percentile(await latencies([bare], [sent], stage.options.seconds), 0.99) * 1000)
        profile = []
        if figure(beside).median > LIMIT_MS:
            async with stage.servers.large_ones_under_way(stage.gateway.url, _large(stage)):
                profiling = asyncio.create_task(stage.gateway.profile(stage.profiled_s))
                await latencies([ours], [request], stage.profiled_s)
                profile = await profiling
    stage.bar(CHART, "binnacle, 99th percentile", figure(beside), "ms")
    stage.bar(CHART, "binnacle, 99th percentile, alone", figure(alone), "ms")
    stage.bar(CHART, "bare Starlette beside ten that it sends", figure(limit), "ms")
    stage.goal(
        "fair", "small query beside ten large ones, 99th percentile", f"under {LIMIT_MS} ms",
        figure(beside).median, LIMIT_MS, "ms", pods=(15_000, 150_000), profile=profile,
    )  # fmt: skip
    _collector(stage, pauses, 2 * stage.options.seconds * len(beside))


def _collector(stage: Stage, pauses: list[float], seconds: float) -> None:
    """A request meets a pause as often as the collector is at work: below 1 % of the time, it is not in the 99th."""
    share = sum(each for each in pauses if each > SHORT_S) / seconds
    longest = max(pauses, default=0.0) * 1000
    stage.bar(PAUSES, f"longest of {len(pauses)}", figure([longest]), "ms")
    stage.bar(f"{PAUSES}: share of the time", f"those above {SHORT_S * 1000:g} ms", figure([share * 100]), "%")
    stage.goal(
        "fair", "the collector's pauses beside ten large ones: share of the time", "under 1 %: not in the 99th",
        share * 100, 1, "%", pods=(15_000, 150_000),
    )  # fmt: skip


def _large(stage: Stage) -> list[list[str]]:
    """Ten connections' requests: of several users, as one may not have so much unsent; none is asked twice soon."""
    tokens = [stage.plane.token(user) for user in (ADMIN, VIEWER, *READERS)]
    return [
        [
            _carried(
                stage.ask(stage.variant(), tokens[number % len(tokens)], encoding=("identity", "zstd")[number % 2])
            )
            for _ in range(VARIANTS)
        ]
        for number in range(LARGE)
    ]


def _sent(stage: Stage) -> list[list[str]]:
    url = stage.body("nested", stage.recipe.nested())
    return [[_carried(get(url))] for _ in range(LARGE)]


def _carried(request: bytes) -> str:
    return base64.b64encode(request).decode()
