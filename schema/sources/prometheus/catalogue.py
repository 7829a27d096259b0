"""What can be measured of which objects, and the one place of the PromQL that measures it.

A question has one query, whoever installed Prometheus: the labels of the usual installations differ, so every query is
a chain of sources joined by `or`, each reduced to exactly the labels of its key (`node`, or `namespace` and `pod`). It
is decided per object: a node whose exporter is down still gets its kubelet's number. Where one thing is scraped twice,
`max by` the labels that tell real things apart (a core, a container, an interface) takes it once; only then is summed.

How an object is found in the series:

=====================================  ==========================================================================
`node` label                           the community chart's service discovery; prometheus-operator's kubelet job
`instance` is the node's name          kube-prometheus' node exporter; the community chart's kubelet jobs
`namespace` and `pod` of the exporter  kube-prometheus-stack: joined through kube-state-metrics' `kube_pod_info`
`instance` is IP:port, nothing more    a hand-written scrape job: joined through `kube_node_info`
=====================================  ==========================================================================

Placeholders: `$selector` becomes the matchers of what is asked for, on the key's own labels; `$instances` the same
names on the label `instance`; `$window` the rate window. Either set of matchers may be empty: its comma then goes too.

Where an installation is known (profiles.py), every source is pinned to the jobs that it has there: what a tenant's own
exporter says of other people's pods does not count.

Prometheus evaluates every side of an `or`; a source that is not installed has no series and costs an index look-up.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeAlias

from schema.sources.described import Described

if TYPE_CHECKING:  # they import this module
    from schema.sources.prometheus.frames import Question, Selector
    from schema.sources.prometheus.settings import PrometheusSettings


class MetricUnit(Described):
    """The unit that a metric's value is in; values are never scaled."""

    CORES = "CORES", "Processor cores: 0.25 is a quarter of one core's time."
    BYTES = "BYTES", "Bytes."
    BYTES_PER_SECOND = (
        "BYTES_PER_SECOND",
        "Bytes per second, averaged over the rate window (5 minutes unless configured).",
    )
    RATIO = "RATIO", "A share of a whole: 0.25 is a quarter of it, and more than 1 is more than there should be."


