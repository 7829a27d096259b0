"""Filters, orders and limits over the front door: on every list, nested or not."""

import re
from datetime import datetime

import pytest

from gateway.demo.accounts import Right
from tests.front_door import SHOP, FrontDoor, simulated_door

POD = """{ id name namespace address nodeName phase status attention requests { cpu memory } ready restarts createdAt
labels { key value } }"""
NODE = "{ id name status ready schedulable roles createdAt capacity { cpu memory pods } labels { key value } }"


async def pods_by(front_door: FrontDoor, wanted, token="demo-admin"):
    query = f"query($f: PodFilter) {{ pods(filter: $f) {POD} }}"
    return (await front_door.ask(query, token, variables={"f": wanted})).data["pods"]


def label(item, key):
    return next((each["value"] for each in item["labels"] if each["key"] == key), None)


async def test_each_filter_of_pods_leaves_exactly_what_it_says(front_door: FrontDoor):
    """Compared with the same question asked in Python of the whole list."""
    pods = await pods_by(front_door, None)
    one, other = pods[3], pods[-2]
    app = next(label(pod, "app") or label(pod, "app.kubernetes.io/name") for pod in pods)
    key = "app" if label(pods[0], "app") else "app.kubernetes.io/name"
    placed = next(pod for pod in pods if pod["nodeName"])
    for wanted, holds in [
        ({"ids": [one["id"], other["id"]]}, lambda pod: pod["id"] in (one["id"], other["id"])),
        ({"names": [one["name"], other["name"]]}, lambda pod: pod["name"] in (one["name"], other["name"])),
        ({"nameContains": "-"}, lambda pod: "-" in pod["name"]),
        ({"namePrefix": one["name"][:4]}, lambda pod: pod["name"].startswith(one["name"][:4])),
        ({"namespaces": ["shop", "kube-system"]}, lambda pod: pod["namespace"] in ("shop", "kube-system")),
        ({"nodeNames": [placed["nodeName"]]}, lambda pod: pod["nodeName"] == placed["nodeName"]),
        ({"scheduled": False}, lambda pod: pod["nodeName"] is None),
        ({"phase": "Running"}, lambda pod: pod["phase"] == "Running"),
        ({"phases": ["Pending", "Failed"]}, lambda pod: pod["phase"] in ("Pending", "Failed")),
        ({"ready": False}, lambda pod: not pod["ready"]),
        ({"status": "CrashLoopBackOff"}, lambda pod: pod["status"] == "CrashLoopBackOff"),
        ({"statuses": ["Completed", "Pending"]}, lambda pod: pod["status"] in ("Completed", "Pending")),
        ({"attention": True}, lambda pod: pod["attention"]),
        ({"attention": False}, lambda pod: not pod["attention"]),
        ({"attentionReason": "CRASHING"}, lambda pod: "CRASHING" in pod["attention"]),
        (
            {"attentionReasons": ["UNSCHEDULABLE", "NOT_READY"]},
            lambda pod: {"UNSCHEDULABLE", "NOT_READY"} & {*pod["attention"]},
        ),
        (
            {"attention": True, "not": {"attentionReason": "CRASHING"}},
            lambda pod: pod["attention"] and "CRASHING" not in pod["attention"],
        ),
        ({"minRestarts": 1}, lambda pod: pod["restarts"] >= 1),
        (
            {"not": {"namespace": "shop", "phase": "Running"}},
            lambda p: (p["namespace"], p["phase"]) != ("shop", "Running"),
        ),
        ({"not": {"not": {"ready": True}}}, lambda pod: pod["ready"]),
        ({"labelSelector": f"{key}={app}"}, lambda pod: label(pod, key) == app),
        ({"labelSelector": f"{key} notin ({app}),{key}"}, lambda pod: label(pod, key) not in (app, None)),
        ({"fieldSelector": "status.phase!=Running"}, lambda pod: pod["phase"] != "Running"),
        ({"fieldSelector": "spec.nodeName="}, lambda pod: pod["nodeName"] is None),
        (
            {"fieldSelector": "metadata.namespace=shop", "ready": True},
            lambda p: p["namespace"] == "shop" and p["ready"],
        ),
        ({"namespace": "shop", "namespaces": ["payments"]}, lambda pod: False),
    ]:
        expected = [pod for pod in pods if holds(pod)]
        assert await pods_by(front_door, wanted) == expected, wanted


