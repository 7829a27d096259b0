"""The simulated cluster's objects: small immutable records, and the JSON that a real API server would send for them.

A pod is kept in some hundred bytes and written out (about 3 KB) when it is asked for, so that 150,000 of them fit.
"""

import ipaddress
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any

import msgspec
import orjson

from gateway.demo.workloads import Container, Controller

SERVICE_ACCOUNT_VOLUME = "kube-api-access"


class Situation(StrEnum):
    """What a pod is in the middle of, or has come to."""

    RUNNING = "running"
    STARTING = "starting"  # bound, containers are being created
    UNREADY = "unready"  # runs, and its readiness probe fails
    UNSCHEDULABLE = "unschedulable"
    CRASHING = "crashing"
    IMAGE_MISSING = "image missing"
    INIT_FAILING = "init failing"
    COMPLETED = "completed"
    EVICTED = "evicted"
    NODE_LOST = "node lost"  # nobody hears of it: its node stopped reporting


USES_RESOURCES = frozenset({Situation.RUNNING, Situation.UNREADY, Situation.CRASHING})
"""Situations in which a scrape of the pod's node finds running containers."""


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


class Pod(msgspec.Struct, frozen=True, gc=False, eq=False):
    """Times in seconds since 1970; `restarts` by container, in the workload's order."""

    workload: Workload
    name: str
    uid: str
    created: int
    situation: Situation
    since: int
    restarts: tuple[int, ...]
    node_name: str = ""
    host_ip: str = ""
    ip: str = ""
    deleted: int = 0
    note: str = ""
    """What the scheduler or the kubelet has to say about its situation."""

    @property
    def namespace(self) -> str:
        return self.workload.namespace

    @property
    def labels(self) -> Mapping[str, str]:
        if self.workload.controller is not Controller.STATEFUL_SET:
            return self.workload.labels
        return {
            **self.workload.labels,
            "apps.kubernetes.io/pod-index": self.name.rsplit("-", 1)[-1],
            "statefulset.kubernetes.io/pod-name": self.name,
        }

    @property
    def phase(self) -> str:
        return _PHASES[self.situation]

    @property
    def fields(self) -> Mapping[str, str]:
        return {
            "metadata.name": self.name,
            "metadata.namespace": self.namespace,
            "spec.nodeName": self.node_name,
            "spec.restartPolicy": "OnFailure" if self.workload.controller is Controller.JOB else "Always",
            "spec.schedulerName": "default-scheduler",
            "spec.serviceAccountName": self.workload.name,
            "status.phase": self.phase,
            "status.podIP": self.ip,
        }

    def manifest(self, revision: int) -> bytes:
        return orjson.dumps(
            {
                "kind": "Pod",
                "apiVersion": "v1",
                "metadata": _pod_metadata(self, revision),
                "spec": _pod_spec(self),
                "status": _pod_status(self),
            }
        )


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
        return orjson.dumps(_node(self, revision))


class Namespace(msgspec.Struct, frozen=True, gc=False, eq=False):
    name: str
    uid: str
    created: int
    labels: Mapping[str, str]
    phase: str = "Active"

    @property
    def namespace(self) -> str:
        return ""

    @property
    def fields(self) -> Mapping[str, str]:
        return {"metadata.name": self.name, "metadata.namespace": "", "name": self.name, "status.phase": self.phase}

    def manifest(self, revision: int) -> bytes:
        return orjson.dumps(
            {
                "kind": "Namespace",
                "apiVersion": "v1",
                "metadata": _metadata(self.name, "", self.uid, revision, self.created, self.labels),
                "spec": {"finalizers": ["kubernetes"]},
                "status": {"phase": self.phase},
            }
        )


class Service(msgspec.Struct, frozen=True, gc=False, eq=False):
    namespace: str
    name: str
    uid: str
    created: int
    labels: Mapping[str, str]
    selector: Mapping[str, str]
    cluster_ip: str
    ports: tuple[tuple[str, int, int], ...]
    """Name, port, target port."""

    @property
    def fields(self) -> Mapping[str, str]:
        return {
            "metadata.name": self.name,
            "metadata.namespace": self.namespace,
            "spec.clusterIP": self.cluster_ip,
            "spec.type": "ClusterIP",
        }

    def manifest(self, revision: int) -> bytes:
        return orjson.dumps(
            {
                "kind": "Service",
                "apiVersion": "v1",
                "metadata": _metadata(self.name, self.namespace, self.uid, revision, self.created, self.labels),
                "spec": {
                    "ports": [
                        {"name": name, "protocol": "TCP", "port": port, "targetPort": target}
                        for name, port, target in self.ports
                    ],
                    **({"selector": self.selector} if self.selector else {}),
                    "clusterIP": self.cluster_ip,
                    "clusterIPs": [self.cluster_ip],
                    "type": "ClusterIP",
                    "sessionAffinity": "None",
                    "ipFamilies": ["IPv4"],
                    "ipFamilyPolicy": "SingleStack",
                    "internalTrafficPolicy": "Cluster",
                },
                "status": {"loadBalancer": {}},
            }
        )


