"""One object of each further kind with every field set that a record or its wire struct reads, each to a rare value."""

from typing import Any

from schema.sources.kubernetes.kinds import (
    AUTOSCALERS,
    CRON_JOBS,
    DAEMON_SETS,
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    EVENTS,
    JOBS,
    REPLICA_SET_OWNERS,
    REPLICA_SETS,
    RESOURCE_QUOTAS,
    SERVICES,
    STATEFUL_SETS,
    VOLUME_CLAIMS,
    Kind,
)

META: dict[str, Any] = {
    "name": "one",
    "namespace": "shop",
    "uid": "0d1e2f3a-0000-4000-8000-000000000001",
    "resourceVersion": "123",
    "generation": 7,
    "creationTimestamp": "2026-11-24T09:00:00Z",
    "labels": {"app": "web"},
    "annotations": {"note": "kept", "kubectl.kubernetes.io/last-applied-configuration": "{}"},
    "managedFields": [{"manager": "kubelet"}],
    "deletionTimestamp": "2026-11-24T10:00:00Z",
    "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Thing", "name": "web", "uid": "7", "controller": True}],
}
SELECTOR = {
    "matchLabels": {"app": "web"},
    "matchExpressions": [{"key": "tier", "operator": "In", "values": ["b", "a"]}],
}
TEMPLATE = {"spec": {"nodeSelector": {"disk": "ssd"}, "containers": [{"name": "main", "image": "web:1"}]}}

