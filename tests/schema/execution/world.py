"""A cluster made up for one test, seen by people with different rights, with metrics that come and go.

Records are decoded from manifests as the reflector would, views gathered by the real Gatherer from the real Access:
only the API server's decisions and Prometheus' numbers are made up.
"""

import json
import random
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final, cast

from auth.access import NODES, Access, Resource
from auth.identity import Identity
from auth.reviewers import Attributes, Decision
from auth.settings import AuthSettings
from schema.execution.gather import Gatherer, PassingOn
from schema.execution.needs import Needs
from schema.execution.view import View
from schema.sources.kubernetes import kinds
from schema.sources.kubernetes.cluster import Cluster, ClusterSnapshot, KindStatus, Watched
from schema.sources.kubernetes.containers import pod_containers
from schema.sources.kubernetes.kinds import ON_DEMAND, Kind
from schema.sources.kubernetes.objects import Sharing
from schema.sources.kubernetes.store import Gone, Put
from schema.sources.prometheus.frames import MetricFrame, Missing, Question, Sample
from schema.sources.prometheus.raw import (
    MatrixRow,
    Observations,
    RawAnswer,
    RawBucket,
    RawHistogram,
    RawOutcome,
    RawQuery,
    RawRefused,
    RawSample,
    RawUnanswered,
    ResultType,
    VectorRow,
)
from tests.schema.sources.kubernetes import full_objects

ADMIN: Final = Identity("admin")
CLERK: Final = Identity("clerk")  # pods and services of one namespace
PORTER: Final = Identity("porter")  # nodes, and pods of another namespace
WARDEN: Final = Identity("warden")  # everything, but pods and jobs of one namespace alone
NOBODY: Final = Identity("nobody")
EVERYBODY: Final = (ADMIN, CLERK, PORTER, NOBODY)

NAMESPACES: Final = ("payroll", "shop", "straße")
PHASES: Final = ("Pending", "Running", "Failed")
NEW: Final = 1_764_000_000.0  # after all objects were created
OLD: Final = 1.0
NUMBERS: Final = (0.0, 1e-7, 0.25, 123456789.0)
LARGE: Final = 1e21  # which is written with an exponent
PROXY: Final = Attributes("get", "", "services", "shop", "prometheus", subresource="proxy")
# Fields of specs and statuses that are said in more detail now and then.
DETAILED: Final = frozenset({"containers", "containerStatuses", "conditions", "nodeInfo"})


class Rights:
    """The API server's decisions."""

    async def authenticate(self, token: str) -> Identity:
        return Identity(token)

    async def decide(self, identity: Identity, attributes: Attributes) -> Decision:
        return Decision(self._may(identity, attributes), f"{identity.username} asked")

    def _may(self, identity: Identity, attributes: Attributes) -> bool:
        match identity:
            case Identity("admin"):
                return True
            case Identity("clerk"):
                return attributes.namespace == "shop" and attributes.resource != NODES.name
            case Identity("warden"):
                return attributes.resource not in {"pods", "jobs"} or attributes.namespace == "shop"
            case Identity("porter"):
                return attributes.resource == NODES.name or attributes.namespace == "payroll"
        return False


