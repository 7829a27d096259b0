"""The gateway in a process of its own, over a simulated cluster here: what it holds and how late it is are its own."""

import contextlib
import json
import re
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from gateway.demo import simulated_cluster
from tests.cluster.process import Process, free_ports
from tests.front_door import ADMIN, REVIEW_PATIENCE_S, Answer

START_LIMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Apart:
    """A serving process, and a client for it."""

    process: Process
    url: str
    metrics_url: str
    session: aiohttp.ClientSession

    async def ask(self, query: str, token: str = ADMIN, **headers: str) -> Answer:
        sent = {"Authorization": f"Bearer {token}", **headers}
        async with self.session.post(f"{self.url}/graphql", json={"query": query}, headers=sent) as response:
            return Answer(response.status, response.headers, await response.text())

    async def metrics(self, name: str) -> dict[str, float]:
        """The samples of one family at this moment, by their labels as they stand in the page."""
        async with self.session.get(self.metrics_url) as response:
            page = await response.text()
        return {labels: float(value) for labels, value in re.findall(rf"^{name}(\S*) (\S+)$", page, re.MULTILINE)}


@asynccontextmanager
async def gateway_apart(
    folder: Path, *, sections: Mapping[str, Mapping[str, Any]] | None = None, **options: Any
) -> AsyncIterator[Apart]:
    """Serve a simulated cluster of these options, with these sections of the config; ready when entered."""
    port, metrics_port = free_ports(2)
    async with simulated_cluster(**{"nodes": 3, "pods_per_node": 10, "churn": 0, **options}) as simulated:
        config: dict[str, dict[str, Any]] = {
            "server": {"host": "127.0.0.1", "port": port},
            "kubernetes": {"server": simulated.kubernetes_url, "token_file": str(simulated.gateway_token_file)},
            "prometheus": {"url": simulated.prometheus_url, "profile": "generic"},
            "auth": {"review_timeout_seconds": REVIEW_PATIENCE_S},
            "telemetry": {"metrics_port": metrics_port},
        }
        for section, settings in (sections or {}).items():
            config.setdefault(section, {}).update(settings)
        file = folder / "binnacle.json"
        file.write_text(json.dumps(config))
        binnacle = Path(sys.executable).parent / "binnacle"
        process = Process([binnacle, "serve", "--config", file], folder / "binnacle.log")
        process.start()
        try:
            async with aiohttp.ClientSession() as session:
                apart = Apart(process, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{metrics_port}/metrics", session)
                await process.ready(lambda: _ready(apart), START_LIMIT_S)
                yield apart
        finally:
            process.terminate()


async def _ready(apart: Apart) -> bool:
    with contextlib.suppress(aiohttp.ClientError):
        async with apart.session.get(f"{apart.url}/readyz") as response:
            return response.status == 200
    return False
