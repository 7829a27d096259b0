"""Metrics of namespaces and of workloads: the sums of their pods', for those who may list these."""

from typing import Any

import orjson
import pytest

from gateway.demo.accounts import READ, rights
from schema.execution.plan.operations import Operations
from schema.execution.prepare import Documents
from schema.execution.settings import ExecutionSettings
from schema.schema import describe
from schema.sources.kubernetes.kinds import CRON_JOBS, DEPLOYMENTS, STATEFUL_SETS
from schema.sources.prometheus.frames import MetricFrame
from tests.front_door import SHOP, FrontDoor
from tests.schema.execution.side_by_side import by_plan, found, prepared
from tests.schema.execution.world import ADMIN, NAMESPACES, NEW, World

SCHEMA = describe()
NAMES = "names: [CPU_USAGE, MEMORY_USAGE, CPU_REQUEST, MEMORY_LIMIT, CPU_REQUEST_UTILIZATION]"
METRICS = f"metrics({NAMES}) {{ name value missing unit }}"


def by_name(metrics: Any) -> dict[str, float | None]:
    return {metric["name"]: metric["value"] for metric in metrics}


def total(pods: Any, name: str) -> float:
    return sum(each["value"] or 0.0 for pod in pods for each in pod["metrics"] if each["name"] == name)


# What controls pods, by kind, version and the names that the made-up cluster has.
OWNERS = [("ReplicaSet", "apps/v1", "rs"), ("Job", "batch/v1", "job"), ("StatefulSet", "apps/v1", "db")]


def pod_of(owner: tuple[str, str, str], namespace: str, number: int) -> dict[str, Any]:
    kind, version, name = owner
    reference = {"kind": kind, "apiVersion": version, "name": name, "uid": f"{name}-{namespace}", "controller": True}
    limits = {"memory": f"{number + 1}Mi"} if number % 2 else {}
    return {
        "metadata": {
            "name": f"{name}-{number}",
            "namespace": namespace,
            "creationTimestamp": "2025-11-24T09:00:00Z",
            "ownerReferences": [reference],
        },
        "spec": {"containers": [{"name": "main", "resources": {"requests": {"cpu": "250m"}, "limits": limits}}]},
        "status": {"phase": "Running"},
    }


async def answered(query: str) -> dict[str, Any]:
    """Over a made-up cluster with every kind of workload; every third pod has no number yet."""
    world = World(3)
    for namespace in NAMESPACES[:2]:
        world._put(world.cluster.pods, [pod_of(owner, namespace, n) for owner in OWNERS for n in range(4)])
        for kind in (DEPLOYMENTS, STATEFUL_SETS, CRON_JOBS):
            idle = {"metadata": {"name": "a-idle", "namespace": namespace, "creationTimestamp": "2025-11-24T09:00:00Z"}}
            world._put(world.cluster.watched(kind), [idle])
    pods = [pod for n, pod in enumerate(world.cluster.snapshot().pods) if n % 3]
    samples = {
        space: {pod.name: len(pod.uid) + n / 8 for n, pod in enumerate(pods) if pod.namespace == space}
        for space in NAMESPACES
    }
    world.numbers._frame = lambda question: MetricFrame(question, samples, evaluated_at=NEW)  # type: ignore[method-assign]
    operation = found(Operations(ExecutionSettings()), SCHEMA, prepared(Documents(), SCHEMA, query), {})
    encoded, errors = by_plan(operation, await world.view(ADMIN, operation.needs))
    assert errors == []
    data: dict[str, Any] = orjson.loads(encoded)
    return data


@pytest.mark.parametrize("kind", ["deployments", "statefulSets", "replicaSets", "jobs", "cronJobs"])
async def test_a_workloads_metrics_are_those_of_its_pods_added_up(kind: str):
    """Of the pods that have a value; a share is the share of the sums."""
    rows = (await answered(f"{{ {kind} {{ name {METRICS} pods {{ {METRICS} }} }} }}"))[kind]

    assert sum(len(row["pods"]) for row in rows) > 5
    for row in rows:
        shown = by_name(row["metrics"])
        for name in ("CPU_USAGE", "MEMORY_USAGE", "CPU_REQUEST", "MEMORY_LIMIT"):
            assert (shown[name] or 0.0) == pytest.approx(total(row["pods"], name))
        if shown["CPU_USAGE"] is not None and shown["CPU_REQUEST"]:
            assert shown["CPU_REQUEST_UTILIZATION"] == pytest.approx(shown["CPU_USAGE"] / shown["CPU_REQUEST"])
    assert any(by_name(row["metrics"])["CPU_USAGE"] for row in rows)


