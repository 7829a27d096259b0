"""`prometheus(query:)`: PromQL of one's own over the front door, beside the real Prometheus and the real API server."""

import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import pytest
from graphql import GraphQLObjectType, get_named_type

from gateway.config import Config
from gateway.demo.accounts import rights
from schema.schema import describe
from tests.cluster.control_plane import ControlPlane
from tests.cluster.fixtures import Namespace
from tests.cluster.prometheus import PrometheusServer
from tests.front_door import SHOP, VIEWER, FrontDoor, open_front_door, simulated_door
from tests.test_end_to_end import config_for

SERVICE = "monitoring/prometheus:9090"
ASK = """
query($query: String!, $time: String, $start: String, $end: String, $step: String) {
  prometheus(query: $query, time: $time, start: $start, end: $end, step: $step) {
    resultType warnings infos
    vector { labels { key value } sample { timestamp text value } histogram { timestamp } }
    matrix { labels { key value } samples { timestamp text } histograms { timestamp } }
    scalar { timestamp text value }
    string { timestamp text }
  }
}
"""
ONE = '{ prometheus(query: "1") { scalar { text } } }'


@pytest.fixture
async def door(real_cluster: ControlPlane, real_prometheus: PrometheusServer) -> AsyncIterator[FrontDoor]:
    """The gateway before both, with PromQL switched on for who may read Prometheus through the API server."""
    async with open_front_door(passing_on(config_for(real_cluster, real_prometheus), service=SERVICE)) as opened:
        yield opened


def passing_on(config: Config, **who_may: str) -> Config:
    switched_on = config.prometheus.model_copy(update={"raw_queries": True, **who_may})
    return config.model_copy(update={"prometheus": switched_on})


async def said_by(prometheus: PrometheusServer, form: Mapping[str, str]) -> Any:
    """The whole answer of Prometheus itself."""
    path = "query_range" if "start" in form else "query"
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{prometheus.url}/api/v1/{path}", data=form) as answer,
    ):
        return await answer.json()


def as_the_api_has_it(result: Mapping[str, Any]) -> Any:
    """The gateway's answer, put back into the form of Prometheus' HTTP API."""
    match result["resultType"]:
        case "VECTOR":
            return [
                {"metric": labels(row), "value": [row["sample"]["timestamp"], row["sample"]["text"]]}
                for row in result["vector"]
            ]
        case "MATRIX":
            return [
                {"metric": labels(row), "values": [[each["timestamp"], each["text"]] for each in row["samples"]]}
                for row in result["matrix"]
            ]
        case kind:
            held = result[kind.lower()]
            return [held["timestamp"], held["text"]]


def labels(row: Mapping[str, Any]) -> dict[str, str]:
    return {each["key"]: each["value"] for each in row["labels"]}


async def test_answers_are_prometheus_own(
    door: FrontDoor, real_cluster: ControlPlane, real_prometheus: PrometheusServer
):
    """Every kind of result, at one moment and over time, number for number; with what Prometheus remarks."""
    await real_prometheus.wait_for_series("up", 3)
    now = str(int(time.time()) - 1)
    ranged = {"start": str(int(now) - 5), "end": now, "step": "1s"}
    forms: list[dict[str, str]] = [
        {"query": "sort_desc(up)", "time": now},
        {"query": "up[3s]", "time": now},
        {"query": "sum by (job) (up) / 0 - 1", "time": now},
        {"query": "up", **ranged},
        {"query": "rate(up[4s])", "time": now},
        {"query": "no_such_series", "time": now},
        {"query": "0 / 0", "time": now},
        {"query": '"quoted \\"text\\""', "time": now},
    ]
    admin = real_cluster.token("admin")
    for form in forms:
        said = await said_by(real_prometheus, form)
        shown = (await door.ask(ASK, admin, variables=dict(form))).data["prometheus"]

        assert as_the_api_has_it(shown) == said["data"]["result"], form
        assert shown["resultType"].lower() == said["data"]["resultType"]
        assert (shown["warnings"], shown["infos"]) == (said.get("warnings", []), said.get("infos", [])), form

    infinite = (await door.ask(ASK, admin, variables={"query": "1 / 0"})).data["prometheus"]["scalar"]
    number = (await door.ask(ASK, admin, variables={"query": "1e6"})).data["prometheus"]["scalar"]
    assert (infinite["text"], infinite["value"]) == ("+Inf", None)
    assert (number["text"], number["value"]) == ("1000000", 1_000_000.0)