SERVICE = {
    "metadata": META,
    "spec": {
        "type": "LoadBalancer",
        "clusterIP": "10.96.0.9",
        "clusterIPs": ["10.96.0.9", "fd00::9"],
        "externalIPs": ["192.0.2.1"],
        "externalName": "elsewhere.example.com",
        "ports": [
            {
                "name": "http",
                "protocol": "UDP",
                "port": 80,
                "targetPort": "web",
                "nodePort": 30080,
                "appProtocol": "kubernetes.io/h2c",
            }
        ],
        "sessionAffinity": "ClientIP",
        "selector": {"app": "web"},
    },
    "status": {"loadBalancer": {"ingress": [{"ip": "198.51.100.7", "hostname": "lb.example.com"}]}},
}
DEPLOYMENT = {
    "metadata": META,
    "spec": {
        "replicas": 5,
        "selector": SELECTOR,
        "strategy": {"type": "Recreate"},
        "template": TEMPLATE,
        "paused": True,
    },
    "status": {
        "observedGeneration": 7,
        "replicas": 6,
        "updatedReplicas": 4,
        "readyReplicas": 3,
        "availableReplicas": 2,
        "conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}],
    },
}
REPLICA_SET = {
    "metadata": META,
    "spec": {"replicas": 5, "selector": SELECTOR, "template": TEMPLATE},
    "status": {"replicas": 4, "readyReplicas": 3, "availableReplicas": 2},
}
STATEFUL_SET = {
    "metadata": META,
    "spec": {
        "replicas": 5,
        "selector": SELECTOR,
        "template": TEMPLATE,
        "serviceName": "web",
        "updateStrategy": {"type": "OnDelete", "rollingUpdate": {"partition": 2}},
    },
    "status": {
        "observedGeneration": 7,
        "replicas": 6,
        "currentReplicas": 2,
        "updatedReplicas": 4,
        "readyReplicas": 3,
        "availableReplicas": 2,
        "currentRevision": "web-1",
        "updateRevision": "web-2",
    },
}
DAEMON_SET = {
    "metadata": META,
    "spec": {"selector": SELECTOR, "template": TEMPLATE, "updateStrategy": {"type": "OnDelete"}},
    "status": {
        "observedGeneration": 7,
        "desiredNumberScheduled": 6,
        "currentNumberScheduled": 5,
        "numberReady": 4,
        "updatedNumberScheduled": 3,
        "numberAvailable": 2,
        "numberMisscheduled": 1,
    },
}
JOB = {
    "metadata": META,
    "spec": {"completions": 5, "parallelism": 2, "suspend": True, "selector": SELECTOR, "template": TEMPLATE},
    "status": {
        "active": 1,
        "ready": 2,
        "succeeded": 3,
        "failed": 4,
        "startTime": "2026-11-24T09:00:01Z",
        "completionTime": "2026-11-24T09:05:00Z",
        "conditions": [{"type": "Complete", "status": "True", "reason": "CompletionsReached"}],
    },
}
CRON_JOB = {
    "metadata": META,
    "spec": {
        "schedule": "*/5 * * * *",
        "timeZone": "Europe/Berlin",
        "suspend": True,
        "concurrencyPolicy": "Forbid",
        "jobTemplate": {"spec": {"template": TEMPLATE}},
    },
    "status": {
        "active": [{"name": "one-29398080"}],
        "lastScheduleTime": "2026-11-24T09:05:00Z",
        "lastSuccessfulTime": "2026-11-24T09:00:09Z",
    },
}
EVENT = {
    "metadata": META,
    "type": "Warning",
    "reason": "BackOff",
    "message": "back-off restarting failed container",
    "count": 3,
    "firstTimestamp": "2026-11-24T09:00:00Z",
    "lastTimestamp": "2026-11-24T09:10:00Z",
    "eventTime": "2026-11-24T08:59:59.123456Z",
    "series": {"count": 9, "lastObservedTime": "2026-11-24T09:11:00.654321Z"},
    "source": {"component": "kubelet", "host": "worker-1"},
    "reportingComponent": "node-controller",
    "reportingInstance": "worker-2",
    "involvedObject": {
        "apiVersion": "v1",
        "kind": "Pod",
        "namespace": "shop",
        "name": "web-1",
        "uid": "8",
        "fieldPath": "spec.containers{web}",
    },
}
VOLUME_CLAIM = {
    "metadata": META,
    "spec": {
        "volumeName": "pv-1",
        "accessModes": ["ReadWriteOncePod"],
        "storageClassName": "fast",
        "volumeAttributesClassName": "gold",
        "volumeMode": "Block",
        "resources": {"requests": {"storage": "8Gi"}},
    },
    "status": {"phase": "Bound", "capacity": {"storage": "10Gi"}, "accessModes": ["ReadWriteOnce", "ReadOnlyMany"]},
}
RESOURCE_QUOTA = {
    "metadata": META,
    "spec": {"hard": {"pods": "12"}, "scopes": ["NotTerminating"]},
    "status": {"hard": {"pods": "10", "requests.cpu": "4"}, "used": {"pods": "3", "requests.cpu": "1500m"}},
}
DISRUPTION_BUDGET = {
    "metadata": META,
    "spec": {
        "minAvailable": 2,
        "maxUnavailable": "50%",
        "selector": SELECTOR,
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    },
    "status": {"disruptionsAllowed": 1, "currentHealthy": 3, "desiredHealthy": 2, "expectedPods": 4},
}
_TARGET = {"type": "Utilization", "value": "9", "averageValue": "500m", "averageUtilization": 80}
_NOW = {"value": "8", "averageValue": "250m", "averageUtilization": 40}
_METRIC = {"name": "cpu", "container": "main", "metric": {"name": "hits"}, "target": _TARGET, "current": _NOW}
_SOURCES = ("resource", "containerResource", "pods", "object", "external")
_METRICS = [{"type": "ContainerResource", **dict.fromkeys(_SOURCES, _METRIC)}]
AUTOSCALER = {
    "metadata": META,
    "spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        "minReplicas": 2,
        "maxReplicas": 9,
        "metrics": _METRICS,
    },
    "status": {
        "currentReplicas": 3,
        "desiredReplicas": 4,
        "currentMetrics": _METRICS,
        "lastScaleTime": "2026-11-24T09:09:00Z",
        "conditions": [
            {"type": kind, "status": "True", "reason": "Because"}
            for kind in ("AbleToScale", "ScalingActive", "ScalingLimited")
        ],
    },
}

FULL_OBJECTS: list[tuple[Kind[Any], dict[str, Any]]] = [
    (SERVICES, SERVICE),
    (DEPLOYMENTS, DEPLOYMENT),
    (REPLICA_SETS, REPLICA_SET),
    (REPLICA_SET_OWNERS, {"metadata": META}),
    (STATEFUL_SETS, STATEFUL_SET),
    (DAEMON_SETS, DAEMON_SET),
    (JOBS, JOB),
    (CRON_JOBS, CRON_JOB),
    (EVENTS, EVENT),
    (VOLUME_CLAIMS, VOLUME_CLAIM),
    (RESOURCE_QUOTAS, RESOURCE_QUOTA),
    (DISRUPTION_BUDGETS, DISRUPTION_BUDGET),
    (AUTOSCALERS, AUTOSCALER),
]
