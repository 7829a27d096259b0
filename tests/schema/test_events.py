"""Events, over the front door: on their objects and at the root, newest first, for whom they are."""

from typing import Any

from graphql import get_named_type

from gateway.demo.accounts import READ, rights
from schema.schema import describe
from tests.front_door import FrontDoor

FIELDS = "{ type reason message count firstSeenAt lastSeenAt source object { kind namespace name uid } namespace }"


def event(name: str, minute: int, about: dict[str, Any], **more: Any) -> dict[str, Any]:
    namespace = about.get("namespace") or "default"
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": namespace, "uid": f"uid-of-{name}"},
        "involvedObject": about,
        "type": "Warning",
        "reason": "BackOff",
        "message": f"{name} happened",
        "firstTimestamp": "2026-11-24T09:00:00Z",
        "lastTimestamp": f"2026-11-24T09:{minute:02}:00Z",
        "count": minute,
        "source": {"component": "kubelet"},
    } | more


def pod_of(door: FrontDoor, namespace: str) -> dict[str, Any]:
    pod = next(pod for pod in door.simulated.pods() if pod.namespace == namespace)
    return {"apiVersion": "v1", "kind": "Pod", "namespace": namespace, "name": pod.name, "uid": pod.uid}


def node_of(door: FrontDoor) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Node", "name": door.simulated.nodes()[0], "uid": door.simulated.nodes()[0]}


async def test_what_happened_to_a_pod_and_to_a_node(front_door: FrontDoor):
    """Newest first, as Kubernetes counts them; not what happened to an earlier pod of the name."""
    pod, node = pod_of(front_door, "shop"), node_of(front_door)
    for each in (
        event("one", 1, pod),
        event("three", 3, pod),
        event("two", 2, pod),
        event("of-an-earlier-one", 9, pod | {"uid": "another"}),
        event("of-the-node", 4, node),
    ):
        front_door.simulated.put("events", each)
    query = f"""query($name: String!, $node: String!) {{
      pod(namespace: "shop", name: $name) {{ events {FIELDS} }}
      node(name: $node) {{ events {{ message namespace }} pods {{ name events(limit: 1) {{ message }} }} }}
      events(filter: {{type: "Warning"}}) {{ message }}
    }}"""

    answer = (await front_door.ask(query, variables={"name": pod["name"], "node": node["name"]})).data

    assert [each["message"] for each in answer["pod"]["events"]] == ["three happened", "two happened", "one happened"]
    assert answer["pod"]["events"][0] == {
        "type": "Warning",
        "reason": "BackOff",
        "message": "three happened",
        "count": 3,
        "firstSeenAt": "2026-11-24T09:00:00Z",
        "lastSeenAt": "2026-11-24T09:03:00Z",
        "source": "kubelet",
        "object": {key: pod[key] for key in ("kind", "namespace", "name", "uid")},
        "namespace": "shop",
    }
    assert {"message": "of-the-node happened", "namespace": "default"} in answer["node"]["events"]
    assert {"message": "of-an-earlier-one happened"} in answer["events"]


async def test_events_are_for_whom_they_are(front_door: FrontDoor):
    """For who may list events in their own namespace: which is `default` for a node's, whoever sees the node."""
    pod, other, node = pod_of(front_door, "shop"), pod_of(front_door, "payments"), node_of(front_door)
    for each in (event("mine", 1, pod), event("hidden", 2, other), event("of-the-node", 3, node)):
        front_door.simulated.put("events", each)
    clerk = front_door.simulated.add_user(
        "clerk", rights(READ, ("nodes", "pods")), rights(READ, ("events",), namespace="shop")
    )
    nobody = front_door.simulated.add_user("nobody", rights(READ, ("nodes", "pods")))
    inside = "nodes { events { message } } pods { events { message } }"
    query = f"{{ events {{ message }} eventsConnection {{ totalCount }} {inside} }}"

    answer, refused = await front_door.ask(query, clerk), await front_door.ask(query, nobody)

    data = answer.body["data"]
    assert {"message": "mine happened"} in data["events"]
    assert data["eventsConnection"]["totalCount"] == len(data["events"])
    assert "hidden" not in answer.text
    assert "of-the-node" not in answer.text
    assert {each["events"] is None for each in data["nodes"]} == {True}
    assert any(each["events"] for each in data["pods"])
    assert refused.body["data"]["events"] is None
    assert refused.codes == ["FORBIDDEN"] * 4


async def test_every_kind_tells_what_happened_to_its_objects(front_door: FrontDoor):
    """Whatever stands in a namespace has events of its own, found by kind and name, and not those of another kind."""
    core = describe()._schema
    assert core.query_type is not None
    lists = {
        name: get_named_type(core.query_type.fields[name.removesuffix("Connection")].type).name
        for name in core.query_type.fields
        if name.endswith("Connection")
    }
    telling = {name: kind for name, kind in lists.items() if kind not in ("Event", "Namespace")}
    rows = " ".join(f"{name.removesuffix('Connection')}(limit: 1) {{ id name }}" for name in telling)
    found = (await front_door.ask(f"{{ {rows} }}")).data
    for name, kind in telling.items():
        [each] = found[name.removesuffix("Connection")]
        place = {} if kind == "Node" else {"namespace": await namespace_of(front_door, name, each["id"])}
        about = {"kind": kind, **place, "name": each["name"], "uid": each["id"]}
        front_door.simulated.put("events", event(f"of-{kind.lower()}", 5, about))
        front_door.simulated.put("events", event(f"not-{kind.lower()}", 6, {**about, "kind": "Another"}))
    rows = " ".join(f"{name.removesuffix('Connection')}(limit: 1) {{ events {{ message }} }}" for name in telling)

    answer = (await front_door.ask(f"{{ {rows} }}")).data

    assert len(telling) >= 13
    for name, kind in telling.items():
        messages = [each["message"] for each in answer[name.removesuffix("Connection")][0]["events"]]
        assert f"of-{kind.lower()} happened" in messages, kind
        assert f"not-{kind.lower()} happened" not in messages, kind


async def namespace_of(door: FrontDoor, connection: str, uid: str) -> str:
    rows = connection.removesuffix("Connection")
    found = (await door.ask(f'{{ {rows}(filter: {{id: "{uid}"}}) {{ namespace }} }}')).data[rows]
    return str(found[0]["namespace"])


async def test_events_are_filtered_and_ordered(front_door: FrontDoor):
    """By their object, reason and type; Kubernetes' own field selectors mean the same."""
    pod = pod_of(front_door, "shop")
    front_door.simulated.put("events", event("often", 8, pod, reason="Testing"))
    front_door.simulated.put("events", event("once", 1, pod, reason="Testing", type="Normal"))
    query = """query($name: String!, $selector: String!) {
      a: events(filter: {reason: "Testing"}, orderBy: [{key: COUNT}]) { count }
      b: events(filter: {objectKind: "Pod", objectName: $name, type: "Normal"}) { message }
      c: events(filter: {fieldSelector: $selector}) { message }
    }"""
    selector = f"reason=Testing,type!=Warning,involvedObject.uid={pod['uid']}"

    answer = (await front_door.ask(query, variables={"name": pod["name"], "selector": selector})).data

    assert [each["count"] for each in answer["a"]] == [1, 8]
    assert {"message": "once happened"} in answer["b"]
    assert answer["c"] == [{"message": "once happened"}]
