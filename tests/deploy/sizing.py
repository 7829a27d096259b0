"""What the gateway takes by number of pods: `python -m tests.deploy.sizing 1000 5000 15000`.

`binnacle serve` over a real API server, 30 pods a node. Of each size: resident memory once it is synced and after five
answers with the whole cluster in them; seconds until it was ready, and of the processor until then; of the processor
for such an answer, the first and those of which something has changed since, and while changes come in and nobody asks.
docs/deploy.md has the table; the chart's resources follow from it.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from tests.cluster.control_plane import ADMIN, GATEWAY, ControlPlane, answers
from tests.cluster.process import Process, free_ports

QUERY = "{ nodes { name ready pods { name namespace phase ready restarts } } }"
PODS_A_NODE = 30
MIB = 2**20
CHANGES = 500
TICKS = os.sysconf("SC_CLK_TCK")
HEAD = ("pods", "synced", "answered", "ready after", "CPU to ready", "first answer", "next ones", "100 changes")


@dataclass(frozen=True, slots=True)
class Size:
    """Bytes, seconds, and seconds of the processor."""

    synced: int
    answered: int
    ready: float
    until_ready: float
    first: float
    next: float
    changes: float

    def row(self, pods: int) -> str:
        cells = (
            f"{pods:,}", f"{self.synced / MIB:.0f} MiB", f"{self.answered / MIB:.0f} MiB", f"{self.ready:.1f} s",
            f"{self.until_ready:.1f} s", f"{self.first * 1000:.0f} ms", f"{self.next * 1000:.0f} ms",
            f"{self.changes / CHANGES * 100 * 1000:.0f} ms",
        )  # fmt: skip
        return f"| {' | '.join(cells)} |"


async def main(sizes: Sequence[int]) -> None:
    print(f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}", flush=True)
    async with ControlPlane() as plane:
        created = 0
        for size in sorted(sizes):
            more = size - created
            nodes = await plane.create_nodes(more // PODS_A_NODE + 1, prefix=f"node-{size}")
            pods = await plane.create_pods(more, nodes, prefix=f"pod-{size}")
            created = size
            print((await measured(plane, pods[0])).row(size), flush=True)


async def measured(plane: ControlPlane, pod: str) -> Size:
    """A new gateway, from its start on; `pod` is changed again and again."""
    (port,) = free_ports(1)
    binnacle = Path(sys.executable).parent / "binnacle"
    flags = ("--host", "127.0.0.1", "--port", str(port), "--kubeconfig", plane.kubeconfig_of(GATEWAY))
    patient = "BINNACLE_AUTH__REVIEW_TIMEOUT_SECONDS=5"  # the API server shares this machine
    process = Process(["env", patient, binnacle, "serve", *flags], plane.folder / "gateway.log")
    process.start()
    started = time.monotonic()
    try:
        await process.ready(lambda: answers(f"http://127.0.0.1:{port}/readyz"), 120)
        ready, until_ready, synced = time.monotonic() - started, processor(process), process.memory()
        headers = {"Authorization": f"Bearer {plane.token(ADMIN)}"}
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", headers=headers) as session:

            async def ask() -> float:
                before = processor(process)
                async with session.post("/graphql", json={"query": QUERY}) as answer:
                    body = await answer.json()
                assert "errors" not in body, body["errors"]
                return processor(process) - before

            first, later = await ask(), []
            for number in range(4):
                await change(plane, pod, number)
                later.append(await ask())
        before = processor(process)
        for number in range(CHANGES):
            await change(plane, pod, number)
        changes = processor(process) - before
        return Size(synced, process.memory(), ready, until_ready, first, sum(later) / len(later), changes)
    finally:
        process.terminate()


async def change(plane: ControlPlane, pod: str, number: int) -> None:
    await plane.request(
        "PATCH", f"/api/v1/namespaces/default/pods/{pod}", {"metadata": {"labels": {"turn": str(number)}}}
    )


def processor(process: Process) -> float:
    """Seconds of the processor that it has used, in all its threads."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


if __name__ == "__main__":
    asyncio.run(main([int(size) for size in sys.argv[1:]] or [1_000, 5_000, 15_000]))