class MetricName(Described):
    """What can be asked about an object at this moment, or over time."""

    CPU_USAGE = (
        "CPU_USAGE",
        (
            "Processor time in use, in cores, averaged over the rate window (5 minutes unless configured; without a "
            "Prometheus that of `metrics.k8s.io`, 15 seconds as a rule)."
        ),
    )
    CPU_REQUEST = (
        "CPU_REQUEST",
        "The cores that pods claim, as the scheduler counts them; of a node and of the cluster those that run there.",
    )
    CPU_LIMIT = (
        "CPU_LIMIT",
        "The most cores that may be used, summed over what has a limit; counted as CPU_REQUEST is.",
    )
    CPU_ALLOCATABLE = ("CPU_ALLOCATABLE", "The cores that pods may use; of nodes and the cluster.")
    CPU_REQUEST_UTILIZATION = (
        "CPU_REQUEST_UTILIZATION",
        "CPU_USAGE as a share of CPU_REQUEST; not of nodes and the cluster, where other things run too.",
    )
    CPU_LIMIT_UTILIZATION = (
        "CPU_LIMIT_UTILIZATION",
        "CPU_USAGE as a share of CPU_LIMIT; not of nodes and the cluster.",
    )
    CPU_ALLOCATABLE_UTILIZATION = (
        "CPU_ALLOCATABLE_UTILIZATION",
        "CPU_USAGE as a share of the cores that pods may use (`allocatable`); of nodes and the cluster.",
    )
    CPU_THROTTLING = (
        "CPU_THROTTLING",
        (
            "The share of its scheduling periods in which a container was held back by its CPU limit; of pods and "
            "containers. There is none without a CPU limit, nor where nothing ran."
        ),
    )
    MEMORY_USAGE = (
        "MEMORY_USAGE",
        (
            "Memory in use that the kernel cannot simply take back, in bytes: of a pod its containers' working set; of "
            "a node its memory less what is available, or the working set where no node exporter runs."
        ),
    )
    MEMORY_REQUEST = ("MEMORY_REQUEST", "The bytes of memory that pods claim, counted as CPU_REQUEST is.")
    MEMORY_LIMIT = (
        "MEMORY_LIMIT",
        "The most bytes of memory that may be used, summed over what has a limit; counted as CPU_REQUEST is.",
    )
    MEMORY_ALLOCATABLE = ("MEMORY_ALLOCATABLE", "The bytes of memory that pods may use; of nodes and the cluster.")
    MEMORY_REQUEST_UTILIZATION = (
        "MEMORY_REQUEST_UTILIZATION",
        "MEMORY_USAGE as a share of MEMORY_REQUEST; not of nodes and the cluster, where other things run too.",
    )
    MEMORY_LIMIT_UTILIZATION = (
        "MEMORY_LIMIT_UTILIZATION",
        "MEMORY_USAGE as a share of MEMORY_LIMIT; not of nodes and the cluster.",
    )
    MEMORY_ALLOCATABLE_UTILIZATION = (
        "MEMORY_ALLOCATABLE_UTILIZATION",
        "MEMORY_USAGE as a share of the memory that pods may use (`allocatable`); of nodes and the cluster.",
    )
    NETWORK_RECEIVE = (
        "NETWORK_RECEIVE",
        (
            "Bytes received per second: of a node over its own interfaces (no bridges, tunnels or pods' ends), of a "
            "pod over all interfaces but loopback. A pod on its node's network shows the node's traffic; containers "
            "share their pod's."
        ),
    )
    NETWORK_TRANSMIT = (
        "NETWORK_TRANSMIT",
        "Bytes sent per second, over the same interfaces as NETWORK_RECEIVE.",
    )
    FILESYSTEM_USAGE = (
        "FILESYSTEM_USAGE",
        (
            "Bytes in use on local filesystems: of a node on its own disks (no volumes of pods, no network "
            "filesystems), of a pod in its containers' writable layers, which some container runtimes do not report."
        ),
    )
    FILESYSTEM_SIZE = (
        "FILESYSTEM_SIZE",
        "Bytes that the filesystems of FILESYSTEM_USAGE hold in total; of nodes and the cluster.",
    )
    DISK_READ = (
        "DISK_READ",
        "Bytes read from disks per second, each disk once (no partitions, mappings or arrays beside their disks).",
    )
    DISK_WRITE = (
        "DISK_WRITE",
        "Bytes written to disks per second, to the same disks as DISK_READ.",
    )

    @property
    def unit(self) -> MetricUnit:
        return UNITS[self]

    @property
    def measured(self) -> "MetricName | None":
        """What Prometheus is asked for: this metric itself, what it is a share of something of; None: nothing."""
        return MEASURED_BY[self]


class Level(Described):
    """What kind of object a metric is asked of."""

    CLUSTER = "CLUSTER", "The cluster: the sum of its nodes."
    NODE = "NODE", "A node as a whole, whatever runs on it."
    NAMESPACE = "NAMESPACE", "A namespace: the sum of its pods."
    POD = "POD", "A pod: the sum of its containers."
    CONTAINER = "CONTAINER", "One container of a pod."

    @property
    def key_labels(self) -> tuple[str, ...]:
        """The labels that name one object of this level in an answer."""
        return KEY_LABELS[self]


KEY_LABELS: Final[Mapping[Level, tuple[str, ...]]] = {
    Level.CLUSTER: (),
    Level.NODE: ("node",),
    Level.NAMESPACE: ("namespace",),
    Level.POD: ("namespace", "pod"),
    Level.CONTAINER: ("namespace", "pod", "container"),
}

# What the objects themselves say: requests, limits, and what nodes lend.
SAID: Final = frozenset(
    {
        MetricName.CPU_REQUEST,
        MetricName.CPU_LIMIT,
        MetricName.CPU_ALLOCATABLE,
        MetricName.MEMORY_REQUEST,
        MetricName.MEMORY_LIMIT,
        MetricName.MEMORY_ALLOCATABLE,
    }
)

