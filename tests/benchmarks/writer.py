"""`python -m tests.benchmarks.writer FILE`: changes pods on an API server at some pace, until it is ended.

FILE is JSON: {"server": URL, "ca_file": FILE, "token": …, "nodes": …, "pods": …, "per_second": …}. For each change that
the API server has confirmed a line is printed: [namespace, name, restarts, moment of the machine's clock].

A process of its own: in the client's it would take the time in which that asks.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import aiohttp

from tests.benchmarks.clusters import restart, spread
from tests.benchmarks.objects import PodPlan, Recipe
from tests.cluster.control_plane import AT_ONCE


@dataclass(frozen=True, slots=True)
class Writing:
    """What to write, and where."""

    server: str
    ca_file: str
    token: str
    nodes: int
    pods: int
    per_second: float

    def dumped(self) -> str:
        return json.dumps(asdict(self))


async def write(given: Writing) -> None:
    plans = spread(Recipe(given.nodes, given.pods))
    turns = {plan: asyncio.Lock() for plan in plans}  # changes of one pod stay in order
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=given.ca_file), limit=AT_ONCE)
    headers = {"Authorization": f"Bearer {given.token}"}
    async with (
        aiohttp.ClientSession(given.server, connector=connector, headers=headers) as api,
        asyncio.TaskGroup() as tasks,
    ):

        async def one(plan: PodPlan, restarts: int) -> None:
            async with turns[plan]:
                await restart(api, plan, restarts)
            print(json.dumps([plan.namespace, plan.name, restarts, time.monotonic()]), flush=True)

        began, begun = time.monotonic(), 0
        while True:
            while begun < (time.monotonic() - began) * given.per_second:
                tasks.create_task(one(plans[begun % len(plans)], 100 + begun), name="patch")
                begun += 1
            await asyncio.sleep(0.005)


if __name__ == "__main__":
    asyncio.run(write(Writing(**json.loads(Path(sys.argv[1]).read_text()))))
