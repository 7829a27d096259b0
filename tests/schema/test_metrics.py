"""Metrics beside the objects they belong to: one question each, and a reason wherever there is no value."""

import logging
import time
from datetime import datetime

import pytest
from aiohttp import web

from gateway.demo.accounts import READ, rights
from schema.sources.prometheus.frames import Selector
from tests.front_door import Answer, FrontDoor, simulated_door

NESTED = (
    "{ nodes { name metrics(names: [CPU_USAGE, MEMORY_USAGE]) { name value unit missing timestamp }"
    " pods { namespace name phase metrics(names: [CPU_USAGE, MEMORY_USAGE]) { name value unit missing } } } }"
)


def all_metrics(data):
    for node in data["nodes"]:
        yield from node["metrics"]
        for pod in node["pods"]:
            yield from pod["metrics"]


async def test_each_name_asked_is_answered_in_order_with_its_unit(front_door: FrontDoor):
    """A value, or the reason why there is none: exactly one of the two."""
    data = (await front_door.ask(NESTED)).data

    for node in data["nodes"]:
        for owner in (node, *node["pods"]):
            assert [(metric["name"], metric["unit"]) for metric in owner["metrics"]] == [
                ("CPU_USAGE", "CORES"),
                ("MEMORY_USAGE", "BYTES"),
            ]
    metrics = list(all_metrics(data))
    assert all((metric["value"] is None) == (metric["missing"] is not None) for metric in metrics)
    running = [metric for metric in metrics if metric["value"] is not None]
    assert len(running) > 20
    assert all(metric["value"] >= 0 for metric in running)


async def test_the_number_of_questions_does_not_grow_with_the_cluster():
    """At most one per metric and level to Prometheus, and none to the API server once user and rights are known."""
    calls = {}
    for nodes in (3, 300):
        async with simulated_door(nodes=nodes, pods_per_node=5) as door:
            await door.ask("{ nodes { pods { name } } }")  # user and rights are known from here on
            before, asked = door.simulated.requests.copy(), door.simulated.metrics.requests.copy()

            data = (await door.ask(NESTED)).data

            assert len(data["nodes"]) == nodes
            calls[nodes] = (door.simulated.requests - before, door.simulated.metrics.requests - asked)

    assert calls[3] == calls[300]
    to_kubernetes, to_prometheus = calls[300]
    assert dict(to_kubernetes) == {}
    assert dict(to_prometheus) == {("POST", "query"): 4}


async def test_equal_questions_are_asked_once(front_door: FrontDoor):
    """Within a scrape interval nothing new can be learnt: everybody shares one answer."""
    await front_door.ask(NESTED)
    asked = front_door.simulated.metrics.requests.copy()

    await front_door.ask(NESTED)

    assert front_door.simulated.metrics.requests == asked


async def test_without_a_prometheus_every_metric_says_so():
    """No error: nobody promised metrics."""
    async with simulated_door(prometheus=False) as door:
        data = (await door.ask(NESTED)).data

    assert {metric["missing"] for metric in all_metrics(data)} == {"NOT_CONFIGURED"}


@pytest.mark.parametrize("trouble", ["down", "silent", "talking nonsense"])
async def test_a_failing_prometheus_costs_the_metrics_and_nothing_else(trouble):
    """One error per metric and level, values null with the reason, within the limit; then nobody waits for seconds."""
    async with simulated_door() as door:
        prometheus = door.simulated.prometheus
        match trouble:
            case "down":
                await prometheus.stop()
            case "silent":
                prometheus.pause()
            case "talking nonsense":
                prometheus.fail_with(lambda: web.Response(text="<html>a proxy's page</html>"))
        started = time.monotonic()

        first = await door.ask(NESTED)
        waited = time.monotonic() - started
        started = time.monotonic()
        second = await door.ask(NESTED)
        waited_again = time.monotonic() - started

        for answer in (first, second):
            assert answer.status == 200
            assert {metric["missing"] for metric in all_metrics(answer.body["data"])} == {"UNREACHABLE"}
            told = [(error["extensions"]["metric"], error["extensions"]["level"]) for error in answer.errors]
            assert sorted(told) == [
                ("CPU_USAGE", "NODE"),
                ("CPU_USAGE", "POD"),
                ("MEMORY_USAGE", "NODE"),
                ("MEMORY_USAGE", "POD"),
            ]
            assert set(answer.codes) == {"METRICS_UNAVAILABLE"}
            assert answer.errors[0]["extensions"]["affected"] == 3
        assert waited < 4
        assert waited_again < 1
        prometheus.resume()


