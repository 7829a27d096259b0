"""A pod and a node with every field set that details read, as the API server writes them."""

from typing import Any, Final

AT: Final = "2026-11-24T09:00:00Z"
LATER: Final = "2026-11-24T09:30:00Z"
CLAIM: Final = {
    "requests": {"cpu": "100m", "memory": "1Gi", "nvidia.com/gpu": "1"},
    "limits": {"cpu": "1", "ephemeral-storage": "1G", "nvidia.com/gpu": "1"},
}


def _condition(kind: str, **more: str) -> dict[str, str]:
    said = {"type": kind, "status": "True", "reason": "Because", "message": "because", "lastTransitionTime": AT}
    return said | more


def _container(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "image": "registry.k8s.io/nginx:1.29",
        "imagePullPolicy": "Always",
        "command": ["sh", "-c", "hidden-command"],
        "args": ["hidden-argument"],
        "env": [{"name": "PASSWORD", "value": "hidden-value"}],
        "ports": [
            {"name": "http", "containerPort": 80, "protocol": "SCTP", "hostPort": 8080, "hostIP": "127.0.0.1"},
        ],
        "resources": CLAIM,
        "volumeMounts": [{"name": "data", "mountPath": "/data", "subPath": "sub", "readOnly": True}],
    }


def _status(name: str) -> dict[str, Any]:
    every = {
        "waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"},
        "running": {"startedAt": AT},
        "terminated": {
            "exitCode": 137,
            "signal": 9,
            "reason": "OOMKilled",
            "message": "killed",
            "startedAt": AT,
            "finishedAt": LATER,
        },
    }
    return {
        "name": name,
        "ready": True,
        "started": True,
        "restartCount": 3,
        "image": "nginx",
        "imageID": "nginx@sha256:5c",
        "containerID": "containerd://e1",
        "state": every,
        "lastState": every,
    }


POD: Final[dict[str, Any]] = {
    "metadata": {
        "name": "web-0",
        "namespace": "shop",
        "uid": "7",
        "resourceVersion": "8",
        "creationTimestamp": AT,
        "deletionTimestamp": LATER,
        "deletionGracePeriodSeconds": 30,
        "finalizers": ["example.com/stay"],
        "annotations": {"note": "kept"},
    },
    "spec": {
        "containers": [_container("main")],
        "initContainers": [_container("side") | {"restartPolicy": "Always"}],
        "ephemeralContainers": [_container("debug") | {"targetContainerName": "main"}],
        "resources": CLAIM,
        "restartPolicy": "OnFailure",
        "terminationGracePeriodSeconds": 31,
        "activeDeadlineSeconds": 3600,
        "serviceAccountName": "clerk",
        "schedulerName": "default-scheduler",
        "hostNetwork": True,
        "hostPID": True,
        "hostIPC": True,
        "priority": 7,
        "priorityClassName": "high",
        "runtimeClassName": "gvisor",
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [
            {"key": "gone", "operator": "Equal", "value": "soon", "effect": "NoExecute", "tolerationSeconds": 300}
        ],
        "readinessGates": [{"conditionType": "example.com/gate"}],
        "schedulingGates": [{"name": "example.com/wait"}],
        "volumes": [
            {"name": "data", "persistentVolumeClaim": {"claimName": "data-web-0", "readOnly": True}},
            {"name": "scratch", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}},
            {"name": "settings", "configMap": {"name": "web-settings"}},
            {"name": "keys", "secret": {"secretName": "web-keys"}},
            {"name": "token", "projected": {"sources": [{"configMap": {"name": "ca"}}, {"secret": {"name": "extra"}}]}},
            {"name": "host", "hostPath": {"path": "/var/log"}},
            {"name": "driver", "csi": {"driver": "example.com"}},
            {"name": "model", "image": {"reference": "example.com/model:1"}},
            {"name": "own", "ephemeral": {"volumeClaimTemplate": {"spec": {}}}},
            {"name": "plain"},
        ],
    },
    "status": {
        "phase": "Running",
        "reason": "Evicted",
        "message": "The node was low on memory.",
        "qosClass": "Burstable",
        "hostIP": "10.0.0.1",
        "hostIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}],
        "startTime": AT,
        "nominatedNodeName": "worker-2",
        "conditions": [_condition("Ready", lastProbeTime=LATER, lastHeartbeatTime=LATER)],
        "containerStatuses": [_status("main")],
        "initContainerStatuses": [_status("side")],
        "ephemeralContainerStatuses": [_status("debug")],
    },
}

NODE: Final[dict[str, Any]] = {
    "metadata": {"name": "worker-1", "uid": "1", "resourceVersion": "2", "annotations": {"note": "kept"}},
    "spec": {
        "podCIDR": "10.1.0.0/24",
        "podCIDRs": ["10.1.0.0/24", "fd00:1::/64"],
        "providerID": "kind://worker-1",
        "taints": [{"key": "gone", "value": "soon", "effect": "NoExecute", "timeAdded": AT}],
    },
    "status": {
        "conditions": [_condition("Ready", lastHeartbeatTime=LATER, lastProbeTime=LATER)],
        "nodeInfo": {
            "machineID": "m",
            "systemUUID": "s",
            "bootID": "b",
            "kernelVersion": "6.12.0",
            "osImage": "Debian",
            "containerRuntimeVersion": "containerd://2.2.1",
            "kubeletVersion": "v1.37.2",
            "kubeProxyVersion": "v1.30.0",
            "operatingSystem": "linux",
            "architecture": "amd64",
            "swap": {"capacity": 1024},
        },
        "volumesInUse": ["csi/one", "csi/two"],
        "volumesAttached": [{"name": "csi/one", "devicePath": "/dev/sdb"}, {"name": "csi/three", "devicePath": ""}],
        "images": [{"names": ["nginx@sha256:5c", "nginx:1.29"], "sizeBytes": 2_147_483_648}],
    },
}
