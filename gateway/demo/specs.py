"""The parts of a pod's spec that are the same for all pods of a workload, encoded once."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import orjson

from gateway.demo.workloads import Container, Controller

SERVICE_ACCOUNT_VOLUME = "kube-api-access"


class Workload(msgspec.Struct, frozen=True, gc=False, eq=False):
    """What many pods have in common."""

    namespace: str
    name: str
    controller: Controller
    owner_name: str
    owner_uid: str
    labels: Mapping[str, str]
    containers: tuple[Container, ...]
    init_containers: tuple[Container, ...]
    host_network: bool
    spec: Mapping[str, Any]
    """The part of `spec` that does not differ between pods, its sequences already JSON."""


def shared_spec(
    name: str,
    controller: Controller,
    containers: Sequence[Container],
    init_containers: Sequence[Container],
    *,
    host_network: bool,
) -> dict[str, Any]:
    """What the specs of a workload's pods have in common, encoded once."""
    static = controller is Controller.STATIC
    spec: dict[str, Any] = {
        "volumes": orjson.Fragment(orjson.dumps(_volumes(static=static))),
        "containers": orjson.Fragment(orjson.dumps([_container(container) for container in containers])),
        "restartPolicy": "OnFailure" if controller is Controller.JOB else "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "securityContext": {} if not static else {"seccompProfile": {"type": "RuntimeDefault"}},
        "schedulerName": "default-scheduler",
        "enableServiceLinks": True,
        "preemptionPolicy": "PreemptLowerPriority",
        "priority": 2_000_001_000 if static else 0,
        "tolerations": orjson.Fragment(orjson.dumps(_tolerations(controller))),
    }
    if init_containers:
        spec["initContainers"] = orjson.Fragment(orjson.dumps([_container(container) for container in init_containers]))
    if static:
        spec["priorityClassName"] = "system-node-critical"
    else:
        spec["serviceAccountName"] = name
        spec["serviceAccount"] = name
    if host_network:
        spec["hostNetwork"] = True
    return spec


def quality_of_service(containers: Sequence[Container]) -> str:
    guaranteed = all(
        container.cpu_limit == container.cpu_request and container.memory_limit == container.memory_request
        for container in containers
    )
    return "Guaranteed" if guaranteed else "Burstable"


def _container(container: Container) -> dict[str, Any]:
    document: dict[str, Any] = {"name": container.name, "image": container.image}
    if container.port:
        document["ports"] = [{"name": "http", "containerPort": container.port, "protocol": "TCP"}]
    document["env"] = [
        {"name": "POD_NAME", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}},
        {"name": "POD_NAMESPACE", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}},
        {"name": "LOG_LEVEL", "value": "info"},
    ]
    document["resources"] = _resources(container)
    document["volumeMounts"] = [
        {
            "name": SERVICE_ACCOUNT_VOLUME,
            "readOnly": True,
            "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
        }
    ]
    if container.port:
        probe = {"httpGet": {"path": "/healthz", "port": container.port, "scheme": "HTTP"}, "timeoutSeconds": 1}
        document["livenessProbe"] = {**probe, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
        document["readinessProbe"] = {**probe, "periodSeconds": 5, "successThreshold": 1, "failureThreshold": 3}
    document["terminationMessagePath"] = "/dev/termination-log"
    document["terminationMessagePolicy"] = "File"
    document["imagePullPolicy"] = "IfNotPresent"
    document["securityContext"] = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    return document


def _resources(container: Container) -> dict[str, dict[str, str]]:
    requests = {"cpu": _cpu(container.cpu_request), "memory": _memory(container.memory_request)}
    limits: dict[str, str] = {}
    if container.cpu_limit:
        limits["cpu"] = _cpu(container.cpu_limit)
    if container.memory_limit:
        limits["memory"] = _memory(container.memory_limit)
    return {"limits": limits, "requests": requests} if limits else {"requests": requests}


def _cpu(millicores: int) -> str:
    return str(millicores // 1000) if millicores % 1000 == 0 else f"{millicores}m"


def _memory(mebibytes: int) -> str:
    return f"{mebibytes // 1024}Gi" if mebibytes % 1024 == 0 else f"{mebibytes}Mi"


def _volumes(*, static: bool) -> list[dict[str, Any]]:
    if static:
        return [{"name": SERVICE_ACCOUNT_VOLUME, "hostPath": {"path": "/etc/kubernetes", "type": "DirectoryOrCreate"}}]
    sources = [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {
            "downwardAPI": {
                "items": [
                    {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}},
                ]
            }
        },
    ]
    return [{"name": SERVICE_ACCOUNT_VOLUME, "projected": {"sources": sources, "defaultMode": 420}}]


def _tolerations(controller: Controller) -> list[dict[str, Any]]:
    if controller is Controller.STATIC:
        return [{"operator": "Exists", "effect": "NoExecute"}]
    if controller is Controller.DAEMON_SET:
        return [{"operator": "Exists"}]
    return [
        {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
        for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
    ]