async def test_each_filter_of_nodes_leaves_exactly_what_it_says(front_door: FrontDoor):
    """As for pods."""
    query = f"query($f: NodeFilter) {{ nodes(filter: $f) {NODE} }}"
    nodes = (await front_door.ask(query)).data["nodes"]
    hostname = "kubernetes.io/hostname"
    for wanted, holds in [
        ({"ids": [nodes[0]["id"]]}, lambda node: node == nodes[0]),
        ({"names": [nodes[0]["name"], nodes[1]["name"]]}, lambda node: node in nodes[:2]),
        ({"nameContains": "work"}, lambda node: "work" in node["name"]),
        ({"namePrefix": "worker-"}, lambda node: node["name"].startswith("worker-")),
        ({"ready": True}, lambda node: node["ready"]),
        ({"status": "Ready"}, lambda node: node["status"] == "Ready"),
        ({"statuses": ["NotReady", "Ready"]}, lambda node: node["status"] in ("NotReady", "Ready")),
        ({"schedulable": False}, lambda node: not node["schedulable"]),
        ({"attentionReason": "CORDONED"}, lambda node: not node["schedulable"]),
        ({"roles": ["worker", "no-such"]}, lambda node: "control-plane" not in node["roles"]),
        ({"roles": ["worker", "master"]}, lambda node: True),
        ({"not": {"role": "worker"}}, lambda node: "control-plane" in node["roles"]),
        ({"labelSelector": f"{hostname} in (worker-1)"}, lambda node: label(node, hostname) == "worker-1"),
        ({"fieldSelector": "spec.unschedulable=false"}, lambda node: node["schedulable"]),
        ({"fieldSelector": "metadata.name!=worker-1"}, lambda node: node["name"] != "worker-1"),
    ]:
        found = await front_door.ask(query, variables={"f": wanted})
        assert found.data["nodes"] == [node for node in nodes if holds(node)], wanted


async def test_ages_are_counted_at_the_moment_of_the_question(front_door: FrontDoor):
    """The same question over the same cluster changes its answer as time goes by, though nothing happened."""
    front_door.simulated.create_pod("shop", "old", age=4_000)
    front_door.simulated.create_pod("shop", "new")

    async def with_age(older, younger):
        found = await pods_by(front_door, {"names": ["old", "new"], "olderThan": older, "youngerThan": younger})
        return [pod["name"] for pod in found]

    await front_door.eventually(lambda: with_age("1h", "2h"), ["old"])
    await front_door.eventually(lambda: with_age("0s", "1h"), ["new"])
    await front_door.eventually(lambda: with_age("1s", "1h6m"), ["new"])


@pytest.mark.parametrize(
    ("argument", "code", "message"),
    [
        ('filter: {labelSelector: "a in"}', "BAD_USER_INPUT", "The label selector `a in` cannot be read"),
        ('filter: {fieldSelector: "spec.color=red"}', "BAD_USER_INPUT", "The field `spec.color` is not supported"),
        ('filter: {not: {labelSelector: ","}}', "BAD_USER_INPUT", "The label selector `,` cannot be read"),
        ('filter: {olderThan: "soon"}', "BAD_USER_INPUT", "`filter.olderThan` is not a duration"),
        ("filter: {names: []}", "BAD_USER_INPUT", "`filter.names` has 0 values; it must have from 1 to 256"),
        (f'filter: {{namePrefix: "{"x" * 256}"}}', "ARGUMENT_TOO_LONG", "`filter.namePrefix` is 256 bytes long"),
        (f'filter: {{names: ["{"x" * 256}"]}}', "ARGUMENT_TOO_LONG", r"`filter.names\[0\]` is 256 bytes long"),
        ("limit: -1", "BAD_USER_INPUT", "`limit` is -1; it must be at least 0"),
        ("orderBy: {direction: DESC}", "BAD_USER_INPUT", r"`orderBy\[0\]` must have `key` or `metric`, and not both"),
        ("orderBy: {key: NAME, metric: CPU_USAGE}", "BAD_USER_INPUT", "`key` or `metric`"),
        (f"orderBy: [{'{key: NAME}' * 7}]", "BAD_USER_INPUT", "`orderBy` has 7 elements; the limit is 6"),
    ],
)
@pytest.mark.parametrize("field", ["pods", "nodes"])
async def test_what_cannot_be_used_is_refused_by_name(front_door: FrontDoor, field, argument, code, message):
    """The error names the argument; the rest of the answer stands."""
    answer = await front_door.ask(f"{{ {field}({argument}) {{ name }} cluster {{ nodeCount }} }}")

    assert answer.codes == [code]
    assert re.search(message, answer.errors[0]["message"]), answer.errors[0]["message"]
    assert answer.body["data"]["cluster"] == {"nodeCount": 3}


