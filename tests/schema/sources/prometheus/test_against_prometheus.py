"""The catalogue by Prometheus' own word: its rule tester runs every query on the series of the usual installations."""

import contextlib
import json
import subprocess
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from schema.sources.prometheus.catalogue import CATALOGUE, Level, MetricName, Profile, render
from schema.sources.prometheus.client import Prometheus, open_prometheus
from schema.sources.prometheus.frames import Key, Missing, Question, Range, Selector
from schema.sources.prometheus.profiles import PROFILES
from schema.sources.prometheus.settings import PrometheusSettings
from tests.cluster import programs
from tests.cluster.control_plane import eventually
from tests.cluster.exporters import Exporters, NodeUse, PodUse, World
from tests.cluster.fixtures import provide
from tests.cluster.prometheus import PrometheusServer, exporter_targets

pytestmark = pytest.mark.cluster

CPU, MEMORY = MetricName.CPU_USAGE, MetricName.MEMORY_USAGE
RECEIVE, TRANSMIT, FILESYSTEM = MetricName.NETWORK_RECEIVE, MetricName.NETWORK_TRANSMIT, MetricName.FILESYSTEM_USAGE
SIZE, READ, WRITE = MetricName.FILESYSTEM_SIZE, MetricName.DISK_READ, MetricName.DISK_WRITE
THROTTLING = MetricName.CPU_THROTTLING
NODE, POD = Level.NODE, Level.POD

Series = tuple[str, str]
"""Name and labels of a series, and its samples every 15 s in promtool's notation: `0+15x40` grows by one a second."""


def counting(series: str, per_second: float) -> Series:
    return series, f"0+{per_second * 15}x40"


def steady(series: str, value: float) -> Series:
    return series, f"{value}x40"


def gone(series: str, per_second: float) -> Series:
    """A counter that ended a minute before the question, marked stale as a scrape does."""
    return series, f"0+{per_second * 15}x28 stale"


ASKED_AT = "8m"
ALL = Selector()


@dataclass(frozen=True)
class Case:
    """Series that an installation has, and the only right answer."""

    title: str
    metric: MetricName
    level: Level
    series: Sequence[Series]
    answer: dict[str, float]
    selector: Selector = ALL


def cpu_of(labels: str, busy: float = 1.0) -> list[Series]:
    """A node exporter on two cores: one of them busy, half in the kernel; waiting and idling are not use."""
    parts = {"user": busy / 2, "system": busy / 2, "idle": 0.5, "iowait": 0.3, "steal": 0.2}
    return [
        counting(f'node_cpu_seconds_total{{cpu="{cpu}",mode="{mode}",{labels}}}', rate / 2)
        for cpu in (0, 1)
        for mode, rate in parts.items()
    ]


EXPORTER_POD = 'namespace="monitoring",pod="node-exporter-x7"'
IS_ON_A = f'kube_pod_info{{{EXPORTER_POD},node="a",created_by_kind="DaemonSet",job="kube-state-metrics",instance="%s"}}'
A, B = '{node="a"}', '{node="b"}'
WEB = '{namespace="shop", pod="web-0"}'
OF_WEB = 'namespace="shop",pod="web-0"'
CADVISOR = f'{OF_WEB},job="kubelet",metrics_path="/metrics/cadvisor"'

LABELS_OF_NODES = [
    Case("the community chart names the node", CPU, NODE, cpu_of('node="a",instance="10.0.0.1:9100"'), {A: 1}),
    Case("kube-prometheus names it in instance", CPU, NODE, cpu_of(f'instance="a",{EXPORTER_POD}'), {A: 1}),
    Case(
        "kube-prometheus-stack names the exporter's pod",
        CPU,
        NODE,
        [*cpu_of(f'instance="10.0.0.1:9100",{EXPORTER_POD}'), steady(IS_ON_A % "x", 1)],
        {A: 1},
    ),
    Case(
        "two kube-state-metrics say so",
        CPU,
        NODE,
        [
            *cpu_of(f'instance="10.0.0.1:9100",{EXPORTER_POD}'),
            steady(IS_ON_A % "x", 1),
            steady(IS_ON_A % "y", 1),
        ],
        {A: 1},
    ),
    Case(
        "only the address is known",
        CPU,
        NODE,
        [*cpu_of('instance="10.0.0.1:9100"'), steady('kube_node_info{node="a",internal_ip="10.0.0.1"}', 1)],
        {A: 1},
    ),
    Case(
        "only an IPv6 address is known",
        CPU,
        NODE,
        [*cpu_of('instance="[fd00::1]:9100"'), steady('kube_node_info{node="a",internal_ip="fd00::1"}', 1)],
        {A: 1},
    ),
    Case("an address that is nobody's is no node", CPU, NODE, cpu_of('instance="10.0.0.1:9100"'), {}),
    Case(
        "two jobs scrape one exporter",
        CPU,
        NODE,
        [*cpu_of('node="a",job="x"'), *cpu_of('instance="a",job="y"')],
        {A: 1},
    ),
    Case(
        "each node by the labels it has",
        CPU,
        NODE,
        [*cpu_of('node="a"'), *cpu_of('instance="b"', busy=2)],
        {A: 1, B: 2},
    ),
    Case(
        "a page of nodes, by node",
        CPU,
        NODE,
        [*cpu_of('node="a"'), *cpu_of('node="b"')],
        {A: 1},
        Selector(names=frozenset({"a", "c"})),
    ),
    Case(
        "a page of nodes, by instance",
        CPU,
        NODE,
        [*cpu_of('instance="a"'), *cpu_of('instance="b"')],
        {A: 1},
        Selector(names=frozenset({"a", "c"})),
    ),
    Case(
        "a page of nodes, by the exporter's pod",
        CPU,
        NODE,
        [*cpu_of(f'instance="10.0.0.1:9100",{EXPORTER_POD}'), steady(IS_ON_A % "x", 1), *cpu_of('instance="b"')],
        {A: 1},
        Selector(names=frozenset({"a"})),
    ),
]

