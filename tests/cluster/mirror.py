"""The exporters' world as a control plane has it: its nodes and pods, using what their annotations say."""

from __future__ import annotations

import contextlib
import json
import re
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from tests.cluster.control_plane import ADMIN, ControlPlane
from tests.cluster.exporters import NodeUse, PodUse, World
from tests.cluster.objects import CPU_USE, MEMORY_USE

FRESH_S = 1.0
"""One look serves all the pages that Prometheus scrapes in a second."""
LOOK_LIMIT_S = 5.0
SYSTEM_CPU = 0.2
SYSTEM_MEMORY = 2**30
"""What a node uses beside its pods, in cores and bytes."""

UNITS = {"": 1.0, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40}


class Mirror:
    """Call it for the world now. While the API server does not answer, the exporters go on with what they knew.

    Blocking, and used by the exporters' threads alone.
    """

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._tls = ssl.create_default_context(cafile=plane.ca_file)
        self._lock = threading.Lock()
        self._looked_at = -FRESH_S
        self._world = World()

    def __call__(self) -> World:
        with self._lock:
            if time.monotonic() - self._looked_at >= FRESH_S:
                with contextlib.suppress(urllib.error.URLError, TimeoutError, ConnectionError):
                    self._world = world(self._items("/api/v1/nodes"), self._items("/api/v1/pods"))
                self._looked_at = time.monotonic()
            return self._world

    def _items(self, path: str) -> list[Mapping[str, Any]]:
        """The kind's objects from the API server's watch cache."""
        token = self._plane.token(ADMIN)
        request = urllib.request.Request(
            f"{self._plane.server}{path}?resourceVersion=0", headers={"Authorization": f"Bearer {token}"}
        )
        with urllib.request.urlopen(request, context=self._tls, timeout=LOOK_LIMIT_S) as answer:
            items: list[Mapping[str, Any]] = json.load(answer)["items"]
            return items


def world(nodes: list[Mapping[str, Any]], pods: list[Mapping[str, Any]]) -> World:
    """Objects as the API server lists them, as what they use."""
    used = [_pod_use(pod) for pod in pods if pod["spec"].get("nodeName")]
    return World([_node_use(node, used) for node in nodes], used)


def _pod_use(pod: Mapping[str, Any]) -> PodUse:
    annotations = pod["metadata"].get("annotations", {})
    containers = pod["spec"]["containers"]
    owners = pod["metadata"].get("ownerReferences", [])
    return PodUse(
        namespace=pod["metadata"]["namespace"],
        name=pod["metadata"]["name"],
        node=pod["spec"]["nodeName"],
        address=pod["status"].get("podIP", ""),
        uid=pod["metadata"]["uid"],
        containers=tuple(container["name"] for container in containers),
        image=containers[0]["image"],
        cpu_used=quantity(annotations.get(CPU_USE, "1m")),  # the defaults are those of kwok.yaml
        memory_used=int(quantity(annotations.get(MEMORY_USE, "1Mi"))),
        phase=pod["status"].get("phase", "Unknown"),
        created_by=owners[0]["kind"] if owners else "<none>",
    )


def _node_use(node: Mapping[str, Any], pods: list[PodUse]) -> NodeUse:
    name = node["metadata"]["name"]
    own = [pod for pod in pods if pod.node == name and pod.phase == "Running"]
    capacity = node["status"]["capacity"]
    memory = int(quantity(capacity["memory"]))
    memory_used = SYSTEM_MEMORY + sum(pod.memory_used * len(pod.containers) for pod in own)
    addresses = {address["type"]: address["address"] for address in node["status"].get("addresses", [])}
    return NodeUse(
        name=name,
        address=addresses.get("InternalIP", ""),
        cores=int(quantity(capacity["cpu"])),
        cpu_used=SYSTEM_CPU + sum(pod.cpu_used * len(pod.containers) for pod in own),
        memory_total=memory,
        memory_available=max(memory - memory_used, 0),
        receive_rate=sum(pod.receive_rate for pod in own),
        transmit_rate=sum(pod.transmit_rate for pod in own),
        kubelet_version=node["status"]["nodeInfo"]["kubeletVersion"],
    )


def quantity(text: str) -> float:
    """A Kubernetes quantity such as `250m` or `64Mi` as a number."""
    number = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", text)
    if not number:
        raise ValueError(f"not a quantity: {text!r}")
    return float(number.group(1)) * UNITS[number.group(2)]
