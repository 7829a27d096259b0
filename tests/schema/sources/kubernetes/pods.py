"""Pods for tests: as records, and as the API server would send them."""

import json
from typing import Any

from schema.sources.kubernetes.cold import ColdTier, Rest
from schema.sources.kubernetes.objects import PodRecord
from schema.sources.kubernetes.requests import Amounts, ResourceAmount

Manifest = dict[str, Any]


NOTHING = Rest(b"", ColdTier())
# What pods request, by their version: a change often changes it, as a resize would.
CLAIMS = (
    Amounts(),
    Amounts(cpu=0.1, memory=2**30),
    Amounts(cpu=0.7, ephemeral_storage=5, others=(ResourceAmount("nvidia.com/gpu", 2),)),
)


def record(
    name: str,
    version: int | str,
    *,
    namespace: str = "shop",
    uid: str | None = None,
    node: str | None = "worker-1",
    phase: str = "Running",
) -> PodRecord:
    return PodRecord(
        uid=uid or f"uid-of-{namespace}-{name}",
        resource_version=str(version),
        namespace=namespace,
        name=name,
        created_at="2026-11-24T09:00:00Z",
        labels=(),
        node_name=node,
        phase=phase,
        address=None,
        addresses=(),
        ready=True,
        containers_ready=1,
        containers_total=1,
        restarts=0,
        last_restart=None,
        status=phase,
        attention=(),
        requests=CLAIMS[int(version) % len(CLAIMS)],
        limits=CLAIMS[0],
        owner=None,
        rest=NOTHING,
    )


def manifest(
    name: str,
    version: int | str,
    *,
    namespace: str = "shop",
    uid: str | None = None,
    node: str | None = "worker-1",
    phase: str = "Running",
) -> Manifest:
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": uid or f"uid-of-{namespace}-{name}",
            "resourceVersion": str(version),
            "creationTimestamp": "2026-11-24T09:00:00Z",
            "labels": {"app": name},
            "managedFields": [{"manager": "kubelet", "operation": "Update"}],
        },
        "spec": {"nodeName": node, "containers": [{"name": "main", "image": "nginx"}]},
        "status": {"phase": phase, "podIP": "10.0.0.1"},
    }


def event(kind: str, what: Manifest) -> bytes:
    """One line of a watch."""
    return json.dumps({"type": kind, "object": what}, separators=(",", ":")).encode() + b"\n"


def bookmark(version: int | str, *, initial_end: bool = False) -> bytes:
    meta: dict[str, Any] = {"resourceVersion": str(version)}
    if initial_end:
        meta["annotations"] = {"k8s.io/initial-events-end": "true"}
    return event("BOOKMARK", {"kind": "Pod", "metadata": meta})


def listing(version: int | str, *manifests: Manifest) -> bytes:
    """The body of a LIST, in the order of fields in which the API server writes it."""
    body = {"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": str(version)}, "items": manifests}
    return json.dumps(body, separators=(",", ":")).encode()


def failure(code: int, reason: str, message: str = "", **details: Any) -> Manifest:
    return {"kind": "Status", "code": code, "reason": reason, "message": message, "details": details}
