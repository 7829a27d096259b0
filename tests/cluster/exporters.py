"""What node exporter, cAdvisor and kube-state-metrics would say of a cluster that has no machines.

One HTTP server in a thread (so that Prometheus can scrape it whichever test's event loop runs) with three pages:

    /nodes/NODE/metrics     node exporter on that node
    /cadvisor/NODE/metrics  the kubelet's /metrics/cadvisor of that node
    /state/metrics          kube-state-metrics

Names and labels are those of node exporter 1.12, cAdvisor in kubelet 1.37 and kube-state-metrics 2.19. Counters grow
steadily with the wall clock at the rates that the world states, so that a test knows what `rate()` must answer.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

RUNNING_FOR_S = 3600.0
"""How long everything has been counting when the exporters start."""
SANDBOX_MEMORY = 300 * 1024
"""What a pod's pause container takes."""


@dataclass(frozen=True, slots=True)
class NodeUse:
    """One node and what its machine does; rates are per second."""

    name: str
    address: str
    cores: int = 4
    cpu_used: float = 1.5
    """Cores busy on average, all of them together: 30 % of it in the kernel, the rest in programs."""
    memory_total: int = 16 * 2**30
    memory_available: int = 10 * 2**30
    receive_rate: float = 2_000_000.0
    transmit_rate: float = 1_000_000.0
    """Bytes a second on eth0; lo and one pod's veth carry traffic too, which is not the node's."""
    filesystem_size: int = 100 * 2**30
    filesystem_available: int = 60 * 2**30
    read_rate: float = 300_000.0
    write_rate: float = 200_000.0
    """Bytes a second of the disk vda; a mapping on it counts the same ones once more."""
    kubelet_version: str = "v1.37.2"


@dataclass(frozen=True, slots=True)
class PodUse:
    """One pod and what its containers do; rates are per second, `cpu_used` and `memory_used` per container."""

    namespace: str
    name: str
    node: str
    address: str = ""
    uid: str = ""
    containers: tuple[str, ...] = ("web",)
    image: str = "registry.k8s.io/nginx:1.29"
    cpu_used: float = 0.01
    memory_used: int = 64 * 2**20
    receive_rate: float = 1_000.0
    transmit_rate: float = 500.0
    filesystem_used: int = 2 * 2**20
    read_rate: float = 3_000.0
    write_rate: float = 2_000.0
    throttled: float = 0.25
    """The share of its ten scheduling periods a second in which each container is held back."""
    phase: str = "Running"
    created_by: str = "ReplicaSet"
    """The kind of its owner; `<none>` for a pod that nobody owns."""


@dataclass(frozen=True, slots=True)
class World:
    """What there is to be measured at one moment."""

    nodes: Sequence[NodeUse] = ()
    pods: Sequence[PodUse] = ()

    def node(self, name: str) -> NodeUse | None:
        return next((node for node in self.nodes if node.name == name), None)

    def pods_of(self, node: str) -> list[PodUse]:
        """The pods that the node's kubelet runs; those that have ended are not measured."""
        return [pod for pod in self.pods if pod.node == node and pod.phase == "Running"]


Labels = Mapping[str, str]
Samples = Iterator[tuple[Labels, float]]


@dataclass(frozen=True, slots=True)
class Family:
    """The series of one metric name, as the text format groups them."""

    name: str
    kind: str
    samples: Iterable[tuple[Labels, float]]