class Numbers:
    """Prometheus' answers: the same objects until `scrape`."""

    def __init__(self, chance: random.Random, cluster: Cluster) -> None:
        self._chance = chance
        self._cluster = cluster
        self._frames: dict[Question, MetricFrame] = {}

    def scrape(self) -> None:
        self._frames.clear()

    async def frames(self, questions: Iterable[Question]) -> Mapping[Question, MetricFrame]:
        return {question: self._frames.get(question) or self._asked(question) for question in questions}

    def _asked(self, question: Question) -> MetricFrame:
        self._frames[question] = frame = self._frame(question)
        return frame

    def _frame(self, question: Question) -> MetricFrame:
        failure = self._chance.choice((None, None, None, Missing.UNREACHABLE, Missing.NOT_CONFIGURED))
        if failure is not None:
            return MetricFrame.failed(question, failure, "made up", NEW)
        samples: dict[str, dict[str, Any]] = {}
        snapshot = self._cluster.snapshot()
        numbers = self._chance.choice((NUMBERS, (*NUMBERS, LARGE)))
        one_each = self._chance.random() < 0.5  # as there mostly is
        objects: list[Any] = list(snapshot.nodes if question.level.name == "NODE" else snapshot.pods)
        for each in objects:
            for name in _names(question, each):
                held = self._chance.choice(numbers) if one_each else self._held()
                if held is not None:
                    samples.setdefault(each.namespace, {})[name] = held
        return MetricFrame(question, samples, None, "", NEW, window=self._chance.choice((None, 300.0)))

    def _held(self) -> float | tuple[Sample, ...] | None:
        number = self._chance.choice((*NUMBERS, LARGE))
        several = (Sample(number, None, NEW, (("device", "eth0"),), 14.602), Sample(None, Missing.NOT_A_NUMBER, OLD))
        return self._chance.choice((number, number, number, None, several))

    async def raw_all(self, queries: Collection[RawQuery]) -> Mapping[RawQuery, RawOutcome]:
        return {query: self._raw() for query in queries}

    def _raw(self) -> RawOutcome:
        """Whatever Prometheus may answer to somebody's own PromQL."""
        texts = ("0.25", "1e+06", "NaN", "+Inf", "-0")
        samples = tuple(RawSample(NEW + number, self._chance.choice(texts)) for number in range(6))
        observed = Observations("3", "NaN", (RawBucket(0, "-Inf", "0.5", "1"), RawBucket(3, "0", "0", "2")))
        histogram = RawHistogram(NEW, observed)
        labels = {"__name__": "up", "job": "a", "instance": "b", "pod": "c", "le": "+Inf"}
        vector = [VectorRow(labels, each) for each in samples] + [VectorRow({}, None, histogram)]
        matrix = [MatrixRow(labels, samples), MatrixRow({}, (), (histogram,)), MatrixRow({"a": ""})]
        outcomes = (
            RawAnswer(ResultType.VECTOR, vector[self._chance.randrange(7) :], warnings=("careful",)),
            RawAnswer(ResultType.MATRIX, None, matrix * self._chance.randrange(3), infos=("no counter",)),
            RawAnswer(ResultType.SCALAR, scalar=samples[0]),
            RawAnswer(ResultType.STRING, string=samples[0]),
            RawRefused("a mistake", "bad_data"),
            RawUnanswered("away"),
        )
        return self._chance.choice(outcomes)


def _names(question: Question, each: Any) -> list[str]:
    """By what an object, or its containers, are named in a frame."""
    if question.level.name != "CONTAINER":
        return [each.name]
    return [f"{each.name}/{container.name}" for container in pod_containers(each).containers]


