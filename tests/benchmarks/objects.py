"""The cluster that is measured, as a recipe: so many nodes and pods, always the same, and what the right answer is.

Pods are as a kubelet of today reports them, 4 to 7 KB of JSON at the API server: deployments of 30 pods in 3 to 500
namespaces, dealt over all nodes; one pod in fifty was restarted. From the recipe alone follows what a query must
answer: every answer that is timed is compared with it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Hashable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

import orjson

from tests.cluster import objects
from tests.cluster.objects import Manifest

PODS_OF_A_DEPLOYMENT: Final = 30
SHARDS: Final = 50
"""Every deployment has one of so many values of the label `shard`: a filter by one keeps 2 % of the pods."""

VERSION: Final = 1
"""To be raised with every change of what is created: kept clusters of other versions are not used."""


class PodPlan(NamedTuple):
    """Where one pod is, and what it is called: all that the timed queries ask for."""

    number: int
    name: str
    namespace: str
    node: str
    address: str
    workload: int


@dataclass(frozen=True)
class Recipe:
    """A cluster of a size."""

    nodes: int
    pods: int

    @property
    def title(self) -> str:
        return f"{self.nodes:,} nodes, {self.pods:,} pods"

    @property
    def key(self) -> str:
        """Names kept data of this cluster."""
        return f"{self.nodes}-{self.pods}-v{VERSION}"

    @cached_property
    def node_names(self) -> list[str]:
        return [f"node-{number:04}" for number in range(self.nodes)]

    @cached_property
    def namespaces(self) -> list[str]:
        return [f"team-{number:03}" for number in range(min(500, max(3, self.pods // 300)))]

    @property
    def clerks_namespaces(self) -> list[str]:
        """The namespaces that the clerks may see: 40 of 500."""
        count = max(1, len(self.namespaces) * 40 // 500)
        return self.namespaces[:: len(self.namespaces) // count][:count]

    @cached_property
    def plans(self) -> list[PodPlan]:
        return [self._plan(number) for number in range(self.pods)]

    def _plan(self, number: int) -> PodPlan:
        workload = number // PODS_OF_A_DEPLOYMENT
        return PodPlan(
            number,
            f"web-{workload:04}-7d4b9c6f5-{number:05x}",
            self.namespaces[workload % len(self.namespaces)],
            self.node_names[number % self.nodes],
            f"10.{100 + number // 10_000}.{100 + number // 100 % 100}.{100 + number % 100}",
            workload,
        )

    def patterns(self) -> dict[Hashable, PodPlan]:
        """The first pod of each sort: all others differ from one of these only in names and numbers of equal length."""
        found: dict[Hashable, PodPlan] = {}
        for plan in self.plans:
            found.setdefault(sort_of(plan), plan)
        return found

    def node_manifests(self) -> Iterator[Manifest]:
        return (objects.node(name, index) for index, name in enumerate(self.node_names))

    # ------------------------------------------------------------------------------------------- what must be answered

    @cached_property
    def by_node(self) -> dict[str, list[PodPlan]]:
        """Pods by node, as they are answered: by namespace and name."""
        found: dict[str, list[PodPlan]] = {name: [] for name in self.node_names}
        for plan in sorted(self.plans, key=lambda each: (each.namespace, each.name)):
            found[plan.node].append(plan)
        return found

    def nested(self, namespaces: Collection[str] | None = None) -> bytes:
        """The answer about all nodes and their pods, to somebody who sees these namespaces (None: all)."""
        seen = None if namespaces is None else set(namespaces)
        nodes = [
            {"name": node, "pods": [_shown(each) for each in pods if seen is None or each.namespace in seen]}
            for node, pods in self.by_node.items()
        ]
        return orjson.dumps({"data": {"nodes": nodes}})

    def one_node(self, node: str) -> bytes:
        """The answer about one node and its pods."""
        return orjson.dumps({"data": {"node": {"name": node, "pods": list(map(_shown, self.by_node[node]))}}})


def sort_of(plan: PodPlan) -> Hashable:
    return _sort(plan), _restarts(plan)


def stamped(stored: bytes, uid: str, pattern: PodPlan, plan: PodPlan) -> bytes:
    """Another pod of the same sort, from what the API server stored of `pattern`, which has this uid.

    Every replacement is as long as what it replaces, so that the lengths in the encoding (protobuf) stay right.
    """
    for old, new in (
        (uid, f"{plan.number:08x}-0000-4000-8000-{plan.number:012x}"),
        (f"web-{pattern.workload:04}", f"web-{plan.workload:04}"),
        (f"-{pattern.number:05x}", f"-{plan.number:05x}"),
        (pattern.namespace, plan.namespace),
        (pattern.node, plan.node),
        (pattern.address, plan.address),
        (_owner_uid(pattern), _owner_uid(plan)),
        (_cpu_use(pattern), _cpu_use(plan)),
        (_container_id(pattern), _container_id(plan)),
        (f"shard\x12\x02{_shard(pattern)}", f"shard\x12\x02{_shard(plan)}"),
        (_zone(pattern), _zone(plan)),
    ):
        if len(old) != len(new):
            raise ValueError(f"{old} and {new} differ in length")
        stored = stored.replace(old.encode(), new.encode())
    return stored


def _sort(plan: PodPlan) -> int:
    """With one container, with volumes, or with two containers."""
    return plan.workload % 3


def _restarts(plan: PodPlan) -> int:
    return 0 if plan.number % 50 else 1 + plan.number // 50 % 7


def _owner_uid(plan: PodPlan) -> str:
    return f"{plan.workload:08x}-0000-4000-9000-{plan.workload:012x}"


def _cpu_use(plan: PodPlan) -> str:
    return f"{1_000 + plan.number % 1_000}m"


def _container_id(plan: PodPlan) -> str:
    return hashlib.sha256(plan.name.encode()).hexdigest()


def _shard(plan: PodPlan) -> str:
    return f"{plan.workload % SHARDS:02}"


def _zone(plan: PodPlan) -> str:
    """The zone of its node (`tests.cluster.objects.node`), which the API server writes on the pod."""
    return f"eu-north-1{'abc'[int(plan.node.removeprefix('node-')) % 3]}"


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def _shown(plan: PodPlan) -> dict[str, str]:
    return {
        "name": plan.name,
        "namespace": plan.namespace,
        "phase": "Running",
        "nodeName": plan.node,
        "address": plan.address,
    }


def manifest(plan: PodPlan) -> Manifest:
    name = f"web-{plan.workload:04}"
    labels = {"app": name, "shard": _shard(plan)}
    pod: dict[str, Any] = objects.pod(
        plan.name,
        node=plan.node,
        labels=labels,
        cpu_use=_cpu_use(plan),
        containers=2 if _sort(plan) == 2 else 1,
    )
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": f"{name}-7d4b9c6f5", "uid": _owner_uid(plan)}
    pod["metadata"] |= {
        "namespace": plan.namespace,
        "generateName": f"{name}-7d4b9c6f5-",
        "ownerReferences": [{**owner, "controller": True, "blockOwnerDeletion": True}],
    }
    if _sort(plan) == 1:
        pod["spec"]["nodeSelector"] = {"kubernetes.io/os": "linux"}
        pod["spec"]["volumes"] = [
            {"name": "settings", "configMap": {"name": f"{name}-settings"}},
            {"name": "scratch", "emptyDir": {}},
        ]
        pod["spec"]["containers"][0]["volumeMounts"] = [
            {"name": "settings", "mountPath": "/etc/web"},
            {"name": "scratch", "mountPath": "/tmp"},
        ]
    return pod | {"status": {**objects.running_status(pod, plan.address, "10.100.0.1"), **statuses(plan, pod)}}


def statuses(plan: PodPlan, pod: Manifest, restarts: int | None = None) -> Manifest:
    """What its kubelet says of the pod's containers; `restarts` of the first, in the place of the recipe's."""
    reports = objects.running_status(pod, plan.address, "10.100.0.1")["containerStatuses"]
    if restarts is None:
        restarts = _restarts(plan)
    for container, reported in zip(pod["spec"]["containers"], reports, strict=True):
        reported["containerID"] = f"containerd://{_container_id(plan)}"
        reported |= {"resources": container["resources"], "allocatedResources": container["resources"]["requests"]}
        if restarts and container["name"] == "web":
            reported["restartCount"] = restarts
            ended = {"exitCode": 137, "reason": "OOMKilled", "startedAt": objects.SINCE, "finishedAt": objects.SINCE}
            reported["lastState"] = {"terminated": ended}
    return {"containerStatuses": reports}
