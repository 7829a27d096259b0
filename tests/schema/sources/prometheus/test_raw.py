"""PromQL of somebody's own at the wire: what is sent, what comes back, and what it cannot do to others."""

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web

from auth.reviewers import Attributes
from schema.sources.prometheus.client import RAW_AT_ONCE
from schema.sources.prometheus.raw import (
    RawAnswer,
    RawQuery,
    RawRefused,
    RawSample,
    RawUnanswered,
    ResultType,
    right_to_ask,
)
from schema.sources.prometheus.settings import PrometheusSettings
from schema.sources.prometheus.vector import PIECE_BYTES
from tests.schema.sources.prometheus.test_client import CPU, NOON, FakePrometheus, never, one_pod, saying, serving

UP = RawQuery("up")
MAY = {"raw_queries": True, "service": "monitoring/prometheus:9090"}


def success(kind: str, result: Any, **more: Any) -> str:
    return json.dumps({"status": "success", "data": {"resultType": kind, "result": result}, **more})


def error(kind: str, text: str) -> str:
    return json.dumps({"status": "error", "errorType": kind, "error": text})


async def test_a_query_is_sent_as_it_was_written():
    """Query and moments as somebody wrote them, with a time limit of its own; a range goes to its own endpoint."""
    fake = FakePrometheus(saying(200, success("matrix", [])))
    ranged = RawQuery('rate(x{a="ü"}[5m])', start="2026-11-24T09:00:00Z", end="1764000000.5", step="1h30m")
    async with serving(fake), fake.opened(**MAY) as prometheus:
        await prometheus.raw(ranged)
        await prometheus.raw(RawQuery("up", time="5"))

    moments = {"start": "2026-11-24T09:00:00Z", "end": "1764000000.5", "step": "1h30m"}
    assert fake.asked == [
        {"query": 'rate(x{a="ü"}[5m])', **moments, "timeout": "4500ms"},
        {"query": "up", "time": "5", "timeout": "4500ms"},
    ]


async def test_each_kind_of_result_keeps_prometheus_own_texts():
    """Numbers as they were written, in the order in which they came; with what Prometheus warns of and remarks."""
    rows = [{"metric": {"a": "1"}, "value": [NOON, "NaN"]}, {"metric": {}, "value": [NOON, "1e+06"]}]
    said = {"warnings": ["a store is away"], "infos": ["no counter"]}
    fake = FakePrometheus()
    async with serving(fake), fake.opened(**MAY) as prometheus:
        fake.answer = saying(200, success("vector", rows, **said))
        vector = await prometheus.raw(UP)
        fake.answer = saying(200, success("scalar", [NOON, "+Inf"]))
        scalar = await prometheus.raw(UP)
        fake.answer = saying(200, success("string", [NOON, "x"]))
        string = await prometheus.raw(UP)

    assert isinstance(vector, RawAnswer)
    assert vector.vector is not None
    assert [row.sample for row in vector.vector] == [RawSample(NOON, "NaN"), RawSample(NOON, "1e+06")]
    assert (vector.warnings, vector.infos) == (("a store is away",), ("no counter",))
    assert scalar == RawAnswer(ResultType.SCALAR, scalar=RawSample(NOON, "+Inf"))
    assert string == RawAnswer(ResultType.STRING, string=RawSample(NOON, "x"))


async def test_a_long_answer_is_read_in_pieces_and_stays_in_order():
    """`sort` and `topk` decide the order of a vector."""
    rows = [{"metric": {"n": str(number), "pad": "x" * 200}, "value": [NOON, "1"]} for number in range(5_000)]
    body = success("vector", rows)
    assert len(body) > 3 * PIECE_BYTES
    fake = FakePrometheus(saying(200, body))
    async with serving(fake), fake.opened(**MAY) as prometheus:
        answer = await prometheus.raw(UP)

    assert isinstance(answer, RawAnswer)
    assert [row.metric["n"] for row in answer.vector or ()] == [str(number) for number in range(5_000)]


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (400, error("bad_data", "1:3: parse error"), RawRefused("1:3: parse error", "bad_data")),
        (422, error("execution", "too many\nsamples"), RawRefused("too many samples", "execution")),
        (422, error("limit", "x" * 2_000), RawRefused("x" * 1_000, "limit")),
        (503, error("timeout", "query timed out"), RawUnanswered("timeout: query timed out")),
        (503, error("unavailable", "starting"), RawUnanswered("unavailable: starting")),
        (429, error("too_many_requests", "later"), RawUnanswered("too_many_requests: later")),
        (502, "<html>", RawUnanswered("it answers with HTTP status 502")),
        (200, "{}", RawUnanswered("its answer is not that of a Prometheus")),
        (200, success("table", []), RawUnanswered("its answer is not that of a Prometheus")),
        (
            200,
            success("vector", [{"metric": {}, "value": "1"}]),
            RawUnanswered("its answer is not that of a Prometheus"),
        ),
        (
            200,
            success("vector", [{"metric": {}, "value": [NOON, "1" * 5_000]}]),
            RawRefused("its answer is larger than 4096 bytes (raw_response_limit_bytes)"),
        ),
    ],
)
async def test_a_failure_is_the_querys_or_prometheus(status: int, body: str, outcome: RawRefused | RawUnanswered):
    """What will never be answered is told from what may be in a while; in one line, and not in any length."""
    fake = FakePrometheus(saying(status, body))
    async with serving(fake), fake.opened(**MAY, raw_response_limit_bytes=4_096) as prometheus:
        assert await prometheus.raw(UP) == outcome


