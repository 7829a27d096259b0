"""Metrics: two on each pod, from frames in memory; and those of one node's 30 pods, for which Prometheus is asked."""

from __future__ import annotations

import itertools
from typing import Any, Final
from urllib.parse import urlencode

import orjson

from schema.sources.prometheus.catalogue import Level, MetricName, render
from schema.sources.prometheus.frames import Question, Selector
from schema.sources.prometheus.settings import PrometheusSettings
from tests.benchmarks.figures import figure, in_turns
from tests.benchmarks.load import connected, form
from tests.benchmarks.prometheus import value
from tests.benchmarks.stage import FIELDS, Stage, WrongAnswer, answered

CHART: Final = "nested, with 2 metrics a pod"
PAGE: Final = "30 pods' metrics, asked of Prometheus"
METRICS: Final = "metrics(names: [%s]) { name value unit }"
TWO: Final = METRICS % "CPU_USAGE, MEMORY_USAGE"
MOST_PODS: Final = 15_000
QUERY: Final = "/api/v1/query"
PROMETHEUS_MS: Final = 20.0
KEPT: Final = {"scrape_interval_seconds": 300, "rate_window": "20m", "profile": "generic"}
"""Frames outlive the measurement: what is timed is the answer, not Prometheus."""


async def measure(stage: Stage) -> None:
    if stage.recipe.pods > MOST_PODS:
        return
    for milliseconds, part in ((0.0, _nested), (PROMETHEUS_MS, _page)):
        async with (
            stage.servers.prometheus(stage.recipe.pods, milliseconds) as prometheus,
            stage.servers.gateway(stage.kubernetes(), prometheus={"url": prometheus.url, **KEPT}) as gateway,
        ):
            with stage.with_gateway(gateway):
                await part(stage, prometheus.url)


async def _nested(stage: Stage, _prometheus: str) -> None:
    def document(metrics: str) -> str:
        return f"{{ nodes {{ name pods {{ v{stage.fresh():04}: name {FIELDS} {metrics} }} }} }}"

    plain, measured = document(""), document(TWO)
    async with connected(stage.gateway.url) as (connection,):
        _check(stage, await answered(connection, stage.ask(measured)))

        def turn(metrics: str, again: str = "") -> Any:
            return lambda: connection.time(stage.ask(again or document(metrics)))

        found = await in_turns(
            {
                "without metrics, nothing kept": turn(""),
                "with 2 metrics, nothing kept": turn(TWO),
                "without metrics, again": turn("", plain),
                "with 2 metrics, again": turn(TWO, measured),
            },
            stage.options.runs,
        )
        for who, values in found.items():
            stage.bar(CHART, who, values)
        for kept in ("nothing kept", "again"):
            ratio = found[f"with 2 metrics, {kept}"].median / found[f"without metrics, {kept}"].median
            profile = await stage.profile(connection, lambda: stage.ask(document(TWO))) if ratio > 3 else []
            stage.goal(
                "metrics", f"nested with 2 metrics a pod, frames in memory, {kept}",
                "at most 3 times without metrics", ratio, 3, "times", pods=[15_000], profile=profile,
            )  # fmt: skip


def _check(stage: Stage, body: bytes) -> None:
    expected = {plan.name: value(plan) for plan in stage.recipe.plans}
    pods = [pod for node in orjson.loads(body)["data"]["nodes"] for pod in node["pods"]]
    wrong = [pod for pod in pods for metric in pod["metrics"] if metric["value"] != expected[next(iter(pod.values()))]]
    if wrong or len(pods) != len(expected) or any(len(pod["metrics"]) != 2 for pod in pods):
        raise WrongAnswer(f"{len(pods)} pods, {len(wrong)} with other values: {wrong[:1]}")


async def _page(stage: Stage, prometheus: str) -> None:
    """Each node is asked about once: no frame of it is kept."""
    settings = PrometheusSettings(url=prometheus, **KEPT)
    document = "query P($node: String!) { node(name: $node) { pods { name " + METRICS % "CPU_USAGE" + " } } }"
    nodes = iter(stage.recipe.node_names)
    async with (
        connected(stage.gateway.url) as (ours,),
        connected(prometheus) as (theirs,),
        connected(stage.bare.url) as (bare,),
    ):
        first = next(nodes)
        body = orjson.loads(await answered(ours, stage.ask(document, node=first)))
        shown = {pod["name"]: pod["metrics"][0]["value"] for pod in body["data"]["node"]["pods"]}
        if shown != {plan.name: value(plan) for plan in stage.recipe.by_node[first]}:
            raise WrongAnswer(f"of {first}: {str(shown)[:300]}")
        gateway_s, prometheus_s, bare_s = [], [], []
        for node in itertools.islice(nodes, 20 * stage.options.runs):
            plans = stage.recipe.by_node[node]
            selector = Selector(frozenset(plan.namespace for plan in plans), frozenset(plan.name for plan in plans))
            text = render(Question(MetricName.CPU_USAGE, Level.POD, selector), settings)
            asked = urlencode({"query": text})
            prometheus_s.append(await theirs.time(form(f"{prometheus}{QUERY}", asked)) * 1000)
            passed = form(f"{stage.bare.url}/passed/{prometheus.removeprefix('http://')}{QUERY}", asked)
            bare_s.append(await bare.time(passed) * 1000)
            gateway_s.append(await ours.time(stage.ask(document, node=node)) * 1000)
        more = figure(gateway_s).median - figure(prometheus_s).median
        others = itertools.cycle([*nodes] or stage.recipe.node_names)
        profile = await stage.profile(ours, lambda: stage.ask(document, node=next(others))) if more > 3 else []
    stage.bar(PAGE, "binnacle", figure(gateway_s), "ms")
    stage.bar(PAGE, "Prometheus alone", figure(prometheus_s), "ms")
    stage.bar(PAGE, "bare Starlette, passing Prometheus' answer on", figure(bare_s), "ms")
    stage.goal(
        "metrics", "30 pods' metrics, Prometheus answering in 20 ms", "Prometheus' time + 3 ms", more, 3, "ms",
        pods=[15_000], profile=profile,
    )  # fmt: skip
