"""What stands beside the pods of a new cluster: the controllers that made them, their claims, bounds and events.

Counted from the pods as the cluster begins. Churn replaces pods one by one and changes no count; while a probe fails,
its deployment here still says ready.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from random import Random
from typing import Any

import msgspec
import orjson

from gateway.demo.objects import metadata, timestamp
from gateway.demo.pods import Pod, Situation
from gateway.demo.specs import Workload
from gateway.demo.storage import Storage
from gateway.demo.workloads import Controller

_GIB = "10Gi"


class Made(msgspec.Struct, frozen=True, eq=False):
    """An object of any kind: its metadata, and the rest as it is written."""

    kind: str
    api_version: str
    namespace: str
    name: str
    uid: str
    created: int
    labels: Mapping[str, str]
    body: Mapping[str, Any]
    owner: Mapping[str, Any] | None = None
    selectable: Mapping[str, str] = {}

    @property
    def fields(self) -> Mapping[str, str]:
        return {"metadata.name": self.name, "metadata.namespace": self.namespace, **self.selectable}

    def manifest(self, revision: int) -> bytes:
        described = metadata(self, revision) | {"generation": 1}
        if self.owner is not None:
            described["ownerReferences"] = [self.owner]
        return orjson.dumps({"kind": self.kind, "apiVersion": self.api_version, "metadata": described, **self.body})

    def as_owner(self) -> dict[str, Any]:
        return {
            "apiVersion": self.api_version,
            "kind": self.kind,
            "name": self.name,
            "uid": self.uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }


def load_controllers(
    storage: Storage, random_uid: Iterator[str], workloads: Sequence[Workload], pods: Iterable[Pod]
) -> None:
    """Fill the kinds that are made of workloads and their pods."""
    of: dict[str, list[Pod]] = {}
    for pod in pods:
        of.setdefault(pod.workload.owner_uid, []).append(pod)
    made: dict[str, list[Made]] = {}
    for workload in workloads:
        if mine := of.get(workload.owner_uid):
            for plural, one in _around(workload, mine, random_uid):
                made.setdefault(plural, []).append(one)
    for plural, objects in made.items():
        storage.load(plural, objects)


def uids(random: Random) -> Iterator[str]:
    """UUIDs of version 4, out of a generator of their own: the pods of a seed stay what they are."""
    while True:
        digits = f"{random.getrandbits(128):032x}"
        yield f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def _around(workload: Workload, pods: Sequence[Pod], uid: Iterator[str]) -> Iterator[tuple[str, Made]]:
    """What controls these pods, and what hangs on them, by plural names."""
    oldest = min(pod.created for pod in pods)
    for pod in pods:
        if event := _event(pod, next(uid)):
            yield "events", event
    match workload.controller:
        case Controller.DEPLOYMENT:
            deployment = _deployment(workload, pods, next(uid), oldest)
            yield "deployments", deployment
            yield "replicasets", _replica_set(workload, pods, deployment, oldest)
            if len(pods) > 1:
                yield "poddisruptionbudgets", _budget(workload, pods, next(uid), oldest)
                yield "horizontalpodautoscalers", _autoscaler(workload, pods, deployment, next(uid))
        case Controller.STATEFUL_SET:
            yield "statefulsets", _stateful_set(workload, pods, oldest)
            for pod in pods:
                yield "persistentvolumeclaims", _claim(pod, next(uid))
        case Controller.DAEMON_SET:
            yield "daemonsets", _daemon_set(workload, pods, oldest)
        case Controller.JOB:
            cron_job = _cron_job(workload, next(uid), oldest)
            yield "cronjobs", cron_job
            yield "jobs", _job(workload, pods, cron_job, oldest)
        case Controller.STATIC:
            return


def _made(kind: str, api_version: str, workload: Workload, uid: str, created: int, **body: Any) -> Made:
    labels = {key: value for key, value in workload.labels.items() if key.startswith("app.kubernetes.io/")}
    return Made(kind, api_version, workload.namespace, workload.name, uid, created, labels, body)


def _selector(workload: Workload) -> dict[str, Any]:
    return {"matchLabels": {"app.kubernetes.io/name": workload.name}}


def _template(workload: Workload) -> dict[str, Any]:
    return {"metadata": {"labels": workload.labels}, "spec": workload.spec}


def _wanted(pods: Iterable[Pod]) -> list[Pod]:
    """Those that count: an evicted pod has been replaced by another."""
    return [pod for pod in pods if pod.situation is not Situation.EVICTED]


def _counts(pods: Sequence[Pod]) -> dict[str, int]:
    ready = sum(pod.situation is Situation.RUNNING for pod in pods)
    return {"replicas": len(pods), "readyReplicas": ready, "availableReplicas": ready}


def _deployment(workload: Workload, pods: Sequence[Pod], uid: str, created: int) -> Made:
    wanted = _wanted(pods)
    counts = _counts(wanted)
    all_ready = counts["readyReplicas"] == len(wanted)
    available = {"type": "Available", "status": "True" if all_ready else "False", "reason": "MinimumReplicas"}
    spec = {
        "replicas": len(wanted),
        "selector": _selector(workload),
        "template": _template(workload),
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
    }
    status = {
        "observedGeneration": 1,
        **counts,
        "updatedReplicas": len(wanted),
        "unavailableReplicas": len(wanted) - counts["availableReplicas"],
        "conditions": [available | {"lastTransitionTime": timestamp(created)}],
    }
    return _made("Deployment", "apps/v1", workload, uid, created, spec=spec, status=status)


def _replica_set(workload: Workload, pods: Sequence[Pod], deployment: Made, created: int) -> Made:
    wanted = _wanted(pods)
    spec = {
        "replicas": len(wanted),
        "selector": {"matchLabels": workload.labels},
        "template": _template(workload),
    }
    status = {**_counts(wanted), "observedGeneration": 1}
    whole = _made("ReplicaSet", "apps/v1", workload, workload.owner_uid, created, spec=spec, status=status)
    return msgspec.structs.replace(
        whole,
        name=workload.owner_name,
        labels=workload.labels,
        owner=deployment.as_owner(),
        selectable={"status.replicas": str(len(wanted))},
    )


def _stateful_set(workload: Workload, pods: Sequence[Pod], created: int) -> Made:
    revision = workload.labels["controller-revision-hash"]
    spec = {
        "replicas": len(pods),
        "serviceName": workload.name,
        "selector": _selector(workload),
        "template": _template(workload),
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
    }
    at = {"currentRevision": revision, "updateRevision": revision}
    numbers = {"currentReplicas": len(pods), "updatedReplicas": len(pods)}
    status = {"observedGeneration": 1, **_counts(pods), **numbers, **at}
    return _made("StatefulSet", "apps/v1", workload, workload.owner_uid, created, spec=spec, status=status)


def _daemon_set(workload: Workload, pods: Sequence[Pod], created: int) -> Made:
    ready = _counts(pods)["readyReplicas"]
    spec = {
        "selector": _selector(workload),
        "template": _template(workload),
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}},
    }
    status = {
        "observedGeneration": 1,
        "desiredNumberScheduled": len(pods),
        "currentNumberScheduled": len(pods),
        "updatedNumberScheduled": len(pods),
        "numberMisscheduled": 0,
        "numberReady": ready,
        "numberAvailable": ready,
    }
    return _made("DaemonSet", "apps/v1", workload, workload.owner_uid, created, spec=spec, status=status)


def _cron_job(workload: Workload, uid: str, created: int) -> Made:
    spec = {
        "schedule": "0 2 * * *",
        "timeZone": "Europe/Berlin",
        "suspend": False,
        "concurrencyPolicy": "Forbid",
        "jobTemplate": {"spec": {"template": _template(workload)}},
    }
    status = {"lastScheduleTime": timestamp(created), "lastSuccessfulTime": timestamp(created + 20)}
    whole = _made("CronJob", "batch/v1", workload, uid, created - 86_400, spec=spec, status=status)
    return msgspec.structs.replace(whole, name=workload.name.rpartition("-")[0])


def _job(workload: Workload, pods: Sequence[Pod], cron_job: Made, created: int) -> Made:
    selector = {"matchLabels": {"batch.kubernetes.io/controller-uid": workload.owner_uid}}
    spec = {"completions": len(pods), "parallelism": 1, "selector": selector, "template": _template(workload)}
    end = timestamp(max(pod.since for pod in pods))
    done = [
        {"type": kind, "status": "True", "reason": "CompletionsReached", "lastTransitionTime": end}
        for kind in ("SuccessCriteriaMet", "Complete")
    ]
    times = {"startTime": timestamp(created), "completionTime": end}
    status = {"succeeded": len(pods), "ready": 0, **times, "conditions": done}
    whole = _made("Job", "batch/v1", workload, workload.owner_uid, created, spec=spec, status=status)
    return msgspec.structs.replace(whole, owner=cron_job.as_owner(), selectable={"status.successful": str(len(pods))})


def _claim(pod: Pod, uid: str) -> Made:
    modes = ["ReadWriteOnce"]
    spec = {
        "accessModes": modes,
        "resources": {"requests": {"storage": _GIB}},
        "storageClassName": "standard",
        "volumeMode": "Filesystem",
        "volumeName": f"pvc-{uid}",
    }
    status = {"phase": "Bound", "accessModes": modes, "capacity": {"storage": _GIB}}
    whole = _made("PersistentVolumeClaim", "v1", pod.workload, uid, pod.created, spec=spec, status=status)
    return msgspec.structs.replace(whole, name=f"data-{pod.name}")


def _budget(workload: Workload, pods: Sequence[Pod], uid: str, created: int) -> Made:
    wanted = _wanted(pods)
    healthy, desired = _counts(wanted)["readyReplicas"], max(len(wanted) - 1, 0)
    status = {
        "observedGeneration": 1,
        "disruptionsAllowed": max(healthy - desired, 0),
        "currentHealthy": healthy,
        "desiredHealthy": desired,
        "expectedPods": len(wanted),
    }
    spec = {"maxUnavailable": 1, "selector": _selector(workload)}
    return _made("PodDisruptionBudget", "policy/v1", workload, uid, created, spec=spec, status=status)


def _autoscaler(workload: Workload, pods: Sequence[Pod], deployment: Made, uid: str) -> Made:
    count = len(_wanted(pods))
    target = {"type": "Utilization", "averageUtilization": 80}
    current = {"averageUtilization": 40, "averageValue": "40m"}
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": workload.name},
        "minReplicas": 1,
        "maxReplicas": 2 * count,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
    }
    since = timestamp(deployment.created)
    status = {
        "currentReplicas": count,
        "desiredReplicas": count,
        "currentMetrics": [{"type": "Resource", "resource": {"name": "cpu", "current": current}}],
        "conditions": [
            {"type": kind, "status": "True", "reason": reason, "lastTransitionTime": since}
            for kind, reason in (("AbleToScale", "ReadyForNewScale"), ("ScalingActive", "ValidMetricFound"))
        ],
    }
    kind = "HorizontalPodAutoscaler"
    return _made(kind, "autoscaling/v2", workload, uid, deployment.created, spec=spec, status=status)


# Of a pod in trouble: type, reason, message and who says it.
_TOLD = {
    Situation.CRASHING: ("BackOff", "Back-off restarting failed container", "kubelet"),
    Situation.IMAGE_MISSING: ("Failed", "Error: ImagePullBackOff", "kubelet"),
    Situation.INIT_FAILING: ("BackOff", "Back-off restarting failed init container", "kubelet"),
    Situation.UNREADY: ("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503", "kubelet"),
    Situation.UNSCHEDULABLE: ("FailedScheduling", "", "default-scheduler"),
    Situation.EVICTED: ("Evicted", "", "kubelet"),
    Situation.NODE_LOST: ("NodeNotReady", "Node is not ready", "node-controller"),
}


def _event(pod: Pod, uid: str) -> Made | None:
    """What was told of a pod in trouble, since it has been."""
    if pod.situation not in _TOLD:
        return None
    reason, message, component = _TOLD[pod.situation]
    concerned = {"apiVersion": "v1", "kind": "Pod", "namespace": pod.namespace, "name": pod.name, "uid": pod.uid}
    said = {
        "involvedObject": concerned,
        "type": "Warning",
        "reason": reason,
        "message": message or pod.note,
        "count": 1 + sum(pod.restarts),
        "firstTimestamp": timestamp(pod.created),
        "lastTimestamp": timestamp(max(pod.since, pod.created)),
        "eventTime": None,
        "source": {"component": component, **({"host": pod.node_name} if component == "kubelet" else {})},
        "reportingComponent": component,
        "reportingInstance": pod.node_name if component == "kubelet" else "",
    }
    selectable = {f"involvedObject.{key}": value for key, value in concerned.items()}
    return Made(
        "Event",
        "v1",
        pod.namespace,
        f"{pod.name}.{uid[:8]}{uid[9:13]}{uid[14:18]}",
        uid,
        pod.created,
        {},
        said,
        selectable=selectable | {"type": "Warning", "reason": reason, "source": component},
    )