@pytest.mark.thorough
async def test_a_failing_prometheus_costs_no_more_than_a_working_one_at_15000_pods(caplog: pytest.LogCaptureFixture):
    """Errors and log lines do not grow with the rows."""
    caplog.set_level(logging.INFO)
    query = "{ nodes { pods { metrics(names: [CPU_USAGE]) { value missing } } } }"
    async with simulated_door(nodes=500, pods_per_node=30) as door:
        working = await door.ask(query)
        await door.simulated.prometheus.stop()
        lines = len(caplog.records)

        failing = await door.ask(query.replace("CPU_USAGE", "MEMORY_USAGE"))

        written = len(caplog.records) - lines
    assert "errors" not in working.body
    assert len(failing.errors) == 1
    assert failing.errors[0]["extensions"]["affected"] > 14_000
    assert written <= 3


async def test_a_pod_asked_by_name_is_a_question_about_that_pod(front_door: FrontDoor):
    """The selector follows the question: nobody asks for all pods to show one."""
    pod = next(pod for pod in front_door.simulated.pods() if pod.node_name)
    query = (
        "query($ns: String!, $n: String!) { pod(namespace: $ns, name: $n) { metrics(names: [CPU_USAGE]) { value } } }"
    )

    await front_door.ask(query, variables={"ns": pod.namespace, "n": pod.name})

    (question,) = front_door.simulated.metrics.questions
    assert question.selector.namespaces == {pod.namespace}
    assert question.selector.names == {pod.name}


CPU = "metrics(names: [CPU_USAGE]) { value missing }"
SHOWN = f"namespace name {CPU}"
OF_PODS = {
    "a limit below a limit": f"{{ nodes(limit: 2) {{ pods(limit: 3) {{ {SHOWN} }} }} }}",
    "a page": f"{{ podsConnection(first: 5) {{ edges {{ node {{ {SHOWN} }} }} }} }}",
    "a page below a filter": (
        f'{{ nodes(filter: {{name: "worker-1"}}) {{ podsConnection(last: 3) {{ edges {{ node {{ {SHOWN} }} }} }} }} }}'
    ),
    "containers": f"{{ pods(limit: 4, orderBy: {{key: RESTARTS}}) {{ namespace name containers {{ {CPU} }} }} }}",
    "by way of a service": f"{{ services(limit: 3) {{ pods {{ {SHOWN} }} }} }}",
    "back from their nodes": f"{{ pods(limit: 2) {{ node {{ pods(limit: 2) {{ {SHOWN} }} }} }} }}",
    "over time": (
        "{ nodes(limit: 1) { pods(limit: 2) { namespace name metricsRange(names: [CPU_USAGE]) { missing } } } }"
    ),
    "a workload's": f"{{ deployments(limit: 2) {{ {CPU} pods {{ namespace name }} }} }}",
    "an order by a metric": (
        f"{{ nodes(limit: 1) {{ pods {{ namespace name }} "
        f"first: pods(orderBy: {{metric: CPU_USAGE, direction: DESC}}, limit: 2) {{ {CPU} }} }} }}"
    ),
}


def pods_in(data: object) -> set[tuple[str, str]]:
    """Namespace and name of every pod in an answer, wherever it stands."""
    if isinstance(data, list):
        return {pod for each in data for pod in pods_in(each)}
    if not isinstance(data, dict):
        return set()
    own = {(data["namespace"], data["name"])} if "namespace" in data else set()
    return own.union(*map(pods_in, data.values()))


async def test_few_pods_are_asked_about_by_their_names_wherever_they_stand(front_door: FrontDoor):
    """One question, about what is shown and nothing else, also below limits, pages, filters and other objects."""
    for what, query in OF_PODS.items():
        front_door.simulated.metrics.questions.clear()

        shown = pods_in((await front_door.ask(query)).data)

        assert 0 < len(shown) < 40, what
        (question,) = front_door.simulated.metrics.questions
        assert question.selector.names == {name for _, name in shown}, what
        assert question.selector.namespaces == {namespace for namespace, _ in shown}, what