class Verbatim(msgspec.Struct, frozen=True, eq=False):
    """An object that somebody wrote out in full: sent as it is, only its resourceVersion set."""

    document: Mapping[str, Any]

    @property
    def namespace(self) -> str:
        return str(self.document["metadata"].get("namespace", ""))

    @property
    def name(self) -> str:
        return str(self.document["metadata"]["name"])

    @property
    def labels(self) -> Mapping[str, str]:
        return self.document["metadata"].get("labels") or {}

    @property
    def fields(self) -> Mapping[str, str]:
        spec, status = self.document.get("spec") or {}, self.document.get("status") or {}
        return {
            "metadata.name": self.name,
            "metadata.namespace": self.namespace,
            "spec.nodeName": spec.get("nodeName", ""),
            "status.phase": status.get("phase", ""),
        }

    def manifest(self, revision: int) -> bytes:
        metadata = {**self.document["metadata"], "resourceVersion": str(revision)}
        return orjson.dumps({**self.document, "metadata": metadata})


@lru_cache(maxsize=65_536)
def timestamp(seconds: int) -> str:
    """RFC 3339 in UTC, whole seconds, as Kubernetes writes times."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


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


def _metadata(
    name: str, namespace: str, uid: str, revision: int, created: int, labels: Mapping[str, str]
) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    metadata["uid"] = uid
    metadata["resourceVersion"] = str(revision)
    metadata["creationTimestamp"] = timestamp(created)
    metadata["labels"] = labels
    return metadata


def _pod_metadata(pod: Pod, revision: int) -> dict[str, Any]:
    workload = pod.workload
    metadata = _metadata(pod.name, workload.namespace, pod.uid, revision, pod.created, pod.labels)
    if workload.controller in (Controller.DEPLOYMENT, Controller.DAEMON_SET, Controller.STATEFUL_SET):
        metadata["generateName"] = f"{workload.owner_name}-"
    if workload.controller is Controller.STATIC:
        metadata["annotations"] = {
            "kubernetes.io/config.hash": pod.uid.replace("-", ""),
            "kubernetes.io/config.source": "file",
        }
    if workload.owner_uid:
        metadata["ownerReferences"] = [
            {
                "apiVersion": _OWNER_VERSIONS[workload.controller],
                "kind": workload.controller.value,
                "name": workload.owner_name,
                "uid": workload.owner_uid,
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ]
    if pod.deleted:
        metadata["deletionTimestamp"] = timestamp(pod.deleted)
        metadata["deletionGracePeriodSeconds"] = 30
    return metadata


def _pod_spec(pod: Pod) -> dict[str, Any]:
    spec = dict(pod.workload.spec)
    if pod.node_name:
        spec["nodeName"] = pod.node_name
    if pod.workload.controller is Controller.STATEFUL_SET:
        spec["hostname"] = pod.name
    return spec


def _pod_status(pod: Pod) -> dict[str, Any]:
    status: dict[str, Any] = {"phase": pod.phase, "conditions": _conditions(pod)}
    if not pod.node_name:
        return {**status, "qosClass": _qos(pod.workload.containers)}
    if pod.situation is Situation.EVICTED:
        return {
            **status,
            "message": pod.note,
            "reason": "Evicted",
            "startTime": timestamp(pod.created),
            "hostIP": pod.host_ip,
            "hostIPs": [{"ip": pod.host_ip}],
            "qosClass": _qos(pod.workload.containers),
        }
    status["hostIP"] = pod.host_ip
    status["hostIPs"] = [{"ip": pod.host_ip}]
    if pod.ip:
        status["podIP"] = pod.ip
        status["podIPs"] = [{"ip": pod.ip}]
    status["startTime"] = timestamp(pod.created)
    if pod.workload.init_containers:
        status["initContainerStatuses"] = [
            _init_container_status(pod, container) for container in pod.workload.init_containers
        ]
    status["containerStatuses"] = [
        _container_status(pod, container, position, pod.restarts[position])
        for position, container in enumerate(pod.workload.containers)
    ]
    status["qosClass"] = _qos(pod.workload.containers)
    return status


def _conditions(pod: Pod) -> list[dict[str, Any]]:
    """In the kubelet's order: each is True, or False with a reason."""
    created, since = timestamp(pod.created), timestamp(pod.since)
    if not pod.node_name and not pod.note:
        return []  # the scheduler has not looked at it yet
    if not pod.node_name:
        return [
            {
                "type": "PodScheduled",
                "status": "False",
                "lastProbeTime": None,
                "lastTransitionTime": created,
                "reason": "Unschedulable",
                "message": pod.note,
            }
        ]
    initialized = pod.situation is not Situation.INIT_FAILING
    running, ready, reason = _READINESS[pod.situation]
    unready = f"containers with unready status: [{' '.join(_unready_containers(pod))}]"
    not_initialized = f"containers with incomplete status: [{' '.join(c.name for c in pod.workload.init_containers)}]"
    ready_message = "" if reason in ("PodCompleted", "NodeNotReady") else unready
    conditions = [
        _condition("PodReadyToStartContainers", running, since),
        _condition(
            "Initialized", initialized, created, *(() if initialized else ("ContainersNotInitialized", not_initialized))
        ),
        _condition("Ready", ready, since, *(() if ready else (reason, ready_message))),
    ]
    lost = pod.situation is Situation.NODE_LOST  # its kubelet's last word stands: only Ready is taken back
    conditions.append(
        _condition("ContainersReady", ready or lost, since, *(() if ready or lost else (reason, ready_message)))
    )
    conditions.append(_condition("PodScheduled", True, created))
    if pod.situation is Situation.EVICTED:
        conditions.append(_condition("DisruptionTarget", True, since, "TerminationByKubelet", pod.note))
    return conditions


