"""Lists of what objects consist of are asked as all other lists are: compared with the same in Python."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from schema.execution.limits import Limits
from schema.execution.plan.kinds import ListOf
from schema.execution.plan.operations import Operation, Operations
from schema.execution.prepare import Documents
from schema.execution.settings import ExecutionSettings, LimitSettings
from schema.schema import describe
from schema.sources.kubernetes import kinds
from tests.schema.execution.side_by_side import Errors, by_plan, found, prepared
from tests.schema.execution.world import ADMIN, World, made

SCHEMA = describe()
AT, LATER = "2025-11-24T09:00:00Z", "2099-01-01T00:00:00Z"

CONTAINER = "{ name image ready started restarts startedAt state { phase reason } lastState { reason } "
CONTAINER += "requests { cpu memory } sidecar metrics(names: [CPU_USAGE]) { value } }"


def container(name: str, image: str, cpu: str = "", memory: str = "") -> dict[str, Any]:
    requests = {key: value for key, value in (("cpu", cpu), ("memory", memory)) if value}
    ports = [{"containerPort": 8080, "name": "http"}, {"containerPort": 53, "protocol": "UDP"}]
    mounts = [{"name": "data", "mountPath": "/data"}, {"name": "keys", "mountPath": "/etc/keys", "readOnly": True}]
    return {"name": name, "image": image, "resources": {"requests": requests}, "ports": ports, "volumeMounts": mounts}


def status(name: str, restarts: int, **state: Any) -> dict[str, Any]:
    return {"name": name, "restartCount": restarts, "ready": "running" in state, "state": state}


POD: dict[str, Any] = {
    "spec": {
        "containers": [
            container("web", "registry.example.com/web:1", "500m", "1Gi"),
            container("proxy", "envoy:2", "50m"),
            container("log", "registry.example.com/log:1", memory="2Gi"),
            container("waits", "busybox", "2", "1Mi"),
        ],
        "initContainers": [container("side", "envoy:2") | {"restartPolicy": "Always"}, container("setup", "busybox")],
        "volumes": [
            {"name": "data", "persistentVolumeClaim": {"claimName": "data-0"}},
            {"name": "keys", "secret": {"secretName": "web-keys"}},
            {"name": "scratch", "emptyDir": {"sizeLimit": "1Gi"}},
            {"name": "all", "projected": {"sources": [{"secret": {"name": "web-keys"}}]}},
        ],
        "tolerations": [{"key": "gone", "effect": "NoExecute"}, {"operator": "Exists"}],
    },
    "status": {
        "phase": "Running",
        "containerStatuses": [
            status("web", 0, running={"startedAt": AT}),
            status("proxy", 7, running={"startedAt": LATER})
            | {"lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}},
            status("log", 3, waiting={"reason": "CrashLoopBackOff"}),
        ],
        "conditions": [
            {"type": "Ready", "status": "False", "reason": "ContainersNotReady", "lastTransitionTime": AT},
            {"type": "Initialized", "status": "True", "lastTransitionTime": LATER},
            {"type": "PodScheduled", "status": "True"},
        ],
    },
}
NODE: dict[str, Any] = {
    "spec": {
        "taints": [{"key": "gone", "effect": "NoExecute", "timeAdded": AT}, {"key": "a/b", "effect": "NoSchedule"}]
    },
    "status": {
        "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}, {"type": "Hostname", "address": "one"}],
        "images": [
            {"names": ["nginx@sha256:5c", "docker.io/nginx:1"], "sizeBytes": 9},
            {"names": [], "sizeBytes": 5},
            {"names": ["busybox:1"], "sizeBytes": 7},
        ],
        "volumesInUse": ["csi/one"],
        "volumesAttached": [{"name": "csi/one", "devicePath": "/dev/b"}, {"name": "csi/two", "devicePath": "/dev/c"}],
    },
}
QUOTA = {
    "hard": {"pods": "9", "requests.cpu": "4", "count/jobs.batch": "2"},
    "used": {"pods": "1", "requests.cpu": "3", "count/jobs.batch": "2"},
}


class Asking:
    """A world with one pod and one node that have everything."""

    def __init__(self) -> None:
        self.world = World(3, nodes=1, pods=0)
        labels = {"app": "web", "app.kubernetes.io/name": "web", "team": "pay"}
        self.world.put(kinds.PODS, made("pod", "shop", labels=labels, **POD))
        self.world.put(kinds.NODES, made("node-0", **NODE))
        self.world.put(kinds.RESOURCE_QUOTAS, made("quota", "shop", status=QUOTA))
        self._documents, self._operations = Documents(Limits(LimitSettings())), Operations(ExecutionSettings())

    async def outcome(self, field: str, of: str = "pod") -> tuple[Any, Errors]:
        found_by = {
            "pod": 'pod(namespace: "shop", name: "pod")',
            "pods": "pods",
            "node": 'node(name: "node-0")',
            "cluster": "cluster",
            "quota": 'resourceQuota(namespace: "shop", name: "quota")',
        }[of]
        operation = self.operation(f"{{ {found_by} {{ {field} }} }}")
        data, errors = by_plan(operation, await self.world.view(ADMIN, operation.needs))
        (answer,) = orjson.loads(data).values()
        return answer, errors

    def operation(self, query: str) -> Operation:
        return found(self._operations, SCHEMA, prepared(self._documents, SCHEMA, query), {})

    async def ask(self, field: str, of: str = "pod") -> list[Any]:
        answer, errors = await self.outcome(field, of)
        assert errors == []
        (rows,) = answer.values()
        return list(rows)


@pytest.fixture
def asking() -> Asking:
    return Asking()


def names(rows: list[Any], key: str = "name") -> list[Any]:
    return [row[key] for row in rows]


@pytest.mark.parametrize(
    ("wanted", "holds"),
    [
        ('name: "web"', lambda one: one["name"] == "web"),
        ('names: ["web", "log"]', lambda one: one["name"] in ("web", "log")),
        ('nameContains: "o"', lambda one: "o" in one["name"]),
        ('namePrefix: "w"', lambda one: one["name"].startswith("w")),
        ('image: "envoy:2"', lambda one: one["image"] == "envoy:2"),
        ('imageContains: "/log"', lambda one: "/log" in one["image"]),
        ('imagePrefix: "registry.example.com/"', lambda one: one["image"].startswith("registry")),
        ("ready: false", lambda one: not one["ready"]),
        ("state: RUNNING", lambda one: one["state"] and one["state"]["phase"] == "RUNNING"),
        ("states: [WAITING, TERMINATED]", lambda one: one["state"] and one["state"]["phase"] == "WAITING"),
        ('reason: "CrashLoopBackOff"', lambda one: one["name"] == "log"),
        ('lastReasons: ["OOMKilled", "Error"]', lambda one: one["name"] == "proxy"),
        ("minRestarts: 3", lambda one: one["restarts"] >= 3),
        ('olderThan: "1h"', lambda one: one["startedAt"] == AT),
        ('youngerThan: "1h"', lambda one: one["startedAt"] == LATER),
        ('not: {youngerThan: "1h"}', lambda one: one["startedAt"] != LATER),
        ('ready: true, not: {name: "web"}', lambda one: one["ready"] and one["name"] != "web"),
        ("sidecar: true", lambda one: one["sidecar"]),
    ],
)
async def test_each_filter_of_containers_leaves_exactly_what_it_says(
    asking: Asking, wanted: str, holds: Callable[[Any], bool]
):
    """In the order of the spec; of init containers too."""
    for field in ("containers", "initContainers"):
        every = await asking.ask(f"{field} {CONTAINER}")
        assert await asking.ask(f"{field}(filter: {{{wanted}}}) {CONTAINER}") == list(filter(holds, every))


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("{key: NAME}", ["log", "proxy", "waits", "web"]),
        ("{key: RESTARTS, direction: DESC}", ["proxy", "log", "web", "waits"]),
        ("{key: CPU_REQUESTS}", ["proxy", "web", "waits", "log"]),
        ("{key: MEMORY_REQUESTS, direction: DESC}", ["log", "web", "waits", "proxy"]),
        ("{key: STARTED_AT, direction: DESC}", ["proxy", "web", "log", "waits"]),
        ("{key: AGE, direction: DESC}", ["web", "proxy", "log", "waits"]),
        ("[{key: READY, direction: DESC}, {key: NAME, direction: DESC}]", ["web", "proxy", "waits", "log"]),
        ("{metric: CPU_REQUEST, direction: DESC}", ["waits", "web", "proxy", "log"]),
        ("{metric: MEMORY_REQUEST}", ["waits", "web", "log", "proxy"]),
    ],
)
async def test_containers_are_ordered_and_cut_short(asking: Asking, order: str, expected: list[str]):
    """What has no value stands last; equals stay as the spec has them."""
    assert names(await asking.ask(f"containers(orderBy: {order}) {{ name }}")) == expected
    assert names(await asking.ask(f"containers(orderBy: {order}, limit: 2) {{ name }}")) == expected[:2]
    assert names(await asking.ask("containers(limit: 3) { name }")) == ["web", "proxy", "log"]


async def test_the_busiest_containers_of_each_pod_in_one_question(asking: Asking):
    """Ordered by the very values that are shown, by one question to Prometheus."""
    for number in range(20):
        asking.world.put(kinds.PODS, made(f"other-{number}", "shop", **POD))
    field = "containers(orderBy: {metric: CPU_USAGE, direction: DESC}) "
    operation = asking.operation(f"{{ pods {{ {field} {CONTAINER} }} }}")
    measured = 0
    while not measured:  # now and then Prometheus fails in this world
        asking.world.numbers.scrape()
        data, _ = by_plan(operation, await asking.world.view(ADMIN, operation.needs))
        for pod in orjson.loads(data)["pods"]:
            shown = [max((each["value"] or 0.0 for each in one["metrics"]), default=0.0) for one in pod["containers"]]
            known = [value for value in shown if value]
            assert known == sorted(known, reverse=True)
            measured += len(set(known)) > 1
    assert len(operation.needs.metrics) == 1


@pytest.mark.parametrize(
    ("of", "field", "key", "expected"),
    [
        ("pod", "conditions(filter: {status: FALSE})", "type", ["Ready"]),
        ("pod", 'conditions(filter: {types: ["Ready", "PodScheduled"]})', "type", ["Ready", "PodScheduled"]),
        ("pod", 'conditions(filter: {olderThan: "1h"})', "type", ["Ready"]),
        ("pod", 'conditions(filter: {youngerThan: "1h"})', "type", ["Initialized"]),
        ("pod", "conditions(orderBy: {key: SINCE, direction: DESC})", "type", ["Initialized", "Ready", "PodScheduled"]),
        ("pod", 'volumes(filter: {secret: "web-keys"})', "name", ["keys", "all"]),
        ("pod", 'volumes(filter: {kinds: ["emptyDir", "secret"]}, orderBy: {key: KIND})', "name", ["scratch", "keys"]),
        ("pod", 'volumes(filter: {not: {claimName: "data-0"}}, limit: 1)', "name", ["keys"]),
        ("pod", 'labels(filter: {keyPrefix: "app"})', "key", ["app", "app.kubernetes.io/name"]),
        ("pod", 'labels(filter: {value: "web"}, orderBy: {key: KEY, direction: DESC}, limit: 1)', "value", ["web"]),
        ("pod", "tolerations(filter: {effect: NO_EXECUTE})", "key", ["gone"]),
        ("node", 'addresses(filter: {type: "Hostname"})', "address", ["one"]),
        ("node", 'images(filter: {nameContains: "nginx"})', "size", [9]),
        ("node", 'images(filter: {not: {namePrefix: "docker.io/"}}, orderBy: {key: SIZE})', "size", [5, 7]),
        ("node", 'taints(filter: {olderThan: "1h"})', "key", ["gone"]),
        ("node", "taints(orderBy: {key: KEY})", "key", ["a/b", "gone"]),
        ("node", "volumes(filter: {inUse: false})", "name", ["csi/two"]),
        ("quota", 'amounts(filter: {resourcePrefix: "count/"})', "resource", ["count/jobs.batch"]),
        ("quota", "amounts(orderBy: {key: USED}, limit: 2)", "resource", ["pods", "count/jobs.batch"]),
    ],
)
async def test_other_elements_are_asked_in_the_same_words(
    asking: Asking, of: str, field: str, key: str, expected: list[Any]
):
    """Each by what it has."""
    assert names(await asking.ask(f"{field} {{ {key} }}", of), key) == expected


async def test_what_stands_in_containers_is_asked_so_too(asking: Asking):
    """Ports by their numbers, mounts by their paths."""
    inside = 'ports(filter: {ports: [53, 80]}) { port } volumeMounts(filter: {pathPrefix: "/etc/"}) { volume }'
    for one in await asking.ask(f"containers {{ {inside} }}"):
        assert one == {"ports": [{"port": 53}], "volumeMounts": [{"volume": "keys"}]}


@pytest.mark.parametrize(
    ("field", "key", "expected"),
    [
        ("podsByNamespace", "namespace", ["payroll", "shop"]),
        ("podsByNamespace(orderBy: {key: CPU_REQUESTED, direction: DESC})", "namespace", ["shop", "payroll"]),
        ("podsByNamespace(filter: {minCount: 2})", "namespace", ["payroll"]),
        ('podsByNamespace(filter: {not: {namespacePrefix: "s"}})', "namespace", ["payroll"]),
        ("podsByPhase(limit: 1)", "count", [3]),
        ('podsByPhase(filter: {values: ["Running", "Failed"]})', "value", ["Running"]),
        ('nodesByZone(filter: {not: {value: "nowhere"}}, orderBy: {key: VALUE})', "value", [None]),
    ],
)
async def test_what_is_counted_is_asked_in_the_same_words(asking: Asking, field: str, key: str, expected: list[Any]):
    """Of all objects that somebody sees; without an order the largest group first, namespaces by name."""
    for number in range(2):
        asking.world.put(kinds.PODS, made(f"small-{number}", "payroll", **{**POD, "spec": {"containers": []}}))
    assert names(await asking.ask(f"{field} {{ {key} }}", "cluster"), key) == expected


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("containers(limit: -1) { name }", "`limit` is -1; it must be at least 0"),
        ('containers(filter: {olderThan: "soon"}) { name }', "`filter.olderThan` is not a duration"),
        ("containers(filter: {names: []}) { name }", "`filter.names` has 0 values"),
        (
            "containers(orderBy: {metric: NETWORK_RECEIVE}) { name }",
            "There is no order of containers by NETWORK_RECEIVE",
        ),
        ("containers(orderBy: {direction: DESC}) { name }", "must have `key` or `metric`, and not both"),
        (f"conditions(orderBy: [{'{key: TYPE}' * 7}]) {{ type }}", "`orderBy` has 7 elements"),
    ],
)
async def test_what_cannot_be_used_is_refused_by_name(asking: Asking, field: str, message: str):
    """One error names the argument; of many pods too."""
    asking.world.put(kinds.PODS, made("another", "shop", **POD))
    for of in ("pod", "pods"):
        answer, errors = await asking.outcome(field, of)
        assert answer is None
        ((_, told, _, extensions),) = errors
        assert message in told
        assert extensions["code"] == "BAD_USER_INPUT"


def pods_are_pure(asking: Asking, field: str) -> bool:
    """Whether a plan reads the field by columns, of which blocks are made that are kept."""
    plan = asking.operation(f"{{ pods {{ name {field} }} }}").plan
    assert plan is not None
    (pods,) = plan.selection.fields
    assert isinstance(pods.kind, ListOf)
    return pods.kind.item.pure


@pytest.mark.parametrize(
    "field",
    [
        "containers { name } labels { key } conditions { type }",
        'containers(filter: {not: {name: "log"}}, orderBy: [{key: AGE}, {key: NAME}], limit: 2) { name }',
        'labels(filter: {keyPrefix: "app"}, limit: 1) { key }',
    ],
)
async def test_what_depends_on_the_object_alone_is_read_by_columns(asking: Asking, field: str):
    """As without arguments."""
    assert pods_are_pure(asking, field)


@pytest.mark.parametrize(
    "field", ['containers(filter: {olderThan: "1h"}) { name }', "containers(orderBy: {metric: CPU_REQUEST}) { name }"]
)
async def test_what_depends_on_more_is_asked_each_time(asking: Asking, field: str):
    """On the time, or on who measured what."""
    assert not pods_are_pure(asking, field)