async def test_no_hidden_name_is_ever_asked_about(front_door: FrontDoor):
    """Neither beside the caller's own pods nor in their place."""
    own = {pod.name for pod in front_door.simulated.pods() if pod.namespace == "shop"}
    for query in OF_PODS.values():
        await front_door.ask(query, "demo-shop")

    assert front_door.simulated.metrics.questions
    for question in front_door.simulated.metrics.questions:
        assert question.selector.namespaces == {"shop"}
        assert question.selector.names is not None
        assert question.selector.names <= own


async def test_few_nodes_and_namespaces_are_asked_about_by_their_names_too(front_door: FrontDoor):
    """And all of a kind as all of it: that question stays the same while objects come and go."""
    metrics = front_door.simulated.metrics
    placed = "pods(limit: 3, filter: {scheduled: true})"
    nodes = (await front_door.ask(f"{{ {placed} {{ node {{ name {CPU} }} }} }}")).data["pods"]
    assert [question.selector.names for question in metrics.questions] == [{pod["node"]["name"] for pod in nodes}]
    metrics.questions.clear()
    await front_door.ask(f'{{ namespaces(filter: {{nameContains: "p"}}, limit: 9) {{ {CPU} }} }}')
    assert [question.selector.namespaces for question in metrics.questions] == [{"payments", "shop"}]
    metrics.questions.clear()
    await front_door.ask(f"{{ nodes {{ {CPU} pods {{ {CPU} }} }} }}")
    assert {question.selector for question in metrics.questions} == {Selector()}


async def test_more_pods_than_can_be_named_are_asked_about_by_namespace():
    """Neither the number of names nor the length of the query grows beyond a bound."""
    async with simulated_door(nodes=10, pods_per_node=30) as door:
        for pod in range(70):
            door.simulated.create_pod("shop", f"{pod}-{'x' * 250}", node="worker-1")

        async def long_names() -> object:
            counted = await door.ask('{ podCounts(by: [NAMESPACE], filter: {nameContains: "xxxxx"}) { count } }')
            return counted.data["podCounts"]

        await door.eventually(long_names, [{"count": 70}])
        for filtered, limit, named in (("{}", 300, False), ('{nameContains: "xxxxx"}', 70, False), ("{}", 200, True)):
            door.simulated.metrics.questions.clear()
            rows = (await door.ask(f"{{ pods(filter: {filtered}, limit: {limit}) {{ {SHOWN} }} }}")).data["pods"]

            (question,) = door.simulated.metrics.questions
            assert (question.selector.names is not None) == named
            assert question.selector.namespaces == {row["namespace"] for row in rows}


async def test_what_nobody_may_see_is_not_asked_for(front_door: FrontDoor):
    """Not even by a question whose duration would tell."""
    query = "query($n: String!) { node(name: $n) { metrics { value } } }"

    refused = await front_door.ask(query, "demo-shop", variables={"n": front_door.simulated.nodes()[0]})

    assert refused.body["data"] == {"node": None}
    assert refused.codes == ["FORBIDDEN"]
    assert not front_door.simulated.metrics.questions


LINE = "name unit missing start end step points { timestamp value missing }"


async def test_metrics_over_time_are_one_question_each_whatever_the_size_of_the_cluster():
    """The last hour by the minute, of nodes, pods and the cluster: one range query per metric and level."""
    query = f"""{{
        cluster {{ metricsRange(names: [CPU_USAGE]) {{ {LINE} }} }}
        nodes {{
            metricsRange(names: [CPU_USAGE, CPU_ALLOCATABLE_UTILIZATION]) {{ {LINE} }}
            pods {{ metricsRange(names: [CPU_USAGE]) {{ {LINE} }} }}
        }}
    }}"""
    calls = {}
    for nodes in (3, 30):
        async with simulated_door(nodes=nodes, pods_per_node=3) as door:
            await door.ask("{ nodes { pods { name } } }")
            asked = door.simulated.metrics.requests.copy()

            data = (await door.ask(query)).data

            calls[nodes] = dict(door.simulated.metrics.requests - asked)
            (line,) = data["cluster"]["metricsRange"]
            assert (line["unit"], line["step"], line["missing"]) == ("CORES", 60, None)
            assert [point["timestamp"] for point in line["points"][:2]] == [
                line["points"][0]["timestamp"],
                line["points"][0]["timestamp"] + 60,
            ]
            assert 59 <= len(line["points"]) <= 61
            assert len(data["nodes"]) == nodes
    assert calls[3] == calls[30] == {("POST", "query_range"): 3}


