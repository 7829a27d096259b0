"""Grafana's dashboards for the cluster, its nodes and its pods, out of the gateway's own PromQL.

They ask what the gateway asks (schema/sources/prometheus/catalogue.py), so that both show the same number, whoever
installed Prometheus. `make manifests` writes them to monitoring/dashboards/.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from schema.sources.prometheus.catalogue import CATALOGUE, UNITS, Level, MetricName, MetricUnit

DATASOURCE: Final = {"type": "prometheus", "uid": "prometheus"}  # the uid in monitoring/grafana.yaml
GRAFANA_UNITS: Final[Mapping[MetricUnit, str]] = {
    MetricUnit.CORES: "none",
    MetricUnit.BYTES: "bytes",
    MetricUnit.BYTES_PER_SECOND: "Bps",
    MetricUnit.RATIO: "percentunit",
}
TITLES: Final[Mapping[MetricName, str]] = {
    MetricName.CPU_USAGE: "CPU (cores)",
    MetricName.CPU_THROTTLING: "CPU throttling",
    MetricName.MEMORY_USAGE: "Memory",
    MetricName.NETWORK_RECEIVE: "Received",
    MetricName.NETWORK_TRANSMIT: "Sent",
    MetricName.FILESYSTEM_USAGE: "Filesystems",
    MetricName.FILESYSTEM_SIZE: "Filesystems' size",
    MetricName.DISK_READ: "Read from disks",
    MetricName.DISK_WRITE: "Written to disks",
}
COLUMNS: Final = 24  # the width of Grafana's grid
_PLACEHOLDER: Final = re.compile(r"(?P<comma>,)?\$(?P<name>selector|instances|window)\b")


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture: its query, what a line of it is called, its unit, and how much of the grid it takes."""

    title: str
    query: str
    legend: str
    unit: str = "none"
    width: int = 12
    height: int = 8
    kind: str = "timeseries"


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice at the top of the page, of the values that a label has."""

    name: str
    values: str


def dashboards() -> Mapping[str, str]:
    """File name to content."""
    namespace = Variable("namespace", "label_values(kube_pod_info, namespace)")
    pod = Variable("pod", 'label_values(kube_pod_info{namespace=~"$namespace"}, pod)')
    node = Variable("node", "label_values(kube_node_info, node)")
    return {
        "cluster.json": _dashboard("cluster", "Cluster", (), list(_cluster())),
        "node.json": _dashboard("node", "Nodes", (node,), list(_nodes())),
        "pod.json": _dashboard("pod", "Pods", (namespace, pod), list(_pods())),
    }


def _cluster() -> Iterator[Panel]:
    cpu, memory = MetricName.CPU_USAGE, MetricName.MEMORY_USAGE
    yield Panel("Nodes", "count(count by (node) (kube_node_info))", "nodes", width=4, height=4, kind="stat")
    running = 'sum(max by (namespace,pod) (kube_pod_status_phase{phase="Running"}))'
    yield Panel("Pods running", running, "pods", width=4, height=4, kind="stat")
    troubled = 'sum(max by (namespace,pod) (kube_pod_status_phase{phase=~"Pending|Failed|Unknown"}))'
    yield Panel("Pods pending, failed or unknown", troubled, "pods", width=4, height=4, kind="stat")
    yield Panel("CPU in use (cores)", f"sum({_node(cpu)})", "cores", width=6, height=4, kind="stat")
    yield Panel("Memory in use", f"sum({_node(memory)})", "bytes", "bytes", width=6, height=4, kind="stat")
    for metric in _queried(Level.NODE):
        yield Panel(f"{TITLES[metric]} by node", _node(metric), "{{node}}", GRAFANA_UNITS[UNITS[metric]])
    phases = "sum by (phase) (max by (namespace,pod,phase) (kube_pod_status_phase))"
    yield Panel("Pods by phase", phases, "{{phase}}")
    for metric in (cpu, memory):
        query = f"topk(10, sum by (namespace) ({_pod(metric)}))"
        title = f"{TITLES[metric]} by namespace: the ten largest"
        yield Panel(title, query, "{{namespace}}", GRAFANA_UNITS[UNITS[metric]])


def _nodes() -> Iterator[Panel]:
    for metric in _queried(Level.NODE):
        query = _node(metric, selector='node=~"$node"', instances='instance=~"$node"')
        yield Panel(TITLES[metric], query, "{{node}}", GRAFANA_UNITS[UNITS[metric]])
    here = 'max by (namespace,pod) (kube_pod_info{node=~"$node"})'
    for metric in (MetricName.CPU_USAGE, MetricName.MEMORY_USAGE):
        query = f"topk(10, ({_pod(metric)}) and on (namespace,pod) {here})"
        title = f"{TITLES[metric]} by pod: the ten largest"
        yield Panel(title, query, "{{namespace}}/{{pod}}", GRAFANA_UNITS[UNITS[metric]])


def _pods() -> Iterator[Panel]:
    for metric in _queried(Level.POD):
        query = _pod(metric, selector='namespace=~"$namespace",pod=~"$pod"')
        yield Panel(TITLES[metric], query, "{{namespace}}/{{pod}}", GRAFANA_UNITS[UNITS[metric]])


def _queried(level: Level) -> list[MetricName]:
    """What Prometheus is asked for; shares of what an object has are none of its business."""
    return [metric for metric in MetricName if (metric, level) in CATALOGUE]


def _node(metric: MetricName, **matchers: str) -> str:
    return _filled(CATALOGUE[metric, Level.NODE], matchers)


def _pod(metric: MetricName, **matchers: str) -> str:
    return _filled(CATALOGUE[metric, Level.POD], matchers)


def _filled(template: str, matchers: Mapping[str, str]) -> str:
    values = {"selector": "", "instances": "", "window": "$__rate_interval", **matchers}

    def value(found: re.Match[str]) -> str:
        text = values[found["name"]]
        return (found["comma"] or "") + text if text else ""

    return _PLACEHOLDER.sub(value, template)


def _dashboard(name: str, title: str, variables: Sequence[Variable], panels: Sequence[Panel]) -> str:
    content = {
        "uid": f"binnacle-{name}",
        "title": f"Binnacle / {title}",
        "tags": ["binnacle"],
        "schemaVersion": 39,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [_variable(variable) for variable in variables]},
        "panels": list(_placed(panels)),
    }
    return json.dumps(content, indent=2) + "\n"


def _variable(variable: Variable) -> dict[str, Any]:
    return {
        "name": variable.name,
        "type": "query",
        "datasource": DATASOURCE,
        "query": {"query": variable.values, "refId": variable.name},
        "refresh": 2,  # anew when the time range changes: pods come and go
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def _placed(panels: Sequence[Panel]) -> Iterator[dict[str, Any]]:
    """From left to right, then down."""
    x = y = 0
    for number, panel in enumerate(panels, start=1):
        if x + panel.width > COLUMNS:
            x, y = 0, y + panels[number - 2].height
        yield {
            "id": number,
            "type": panel.kind,
            "title": panel.title,
            "datasource": DATASOURCE,
            "gridPos": {"x": x, "y": y, "w": panel.width, "h": panel.height},
            "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
            "targets": [
                {"refId": "A", "datasource": DATASOURCE, "expr": panel.query, "legendFormat": panel.legend},
            ],
        }
        x += panel.width
