"""A table's page: 50 pods in an order that is maintained, with filters; no question is asked twice."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

import orjson

from tests.benchmarks.figures import Figure, figure
from tests.benchmarks.load import Connection, connected
from tests.benchmarks.objects import SHARDS
from tests.benchmarks.stage import Stage, WrongAnswer, answered

CHART: Final = "page of 50 pods"
ROW: Final = "edges { node { name namespace status nodeName restarts } } pageInfo { endCursor hasNextPage }"
ORDER: Final = "orderBy: [{key: RESTARTS, direction: DESC}, {key: CREATED_AT}]"
PAGE: Final = f"query P($f: PodFilter) {{ podsConnection(first: 50, {ORDER}, filter: $f) {{ {ROW} }} }}"
COUNTED: Final = f"query C($f: PodFilter) {{ podsConnection(first: 50, {ORDER}, filter: $f) {{ totalCount {ROW} }} }}"
SUFFIXES: Final = 32


async def measure(stage: Stage) -> None:
    """Filters by label keep 2 %; the counted ones look into every name, for which there is no index."""
    by_label = [{"labelSelector": f"shard={shard:02}"} for shard in range(SHARDS)]
    by_name = [{"nameContains": f"f5-{suffix:02x}"} for suffix in range(SUFFIXES)]
    async with connected(stage.gateway.url) as (connection,):
        await answered(connection, stage.ask(PAGE))
        await _check(stage, connection, by_label[0], by_name[0])
        for title, document, filters, limit in (
            ("filter by label", PAGE, by_label[1:], 10),
            ("totalCount, filter without index", COUNTED, by_name[1:], 25),
        ):
            found = await _pages(stage, connection, document, filters)
            stage.bar(CHART, title, found, "ms")
            profile = (
                [] if found.median <= limit else await stage.profile(connection, _any_of(stage, document, filters))
            )
            stage.goal("pages", f"page of 50: {title}", f"under {limit} ms", found.median, limit, "ms", profile=profile)


async def _pages(stage: Stage, connection: Connection, document: str, filters: list[dict[str, str]]) -> Figure:
    """One value a run: the median over all filters, each of which is new: a run's documents differ in a name."""
    values = []
    for _ in range(stage.options.runs):
        asked = _renamed(stage, document)
        times = [await connection.time(stage.ask(asked, f=each)) for each in filters]
        values.append(figure(times[1:]).median * 1000)
    return figure(values)


def _any_of(stage: Stage, document: str, filters: list[dict[str, str]]) -> Callable[[], bytes]:
    """Requests of which none was asked before."""
    return lambda: stage.ask(_renamed(stage, document), f=random.choice(filters))


def _renamed(stage: Stage, document: str) -> str:
    """The document under names that no plan knows."""
    return document.replace("status", f"v{stage.fresh():04}: status")


async def _check(stage: Stage, connection: Connection, by_label: dict[str, str], by_name: dict[str, str]) -> None:
    plans = stage.recipe.plans
    shard = [plan.name for plan in plans if plan.workload % SHARDS == int(by_label["labelSelector"][-2:])]
    page = orjson.loads(await answered(connection, stage.ask(PAGE, f=by_label)))["data"]["podsConnection"]
    rows = [edge["node"] for edge in page["edges"]]
    restarts = [row["restarts"] for row in rows]
    if not {row["name"] for row in rows} <= set(shard) or len(rows) != min(50, len(shard)):
        raise WrongAnswer(f"a page of {len(rows)} of {len(shard)} pods")
    if restarts != sorted(restarts, reverse=True):
        raise WrongAnswer(f"a page in another order: {restarts}")
    counted = orjson.loads(await answered(connection, stage.ask(COUNTED, f=by_name)))["data"]["podsConnection"]
    expected = sum(by_name["nameContains"] in plan.name for plan in plans)
    if counted["totalCount"] != expected:
        raise WrongAnswer(f"counted {counted['totalCount']} pods in place of {expected}")
