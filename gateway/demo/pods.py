"""Pods: the record of some hundred bytes, and the JSON of some thousand that a real API server would send for it.

Written out only when asked for, 150,000 of them fit.
"""

from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any

import msgspec
import orjson

from gateway.demo.objects import metadata, timestamp
from gateway.demo.specs import Workload, quality_of_service
from gateway.demo.workloads import Container, Controller


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


def _pod_metadata(pod: Pod, revision: int) -> dict[str, Any]:
    workload = pod.workload
    described = metadata(pod, revision)
    if workload.controller in (Controller.DEPLOYMENT, Controller.DAEMON_SET, Controller.STATEFUL_SET):
        described["generateName"] = f"{workload.owner_name}-"
    if workload.controller is Controller.STATIC:
        described["annotations"] = {
            "kubernetes.io/config.hash": pod.uid.replace("-", ""),
            "kubernetes.io/config.source": "file",
        }
    if workload.owner_uid:
        described["ownerReferences"] = [
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
        described["deletionTimestamp"] = timestamp(pod.deleted)
        described["deletionGracePeriodSeconds"] = 30
    return described


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
        return {**status, "qosClass": quality_of_service(pod.workload.containers)}
    if pod.situation is Situation.EVICTED:
        return {
            **status,
            "message": pod.note,
            "reason": "Evicted",
            "startTime": timestamp(pod.created),
            "hostIP": pod.host_ip,
            "hostIPs": [{"ip": pod.host_ip}],
            "qosClass": quality_of_service(pod.workload.containers),
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
    status["qosClass"] = quality_of_service(pod.workload.containers)
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
    return names[:1] if pod.situation in _FIRST_IN_TROUBLE else names


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
    if pod.situation in _NOTHING_RUNS:
        return _nothing_runs(pod), False
    running = {"running": {"startedAt": timestamp(pod.since)}}
    if pod.situation not in _FIRST_IN_TROUBLE or position > 0:
        return running, True
    if pod.situation is Situation.UNREADY:
        return running, False
    return {"waiting": _waiting(pod, pod.workload.containers[position])}, False


def _nothing_runs(pod: Pod) -> dict[str, Any]:
    match pod.situation:
        case Situation.COMPLETED:
            return {"terminated": _terminated(pod, "Completed", 0)}
        case Situation.INIT_FAILING:
            return {"waiting": {"reason": "PodInitializing"}}
        case _:
            return {"waiting": {"reason": "ContainerCreating"}}


def _waiting(pod: Pod, container: Container) -> dict[str, str]:
    if pod.situation is Situation.IMAGE_MISSING:
        return {"reason": "ImagePullBackOff", "message": f'Back-off pulling image "{container.image}"'}
    whose = f"{container.name} pod={pod.name}_{pod.namespace}({pod.uid})"
    return {"reason": "CrashLoopBackOff", "message": f"back-off 5m0s restarting failed container={whose}"}


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


_NOTHING_RUNS = frozenset({Situation.STARTING, Situation.INIT_FAILING, Situation.COMPLETED})
_FIRST_IN_TROUBLE = frozenset({Situation.UNREADY, Situation.CRASHING, Situation.IMAGE_MISSING})

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