async def test_prometheus_says_itself_what_it_does_not_answer(
    door: FrontDoor, real_cluster: ControlPlane, real_prometheus: PrometheusServer
):
    """Its parser, its evaluation and its limit on points, each in its own words; the rest of the answer stands."""
    admin = real_cluster.token("admin")
    for form in (
        {"query": "sum("},
        {"query": "up", "time": "yesterday"},
        {"query": "up", "start": "0", "end": "86400", "step": "1"},
        {"query": "up * on () up"},
    ):
        said = await said_by(real_prometheus, form)
        answer = await door.ask(ASK, admin, variables=dict(form))

        assert answer.status == 200
        assert answer.codes == ["BAD_USER_INPUT"], form
        (error,) = answer.errors
        assert " ".join(said["error"].split())[:100] in error["message"]
        assert error["extensions"]["errorType"] == said["errorType"]
        assert error["path"] == ["prometheus"]


async def test_only_who_may_read_prometheus_through_the_api_server_may_ask(
    door: FrontDoor, real_cluster: ControlPlane, namespace: Namespace
):
    """By the API server's own review of `get` on `services/proxy`, name and namespace included."""
    nobody, elsewhere, reader = [await namespace.account(name) for name in ("nobody", "elsewhere", "reader")]
    await real_cluster.allow(elsewhere.user, ["get"], ["services/proxy"], namespace=namespace.name)
    await real_cluster.allow(elsewhere.user, ["create"], ["services/proxy"])
    await real_cluster.allow(elsewhere.user, ["get", "list"], ["services"])
    await real_cluster.allow(reader.user, ["get"], ["services/proxy"], names=["prometheus:9090"])

    by_proxy = {
        account.user: await status_by_proxy(real_cluster, account.token) for account in (nobody, elsewhere, reader)
    }
    assert [status == 403 for status in by_proxy.values()] == [True, True, False], (
        "as the API server's own proxy has it"
    )
    for refused in (nobody, elsewhere):
        answer = await door.ask(ONE, refused.token)
        assert answer.codes == ["FORBIDDEN"]
        assert answer.body["data"] == {"prometheus": None}
        assert "monitoring" not in answer.text
    assert (await door.ask(ONE, reader.token)).data["prometheus"]["scalar"]["text"] == "1"


async def status_by_proxy(cluster: ControlPlane, token: str) -> int:
    """What the API server says to who passes a query on through it; there is no such Service behind it."""
    path = "/api/v1/namespaces/monitoring/services/prometheus:9090/proxy/api/v1/query"
    async with cluster.api(token=token) as session, session.get(path) as answer:
        return answer.status


async def test_outside_the_cluster_a_path_stands_for_it(
    real_cluster: ControlPlane, real_prometheus: PrometheusServer, namespace: Namespace
):
    """Who may `get` the non-resource URL that the settings name, and nobody for having other rights."""
    reader, nobody = await namespace.account("reader"), await namespace.account("nobody")
    await real_cluster.allow(nobody.user, ["get"], ["services/proxy"])
    await allow_path(real_cluster, reader.user, "/prometheus")

    config = passing_on(config_for(real_cluster, real_prometheus), non_resource_url="/prometheus")
    async with open_front_door(config) as door:
        assert (await door.ask(ONE, reader.token)).data["prometheus"]["scalar"]["text"] == "1"
        assert (await door.ask(ONE, nobody.token)).codes == ["FORBIDDEN"]


async def allow_path(cluster: ControlPlane, user: str, path: str) -> None:
    name, base = user.replace(":", "-"), "/apis/rbac.authorization.k8s.io/v1"
    rule = {"nonResourceURLs": [path], "verbs": ["get"]}
    await cluster.request("POST", f"{base}/clusterroles", {"metadata": {"name": name}, "rules": [rule]})
    binding = {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
    }
    await cluster.request("POST", f"{base}/clusterrolebindings", binding)
    review = {"spec": {"user": user, "nonResourceAttributes": {"verb": "get", "path": path}}}
    for _ in range(500):  # the authoriser sees new rules a moment later
        answer = await cluster.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
        if answer["status"]["allowed"]:
            return
    raise AssertionError("the binding is not in force")


