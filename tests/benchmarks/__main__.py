"""`make bench`: the whole cluster in one answer, beside what it would cost without the gateway.

On one real API server with 500 nodes and 15,000 pods, in turns in one run:

    gateway   the nested query over HTTP, with a service account's token, answered by `binnacle serve`
    LIST      the API server's own list of the same pods, with the same token (no join, no nodes, no GraphQL)
    naive     the same query by Strawberry and kubernetes-asyncio without a cache (tests/benchmarks/naive.py)

Prints medians and ratios, the gateway's memory, and what the watch cache keeps for each pod.
Two cores serve all parties: ratios mean more than seconds.
"""

import argparse
import asyncio
import contextlib
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

import aiohttp

from tests.benchmarks import records
from tests.cluster.control_plane import GATEWAY, ControlPlane, eventually

QUERY: Final = "{ nodes { name pods { name namespace phase nodeName address } } }"
BIN: Final = Path(sys.executable).parent
MIB: Final = 1024 * 1024


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nodes", type=int, default=500)
    parser.add_argument("--pods", type=int, default=15_000)
    parser.add_argument("--rounds", type=int, default=7, help="counted turns of each, after one warm-up")
    options = parser.parse_args(arguments)
    asyncio.run(bench(options))
    print()
    return records.main(["--pods", str(options.pods)])


async def bench(options: argparse.Namespace) -> None:
    say(f"starting a control plane, creating {options.nodes} nodes and {options.pods} pods (about a minute)")
    flags = ("--max-requests-inflight", "2000", "--max-mutating-requests-inflight", "1000")
    async with ControlPlane(api_server_flags=flags) as plane:
        nodes = await plane.create_nodes(options.nodes)
        await plane.create_pods(options.pods, nodes)
        user = await plane.create_service_account("reader")
        await plane.allow(user, ["get", "list"], ["nodes", "pods", "namespaces", "services"])
        await plane.wait_allowed(user, "list", "pods")
        token = await plane.create_token("reader")
        with contextlib.ExitStack() as processes:
            gateway, gateway_url = start(processes, "gateway", plane)
            _, naive_url = start(processes, "naive", plane)
            async with plane.api(token=token) as api, aiohttp.ClientSession() as session:
                turns = {
                    "gateway": asker(session, f"{gateway_url}/graphql", token),
                    "LIST": lister(api, f"{plane.server}/api/v1/pods"),
                    "naive": asker(session, f"{naive_url}/graphql/", token),
                }
                await until_answering(turns["gateway"])
                await until_answering(turns["naive"])
                say(f"measuring {options.rounds} rounds")
                figures = await measure(turns, options.rounds)
            memory = resident(gateway.pid)
    report(figures, memory, options)


def start(stack: contextlib.ExitStack, what: str, plane: ControlPlane) -> tuple[subprocess.Popen[bytes], str]:
    """Start one of the two servers as a process of its own; its address."""
    port, kubeconfig = free_port(), str(plane.kubeconfig_of(GATEWAY))
    command = {
        "gateway": [
            str(BIN / "binnacle"),
            "serve",
            "--kubeconfig",
            kubeconfig,
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
            "--log-level",
            "warning",
        ],
        "naive": [sys.executable, "-m", "tests.benchmarks.naive", kubeconfig, str(port)],
    }[what]
    process = subprocess.Popen(command)
    stack.callback(process.wait)
    stack.callback(process.terminate)
    return process, f"http://127.0.0.1:{port}"


Turn = Callable[[], Awaitable[int]]  # one request; the bytes of its answer


def asker(session: aiohttp.ClientSession, url: str, token: str) -> Turn:
    async def ask() -> int:
        async with session.post(url, json={"query": QUERY}, headers={"Authorization": f"Bearer {token}"}) as response:
            body = await response.read()
            if response.status != 200 or b'"errors"' in body[-4096:]:
                raise RuntimeError(f"{url} answered {response.status}: {body[:300]!r}")
            return len(body)

    return ask


def lister(session: aiohttp.ClientSession, url: str) -> Turn:
    async def ask() -> int:
        async with session.get(url, headers={"Accept-Encoding": "identity"}) as response:
            response.raise_for_status()
            return len(await response.read())

    return ask


async def until_answering(turn: Turn) -> None:
    async def answering() -> bool:
        try:
            await turn()
        except (aiohttp.ClientError, RuntimeError):
            return False
        return True

    await eventually(answering, limit_s=120)


async def measure(turns: dict[str, Turn], rounds: int) -> dict[str, list[tuple[float, int]]]:
    """Seconds and bytes per turn; everybody takes turns, so that a slow minute of the machine slows all of them."""
    figures: dict[str, list[tuple[float, int]]] = {name: [] for name in turns}
    for _ in range(rounds):
        for name, turn in turns.items():
            started = time.perf_counter()
            size = await turn()
            figures[name].append((time.perf_counter() - started, size))
    return figures


def resident(pid: int) -> int:
    """The resident memory of a process, in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise LookupError(pid)


def report(figures: dict[str, list[tuple[float, int]]], memory: int, options: argparse.Namespace) -> None:
    base = statistics.median(seconds for seconds, _ in figures["gateway"])
    print(f"\n{options.nodes} nodes, {options.pods} pods, {options.rounds} rounds: {QUERY}\n")
    print(f"{'':<10}{'median':>10}{'min':>10}{'max':>10}{'MiB':>9}{'gateway is':>17}")
    for name, turns in figures.items():
        times = sorted(seconds for seconds, _ in turns)
        median = statistics.median(times)
        ratio = "" if name == "gateway" else f"{median / base:.1f} x faster"
        print(f"{name:<10}{median:>9.3f}s{times[0]:>9.3f}s{times[-1]:>9.3f}s{turns[0][1] / MIB:>9.1f}{ratio:>17}")
    print(f"\nmemory of the gateway: {memory / MIB:.0f} MiB")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def say(line: str) -> None:
    print(f"bench: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
