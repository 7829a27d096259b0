"""How far a rollout is: each sentence of `kubectl rollout status`, and the state that it stands for."""

import json
from typing import Any

import pytest

from schema.sources.kubernetes.kinds import DAEMON_SETS, DEPLOYMENTS, STATEFUL_SETS, Decoder, Kind
from schema.sources.kubernetes.objects import Sharing
from schema.sources.kubernetes.rollouts import RolloutState

META = {"name": "web", "namespace": "shop", "uid": "1", "resourceVersion": "2", "generation": 3}
DONE = {"observedGeneration": 3, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2}
STALLED = {"conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]}
WAITING = 'Waiting for deployment "web" rollout to finish:'
SET = {**DONE, "currentReplicas": 2, "currentRevision": "a", "updateRevision": "a"}
NODES = {
    "observedGeneration": 3,
    "desiredNumberScheduled": 2,
    "updatedNumberScheduled": 2,
    "numberAvailable": 2,
}
DAEMONS = 'Waiting for daemon set "web" rollout to finish:'


def record(kind: Kind[Any], spec: dict[str, Any], status: dict[str, Any]) -> Any:
    body = json.dumps({"metadata": META, "spec": {"replicas": 2, **spec}, "status": status}).encode()
    return Decoder(kind, Sharing()).decode(body)


@pytest.mark.parametrize(
    ("status", "state", "text"),
    [
        (DONE, "COMPLETE", 'deployment "web" successfully rolled out'),
        (DONE | {"observedGeneration": 2}, "UNOBSERVED", "Waiting for deployment spec update to be observed..."),
        (DONE | STALLED, "STALLED", 'deployment "web" exceeded its progress deadline'),
        (DONE | {"updatedReplicas": 1}, "UPDATING", f"{WAITING} 1 out of 2 new replicas have been updated..."),
        (DONE | {"replicas": 5}, "TERMINATING", f"{WAITING} 3 old replicas are pending termination..."),
        (DONE | {"availableReplicas": 1}, "WAITING", f"{WAITING} 1 of 2 updated replicas are available..."),
    ],
)
def test_a_deployments_rollout(status: dict[str, Any], state: str, text: str):
    """In the order in which kubectl looks."""
    found = record(DEPLOYMENTS, {}, status)

    assert (found.rollout, found.rollout_text) == (RolloutState[state], text)


@pytest.mark.parametrize(
    ("strategy", "status", "state", "text"),
    [
        ({}, SET, "COMPLETE", "statefulset rolling update complete 2 pods at revision a..."),
        ({}, SET | {"observedGeneration": None}, "UNOBSERVED", "Waiting for statefulset spec update to be observed..."),
        ({}, SET | {"readyReplicas": 1}, "WAITING", "Waiting for 1 pods to be ready..."),
        (
            {},
            SET | {"updatedReplicas": 1, "updateRevision": "b"},
            "UPDATING",
            "waiting for statefulset rolling update to complete 1 pods at revision b...",
        ),
        (
            {"rollingUpdate": {"partition": 1}},
            SET | {"updatedReplicas": 0},
            "UPDATING",
            "Waiting for partitioned roll out to finish: 0 out of 1 new pods have been updated...",
        ),
        (
            {"rollingUpdate": {"partition": 1}},
            SET | {"updatedReplicas": 1},
            "COMPLETE",
            "partitioned roll out complete: 1 new pods have been updated...",
        ),
        ({"type": "OnDelete"}, SET, "MANUAL", "rollout status is only available for RollingUpdate strategy type"),
    ],
)
def test_a_stateful_sets_rollout(strategy: dict[str, Any], status: dict[str, Any], state: str, text: str):
    """With partitions, and without."""
    found = record(STATEFUL_SETS, {"updateStrategy": strategy}, status)

    assert (found.rollout, found.rollout_text) == (RolloutState[state], text)


@pytest.mark.parametrize(
    ("strategy", "status", "state", "text"),
    [
        ("RollingUpdate", NODES, "COMPLETE", 'daemon set "web" successfully rolled out'),
        (
            "RollingUpdate",
            NODES | {"observedGeneration": 2},
            "UNOBSERVED",
            "Waiting for daemon set spec update to be observed...",
        ),
        (
            "RollingUpdate",
            NODES | {"updatedNumberScheduled": 1},
            "UPDATING",
            f"{DAEMONS} 1 out of 2 new pods have been updated...",
        ),
        (
            "RollingUpdate",
            NODES | {"numberAvailable": 1},
            "WAITING",
            f"{DAEMONS} 1 of 2 updated pods are available...",
        ),
        ("OnDelete", NODES, "MANUAL", "rollout status is only available for RollingUpdate strategy type"),
    ],
)
def test_a_daemon_sets_rollout(strategy: str, status: dict[str, Any], state: str, text: str):
    """Counted in nodes."""
    found = record(DAEMON_SETS, {"updateStrategy": {"type": strategy}}, status)

    assert (found.rollout, found.rollout_text) == (RolloutState[state], text)