# Which metric a share is a part of, and of which whole; the whole is always said by the object.
SHARES: Final[Mapping[MetricName, tuple[MetricName, MetricName]]] = {
    MetricName.CPU_REQUEST_UTILIZATION: (MetricName.CPU_USAGE, MetricName.CPU_REQUEST),
    MetricName.CPU_LIMIT_UTILIZATION: (MetricName.CPU_USAGE, MetricName.CPU_LIMIT),
    MetricName.CPU_ALLOCATABLE_UTILIZATION: (MetricName.CPU_USAGE, MetricName.CPU_ALLOCATABLE),
    MetricName.MEMORY_REQUEST_UTILIZATION: (MetricName.MEMORY_USAGE, MetricName.MEMORY_REQUEST),
    MetricName.MEMORY_LIMIT_UTILIZATION: (MetricName.MEMORY_USAGE, MetricName.MEMORY_LIMIT),
    MetricName.MEMORY_ALLOCATABLE_UTILIZATION: (MetricName.MEMORY_USAGE, MetricName.MEMORY_ALLOCATABLE),
}

MEASURED_BY: Final[Mapping[MetricName, MetricName | None]] = {
    metric: None if metric in SAID else SHARES.get(metric, (metric,))[0] for metric in MetricName
}

UNITS: Final[Mapping[MetricName, MetricUnit]] = {
    MetricName.CPU_USAGE: MetricUnit.CORES,
    MetricName.CPU_REQUEST: MetricUnit.CORES,
    MetricName.CPU_LIMIT: MetricUnit.CORES,
    MetricName.CPU_ALLOCATABLE: MetricUnit.CORES,
    MetricName.CPU_THROTTLING: MetricUnit.RATIO,
    MetricName.MEMORY_USAGE: MetricUnit.BYTES,
    MetricName.MEMORY_REQUEST: MetricUnit.BYTES,
    MetricName.MEMORY_LIMIT: MetricUnit.BYTES,
    MetricName.MEMORY_ALLOCATABLE: MetricUnit.BYTES,
    MetricName.NETWORK_RECEIVE: MetricUnit.BYTES_PER_SECOND,
    MetricName.NETWORK_TRANSMIT: MetricUnit.BYTES_PER_SECOND,
    MetricName.FILESYSTEM_USAGE: MetricUnit.BYTES,
    MetricName.FILESYSTEM_SIZE: MetricUnit.BYTES,
    MetricName.DISK_READ: MetricUnit.BYTES_PER_SECOND,
    MetricName.DISK_WRITE: MetricUnit.BYTES_PER_SECOND,
    **dict.fromkeys(SHARES, MetricUnit.RATIO),
}

# --- building stones -------------------------------------------------------------------------------------------------

Series: TypeAlias = Callable[[str], str]  # from label matchers to an expression over the series that have them

HAS_NODE = 'node!="",$selector'
# A node's name is a DNS name and never holds a colon; every IP:port and every IPv6 address does.
INSTANCE_IS_NODE = 'node="",instance!~".*:.*",$instances'
INSTANCE_IS_ADDRESS = 'node="",instance=~".*:.*"'

# Who runs where, from kube-state-metrics. Exporters are DaemonSets, so the join need not read every pod of the cluster;
# `max by` drops what a second replica adds, `topk` what a pod replaced under the same name left behind
# (kubernetes-mixin joins the same way, rules/apps.libsonnet).
POD_OF_EXPORTER = 'created_by_kind="DaemonSet",node!="",$selector'
NODE_WITH_ADDRESS = 'internal_ip!="",node!="",$selector'

# cAdvisor counts the pause container as container="" or "POD" and the pod's cgroup as container="": their sum with the
# containers would count everything twice. No `image!=""` as in the mixin: the kubelet's resource endpoint has no such
# label.
CONTAINERS = 'namespace!="",pod!="",container!="",container!="POD",$selector'
# The pod's own cgroup, the only pod series left where cAdvisor cannot name containers (cri-dockerd).
POD_CGROUP = 'namespace!="",pod!="",container="",image="",$selector'
PODS = 'namespace!="",pod!="",$selector'
CGROUP_ROOT = 'id="/"'  # cAdvisor's series of the whole machine