OTHER_SOURCES_OF_NODES = [
    Case(
        "the kubelet's resource endpoint, by node",
        CPU,
        NODE,
        [counting('node_cpu_usage_seconds_total{node="a",instance="10.0.0.1:10250"}', 1.5)],
        {A: 1.5},
    ),
    Case(
        "the kubelet's resource endpoint, by instance",
        CPU,
        NODE,
        [counting('node_cpu_usage_seconds_total{instance="a"}', 1.5)],
        {A: 1.5},
    ),
    Case(
        "cAdvisor's root cgroup",
        CPU,
        NODE,
        [
            counting('container_cpu_usage_seconds_total{id="/",instance="a"}', 1.5),
            counting('container_cpu_usage_seconds_total{id="/kubepods",instance="a"}', 1),
        ],
        {A: 1.5},
    ),
    Case(
        "the exporter where it is, the kubelet where it is not",
        CPU,
        NODE,
        [
            *cpu_of('node="a"'),
            counting('node_cpu_usage_seconds_total{node="a"}', 9),
            counting('node_cpu_usage_seconds_total{node="b"}', 3),
        ],
        {A: 1, B: 3},
    ),
    Case(
        "memory that is not available",
        MEMORY,
        NODE,
        [
            steady('node_memory_MemTotal_bytes{instance="a"}', 1000),
            steady('node_memory_MemAvailable_bytes{instance="a"}', 600),
            steady('node_memory_working_set_bytes{instance="a"}', 999),
            steady('node_memory_working_set_bytes{node="b"}', 300),
        ],
        {A: 400, B: 300},
    ),
    Case(
        "memory by cAdvisor",
        MEMORY,
        NODE,
        [
            steady('container_memory_working_set_bytes{id="/",instance="a"}', 500),
            steady(f'container_memory_working_set_bytes{{id="/kubepods/x",container="web",{OF_WEB},node="a"}}', 100),
        ],
        {A: 500},
    ),
    Case(
        "a node's own interfaces",
        RECEIVE,
        NODE,
        [
            *(
                counting(f'node_network_receive_bytes_total{{node="a",device="{device}"}}', 100)
                for device in ("eth0", "ens5")
            ),
            *(
                counting(f'node_network_receive_bytes_total{{node="a",device="{device}"}}', 7)
                for device in (
                    "lo",
                    "veth12ab",
                    "cni0",
                    "cali1f2",
                    "docker0",
                    "br-0a1b",
                    "flannel.1",
                    "bond0",
                    "eth0.100",
                )
            ),
        ],
        {A: 200},
    ),
    Case(
        "what a node sends, by cAdvisor",
        TRANSMIT,
        NODE,
        [
            counting('container_network_transmit_bytes_total{id="/",instance="a",interface="eth0"}', 100),
            counting('container_network_transmit_bytes_total{id="/",instance="a",interface="cni0"}', 7),
        ],
        {A: 100},
    ),
    Case(
        "each disk once, and no memory, volume or share",
        FILESYSTEM,
        NODE,
        [
            steady(
                f'node_filesystem_{part}_bytes{{node="a",device="{device}",fstype="{kind}",mountpoint="{mount}"}}', size
            )
            for device, kind, mount, whole, left in (
                ("/dev/sda1", "ext4", "/", 100, 60),
                ("/dev/sda1", "ext4", "/var/lib/kubelet", 100, 60),
                ("/dev/sdb", "xfs", "/data", 10, 5),
                ("/dev/sdc", "ext4", "/var/lib/kubelet/pods/1/volumes/x/mount", 1000, 1),
                ("tmpfs", "tmpfs", "/run", 1000, 1),
                ("server:/share", "nfs4", "/mnt", 1000, 1),
            )
            for part, size in (("size", whole), ("avail", left))
        ],
        {A: 45},
    ),
    Case(
        "disks by cAdvisor",
        FILESYSTEM,
        NODE,
        [
            steady('container_fs_usage_bytes{id="/",instance="a",device="/dev/sda1"}', 40),
            steady('container_fs_usage_bytes{id="/",instance="a",device="/dev/shm"}', 7),
            steady('container_fs_usage_bytes{id="/",instance="a",device="tmpfs"}', 7),
        ],
        {A: 40},
    ),
]


