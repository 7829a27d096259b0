"""`python -m tests.benchmarks.prometheus PORT PODS MILLISECONDS`: a Prometheus that answers after exactly this time.

It knows CPU and memory of the recipe's pods. A query that names pods is answered about those, any other about all.
"""

import asyncio
import re
import sys
import time
from typing import Final
from urllib.parse import parse_qs

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.benchmarks.objects import PodPlan, Recipe

NAMED: Final = re.compile(r'pod=~?"([^"]+)"')


def value(plan: PodPlan) -> float:
    """What is measured of a pod, whatever the metric."""
    return plan.number / 8


def app(pods: int, milliseconds: float) -> Starlette:
    plans = {plan.name: plan for plan in Recipe(max(1, pods // 30), pods).plans}

    def row(plan: PodPlan, now: float) -> dict[str, object]:
        return {"metric": {"namespace": plan.namespace, "pod": plan.name}, "value": [now, str(value(plan))]}

    async def query(request: Request) -> Response:
        began = time.perf_counter()
        text = parse_qs((await request.body()).decode())["query"][0]
        named = NAMED.search(text)
        names = plans if named is None else [name.replace("\\\\", "") for name in named[1].split("|")]
        now = time.time()
        rows = [row(plans[name], now) for name in names if name in plans]
        body = orjson.dumps({"status": "success", "data": {"resultType": "vector", "result": rows}})
        await asyncio.sleep(max(0.0, milliseconds / 1000 - (time.perf_counter() - began)))
        return Response(body, media_type="application/json")

    return Starlette(routes=[Route("/api/v1/query", query, methods=["POST"])])


if __name__ == "__main__":
    port, pods, milliseconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    uvicorn.run(
        app(pods, milliseconds),
        host="127.0.0.1",
        port=port,
        log_level="warning",
        access_log=False,
        timeout_keep_alive=600,  # the client's connections wait their turn
    )
