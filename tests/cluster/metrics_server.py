"""The real metrics-server before a control plane, reading what KWOK serves in the place of kubelets."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from tests.cluster import programs
from tests.cluster.control_plane import START_LIMIT_S, ControlPlane, Refused, eventually
from tests.cluster.keys import Authority
from tests.cluster.objects import Manifest
from tests.cluster.process import Process, free_ports

GROUP: Final = "metrics.k8s.io"
ROOT: Final = f"/apis/{GROUP}/v1beta1"
RESOLUTION_S: Final = 10
"""Between two scrapes; it takes no less. A container has numbers after the second."""

PROXY: Final = "front-proxy-client"


def scraped(node: Manifest) -> Manifest:
    """A node whose kubelet metrics are KWOK's: the path has its name, the address is this machine's."""
    name = node["metadata"]["name"]
    path = {f"{GROUP}/resource-metrics-path": f"/metrics/nodes/{name}/metrics/resource"}
    return node | {
        "metadata": node["metadata"] | {"annotations": path},
        "status": node["status"] | {"addresses": [{"type": "InternalIP", "address": "127.0.0.1"}]},
    }


class MetricsServer:
    """Made before its control plane, which must be started with `api_server_flags` and with KWOK."""

    def __init__(
        self, folder: Path, say: Callable[[str], None] = lambda line: print(line, file=sys.stderr, flush=True)
    ) -> None:
        self._folder = folder
        self._say = say
        self._authority = Authority(folder)
        self._proxy = self._authority.client(PROXY, ())
        self._process: Process | None = None
        (self._port,) = free_ports(1)

    @property
    def api_server_flags(self) -> Sequence[str]:
        """By these the API server shows an aggregated one who asks."""
        certificate, key = self._proxy
        return (
            f"--requestheader-client-ca-file={self._authority.certificate}",
            f"--requestheader-allowed-names={PROXY}",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--proxy-client-cert-file={certificate}",
            f"--proxy-client-key-file={key}",
        )

    async def start(self, plane: ControlPlane) -> None:
        """Returns when the API server answers for it."""
        kubeconfig = plane.kubeconfig
        command: list[str | Path] = [
            await asyncio.to_thread(programs.provide, programs.METRICS_SERVER, self._say),
            f"--kubeconfig={kubeconfig}",
            f"--authentication-kubeconfig={kubeconfig}",
            f"--authorization-kubeconfig={kubeconfig}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self._port}",
            f"--cert-dir={self._folder}",
            f"--metric-resolution={RESOLUTION_S}s",
            f"--kubelet-request-timeout={RESOLUTION_S // 2}s",
            f"--kubelet-port={plane.kwok_address.rpartition(':')[2]}",
            "--deprecated-kubelet-completely-insecure",
            "--kubelet-preferred-address-types=InternalIP",
        ]
        self._process = Process(command, self._folder / "metrics-server.log")
        self._process.start()
        await self._register(plane)
        await self._process.ready(lambda: self._lists(plane, "nodes"), START_LIMIT_S)

    async def wait_for_pods(self, plane: ControlPlane, count: int) -> None:
        """Return when so many pods have numbers."""
        await eventually(lambda: self._lists(plane, "pods", count))

    def stop(self) -> None:
        if self._process:
            self._process.kill()

    @property
    def log(self) -> Path:
        return self._folder / "metrics-server.log"

    async def _register(self, plane: ControlPlane) -> None:
        # The API server goes by the name of such a Service, not by addresses, none of which may be this machine's.
        service = {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": self._port}]}
        path = "/api/v1/namespaces/kube-system/services"
        await plane.request("POST", path, {"metadata": {"name": "metrics-server"}, "spec": service})
        spec = {
            "group": GROUP,
            "version": "v1beta1",
            "service": {"name": "metrics-server", "namespace": "kube-system", "port": self._port},
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
            "insecureSkipTLSVerify": True,
        }
        service_api = {"metadata": {"name": f"v1beta1.{GROUP}"}, "spec": spec}
        await plane.request("POST", "/apis/apiregistration.k8s.io/v1/apiservices", service_api)

    async def _lists(self, plane: ControlPlane, what: str, at_least: int = 1) -> bool:
        with contextlib.suppress(Refused, ValueError):  # in its first moments it answers with what is no JSON
            return len((await plane.request("GET", f"{ROOT}/{what}"))["items"]) >= at_least
        return False
