"""Metrics of a cluster without Prometheus: those of `metrics.k8s.io`, over the front door."""

import time
from datetime import datetime
from typing import Any

import pytest

from schema.sources.kubernetes.quantities import quantity
from tests.cluster.control_plane import GATEWAY, ControlPlane, eventually
from tests.front_door import SHOP, open_front_door, simulated_door
from tests.test_end_to_end import config_for

BOTH = "metrics(names: [CPU_USAGE, MEMORY_USAGE]) { name value missing timestamp window }"
QUERY = f"""{{
  cluster {{ {BOTH} }}
  nodes {{ name {BOTH} }}
  pods {{ namespace name {BOTH} containers {{ name {BOTH} }} }}
  namespaces {{ name {BOTH} }}
  deployments {{ namespace name {BOTH} }}
}}"""
ROOT = "/apis/metrics.k8s.io/v1beta1"


def values(data: dict[str, Any]) -> dict[tuple[str, ...], float | None]:
    """Every number of an answer, by where it stands."""
    found: dict[tuple[str, ...], float | None] = {}

    def take(what: str, row: dict[str, Any], *names: str) -> None:
        found.update({(what, *names, each["name"]): each["value"] for each in row["metrics"]})

    take("cluster", data["cluster"])
    for kind in ("nodes", "namespaces"):
        for row in data[kind]:
            take(kind, row, row["name"])
    for kind in ("pods", "deployments"):
        for row in data[kind]:
            take(kind, row, row["namespace"], row["name"])
            for container in row.get("containers", ()):
                take("containers", container, row["namespace"], row["name"], container["name"])
    return found


async def test_the_same_cluster_has_the_same_numbers_with_and_without_prometheus():
    """Of every level: what is measured, what is summed, and what has none."""
    at = float(int(time.time()))
    async with simulated_door(now=lambda: at) as door:
        expected = values((await door.ask(QUERY)).data)
    async with simulated_door(now=lambda: at, prometheus=False, resource_metrics=True) as door:
        answer = await door.ask(QUERY)

    found = values(answer.data)
    assert found.keys() == expected.keys()
    assert sum(value is not None for value in found.values()) > 50
    for where, value in expected.items():
        assert found[where] == (None if value is None else pytest.approx(value, abs=1e-6)), where  # whole nanocores
    (cpu, memory) = answer.data["cluster"]["metrics"]
    assert cpu["timestamp"] == at
    assert (cpu["window"], memory["window"]) == (15.0, None)


async def test_it_costs_two_lists_whoever_asks_for_what():
    """One of nodes and one of pods in a scrape interval, for 3 nodes as for 12."""
    calls = {}
    for nodes in (3, 12):
        async with simulated_door(prometheus=False, resource_metrics=True, nodes=nodes, pods_per_node=4) as door:
            for token in ("demo-admin", "demo-viewer", SHOP):
                await door.ask(QUERY, token)
            calls[nodes] = {call: count for call, count in door.simulated.requests.items() if "metrics" in call[1]}

    assert calls[3] == calls[12] == {("GET", "list nodes.metrics.k8s.io"): 1, ("GET", "list pods.metrics.k8s.io"): 1}


async def test_the_rest_says_that_nothing_is_configured():
    """Other metrics, and the past; shares of what there is are there."""
    async with simulated_door(prometheus=False, resource_metrics=True) as door:
        data = (
            await door.ask(
                """{ nodes {
                  metrics(names: [NETWORK_RECEIVE, CPU_ALLOCATABLE_UTILIZATION]) { value missing }
                  metricsRange(names: [CPU_USAGE]) { missing points { value } }
                } }"""
            )
        ).data

    for node in data["nodes"]:
        receive, share = node["metrics"]
        assert receive == {"value": None, "missing": "NOT_CONFIGURED"}
        assert share["value"] > 0
        assert node["metricsRange"] == [{"missing": "NOT_CONFIGURED", "points": []}]


async def test_where_it_is_not_installed_nothing_is_configured():
    """No error: nobody has asked for more than there is."""
    async with simulated_door(prometheus=False) as door:
        data = (await door.ask("{ nodes { metrics(names: [CPU_USAGE]) { missing } } }")).data

    assert {metric["missing"] for node in data["nodes"] for metric in node["metrics"]} == {"NOT_CONFIGURED"}


