"""`prometheus.require_metrics_right`: metrics only for those whom `kubectl top` would answer."""

from typing import Any

from gateway.demo.accounts import READ, Right, rights
from tests.front_door import FrontDoor, simulated_door

QUERY = """{
  nodes { metrics(names: [CPU_USAGE]) { value missing } }
  pods {
    namespace
    metrics(names: [CPU_USAGE, CPU_REQUEST]) { name value missing }
    metricsRange(names: [MEMORY_USAGE]) { missing points { value } }
    containers { metrics(names: [CPU_USAGE]) { value missing } }
  }
  namespaces { name metrics(names: [CPU_USAGE]) { value missing } }
}"""
OBJECTS = rights(READ, ("nodes", "pods", "namespaces"))
METRICS_OF_NODES = rights(("list",), ("nodes.metrics.k8s.io",))


def metrics_of_pods(namespace: str | None = None) -> Right:
    return rights(("list",), ("pods.metrics.k8s.io",), namespace=namespace)


async def answer(door: FrontDoor, *also: Right) -> tuple[dict[str, Any], list[str]]:
    token = door.simulated.add_user(f"user-{len(also)}-{hash(also)}", OBJECTS, *also)
    answered = await door.ask(QUERY, token)
    return answered.body["data"], answered.codes


def missing(rows: Any, field: str = "metrics") -> set[str | None]:
    return {each["missing"] for row in rows for each in row[field]}


async def asking_for_rights(door: FrontDoor) -> None:
    """Nobody, everybody, and somebody with the right in one namespace."""
    nothing, refused = await answer(door)
    everything, codes = await answer(door, METRICS_OF_NODES, metrics_of_pods())
    some, some_codes = await answer(door, METRICS_OF_NODES, metrics_of_pods("shop"))

    assert set(refused) == {"FORBIDDEN"}
    assert len(refused) == 5  # one a field
    assert missing(nothing["nodes"]) == missing(nothing["namespaces"]) == {"FORBIDDEN"}
    assert missing(nothing["pods"], "metricsRange") == {"FORBIDDEN"}
    assert codes == some_codes == []
    assert "FORBIDDEN" not in missing(everything["nodes"]) | missing(everything["pods"])
    for pod in some["pods"]:
        hidden = pod["namespace"] != "shop"
        usage, request = pod["metrics"]
        assert (usage["missing"] == "FORBIDDEN") == hidden
        assert request["missing"] in {None, "NOT_SET"}  # what the pod itself says
        assert ({each["missing"] for each in pod["metricsRange"]} == {"FORBIDDEN"}) == hidden
        if pod["containers"]:
            assert ("FORBIDDEN" in missing(pod["containers"])) == hidden
    for namespace in some["namespaces"]:
        assert (namespace["metrics"][0]["missing"] == "FORBIDDEN") == (namespace["name"] != "shop")
    assert any(namespace["metrics"][0]["value"] for namespace in some["namespaces"])


async def test_metrics_can_ask_for_a_right_of_their_own():
    """One error a field where it is missing everywhere; where it is missing in places, these say FORBIDDEN."""
    async with simulated_door(prometheus={"require_metrics_right": True}) as door:
        await asking_for_rights(door)


async def test_what_nobody_may_see_is_not_asked_of_prometheus():
    """Not even by a question whose duration would tell."""
    async with simulated_door(prometheus={"require_metrics_right": True}) as door:
        await answer(door)

        assert not door.simulated.metrics.questions


async def test_without_the_setting_who_may_list_an_object_sees_its_metrics(front_door: FrontDoor):
    """As by default."""
    data, codes = await answer(front_door)

    assert codes == []
    assert "FORBIDDEN" not in missing(data["pods"])