# Not a node's own interfaces: bridges, tunnels and the host's ends of pods' interfaces carry the same bytes once more,
# and so do a bond and a VLAN (eth0.100), whose bytes the interfaces below them count.
VIRTUAL_INTERFACES = (
    "lo|nodelocaldns|(veth|docker|cni|cbr|br|virbr|lxc|lxd|cali|cilium|flannel|weave|vxlan|genev|ovs|ovn|tun|tap|ipip|wg|"
    "kube|dummy|ifb|gre|sit|ip6tnl|bond|team|azv|eni).*|.+[.][0-9]+"
)
# Filesystems that are not on a disk of the node (node exporter's own defaults leave some of them in).
NOT_LOCAL = (
    "|tmpfs|devtmpfs|ramfs|overlay|squashfs|erofs|iso9660|autofs|nfs.*|cifs|smb.*|fuse.*|ceph|glusterfs|9p|virtiofs"
)
# Disks that are others once more: partitions and mappings on them, arrays of them; and what is no disk.
VIRTUAL_DISKS = "(/dev/)?(dm-|md|loop|ram|zram|sr|fd|nbd|drbd|bcache).*"
# Volumes of pods are mounted below here: theirs is not the node's use.
POD_VOLUMES = "/var/lib/kubelet/.+"


class Profile(StrEnum):
    """How Prometheus was installed; profiles.py has what that means."""

    GENERIC = "generic"
    KUBE_PROMETHEUS_STACK = "kube-prometheus-stack"
    KUBERNETES_MIXIN = "kubernetes-mixin"
    PROMETHEUS = "prometheus"
    KUBERNETES_CADVISOR = "kubernetes-cadvisor"


@dataclass(frozen=True, slots=True)
class Installation:
    """Matchers that pin each kind of source to the jobs which an installation scrapes it by; empty: to none.

    `containers` is of what cAdvisor and the resource endpoint serve under one name: both, or the better one.
    `cpu_rule` and `memory_rule` are kubernetes-mixin's recording rules, by namespace, pod and container, in the place
    of cAdvisor's own series; empty where nobody records them. The one is a sum, and has no job; the other keeps the
    labels of cAdvisor's series (rules/apps.libsonnet).
    """

    exporter: str = ""
    cadvisor: str = ""
    resource: str = ""
    containers: str = ""
    state: str = ""
    cpu_rule: str = ""
    memory_rule: str = ""


def queries(at: Installation) -> Mapping[tuple[MetricName, Level], str]:
    """What measures each metric of each level that has it."""
    nodes = {
        MetricName.CPU_USAGE: _node_cpu(at),
        MetricName.MEMORY_USAGE: _node_memory(at),
        MetricName.NETWORK_RECEIVE: _node_network(at, "receive"),
        MetricName.NETWORK_TRANSMIT: _node_network(at, "transmit"),
        MetricName.FILESYSTEM_USAGE: _node_filesystem_usage(at),
        MetricName.FILESYSTEM_SIZE: _node_filesystem_size(at),
        MetricName.DISK_READ: _node_disk(at, "read", "reads"),
        MetricName.DISK_WRITE: _node_disk(at, "written", "writes"),
    }
    pods = {
        MetricName.CPU_USAGE: _pod_cpu(at),
        MetricName.MEMORY_USAGE: _pod_memory(at),
        MetricName.NETWORK_RECEIVE: _pod_network(at, "receive"),
        MetricName.NETWORK_TRANSMIT: _pod_network(at, "transmit"),
        MetricName.FILESYSTEM_USAGE: _pod_filesystem(at),
        MetricName.DISK_READ: _pod_disk(at, "reads"),
        MetricName.DISK_WRITE: _pod_disk(at, "writes"),
    }
    containers = {
        MetricName.CPU_USAGE: _containers_cpu(at),
        MetricName.MEMORY_USAGE: _containers_memory(at),
        MetricName.FILESYSTEM_USAGE: _by(CONTAINER, _containers_filesystem(at)),
        MetricName.DISK_READ: _by(CONTAINER, _containers_disk(at, "reads")),
        MetricName.DISK_WRITE: _by(CONTAINER, _containers_disk(at, "writes")),
    }
    return {
        **{(metric, Level.CLUSTER): f"sum (\n{query}\n)" for metric, query in nodes.items()},
        **{(metric, Level.NODE): query for metric, query in nodes.items()},
        **{(metric, Level.NAMESPACE): f"sum by (namespace) (\n{query}\n)" for metric, query in pods.items()},
        **{(metric, Level.POD): query for metric, query in pods.items()},
        (MetricName.CPU_THROTTLING, Level.POD): _pod_throttling(at),
        **{(metric, Level.CONTAINER): query for metric, query in containers.items()},
        (MetricName.CPU_THROTTLING, Level.CONTAINER): _throttling(at, CONTAINER, CONTAINERS),
    }


