"""How much memory the gateway takes by number of pods: `python -m tests.deploy.memory 1000 5000 15000`.

`binnacle serve` over a real API server, 30 pods a node: resident memory once it is synced, and after the whole cluster
was asked for in one answer five times. docs/deploy.md has the table; the chart's resources follow from it.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import aiohttp

from tests.cluster.control_plane import ADMIN, GATEWAY, ControlPlane, answers
from tests.cluster.process import Process, free_ports

QUERY = "{ nodes { name ready pods { name namespace phase ready restarts } } }"
PODS_A_NODE = 30
MIB = 2**20


async def main(sizes: Sequence[int]) -> None:
    print(f"{'pods':>7} {'synced':>10} {'answered':>10} {'ready after':>12}")
    async with ControlPlane() as plane:
        created = 0
        for size in sorted(sizes):
            more = size - created
            nodes = await plane.create_nodes(more // PODS_A_NODE + 1, prefix=f"node-{size}")
            await plane.create_pods(more, nodes, prefix=f"pod-{size}")
            created = size
            synced, answered, seconds = await measured(plane)
            print(f"{size:>7} {synced / MIB:>6.0f} MiB {answered / MIB:>6.0f} MiB {seconds:>10.1f} s", flush=True)


async def measured(plane: ControlPlane) -> tuple[int, int, float]:
    """Resident bytes of a new gateway, synced and after five whole answers, and the seconds until it was ready."""
    (port,) = free_ports(1)
    binnacle = Path(sys.executable).parent / "binnacle"
    flags = ("--port", str(port), "--kubeconfig", plane.kubeconfig_of(GATEWAY))
    process = Process([binnacle, "serve", *flags], plane.folder / "gateway.log")
    process.start()
    started = time.monotonic()
    try:
        await process.ready(lambda: answers(f"http://127.0.0.1:{port}/readyz"), 120)
        seconds = time.monotonic() - started
        synced = process.memory()
        headers = {"Authorization": f"Bearer {plane.token(ADMIN)}"}
        async with aiohttp.ClientSession(headers=headers) as session:
            for _ in range(5):
                url = f"http://127.0.0.1:{port}/graphql"
                async with session.post(url, json={"query": QUERY}) as answer:
                    assert "errors" not in await answer.json()
        return synced, process.memory(), seconds
    finally:
        process.terminate()


if __name__ == "__main__":
    asyncio.run(main([int(size) for size in sys.argv[1:]] or [1_000, 5_000, 15_000]))
