"""Events: what kubelets, the scheduler and controllers tell of the simulated pods, counted up when it happens again.

As in a real cluster in two ways: kubelets and controllers write counts and timestamps, the scheduler writes an
`eventTime` and, from the second time on, a `series`.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
import orjson

from gateway.demo.objects import metadata, timestamp
from gateway.demo.pods import Pod, Situation

# Kubernetes forgets them an hour after they were last seen.
KEPT_S: Final = 3_600
# How long ago a trouble that lasts was told of last, at most: kubelets and the scheduler repeat themselves.
REPEATED_S: Final = 300

SCHEDULER: Final = "default-scheduler"


class Happening(msgspec.Struct, frozen=True, gc=False, eq=False):
    """An event about a pod. Times in seconds since 1970."""

    pod: Mapping[str, str]
    """The reference to it."""
    uid: str
    type: str
    reason: str
    message: str
    component: str
    host: str
    count: int
    created: int
    last: int

    @property
    def namespace(self) -> str:
        return self.pod["namespace"]

    @property
    def name(self) -> str:
        return f"{self.pod['name']}.{self.uid[:8]}{self.uid[9:13]}{self.uid[14:18]}"

    @property
    def labels(self) -> Mapping[str, str]:
        return {}

    @property
    def fields(self) -> Mapping[str, str]:
        return {
            "metadata.name": self.name,
            "metadata.namespace": self.namespace,
            **{f"involvedObject.{key}": value for key, value in self.pod.items()},
            "type": self.type,
            "reason": self.reason,
            "source": self.component,
            "reportingComponent": self.component,
        }

    def manifest(self, revision: int) -> bytes:
        described = {"kind": "Event", "apiVersion": "v1", "metadata": metadata(self, revision)}
        said = {
            "involvedObject": self.pod,
            "type": self.type,
            "reason": self.reason,
            "message": self.message,
            "reportingComponent": self.component,
            "reportingInstance": self.host,
        }
        return orjson.dumps({**described, **said, **(self._series() if self.component == SCHEDULER else self._count())})

    @property
    def lasting(self) -> bool:
        """Whether it is about what goes on for as long as the pod is as it is."""
        return self.reason in _REPEATED

    def again(self, now: int) -> "Happening":
        """The same, seen once more."""
        return msgspec.structs.replace(self, count=self.count + 1, last=now)

    def _count(self) -> dict[str, Any]:
        return {
            "count": self.count,
            "firstTimestamp": timestamp(self.created),
            "lastTimestamp": timestamp(self.last),
            "eventTime": None,
            "source": {"component": self.component, **({"host": self.host} if self.host else {})},
        }

    def _series(self) -> dict[str, Any]:
        series = {"count": self.count, "lastObservedTime": _precisely(self.last)}
        return {
            "eventTime": _precisely(self.created),
            "action": "Scheduling",
            "firstTimestamp": None,
            "lastTimestamp": None,
            "source": {},
            **({"series": series} if self.count > 1 else {}),
        }


# Of a pod in trouble: type, reason, message and who says it. Without a message it is the pod's own note.
_TROUBLES: Final = {
    Situation.CRASHING: ("BackOff", "Back-off restarting failed container", "kubelet"),
    Situation.IMAGE_MISSING: ("Failed", "Error: ImagePullBackOff", "kubelet"),
    Situation.INIT_FAILING: ("BackOff", "Back-off restarting failed init container", "kubelet"),
    Situation.UNREADY: ("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503", "kubelet"),
    Situation.UNSCHEDULABLE: ("FailedScheduling", "", SCHEDULER),
    Situation.EVICTED: ("Evicted", "", "kubelet"),
    Situation.NODE_LOST: ("NodeNotReady", "Node is not ready", "node-controller"),
}
_TOLD_ONCE: Final = frozenset({Situation.EVICTED, Situation.NODE_LOST})
_REPEATED: Final = frozenset(told[0] for situation, told in _TROUBLES.items() if situation not in _TOLD_ONCE)


def trouble_of(pod: Pod, uid: str, now: int) -> Happening | None:
    """What is told of a pod that is in trouble; nothing of one that is well, and nothing that is forgotten by now."""
    if pod.situation not in _TROUBLES:
        return None
    reason, message, component = _TROUBLES[pod.situation]
    since = max(pod.since, pod.created)
    if pod.situation in _TOLD_ONCE:
        last, count = since, 1
    else:
        last = max(since, now - int(uid[:4], 16) % REPEATED_S)
        count = 1 + max(sum(pod.restarts), (last - pod.created) // REPEATED_S)
    if now - last > KEPT_S:
        return None
    told = happening(pod, uid, ("Warning", reason, message or pod.note, component), pod.created)
    return msgspec.structs.replace(told, count=count, last=last)


def happening(pod: Pod, uid: str, told: tuple[str, str, str, str], now: int) -> Happening:
    """Something told of a pod for the first time: its type, reason, message, and who says it."""
    kind, reason, message, component = told
    host = {"kubelet": pod.node_name, SCHEDULER: f"{SCHEDULER}-control-plane-1"}.get(component, "")
    return Happening(
        pod={"apiVersion": "v1", "kind": "Pod", "namespace": pod.namespace, "name": pod.name, "uid": pod.uid},
        uid=uid,
        type=kind,
        reason=reason,
        message=message,
        component=component,
        host=host,
        count=1,
        created=now,
        last=now,
    )


def _precisely(seconds: int) -> str:
    """As Kubernetes writes a time with microseconds."""
    return timestamp(seconds).replace("Z", ".000000Z")