async def test_a_line_begins_with_the_life_of_its_object(front_door: FrontDoor):
    """What was measured before belongs to a predecessor of the same name; before the first scrape there is a gap."""
    front_door.simulated.create_pod("shop", "fresh-1", node="worker-1", age=600)
    query = (
        '{ pod(namespace: "shop", name: "fresh-1") {'
        f" createdAt metricsRange(names: [MEMORY_USAGE, CPU_USAGE]) {{ {LINE} }} }} }}"
    )

    async def seen() -> object:
        return (await front_door.ask('{ pod(namespace: "shop", name: "fresh-1") { name } }')).data["pod"]

    await front_door.eventually(seen, {"name": "fresh-1"})

    pod = (await front_door.ask(query)).data["pod"]

    born = datetime.fromisoformat(pod["createdAt"]).timestamp()
    memory, cpu = pod["metricsRange"]
    assert 9 <= len(memory["points"]) <= 11
    assert all(point["timestamp"] >= born for point in (*memory["points"], *cpu["points"]))
    assert all((point["value"] is None) == (point["missing"] is not None) for point in cpu["points"])
    assert cpu["points"][-1]["value"] > 0


@pytest.mark.parametrize(
    ("asked", "step", "points"),
    [
        ('{start: "2026-11-20T00:00:00Z", end: "2026-11-20T06:00:00Z"}', 600, 37),
        ('{start: "2026-11-20T00:00:00Z", end: "2026-11-20T06:00:00+00:00", step: 3600}', 3600, 7),
        ('{start: "2026-11-20T00:00:00Z", end: "2026-11-21T00:00:00Z", step: 1}', 300, 289),
    ],
)
async def test_a_step_is_as_asked_or_wider_and_the_answer_says_so(
    front_door: FrontDoor, asked: str, step: int, points: int
):
    """Nobody gets more points than a screen can show."""
    query = f"{{ cluster {{ metricsRange(names: [FILESYSTEM_SIZE], range: {asked}) {{ {LINE} }} }} }}"

    (line,) = (await front_door.ask(query)).data["cluster"]["metricsRange"]

    assert line["step"] == step
    assert line["start"] == "2026-11-20T00:00:00Z"
    if line["missing"] is None:
        assert len(line["points"]) == points


@pytest.mark.parametrize(
    ("asked", "argument"),
    [
        ('{start: "yesterday"}', "range.start"),
        ('{end: "2026-11-20T06:00:00"}', "range.end"),
        ('{start: "0001-01-01T00:00:00Z"}', "range.start"),
        ('{start: "2026-11-21T00:00:00Z", end: "2026-11-20T00:00:00Z"}', "range.start"),
        ("{step: 0}", "range.step"),
    ],
)
@pytest.mark.parametrize("place", ["cluster", "nodes"])
async def test_a_time_that_makes_no_sense_is_refused_by_its_name(
    front_door: FrontDoor, asked: str, argument: str, place: str
):
    """And Prometheus is not asked."""
    answer = await front_door.ask(f"{{ {place} {{ metricsRange(range: {asked}) {{ name }} }} }}")

    assert set(answer.codes) == {"BAD_USER_INPUT"}
    assert {error["extensions"]["argument"] for error in answer.errors} == {argument}
    assert not front_door.simulated.metrics.questions


async def test_a_rate_says_over_how_long_it_is_averaged(front_door: FrontDoor):
    """So does a share of one and a sum; what is of one moment does not. A line's points lose nothing between them."""
    now = "metrics(names: [CPU_USAGE, NETWORK_RECEIVE, CPU_REQUEST_UTILIZATION, MEMORY_USAGE, CPU_REQUEST])"
    line = "metricsRange(names: [CPU_USAGE, CPU_REQUEST_UTILIZATION, MEMORY_USAGE], range: {step: %s})"
    fields = f"{now} {{ value window }} a: {line % 60} {{ window }} b: {line % 900} {{ window }}"

    data = (await front_door.ask(f"{{ pods {{ {fields} }} deployments {{ {fields} }} }}")).data

    shown = 0
    for row in (*data["pods"], *data["deployments"]):
        for metric, window in zip(row["metrics"], (300.0, 300.0, 300.0, None, None), strict=True):
            assert metric["window"] == (None if metric["value"] is None else window)
            shown += metric["window"] is not None
        if row["b"][0]["window"] is not None:  # a workload without pods asks for none
            assert [each["window"] for each in row["a"]] == [300.0, 300.0, None]
            assert [each["window"] for each in row["b"]] == [900.0, 900.0, None]
    assert shown > 60


