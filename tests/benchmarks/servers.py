"""The servers under test: each a process of its own, on a core of its own, with what it took from /proc.

The last core is the server's, the first one the clients'; the API server, etcd and whatever else stands in for the
gateway's surroundings keep off the former, save while they are themselves measured (`placed`).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.benchmarks.objects import Recipe
from tests.benchmarks.writer import Writing
from tests.cluster.control_plane import ADMIN, ControlPlane, answers, eventually
from tests.cluster.process import Process, free_ports

READY: Final = re.compile(r"\bready\b.*\bseconds=([0-9.]+)")
START_LIMIT_S: Final = 600.0
REVIEW_LIMIT_S: Final = 10.0
"""An API server that holds 12 GB, and shares a core with the client, is not always done with 500 reviews in 0.9 s."""
CORES: Final = sorted(os.sched_getaffinity(0))
CLIENTS: Final = {CORES[0]}
SERVER: Final = {CORES[-1]}
OTHERS: Final = set(CORES) - SERVER or set(CORES)
EVERY: Final = set(CORES)


@dataclass(frozen=True, slots=True)
class Server:
    """A running server under test."""

    process: Process
    url: str

    def cpu_seconds(self) -> float:
        """Of all its threads that live: to the nanosecond, where `stat` counts in hundredths of a second."""
        threads = Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9

    def memory(self) -> int:
        """Resident bytes."""
        return self.process.memory()

    def peak_memory(self) -> int:
        """The most resident bytes that it ever had."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found
        return int(found[1]) * 1024


@dataclass(frozen=True, slots=True)
class GatewayServer(Server):
    door: Path
    start_seconds: float
    """From the start of the process until it was ready."""

    async def sync_seconds(self) -> float:
        """From listening, when the first lists are asked for, until all of them were there: its own log says so."""

        async def told() -> bool:
            return READY.search(self.process.log.read_text()) is not None

        await eventually(told)
        found = READY.search(self.process.log.read_text())
        assert found
        return float(found[1])

    async def pauses(self) -> list[float]:
        """What its garbage collector took, run by run, since this was asked last."""
        taken: list[float] = await self._ask("pauses")
        return taken

    async def profile(self, seconds: float) -> list[dict[str, Any]]:
        """The functions in which its threads spent the next seconds."""
        found: list[dict[str, Any]] = await self._ask(f"profile {seconds}")
        return found

    async def _ask(self, what: str) -> Any:
        reader, writer = await asyncio.open_unix_connection(str(self.door))
        writer.write(f"{what}\n".encode())
        answer = await reader.readline()
        writer.close()
        return json.loads(answer)


@dataclass(frozen=True, slots=True)
class Change:
    """Of a pod, as the API server confirmed it, at a moment of the machine's clock."""

    namespace: str
    name: str
    restarts: int
    at: float