async def test_off_unless_switched_on(front_door: FrontDoor):
    """For everybody, with an error that says so and without a review or a call; the rest of the answer stands."""
    asked = len(front_door.simulated.api.access_reviews)

    answer = await front_door.ask('{ prometheus(query: "up") { resultType } me { username } }')

    assert answer.codes == ["PROMQL_DISABLED"]
    assert answer.body["data"] == {"prometheus": None, "me": {"username": "demo-admin"}}
    assert len(front_door.simulated.api.access_reviews) == asked
    assert not front_door.simulated.metrics.requests


async def test_what_makes_no_sense_is_not_asked():
    """Half a range, a moment beside a range, no query, or one of any length."""
    async with simulated_door(prometheus={"raw_queries": True, "service": SERVICE}) as door:
        for arguments, code, argument in (
            ('query: " "', "BAD_USER_INPUT", "query"),
            ('query: "up", start: "1", step: "1"', "BAD_USER_INPUT", "end"),
            ('query: "up", time: "1", start: "1", end: "1", step: "1"', "BAD_USER_INPUT", "time"),
            (f'query: "{"x" * 16_385}"', "ARGUMENT_TOO_LONG", "query"),
            (f'query: "up", time: "{"1" * 65}"', "ARGUMENT_TOO_LONG", "time"),
        ):
            answer = await door.ask(f"{{ prometheus({arguments}) {{ resultType }} }}")
            assert answer.codes == [code]
            assert answer.errors[0]["extensions"]["argument"] == argument
        assert not door.simulated.metrics.requests


async def test_each_different_query_is_a_call_and_too_many_are_none():
    """However many places ask the same; nothing is kept, and the limit counts them together with `can`."""
    async with simulated_door(prometheus={"raw_queries": True, "service": SERVICE}) as door:
        calls = door.simulated.metrics.requests
        twice = '{ a: prometheus(query: "up") { resultType } b: prometheus(query: "up") { resultType } }'
        for _ in range(2):
            await door.ask(twice)
        assert calls["POST", "query"] == 2

        queries = [f'p{number}: prometheus(query: "up + {number}") {{ resultType }}' for number in range(49)]
        cans = 'me { a: can(verb: "a", resource: "pods") { allowed } b: can(verb: "b", resource: "pods") { allowed } }'
        refused = await door.ask(f"{{ {cans} {' '.join(queries)} }}")
        assert (refused.status, refused.codes) == (400, ["LIMIT_EXCEEDED"])
        assert refused.errors[0]["extensions"]["exceeded"] == "calls"
        assert calls["POST", "query"] == 2


async def test_a_prometheus_that_is_away_is_an_error_and_no_more():
    """As for metrics: the rest of the answer stands, and the reason is told without an address."""
    async with simulated_door(prometheus={"raw_queries": True, "service": SERVICE}) as door:
        await door.simulated.prometheus.stop()

        answer = await door.ask('{ prometheus(query: "up") { resultType } cluster { nodeCount } }')

        assert answer.codes == ["METRICS_UNAVAILABLE"]
        assert answer.body["data"]["cluster"]["nodeCount"] == 3
        assert "127.0.0.1" not in answer.text


async def test_the_right_is_asked_anew_and_of_each_caller():
    """One who may does not open it for others, also not by the very same document."""
    async with simulated_door(prometheus={"raw_queries": True, "service": SERVICE}) as door:
        reader = door.simulated.add_user("reader", rights(["get"], ["services/proxy"], namespace="monitoring"))
        query = '{ prometheus(query: "up") { resultType } }'

        codes = {token: (await door.ask(query, token)).codes for token in (reader, VIEWER, SHOP)}

        assert codes == {reader: [], VIEWER: ["FORBIDDEN"], SHOP: ["FORBIDDEN"]}
        assert door.simulated.metrics.requests["POST", "query"] == 1


def test_it_stands_at_the_root_alone():
    """What costs a call of its own is multiplied by no list: neither this, nor what `me.can` answers."""
    places: dict[str, set[str]] = {}
    for kind in describe()._schema.type_map.values():
        if isinstance(kind, GraphQLObjectType):
            for name, field in kind.fields.items():
                places.setdefault(get_named_type(field.type).name, set()).add(f"{kind.name}.{name}")

    assert places["PrometheusResult"] == {"Query.prometheus"}
    assert (places["Permission"], places["Me"]) == ({"Me.can"}, {"Query.me"})