async def test_the_clusters_metrics_are_the_sums_of_its_nodes(front_door: FrontDoor):
    """And its shares are of what all nodes can give to pods."""
    names = "names: [CPU_USAGE, CPU_ALLOCATABLE_UTILIZATION, MEMORY_USAGE, FILESYSTEM_SIZE]"
    query = (
        f"{{ cluster {{ metrics({names}) {{ name value unit }} }}"
        f" nodes {{ allocatable {{ cpu }} metrics({names}) {{ name value }} }} }}"
    )

    data = (await front_door.ask(query)).data

    whole = {metric["name"]: metric["value"] for metric in data["cluster"]["metrics"]}
    nodes = [{metric["name"]: metric["value"] for metric in node["metrics"]} for node in data["nodes"]]
    for name in ("CPU_USAGE", "MEMORY_USAGE", "FILESYSTEM_SIZE"):
        assert whole[name] == pytest.approx(sum(node[name] or 0 for node in nodes), rel=0.05)
    allocatable = sum(node["allocatable"]["cpu"] for node in data["nodes"])
    assert whole["CPU_ALLOCATABLE_UTILIZATION"] == pytest.approx(whole["CPU_USAGE"] / allocatable)
    for node, values in zip(data["nodes"], nodes, strict=True):
        if values["CPU_USAGE"] is not None:
            share = values["CPU_USAGE"] / node["allocatable"]["cpu"]
            assert values["CPU_ALLOCATABLE_UTILIZATION"] == pytest.approx(share)


async def test_who_may_not_list_nodes_sees_no_sums_of_them(front_door: FrontDoor):
    """One error a field; the values say why; and Prometheus is not asked."""
    query = f"{{ cluster {{ metrics(names: [CPU_USAGE]) {{ value missing }} metricsRange {{ {LINE} }} }} }}"

    answer = await front_door.ask(query, "demo-shop")

    cluster = answer.body["data"]["cluster"]
    assert cluster["metrics"] == [{"value": None, "missing": "FORBIDDEN"}]
    assert {line["missing"] for line in cluster["metricsRange"]} == {"FORBIDDEN"}
    assert answer.codes == ["FORBIDDEN", "FORBIDDEN"]
    assert not front_door.simulated.metrics.questions


async def test_a_metric_that_an_object_has_not_says_so(front_door: FrontDoor):
    """Nodes are not throttled; left out, the names are those that there are."""
    query = "{ nodes { asked: metrics(names: [CPU_THROTTLING]) { missing } all: metrics { name } } }"

    data = (await front_door.ask(query)).data

    for node in data["nodes"]:
        assert node["asked"] == [{"missing": "NOT_MEASURED"}]
        assert "CPU_THROTTLING" not in {metric["name"] for metric in node["all"]}


CLAIMS = "CPU_REQUEST, CPU_LIMIT, MEMORY_REQUEST, MEMORY_LIMIT"


async def test_requests_and_limits_are_what_the_pods_themselves_say(front_door: FrontDoor):
    """Nobody asks Prometheus for them; what is not set says so; and what is done claims nothing."""
    query = (
        f"{{ pods {{ phase requests {{ cpu memory }} limits {{ cpu memory }} metrics(names: [{CLAIMS}])"
        " { name value missing timestamp } } }"
    )

    pods = (await front_door.ask(query)).data["pods"]

    assert not front_door.simulated.metrics.questions
    for pod in pods:
        said = {metric["name"]: metric for metric in pod["metrics"]}
        done = pod["phase"] in {"Succeeded", "Failed"}
        for name, amount in (
            ("CPU_REQUEST", pod["requests"]["cpu"]),
            ("CPU_LIMIT", pod["limits"]["cpu"]),
            ("MEMORY_REQUEST", pod["requests"]["memory"]),
            ("MEMORY_LIMIT", pod["limits"]["memory"]),
        ):
            expected = None if done else amount
            assert said[name]["value"] == expected
            assert said[name]["missing"] == ("NOT_SET" if expected is None else None)
            assert said[name]["timestamp"] is None
    assert {metric["missing"] for pod in pods for metric in pod["metrics"]} == {None, "NOT_SET"}