class Written:
    """What a writer says."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._read = 0

    def news(self) -> list[Change]:
        """The changes that were confirmed since this was asked last."""
        with self._log.open("rb") as log:
            log.seek(self._read)
            said = log.read()
        whole = said[: said.rfind(b"\n") + 1]
        self._read += len(whole)
        return [Change(*json.loads(line)) for line in whole.splitlines()]


class Servers:
    """Starts servers in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0
        self.bodies = folder / "bodies"
        self.bodies.mkdir()

    @contextlib.asynccontextmanager
    async def gateway(
        self,
        kubernetes: Mapping[str, object],
        *,
        prometheus: Mapping[str, object] | None = None,
        execution: Mapping[str, object] | None = None,
    ) -> AsyncIterator[GatewayServer]:
        """`binnacle serve` with defaults, save for where things are, and how long reviews may take.

        Returns when it is ready.
        """
        (port,) = free_ports(1)
        name = self._name("gateway")
        config = self._folder / f"{name}.json"
        settings = {
            "server": {
                "host": "127.0.0.1",
                "port": port,
            },
            "auth": {"review_timeout_seconds": REVIEW_LIMIT_S},
            "kubernetes": kubernetes,
            **({"prometheus": prometheus} if prometheus else {}),
            **({"execution": execution} if execution else {}),
        }
        config.write_text(json.dumps(settings))
        door = self._folder / f"{name}.door"
        command: list[str | Path] = [sys.executable, "-m", "tests.benchmarks.launch", door, "serve", "--config", config]
        began = time.monotonic()
        url = f"http://127.0.0.1:{port}"
        with self._running(name, command, SERVER) as process:
            await process.ready(lambda: answers(f"{url}/readyz"), START_LIMIT_S)
            yield GatewayServer(process, url, door, time.monotonic() - began)

    @contextlib.asynccontextmanager
    async def bare(self, kubeconfig: Path | None = None) -> AsyncIterator[Server]:
        """Bare Starlette, sending what is in `bodies`."""
        command: list[str | Path] = [sys.executable, "-m", "tests.benchmarks.bare", self.bodies, "PORT"]
        async with self._started("bare", [*command, *([kubeconfig] if kubeconfig else [])]) as server:
            yield server

    @contextlib.asynccontextmanager
    async def naive(self, kubeconfig: Path, *, cached: bool) -> AsyncIterator[Server]:
        """What a team writes in a week, without a cache or with a simple one."""
        command: list[str | Path] = [sys.executable, "-m", "tests.benchmarks.naive", kubeconfig, "PORT"]
        async with self._started("naive", [*command, *(["--cached"] if cached else [])]) as server:
            yield server

    @contextlib.asynccontextmanager
    async def replay(self, recording: Path) -> AsyncIterator[Server]:
        """An API server that repeats what a real one said."""
        command: list[str | Path] = [sys.executable, "-m", "tests.benchmarks.replay", recording, "PORT"]
        async with self._started("replay", command, OTHERS) as server:
            yield server

    @contextlib.asynccontextmanager
    async def prometheus(self, pods: int, milliseconds: float) -> AsyncIterator[Server]:
        """A Prometheus that knows so many of the recipe's pods, and answers after this time."""
        command: list[str | Path] = [
            sys.executable,
            "-m",
            "tests.benchmarks.prometheus",
            "PORT",
            str(pods),
            str(milliseconds),
        ]
        async with self._started("prometheus", command, OTHERS) as server:
            yield server

    @contextlib.asynccontextmanager
    async def large_ones_under_way(self, url: str, connections: list[list[str]]) -> AsyncIterator[None]:
        """Another client, which keeps these requests (base64) under way on connections of its own."""
        name = self._name("load")
        file = self._folder / f"{name}.json"
        file.write_text(json.dumps({"url": url, "connections": connections}))
        with self._running(name, [sys.executable, "-m", "tests.benchmarks.load", file], CLIENTS, nice=5) as process:

            async def under_way() -> bool:
                return "under way" in process.log.read_text()

            await process.ready(under_way, START_LIMIT_S)
            yield

    @contextlib.asynccontextmanager
    async def writer(self, plane: ControlPlane, recipe: Recipe, per_second: float) -> AsyncIterator[Written]:
        """Pods of the recipe change on the API server itself, at this pace, while the block runs."""
        name = self._name("writer")
        file = self._folder / f"{name}.json"
        token = plane.token(ADMIN)
        writing = Writing(plane.server, str(plane.ca_file), token, recipe.nodes, recipe.pods, per_second)
        file.write_text(writing.dumped())
        with self._running(name, [sys.executable, "-m", "tests.benchmarks.writer", file], CLIENTS) as process:
            written = Written(process.log)

            async def begun() -> bool:
                return bool(written.news())

            await process.ready(begun, START_LIMIT_S)
            yield written

    @contextlib.asynccontextmanager
    async def _started(self, kind: str, command: list[str | Path], cores: set[int] = SERVER) -> AsyncIterator[Server]:
        (port,) = free_ports(1)
        url = f"http://127.0.0.1:{port}"
        placed_command = [str(port) if part == "PORT" else part for part in command]
        with self._running(self._name(kind), placed_command, cores) as process:
            await process.ready(lambda: _listens(port), START_LIMIT_S)
            yield Server(process, url)

    @contextlib.contextmanager
    def _running(self, name: str, command: list[str | Path], cores: set[int], nice: int = 0) -> Iterator[Process]:
        process = Process(command, self._folder / f"{name}.log")
        process.start()
        try:
            os.sched_setaffinity(process.pid, cores)  # before it has threads: they inherit it
            if nice:
                os.setpriority(os.PRIO_PROCESS, process.pid, nice)
            yield process
        finally:
            process.terminate()

    def _name(self, kind: str) -> str:
        self._number += 1
        return f"{kind}-{self._number}"


@contextlib.contextmanager
def as_client_on(cores: set[int]) -> Iterator[None]:
    """Have this process, which is the client, on these cores for a while: in a server's place."""
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, CLIENTS)


@contextlib.contextmanager
def placed(plane: ControlPlane, cores: set[int]) -> Iterator[None]:
    """Have the control plane on these cores for a while, and off the server's again."""
    place(plane, cores)
    try:
        yield
    finally:
        place(plane, OTHERS)


def place(plane: ControlPlane, cores: set[int]) -> None:
    for pid in plane.pids.values():
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(ProcessLookupError):  # it has just ended
                os.sched_setaffinity(int(thread.name), cores)


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