def cadvisor(name: str, container: str, more: str = "") -> str:
    image = "" if not container else "registry.k8s.io/pause:3.10" if container == "POD" else "shop/web:1"
    return f'{name}{{container="{container}",image="{image}",id="/kubepods/x/{container}",{CADVISOR}{more}}}'


PODS = [
    Case(
        "containers, without sandbox and pod cgroup",
        CPU,
        POD,
        [
            counting(cadvisor("container_cpu_usage_seconds_total", container), cores)
            for container, cores in (("web", 0.5), ("sidecar", 0.25), ("POD", 0.01), ("", 0.76))
        ],
        {WEB: 0.75},
    ),
    Case(
        "cAdvisor and the resource endpoint side by side",
        CPU,
        POD,
        [
            counting(cadvisor("container_cpu_usage_seconds_total", "web"), 0.5),
            counting(
                f'container_cpu_usage_seconds_total{{container="web",{OF_WEB},metrics_path="/metrics/resource"}}', 0.5
            ),
            counting(f"pod_cpu_usage_seconds_total{{{OF_WEB}}}", 0.6),
        ],
        {WEB: 0.5},
    ),
    Case(
        "the resource endpoint alone",
        CPU,
        POD,
        [counting(f'container_cpu_usage_seconds_total{{container="web",{OF_WEB}}}', 0.5)],
        {WEB: 0.5},
    ),
    Case(
        "only the pod's own number", CPU, POD, [counting(f"pod_cpu_usage_seconds_total{{{OF_WEB}}}", 0.6)], {WEB: 0.6}
    ),
    Case(
        "cAdvisor that cannot name containers",
        CPU,
        POD,
        [counting(cadvisor("container_cpu_usage_seconds_total", ""), 0.75)],
        {WEB: 0.75},
    ),
    Case(
        "a container that was replaced is not counted with its successor",
        CPU,
        POD,
        [
            counting(cadvisor("container_cpu_usage_seconds_total", "web", ',name="new"'), 0.1),
            gone(cadvisor("container_cpu_usage_seconds_total", "web", ',name="old"'), 2),
        ],
        {WEB: 0.1},
    ),
    Case(
        "a pod that is gone uses nothing", CPU, POD, [gone(cadvisor("container_cpu_usage_seconds_total", "web"), 2)], {}
    ),
    Case(
        "working sets of containers",
        MEMORY,
        POD,
        [
            steady(cadvisor("container_memory_working_set_bytes", container), size)
            for container, size in (("web", 100), ("sidecar", 50), ("POD", 1), ("", 151))
        ],
        {WEB: 150},
    ),
    Case(
        "only the pod's working set",
        MEMORY,
        POD,
        [steady(f"pod_memory_working_set_bytes{{{OF_WEB}}}", 151)],
        {WEB: 151},
    ),
    Case(
        "the sandbox has the pod's network, over all its interfaces",
        RECEIVE,
        POD,
        [
            counting(cadvisor("container_network_receive_bytes_total", "POD", f',interface="{interface}"'), 100)
            for interface in ("eth0", "net1", "lo")
        ],
        {WEB: 200},
    ),
    Case(
        "traffic of nobody's pod",
        TRANSMIT,
        POD,
        [
            counting(cadvisor("container_network_transmit_bytes_total", "", ',interface="eth0"'), 50),
            counting('container_network_transmit_bytes_total{id="/",instance="a",interface="eth0"}', 900),
        ],
        {WEB: 50},
    ),
    Case(
        "writable layers of containers",
        FILESYSTEM,
        POD,
        [
            steady(cadvisor("container_fs_usage_bytes", container, ',device="/dev/sda1"'), size)
            for container, size in (("web", 30), ("sidecar", 12), ("POD", 5), ("", 47))
        ],
        {WEB: 42},
    ),
    Case(
        "pods of some namespaces",
        MEMORY,
        POD,
        [
            steady(f'container_memory_working_set_bytes{{container="c",namespace="{namespace}",pod="p"}}', 1)
            for namespace in ("shop", "shop-2", "pay", "other")
        ],
        {'{namespace="shop", pod="p"}': 1, '{namespace="pay", pod="p"}': 1},
        Selector(namespaces=frozenset({"shop", "pay"})),
    ),
    Case(
        "names are no patterns",
        MEMORY,
        POD,
        [
            steady(f'container_memory_working_set_bytes{{container="c",namespace="n",pod="{pod}"}}', 1)
            for pod in ("a.b", "axb", "c", "cc")
        ],
        {'{namespace="n", pod="a.b"}': 1, '{namespace="n", pod="c"}': 1},
        Selector(names=frozenset({"a.b", "c"})),
    ),
]

