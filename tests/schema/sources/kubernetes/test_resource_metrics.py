"""`metrics.k8s.io` in Prometheus' place: what its lists come to, how often they are asked, what failures leave."""

import asyncio
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth.api import Reply, Unreachable
from schema.sources.kubernetes import resource_metrics
from schema.sources.kubernetes.quantities import quantity
from schema.sources.kubernetes.resource_metrics import ROOT, ResourceMetrics
from schema.sources.prometheus.catalogue import Level, MetricName
from schema.sources.prometheus.frames import MetricFrame, Missing, Question, Range, Sample
from schema.sources.prometheus.settings import PrometheusSettings

NOW = 1_764_000_000.0
CPU, MEMORY = MetricName.CPU_USAGE, MetricName.MEMORY_USAGE
CPU_OF_PODS, CPU_OF_NODES = Question(CPU, Level.POD), Question(CPU, Level.NODE)
NODES, PODS = f"{ROOT}/nodes", f"{ROOT}/pods"
CPU_UNITS, MEMORY_UNITS = st.sampled_from(["n", "u", "m", ""]), st.sampled_from(["Ki", "Mi", "k", ""])


def moment(ago: float = 0) -> str:
    return datetime.fromtimestamp(NOW - ago, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def node(name: str, cpu: str, memory: str, ago: float = 10, window: str = "10.01s") -> dict[str, Any]:
    usage = {"cpu": cpu, "memory": memory}
    return {"metadata": {"name": name}, "timestamp": moment(ago), "window": window, "usage": usage}


def pod(namespace: str, name: str, containers: Mapping[str, tuple[str, str]], ago: float = 10) -> dict[str, Any]:
    used = [{"name": each, "usage": {"cpu": cpu, "memory": memory}} for each, (cpu, memory) in containers.items()]
    metadata = {"name": name, "namespace": namespace, "labels": {"app": "web"}}
    return {"metadata": metadata, "timestamp": moment(ago), "window": "10.01s", "containers": used}


def listed(*items: Any) -> Reply:
    return Reply(200, {}, json.dumps({"kind": "List", "metadata": {}, "items": items}).encode())


@dataclass
class FakeApi:
    """An API server whose answers a test chooses by path; what has none does not exist."""

    answers: dict[str, Reply | Exception] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    gate: asyncio.Event | None = None
    clock: float = 100.0

    async def get(self, path: str, params: Mapping[str, str], *, timeout: float) -> Reply:
        self.asked.append(path)
        if self.gate is not None:
            await self.gate.wait()
        answer = self.answers.get(path, Reply(404, {}, b"404 page not found"))
        if isinstance(answer, Exception):
            raise answer
        return answer

    def metrics(self, namespaces: tuple[str, ...] = (), **settings: Any) -> ResourceMetrics:
        chosen = PrometheusSettings.model_validate(settings)
        return ResourceMetrics(self, chosen, namespaces, clock=lambda: self.clock, wall_clock=lambda: NOW)


async def numbers(metrics: ResourceMetrics, metric: MetricName, level: Level) -> dict[str, float | None]:
    """Every object of the level by namespace and name."""
    question = Question(metric, level)
    frame = (await metrics.frames([question]))[question]
    assert frame.failure is None, frame.reason
    return {
        f"{namespace}/{name}": frame.of((namespace, name))[0].value
        for namespace, names in frame.samples.items()
        for name in names
    }


async def test_lists_become_numbers_of_every_level():
    """Containers as they are, pods as the sum of theirs, namespaces of their pods, the cluster of its nodes."""
    api = FakeApi(
        {
            NODES: listed(node("a", "1500m", "2Gi"), node("b", "250000000n", "1048577")),
            PODS: listed(
                pod("shop", "web", {"app": ("100m", "64Mi"), "side": ("1u", "1Ki")}),
                pod("shop", "db", {"db": ("2", "0")}),
                pod("pay", "web", {"app": ("0", "5")}),
                pod("pay", "new", {}),
            ),
        }
    )
    metrics = api.metrics()

    assert await numbers(metrics, CPU, Level.NODE) == {"/a": 1.5, "/b": 0.25}
    assert await numbers(metrics, MEMORY, Level.NODE) == {"/a": 2.0 * 2**30, "/b": 1_048_577.0}
    assert await numbers(metrics, CPU, Level.CLUSTER) == {"/": 1.75}
    assert await numbers(metrics, MEMORY, Level.CONTAINER) == {
        "shop/web/app": 64.0 * 2**20, "shop/web/side": 1024.0, "shop/db/db": 0.0, "pay/web/app": 5.0,
    }  # fmt: skip
    assert await numbers(metrics, CPU, Level.POD) == {"shop/web": 0.100001, "shop/db": 2.0, "pay/web": 0.0}
    assert await numbers(metrics, MEMORY, Level.NAMESPACE) == {"/shop": 64.0 * 2**20 + 1024, "/pay": 5.0}
    assert api.asked == [NODES, PODS]


@given(cpu=st.integers(0, 10**15), memory=st.integers(0, 2**50), units=st.tuples(CPU_UNITS, MEMORY_UNITS))
def test_quantities_are_read_exactly(cpu: int, memory: int, units: tuple[str, str]):
    """Whatever unit they are written in: the nearest number to what they say."""
    said = [f"{cpu}{units[0]}", f"{memory}{units[1]}"]
    usage = resource_metrics._Usage(*said)

    assert usage.numbers() == (float(quantity(said[0])), float(quantity(said[1])))


async def test_numbers_have_the_moment_at_which_they_were_measured():
    """Not that of the list: what is from before an object was created belongs to its predecessor, and is STALE."""
    api = FakeApi({PODS: listed(pod("shop", "web", {"app": ("1", "1")}, ago=42))})
    frame = await one(api.metrics(), CPU_OF_PODS)

    assert frame.of(("shop", "web")) == (Sample(1.0, None, NOW - 42, window=10.01),)
    assert frame.of(("shop", "web"), not_before=NOW - 41) == (Sample(None, Missing.STALE, NOW - 42),)


@pytest.mark.parametrize(
    ("window", "seconds"),
    [("15s", 15), ("14.602s", 14.602), ("1m0.5s", 60.5), ("1h2m3s", 3723), ("0s", None), ("", None), ("soon", None)],
)
async def test_what_is_averaged_says_over_how_long(window: str, seconds: float | None):
    """As Go writes durations; a sum over as long as the longest of its parts. Memory is that of its moment."""
    api = FakeApi({NODES: listed(node("a", "1", "1", window=window), node("b", "1", "1", window="9s"))})
    metrics = api.metrics()

    [of_node], [of_cluster], [memory] = [
        (await one(metrics, Question(metric, level))).of(name)
        for metric, level, name in ((CPU, Level.NODE, "a"), (CPU, Level.CLUSTER, ""), (MEMORY, Level.NODE, "a"))
    ]

    assert of_node.window == seconds
    assert of_cluster.window == max(seconds or 0, 9)
    assert memory.window is None


async def one(metrics: ResourceMetrics, question: Question) -> MetricFrame:
    return (await metrics.frames([question]))[question]


async def test_what_is_too_old_is_stale_and_in_no_sum():
    """A kubelet that is gone leaves its last numbers behind."""
    api = FakeApi({NODES: listed(node("a", "1", "1"), node("gone", "8", "8", ago=301))})
    metrics = api.metrics()

    assert (await one(metrics, CPU_OF_NODES)).of("gone") == (Sample(None, Missing.STALE, NOW - 301),)
    assert await numbers(metrics, CPU, Level.CLUSTER) == {"/": 1.0}


async def test_each_list_is_asked_once_in_a_scrape_interval():
    """However many ask, for whatever metric and level, at the same time and after each other."""
    api = FakeApi({NODES: listed(node("a", "1", "1")), PODS: listed()})
    metrics = api.metrics(scrape_interval_seconds=15)
    everything = [Question(metric, level) for metric in (CPU, MEMORY) for level in Level]

    await asyncio.gather(*(metrics.frames(everything) for _ in range(20)))
    api.clock += 14.9
    await metrics.frames(everything)
    assert sorted(api.asked) == [NODES, PODS]

    api.clock += 0.2
    await metrics.frames([CPU_OF_NODES])
    assert sorted(api.asked) == [NODES, NODES, PODS]


async def test_everything_else_has_no_source():
    """Other metrics, and the past: without a question to anybody."""
    api = FakeApi()
    frames = await api.metrics().frames(
        [Question(MetricName.NETWORK_RECEIVE, Level.POD), Question(CPU, Level.NODE, range=Range(0, 60, 15))]
    )

    assert {frame.failure for frame in frames.values()} == {Missing.NOT_CONFIGURED}
    assert not api.asked


FORBIDDEN = Reply(403, {}, b"{}")
SERVED = Reply(200, {}, b"{}")
DEEP = b'{"items": [' + b"[" * 1_500 + b"]" * 1_500 + b"]}"


@pytest.mark.parametrize(
    ("answers", "missing", "reason"),
    [
        ({}, Missing.NOT_CONFIGURED, "the cluster has no such API"),
        ({PODS: FORBIDDEN}, Missing.NOT_CONFIGURED, "the cluster has no such API"),
        (
            {PODS: FORBIDDEN, ROOT: SERVED},
            Missing.UNREACHABLE,
            (
                "the gateway's own account may not list pods of metrics.k8s.io; its ClusterRole needs the rule "
                '{apiGroups: ["metrics.k8s.io"], resources: ["pods"], verbs: ["list"]}'
            ),
        ),
        ({PODS: Reply(503, {}, b"")}, Missing.UNREACHABLE, "the API server answers with HTTP status 503"),
        ({PODS: Reply(200, {}, b"[]")}, Missing.UNREACHABLE, "the API server's answer is no list"),
        ({PODS: Reply(200, {}, DEEP)}, Missing.UNREACHABLE, "the API server's answer is no list"),
        ({PODS: Unreachable("refused")}, Missing.UNREACHABLE, "the API server gives no answer: refused"),
    ],
)
async def test_a_failure_says_why_and_costs_its_list_alone(
    answers: dict[str, Reply | Exception], missing: Missing, reason: str
):
    """Nobody asks again for some seconds; then it may be there."""
    api = FakeApi({NODES: listed(node("a", "1", "1")), **answers})
    metrics = api.metrics(retry_after_seconds=5)

    frames = await metrics.frames([CPU_OF_PODS, CPU_OF_NODES])
    asked = len(api.asked)
    again = await metrics.frames([CPU_OF_PODS])

    assert (frames[CPU_OF_PODS].failure, again[CPU_OF_PODS].failure) == (missing, missing)
    assert reason in frames[CPU_OF_PODS].reason
    assert frames[CPU_OF_PODS].source == "metrics.k8s.io"
    assert frames[CPU_OF_NODES].failure is None
    assert len(api.asked) == asked

    api.clock += 5.1
    api.answers[PODS] = listed(pod("shop", "web", {"app": ("1", "1")}))
    assert await numbers(metrics, CPU, Level.POD) == {"shop/web": 1.0}


async def test_an_odd_object_costs_itself_alone():
    """One that has no name, one whose quantity is none, one without a moment."""
    odd = [{"metadata": {}}, node("b", "many", "1"), node("c", "1", "1") | {"timestamp": "now"}]
    api = FakeApi({NODES: listed(*odd, node("a", "1", "1"))})

    assert await numbers(api.metrics(), CPU, Level.NODE) == {"/a": 1.0}


async def test_nobody_waits_longer_than_the_limit_and_the_list_goes_on():
    """Who asks next finds it landed; who goes away takes it from nobody."""
    api = FakeApi({NODES: listed(node("a", "1", "1"))}, gate=asyncio.Event())
    metrics = api.metrics(timeout_seconds=0.05)

    frame = await one(metrics, CPU_OF_NODES)
    assert (frame.failure, frame.reason) == (Missing.UNREACHABLE, "it did not answer within 0.05 s")

    assert api.gate is not None
    api.gate.set()
    assert await numbers(metrics, CPU, Level.NODE) == {"/a": 1.0}
    assert api.asked == [NODES]


async def test_confined_to_namespaces_it_asks_for_these():
    """One list each; a rule that is missing is that of a Role there."""
    shop, pay = f"{ROOT}/namespaces/shop/pods", f"{ROOT}/namespaces/pay/pods"
    api = FakeApi({shop: listed(pod("shop", "web", {"app": ("1", "1")})), pay: listed(), ROOT: SERVED})
    metrics = api.metrics(("shop", "pay"), retry_after_seconds=1)
    await metrics.recognise()

    assert api.asked == [shop, pay]
    assert await numbers(metrics, CPU, Level.POD) == {"shop/web": 1.0}

    api.answers[pay], api.clock = FORBIDDEN, api.clock + 60
    frame = await one(metrics, CPU_OF_PODS)
    assert "may not list pods of metrics.k8s.io in pay; its Role in pay needs the rule" in frame.reason


async def test_what_becomes_of_it_is_logged_when_it_changes(caplog: pytest.LogCaptureFixture):
    """Found at the start, and told once; and again when it is lost."""
    caplog.set_level(logging.INFO, resource_metrics.__name__)
    api = FakeApi({NODES: listed(), PODS: listed()})
    metrics = api.metrics()
    await metrics.recognise()
    for _ in range(3):
        api.clock += 60
        await metrics.frames([CPU_OF_NODES])
    api.answers[NODES], api.clock = Reply(503, {}, b""), api.clock + 60
    await metrics.frames([CPU_OF_NODES])

    assert sorted(caplog.messages) == [
        "CPU and memory of nodes are those of metrics.k8s.io, without a Prometheus",
        "CPU and memory of pods are those of metrics.k8s.io, without a Prometheus",
        "no CPU and memory of nodes from metrics.k8s.io: the API server answers with HTTP status 503",
    ]


async def test_at_the_end_nothing_is_left_in_flight():
    """Whoever still waits is told."""
    api = FakeApi({NODES: listed()}, gate=asyncio.Event())
    metrics = api.metrics(timeout_seconds=5)
    waiting = asyncio.create_task(one(metrics, CPU_OF_NODES))
    while not api.asked:
        await asyncio.sleep(0)

    await metrics.close()

    assert (await waiting).reason == "the gateway is stopping"