class World:
    """A small cluster that a seed decides; `change` makes something happen in it."""

    def __init__(self, seed: int, *, nodes: int = 5, pods: int = 40) -> None:
        self._chance = random.Random(seed)
        self._version = 0
        self._nodes = [f"node-{number}" for number in range(nodes)]
        self.cluster = Cluster(cast("Any", None))
        self.numbers = Numbers(self._chance, self.cluster)
        self.access = Access(Rights(), self._namespaces_with, AuthSettings())
        self.gatherer = Gatherer(self, self.numbers, self.access, passing_on=PassingOn(self.numbers, PROXY))
        self._put(self.cluster.nodes, [self._node(name) for name in self._nodes])
        self._put(self.cluster.namespaces, [made(name) for name in NAMESPACES])
        self._put(self.cluster.services, [self._service(space, "web") for space in NAMESPACES[:2]])
        self._watch_all_kinds()
        for namespace in NAMESPACES[:2]:
            for kind, manifests in _beside(namespace).items():
                self._put(self.cluster.watched(kind), manifests)
        self._put(self.cluster.pods, [self._pod(f"pod-{number}") for number in range(pods)])

    def _watch_all_kinds(self) -> None:
        """As if somebody had asked for each."""
        for kind in ON_DEMAND:
            self.cluster._in_use[kind.key] = self.cluster._in_scopes(kind, Sharing(), patient=False)

    def snapshot(self, kinds: Iterable[Kind[Any]] | None = None) -> ClusterSnapshot:
        return self.cluster.snapshot(kinds)

    def troubled(self, _kinds: Iterable[Kind[Any]]) -> Mapping[str, KindStatus]:
        return {}

    async def want(self, kinds: Iterable[Kind[Any]]) -> None:
        """All that is asked for is there."""

    async def reach(self, wanted: Mapping[Kind[Any], str], seconds: float) -> Mapping[Kind[Any], str]:
        return await self.cluster.reach(wanted, seconds)

    async def view(self, who: Identity, needs: Needs) -> View:
        return await self.gatherer.view(who, needs)

    def words(self) -> list[str]:
        """What a query may name: things that exist, and things that do not."""
        snapshot = self.snapshot()
        pods = list(snapshot.pods)[:5]
        known = [*NAMESPACES, *self._nodes, "web", "app", "worker", "control-plane", "10.0.0.1", "nothing", "x" * 400]
        known += ["main", "side", "nginx", "Ready", "CrashLoopBackOff", "data", "configMap", "TCP", "1h", "7d"]
        return [*known, *(pod.name for pod in pods), *(pod.uid for pod in pods), *(pod.namespace for pod in pods)]

    def change(self) -> None:
        """One thing that happens to a cluster."""
        match self._chance.randrange(8):
            case 0:
                self.numbers.scrape()
            case 1:
                self._put(self.cluster.nodes, [self._node(self._chance.choice(self._nodes))])
            case 2 | 3:
                known = self._chance.choice(list(self.snapshot().pods))
                self._put(self.cluster.pods, [self._pod(known.name, known.namespace)])
            case 4:
                self._put(self.cluster.pods, [self._pod(f"new-{self._version}")])
            case 5:
                gone = self._chance.choice(list(self.snapshot().pods))
                self.delete_pod(gone.namespace, gone.name)
            case 6:  # before, among or behind the others
                self._put(
                    self.cluster.nodes, [self._node(f"{self._chance.choice(('a', 'node-2', 'z'))}-{self._version}")]
                )
            case 7:
                nodes = list(self.snapshot().nodes)
                for node in self._chance.sample(nodes, min(1, len(nodes))):
                    self._version += 1
                    self.cluster.nodes.store.apply([Gone("", node.name, str(self._version))])

    def write_pod(self, namespace: str, name: str, node: str = "node-1") -> None:
        """A pod appears, or is written again."""
        pod = self._pod(name, namespace)
        pod["spec"]["nodeName"] = node
        self._put(self.cluster.pods, [pod])

    def put(self, kind: Kind[Any], manifest: dict[str, Any]) -> None:
        """An object appears, or is written again."""
        self._put(self.cluster.watched(kind), [manifest])

    def delete_pod(self, namespace: str, name: str) -> None:
        self._version += 1
        self.cluster.pods.store.apply([Gone(namespace, name, str(self._version))])

    def _put(self, watched: Watched[Any], manifests: Iterable[dict[str, Any]]) -> None:
        for manifest in manifests:
            self._version += 1
            manifest["metadata"] |= {"resourceVersion": str(self._version)}
            manifest["metadata"].setdefault("uid", f"uid-{self._version}")
            record = watched.decoder.decode(json.dumps(manifest).encode())
            watched.store.apply([Put(record)])

    def _node(self, name: str) -> dict[str, Any]:
        capacity = {"cpu": "4", "memory": f"{self._chance.randrange(1, 2**40)}", "pods": "110"}
        if self._chance.random() < 0.5:
            capacity["ephemeral-storage"] = "100Gi"
        labels = {"node-role.kubernetes.io/control-plane": ""} if name == "node-0" else self._labels()
        node = made(
            name,
            labels=labels,
            spec={"unschedulable": self._chance.random() < 0.5},
            status={
                "capacity": capacity,
                "allocatable": {"cpu": "3500m"},
                "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}] if self._chance.random() < 0.7 else [],
                "conditions": [{"type": "Ready", "status": self._chance.choice(("True", "False", "Unknown"))}],
                "nodeInfo": {"kubeletVersion": "v1.37.2", "osImage": "Debian “trixie”\n"},
            },
        )
        return self._detailed(node, full_objects.NODE)

    def _pod(self, name: str, namespace: str = "") -> dict[str, Any]:
        statuses = [{"name": "main", "ready": self._chance.random() < 0.5, "restartCount": self._chance.randrange(9)}]
        pod = made(
            name,
            namespace or self._chance.choice(NAMESPACES),
            owner=self._chance.choice((None, *_OWNERS)),
            labels=self._labels(),
            spec={"containers": [{"name": name} for name in ("main", "side", "log")[: self._chance.randrange(1, 4)]]}
            | ({"nodeName": self._chance.choice([*self._nodes, "lost"])} if self._chance.random() < 0.9 else {}),
            status={
                "phase": self._chance.choice(PHASES),
                "podIPs": [{"ip": "10.1.0.1"}] if self._chance.random() < 0.8 else None,
                "containerStatuses": self._chance.choice((statuses, None)),
            },
        )
        return self._detailed(pod, full_objects.POD)

    def _detailed(self, plain: dict[str, Any], full: dict[str, Any]) -> dict[str, Any]:
        """The object with some of what is read only when asked for."""
        for part, fields in full.items():
            plain[part] |= {
                name: value
                for name, value in fields.items()
                if (name not in plain[part] or name in DETAILED) and self._chance.random() < 0.4
            }
        return plain

    def _service(self, namespace: str, name: str) -> dict[str, Any]:
        return made(name, namespace, spec={"selector": {"app": "web"}})

    def _labels(self) -> dict[str, str]:
        return self._chance.choice(({}, {"app": "web"}, {"app": "api", "tier": "back"}))

    def _namespaces_with(self, resource: Resource) -> frozenset[str]:
        return frozenset(NAMESPACES)


