"""One object of each further kind with every field set that a record or its wire struct reads, each to a rare value."""

from typing import Any

from schema.sources.kubernetes.kinds import (
    DAEMON_SETS,
    DEPLOYMENTS,
    REPLICA_SET_OWNERS,
    REPLICA_SETS,
    SERVICES,
    STATEFUL_SETS,
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

FULL_OBJECTS: list[tuple[Kind[Any], dict[str, Any]]] = [
    (SERVICES, SERVICE),
    (DEPLOYMENTS, DEPLOYMENT),
    (REPLICA_SETS, REPLICA_SET),
    (REPLICA_SET_OWNERS, {"metadata": META}),
    (STATEFUL_SETS, STATEFUL_SET),
    (DAEMON_SETS, DAEMON_SET),
]
