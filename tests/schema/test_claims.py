"""What pods claim of their nodes, over the front door: sums, what is left, reasons to look, and who may see them."""

import re

from gateway.demo.accounts import READ, rights
from tests.front_door import FrontDoor

AMOUNTS = "{ cpu memory ephemeralStorage pods others { name amount unit } }"


async def test_a_node_sums_what_its_pods_claim(front_door: FrontDoor):
    """Of pods that are not done; what is left is the rest of what it lends."""
    pods = "pods { phase requests { cpu memory } limits { cpu memory } }"
    fields = f"allocatable {AMOUNTS} requested {AMOUNTS} limits {AMOUNTS} available {AMOUNTS} {pods}"

    nodes = (await front_door.ask(f"{{ nodes {{ {fields} }} }}")).data["nodes"]

    for node in nodes:
        alive = [pod for pod in node["pods"] if pod["phase"] not in ("Succeeded", "Failed")]
        for sums, side in ((node["requested"], "requests"), (node["limits"], "limits")):
            assert sums["pods"] == len(alive)
            assert sums["cpu"] == round(sum(pod[side]["cpu"] or 0 for pod in alive), 3)
            assert sums["memory"] == sum(pod[side]["memory"] or 0 for pod in alive)
        assert node["available"]["cpu"] == round(max(node["allocatable"]["cpu"] - node["requested"]["cpu"], 0), 3)
        assert node["available"]["pods"] == node["allocatable"]["pods"] - len(alive)
        assert {"name": "hugepages-2Mi", "amount": 0, "unit": "BYTES"} in node["allocatable"]["others"]
    assert sum(node["requested"]["cpu"] for node in nodes) > 0


async def test_sums_over_all_pods_need_the_right_to_all_pods(front_door: FrontDoor):
    """Else null with one FORBIDDEN a field, however many nodes; `attention` says that it cannot know."""
    token = front_door.simulated.add_user(
        "limited", rights(READ, ("nodes",)), rights(READ, ("pods",), namespace="shop"), groups=("limited",)
    )

    answer = await front_door.ask("{ nodes { requested { cpu } available { cpu } attention } }", token)

    nodes = answer.body["data"]["nodes"]
    assert [(node["requested"], node["available"]) for node in nodes] == [(None, None)] * len(nodes)
    assert all("REQUESTS_NOT_VISIBLE" in node["attention"] for node in nodes)
    assert [(error["path"], error["extensions"]["code"]) for error in answer.errors] == [
        (["nodes", 0, "requested"], "FORBIDDEN"),
        (["nodes", 0, "available"], "FORBIDDEN"),
    ]
    assert answer.errors[0]["message"] == "You may not list pods in all namespaces"


async def test_words_and_reasons_of_pods(front_door: FrontDoor):
    """What kubectl prints, and why to look: a ready pod has no reason in its present state."""
    pods = (await front_door.ask("{ pods { status readyText ready phase attention owner { kind name } } }")).data[
        "pods"
    ]

    assert all(set(pod["attention"]) <= {"OUT_OF_MEMORY"} for pod in pods if pod["ready"])  # which was before
    for pod in pods:
        ready, total = map(int, pod["readyText"].split("/"))
        assert ready <= total
        if pod["status"] == "CrashLoopBackOff":
            assert "CRASHING" in pod["attention"]
    assert {pod["owner"]["kind"] for pod in pods if pod["owner"]} >= {"ReplicaSet", "DaemonSet"}


async def test_restarts_are_written_with_the_time_since_the_last_one(front_door: FrontDoor):
    """Only where there was one; all addresses of pods and nodes, the one to reach it at among them."""
    answer = await front_door.ask(
        "{ pods { restarts restartsText address addresses } nodes { address addresses { type address } } }"
    )

    for pod in answer.data["pods"]:
        assert re.fullmatch(rf"{pod['restarts']}( \(\S+ ago\))?", pod["restartsText"])
        assert pod["address"] == (pod["addresses"] or [None])[0]
    assert any("ago" in pod["restartsText"] for pod in answer.data["pods"])
    for node in answer.data["nodes"]:
        assert {"type": "InternalIP", "address": node["address"]} in node["addresses"]
