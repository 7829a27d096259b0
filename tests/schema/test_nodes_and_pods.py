"""Nodes and pods over the front door: fields, filters and their limits, look-ups."""

import pytest

from tests.front_door import ADMIN, SHOP, FrontDoor

POD = "{ id name namespace address nodeName phase ready containersReady containersTotal restarts createdAt }"


async def test_pods_are_nested_in_the_nodes_they_run_on(front_door: FrontDoor):
    """Every scheduled pod stands under its node, sorted, and nowhere else."""
    answer = await front_door.ask("{ nodes { name podCount pods { nodeName namespace name } } pods { name nodeName } }")

    nodes = answer.data["nodes"]
    assert [node["name"] for node in nodes] == sorted(front_door.simulated.nodes())
    for node in nodes:
        assert {pod["nodeName"] for pod in node["pods"]} <= {node["name"]}
        places = [(pod["namespace"], pod["name"]) for pod in node["pods"]]
        assert places == sorted(places)
        assert node["podCount"] == len(places)
    scheduled = [pod for pod in answer.data["pods"] if pod["nodeName"]]
    assert sum(len(node["pods"]) for node in nodes) == len(scheduled) > 10


async def test_a_node_shows_what_kubectl_shows(front_door: FrontDoor):
    """Roles, addresses, amounts in units that need no parsing."""
    fields = "name address roles ready schedulable kubeletVersion osImage createdAt labels { key value }"
    amounts = "capacity { cpu memory ephemeralStorage pods } allocatable { cpu memory pods }"

    nodes = (await front_door.ask(f"{{ nodes {{ {fields} {amounts} }} }}")).data["nodes"]

    control_plane = next(node for node in nodes if node["roles"] == ["control-plane"])
    assert {label["key"] for label in control_plane["labels"]} >= {"node-role.kubernetes.io/control-plane"}
    for node in nodes:
        assert node["address"].count(".") == 3
        assert node["capacity"]["cpu"] >= node["allocatable"]["cpu"] > 0
        assert node["capacity"]["memory"] > 2**30
        assert node["createdAt"].endswith("Z")


async def test_look_ups_find_one_object_or_null(front_door: FrontDoor):
    """By name, as Kubernetes names things; what does not exist is null without an error."""
    pod = front_door.simulated.pods()[0]
    query = (
        "query($ns: String!, $name: String!) { pod(namespace: $ns, name: $name) { id name node { name } nodeName } }"
    )

    found = await front_door.ask(query, variables={"ns": pod.namespace, "name": pod.name})
    missing = await front_door.ask(query, variables={"ns": pod.namespace, "name": "no-such-pod"})
    node = await front_door.ask('{ a: node(name: "no-such-node") { name } }')

    assert found.data["pod"]["id"] == pod.uid
    assert (found.data["pod"]["node"] or {}).get("name") == found.data["pod"]["nodeName"]
    assert missing.data == {"pod": None}
    assert node.data == {"a": None}


@pytest.mark.parametrize("token", [ADMIN, SHOP])
async def test_a_look_up_without_a_name_is_a_mistake(front_door: FrontDoor, token: str):
    """Whoever asks: an empty name finds nothing, and the right to get it is no right that could be asked for."""
    metrics = "metrics(names: [CPU_USAGE]) { value }"
    answer = await front_door.ask(
        f'{{ node(name: "") {{ {metrics} }} pod(namespace: "", name: "") {{ {metrics} }} }}', token
    )

    assert answer.codes == ["BAD_USER_INPUT"] * 2
    assert answer.errors[0]["message"] == "`name` is empty, and nothing has an empty name"


@pytest.mark.parametrize("token", [ADMIN, SHOP])
async def test_nothing_is_wanted_inside_a_list_that_cannot_be_made(front_door: FrontDoor, token: str):
    """A mistake in an argument is that mistake, whatever stands below it would have needed."""
    name = front_door.simulated.pods()[0].node_name or "control-plane-1"
    usage = "metrics(names: [CPU_USAGE]) { value }"
    answer = await front_door.ask(
        f'{{ node(name: "{name}") {{ pods(filter: {{labelSelector: "((("}}) {{ {usage} }} }}'
        f'  pods(filter: {{olderThan: "soon"}}) {{ {usage} }} }}',
        token,
    )

    assert "BAD_USER_INPUT" in answer.codes
    assert "INTERNAL" not in answer.codes


async def test_each_old_query_key_filters_under_its_new_name(front_door: FrontDoor):
    """What the replaced dashboard could look for, and no more rows than match."""
    pods = (await front_door.ask(f"{{ pods {POD} }}")).data["pods"]
    one = next(pod for pod in pods if pod["address"] and pod["nodeName"])
    for key, field in [
        ("id", "id"),
        ("name", "name"),
        ("namespace", "namespace"),
        ("address", "address"),
        ("nodeName", "nodeName"),
    ]:
        found = await front_door.ask(
            f"query($f: PodFilter) {{ pods(filter: $f) {POD} }}", variables={"f": {key: one[field]}}
        )
        assert found.data["pods"] == [pod for pod in pods if pod[field] == one[field]], key

    fields = "{ id name address roles labels { key value } }"
    nodes = (await front_door.ask(f"{{ nodes {fields} }}")).data["nodes"]
    label = nodes[0]["labels"][0]
    for wanted, expected in [
        ({"id": nodes[1]["id"]}, [nodes[1]]),
        ({"name": nodes[1]["name"]}, [nodes[1]]),
        ({"address": nodes[2]["address"]}, [nodes[2]]),
        ({"labelKey": label["key"]}, [node for node in nodes if label["key"] in {x["key"] for x in node["labels"]}]),
        ({"labelKey": label["key"], "labelValue": label["value"]}, [n for n in nodes if label in n["labels"]]),
        ({"labelKey": label["key"], "labelValue": "no such value"}, []),
        ({"role": "control-plane"}, [node for node in nodes if "control-plane" in node["roles"]]),
        ({"role": "master"}, [node for node in nodes if "control-plane" in node["roles"]]),
        ({"role": "worker"}, [node for node in nodes if "control-plane" not in node["roles"]]),
    ]:
        found = await front_door.ask(f"query($f: NodeFilter) {{ nodes(filter: $f) {fields} }}", variables={"f": wanted})
        assert found.data["nodes"] == expected, wanted