DISKS = ("sda", "nvme0n1", "dm-0", "md127", "loop3", "sr0")
NODE_DISKS = [
    Case(
        "each disk once, and no mapping or array of them",
        metric,
        NODE,
        [counting(f'node_disk_{counter}_bytes_total{{node="a",device="{device}"}}', 100) for device in DISKS],
        {A: 200},
    )
    for metric, counter in ((READ, "read"), (WRITE, "written"))
] + [
    Case(
        "a node's disks by cAdvisor",
        READ,
        NODE,
        [
            counting(f'container_fs_reads_bytes_total{{id="/",instance="a",device="/dev/{device}"}}', 100)
            for device in ("vda", "dm-0")
        ],
        {A: 100},
    ),
    Case(
        "what the node's own disks hold",
        SIZE,
        NODE,
        [
            steady(f'node_filesystem_size_bytes{{node="a",device="{device}",fstype="{kind}",mountpoint="{mount}"}}', 9)
            for device, kind, mount in (
                ("/dev/sda1", "ext4", "/"),
                ("/dev/sda1", "ext4", "/var/lib/kubelet"),
                ("/dev/sdb", "xfs", "/data"),
                ("/dev/sdc", "ext4", "/var/lib/kubelet/pods/1/volumes/x/mount"),
                ("tmpfs", "tmpfs", "/run"),
            )
        ],
        {A: 18},
    ),
    Case(
        "what they hold, by cAdvisor",
        SIZE,
        NODE,
        [steady('container_fs_limit_bytes{id="/",instance="a",device="/dev/sda1"}', 40)],
        {A: 40},
    ),
]

WEB_CONTAINER = '{namespace="shop", pod="web-0", container="web"}'
SHOP = '{namespace="shop"}'


def in_containers(name: str, more: str = "", **per_second: float) -> list[Series]:
    """By container; `cgroup` is the pod's own."""
    return [
        counting(cadvisor(name, "" if container == "cgroup" else container, more), rate)
        for container, rate in per_second.items()
    ]


READS = [
    *in_containers("container_fs_reads_bytes_total", ',device="/dev/sda"', web=100, sidecar=50, cgroup=150),
    *in_containers("container_fs_reads_bytes_total", ',device="/dev/dm-0"', web=100, sidecar=50, cgroup=150),
]
WRITES = [
    *in_containers("container_fs_writes_bytes_total", ',device="/dev/sda"', web=100, cgroup=100),
    *in_containers("container_fs_writes_bytes_total", ',device="/dev/sdb"', web=200, cgroup=200),
]
CFS = [
    *in_containers("container_cpu_cfs_periods_total", web=10, sidecar=30),
    *in_containers("container_cpu_cfs_throttled_periods_total", web=5, sidecar=5),
]
CPUS = in_containers("container_cpu_usage_seconds_total", web=0.5, sidecar=0.25, POD=0.01, cgroup=0.76)
SIZES = [
    steady(cadvisor(name, container, more), size)
    for name, more in (("container_memory_working_set_bytes", ""), ("container_fs_usage_bytes", ',device="/dev/sda1"'))
    for container, size in (("web", 30), ("sidecar", 12), ("POD", 5), ("", 47))
]
WEB_TRAFFIC = [
    counting(cadvisor(f"container_network_{direction}_bytes_total", "POD", ',interface="eth0"'), 100)
    for direction in ("receive", "transmit")
]


def of_containers(web: float, sidecar: float | None = None) -> dict[str, float]:
    answer = {WEB_CONTAINER: web}
    return answer if sidecar is None else {**answer, WEB_CONTAINER.replace('="web"', '="sidecar"'): sidecar}


PODS_AND_CONTAINERS = [
    Case("a pod's reads, from each disk once", READ, POD, READS, {WEB: 150}),
    Case("a pod's writes, to all its disks", WRITE, POD, WRITES, {WEB: 300}),
    Case(
        "reads by the pod's cgroup", READ, POD, [series for series in READS if 'container=""' in series[0]], {WEB: 150}
    ),
    Case("periods cut short, over all containers", THROTTLING, POD, CFS, {WEB: 0.25}),
    Case(
        "without a period there is no share of them",
        THROTTLING,
        POD,
        in_containers("container_cpu_cfs_periods_total", web=0)
        + in_containers("container_cpu_cfs_throttled_periods_total", web=0),
        {},
    ),
    Case("cores by container", CPU, Level.CONTAINER, CPUS, of_containers(0.5, 0.25)),
    Case("memory by container", MEMORY, Level.CONTAINER, SIZES, of_containers(30, 12)),
    Case("layers by container", FILESYSTEM, Level.CONTAINER, SIZES, of_containers(30, 12)),
    Case("reads by container", READ, Level.CONTAINER, READS, of_containers(100, 50)),
    Case("writes by container", WRITE, Level.CONTAINER, WRITES, of_containers(300)),
    Case("throttling by container", THROTTLING, Level.CONTAINER, CFS, of_containers(0.5, 1 / 6)),
]

NAMESPACES = [
    Case(f"a namespace is the sum of its pods: {metric}", metric, Level.NAMESPACE, series, {SHOP: value})
    for metric, series, value in (
        (CPU, CPUS, 0.75),
        (MEMORY, SIZES, 42),
        (FILESYSTEM, SIZES, 42),
        (RECEIVE, WEB_TRAFFIC, 100),
        (TRANSMIT, WEB_TRAFFIC, 100),
        (READ, READS, 150),
        (WRITE, WRITES, 300),
    )
] + [
    Case(
        "some namespaces of all",
        MEMORY,
        Level.NAMESPACE,
        [
            steady(f'container_memory_working_set_bytes{{container="c",namespace="{namespace}",pod="{pod}"}}', 1)
            for namespace in ("shop", "pay", "other")
            for pod in ("p", "q")
        ],
        {SHOP: 2, '{namespace="pay"}': 2},
        Selector(namespaces=frozenset({"shop", "pay"})),
    )
]


