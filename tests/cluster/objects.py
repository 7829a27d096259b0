"""Kubernetes objects as manifests: nodes and pods that look like those of a real cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Manifest = dict[str, Any]

CPU_USE = "kwok.x-k8s.io/usage-cpu"
MEMORY_USE = "kwok.x-k8s.io/usage-memory"
"""What each container of a pod uses, as a quantity; KWOK and the exporters both read it from this annotation."""

SINCE = "2026-01-05T08:00:00Z"
"""When the bulk objects' containers and conditions began: fixed, so that two runs create the same."""


def node(
    name: str,
    index: int,
    *,
    control_plane: bool = False,
    cpu: str = "4",
    memory: str = "16Gi",
    pods: str = "110",
    labels: Mapping[str, str] | None = None,
) -> Manifest:
    """A node that reports Ready, with the address 10.100.x.y of its index. Of its memory 1 GiB is not allocatable."""
    role = {"node-role.kubernetes.io/control-plane": ""} if control_plane else {}
    allocatable_memory = f"{int(memory.removesuffix('Gi')) - 1}Gi"
    resources = {"cpu": cpu, "pods": pods, "ephemeral-storage": "100Gi"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                "beta.kubernetes.io/os": "linux",
                "node.kubernetes.io/instance-type": "m5.xlarge",
                "topology.kubernetes.io/region": "eu-north-1",
                "topology.kubernetes.io/zone": f"eu-north-1{'abc'[index % 3]}",
                **role,
                **(labels or {}),
            },
        },
        "spec": {
            "podCIDR": f"10.{128 + index // 256}.{index % 256}.0/24",
            "taints": [{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}]
            if control_plane
            else [],
        },
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": f"10.100.{index // 250}.{index % 250 + 1}"},
                {"type": "Hostname", "address": name},
            ],
            "capacity": {**resources, "memory": memory},
            "allocatable": {**resources, "memory": allocatable_memory},
            "conditions": [
                {
                    "type": kind,
                    "status": "True" if kind == "Ready" else "False",
                    "reason": reason,
                    "message": message,
                    "lastHeartbeatTime": SINCE,
                    "lastTransitionTime": SINCE,
                }
                for kind, reason, message in (
                    ("Ready", "KubeletReady", "kubelet is posting ready status"),
                    ("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
                    ("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
                    ("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
                )
            ],
            "nodeInfo": {
                "architecture": "amd64",
                "bootID": f"00000000-0000-4000-8000-{index:012d}",
                "containerRuntimeVersion": "containerd://2.1.4",
                "kernelVersion": "6.12.0-amd64",
                "kubeProxyVersion": "",
                "kubeletVersion": "v1.37.2",
                "machineID": f"{index:032x}",
                "operatingSystem": "linux",
                "osImage": "Debian GNU/Linux 13 (trixie)",
                "systemUUID": f"00000000-0000-4000-9000-{index:012d}",
            },
        },
    }


def nodes(count: int) -> list[Manifest]:
    """A cluster's nodes: `control-plane`, which takes no ordinary pods, then `worker-1` and so on."""
    workers = [node(f"worker-{index}", index) for index in range(1, count)]
    return [node("control-plane", 0, control_plane=True), *workers]


def pod(
    name: str,
    *,
    node: str | None = None,
    labels: Mapping[str, str] | None = None,
    cpu_use: str = "10m",
    memory_use: str = "64Mi",
    containers: int = 1,
) -> Manifest:
    """A pod of nginx containers; without a node the scheduler chooses one. It needs no service account token."""
    manifest: Manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "labels": {"app.kubernetes.io/name": "web", "pod-template-hash": "7d4b9c6f5", **(labels or {})},
            "annotations": {CPU_USE: cpu_use, MEMORY_USE: memory_use},
        },
        "spec": {
            "automountServiceAccountToken": False,
            "containers": [
                {
                    "name": "web" if index == 0 else f"sidecar-{index}",
                    "image": "registry.k8s.io/nginx:1.29",
                    "ports": [{"name": "http", "containerPort": 8080 + index}],
                    "env": [{"name": "LOG_LEVEL", "value": "info"}, {"name": "REGION", "value": "eu-north-1"}],
                    "resources": {
                        "requests": {"cpu": "10m", "memory": "32Mi"},
                        "limits": {"cpu": "500m", "memory": "256Mi"},
                    },
                    "readinessProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 10},
                }
                for index in range(containers)
            ],
            # a control plane's taint, or a node that KWOK has not made Ready yet, is no reason to wait for minutes
            "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}],
        },
    }
    if node:
        manifest["spec"]["nodeName"] = node
    return manifest


def running_status(manifest: Manifest, address: str, host: str) -> Manifest:
    """The status that a kubelet would report for the pod once all its containers run."""
    return {
        "phase": "Running",
        "startTime": SINCE,
        "hostIP": host,
        "hostIPs": [{"ip": host}],
        "podIP": address,
        "podIPs": [{"ip": address}],
        "qosClass": "Burstable",
        "conditions": [
            {"type": kind, "status": "True", "lastTransitionTime": SINCE}
            for kind in ("PodScheduled", "PodReadyToStartContainers", "Initialized", "ContainersReady", "Ready")
        ],
        "containerStatuses": [
            {
                "name": container["name"],
                "image": container["image"],
                "imageID": f"{container['image'].rsplit(':', 1)[0]}@sha256:{'5c' * 32}",
                "containerID": f"containerd://{'e1' * 32}",
                "ready": True,
                "started": True,
                "restartCount": 0,
                "state": {"running": {"startedAt": SINCE}},
            }
            for container in manifest["spec"]["containers"]
        ],
    }
