"""What can be measured of a node or a pod, and the one place of the PromQL that measures it.

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

Prometheus evaluates every side of an `or`; a source that is not installed has no series and costs an index look-up.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
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


class MetricName(Described):
    """What can be asked about a node or a pod at this moment."""

    CPU_USAGE = (
        "CPU_USAGE",
        "Processor time in use, in cores, averaged over the rate window (5 minutes unless configured).",
    )
    MEMORY_USAGE = (
        "MEMORY_USAGE",
        (
            "Memory in use that the kernel cannot simply take back, in bytes: of a pod its containers' working set; of "
            "a node its memory less what is available, or the working set where no node exporter runs."
        ),
    )
    NETWORK_RECEIVE = (
        "NETWORK_RECEIVE",
        (
            "Bytes received per second: of a node over its own interfaces (no bridges, tunnels or pods' ends), of a "
            "pod over all interfaces but loopback. A pod on its node's network shows the node's traffic."
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

    @property
    def unit(self) -> MetricUnit:
        return UNITS[self]


class Level(Described):
    """What kind of object a metric is asked of."""

    NODE = "NODE", "A node as a whole, whatever runs on it."
    POD = "POD", "A pod: the sum of its containers."

    @property
    def key_labels(self) -> tuple[str, ...]:
        """The labels that name one object of this level in an answer."""
        return ("node",) if self is Level.NODE else ("namespace", "pod")


UNITS: Final[Mapping[MetricName, MetricUnit]] = {
    MetricName.CPU_USAGE: MetricUnit.CORES,
    MetricName.MEMORY_USAGE: MetricUnit.BYTES,
    MetricName.NETWORK_RECEIVE: MetricUnit.BYTES_PER_SECOND,
    MetricName.NETWORK_TRANSMIT: MetricUnit.BYTES_PER_SECOND,
    MetricName.FILESYSTEM_USAGE: MetricUnit.BYTES,
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
NODE_OF_POD = (
    "topk by (namespace,pod) (1, max by (namespace,pod,node) "
    '(kube_pod_info{created_by_kind="DaemonSet",node!="",$selector}))'
)
NODE_OF_ADDRESS = (
    'topk by (internal_ip) (1, max by (internal_ip,node) (kube_node_info{internal_ip!="",node!="",$selector}))'
)

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
# Volumes of pods are mounted below here: theirs is not the node's use.
POD_VOLUMES = "/var/lib/kubelet/.+"


def _series(name: str, *fixed: str) -> Series:
    return lambda matchers: f"{name}{{{','.join((*fixed, matchers))}}}"


def _rate(series: Series) -> Series:
    return lambda matchers: f"rate({series(matchers)}[$window])"


def _rate_of_the_living(series: Series) -> Series:
    """Per second, and only of series that still exist.

    A range still holds the samples of a container that was replaced minutes ago: without the `and`, a pod created again
    under its old name would show its predecessor's use until the window has passed. (Nodes keep their series.) That
    doubles the price of the rate: a real Prometheus with 15,000 pods of two containers answers CPU_USAGE of all pods in
    0.5 s, where the bare sum takes 0.2 s; recording rules (see the settings' `catalogue`) make either cheap.
    """
    return lambda matchers: f"(rate({series(matchers)}[$window]) and {series(matchers)})"


def _difference(whole: Series, free: Series) -> Series:
    return lambda matchers: f"({whole(matchers)} - {free(matchers)})"


def _named_by_instance(expression: str) -> str:
    return f'label_replace({expression}, "node", "$1", "instance", "(.+)")'


def _kubelet(series: Series) -> str:
    """Series of a kubelet's endpoints, with the label `node`."""
    return f"{series(HAS_NODE)} or {_named_by_instance(series(INSTANCE_IS_NODE))}"


def _exporter(series: Series) -> str:
    """Series of the node exporter, with the label `node`: the four cases of the table above, in its order."""
    unnamed = series(INSTANCE_IS_ADDRESS)
    addressed = rf'label_replace({unnamed}, "internal_ip", "$1", "instance", "\\[?(.*?)\\]?:\\d+")'
    return (
        f"{_kubelet(series)}"
        f" or {unnamed} * on (namespace,pod) group_left(node) {NODE_OF_POD}"
        f" or {addressed} * on (internal_ip) group_left(node) {NODE_OF_ADDRESS}"
    )


def _or(*sources: str) -> str:
    return "\nor\n".join(sources)


# --- nodes -----------------------------------------------------------------------------------------------------------


def _node_cpu() -> str:
    """Cores busy: node exporter's modes that are work (node-mixin's complement of idle, iowait and steal; guest is in
    user), else the kubelet's resource endpoint, which metrics-server reads, else cAdvisor's root cgroup.
    """
    busy = _rate(_series("node_cpu_seconds_total", 'mode=~"user|nice|system|irq|softirq"'))
    return _or(
        f"sum by (node) (max by (node,cpu,mode) ({_exporter(busy)}))",
        f"max by (node) ({_kubelet(_rate(_series('node_cpu_usage_seconds_total')))})",
        f"max by (node) ({_kubelet(_rate(_series('container_cpu_usage_seconds_total', CGROUP_ROOT)))})",
    )


def _node_memory() -> str:
    """Bytes not available (node-mixin, nodeExporter-prometheusRule.yaml), else the kubelet's working set, which is what
    `kubectl top` shows.
    """
    used = _difference(_series("node_memory_MemTotal_bytes"), _series("node_memory_MemAvailable_bytes"))
    return _or(
        f"max by (node) ({_exporter(used)})",
        f"max by (node) ({_kubelet(_series('node_memory_working_set_bytes'))})",
        f"max by (node) ({_kubelet(_series('container_memory_working_set_bytes', CGROUP_ROOT))})",
    )


def _node_network(direction: str) -> str:
    """Bytes a second over the node's own interfaces (node-mixin, with more of the virtual ones left out)."""
    exporter = _rate(_series(f"node_network_{direction}_bytes_total", f'device!~"{VIRTUAL_INTERFACES}"'))
    cadvisor = _rate(
        _series(f"container_network_{direction}_bytes_total", CGROUP_ROOT, f'interface!~"{VIRTUAL_INTERFACES}"')
    )
    return _or(
        f"sum by (node) (max by (node,device) ({_exporter(exporter)}))",
        f"sum by (node) (max by (node,interface) ({_kubelet(cadvisor)}))",
    )


def _node_filesystem() -> str:
    """Bytes of the node's disks that are not available (node-mixin), each disk once, however often it is mounted."""
    local = (f'fstype!~"{NOT_LOCAL}"', f'mountpoint!~"{POD_VOLUMES}"')
    used = _difference(_series("node_filesystem_size_bytes", *local), _series("node_filesystem_avail_bytes", *local))
    cadvisor = _series("container_fs_usage_bytes", CGROUP_ROOT, 'device=~"/dev/.+",device!="/dev/shm"')
    return _or(
        f"sum by (node) (max by (node,device) ({_exporter(used)}))",
        f"sum by (node) (max by (node,device) ({_kubelet(cadvisor)}))",
    )


# --- pods ------------------------------------------------------------------------------------------------------------


def _pod_cpu() -> str:
    """Cores used by a pod's containers (kubernetes-mixin, queries/pod.libsonnet), else what the kubelet says of the pod
    (resource endpoint), else the pod's own cgroup.
    """
    cpu = "container_cpu_usage_seconds_total"
    return _or(
        f"sum by (namespace,pod) (max by (namespace,pod,container) ({_rate_of_the_living(_series(cpu))(CONTAINERS)}))",
        f"max by (namespace,pod) ({_rate_of_the_living(_series('pod_cpu_usage_seconds_total'))(PODS)})",
        f"max by (namespace,pod) ({_rate_of_the_living(_series(cpu))(POD_CGROUP)})",
    )


def _pod_memory() -> str:
    """The working set of a pod's containers, by the same sources as its CPU."""
    memory = "container_memory_working_set_bytes"
    return _or(
        f"sum by (namespace,pod) (max by (namespace,pod,container) ({_series(memory)(CONTAINERS)}))",
        f"max by (namespace,pod) ({_series('pod_memory_working_set_bytes')(PODS)})",
        f"max by (namespace,pod) ({_series(memory)(POD_CGROUP)})",
    )


def _pod_network(direction: str) -> str:
    """Bytes a second of a pod. Its network belongs to the pause container, so containers are not filtered."""
    traffic = _rate_of_the_living(_series(f"container_network_{direction}_bytes_total", 'interface!="lo"'))
    return f"sum by (namespace,pod) (max by (namespace,pod,interface) ({traffic(PODS)}))"


def _pod_filesystem() -> str:
    """Bytes that a pod's containers wrote into their own layers (Freelens)."""
    return (
        "sum by (namespace,pod) (max by (namespace,pod,container,device) "
        f"({_series('container_fs_usage_bytes')(CONTAINERS)}))"
    )


CATALOGUE: Final[Mapping[tuple[MetricName, Level], str]] = {
    (MetricName.CPU_USAGE, Level.NODE): _node_cpu(),
    (MetricName.CPU_USAGE, Level.POD): _pod_cpu(),
    (MetricName.MEMORY_USAGE, Level.NODE): _node_memory(),
    (MetricName.MEMORY_USAGE, Level.POD): _pod_memory(),
    (MetricName.NETWORK_RECEIVE, Level.NODE): _node_network("receive"),
    (MetricName.NETWORK_RECEIVE, Level.POD): _pod_network("receive"),
    (MetricName.NETWORK_TRANSMIT, Level.NODE): _node_network("transmit"),
    (MetricName.NETWORK_TRANSMIT, Level.POD): _pod_network("transmit"),
    (MetricName.FILESYSTEM_USAGE, Level.NODE): _node_filesystem(),
    (MetricName.FILESYSTEM_USAGE, Level.POD): _pod_filesystem(),
}

# --- from a template to a query --------------------------------------------------------------------------------------

PLACEHOLDERS: Final = ("selector", "instances", "window")
_PLACEHOLDER = re.compile(r"(?P<comma>,\s*)?\$(?P<name>selector|instances|window)\b")
_UNKNOWN_PLACEHOLDER = re.compile(r"\$(?!(?:selector|instances|window)\b)([A-Za-z_]\w*)")


def unknown_placeholders(template: str) -> tuple[str, ...]:
    """What looks like a placeholder of somebody else's (`$namespace`, `$__rate_interval`); `$1` is PromQL's own."""
    return tuple(f"${name}" for name in _UNKNOWN_PLACEHOLDER.findall(template))


def render(question: "Question", settings: "PrometheusSettings") -> str:
    """The PromQL that answers `question`: the catalogue's template, or the one configured in its place, filled in."""
    template = settings.catalogue.get(question.metric, {}).get(question.level)
    if template is None:
        template = CATALOGUE[question.metric, question.level]
    values = {
        "selector": ",".join(_matchers(question.level, question.selector)),
        "instances": "" if question.selector.names is None else matcher("instance", question.selector.names),
        "window": settings.rate_window,
    }

    def filled(found: re.Match[str]) -> str:
        value = values[found["name"]]
        return (found["comma"] or "") + value if value else ""

    return _PLACEHOLDER.sub(filled, template)


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
    return f'{label}=~"{quoted("|".join(map(literal, sorted(values))))}"'


_RE2_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$]")
_NEEDS_ESCAPE = re.compile(r'[\\"\x00-\x1f\x7f]')


def literal(text: str) -> str:
    """A regular expression of RE2's that matches `text` and nothing else (Go's regexp.QuoteMeta)."""
    return _RE2_SPECIAL.sub(r"\\\g<0>", text)


def quoted(text: str) -> str:
    """`text` as the inside of a PromQL string in double quotes, whose escapes are Go's."""
    return _NEEDS_ESCAPE.sub(lambda found: _escaped(found[0]), text)


def _escaped(character: str) -> str:
    return f"\\{character}" if character in '\\"' else f"\\x{ord(character):02x}"