async def test_use_is_shown_as_a_share_of_what_was_requested_and_of_the_limit(front_door: FrontDoor):
    """The same number from Prometheus, asked for once, by what the pod says."""
    names = "CPU_USAGE, CPU_REQUEST, CPU_REQUEST_UTILIZATION, CPU_LIMIT, CPU_LIMIT_UTILIZATION"

    data = (await front_door.ask(f"{{ pods {{ metrics(names: [{names}]) {{ name value missing unit }} }} }}")).data

    shares = 0
    for pod in data["pods"]:
        values = {metric["name"]: metric["value"] for metric in pod["metrics"]}
        for share, whole in (("CPU_REQUEST_UTILIZATION", "CPU_REQUEST"), ("CPU_LIMIT_UTILIZATION", "CPU_LIMIT")):
            if values["CPU_USAGE"] is None or values[whole] is None:
                assert values[share] is None
            else:
                assert values[share] == pytest.approx(values["CPU_USAGE"] / values[whole])
                shares += 1
    assert shares > 20
    assert len(front_door.simulated.metrics.questions) == 1


async def test_what_containers_use_adds_up_to_their_pod(front_door: FrontDoor):
    """One question for all containers, by the same series; each has shares of its own requests."""
    names = "metrics(names: [MEMORY_USAGE, MEMORY_REQUEST, MEMORY_REQUEST_UTILIZATION]) { name value missing }"
    query = f'{{ pods(filter: {{phase: "Running"}}) {{ {names} containers {{ name {names} }} }} }}'

    pods = (await front_door.ask(query)).data["pods"]

    assert sorted(question.level for question in front_door.simulated.metrics.questions) == ["CONTAINER", "POD"]
    measured = 0
    for pod in pods:
        whole = {metric["name"]: metric["value"] for metric in pod["metrics"]}
        parts = [{metric["name"]: metric["value"] for metric in each["metrics"]} for each in pod["containers"]]
        used = [part["MEMORY_USAGE"] for part in parts if part["MEMORY_USAGE"] is not None]
        assert (whole["MEMORY_USAGE"] is None) == (not used)
        if used:
            assert sum(used) == pytest.approx(whole["MEMORY_USAGE"], rel=0.1)
        for part in parts:
            if part["MEMORY_USAGE"] is not None and part["MEMORY_REQUEST"]:
                share = part["MEMORY_USAGE"] / part["MEMORY_REQUEST"]
                assert part["MEMORY_REQUEST_UTILIZATION"] == pytest.approx(share)
                measured += 1
    assert measured > 20


async def test_a_containers_line_over_time_is_its_own(front_door: FrontDoor):
    """Its points are as many as its pod's."""
    line = "metricsRange(names: [CPU_USAGE]) { points { value } step missing }"

    pods = (await front_door.ask(f"{{ pods {{ {line} containers {{ {line} }} }} }}")).data["pods"]

    lines = [each["metricsRange"][0] for pod in pods for each in pod["containers"]]
    assert sum(any(point["value"] is not None for point in each["points"]) for each in lines) > 20


@pytest.mark.parametrize(
    ("kind", "share"), [("pods", "CPU_REQUEST_UTILIZATION"), ("nodes", "MEMORY_ALLOCATABLE_UTILIZATION")]
)
async def test_lists_are_ordered_by_shares(front_door: FrontDoor, kind: str, share: str):
    """The ones nearest to what they have first; those of which there is no share last."""
    query = f"{{ {kind}(orderBy: {{metric: {share}, direction: DESC}}) {{ metrics(names: [{share}]) {{ value }} }} }}"

    rows = (await front_door.ask(query)).data[kind]

    values = [row["metrics"][0]["value"] for row in rows]
    known = [value for value in values if value is not None]
    assert len(known) > 1
    assert known == sorted(known, reverse=True)
    assert values[len(known) :] == [None] * (len(values) - len(known))