def _series(name: str, *fixed: str) -> Series:
    return lambda matchers: f"{name}{{{','.join((*filter(None, fixed), matchers))}}}"


def _rate(series: Series) -> Series:
    return lambda matchers: f"rate({series(matchers)}[$window])"


def _rate_of_the_living(series: Series) -> Series:
    """Per second, and only of series that still exist.

    A range still holds the samples of a container that was replaced minutes ago: without the `and`, a pod created again
    under its old name would show its predecessor's use until the window has passed. (Nodes keep their series.) That
    doubles the price of the rate: a real Prometheus with 15,000 pods of two containers answers CPU_USAGE of all pods in
    0.5 s, where the bare sum takes 0.2 s; recording rules make either cheap.
    """
    return lambda matchers: f"(rate({series(matchers)}[$window]) and {series(matchers)})"


def _difference(whole: Series, free: Series) -> Series:
    return lambda matchers: f"({whole(matchers)} - {free(matchers)})"


def _named_by_instance(expression: str) -> str:
    return f'label_replace({expression}, "node", "$1", "instance", "(.+)")'


def _kubelet(series: Series) -> str:
    """Series of a kubelet's endpoints, with the label `node`."""
    return f"{series(HAS_NODE)} or {_named_by_instance(series(INSTANCE_IS_NODE))}"


def _exporter(at: Installation, series: Series) -> str:
    """Series of the node exporter, with the label `node`: the four cases of the table above, in its order."""
    unnamed = series(INSTANCE_IS_ADDRESS)
    addressed = rf'label_replace({unnamed}, "internal_ip", "$1", "instance", "\\[?(.*?)\\]?:\\d+")'
    pods = _series("kube_pod_info", at.state)(POD_OF_EXPORTER)
    nodes = _series("kube_node_info", at.state)(NODE_WITH_ADDRESS)
    return (
        f"{_kubelet(series)}"
        f" or {unnamed} * on (namespace,pod) group_left(node)"
        f" topk by (namespace,pod) (1, max by (namespace,pod,node) ({pods}))"
        f" or {addressed} * on (internal_ip) group_left(node)"
        f" topk by (internal_ip) (1, max by (internal_ip,node) ({nodes}))"
    )


def _or(*sources: str) -> str:
    return "\nor\n".join(sources)


# --- nodes -----------------------------------------------------------------------------------------------------------


def _node_cpu(at: Installation) -> str:
    """Cores busy: node exporter's modes that are work (node-mixin's complement of idle, iowait and steal; guest is in
    user), else the kubelet's resource endpoint, which metrics-server reads, else cAdvisor's root cgroup.
    """
    busy = _rate(_series("node_cpu_seconds_total", at.exporter, 'mode=~"user|nice|system|irq|softirq"'))
    return _or(
        f"sum by (node) (max by (node,cpu,mode) ({_exporter(at, busy)}))",
        f"max by (node) ({_kubelet(_rate(_series('node_cpu_usage_seconds_total', at.resource)))})",
        f"max by (node) ({_kubelet(_rate(_series('container_cpu_usage_seconds_total', at.cadvisor, CGROUP_ROOT)))})",
    )


def _node_memory(at: Installation) -> str:
    """Bytes not available (node-mixin, nodeExporter-prometheusRule.yaml), else the kubelet's working set, which is what
    `kubectl top` shows.
    """
    used = _difference(
        _series("node_memory_MemTotal_bytes", at.exporter), _series("node_memory_MemAvailable_bytes", at.exporter)
    )
    return _or(
        f"max by (node) ({_exporter(at, used)})",
        f"max by (node) ({_kubelet(_series('node_memory_working_set_bytes', at.resource))})",
        f"max by (node) ({_kubelet(_series('container_memory_working_set_bytes', at.cadvisor, CGROUP_ROOT))})",
    )


