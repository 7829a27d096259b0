"""The parts on which the soak plays, all of them real, and the proxies between them.

    clients ── TLS ──> gateway ──> proxy ──> kube-apiserver ──> etcd
                          └──> lying Prometheus ──> Prometheus ──> exporters

The gateway is `binnacle serve` in a process of its own: what it holds can be counted.
"""

import contextlib
import json
import os
import random
import re
import signal
import ssl
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import aiohttp

from tests.cluster.control_plane import ADMIN, ControlPlane
from tests.cluster.exporters import Exporters
from tests.cluster.keys import Authority
from tests.cluster.mirror import Mirror
from tests.cluster.process import Process, free_ports
from tests.cluster.prometheus import PrometheusServer, exporter_targets
from tests.faults.proxy import Proxy
from tests.faults.replies import LyingPrometheus, RefusingApiServer
from tests.soak import load, serving
from tests.soak.load import Caller, Writer
from tests.soak.model import Model

# The gateway's own limit is 70 s; a fault that lasts longer than that would be most of the soak.
SILENCE_S: Final = 5.0
# What the gateway waits for either system, and requests for their turn. Its own limits, 0.9 s and 2 s, would tell of a
# busy machine.
PATIENCE_S: Final = 3.0
ACCOUNT: Final = "system:serviceaccount:default:gateway"
VIEWERS: Final = ("viewer", "alice", "bob")
START_LIMIT_S: Final = 60.0


@dataclass(slots=True)
class Gateway:
    """The process under test, seen from outside."""

    process: Process
    url: str
    metrics_url: str
    clock: Path

    def give_back(self) -> None:
        """Have it collect what it does not use any more."""
        os.kill(self.process.pid, signal.SIGUSR1)

    @property
    def memory(self) -> int:
        return self.process.memory()

    @property
    def files(self) -> int:
        """Open files: sockets above all."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    @property
    def log(self) -> str:
        return self.process.log.read_text(errors="replace")

    async def metric(self, name: str) -> float:
        """One number of /metrics; the sum over its labels."""
        async with aiohttp.ClientSession() as session, session.get(self.metrics_url) as answer:
            page = await answer.text()
        return sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", page, re.MULTILINE))


@dataclass(slots=True)
class Stage:
    """Everything that can be broken, and what is needed to mend it."""

    plane: ControlPlane
    prometheus: PrometheusServer
    proxy: Proxy  # between the gateway and the API server
    refusing: RefusingApiServer
    lying: LyingPrometheus
    gateway: Gateway
    model: Model
    writers: Sequence[Writer]
    callers: Sequence[Caller]
    authority: Authority  # of the gateway's own certificate
    trust: Sequence[ssl.SSLContext]  # how all but the gateway recognise the API server
    folder: Path
    secrets: dict[str, int] = field(default_factory=dict)

    @property
    def robot(self) -> Caller:
        """The caller whose token can be withdrawn."""
        return self.callers[-1]

    @property
    def trusted(self) -> ssl.SSLContext:
        """How clients recognise the gateway."""
        return ssl.create_default_context(cafile=self.authority.certificate)

    def serve_another_certificate(self) -> None:
        certificate, key = self.authority.server("gateway")
        self.replace("tls.key", key.read_bytes())
        self.replace("tls.crt", certificate.read_bytes())

    def lead_to_api_server(self) -> None:
        self.proxy.lead_to("127.0.0.1", self.plane._port)

    async def new_token(self, account: str) -> str:
        """A token of this service account, and the end of the one before: each belongs to a Secret of its own."""
        number = self.secrets[account] = self.secrets.get(account, 0) + 1
        name = f"{account}-{number}"
        await self.plane.request("POST", "/api/v1/namespaces/default/secrets", {"metadata": {"name": name}})
        secret = {"kind": "Secret", "apiVersion": "v1", "name": name}
        answer = await self.plane.request(
            "POST",
            f"/api/v1/namespaces/default/serviceaccounts/{account}/token",
            {"spec": {"expirationSeconds": 3600, "boundObjectRef": secret}},
        )
        return str(answer["status"]["token"])

    async def withdraw_token(self, account: str) -> None:
        """The last one stops counting, some seconds after this."""
        path = f"/api/v1/namespaces/default/secrets/{account}-{self.secrets[account]}"
        await self.plane.request("DELETE", path)

    def replace(self, name: str, content: bytes) -> None:
        """Another content for one of the gateway's files, all of it at once, as kubelet does."""
        aside = self.folder / f"{name}.new"
        aside.write_bytes(content)
        aside.rename(self.folder / name)


