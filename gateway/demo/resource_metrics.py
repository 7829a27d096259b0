"""The simulated `metrics.k8s.io`, as metrics-server serves it: the same use that the simulated Prometheus has."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.demo import statuses
from gateway.demo.nodes import Node
from gateway.demo.objects import timestamp
from gateway.demo.pods import Pod
from gateway.demo.requests import METRICS, Target
from gateway.demo.storage import Storage
from gateway.demo.usage import SCRAPE_INTERVAL_S, Usage
from schema.sources.prometheus.catalogue import MetricName

GROUP: Final = METRICS
VERSION: Final = f"{GROUP}/v1beta1"
PATH: Final = f"/apis/{VERSION}"
READING: Final = ("get", "list")
DISCOVERY: Final[Mapping[str, Any]] = {
    "kind": "APIResourceList",
    "apiVersion": "v1",
    "groupVersion": VERSION,
    "resources": [
        {"name": "nodes", "singularName": "", "namespaced": False, "kind": "NodeMetrics", "verbs": list(READING)},
        {"name": "pods", "singularName": "", "namespaced": True, "kind": "PodMetrics", "verbs": list(READING)},
    ],
}


def answer(storage: Storage, now: float, wanted: Target) -> Mapping[str, Any]:
    """What there is, or the object or the list that is asked for; raises Refusal."""
    match wanted:
        case Target(path=path, verb="get") if path == PATH:
            return DISCOVERY
        case Target(resource="nodes", namespace=""):
            kind, items = "NodeMetrics", _nodes(storage, now)
        case Target(resource="pods"):
            kind, items = "PodMetrics", _pods(storage, now, wanted.namespace)
        case _:
            raise statuses.no_such_resource()
    match wanted.verb:
        case "list":
            return {"kind": f"{kind}List", "apiVersion": VERSION, "metadata": {}, "items": list(items)}
        case "get":
            one = next((item for item in items if item["metadata"]["name"] == wanted.name), None)
            if one is None:
                raise statuses.not_found("", wanted.resource, wanted.name)  # metrics-server leaves its group out
            return {"kind": kind, "apiVersion": VERSION, **one}
        case _:
            raise statuses.method_not_allowed()


def _nodes(storage: Storage, now: float) -> Iterator[dict[str, Any]]:
    usage, pods = _usage(storage, now), _all_pods(storage)
    cpu, memory = (usage.of_nodes(metric, pods) for metric in (MetricName.CPU_USAGE, MetricName.MEMORY_USAGE))
    for name in cpu:
        yield _described(usage.nodes[name], now) | {"usage": _amounts(cpu[name], memory[name])}


def _pods(storage: Storage, now: float, namespace: str) -> Iterator[dict[str, Any]]:
    usage = _usage(storage, now)
    pods = [pod for pod in _all_pods(storage) if not namespace or pod.namespace == namespace]
    memory = {
        (pod.uid, container): number for pod, container, number in usage.of_containers(MetricName.MEMORY_USAGE, pods)
    }
    containers: dict[str, list[dict[str, Any]]] = {}
    for pod, container, number in usage.of_containers(MetricName.CPU_USAGE, pods):
        amounts = _amounts(number, memory[pod.uid, container])
        containers.setdefault(pod.uid, []).append({"name": container, "usage": amounts})
    for pod in pods:
        if pod.uid in containers:
            yield _described(pod, now) | {"containers": containers[pod.uid]}


def _usage(storage: Storage, now: float) -> Usage:
    return Usage({node.name: node for node in storage.all("nodes") if isinstance(node, Node)}, now)


def _all_pods(storage: Storage) -> list[Pod]:
    return [pod for pod in storage.all("pods") if isinstance(pod, Pod)]


def _described(of: Node | Pod, now: float) -> dict[str, Any]:
    at = timestamp(int(now))
    metadata = {"name": of.name, "namespace": of.namespace, "creationTimestamp": at, "labels": dict(of.labels)}
    return {
        "metadata": {key: value for key, value in metadata.items() if value},
        "timestamp": at,
        "window": f"{SCRAPE_INTERVAL_S}s",
    }


def _amounts(cpu: float, memory: float) -> dict[str, str]:
    """In Kubernetes' canonical form: the largest unit in which they are whole."""
    return {
        "cpu": _canonical(round(cpu * 10**9), 1000, ("n", "u", "m", "")),
        "memory": _canonical(int(memory), 1024, ("", "Ki", "Mi", "Gi")),
    }


def _canonical(number: int, step: int, units: tuple[str, ...]) -> str:
    unit = 0
    while number and number % step == 0 and unit < len(units) - 1:
        number, unit = number // step, unit + 1
    return f"{number}{units[unit]}" if number else "0"