def _node_network(at: Installation, direction: str) -> str:
    """Bytes a second over the node's own interfaces (node-mixin, with more of the virtual ones left out)."""
    exporter = _series(f"node_network_{direction}_bytes_total", at.exporter, f'device!~"{VIRTUAL_INTERFACES}"')
    own = f'interface!~"{VIRTUAL_INTERFACES}"'
    cadvisor = _series(f"container_network_{direction}_bytes_total", at.cadvisor, CGROUP_ROOT, own)
    return _or(
        f"sum by (node) (max by (node,device) ({_exporter(at, _rate(exporter))}))",
        f"sum by (node) (max by (node,interface) ({_kubelet(_rate(cadvisor))}))",
    )


LOCAL: Final = (f'fstype!~"{NOT_LOCAL}"', f'mountpoint!~"{POD_VOLUMES}"')
LOCAL_OF_CADVISOR: Final = (CGROUP_ROOT, 'device=~"/dev/.+",device!="/dev/shm"')


def _node_filesystem_usage(at: Installation) -> str:
    """Bytes of the node's disks that are not available (node-mixin), each disk once, however often it is mounted."""
    used = _difference(
        _series("node_filesystem_size_bytes", at.exporter, *LOCAL),
        _series("node_filesystem_avail_bytes", at.exporter, *LOCAL),
    )
    return _node_filesystem(at, used, "container_fs_usage_bytes")


def _node_filesystem_size(at: Installation) -> str:
    """Bytes that the same disks hold in total."""
    return _node_filesystem(at, _series("node_filesystem_size_bytes", at.exporter, *LOCAL), "container_fs_limit_bytes")


def _node_filesystem(at: Installation, exporter: Series, cadvisor: str) -> str:
    return _or(
        f"sum by (node) (max by (node,device) ({_exporter(at, exporter)}))",
        f"sum by (node) (max by (node,device) ({_kubelet(_series(cadvisor, at.cadvisor, *LOCAL_OF_CADVISOR))}))",
    )


def _node_disk(at: Installation, exporter: str, cadvisor: str) -> str:
    """Bytes a second of the node's disks (node-mixin, without mappings and arrays, whose bytes their disks count)."""
    disks = f'device!~"{VIRTUAL_DISKS}"'
    own = _rate(_series(f"node_disk_{exporter}_bytes_total", at.exporter, disks))
    root = _rate(_series(f"container_fs_{cadvisor}_bytes_total", at.cadvisor, CGROUP_ROOT, disks))
    return _or(
        f"sum by (node) (max by (node,device) ({_exporter(at, own)}))",
        f"sum by (node) (max by (node,device) ({_kubelet(root)}))",
    )


# --- pods and containers ---------------------------------------------------------------------------------------------

# Of recorded sums: what a target serves under the same name has a job.
NO_JOB: Final = 'job=""'

POD: Final = "namespace,pod"
CONTAINER: Final = "namespace,pod,container"


def _by(labels: str, expression: str) -> str:
    return f"sum by ({labels}) ({expression})"


def _containers_cpu(at: Installation) -> str:
    """Cores used by each container: as recorded, else by cAdvisor or the kubelet's resource endpoint."""
    if at.cpu_rule:
        return f"max by ({CONTAINER}) ({_series(at.cpu_rule, NO_JOB)(CONTAINERS)})"
    cpu = _rate_of_the_living(_series("container_cpu_usage_seconds_total", at.containers))
    return f"max by ({CONTAINER}) ({cpu(CONTAINERS)})"


