"""What stands beside the pods of a new cluster: the controllers that made them, their claims, bounds and events.

Counted from the pods as the cluster begins. Churn replaces pods one by one and changes no count; while a probe fails,
its deployment here still says ready. Events alone go on (happenings.py).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from random import Random
from typing import Any

import msgspec
import orjson

from gateway.demo.happenings import trouble_of
from gateway.demo.objects import metadata, timestamp
from gateway.demo.pods import Pod, Situation
from gateway.demo.specs import Workload
from gateway.demo.storage import Storage, StoredObject
from gateway.demo.workloads import Container, Controller

_GIB = "10Gi"
_WITHOUT_QUOTA = frozenset({"kube-system", "monitoring"})


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
    storage: Storage, random_uid: Iterator[str], workloads: Sequence[Workload], pods: Iterable[Pod], now: int
) -> None:
    """Fill the kinds that are made of workloads and their pods."""
    of: dict[str, list[Pod]] = {}
    within: dict[str, list[Pod]] = {}
    for pod in pods:
        of.setdefault(pod.workload.owner_uid, []).append(pod)
        within.setdefault(pod.namespace, []).append(pod)
    made: dict[str, list[StoredObject]] = {}
    for workload in workloads:
        if mine := of.get(workload.owner_uid):
            for plural, one in _around(workload, mine, random_uid, now):
                made.setdefault(plural, []).append(one)
    made["resourcequotas"] = [
        _quota(namespace, inside, next(random_uid))
        for namespace, inside in within.items()
        if namespace not in _WITHOUT_QUOTA
    ]
    for plural, objects in made.items():
        storage.load(plural, objects)


def uids(random: Random) -> Iterator[str]:
    """UUIDs of version 4, out of a generator of their own: the pods of a seed stay what they are."""
    while True:
        digits = f"{random.getrandbits(128):032x}"
        yield f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def _around(
    workload: Workload, pods: Sequence[Pod], uid: Iterator[str], now: int
) -> Iterator[tuple[str, StoredObject]]:
    """What controls these pods, and what hangs on them, by plural names."""
    oldest = min(pod.created for pod in pods)
    for pod in pods:
        if event := trouble_of(pod, next(uid), now):
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


_OVER = frozenset({Situation.COMPLETED, Situation.EVICTED})


def _quota(namespace: str, pods: Sequence[Pod], uid: str) -> Made:
    """What a team may use: a quarter more than its pods, those that are not over, request now."""
    counted = [pod for pod in pods if pod.situation not in _OVER]
    cpu = sum(_requested(pod.workload, lambda container: container.cpu_request) for pod in counted)
    memory = sum(_requested(pod.workload, lambda container: container.memory_request) for pod in counted)
    hard = {
        "pods": str(len(counted) * 5 // 4 + 1),
        "requests.cpu": str(cpu * 5 // 4 // 1000 + 1),
        "requests.memory": f"{memory * 5 // 4 // 1024 + 1}Gi",
    }
    used = {"pods": str(len(counted)), "requests.cpu": f"{cpu}m", "requests.memory": f"{memory}Mi"}
    created = min(pod.created for pod in pods)
    return Made(
        "ResourceQuota",
        "v1",
        namespace,
        "team",
        uid,
        created,
        {"app.kubernetes.io/part-of": namespace},
        {"spec": {"hard": hard}, "status": {"hard": hard, "used": used}},
    )


def _requested(workload: Workload, of: Callable[[Container], int]) -> int:
    """As the scheduler counts: all containers together, or one init container if it asks for more."""
    return max(sum(map(of, workload.containers)), *map(of, workload.init_containers), 0)