def two_nodes(name: str, value: float, *, labels: str = "", growing: bool = False) -> list[Series]:
    made = counting if growing else steady
    return [made(f'{name}{{node="{node}"{labels}}}', value) for node in ("a", "b")]


DISK_A1 = ',device="/dev/sda1",fstype="ext4",mountpoint="/"'
CLUSTERS = [
    Case(f"the cluster is the sum of its nodes: {metric}", metric, Level.CLUSTER, series, {"{}": value})
    for metric, series, value in (
        (CPU, [*cpu_of('node="a"'), *cpu_of('node="b"', busy=2)], 3),
        (
            MEMORY,
            two_nodes("node_memory_MemTotal_bytes", 1000) + two_nodes("node_memory_MemAvailable_bytes", 600),
            800,
        ),
        (RECEIVE, two_nodes("node_network_receive_bytes_total", 7, labels=',device="eth0"', growing=True), 14),
        (TRANSMIT, two_nodes("node_network_transmit_bytes_total", 7, labels=',device="eth0"', growing=True), 14),
        (
            FILESYSTEM,
            two_nodes("node_filesystem_size_bytes", 100, labels=DISK_A1)
            + two_nodes("node_filesystem_avail_bytes", 60, labels=DISK_A1),
            80,
        ),
        (SIZE, two_nodes("node_filesystem_size_bytes", 100, labels=DISK_A1), 200),
        (READ, two_nodes("node_disk_read_bytes_total", 7, labels=',device="sda"', growing=True), 14),
        (WRITE, two_nodes("node_disk_written_bytes_total", 7, labels=',device="sda"', growing=True), 14),
    )
]

CASES = [
    *LABELS_OF_NODES,
    *OTHER_SOURCES_OF_NODES,
    *PODS,
    *NODE_DISKS,
    *PODS_AND_CONTAINERS,
    *NAMESPACES,
    *CLUSTERS,
]


@pytest.fixture(scope="module")
def promtool(pytestconfig: pytest.Config) -> Path:
    provide(pytestconfig, [programs.PROMTOOL])
    return programs.provide(programs.PROMTOOL, print)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_a_query_gives_the_right_numbers(case: Case, promtool: Path, tmp_path: Path):
    """Whatever the labels and sources, an object has one number, with no label but its name."""
    query = render(Question(case.metric, case.level, case.selector), PrometheusSettings())
    expected = [{"labels": labels, "value": value} for labels, value in case.answer.items()]
    test = {
        "interval": "15s",
        "input_series": [{"series": series, "values": values} for series, values in case.series],
        "promql_expr_test": [{"expr": query, "eval_time": ASKED_AT, "exp_samples": expected}],
    }
    file = tmp_path / "test.json"  # JSON is YAML
    file.write_text(json.dumps({"fuzzy_compare": True, "tests": [test]}))

    ran = subprocess.run([promtool, "test", "rules", file], capture_output=True, text=True, check=False)

    assert ran.returncode == 0, ran.stdout + ran.stderr


NODE_DISK = 'device="/dev/sda1",fstype="ext4",mountpoint="/"'
RULES = (
    "node_namespace_pod_container:container_cpu_usage_seconds_total:sum_rate5m",
    "node_namespace_pod_container:container_memory_working_set_bytes",
)


def said_by(exporter: str, cadvisor: str, times: float = 1) -> list[Series]:
    """What node exporter says of a machine, and its kubelet's cAdvisor of a pod with one container."""
    container = f'namespace="shop",pod="web-0",container="web",image="shop/web:1",{cadvisor}'
    gauges: list[tuple[str, float]] = [
        (f"node_memory_MemTotal_bytes{{{exporter}}}", 1000),
        (f"node_memory_MemAvailable_bytes{{{exporter}}}", 600),
        (f"node_filesystem_size_bytes{{{NODE_DISK},{exporter}}}", 100),
        (f"node_filesystem_avail_bytes{{{NODE_DISK},{exporter}}}", 60),
        (f"container_memory_working_set_bytes{{{container}}}", 100),
        (f'container_fs_usage_bytes{{device="/dev/sda1",{container}}}', 30),
    ]
    counters: list[tuple[str, float]] = [
        (f'node_network_{direction}_bytes_total{{device="eth0",{exporter}}}', 100)
        for direction in ("receive", "transmit")
    ]
    counters += [(f'node_disk_{way}_bytes_total{{device="sda",{exporter}}}', 100) for way in ("read", "written")]
    counters += [(f"container_cpu_usage_seconds_total{{{container}}}", 0.5)]
    counters += [
        (f'container_network_{direction}_bytes_total{{interface="eth0",{container}}}', 100)
        for direction in ("receive", "transmit")
    ]
    counters += [
        (f'container_fs_{way}_bytes_total{{device="/dev/sda",{container}}}', 100) for way in ("reads", "writes")
    ]
    counters += [
        (f"container_cpu_cfs_periods_total{{{container}}}", 10),
        (f"container_cpu_cfs_throttled_periods_total{{{container}}}", 5 * times),
    ]
    return [
        *cpu_of(exporter, busy=times),
        *(steady(series, value * times) for series, value in gauges),
        *(counting(series, rate if "cfs" in series else rate * times) for series, rate in counters),
    ]