def _pod_cpu(at: Installation) -> str:
    """Cores used by a pod's containers (kubernetes-mixin, queries/pod.libsonnet), else what the kubelet says of the pod
    (resource endpoint), else the pod's own cgroup.
    """
    of_pod = _rate_of_the_living(_series("pod_cpu_usage_seconds_total", at.resource))
    cgroup = _rate_of_the_living(_series("container_cpu_usage_seconds_total", at.cadvisor))
    return _or(
        _by(POD, _containers_cpu(at)), f"max by ({POD}) ({of_pod(PODS)})", f"max by ({POD}) ({cgroup(POD_CGROUP)})"
    )


def _containers_memory(at: Installation) -> str:
    """The working set of each container, by the same sources as its CPU."""
    if at.memory_rule:
        return f"max by ({CONTAINER}) ({_series(at.memory_rule, at.cadvisor)(CONTAINERS)})"
    return f"max by ({CONTAINER}) ({_series('container_memory_working_set_bytes', at.containers)(CONTAINERS)})"


def _pod_memory(at: Installation) -> str:
    """The working set of a pod's containers, by the same sources as its CPU."""
    of_pod = _series("pod_memory_working_set_bytes", at.resource)
    cgroup = _series("container_memory_working_set_bytes", at.cadvisor)
    return _or(
        _by(POD, _containers_memory(at)), f"max by ({POD}) ({of_pod(PODS)})", f"max by ({POD}) ({cgroup(POD_CGROUP)})"
    )


def _pod_network(at: Installation, direction: str) -> str:
    """Bytes a second of a pod. Its network belongs to the pause container, so containers are not filtered."""
    traffic = _series(f"container_network_{direction}_bytes_total", at.cadvisor, 'interface!="lo"')
    return _by(POD, f"max by ({POD},interface) ({_rate_of_the_living(traffic)(PODS)})")


def _containers_filesystem(at: Installation) -> str:
    return f"max by ({CONTAINER},device) ({_series('container_fs_usage_bytes', at.cadvisor)(CONTAINERS)})"


def _pod_filesystem(at: Installation) -> str:
    """Bytes that a pod's containers wrote into their own layers (Freelens)."""
    return _by(POD, _containers_filesystem(at))


def _containers_disk(at: Installation, direction: str) -> str:
    return f"max by ({CONTAINER},device) ({_disk(at, direction)(CONTAINERS)})"


def _pod_disk(at: Installation, direction: str) -> str:
    """Bytes a second that a pod's containers read or wrote (kubernetes-mixin), else those of the pod's own cgroup."""
    return _or(
        _by(POD, _containers_disk(at, direction)),
        _by(POD, f"max by ({POD},device) ({_disk(at, direction)(POD_CGROUP)})"),
    )


def _disk(at: Installation, direction: str) -> Series:
    disks = f'device!~"{VIRTUAL_DISKS}"'
    return _rate_of_the_living(_series(f"container_fs_{direction}_bytes_total", at.cadvisor, disks))


def _pod_throttling(at: Installation) -> str:
    """Over all containers of the pod that have a limit, else by the pod's own cgroup."""
    return _or(_throttling(at, POD, CONTAINERS), _throttling(at, POD, POD_CGROUP))


def _throttling(at: Installation, labels: str, matchers: str) -> str:
    """Periods cut short among all periods (kubernetes-mixin's CPUThrottlingHigh)."""

    def periods(name: str) -> str:
        living = _rate_of_the_living(_series(f"container_cpu_cfs_{name}_total", at.cadvisor))
        return _by(labels, f"max by ({CONTAINER}) ({living(matchers)})")

    return f"{periods('throttled_periods')} / ({periods('periods')} > 0)"


CATALOGUE: Final = queries(Installation())

_ALLOCATABLE: Final = frozenset({MetricName.CPU_ALLOCATABLE, MetricName.MEMORY_ALLOCATABLE})


def _has(level: Level, metric: MetricName) -> bool:
    if metric in SHARES:
        part, whole = SHARES[metric]
        return (part, level) in CATALOGUE and (whole in _ALLOCATABLE) == (level in (Level.NODE, Level.CLUSTER))
    if metric in SAID:
        return metric not in _ALLOCATABLE or level in (Level.NODE, Level.CLUSTER)
    return (metric, level) in CATALOGUE


# The metrics of each level, in the order in which they are shown.
MEASURED: Final[Mapping[Level, tuple[MetricName, ...]]] = {
    level: tuple(metric for metric in MetricName if _has(level, metric)) for level in Level
}