async def test_who_sees_an_object_sees_its_numbers_and_no_others():
    """As with Prometheus: the list is the gateway's, what is shown of it is the caller's."""
    async with simulated_door(prometheus=False, resource_metrics=True) as door:
        shop = await door.ask(
            "{ pods { namespace metrics(names: [CPU_USAGE]) { value } } cluster { metrics { name } } }", SHOP
        )

    data = shop.body["data"]
    assert {pod["namespace"] for pod in data["pods"]} == {"shop"}
    assert any(pod["metrics"][0]["value"] for pod in data["pods"])
    assert shop.codes == ["FORBIDDEN"]  # the cluster's numbers are of all nodes
    assert "kube-system" not in shop.text


@pytest.mark.long
async def test_a_real_metrics_server_is_asked_and_named(metered_cluster: ControlPlane):
    """Number for number and moment for moment what its own lists say; and without the right to them, which rule is
    missing.
    """
    plane = metered_cluster
    query = f"{{ nodes {{ name {BOTH} }} pods {{ namespace name {BOTH} containers {{ name {BOTH} }} }} }}"
    admin = plane.token("admin")
    await eventually(lambda: uses(plane, "web", 0.25), limit_s=60)
    async with open_front_door(config_for(plane)) as door:
        refused = await door.ask(query, admin)
    grant = await allow_metrics(plane)
    async with open_front_door(config_for(plane)) as door:
        shown = (await door.ask(query, admin)).data
        listed = {what: (await plane.request("GET", f"{ROOT}/{what}"))["items"] for what in ("nodes", "pods")}
    await plane.request("DELETE", grant)

    assert set(refused.codes) == {"METRICS_UNAVAILABLE"}
    assert '{apiGroups: ["metrics.k8s.io"], resources: ["nodes"], verbs: ["list"]}' in refused.text.replace("\\", "")
    nodes = {row["name"]: row["metrics"] for row in shown["nodes"]}
    pods = {(row["namespace"], row["name"]): row for row in shown["pods"]}
    for node in listed["nodes"]:
        agree(nodes[node["metadata"]["name"]], node, [node["usage"]])
    for pod in listed["pods"]:
        row = pods[pod["metadata"]["namespace"], pod["metadata"]["name"]]
        agree(row["metrics"], pod, [each["usage"] for each in pod["containers"]])
        for container, said in zip(row["containers"], pod["containers"], strict=True):
            agree(container["metrics"], pod, [said["usage"]])
    (web,) = pods["default", "web"]["containers"]
    assert web["metrics"][1]["value"] == 64 * 2**20  # what KWOK was told that it uses


async def uses(plane: ControlPlane, pod: str, cores: float) -> bool:
    """Whether metrics-server says so, but for a tenth: it goes by the moments of its scrapes, and one may be late."""
    (container,) = (await plane.request("GET", f"{ROOT}/namespaces/default/pods/{pod}"))["containers"]
    return float(quantity(container["usage"]["cpu"])) == pytest.approx(cores, rel=0.1)


def agree(shown: list[dict[str, Any]], item: dict[str, Any], usages: list[dict[str, str]]) -> None:
    """Unless there was another scrape between the two lists."""
    cpu, memory = shown
    if cpu["timestamp"] == datetime.fromisoformat(item["timestamp"]).timestamp():
        assert cpu["window"] == float(item["window"].removesuffix("s"))
        assert cpu["value"] == float(sum(quantity(usage["cpu"]) for usage in usages))
        assert memory["value"] == float(sum(quantity(usage["memory"]) for usage in usages))


async def allow_metrics(plane: ControlPlane) -> str:
    """Give the gateway's account the rule; returns the binding's path once it is in force."""
    base = "/apis/rbac.authorization.k8s.io/v1"
    rule = {"apiGroups": ["metrics.k8s.io"], "resources": ["nodes", "pods"], "verbs": ["list"]}
    await plane.request("POST", f"{base}/clusterroles", {"metadata": {"name": "metrics"}, "rules": [rule]})
    binding = {
        "metadata": {"name": "metrics"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "metrics"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": GATEWAY}],
    }
    await plane.request("POST", f"{base}/clusterrolebindings", binding)

    async def in_force() -> bool:
        attributes = {"verb": "list", "group": "metrics.k8s.io", "resource": "pods"}
        review = {"spec": {"user": GATEWAY, "resourceAttributes": attributes}}
        answer = await plane.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
        return bool(answer["status"]["allowed"])

    await eventually(in_force)
    return f"{base}/clusterrolebindings/metrics"