def _condition(kind: str, holds: bool, since: str, reason: str = "", message: str = "") -> dict[str, Any]:  # noqa: FBT001
    condition: dict[str, Any] = {
        "type": kind,
        "status": "True" if holds else "False",
        "lastProbeTime": None,
        "lastTransitionTime": since,
    }
    if reason:
        condition["reason"] = reason
    if message:
        condition["message"] = message
    return condition


def _unready_containers(pod: Pod) -> list[str]:
    names = [container.name for container in pod.workload.containers]
    return names[:1] if pod.situation in (Situation.UNREADY, Situation.CRASHING, Situation.IMAGE_MISSING) else names


def _container_status(pod: Pod, container: Container, position: int, restarts: int) -> dict[str, Any]:
    state, ready = _container_state(pod, position)
    started = "running" in state
    status: dict[str, Any] = {
        "name": container.name,
        "state": state,
        "lastState": _last_state(pod, container, position, restarts),
        "ready": ready,
        "restartCount": restarts,
        "image": container.image,
        "imageID": "" if "waiting" in state and not restarts else _image_id(container.image),
        "started": started,
    }
    if started or restarts:
        status["containerID"] = _container_id(pod.uid, container.name, restarts)
    return status


def _container_state(pod: Pod, position: int) -> tuple[dict[str, Any], bool]:
    """The state and whether it is ready. Trouble is the first container's; sidecars beside it run."""
    running = {"running": {"startedAt": timestamp(pod.since)}}
    creating = {"waiting": {"reason": "ContainerCreating"}}
    image = pod.workload.containers[position].image
    match pod.situation:
        case Situation.RUNNING | Situation.NODE_LOST:
            return running, True
        case Situation.STARTING:
            return creating, False
        case Situation.INIT_FAILING:
            return {"waiting": {"reason": "PodInitializing"}}, False
        case Situation.COMPLETED:
            return {"terminated": _terminated(pod, "Completed", 0)}, False
        case _ if position > 0:
            return running, True
        case Situation.UNREADY:
            return running, False
        case Situation.CRASHING:
            name = f"{pod.workload.containers[position].name} pod={pod.name}_{pod.namespace}({pod.uid})"
            message = f"back-off 5m0s restarting failed container={name}"
            return {"waiting": {"reason": "CrashLoopBackOff", "message": message}}, False
        case Situation.IMAGE_MISSING:
            return {"waiting": {"reason": "ImagePullBackOff", "message": f'Back-off pulling image "{image}"'}}, False
    raise AssertionError(pod.situation)


def _last_state(pod: Pod, container: Container, position: int, restarts: int) -> dict[str, Any]:
    if not restarts:
        return {}
    killed = pod.situation is not Situation.CRASHING or position > 0
    reason, code = ("OOMKilled", 137) if killed else ("Error", 1)
    return {
        "terminated": {
            **_terminated(pod, reason, code),
            "containerID": _container_id(pod.uid, container.name, restarts - 1),
        }
    }


