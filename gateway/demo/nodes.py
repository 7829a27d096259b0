"""Nodes: the record, and the JSON that a real API server would send for it."""

from collections.abc import Mapping
from typing import Any

import msgspec
import orjson

from gateway.demo.objects import metadata, timestamp


class Node(msgspec.Struct, frozen=True, gc=False, eq=False):
    """CPU in cores, memory and disk in bytes; `heard` is the last heartbeat, `since` the last change of readiness."""

    name: str
    uid: str
    created: int
    labels: Mapping[str, str]
    ip: str
    cpu: int
    memory: int
    disk: int
    pod_cidr: str
    heard: int
    since: int
    ready: bool = True
    control_plane: bool = False
    unschedulable: bool = False
    pods: int = 110
    external_ip: str = ""

    @property
    def namespace(self) -> str:
        return ""

    @property
    def fields(self) -> Mapping[str, str]:
        return {
            "metadata.name": self.name,
            "metadata.namespace": "",
            "spec.unschedulable": "true" if self.unschedulable else "false",
        }

    def manifest(self, revision: int) -> bytes:
        return orjson.dumps(_document(self, revision))


def _document(node: Node, revision: int) -> dict[str, Any]:
    described = metadata(node, revision)
    described["annotations"] = {
        "node.alpha.kubernetes.io/ttl": "0",
        "volumes.kubernetes.io/controller-managed-attach-detach": "true",
    }
    spec: dict[str, Any] = {
        "podCIDR": node.pod_cidr,
        "podCIDRs": [node.pod_cidr],
        "providerID": f"simulated:///{node.labels['topology.kubernetes.io/zone']}/{node.name}",
    }
    if node.unschedulable:
        spec["unschedulable"] = True
    if taints := _taints(node):
        spec["taints"] = taints
    return {
        "kind": "Node",
        "apiVersion": "v1",
        "metadata": described,
        "spec": spec,
        "status": {
            "capacity": _resources(node, reserved=False),
            "allocatable": _resources(node, reserved=True),
            "conditions": _conditions(node),
            "addresses": _addresses(node),
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "nodeInfo": {
                "machineID": node.uid.replace("-", ""),
                "systemUUID": node.uid,
                "bootID": node.uid[::-1],
                "kernelVersion": "6.12.63+deb13-cloud-amd64",
                "osImage": "Debian GNU/Linux 13 (trixie)",
                "containerRuntimeVersion": "containerd://2.2.1",
                "kubeletVersion": "v1.37.2",
                "kubeProxyVersion": "",
                "operatingSystem": "linux",
                "architecture": "amd64",
            },
            "images": [
                {"names": [image], "sizeBytes": size}
                for image, size in (
                    ("quay.io/cilium/cilium:v1.20.1", 268_435_456),
                    ("registry.k8s.io/kube-proxy:v1.37.2", 29_881_104),
                    ("registry.k8s.io/pause:3.10.1", 320_448),
                )
            ],
        },
    }


def _taints(node: Node) -> list[dict[str, str]]:
    taints = []
    if node.control_plane:
        taints.append({"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"})
    if not node.ready:
        since = timestamp(node.since)
        taints.append({"key": "node.kubernetes.io/unreachable", "effect": "NoSchedule", "timeAdded": since})
        taints.append({"key": "node.kubernetes.io/unreachable", "effect": "NoExecute", "timeAdded": since})
    if node.unschedulable:
        taints.append({"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"})
    return taints


def _resources(node: Node, *, reserved: bool) -> dict[str, str]:
    """Capacity, or what is left of it for pods: 80 m CPU, 1.5 GiB and a tenth of the disk are the system's."""
    cpu = f"{node.cpu * 1000 - 80}m" if reserved else str(node.cpu)
    memory = node.memory // 1024 - (1_572_864 if reserved else 0)
    disk = str(node.disk * 9 // 10) if reserved else f"{node.disk // 1024}Ki"
    return {
        "cpu": cpu,
        "ephemeral-storage": disk,
        "hugepages-1Gi": "0",
        "hugepages-2Mi": "0",
        "memory": f"{memory}Ki",
        "pods": str(node.pods),
    }


def _conditions(node: Node) -> list[dict[str, str]]:
    """A node that nobody hears from is Unknown in everything."""
    heard, since, created = timestamp(node.heard), timestamp(node.since), timestamp(node.created)
    if not node.ready:
        return [
            {
                "type": kind,
                "status": "Unknown",
                "lastHeartbeatTime": heard,
                "lastTransitionTime": since,
                "reason": "NodeStatusUnknown",
                "message": "Kubelet stopped posting node status.",
            }
            for kind in ("MemoryPressure", "DiskPressure", "PIDPressure", "Ready")
        ]
    return [
        {
            "type": kind,
            "status": status,
            "lastHeartbeatTime": heard,
            "lastTransitionTime": since if kind == "Ready" else created,
            "reason": reason,
            "message": message,
        }
        for kind, status, reason, message in (
            ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
            ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
            ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
            ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
        )
    ]


def _addresses(node: Node) -> list[dict[str, str]]:
    addresses = [{"type": "InternalIP", "address": node.ip}]
    if node.external_ip:
        addresses.append({"type": "ExternalIP", "address": node.external_ip})
    return [*addresses, {"type": "Hostname", "address": node.name}]