async def test_pods_behind_a_service_are_those_that_its_selector_selects(front_door: FrontDoor):
    """In the pod's own namespace, by the labels of the service's selector."""
    front_door.simulated.put(
        "services",
        {
            "metadata": {
                "name": "only-one",
                "namespace": "shop",
                "uid": "u",
                "creationTimestamp": "2026-01-01T00:00:00Z",
            },
            "spec": {"selector": {"picked": "yes"}},
        },
    )
    front_door.simulated.create_pod("shop", "picked", labels={"picked": "yes", "other": "label"})
    front_door.simulated.create_pod("payments", "elsewhere", labels={"picked": "yes"})
    query = '{ pods(filter: {service: "only-one"}) { namespace name } }'

    async def found():
        return (await front_door.ask(query)).data["pods"]

    await front_door.eventually(found, [{"namespace": "shop", "name": "picked"}])


@pytest.mark.parametrize(
    ("argument", "limit"),
    [
        ("id", 40),
        ("name", 255),
        ("namespace", 255),
        ("address", 255),
        ("nodeName", 255),
        ("service", 255),
    ],
)
async def test_a_pod_filter_is_refused_one_byte_over_its_limit(front_door: FrontDoor, argument, limit):
    """The error names the argument, the length and the limit; at the limit it is an ordinary miss."""
    query = "query($f: PodFilter) { pods(filter: $f) { name } }"

    longest = await front_door.ask(query, variables={"f": {argument: "x" * limit}})
    over = await front_door.ask(query, variables={"f": {argument: "x" * (limit + 1)}})

    assert longest.data == {"pods": []}
    assert over.codes == ["ARGUMENT_TOO_LONG"]
    assert over.errors[0]["path"] == ["pods"]
    assert over.errors[0]["message"] == f"`filter.{argument}` is {limit + 1} bytes long; the limit is {limit}"


@pytest.mark.parametrize(
    ("argument", "limit"),
    [("id", 40), ("name", 255), ("address", 255), ("labelKey", 317), ("labelValue", 255), ("role", 255)],
)
async def test_a_node_filter_is_refused_one_byte_over_its_limit(front_door: FrontDoor, argument, limit):
    """Bytes, not characters: a value of two-byte letters reaches the limit at half the length."""
    query = "query($f: NodeFilter) { nodes(filter: $f) { name } }"

    longest = await front_door.ask(query, variables={"f": {argument: "ä" * (limit // 2)}})
    over = await front_door.ask(query, variables={"f": {argument: "ä" * (limit // 2 + 1)}})

    assert longest.data == {"nodes": []}
    assert over.codes == ["ARGUMENT_TOO_LONG"]


async def test_a_user_of_one_namespace_sees_its_pods_and_one_error_per_field(front_door: FrontDoor):
    """Nodes stay hidden, pods are those of the namespace, and the answer stands around what is missing."""
    answer = await front_door.ask(
        "{ cluster { nodeCount podCount } nodes { name } pods { namespace node { name } } }", SHOP
    )

    data = answer.body["data"]
    shop = [pod for pod in front_door.simulated.pods() if pod.namespace == "shop"]
    assert data["nodes"] is None
    assert data["cluster"] == {"nodeCount": None, "podCount": len(shop)}
    assert {pod["namespace"] for pod in data["pods"]} == {"shop"}
    assert len(data["pods"]) == len(shop) > 3
    assert sorted(error["path"][-1] for error in answer.errors) == ["node", "nodeCount", "nodes"]
    assert set(answer.codes) == {"FORBIDDEN"}
    (rows,) = [error for error in answer.errors if error["path"][-1] == "node"]
    assert rows["extensions"]["affected"] == sum(1 for pod in shop if pod.node_name)


async def test_hidden_pods_change_no_byte_of_an_answer(front_door: FrontDoor):
    """What somebody may not see is not in their rows, their counts or their errors."""
    query = '{ cluster { podCount nodeCount } pods { id name metrics { name } } node(name: "worker-1") { name } }'
    before = await front_door.ask(query, SHOP)

    for index in range(300):
        front_door.simulated.create_pod("payments", f"hidden-{index}")

    async def admin_sees():
        return (await front_door.ask('{ pods(filter: {name: "hidden-299"}) { namespace } }')).data["pods"]

    await front_door.eventually(admin_sees, [{"namespace": "payments"}])
    assert (await front_door.ask(query, SHOP)).text == before.text
    forbidden = await front_door.ask('{ pods(filter: {namespace: "payments"}) { name } }', SHOP)
    missing = await front_door.ask('{ pods(filter: {namespace: "nothing1"}) { name } }', SHOP)
    assert forbidden.text == missing.text
