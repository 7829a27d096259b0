"""Prometheus' answers to the catalogue's queries, as the gateway's metrics rely on them."""

import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from gateway.demo import simulated_cluster
from schema.sources.prometheus.catalogue import CATALOGUE, Level, MetricName, render
from schema.sources.prometheus.frames import Question, Selector
from schema.sources.prometheus.settings import PrometheusSettings
from tests.cluster import fixtures
from tests.cluster.control_plane import eventually
from tests.conformance.conftest import BOTH

# The real one scrapes every second: with the usual window of five minutes the first rates would be of few samples.
SETTINGS = PrometheusSettings(scrape_interval_seconds=1, rate_window="10s")
EVERY_METRIC = list(CATALOGUE)
BOTH_LEVELS = [metric for metric in MetricName if {(metric, Level.POD), (metric, Level.NODE)} <= set(CATALOGUE)]


@dataclass(frozen=True, slots=True)
class Monitored:
    """A Prometheus that has scraped some nodes and a running pod."""

    session: aiohttp.ClientSession
    url: str
    node: str
    namespace: str
    pod: str

    async def ask(self, question: Question) -> list[Any]:
        """The vector's rows."""
        status, body = await self.post({"query": render(question, SETTINGS)})
        assert status == 200, body
        assert (body["status"], body["data"]["resultType"]) == ("success", "vector")
        rows: list[Any] = body["data"]["result"]
        return rows

    async def post(self, form: dict[str, str], api: str = "query") -> tuple[int, Any]:
        async with self.session.post(f"{self.url}/api/v1/{api}", data=form) as response:
            return response.status, json.loads(await response.text())

    async def get(self, path: str, **params: str) -> tuple[int, str]:
        async with self.session.get(self.url + path, params=params) as response:
            return response.status, await response.text()


@pytest.fixture(params=BOTH)
def real_parts(request: pytest.FixtureRequest) -> tuple[Any, Any] | None:
    """The real Prometheus and the real cluster that it scrapes, or None for the simulated ones."""
    if request.param == "simulated":
        return None
    return request.getfixturevalue("real_prometheus"), request.getfixturevalue("real_cluster")


@pytest_asyncio.fixture
async def prometheus(real_parts: tuple[Any, Any] | None, namespace: str) -> AsyncIterator[Monitored]:
    async with aiohttp.ClientSession() as session:
        if real_parts is None:
            async with simulated_cluster() as cluster:
                cluster.create_pod(namespace, "web-1", node="worker-1", age=600)
                yield Monitored(session, cluster.prometheus_url, "worker-1", namespace, "web-1")
            return
        server, plane = real_parts
        await plane.create_namespace(namespace)
        await fixtures.Namespace(plane, namespace).run_pods("web-1", node="worker-1")
        monitored = Monitored(session, server.url, "worker-1", namespace, "web-1")
        selectors = {
            Level.CLUSTER: Selector(),
            Level.NODE: Selector(names=frozenset({"worker-1"})),
            Level.NAMESPACE: Selector(frozenset({namespace})),
            Level.POD: Selector(frozenset({namespace})),
            Level.CONTAINER: Selector(frozenset({namespace})),
        }

        async def scraped() -> bool:
            return all(
                [await monitored.ask(Question(metric, level, selectors[level])) for metric, level in EVERY_METRIC]
            )

        await eventually(scraped)
        yield monitored
        await plane.request("DELETE", f"/api/v1/namespaces/{namespace}")


async def test_every_query_of_the_catalogue_is_answered_with_its_keys_labels(prometheus: Monitored):
    """A vector whose rows are one object each, with the labels of the key and no other; values are strings."""
    for metric, level in EVERY_METRIC:
        rows = await prometheus.ask(Question(metric, level))

        keys = [tuple(row["metric"][label] for label in level.key_labels) for row in rows]
        known = {"node": prometheus.node, "namespace": prometheus.namespace, "pod": prometheus.pod}
        named = {tuple(value for label, value in row["metric"].items() if label in known) for row in rows}
        assert tuple(known[label] for label in level.key_labels if label in known) in named, (metric, level)
        assert len(keys) == len(set(keys)), "one row an object"
        for row in rows:
            assert set(row["metric"]) == set(level.key_labels)
            timestamp, value = row["value"]
            assert isinstance(timestamp, float | int)
            assert isinstance(value, str)
            assert float(value) >= 0


async def test_a_selector_leaves_only_what_it_names(prometheus: Monitored):
    """By namespace, by namespace and name, by node: each alone in its answer."""
    namespace, pod, node = prometheus.namespace, prometheus.pod, prometheus.node
    for metric in BOTH_LEVELS:
        by_namespace = await prometheus.ask(Question(metric, Level.POD, Selector(frozenset({namespace}))))
        by_name = await prometheus.ask(
            Question(metric, Level.POD, Selector(frozenset({namespace, "default"}), frozenset({pod, "other.pod"})))
        )
        by_node = await prometheus.ask(Question(metric, Level.NODE, Selector(names=frozenset({node}))))

        assert [row["metric"] for row in by_namespace] == [{"namespace": namespace, "pod": pod}]
        assert [row["metric"] for row in by_name] == [{"namespace": namespace, "pod": pod}]
        assert [row["metric"] for row in by_node] == [{"node": node}]