async def test_the_answers_to_one_operations_queries_share_one_bound():
    """Fifty queries must not take fifty times the memory; of several that are too large together, some are refused."""
    rows = [{"metric": {"pad": "x" * 300}, "value": [NOON, "1"]}]
    fake = FakePrometheus(saying(200, success("vector", rows)))
    async with serving(fake), fake.opened(**MAY, raw_response_limit_bytes=1_024) as prometheus:
        outcomes = await prometheus.raw_all([RawQuery(f"up + {number}") for number in range(6)])
        alone = await prometheus.raw(UP)

    refused = RawRefused("its answer is larger than 1024 bytes (raw_response_limit_bytes)")
    assert [isinstance(outcome, RawAnswer) for outcome in outcomes.values()].count(True) == 2
    assert list(outcomes.values()).count(refused) == 4
    assert isinstance(alone, RawAnswer)


async def test_a_query_that_takes_too_long_darkens_nobody_elses_metrics():
    """It ends at its own limit; the gateway's own questions go on as if it had never been asked."""
    fake = FakePrometheus(never)
    async with serving(fake), fake.opened(**MAY, raw_timeout_seconds=0.05) as prometheus:
        slow = await prometheus.raw(UP)
        fake.answer = one_pod
        frames = await prometheus.frames([CPU])

    assert slow == RawUnanswered("it did not answer within 0.05 s")
    assert frames[CPU].failure is None


async def test_only_so_many_are_under_way_and_the_gateways_own_find_room():
    """Prometheus evaluates a few queries at a time; whoever comes later waits, and is answered in the end."""
    arrived, full, gate = 0, asyncio.Event(), asyncio.Event()

    async def held(request: web.Request) -> web.StreamResponse:
        nonlocal arrived
        if (await request.post())["query"] == "up":
            arrived += 1
            if arrived == RAW_AT_ONCE:
                full.set()
            await gate.wait()
        return await one_pod(request)

    fake = FakePrometheus(held)
    async with serving(fake), fake.opened(**MAY) as prometheus:
        asking = [asyncio.create_task(prometheus.raw(UP)) for _ in range(RAW_AT_ONCE)]
        await full.wait()
        asking += [asyncio.create_task(prometheus.raw(UP)) for _ in range(3)]
        frames = await prometheus.frames([CPU])

        assert frames[CPU].failure is None
        assert arrived == RAW_AT_ONCE
        gate.set()
        assert all(isinstance(answer, RawAnswer) for answer in await asyncio.gather(*asking))


async def test_a_query_ends_with_who_asked():
    """Prometheus stops to evaluate what nobody reads any more, when its connection is closed."""
    asked, ended = asyncio.Event(), asyncio.Event()

    async def waiting(request: web.Request) -> web.StreamResponse:
        asked.set()
        try:  # the server cancels what works for a connection that was closed
            return await never(request)
        finally:
            ended.set()

    fake = FakePrometheus(waiting)
    async with serving(fake), fake.opened(**MAY) as prometheus:
        asking = asyncio.create_task(prometheus.raw(UP))
        await asked.wait()
        asking.cancel()
        async with asyncio.timeout(5):
            await ended.wait()


async def test_nobody_waits_for_a_prometheus_that_is_known_to_be_away():
    """What the gateway's own questions have found out counts here too."""
    fake = FakePrometheus(saying(502, ""))
    async with serving(fake), fake.opened(**MAY) as prometheus:
        await prometheus.frames([CPU])
        asked = len(fake.asked)

        assert await prometheus.raw(UP) == RawUnanswered("it answers with HTTP status 502")
        assert len(fake.asked) == asked


@pytest.mark.parametrize(
    ("settings", "right"),
    [
        ({}, None),
        ({"service": "monitoring/prometheus"}, None),
        (
            {"raw_queries": True, "service": "monitoring/https:prometheus:web"},
            Attributes("get", "", "services", "monitoring", "https:prometheus:web", subresource="proxy"),
        ),
        ({"raw_queries": True, "non_resource_url": "/prometheus"}, Attributes("get", "", "", path="/prometheus")),
    ],
)
def test_the_right_is_the_one_that_the_settings_name(settings: dict[str, Any], right: Attributes | None):
    """As the API server itself names what its proxy is asked for; off, nobody has it."""
    assert right_to_ask(PrometheusSettings.model_validate({"url": "http://p", **settings})) == right
