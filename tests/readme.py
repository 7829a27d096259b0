"""The README walked as a new user walks it, from a clone to the nested answer on one's own cluster: `make readme`.

What is typed comes from the README's own code blocks, in their order, and is run by bash in a fresh clone of HEAD, by
somebody whose home folder is empty. Given to them: a cluster and its kubeconfig, kubectl, and what the package managers
have fetched before, since the network is no part of what is measured. Other than what they read: the address of their
Prometheus, which is an example there, and the port, since 8080 may be taken.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster import build, objects, programs
from tests.cluster.control_plane import ControlPlane, answers, eventually
from tests.cluster.exporters import Exporters
from tests.cluster.mirror import Mirror
from tests.cluster.process import Process, free_ports
from tests.cluster.prometheus import PrometheusServer, exporter_targets

ROOT = Path(__file__).parent.parent
SECTION = "Point it at your own cluster"
PROMETHEUS = "http://prometheus.example:9090"
PLACE = "localhost:8080"
START_LIMIT_S = 900.0
COMMAND_LIMIT_S = 60.0

# How this machine reaches the registries, and what it has fetched from them: the only things that are not a new user's.
REGISTRIES = re.compile(r"(?i)pip_|uv_|npm_config_|node_extra_|ssl_|curl_ca|requests_ca|.*_proxy$")
CACHES = {"UV_CACHE_DIR": ".cache/uv", "PIP_CACHE_DIR": ".cache/pip", "NPM_CONFIG_CACHE": ".npm"}


@dataclass(frozen=True, slots=True)
class Walk:
    """One user's way: where they stand, what their shell knows, and how they reach their cluster's Prometheus."""

    checkout: Path
    environment: Mapping[str, str]
    prometheus: str
    log: Path

    async def to_the_answer(self) -> tuple[Any, float]:
        """What the last command printed, and the seconds until the gateway was ready."""
        serve, *others = commands(SECTION, (self.checkout / "README.md").read_text())
        assert serve.startswith("make serve"), serve
        assert others[-1].startswith("curl "), others[-1]
        (port,) = free_ports(1)
        started = time.monotonic()
        async with self._in_another_terminal(serve, port):
            seconds = time.monotonic() - started
            for command in others:
                printed = await asyncio.to_thread(self._typed, command.replace(PLACE, f"localhost:{port}"))
        return json.loads(printed), seconds

    @contextlib.asynccontextmanager
    async def _in_another_terminal(self, command: str, port: int):
        """It serves until the block ends; entered when it is ready."""
        variables = [f"{name}={value}" for name, value in self.environment.items()]
        line = command.replace(PROMETHEUS, self.prometheus)
        process = Process(
            ["env", "-i", "-C", self.checkout, *variables, f"BINNACLE_SERVER__PORT={port}", "bash", "-ec", line],
            self.log,
        )
        process.start()
        try:
            await process.ready(lambda: answers(f"http://127.0.0.1:{port}/readyz"), START_LIMIT_S)
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGINT)  # Ctrl-C
            await asyncio.to_thread(process.terminate)

    def _typed(self, command: str) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=self.checkout, env=dict(self.environment), capture_output=True, text=True, check=False,
            timeout=COMMAND_LIMIT_S,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout


def commands(heading: str, text: str) -> list[str]:
    """The code blocks for a shell under a heading of a Markdown page."""
    section = text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"^```console\n(.*?)\n```$", section, re.MULTILINE | re.DOTALL)


def new_user(home: Path, kubeconfig: Path) -> dict[str, str]:
    """The environment of somebody who has nothing but the programs that the README asks for, and a kubeconfig."""
    kubectl = programs.provide(programs.KUBECTL, print)
    python = Path(sys.base_prefix) / "bin"
    return {
        **{name: value for name, value in os.environ.items() if REGISTRIES.match(name)},
        **{name: os.environ.get(name) or str(Path.home() / folder) for name, folder in CACHES.items()},
        "HOME": str(home),
        "KUBECONFIG": str(kubeconfig),
        "PATH": os.pathsep.join([str(kubectl.parent), str(python), "/usr/local/bin", "/usr/bin", "/bin"]),
    }


def names(answer: Any) -> dict[str, set[str]]:
    """Node to its pods, of an answer without errors."""
    assert "errors" not in answer, answer
    return {node["name"]: {pod["name"] for pod in node["pods"]} for node in answer["data"]["nodes"]}


async def main() -> int:
    plane = ControlPlane(with_controllers=True, with_kwok=True)
    programs.provide_all([*plane.needed_programs(), programs.PROMETHEUS], print)
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="binnacle-readme-")))
        await stack.enter_async_context(plane)
        nodes = [node["metadata"]["name"] for node in await plane.create(objects.nodes(3))]
        await plane.create(objects.pod(f"web-{number}", node=nodes[1 + number % 2]) for number in range(4))
        exporters = stack.enter_context(Exporters(Mirror(plane)))
        prometheus = await stack.enter_async_context(
            PrometheusServer(exporter_targets(exporters.address, nodes), kwok_address=plane.kwok_address)
        )
        await eventually(lambda: answers(f"{prometheus.url}/-/ready"))
        (home := folder / "home").mkdir()
        started = time.monotonic()
        subprocess.run(["git", "clone", "--quiet", ROOT, folder / "binnacle"], check=True)
        walk = Walk(folder / "binnacle", new_user(home, plane.kubeconfig), prometheus.url, folder / "log")
        answer, until_ready = await walk.to_the_answer()
        seconds = time.monotonic() - started
    shown = names(answer)
    assert set(shown) == set(nodes), shown
    assert {pod for pods in shown.values() for pod in pods} >= {f"web-{number}" for number in range(4)}, shown
    print(f"From a clone to the nested answer: {seconds:.0f} s, of them {until_ready:.0f} s until `make serve` served")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main()))
    except build.CannotBuild as error:
        sys.exit(f"make readme: {error}")