def node_exporter(node: NodeUse, counted_s: float) -> Iterator[Family]:
    """One machine, after counting for so many seconds."""
    yield Family("node_cpu_seconds_total", "counter", _cpu_seconds(node, counted_s))
    yield Family("node_memory_MemTotal_bytes", "gauge", [({}, node.memory_total)])
    yield Family("node_memory_MemAvailable_bytes", "gauge", [({}, node.memory_available)])
    yield Family("node_memory_MemFree_bytes", "gauge", [({}, node.memory_available // 2)])
    yield Family("node_memory_Buffers_bytes", "gauge", [({}, node.memory_available // 10)])
    yield Family("node_memory_Cached_bytes", "gauge", [({}, node.memory_available * 4 // 10)])
    # only eth0's bytes are the node's own: a question that adds up all devices is wrong, and shows it here
    for name, rate in (("receive", node.receive_rate), ("transmit", node.transmit_rate)):
        devices = {"eth0": rate, "lo": rate / 2, "veth1a2b3c4d": rate / 4}
        series = [({"device": device}, counted_s * bytes_a_second) for device, bytes_a_second in devices.items()]
        yield Family(f"node_network_{name}_bytes_total", "counter", series)
    # the same disk under two mount points, and one that is only memory
    mounts = [
        ({"device": "/dev/vda1", "fstype": "ext4", "mountpoint": "/"}, 1.0),
        ({"device": "/dev/vda1", "fstype": "ext4", "mountpoint": "/var/lib/kubelet"}, 1.0),
        ({"device": "tmpfs", "fstype": "tmpfs", "mountpoint": "/run"}, 0.01),
    ]
    for name, amount in (("size", node.filesystem_size), ("avail", node.filesystem_available)):
        yield Family(f"node_filesystem_{name}_bytes", "gauge", [(labels, amount * part) for labels, part in mounts])
    for name, rate in (("read", node.read_rate), ("written", node.write_rate)):
        disks = [({"device": device}, counted_s * rate) for device in ("vda", "dm-0")]
        yield Family(f"node_disk_{name}_bytes_total", "counter", disks)
    uname = {"nodename": node.name, "sysname": "Linux", "release": "6.12.0-amd64", "machine": "x86_64"}
    yield Family("node_uname_info", "gauge", [(uname, 1)])


def _cpu_seconds(node: NodeUse, counted_s: float) -> Samples:
    busy = node.cpu_used / node.cores
    modes = {"idle": 0.95 * (1 - busy), "iowait": 0.05 * (1 - busy), "user": 0.7 * busy, "system": 0.3 * busy}
    for core in range(node.cores):
        for mode, part in modes.items():
            yield {"cpu": str(core), "mode": mode}, counted_s * part
        for mode in ("irq", "nice", "softirq", "steal"):
            yield {"cpu": str(core), "mode": mode}, 0.0


def cadvisor(node: NodeUse, pods: Sequence[PodUse], counted_s: float) -> Iterator[Family]:
    """One kubelet's containers, beside the sums that repeat them: of the pod's cgroup and of the whole machine."""
    yield Family("container_cpu_usage_seconds_total", "counter", _cpu_usage(node, pods, counted_s))
    yield Family("container_memory_working_set_bytes", "gauge", _memory_usage(node, pods))
    yield Family("container_fs_usage_bytes", "gauge", _filesystem_usage(node, pods))
    received = _traffic(node.receive_rate, [(pod, pod.receive_rate) for pod in pods], counted_s)
    yield Family("container_network_receive_bytes_total", "counter", received)
    transmitted = _traffic(node.transmit_rate, [(pod, pod.transmit_rate) for pod in pods], counted_s)
    yield Family("container_network_transmit_bytes_total", "counter", transmitted)
    for name, of in (("reads", "read_rate"), ("writes", "write_rate")):
        transferred = _transfers(getattr(node, of), [(pod, getattr(pod, of)) for pod in pods], counted_s)
        yield Family(f"container_fs_{name}_bytes_total", "counter", transferred)
    yield Family("container_cpu_cfs_periods_total", "counter", _periods(pods, counted_s, throttled=False))
    yield Family("container_cpu_cfs_throttled_periods_total", "counter", _periods(pods, counted_s, throttled=True))


MACHINE: Labels = {"container": "", "id": "/", "image": "", "name": "", "namespace": "", "pod": ""}


def _cpu_usage(node: NodeUse, pods: Sequence[PodUse], counted_s: float) -> Samples:
    yield {**MACHINE, "cpu": "total"}, counted_s * node.cpu_used
    for pod in pods:
        for container in pod.containers:
            yield _container(pod, container) | {"cpu": "total"}, counted_s * pod.cpu_used
        yield _cgroup(pod) | {"cpu": "total"}, counted_s * pod.cpu_used * len(pod.containers)


def _memory_usage(node: NodeUse, pods: Sequence[PodUse]) -> Samples:
    yield MACHINE, node.memory_total - node.memory_available
    for pod in pods:
        for container in pod.containers:
            yield _container(pod, container), pod.memory_used
        yield _sandbox(pod), SANDBOX_MEMORY
        yield _cgroup(pod), pod.memory_used * len(pod.containers) + SANDBOX_MEMORY


def _filesystem_usage(node: NodeUse, pods: Sequence[PodUse]) -> Samples:
    yield {**MACHINE, "device": "/dev/vda1"}, node.filesystem_size - node.filesystem_available
    for pod in pods:
        for container in pod.containers:
            yield _container(pod, container) | {"device": "/dev/vda1"}, pod.filesystem_used


def _traffic(node_rate: float, pods: Sequence[tuple[PodUse, float]], counted_s: float) -> Samples:
    """A pod's containers share one network, which belongs to the sandbox: these series name no container."""
    yield {**MACHINE, "interface": "eth0"}, counted_s * node_rate
    for pod, rate in pods:
        yield _sandbox(pod) | {"container": "", "interface": "eth0"}, counted_s * rate


def _transfers(node_rate: float, pods: Sequence[tuple[PodUse, float]], counted_s: float) -> Samples:
    """By container, and once more by the pod's cgroup; once more by the mapping on the disk."""
    for device in ("/dev/vda", "/dev/dm-0"):
        yield {**MACHINE, "device": device}, counted_s * node_rate
        for pod, rate in pods:
            for container in pod.containers:
                yield _container(pod, container) | {"device": device}, counted_s * rate
            yield _cgroup(pod) | {"device": device}, counted_s * rate * len(pod.containers)


def _periods(pods: Sequence[PodUse], counted_s: float, *, throttled: bool) -> Samples:
    for pod in pods:
        for container in pod.containers:
            yield _container(pod, container), counted_s * 10 * (pod.throttled if throttled else 1.0)


def _container(pod: PodUse, container: str) -> dict[str, str]:
    return {
        "container": container,
        "id": f"/kubepods/burstable/pod{pod.uid}/{container}",
        "image": pod.image,
        "name": f"{container}-{pod.uid}",
        "namespace": pod.namespace,
        "pod": pod.name,
    }


def _sandbox(pod: PodUse) -> dict[str, str]:
    image = "registry.k8s.io/pause:3.10"
    return _container(pod, "POD") | {"id": f"/kubepods/burstable/pod{pod.uid}/sandbox", "image": image}


def _cgroup(pod: PodUse) -> dict[str, str]:
    return _container(pod, "") | {"id": f"/kubepods/burstable/pod{pod.uid}", "image": "", "name": ""}


def kube_state_metrics(world: World) -> Iterator[Family]:
    """What kube-state-metrics reads from the API server."""
    nodes = [
        {"node": node.name, "internal_ip": node.address, "kubelet_version": node.kubelet_version}
        for node in world.nodes
    ]
    yield Family("kube_node_info", "gauge", [(labels, 1) for labels in nodes])
    pods = [
        {
            "namespace": pod.namespace,
            "pod": pod.name,
            "uid": pod.uid,
            "node": pod.node,
            "pod_ip": pod.address,
            "host_network": "false",
            "created_by_kind": pod.created_by,
        }
        for pod in world.pods
    ]
    yield Family("kube_pod_info", "gauge", [(labels, 1) for labels in pods])
    phases = [
        ({"namespace": pod.namespace, "pod": pod.name, "uid": pod.uid, "phase": phase}, float(pod.phase == phase))
        for pod in world.pods
        for phase in ("Pending", "Running", "Succeeded", "Failed", "Unknown")
    ]
    yield Family("kube_pod_status_phase", "gauge", phases)


def exposition(families: Iterable[Family]) -> str:
    """The text format, version 0.0.4."""
    lines: list[str] = []
    for family in families:
        lines += [f"# HELP {family.name} Of the test cluster.", f"# TYPE {family.name} {family.kind}"]
        lines += [f"{family.name}{_braced(labels)} {value!r}" for labels, value in family.samples]
    return "\n".join([*lines, ""])


def _braced(labels: Labels) -> str:
    pairs = (f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels.items())
    return "{" + ",".join(pairs) + "}" if labels else ""


_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class Exporters:
    """The server. `world` is asked at each scrape: a fixed one, a test's variable, or a cluster's mirror."""

    def __init__(self, world: Callable[[], World]) -> None:
        self.world = world
        self._began = time.time() - RUNNING_FOR_S
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, name="exporters", daemon=True)

    @property
    def address(self) -> str:
        host, port, *_ = self._server.server_address
        return f"{host!s}:{port}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def page(self, path: str) -> str | None:
        """The text at this path now; None if there is nothing."""
        counted_s = time.time() - self._began
        world = self.world()
        match path.strip("/").split("/"):
            case ["nodes", name, "metrics"] if node := world.node(name):
                return exposition(node_exporter(node, counted_s))
            case ["cadvisor", name, "metrics"] if node := world.node(name):
                return exposition(cadvisor(node, world.pods_of(name), counted_s))
            case ["state", "metrics"]:
                return exposition(kube_state_metrics(world))
        return None

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        exporters = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page = exporters.page(self.path)
                body = (page or "nothing here").encode()
                self.send_response(200 if page is not None else 404)
                self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                with contextlib.suppress(ConnectionError):  # a Prometheus that is killed does not wait for its scrapes
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class' name
                """Scrapes come every second: they are not logged."""

        return Handler