async def test_a_size_without_an_upper_limit_has_none_in_its_error(front_door: FrontDoor):
    """Clients read `extensions.limit` as a number wherever it is there."""
    answer = await front_door.ask("{ pods(limit: -1) { name } }")

    assert answer.errors[0]["extensions"] == {"code": "BAD_USER_INPUT", "argument": "limit"}


@pytest.mark.parametrize(
    "inside",
    [
        "deployments(limit: -1) { name }",
        'services(filter: {fieldSelector: "x"}) { name }',
        f"jobs(orderBy: [{'{key: NAME}' * 7}]) {{ name }}",
        "pods { services(limit: -1) { name } }",
        "pods { events(limit: -1) { message } }",
    ],
)
async def test_what_cannot_be_used_inside_an_object_is_refused_as_well(front_door: FrontDoor, inside: str):
    """For it nothing was gathered, nor is anything read: the kind may be one that nobody else asks about."""
    answer = await front_door.ask(f'{{ namespace(name: "shop") {{ {inside} }} }}')

    assert set(answer.codes) == {"BAD_USER_INPUT"}, answer.text


async def test_pages_inside_an_object_refuse_what_cannot_be_used(front_door: FrontDoor):
    """A size, or a cursor of another list."""
    for argument in ("first: -1", "first: 1, last: 1", 'after: "x"'):
        answer = await front_door.ask(f"{{ nodes {{ podsConnection({argument}) {{ totalCount }} }} }}")
        assert set(answer.codes) == {"BAD_USER_INPUT"}, answer.text


async def test_orders_go_by_several_keys_and_end_by_name(front_door: FrontDoor):
    """Up and down, the first key first; what has no value stands last either way."""
    pods = await pods_by(front_door, None)
    for order, key in [
        ("{key: NAME}", lambda pod: pod["name"]),
        (
            "{key: MEMORY_REQUESTS, direction: DESC}",
            lambda pod: (pod["requests"]["memory"] is None, -(pod["requests"]["memory"] or 0)),
        ),
        ("{key: STATUS}", lambda pod: pod["status"]),
        ("[{key: PHASE, direction: DESC}, {key: RESTARTS}]", lambda p: ([-ord(c) for c in p["phase"]], p["restarts"])),
        (
            "[{key: READY}, {key: AGE}]",
            lambda pod: (pod["ready"], -datetime.fromisoformat(pod["createdAt"]).timestamp()),
        ),
        ("[{key: RESTARTS, direction: DESC}]", lambda pod: -pod["restarts"]),
        ("[{key: NODE}]", lambda pod: (pod["nodeName"] is None, pod["nodeName"])),
    ]:
        shown = (await front_door.ask(f"{{ pods(orderBy: {order}) {POD} }}")).data["pods"]
        assert shown == sorted(pods, key=key), order
        few = (await front_door.ask(f"{{ pods(orderBy: {order}, limit: 3) {POD} }}")).data["pods"]
        assert few == shown[:3], order

    down = (await front_door.ask("{ pods(orderBy: {key: NODE, direction: DESC}) { nodeName } }")).data["pods"]
    names = [pod["nodeName"] for pod in down if pod["nodeName"]]
    assert names == sorted(names, reverse=True)
    assert [pod["nodeName"] for pod in down[len(names) :]] == [None] * (len(down) - len(names))


async def test_nodes_are_ordered_by_what_they_have(front_door: FrontDoor):
    """Amounts compare as numbers."""
    shown = (await front_door.ask(f"{{ nodes(orderBy: [{{key: MEMORY_CAPACITY, direction: DESC}}]) {NODE} }}")).data
    memory = [node["capacity"]["memory"] for node in shown["nodes"]]

    assert memory == sorted(memory, reverse=True)


