"""Namespaces, services, and what all the simulated cluster's objects have in common.

Objects are small immutable records; the JSON that a real API server would send for one is written when it is asked for.
"""

import ipaddress
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Protocol

import msgspec
import orjson


class Described(Protocol):
    """What every object's metadata are made of; `created` in seconds since 1970."""

    @property
    def namespace(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def uid(self) -> str: ...

    @property
    def created(self) -> int: ...

    @property
    def labels(self) -> Mapping[str, str]: ...


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
                "metadata": metadata(self, revision),
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
                "metadata": metadata(self, revision),
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
        concerned, source = self.document.get("involvedObject") or {}, self.document.get("source") or {}
        return {
            "metadata.name": self.name,
            "metadata.namespace": self.namespace,
            "spec.nodeName": spec.get("nodeName", ""),
            "status.phase": status.get("phase", ""),
            **{f"involvedObject.{key}": value for key, value in concerned.items()},
            **{key: self.document.get(key, "") for key in ("type", "reason", "reportingComponent")},
            "source": source.get("component", ""),
        }

    def manifest(self, revision: int) -> bytes:
        described = {**self.document["metadata"], "resourceVersion": str(revision)}
        return orjson.dumps({**self.document, "metadata": described})


@lru_cache(maxsize=65_536)
def timestamp(seconds: int) -> str:
    """RFC 3339 in UTC, whole seconds, as Kubernetes writes times."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def address(network: str, number: int) -> str:
    """The `number`th address of an IPv4 network, such as "10.0.0.0"."""
    return str(ipaddress.IPv4Address(int(ipaddress.IPv4Address(network)) + number))


def metadata(item: Described, revision: int) -> dict[str, Any]:
    document: dict[str, Any] = {"name": item.name}
    if item.namespace:
        document["namespace"] = item.namespace
    document["uid"] = item.uid
    document["resourceVersion"] = str(revision)
    document["creationTimestamp"] = timestamp(item.created)
    document["labels"] = item.labels
    return document