@pytest.mark.parametrize("kind", ["deployments", "statefulSets", "replicaSets", "jobs", "cronJobs"])
@pytest.mark.parametrize("metric", ["CPU_USAGE", "CPU_REQUEST_UTILIZATION"])
async def test_workloads_are_ordered_by_what_their_pods_use_together(kind: str, metric: str):
    """By the very numbers that are shown, both ways; those without one last; in pages too."""
    shown = f"name namespace metrics(names: [{metric}]) {{ value }}"
    for direction in ("ASC", "DESC"):
        order = f"orderBy: {{metric: {metric}, direction: {direction}}}"
        pages = f"{kind}Connection({order}, first: 3) {{ edges {{ node {{ {shown} }} }} }}"
        data = await answered(f"{{ {kind}({order}) {{ {shown} }} {pages} }}")

        rows = data[kind]
        values = [row["metrics"][0]["value"] for row in rows]
        known = [value for value in values if value is not None]
        assert len(known) >= 2
        assert known == sorted(known, reverse=direction == "DESC")
        assert values == known + [None] * (len(values) - len(known))
        assert [edge["node"] for edge in data[f"{kind}Connection"]["edges"]] == rows[:3]


async def test_namespaces_are_ordered_by_what_their_pods_use(front_door: FrontDoor):
    """As Prometheus sums it, or as a share of what they request."""
    for metric in ("MEMORY_USAGE", "CPU_REQUEST_UTILIZATION"):
        query = f"orderBy: {{metric: {metric}, direction: DESC}}) {{ name metrics(names: [{metric}]) {{ value }} }}"

        rows = (await front_door.ask(f"{{ namespaces({query} }}")).data["namespaces"]

        values = [row["metrics"][0]["value"] for row in rows]
        known = [value for value in values if value is not None]
        assert len(known) > 1
        assert values == sorted(known, reverse=True) + [None] * (len(values) - len(known))


async def test_an_order_tells_nothing_of_pods_that_may_not_be_listed(front_door: FrontDoor):
    """None anywhere: no order. None in some namespaces: what is there stands last, and is not asked about."""
    resources = ("namespaces", "deployments.apps", "jobs.batch", "cronjobs.batch")
    no_pods = front_door.simulated.add_user("no-pods", rights(READ, resources))
    between = rights(READ, ("pods", "replicasets.apps"), namespace="shop")
    own_pods = front_door.simulated.add_user("own-pods", rights(READ, resources), between)
    order = "orderBy: {metric: CPU_USAGE, direction: DESC}"
    for kind, shown in (("namespaces", "name"), *((each, "name namespace") for each in ("deployments", "cronJobs"))):
        refused = await front_door.ask(f"{{ {kind}({order}) {{ name }} }}", no_pods)
        assert refused.body["data"] == {kind: None}
        assert refused.codes == ["FORBIDDEN"]
        assert not front_door.simulated.metrics.questions

        everything = (await front_door.ask(f"{{ {kind} {{ {shown} }} }}", own_pods)).data[kind]
        answer = await front_door.ask(f"{{ {kind}({order}) {{ {shown} }} }}", own_pods)
        others = [row for row in everything if row.get("namespace", row["name"]) != "shop"]
        assert [row for row in answer.data[kind] if row in others] == others
        if kind != "cronJobs":  # none of them runs just now
            assert answer.data[kind][0] not in others
        assert {question.selector.namespaces for question in front_door.simulated.metrics.questions} <= {
            frozenset({"shop"})
        }
        front_door.simulated.metrics.questions.clear()


async def test_a_namespaces_metrics_are_summed_by_prometheus(front_door: FrontDoor):
    """One question a metric for all namespaces; the sums are those of the pods in it."""
    data = (await front_door.ask(f"{{ namespaces {{ name {METRICS} pods {{ {METRICS} }} }} }}")).data

    levels = sorted(question.level for question in front_door.simulated.metrics.questions)
    assert levels == ["NAMESPACE", "NAMESPACE", "POD", "POD"]
    for row in data["namespaces"]:
        shown = by_name(row["metrics"])
        for name in ("CPU_USAGE", "MEMORY_USAGE", "CPU_REQUEST", "MEMORY_LIMIT"):
            assert (shown[name] or 0.0) == pytest.approx(total(row["pods"], name), rel=0.05)


async def test_who_may_not_list_the_pods_learns_nothing_of_their_use(front_door: FrontDoor):
    """One error a field, the reason in every value; Prometheus is not asked for what is hidden."""
    token = front_door.simulated.add_user("no-pods", rights(READ, ("namespaces", "deployments")))
    query = f"{{ namespaces {{ {METRICS} }} deployments {{ {METRICS} }} }}"

    answer = await front_door.ask(query, token)

    data = answer.body["data"]
    missing = {metric["missing"] for kind in data.values() for row in kind or () for metric in row["metrics"]}
    assert missing == {"FORBIDDEN"}
    assert set(answer.codes) == {"FORBIDDEN"}
    assert not front_door.simulated.metrics.questions


async def test_a_namespaced_user_sees_the_metrics_of_their_own_namespace(front_door: FrontDoor):
    """The question to Prometheus names that namespace alone."""
    query = f'{{ namespace(name: "shop") {{ {METRICS} }} other: namespace(name: "kube-system") {{ {METRICS} }} }}'

    answer = await front_door.ask(query, SHOP)

    shown = by_name(answer.body["data"]["namespace"]["metrics"])
    assert shown["CPU_USAGE"] is not None
    assert answer.body["data"]["other"] is None
    assert {question.selector.namespaces for question in front_door.simulated.metrics.questions} == {
        frozenset({"shop"})
    }