def recorded(of_sums: str, of_products: str, times: float = 1) -> list[Series]:
    """With the labels of either, besides those of the container."""
    labels = 'namespace="shop",pod="web-0",container="web",node="a"'
    cpu, memory = RULES
    return [
        steady(f"{cpu}{{{labels}{of_sums}}}", 0.5 * times),
        steady(f"{memory}{{{labels}{of_products}}}", 100 * times),
    ]


STACK_EXPORTER = f'job="node-exporter",instance="10.0.0.1:9100",{EXPORTER_POD}'
STACK = [
    *said_by(STACK_EXPORTER, 'job="kubelet",metrics_path="/metrics/cadvisor",node="a"'),
    steady(IS_ON_A % "x", 1),
]
INSTALLED = {
    Profile.KUBE_PROMETHEUS_STACK: STACK,
    Profile.KUBERNETES_MIXIN: [
        *STACK,
        *recorded("", ',job="kubelet",metrics_path="/metrics/cadvisor",image="shop/web:1"'),
    ],
    Profile.PROMETHEUS: said_by(
        'job="kubernetes-service-endpoints",instance="10.0.0.1:9100",node="a"',
        'job="kubernetes-nodes-cadvisor",instance="a"',
    ),
    Profile.KUBERNETES_CADVISOR: [
        *said_by(
            'job="kubernetes-service-endpoints",instance="10.0.0.1:9100"', 'job="kubernetes-cadvisor",instance="a"'
        ),
        steady('kube_node_info{node="a",internal_ip="10.0.0.1",job="kubernetes-service-endpoints"}', 1),
    ],
}
A_TENANT = [
    *said_by('job="tenant",node="a"', 'job="tenant",node="a"', times=1.5),
    *recorded(',job="tenant"', ',job="tenant",metrics_path="/metrics/cadvisor"', times=1.5),
]
ONE: dict[MetricName, dict[Level, float]] = {
    CPU: {NODE: 1, POD: 0.5},
    MEMORY: {NODE: 400, POD: 100},
    RECEIVE: {NODE: 100, POD: 100},
    TRANSMIT: {NODE: 100, POD: 100},
    FILESYSTEM: {NODE: 40, POD: 30},
    SIZE: {NODE: 100},
    READ: {NODE: 100, POD: 100},
    WRITE: {NODE: 100, POD: 100},
    THROTTLING: {POD: 0.5},
}
SAME_AS = {Level.CLUSTER: NODE, NODE: NODE, Level.NAMESPACE: POD, POD: POD, Level.CONTAINER: POD}
NAMED = {Level.CLUSTER: "{}", NODE: A, Level.NAMESPACE: SHOP, POD: WEB, Level.CONTAINER: WEB_CONTAINER}


# The ways in which objects of a level are selected; nothing else is named like the others.
SOME_PODS = (Selector(namespaces=frozenset({"shop"})), Selector(names=frozenset({"web-0", "other"})))
SELECTED = {
    Level.CLUSTER: (),
    NODE: (Selector(names=frozenset({"a", "other"})),),
    Level.NAMESPACE: SOME_PODS[:1],
    POD: SOME_PODS,
    Level.CONTAINER: SOME_PODS,
}
NOBODY = Selector(names=frozenset({"other"}))


@pytest.mark.parametrize("profile", INSTALLED)
def test_a_profile_hears_its_own_jobs_and_nobody_else(profile: Profile, promtool: Path, tmp_path: Path):
    """Every query of it, of all and of some, on the series of such an installation and of a tenant that claims more."""
    query_of = PROFILES[profile]
    asked = [
        {
            "expr": render(Question(metric, level, selector), PrometheusSettings(), query_of),
            "eval_time": ASKED_AT,
            "exp_samples": []
            if selector is NOBODY
            else [{"labels": NAMED[level], "value": ONE[metric][SAME_AS[level]]}],
        }
        for metric, level in query_of
        for selector in (ALL, *SELECTED[level], *([NOBODY] if level in (NODE, POD) else []))
    ]
    series = [{"series": name, "values": values} for name, values in (*INSTALLED[profile], *A_TENANT)]
    test = {"interval": "15s", "input_series": series, "promql_expr_test": asked}
    file = tmp_path / "test.json"
    file.write_text(json.dumps({"fuzzy_compare": True, "tests": [test]}))

    ran = subprocess.run([promtool, "test", "rules", file], capture_output=True, text=True, check=False)

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert set(PROFILES[profile]) == set(CATALOGUE)


def test_every_profile_is_tried():
    """One that is added comes with the series of its installation."""
    assert {*INSTALLED, Profile.GENERIC} == set(Profile) == set(PROFILES)


def test_the_cases_cover_the_catalogue():
    """A metric that is added comes with the installations it was tried on."""
    assert {(case.metric, case.level) for case in CASES} == set(CATALOGUE)


