"""Metrics beside the objects they belong to: one question each, and a reason wherever there is no value."""

import logging
import time

import pytest
from aiohttp import web

from tests.front_door import FrontDoor, simulated_door

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


async def test_what_nobody_may_see_is_not_asked_for(front_door: FrontDoor):
    """Not even by a question whose duration would tell."""
    query = "query($n: String!) { node(name: $n) { metrics { value } } }"

    refused = await front_door.ask(query, "demo-shop", variables={"n": front_door.simulated.nodes()[0]})

    assert refused.body["data"] == {"node": None}
    assert refused.codes == ["FORBIDDEN"]
    assert not front_door.simulated.metrics.questions