async def test_what_pods_claim_of_a_node_is_for_those_who_may_list_all_pods(front_door: FrontDoor):
    """As `requested` is; the cluster's is the sum of its nodes'. Without names it is not shown, and costs no right."""
    token = front_door.simulated.add_user("nodes-only", rights(READ, ("nodes",)))
    names = "metrics(names: [CPU_REQUEST, MEMORY_REQUEST]) { name value missing }"
    query = (
        f"{{ nodes {{ requested {{ cpu memory }} {names} plain: metrics {{ name missing }} }} cluster {{ {names} }} }}"
    )

    data = (await front_door.ask(query)).data
    hidden = await front_door.ask(f"{{ nodes {{ name {names} plain: metrics {{ missing }} }} }}", token)

    for node in data["nodes"]:
        assert [metric["value"] for metric in node["metrics"]] == [
            node["requested"]["cpu"],
            node["requested"]["memory"],
        ]
        assert "CPU_REQUEST" not in {metric["name"] for metric in node["plain"]}
    cpu, memory = (metric["value"] for metric in data["cluster"]["metrics"])
    assert cpu == pytest.approx(sum(node["requested"]["cpu"] for node in data["nodes"]))
    assert memory == sum(node["requested"]["memory"] for node in data["nodes"])
    assert hidden.codes == ["FORBIDDEN"]
    for node in hidden.body["data"]["nodes"]:
        assert {metric["missing"] for metric in node["metrics"]} == {"FORBIDDEN"}
        assert "FORBIDDEN" not in {metric["missing"] for metric in node["plain"]}


async def test_of_the_cluster_each_sees_what_is_taken_from_what_they_may_list(front_door: FrontDoor):
    """What pods claim, with the right to list these; all else is taken from nodes. Nothing else is asked for."""
    simulated = front_door.simulated
    podder, noder = (simulated.add_user(f"{kind}-only", rights(READ, (kind,))) for kind in ("pods", "nodes"))
    names = "names: [CPU_USAGE, CPU_REQUEST, MEMORY_LIMIT, CPU_ALLOCATABLE]"
    query = f"{{ cluster {{ metrics({names}) {{ name value missing }} }} }}"
    everything = (await front_door.ask(query)).data["cluster"]["metrics"]
    simulated.metrics.questions.clear()

    of_pods, of_nodes = await front_door.ask(query, podder), await front_door.ask(query, noder)
    alone = await front_door.ask("{ cluster { metrics(names: [CPU_REQUEST]) { value } } }", podder)

    def shown(answer: Answer) -> list[object]:
        return [each["missing"] or each["value"] for each in answer.body["data"]["cluster"]["metrics"]]

    usage, request, limit, allocatable = (each["value"] for each in everything)
    assert shown(of_pods) == ["FORBIDDEN", request, limit, "FORBIDDEN"]
    assert shown(of_nodes) == [usage, "FORBIDDEN", "FORBIDDEN", allocatable]
    assert of_pods.codes == of_nodes.codes == ["FORBIDDEN"]
    assert alone.data == {"cluster": {"metrics": [{"value": request}]}}
    assert len(simulated.metrics.questions) == 0  # the one of nodes was answered before


async def test_a_failing_prometheus_costs_one_error_for_all_lines():
    """As for the numbers of this moment."""
    async with simulated_door() as door:
        await door.simulated.prometheus.stop()

        answer = await door.ask(f"{{ nodes {{ metricsRange(names: [CPU_USAGE]) {{ {LINE} }} }} }}")

    assert answer.codes == ["METRICS_UNAVAILABLE"]
    assert {line["missing"] for node in answer.body["data"]["nodes"] for line in node["metricsRange"]} == {
        "UNREACHABLE"
    }


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("pods(orderBy: {metric: FILESYSTEM_SIZE}) { name }", "FILESYSTEM_SIZE"),
        ("nodes(orderBy: {metric: CPU_REQUEST_UTILIZATION}) { name }", "CPU_REQUEST_UTILIZATION"),
        ("pods(orderBy: {metric: CPU_ALLOCATABLE}) { name }", "CPU_ALLOCATABLE"),
    ],
)
async def test_what_nothing_is_known_of_is_no_order(front_door: FrontDoor, query: str, name: str):
    """A list in no order would look like one in this order."""
    answer = await front_door.ask(f"{{ {query} }}")

    assert answer.codes == ["BAD_USER_INPUT"]
    assert name in answer.errors[0]["message"]