def _terminated(pod: Pod, reason: str, code: int) -> dict[str, Any]:
    return {
        "exitCode": code,
        "reason": reason,
        "startedAt": timestamp(max(pod.created, pod.since - 95)),
        "finishedAt": timestamp(pod.since),
    }


def _init_container_status(pod: Pod, container: Container) -> dict[str, Any]:
    status: dict[str, Any] = {
        "name": container.name,
        "lastState": {},
        "ready": True,
        "restartCount": 0,
        "image": container.image,
        "imageID": _image_id(container.image),
        "containerID": _container_id(pod.uid, container.name, 0),
        "started": False,
    }
    if pod.situation is Situation.STARTING:
        return {**status, "state": {"waiting": {"reason": "PodInitializing"}}, "ready": False}
    if pod.situation is not Situation.INIT_FAILING:
        return {**status, "state": {"terminated": _terminated(pod, "Completed", 0)}}
    return {
        **status,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s restarting failed container"}},
        "lastState": {"terminated": _terminated(pod, "Error", 1)},
        "ready": False,
        "restartCount": sum(pod.restarts) or 7,
    }


@lru_cache(maxsize=4096)
def _image_id(image: str) -> str:
    repository = image.rsplit(":", 1)[0]
    return f"{repository}@sha256:{_hexadecimal(image)}"


def _container_id(uid: str, name: str, restarts: int) -> str:
    # Made of the uid, so that every restart has another one, without keeping any.
    digits = uid.replace("-", "")
    return f"containerd://{digits}{restarts:08x}{sum(name.encode()):08x}{digits[:16]}"


def _hexadecimal(text: str) -> str:
    """64 hexadecimal digits that look like a digest and are the same in every process, unlike `hash`."""
    digits = "".join(f"{byte:02x}" for byte in text.encode())
    return (digits[::-1] * 4)[:64].ljust(64, "0")


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


def _qos(containers: Sequence[Container]) -> str:
    guaranteed = all(
        container.cpu_limit == container.cpu_request and container.memory_limit == container.memory_request
        for container in containers
    )
    return "Guaranteed" if guaranteed else "Burstable"


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


def _node(node: Node, revision: int) -> dict[str, Any]:
    metadata = _metadata(node.name, "", node.uid, revision, node.created, node.labels)
    metadata["annotations"] = {
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
        "metadata": metadata,
        "spec": spec,
        "status": {
            "capacity": _node_resources(node, reserved=False),
            "allocatable": _node_resources(node, reserved=True),
            "conditions": _node_conditions(node),
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


def _node_resources(node: Node, *, reserved: bool) -> dict[str, str]:
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


def _node_conditions(node: Node) -> list[dict[str, str]]:
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


def address(network: str, number: int) -> str:
    """The `number`th address of an IPv4 network, such as "10.0.0.0"."""
    return str(ipaddress.IPv4Address(int(ipaddress.IPv4Address(network)) + number))


_PHASES = {
    Situation.RUNNING: "Running",
    Situation.STARTING: "Pending",
    Situation.UNREADY: "Running",
    Situation.UNSCHEDULABLE: "Pending",
    Situation.CRASHING: "Running",
    Situation.IMAGE_MISSING: "Pending",
    Situation.INIT_FAILING: "Pending",
    Situation.COMPLETED: "Succeeded",
    Situation.EVICTED: "Failed",
    Situation.NODE_LOST: "Running",
}

# Whether it has a sandbox, whether it is ready, and the reason why not.
_READINESS = {
    Situation.RUNNING: (True, True, ""),
    Situation.STARTING: (False, False, "ContainersNotReady"),
    Situation.UNREADY: (True, False, "ContainersNotReady"),
    Situation.CRASHING: (True, False, "ContainersNotReady"),
    Situation.IMAGE_MISSING: (True, False, "ContainersNotReady"),
    Situation.INIT_FAILING: (True, False, "ContainersNotReady"),
    Situation.COMPLETED: (False, False, "PodCompleted"),
    Situation.EVICTED: (False, False, "PodFailed"),
    Situation.NODE_LOST: (True, False, "NodeNotReady"),
}

_OWNER_VERSIONS = {
    Controller.DEPLOYMENT: "apps/v1",
    Controller.STATEFUL_SET: "apps/v1",
    Controller.DAEMON_SET: "apps/v1",
    Controller.JOB: "batch/v1",
    Controller.STATIC: "v1",
}