async def test_names_that_nobody_has_have_no_rows(prometheus: Monitored):
    """An empty vector, which is a success; whatever characters the names hold."""
    nobody = Selector(names=frozenset({'no"body', "no\\body", "no|body", "nobody.*"}))

    for metric, level in EVERY_METRIC:
        if level in (Level.NODE, Level.POD, Level.CONTAINER):  # the others are sums over everything
            assert await prometheus.ask(Question(metric, level, nobody)) == []


async def test_a_query_may_be_asked_by_get(prometheus: Monitored):
    """With the same answer in the same shape."""
    question = Question(MetricName.MEMORY_USAGE, Level.NODE, Selector(names=frozenset({prometheus.node})))

    status, text = await prometheus.get("/api/v1/query", query=render(question, SETTINGS))

    assert status == 200
    assert [row["metric"] for row in json.loads(text)["data"]["result"]] == [{"node": prometheus.node}]


@pytest.mark.parametrize("form", [{"query": "sum("}, {"query": ""}, {}, {"query": "up", "time": "yesterday"}])
async def test_a_query_that_makes_no_sense_is_bad_data(prometheus: Monitored, form: dict[str, str]):
    """400, with Prometheus' own error object."""
    status, body = await prometheus.post(form)

    assert status == 400
    assert (body["status"], body["errorType"]) == ("error", "bad_data")
    parameter = "time" if "time" in form else "query"
    assert body["error"].startswith(f'invalid parameter "{parameter}": ')


async def test_the_past_is_answered_as_a_matrix(prometheus: Monitored):
    """A row of values for each series, at the moments that were asked for and no others."""
    query = render(Question(MetricName.MEMORY_USAGE, Level.POD, Selector(frozenset({prometheus.namespace}))), SETTINGS)
    end = int(time.time())
    form = {"query": query, "start": str(end - 10), "end": str(end), "step": "5"}

    status, body = await prometheus.post(form, "query_range")

    assert (status, body["status"], body["data"]["resultType"]) == (200, "success", "matrix")
    (row,) = body["data"]["result"]
    assert row["metric"] == {"namespace": prometheus.namespace, "pod": prometheus.pod}
    assert {moment for moment, _ in row["values"]} <= {end - 10, end - 5, end}
    assert all(float(value) > 0 for _, value in row["values"])


@pytest.mark.parametrize(
    "wrong", [{"start": "x"}, {"end": "1"}, {"step": "0"}, {"step": "x"}, {"step": "0.0001"}, {"query": "sum("}]
)
async def test_a_past_that_makes_no_sense_is_bad_data(prometheus: Monitored, wrong: dict[str, str]):
    """400, with Prometheus' own error object."""
    query = render(Question(MetricName.MEMORY_USAGE, Level.POD), SETTINGS)
    form = {"query": query, "start": "1700000000", "end": "1700000060", "step": "5", **wrong}

    status, body = await prometheus.post(form, "query_range")

    assert (status, body["status"], body["errorType"]) == (400, "error", "bad_data")


async def test_plain_queries_have_results_of_every_kind(prometheus: Monitored):
    """A number, a text, and `up` of a node by its labels: now, and what of it there is over time."""
    by_node = f'up{{job="kubelet", node="{prometheus.node}"}}'
    ranged = {"start": "1764000000", "end": "1764000002", "step": "1"}

    _, number = await prometheus.post({"query": "2.50", "time": "1764000000"})
    _, text = await prometheus.post({"query": '"a \\"b\\""', "time": "1764000000"})
    _, line = await prometheus.post({"query": "-3", **ranged}, "query_range")
    status, refused = await prometheus.post({"query": '"text"', **ranged}, "query_range")
    up: Any = None

    async def all_up() -> bool:  # a target that answers a scrape too late is down until the next
        nonlocal up
        _, up = await prometheus.post({"query": by_node})
        return {row["value"][1] for row in up["data"]["result"]} == {"1"}

    await eventually(all_up)
    assert number["data"] == {"resultType": "scalar", "result": [1764000000, "2.5"]}
    assert text["data"] == {"resultType": "string", "result": [1764000000, 'a "b"']}
    assert up["data"]["resultType"] == "vector"
    for row in up["data"]["result"]:
        assert row["metric"].items() >= {"__name__": "up", "job": "kubelet", "node": prometheus.node}.items()
    values = [[1764000000 + second, "-3"] for second in range(3)]
    assert line["data"] == {"resultType": "matrix", "result": [{"metric": {}, "values": values}]}
    assert (status, refused["errorType"]) == (400, "bad_data")
    assert 'invalid expression type "string"' in refused["error"]


async def test_it_says_what_it_is_and_that_it_is_ready(prometheus: Monitored):
    """What the gateway's own check asks."""
    build_status, build = await prometheus.get("/api/v1/status/buildinfo")
    ready_status, ready = await prometheus.get("/-/ready")

    assert (build_status, ready_status) == (200, 200)
    assert json.loads(build)["status"] == "success"
    assert json.loads(build)["data"]["version"].startswith("3.")
    assert ready == "Prometheus Server is Ready.\n"
