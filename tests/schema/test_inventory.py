"""What the cluster holds, over the front door: the same as counting and adding up the lists."""

from collections import Counter
from typing import Any

from gateway.demo.accounts import READ, rights
from gateway.demo.pods import Situation
from tests.front_door import SHOP, FrontDoor

AMOUNTS = "{ cpu memory ephemeralStorage pods others { name amount unit } }"
GROUPS = """
nodesByStatus { value count } nodesByZone { value count } nodesByInstanceType { value count }
nodesByPool { value count } podsByPhase { value count } podsByStatus { value count } unscheduledPodCount podCount
"""


def counted(groups: list[dict[str, Any]]) -> dict[str | None, int]:
    counts = [group["count"] for group in groups]
    assert counts == sorted(counts, reverse=True), "the largest group first"
    return {group["value"]: group["count"] for group in groups}


async def test_groups_are_those_of_the_lists(front_door: FrontDoor):
    """For who sees everything the store's own counters, for others a count of what they see."""
    lists = "nodes { status zone instanceType pool } pods { phase status node { name } }"

    answer = (await front_door.ask(f"{{ cluster {{ {GROUPS} }} {lists} }}")).data

    cluster = answer["cluster"]
    for group, field in (("Status", "status"), ("Zone", "zone"), ("InstanceType", "instanceType"), ("Pool", "pool")):
        assert counted(cluster[f"nodesBy{group}"]) == Counter(node[field] for node in answer["nodes"])
    for group, field in (("Phase", "phase"), ("Status", "status")):
        assert counted(cluster[f"podsBy{group}"]) == Counter(pod[field] for pod in answer["pods"])
    assert None not in counted(cluster["nodesByZone"])
    assert cluster["unscheduledPodCount"] == sum(pod["node"] is None for pod in answer["pods"])


async def test_groups_count_what_the_caller_sees(front_door: FrontDoor):
    """Of pods in one namespace; of nodes nothing, with one error a field."""
    front_door.simulated.create_pod("shop", "waiting", situation=Situation.UNSCHEDULABLE)

    answer = await front_door.ask(
        "{ cluster { podsByPhase { value count } podsByStatus { value count } unscheduledPodCount podCount "
        "podsByNamespace { namespace count } nodesByStatus { count } } pods { phase status } }",
        SHOP,
    )

    cluster, pods = answer.body["data"]["cluster"], answer.body["data"]["pods"]
    assert counted(cluster["podsByPhase"]) == Counter(pod["phase"] for pod in pods)
    assert counted(cluster["podsByStatus"]) == Counter(pod["status"] for pod in pods)
    assert cluster["podsByNamespace"] == [{"namespace": "shop", "count": cluster["podCount"]}]
    assert cluster["unscheduledPodCount"] >= 1
    assert cluster["nodesByStatus"] is None
    assert [(error["path"], error["extensions"]["code"]) for error in answer.errors] == [
        (["cluster", "nodesByStatus"], "FORBIDDEN")
    ]


async def test_amounts_are_the_sums_of_nodes_and_pods(front_door: FrontDoor):
    """What the nodes have and lend, what pods claim of it in all, and namespace by namespace."""
    sums = f"capacity {AMOUNTS} allocatable {AMOUNTS} requested {AMOUNTS} limits {AMOUNTS}"
    spaces = f"podsByNamespace {{ namespace count requested {AMOUNTS} limits {AMOUNTS} }}"
    pods = "pods { namespace phase requests { cpu memory } limits { cpu memory } }"
    nodes = f"nodes {{ capacity {AMOUNTS} allocatable {AMOUNTS} }}"

    answer = (await front_door.ask(f"{{ cluster {{ {sums} {spaces} }} {nodes} {pods} }}")).data

    cluster = answer["cluster"]
    for side in ("capacity", "allocatable"):
        for amount in ("memory", "pods", "ephemeralStorage"):
            assert cluster[side][amount] == sum(node[side][amount] for node in answer["nodes"])
        assert cluster[side]["cpu"] == round(sum(node[side]["cpu"] for node in answer["nodes"]), 3)
    assert_claims(cluster, answer["pods"])
    for space in cluster["podsByNamespace"]:
        inside = [pod for pod in answer["pods"] if pod["namespace"] == space["namespace"]]
        assert space["count"] == len(inside)
        assert_claims(space, inside)
    assert {space["namespace"] for space in cluster["podsByNamespace"]} == {pod["namespace"] for pod in answer["pods"]}


def assert_claims(sums: dict[str, Any], pods: list[dict[str, Any]]) -> None:
    alive = [pod for pod in pods if pod["phase"] not in ("Succeeded", "Failed")]
    for kept, side in ((sums["requested"], "requests"), (sums["limits"], "limits")):
        assert kept["pods"] == len(alive)
        assert kept["cpu"] == round(sum(pod[side]["cpu"] or 0 for pod in alive), 3)
        assert kept["memory"] == sum(pod[side]["memory"] or 0 for pod in alive)


async def test_what_all_pods_claim_needs_the_right_to_all_pods(front_door: FrontDoor):
    """A user of one namespace gets the sums of that namespace alone."""
    token = front_door.simulated.add_user("clerk", rights(READ, ("pods",), namespace="shop"))

    answer = await front_door.ask(
        "{ cluster { requested { cpu } podsByNamespace { namespace requested { pods } } } }", token
    )

    assert answer.body["data"]["cluster"]["requested"] is None
    assert [space["namespace"] for space in answer.body["data"]["cluster"]["podsByNamespace"]] == ["shop"]
    assert answer.errors[0]["message"] == "You may not list pods in all namespaces"