async def test_the_busiest_pods_of_every_node_in_one_question(front_door: FrontDoor):
    """Ordered by the very values that are shown; pods without a value stand last; at most one query more than shown."""
    metrics = "metrics(names: [CPU_USAGE]) { value }"
    every = f"{{ nodes {{ name pods {{ name {metrics} }} }} }}"
    busiest = (
        f"{{ nodes {{ name pods(orderBy: {{metric: CPU_USAGE, direction: DESC}}, limit: 4) {{ name {metrics} }} }} }}"
    )

    def rank(pod):
        value = pod["metrics"][0]["value"]
        return (value is None, -(value or 0))

    before = (await front_door.ask(every)).data["nodes"]
    shown = (await front_door.ask(busiest)).data["nodes"]

    for node, whole in zip(shown, before, strict=True):
        assert node["pods"] == sorted(whole["pods"], key=rank)[:4]
    quietest = await front_door.ask("{ pods(orderBy: {metric: CPU_USAGE}) { metrics(names: [CPU_USAGE]) { value } } }")
    values = [pod["metrics"][0]["value"] for pod in quietest.data["pods"]]
    known = [value for value in values if value is not None]
    assert values == [*sorted(known), *[None] * (len(values) - len(known))]
    assert sum(front_door.simulated.metrics.requests.values()) <= 3


async def test_an_order_by_a_metric_without_prometheus_is_by_name():
    """Nothing has a value; nobody promised metrics."""
    async with simulated_door(prometheus=False) as door:
        answer = await door.ask("{ pods(orderBy: {metric: CPU_USAGE}) { namespace name } }")
        places = [(pod["namespace"], pod["name"]) for pod in answer.data["pods"]]

    assert places == sorted(places)


async def test_filters_show_nothing_that_rights_hide(front_door: FrontDoor):
    """Whatever is asked, only pods of the namespace; services and other namespaces need their own right."""
    pod = next(pod for pod in front_door.simulated.pods() if pod.namespace == "payments")
    for wanted in (
        {"ids": [pod.uid]},
        {"not": {"namespace": "shop"}},
        {"names": [pod.name]},
        {"nodeNames": [pod.node_name]},
    ):
        assert {found["namespace"] for found in await pods_by(front_door, wanted, SHOP)} <= {"shop"}, wanted
    mixed = await pods_by(front_door, {"namespaces": ["shop", "payments"]}, SHOP)
    assert {found["namespace"] for found in mixed} == {"shop"}

    for clause in ('namespaces: ["payments"]', 'fieldSelector: "metadata.namespace=payments"'):
        answer = await front_door.ask(f"{{ pods(filter: {{{clause}}}) {{ name }} }}", SHOP)
        assert answer.codes == ["FORBIDDEN"], clause
    podders = front_door.simulated.add_user("pods-only", Right(frozenset({"list"}), frozenset({"pods"})))
    for clause in ('service: "web"', 'not: {service: "web"}'):
        answer = await front_door.ask(f"{{ pods(filter: {{{clause}}}) {{ name }} }}", podders)
        assert answer.codes == ["FORBIDDEN"], clause


async def test_groups_are_counted_without_their_rows(front_door: FrontDoor):
    """The largest first; of what the caller sees."""
    query = "{ podCounts(by: [NAMESPACE, PHASE]) { namespace phase nodeName count } }"
    pods = await pods_by(front_door, None)

    groups = (await front_door.ask(query)).data["podCounts"]

    assert sum(group["count"] for group in groups) == len(pods)
    for group in groups:
        alike = [pod for pod in pods if (pod["namespace"], pod["phase"]) == (group["namespace"], group["phase"])]
        assert group["count"] == len(alike) > 0
        assert group["nodeName"] is None
    assert [group["count"] for group in groups] == sorted((group["count"] for group in groups), reverse=True)
    assert {group["namespace"] for group in (await front_door.ask(query, SHOP)).data["podCounts"]} == {"shop"}
    words = await front_door.ask("{ podCounts(by: STATUS) { status count } }")
    assert {group["status"] for group in words.data["podCounts"]} == {pod["status"] for pod in pods}
    by_node = await front_door.ask('{ podCounts(by: NODE, filter: {namespace: "shop"}) { nodeName count } }')
    assert sum(group["count"] for group in by_node.data["podCounts"]) == sum(pod["namespace"] == "shop" for pod in pods)
    largest = await front_door.ask("{ podCounts(by: [NAMESPACE, PHASE], limit: 2) { namespace phase nodeName count } }")
    assert largest.data["podCounts"] == groups[:2]
    assert (await front_door.ask("{ podCounts(by: NODE, limit: -1) { count } }")).codes == ["BAD_USER_INPUT"]
    assert (await front_door.ask("{ podCounts(by: []) { count } }")).codes == ["BAD_USER_INPUT"]