# Kind, API version and the first part of the name (and uid) of what controls pods.
_OWNERS: Final = (
    ("ReplicaSet", "apps/v1", "rs"),
    ("Job", "batch/v1", "job"),
    ("StatefulSet", "apps/v1", "db"),
    ("Crate", "example.com/v1", "crate"),
)


def _beside(namespace: str) -> Mapping[Kind[Any], list[dict[str, Any]]]:
    """One object of each kind on demand."""
    template = {"spec": {"containers": [{"name": "main", "image": "web:1"}]}}
    pods = {"selector": {"matchLabels": {"app": "web"}}, "template": template}
    deployed = ("Deployment", "apps/v1", "web")
    planned = ("CronJob", "batch/v1", "cron")
    replica_set = made("rs", namespace, owner=deployed, spec=pods, status={"replicas": 2})
    return {
        kinds.DEPLOYMENTS: [made("web", namespace, uid=f"web-{namespace}", spec=pods, status={"replicas": 1})],
        kinds.REPLICA_SETS: [replica_set | {"metadata": replica_set["metadata"] | {"uid": f"rs-{namespace}"}}],
        kinds.REPLICA_SET_OWNERS: [made("rs", namespace, uid=f"rs-{namespace}", owner=deployed)],
        kinds.STATEFUL_SETS: [made("db", namespace, uid=f"db-{namespace}", spec=pods)],
        kinds.DAEMON_SETS: [made("agent", namespace, spec=pods)],
        kinds.JOBS: [made("job", namespace, uid=f"job-{namespace}", owner=planned, spec=pods)],
        kinds.CRON_JOBS: [made("cron", namespace, uid=f"cron-{namespace}", spec={"schedule": "* * * * *"})],
        kinds.VOLUME_CLAIMS: [made("data", namespace, status={"phase": "Pending"})],
        kinds.RESOURCE_QUOTAS: [made("small", namespace, status={"hard": {"pods": "3"}, "used": {"pods": "1"}})],
        kinds.DISRUPTION_BUDGETS: [made("calm", namespace, spec=pods)],
        kinds.AUTOSCALERS: [
            made("grow", namespace, spec={"scaleTargetRef": {"kind": "Deployment", "name": "web"}, "maxReplicas": 3})
        ],
    }


def made(name: str, namespace: str = "", **parts: Any) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "name": name,
        "creationTimestamp": "2025-11-24T09:00:00Z",
        "labels": parts.pop("labels", None),
    }
    if uid := parts.pop("uid", None):
        metadata["uid"] = uid
    if owner := parts.pop("owner", None):
        kind, version, owner_name = owner
        reference = {"kind": kind, "apiVersion": version, "name": owner_name, "uid": f"{owner_name}-{namespace}"}
        metadata["ownerReferences"] = [reference | {"controller": True}]
    return {"metadata": metadata | ({"namespace": namespace} if namespace else {}), **parts}