# --- from a template to a query --------------------------------------------------------------------------------------

PLACEHOLDERS: Final = ("selector", "instances", "window")
_PLACEHOLDER = re.compile(r"(?P<comma>,\s*)?\$(?P<name>selector|instances|window)\b")
_UNKNOWN_PLACEHOLDER = re.compile(r"\$(?!(?:selector|instances|window)\b)([A-Za-z_]\w*)")


def unknown_placeholders(template: str) -> tuple[str, ...]:
    """What looks like a placeholder of somebody else's (`$namespace`, `$__rate_interval`); `$1` is PromQL's own."""
    return tuple(f"${name}" for name in _UNKNOWN_PLACEHOLDER.findall(template))


def render(
    question: "Question",
    settings: "PrometheusSettings",
    templates: Mapping[tuple[MetricName, Level], str] = CATALOGUE,
) -> str:
    """The PromQL that answers `question`: its template, or the one configured in its place, filled in."""
    template = _template(question, settings, templates)
    names = question.selector.names
    values = {
        "selector": ",".join(_matchers(question.level, question.selector)),
        "instances": "" if names is None or "$instances" not in template else matcher("instance", names),
        "window": _window(question, settings),
    }

    def filled(found: re.Match[str]) -> str:
        value = values[found["name"]]
        return (found["comma"] or "") + value if value else ""

    return _PLACEHOLDER.sub(filled, template)


_RECORDED_RATE = re.compile(r":sum_rate(\d+[smhd])\{")


def averaged_over(
    question: "Question",
    settings: "PrometheusSettings",
    templates: Mapping[tuple[MetricName, Level], str] = CATALOGUE,
) -> str | None:
    """The Prometheus duration that each number of the answer is the mean of: what was recorded as a rate says it.

    None for numbers of one moment, and for a configured query that does not leave the window to the gateway.
    """
    template = _template(question, settings, templates)
    if recorded := _RECORDED_RATE.search(template):
        return recorded[1]
    return _window(question, settings) if "$window" in template else None


def _template(
    question: "Question", settings: "PrometheusSettings", templates: Mapping[tuple[MetricName, Level], str]
) -> str:
    configured = settings.catalogue.get(question.metric, {}).get(question.level)
    return templates[question.metric, question.level] if configured is None else configured


def _window(question: "Question", settings: "PrometheusSettings") -> str:
    return settings.rate_window if question.range is None else settings.window_of(question.range.step)


def _matchers(level: Level, selector: "Selector") -> Iterable[str]:
    if selector.namespaces is not None:
        yield matcher("namespace", selector.namespaces)
    if selector.names is not None:
        yield matcher("node" if level is Level.NODE else "pod", selector.names)


def matcher(label: str, values: Collection[str]) -> str:
    """A label matcher that is true of exactly `values` (at least one), whatever characters they hold.

    Sorted, so that equal questions are equal queries. Prometheus anchors its regular expressions, and looks up an
    alternation of plain words in its index word by word.
    """
    if len(values) == 1:
        return f'{label}="{quoted(next(iter(values)))}"'
    words = sorted(values)
    plain = "|".join(words)
    if _WORDS.fullmatch(plain) is None or plain.count("|") >= len(words):
        plain = quoted("|".join(map(literal, words)))
    return f'{label}=~"{plain}"'


_RE2_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$]")
_WORDS = re.compile(r"[A-Za-z0-9_|-]*")  # as most names are: they match themselves
_NEEDS_ESCAPE = re.compile(r'[\\"\x00-\x1f\x7f]')


def literal(text: str) -> str:
    """A regular expression of RE2's that matches `text` and nothing else (Go's regexp.QuoteMeta)."""
    return _RE2_SPECIAL.sub(r"\\\g<0>", text)


def quoted(text: str) -> str:
    """`text` as the inside of a PromQL string in double quotes, whose escapes are Go's."""
    return _NEEDS_ESCAPE.sub(lambda found: _escaped(found[0]), text)


def _escaped(character: str) -> str:
    return f"\\{character}" if character in '\\"' else f"\\x{ord(character):02x}"