def test_prometheus_reads_names_as_they_are_written(promtool: Path, tmp_path: Path):
    """Any name, in any query: what is escaped here is a string there."""
    odd = frozenset({'quote"', "back\\slash", "line\nfeed", "é{}$^", "a.b|c", "nul\x00"})
    rules = [
        {"record": f"rule:{number}", "expr": render(Question(metric, level, selector), PrometheusSettings())}
        for number, (metric, level, selector) in enumerate(
            (metric, level, Selector(namespaces=names) if level is Level.NAMESPACE else Selector(names=names))
            for metric, level in CATALOGUE
            if level is not Level.CLUSTER
            for names in (odd, *(frozenset({one}) for one in odd))
        )
    ]
    file = tmp_path / "rules.json"
    file.write_text(json.dumps({"groups": [{"name": "catalogue", "rules": rules}]}))

    ran = subprocess.run([promtool, "check", "rules", file], capture_output=True, text=True, check=False)

    assert ran.returncode == 0, ran.stdout + ran.stderr


WORLD = World(
    nodes=(NodeUse("control-plane", "10.0.0.1", cpu_used=0.5), NodeUse("worker-1", "10.0.0.2", cpu_used=1.5)),
    pods=(
        PodUse("shop", "web-0", "worker-1", uid="1", containers=("web", "log"), cpu_used=0.2, memory_used=2**26),
        PodUse("pay", "api-0", "worker-1", uid="2", cpu_used=0.4, receive_rate=5000),
    ),
)
WEB_0, API_0 = ("shop", "web-0"), ("pay", "api-0")
Numbers = dict[tuple[MetricName, Level], dict[Key, float]]
NUMBERS: Numbers = {
    (CPU, Level.CLUSTER): {"": 2.0},
    (MEMORY, Level.CLUSTER): {"": 12 * 2**30},
    (RECEIVE, Level.CLUSTER): {"": 4_000_000},
    (TRANSMIT, Level.CLUSTER): {"": 2_000_000},
    (FILESYSTEM, Level.CLUSTER): {"": 80 * 2**30},
    (SIZE, Level.CLUSTER): {"": 200 * 2**30},
    (READ, Level.CLUSTER): {"": 600_000},
    (WRITE, Level.CLUSTER): {"": 400_000},
    (CPU, NODE): {"control-plane": 0.5, "worker-1": 1.5},
    (MEMORY, NODE): {"worker-1": 6 * 2**30},
    (RECEIVE, NODE): {"worker-1": 2_000_000},
    (TRANSMIT, NODE): {"worker-1": 1_000_000},
    (FILESYSTEM, NODE): {"worker-1": 40 * 2**30},
    (SIZE, NODE): {"worker-1": 100 * 2**30},
    (READ, NODE): {"worker-1": 300_000},
    (WRITE, NODE): {"worker-1": 200_000},
    (CPU, Level.NAMESPACE): {"shop": 0.4, "pay": 0.4},
    (MEMORY, Level.NAMESPACE): {"shop": 2**27},
    (RECEIVE, Level.NAMESPACE): {"shop": 1000, "pay": 5000},
    (TRANSMIT, Level.NAMESPACE): {"shop": 500},
    (FILESYSTEM, Level.NAMESPACE): {"shop": 4 * 2**20},
    (READ, Level.NAMESPACE): {"shop": 6000, "pay": 3000},
    (WRITE, Level.NAMESPACE): {"shop": 4000},
    (CPU, POD): {WEB_0: 0.4, API_0: 0.4},
    (MEMORY, POD): {WEB_0: 2**27},
    (RECEIVE, POD): {WEB_0: 1000, API_0: 5000},
    (TRANSMIT, POD): {WEB_0: 500},
    (FILESYSTEM, POD): {WEB_0: 4 * 2**20},
    (READ, POD): {WEB_0: 6000, API_0: 3000},
    (WRITE, POD): {WEB_0: 4000},
    (THROTTLING, POD): {WEB_0: 0.25},
    (CPU, Level.CONTAINER): {("shop", "web-0/log"): 0.2},
    (MEMORY, Level.CONTAINER): {("shop", "web-0/web"): 2**26},
    (FILESYSTEM, Level.CONTAINER): {("pay", "api-0/web"): 2 * 2**20},
    (READ, Level.CONTAINER): {("shop", "web-0/log"): 3000},
    (WRITE, Level.CONTAINER): {("shop", "web-0/log"): 2000},
    (THROTTLING, Level.CONTAINER): {("shop", "web-0/log"): 0.25},
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(pytestconfig: pytest.Config) -> AsyncIterator[PrometheusServer]:
    """A Prometheus that scrapes the world above; whoever kills it starts it again."""
    provide(pytestconfig, [programs.PROMETHEUS])
    with Exporters(lambda: WORLD) as exporters:
        targets = exporter_targets(exporters.address, [node.name for node in WORLD.nodes])
        async with PrometheusServer(targets) as server:
            await wait_for_a_full_window(server)
            yield server


async def wait_for_a_full_window(server: PrometheusServer) -> None:
    """Of every target; a rate over a window that began before the first scrape is too small."""
    await server.wait_for_series('count_over_time(node_cpu_seconds_total{cpu="0",mode="user"}[5s]) >= 5', 2)
    await server.wait_for_series("count_over_time(container_network_receive_bytes_total[5s]) >= 5", 2)


async def ask(prometheus: Prometheus, *questions: Question) -> list[Missing | None]:
    return [frame.failure for frame in (await prometheus.frames(questions)).values()]


async def hold_numbers(prometheus: Prometheus, numbers: Numbers, *, limit_s: float = 60.0) -> None:
    """Each is what the client answers, once no scrape comes late: a rate over few of them is wrong by as much."""
    questions = {what: Question(*what) for what in numbers}
    wrong: dict[object, object] = {}

    async def agrees() -> bool:
        nonlocal wrong
        frames = await prometheus.frames(questions.values())
        shown = {(what, key): frames[questions[what]].of(key) for what, of in numbers.items() for key in of}
        wrong = {
            (what, key): samples
            for (what, key), samples in shown.items()
            if [sample.value for sample in samples] != [pytest.approx(numbers[what][key], rel=0.05)]
        }
        return not wrong

    with contextlib.suppress(TimeoutError):
        await eventually(agrees, limit_s=limit_s, every_s=0.5)
    assert wrong == {}


async def test_the_client_reads_a_real_prometheus_and_survives_its_end(server: PrometheusServer):
    """The numbers are those that the exporters state; killed, it costs the metrics; back again, they are back."""
    settings = PrometheusSettings(
        url=server.url, scrape_interval_seconds=1, rate_window="5s", timeout_seconds=5, retry_after_seconds=0.1
    )
    async with open_prometheus(settings, "binnacle/test") as prometheus:
        assert await prometheus.check() is None
        await hold_numbers(prometheus, NUMBERS)
        assert set(NUMBERS) == set(CATALOGUE)

        server.kill()
        other = Question(CPU, POD, Selector(names=frozenset({"web-0"})))
        assert await ask(prometheus, other) == [Missing.UNREACHABLE]

        await server.start_again()
        await wait_for_a_full_window(server)
        assert await ask(prometheus, other) == [None]


async def test_a_mistake_in_a_configured_query_is_told_in_prometheus_words(server: PrometheusServer):
    """And leaves the other questions alone."""
    settings = PrometheusSettings.model_validate(
        {"url": server.url, "catalogue": {"CPU_USAGE": {"POD": "sum by (pod) rate(x"}}, "timeout_seconds": 5}
    )
    mistaken, sound = Question(CPU, POD), Question(MEMORY, POD)
    async with open_prometheus(settings, "binnacle/test") as prometheus:
        frames = await prometheus.frames([mistaken, sound])

    assert frames[mistaken].reason.startswith("bad_data: ")
    assert "parse error" in frames[mistaken].reason
    assert frames[sound].failure is None


async def test_a_line_is_what_prometheus_itself_answers_for_each_of_its_moments(server: PrometheusServer):
    """Point by point, an instant query at the same moment gives the same number, or none where there is a gap."""
    settings = PrometheusSettings(url=server.url, scrape_interval_seconds=1, rate_window="5s", timeout_seconds=5)
    measured, ended = ((CPU, POD), (MEMORY, NODE), (READ, POD)), 0

    async def known() -> bool:
        nonlocal ended
        ended = (int(time.time()) - 2) // 2 * 2  # what was scraped until then has all been taken in
        queries = [render(Question(metric, level), settings) for metric, level in measured]
        return all([len(await server.query(query, at=ended)) == 2 for query in queries])

    await eventually(known)
    asked = Range(ended - 60, ended, 2)
    questions = [Question(metric, level, range=asked) for metric, level in measured]
    async with open_prometheus(settings, "binnacle/test") as prometheus:
        frames = await prometheus.frames(questions)

    keys: list[Key] = [WEB_0, "worker-1", API_0]
    for question, key, labels in zip(
        questions,
        keys,
        ({"namespace": "shop", "pod": "web-0"}, {"node": "worker-1"}, {"namespace": "pay", "pod": "api-0"}),
        strict=True,
    ):
        (series,) = frames[question].over_time(key)
        samples = list(series.samples(asked.moments()))
        query = render(Question(question.metric, question.level), settings)
        for sample in samples:
            rows = await server.query(query, at=sample.timestamp)
            told = [float(row["value"][1]) for row in rows if row["metric"] == labels]
            assert [sample.value] == told if told else sample.missing is Missing.NO_SERIES
        assert samples[0].missing is Missing.NO_SERIES, "nothing was scraped a minute ago"
        assert samples[-1].value is not None


async def test_the_installation_is_recognised_by_what_is_scraped(real_prometheus: PrometheusServer):
    """Label values of a real Prometheus whose jobs are named as the stack names them; no rules are recorded there."""
    await real_prometheus.wait_for_series("container_memory_working_set_bytes")
    await real_prometheus.wait_for_series("node_memory_MemTotal_bytes")
    async with open_prometheus(PrometheusSettings(url=real_prometheus.url), "binnacle/test") as prometheus:
        await prometheus.recognise()

        assert prometheus.profile is Profile.KUBE_PROMETHEUS_STACK