@asynccontextmanager
async def set_stage(folder: Path, seed: int) -> AsyncIterator[Stage]:
    """Start everything, write the first objects, and wait until the gateway serves them."""
    async with AsyncExitStack() as stack:
        plane = await stack.enter_async_context(ControlPlane())
        mirror = Mirror(plane)
        exporters = stack.enter_context(Exporters(mirror))
        targets = exporter_targets(exporters.address, load.NODES[:-1])
        prometheus = await stack.enter_async_context(PrometheusServer(targets))
        proxy = await stack.enter_async_context(Proxy("127.0.0.1", plane._port))
        certificate, key = plane._authority.server("refusing")
        refusing = await stack.enter_async_context(RefusingApiServer(certificate, key))
        lying = await stack.enter_async_context(LyingPrometheus(prometheus.url))
        model = Model(kind().kind for kind in load.KINDS)
        trust = ssl.create_default_context(cafile=plane.ca_file)
        writers = await _writers(stack, plane, trust, model, seed)
        for writer in writers:
            await writer.create_all()
        callers = await _callers(plane)
        (folder / "own").mkdir()
        authority = Authority(folder / "own")
        gateway = _gateway(folder, plane, proxy, lying)
        stage = Stage(
            plane,
            prometheus,
            proxy,
            refusing,
            lying,
            gateway,
            model,
            writers,
            callers,
            authority,
            (trust, mirror._tls),
            folder,
        )
        stage.serve_another_certificate()
        await plane.create_service_account("gateway")
        await plane.kubectl(
            "create", "clusterrolebinding", "soak", "--clusterrole=binnacle-gateway", f"--user={ACCOUNT}"
        )
        await plane.wait_allowed(ACCOUNT, "list", "pods")
        stage.replace("token", (await stage.new_token("gateway")).encode())
        stage.robot.token = await stage.new_token("robot")
        gateway.process.start()
        stack.callback(gateway.process.terminate)
        await gateway.process.ready(lambda: _ready(stage), START_LIMIT_S)
        yield stage


async def _ready(stage: Stage) -> bool:
    with contextlib.suppress(aiohttp.ClientError):
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=stage.trusted)) as session,
            session.get(stage.gateway.url.replace("/graphql", "/readyz")) as answer,
        ):
            return answer.status == 200
    return False


async def _writers(
    stack: AsyncExitStack, plane: ControlPlane, trust: ssl.SSLContext, model: Model, seed: int
) -> list[Writer]:
    session = await stack.enter_async_context(
        aiohttp.ClientSession(
            plane.server,
            connector=aiohttp.TCPConnector(ssl=trust),
            headers={"Authorization": f"Bearer {plane.token(ADMIN)}"},
            timeout=aiohttp.ClientTimeout(total=load.WRITE_LIMIT_S),
        )
    )
    return [Writer(kind(), model, session, random.Random(f"{seed}/{kind().kind}")) for kind in load.KINDS]


async def _callers(plane: ControlPlane) -> list[Caller]:
    """Who sees everything, who sees one namespace, and a robot that sees everything."""
    resources = ["nodes", "pods", "namespaces", "services"]
    for user in (*VIEWERS, await plane.create_service_account("robot")):
        await plane.allow(user, ["list"], resources)
    await plane.allow("carol", ["list"], ["pods", "services"], namespace="shop")
    viewers = [Caller(name, plane.token(name)) for name in VIEWERS]
    return [*viewers, Caller("carol", plane.token("carol"), only="shop"), Caller("robot", "")]


def _gateway(folder: Path, plane: ControlPlane, proxy: Proxy, lying: LyingPrometheus) -> Gateway:
    (folder / "ca.crt").write_bytes(plane.ca_file.read_bytes())
    clock = folder / "clock"
    clock.write_bytes(serving.NOBODY_OFF)
    port, metrics_port = free_ports(2)
    config = {
        "server": {
            "host": "127.0.0.1",
            "port": port,
            "tls_certificate": str(folder / "tls.crt"),
            "tls_key": str(folder / "tls.key"),
            "log_format": "json",
            "wait_seconds": PATIENCE_S,
        },
        "kubernetes": {
            "server": f"https://127.0.0.1:{proxy.port}",
            "ca_file": str(folder / "ca.crt"),
            "token_file": str(folder / "token"),
        },
        "prometheus": {
            "url": lying.url,
            "scrape_interval_seconds": 1,
            "rate_window": "10s",
            "retry_after_seconds": 1,
            "timeout_seconds": PATIENCE_S,
            "response_limit_bytes": 4 * 2**20,
        },
        "auth": {"review_timeout_seconds": PATIENCE_S},
        "telemetry": {"metrics_port": metrics_port},
    }
    file = folder / "binnacle.json"
    file.write_text(json.dumps(config))
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "tests.soak.serving",
        clock,
        str(SILENCE_S),
        "serve",
        "--config",
        file,
    ]
    return Gateway(
        Process(command, folder / "gateway.log"),
        f"https://localhost:{port}/graphql",
        f"http://127.0.0.1:{metrics_port}/metrics",
        clock,
    )
