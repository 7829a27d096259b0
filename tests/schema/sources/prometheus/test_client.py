"""What a question to Prometheus costs, and what is left of an answer when it fails; calls counted at the wire."""

import asyncio
import base64
import dataclasses
import json
import logging
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qsl, quote

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st

from schema.sources.prometheus import client
from schema.sources.prometheus.catalogue import Level, MetricName, Profile
from schema.sources.prometheus.client import Prometheus, RecentFrames, open_prometheus
from schema.sources.prometheus.frames import MetricFrame, Missing, Question, Range, Sample, Selector
from schema.sources.prometheus.settings import PrometheusSettings
from schema.sources.prometheus.vector import PIECE_BYTES, VECTOR, Row
from tests.cluster.keys import Authority

CPU = Question(MetricName.CPU_USAGE, Level.POD)
MEMORY = Question(MetricName.MEMORY_USAGE, Level.POD)
NOON = 1_700_000_000.0

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Clock:
    """Time that passes when a test says so."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def vector(*rows: tuple[Mapping[str, str], str], **more: object) -> web.Response:
    result = [{"metric": dict(labels), "value": [NOON, value]} for labels, value in rows]
    return web.json_response({"status": "success", "data": {"resultType": "vector", "result": result}, **more})


async def one_pod(_: web.Request) -> web.Response:
    return vector(({"namespace": "shop", "pod": "web-0"}, "0.25"))


async def never(_: web.Request) -> web.Response:
    await asyncio.Event().wait()
    raise AssertionError


def saying(status: int, text: str, headers: Mapping[str, str] | None = None) -> Handler:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=status, text=text, headers=headers)

    return handler


@dataclass
class FakePrometheus:
    """A server whose answers a test chooses, and which remembers what it was asked."""

    answer: Handler = one_pod
    asked: list[Mapping[str, Any]] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    url: str = ""
    clock: Clock = field(default_factory=lambda: Clock(100.0))

    async def query(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(dict(await request.post()))
        self.headers.append(dict(request.headers))
        return await self.answer(request)

    async def buildinfo(self, request: web.Request) -> web.StreamResponse:
        self.headers.append(dict(request.headers))
        return await self.answer(request)

    async def label_values(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(dict(request.query))
        return await self.answer(request)

    def opened(self, **settings: object) -> AbstractAsyncContextManager[Prometheus]:
        chosen = PrometheusSettings.model_validate({"url": self.url, **settings})
        return open_prometheus(chosen, "binnacle/test", clock=self.clock, wall_clock=lambda: NOON + 1)


@asynccontextmanager
async def serving(fake: FakePrometheus, secured: ssl.SSLContext | None = None) -> AsyncIterator[None]:
    application = web.Application()
    application.router.add_post("/prefix/api/v1/query", fake.query)
    application.router.add_post("/prefix/api/v1/query_range", fake.query)
    application.router.add_get("/prefix/api/v1/status/buildinfo", fake.buildinfo)
    application.router.add_get("/prefix/api/v1/label/{label}/values", fake.label_values)
    scheme = "http" if secured is None else "https"
    server = TestServer(application, scheme=scheme)
    await server.start_server(shutdown_timeout=0, ssl=secured)
    fake.url = f"{scheme}://127.0.0.1:{server.port}/prefix"
    try:
        yield
    finally:
        await server.close()


@pytest.fixture
async def fake() -> AsyncIterator[FakePrometheus]:
    fake = FakePrometheus()
    async with serving(fake):
        yield fake


async def ask(prometheus: Prometheus, question: Question = CPU) -> MetricFrame:
    return (await prometheus.frames([question]))[question]


async def test_a_question_is_a_query_in_a_form(fake: FakePrometheus):
    """By POST, since names do not fit a URL, with a time limit that Prometheus can keep itself, as who we are."""
    question = Question(MetricName.CPU_USAGE, Level.POD, Selector(frozenset({"shop"}), frozenset({"web-0"})))

    async with fake.opened(timeout_seconds=2) as prometheus:
        frame = await ask(prometheus, question)

    assert frame.of(("shop", "web-0")) == (Sample(0.25, None, NOON),)
    assert (frame.evaluated_at, frame.failure) == (NOON, None)
    (form,) = fake.asked
    assert form["timeout"] == "1800ms"
    assert 'namespace="shop",pod="web-0"' in form["query"]
    assert fake.headers[0]["User-Agent"] == "binnacle/test"
    assert "Authorization" not in fake.headers[0]


async def test_equal_questions_in_flight_are_one_query(fake: FakePrometheus):
    """However many ask at the same moment."""
    async with fake.opened() as prometheus:
        answers = await asyncio.gather(*(prometheus.frames([CPU, CPU, MEMORY]) for _ in range(50)))

    assert len(fake.asked) == 2
    assert all(set(frames) == {CPU, MEMORY} for frames in answers)


async def test_a_caller_who_goes_away_takes_the_answer_from_nobody(fake: FakePrometheus):
    """The flight belongs to the client, not to who started it."""
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        arrived.set()
        await go_on.wait()
        return await one_pod(request)

    fake.answer = answer
    async with fake.opened(timeout_seconds=60) as prometheus:
        first = asyncio.create_task(ask(prometheus))
        second = asyncio.create_task(ask(prometheus))
        await arrived.wait()
        first.cancel()
        await asyncio.wait([first])
        go_on.set()

        frame = await second

    assert frame.of(("shop", "web-0"))[0].value == 0.25
    assert len(fake.asked) == 1


async def test_an_answer_is_kept_for_one_scrape_interval(fake: FakePrometheus):
    """The numbers do not change in between."""
    async with fake.opened(scrape_interval_seconds=15) as prometheus:
        first = await ask(prometheus)
        fake.clock.now += 14.9
        assert await ask(prometheus) is first
        fake.clock.now += 0.2
        assert await ask(prometheus) is not first

    assert len(fake.asked) == 2


async def test_the_number_of_queries_does_not_follow_the_number_of_objects(fake: FakePrometheus):
    """One for 3 pods, one for 30,000."""

    async def many(_: web.Request) -> web.Response:
        return vector(*(({"namespace": "shop", "pod": f"web-{number}"}, "1") for number in range(30_000)))

    fake.answer = many
    async with fake.opened(timeout_seconds=60) as prometheus:
        frame = await ask(prometheus)
        values = [frame.of(("shop", f"web-{number}"))[0].value for number in range(30_000)]

    assert values == [1.0] * 30_000
    assert len(fake.asked) == 1


async def test_nothing_is_asked_without_an_address_or_without_objects(fake: FakePrometheus):
    """Neither costs a call, and each says what it is."""
    nobody = Question(MetricName.CPU_USAGE, Level.POD, Selector(names=frozenset()))

    async with fake.opened(url=None) as unconfigured, fake.opened() as prometheus:
        assert (await ask(unconfigured)).failure is Missing.NOT_CONFIGURED
        assert await unconfigured.check() == "no Prometheus is configured"
        assert (await ask(prometheus, nobody)).of(("shop", "web-0"))[0].missing is Missing.NO_SERIES

    assert not fake.asked


NOT_ONE = "its answer is not that of a Prometheus"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (never, "it did not answer within 0.1 s"),
        (saying(200, "<html>Welcome</html>"), NOT_ONE),
        (
            saying(
                200,
                '{"status":"success","data":{"resultType":"vector","result":[{"metric":{"namespace":"a","pod":"b"}}]}}',
            ),
            NOT_ONE,
        ),
        (saying(200, '{"status":"success","data":{"resultType":"vector","result":["a"]}}'), NOT_ONE),
        (saying(200, '{"status":"success"}'), "it answers with HTTP status 200, and not as a Prometheus"),
        (saying(502, "Bad gateway"), "it answers with HTTP status 502"),
        (saying(401, "who are you?"), "it answers with HTTP status 401"),
        (saying(302, "", {"Location": "/login"}), "it answers with HTTP status 302"),
        (
            saying(503, '{"status":"error","errorType":"unavailable","error":"starting\\nup"}'),
            "unavailable: starting up",
        ),
    ],
)
async def test_a_failing_prometheus_costs_the_metrics_and_nothing_else(
    fake: FakePrometheus, answer: Handler, reason: str
):
    """Every question is answered, with the reason in one line, and for some seconds nobody waits for it again."""
    fake.answer = answer
    started = time.monotonic()
    limit = 0.1 if answer is never else 5  # whoever answers may do so on a busy machine
    async with fake.opened(timeout_seconds=limit, retry_after_seconds=5) as prometheus:
        frame = await ask(prometheus)
        fake.clock.now += 4.9
        other = await ask(prometheus, MEMORY)
        assert len(fake.asked) == 1

        fake.answer = one_pod
        fake.clock.now += 0.2
        again = await ask(prometheus)

    assert (frame.failure, frame.reason) == (Missing.UNREACHABLE, reason)
    assert (other.failure, other.reason) == (Missing.UNREACHABLE, reason)
    assert frame.of(("shop", "web-0")) == (Sample(None, Missing.UNREACHABLE, NOON + 1),)
    assert again.of(("shop", "web-0"))[0].value == 0.25
    assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (saying(400, '{"status":"error","errorType":"bad_data","error":"parse error"}'), "bad_data: parse error"),
        (saying(503, '{"status":"error","errorType":"timeout","error":"too slow"}'), "timeout: too slow"),
        (
            saying(200, '{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}'),
            "the query gives a scalar, not an instant vector",
        ),
        (
            saying(200, '{"status":"success","data":{"resultType":"matrix","result":[]}}'),
            "the query gives a matrix, not an instant vector",
        ),
        (saying(200, "x" * 1025), "its answer is larger than 1024 bytes (response_limit_bytes)"),
    ],
)
async def test_one_refused_question_leaves_the_others_alone(fake: FakePrometheus, answer: Handler, reason: str):
    """A mistake in one configured query is not an outage; that question is not asked again for some seconds."""
    fake.answer = answer
    async with fake.opened(response_limit_bytes=1024) as prometheus:
        refused = await ask(prometheus)
        fake.answer = one_pod
        fake.clock.now += 4.9
        assert await ask(prometheus) is refused
        assert (await ask(prometheus, MEMORY)).failure is None

        fake.clock.now += 0.2
        assert (await ask(prometheus)).failure is None

    assert (refused.failure, refused.reason) == (Missing.UNREACHABLE, reason)


async def test_nobody_listening_is_told_as_such():
    """The usual mistake: a wrong port."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        settings = PrometheusSettings(url=f"http://127.0.0.1:{nobody.getsockname()[1]}")
        async with open_prometheus(settings, "binnacle/test") as prometheus:
            frame = await ask(prometheus)
            assert await prometheus.check() == frame.reason

    assert frame.reason == "it cannot be connected to: connection refused"


async def test_a_connection_cut_in_mid_answer_is_a_failure(fake: FakePrometheus):
    """Half a vector is no vector."""

    async def cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b'{"status":"success"')
        assert request.transport
        request.transport.abort()
        return response

    fake.answer = cut
    async with fake.opened() as prometheus:
        frame = await ask(prometheus)

    assert (frame.failure, frame.reason) == (
        Missing.UNREACHABLE,
        "it closed the connection before its answer was complete",
    )


async def test_a_failure_for_15_000_pods_costs_what_one_costs(fake: FakePrometheus, caplog: pytest.LogCaptureFixture):
    """Log lines and calls follow the metrics that were asked for, never the rows or the selectors."""
    fake.answer = saying(400, '{"status":"error","errorType":"bad_data","error":"parse error"}')
    pages = [
        Question(metric, Level.POD, Selector(names=frozenset({f"web-{page}"})))
        for page in range(20)
        for metric in (MetricName.CPU_USAGE, MetricName.MEMORY_USAGE)
    ]
    async with fake.opened() as prometheus:
        frames = await prometheus.frames(pages)
        for number in range(15_000):
            assert frames[pages[0]].of(("shop", f"web-{number}"))[0].missing is Missing.UNREACHABLE
        await prometheus.frames(pages)

        warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
        assert sorted(warnings) == [
            f"no CPU_USAGE of pods from Prometheus ({fake.url}): bad_data: parse error",
            f"no MEMORY_USAGE of pods from Prometheus ({fake.url}): bad_data: parse error",
        ]
        assert len(fake.asked) == len(pages)

        fake.clock.now += 5.1
        await prometheus.frames(pages)
        assert len([record for record in caplog.records if record.levelno >= logging.WARNING]) == 4


async def test_warnings_are_logged_once(fake: FakePrometheus, caplog: pytest.LogCaptureFixture):
    """Prometheus repeats them with every answer; a query without the labels of its level is one of them."""

    async def warning(_: web.Request) -> web.Response:
        return vector(({"pod": "web-0"}, "1"), warnings=["PromQL warning:\nodd"])

    fake.answer = warning
    async with fake.opened() as prometheus:
        for _ in range(3):
            await ask(prometheus)
            fake.clock.now += 15

    assert [record.getMessage() for record in caplog.records] == [
        "CPU_USAGE of pods: Prometheus warns: PromQL warning: odd",
        "CPU_USAGE of pods: Prometheus answers with series that lack the labels namespace, pod",
    ]


async def test_a_rotated_token_is_sent_and_never_told(
    fake: FakePrometheus, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    """It is read for every question; when it cannot be, the reason does not hold it."""
    token = tmp_path / "token"
    token.write_text("first\n")
    async with fake.opened(bearer_token_file=token) as prometheus:
        await ask(prometheus)
        token.write_text("second\n")
        await ask(prometheus, MEMORY)
        token.write_text("s3cr3t\nt0ken")
        fake.clock.now += 15
        frame = await ask(prometheus)

    assert [headers["Authorization"] for headers in fake.headers] == ["Bearer first", "Bearer second"]
    assert frame.reason == "bearer_token_file holds no token"
    assert "s3cr3t" not in caplog.text


async def test_a_large_vector_does_not_hold_up_the_others(fake: FakePrometheus, monkeypatch: pytest.MonkeyPatch):
    """Between two pieces whoever else is ready has a turn."""
    rows = [{"metric": {"namespace": "shop", "pod": f"web-{n}"}, "value": [NOON, "0.123456"]} for n in range(30_000)]
    body = json.dumps({"status": "success", "data": {"resultType": "vector", "result": rows}}).encode()

    async def large(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    turns = 0
    turns_at_piece: list[int] = []

    async def beside() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    class Rows:
        def decode(self, piece: bytes) -> list[Row]:
            turns_at_piece.append(turns)
            return VECTOR.rows.decode(piece)

    monkeypatch.setattr(client, "VECTOR", dataclasses.replace(VECTOR, rows=cast("Any", Rows())))
    fake.answer = large
    async with fake.opened(timeout_seconds=60) as prometheus:
        other = asyncio.create_task(beside())
        frame = await ask(prometheus)
        other.cancel()

    assert frame.size == 30_000
    assert len(set(turns_at_piece)) == len(turns_at_piece) == len(body) // PIECE_BYTES


async def test_closing_ends_what_is_in_flight(fake: FakePrometheus):
    """Whoever still waits gets an answer, and no task is left."""
    arrived = asyncio.Event()

    async def hanging(request: web.Request) -> web.StreamResponse:
        arrived.set()
        return await never(request)

    fake.answer = hanging
    async with fake.opened(timeout_seconds=60) as prometheus:
        waiting = asyncio.create_task(ask(prometheus))
        await arrived.wait()

    assert (await waiting).reason == "the gateway is stopping"
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("prometheus/")]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (saying(200, '{"status":"success","data":{"version":"3.16.0"}}'), None),
        (saying(200, "<html>"), NOT_ONE),
        (saying(403, "no"), "it answers with HTTP status 403"),
        (never, "it did not answer within 0.1 s"),
    ],
)
async def test_the_check_says_whether_prometheus_is_there(fake: FakePrometheus, answer: Handler, reason: str | None):
    """For `binnacle check` and the log at start."""
    fake.answer = answer
    async with fake.opened(timeout_seconds=0.1) as prometheus:
        assert await prometheus.check() == reason


def frame(number: int, size: int) -> MetricFrame:
    question = Question(MetricName.CPU_USAGE, Level.POD, Selector(names=frozenset({str(number)})))
    return MetricFrame(question, {"shop": {str(pod): 1.0 for pod in range(size)}})


def test_kept_answers_are_bounded_in_number_and_size():
    """The one not asked for longest goes first; one alone may be larger than the bound."""
    recent = RecentFrames(questions=3, objects=10)
    frames = [frame(number, 2) for number in range(4)]
    for one in frames[:3]:
        recent.keep(one, 0, until=1)
    recent.get(frames[0].question, 0)

    recent.keep(frames[3], 0, until=1)
    assert [recent.get(one.question, 0) is not None for one in frames] == [True, False, True, True]

    large = frame(9, 11)
    recent.keep(large, 0, until=1)
    assert [recent.get(one.question, 0) is not None for one in (*frames, large)] == [False] * 4 + [True]


def test_an_answer_whose_time_is_over_is_dropped():
    """It neither answers nor takes memory once another comes."""
    recent = RecentFrames(questions=2, objects=10)
    old, new = frame(1, 9), frame(2, 9)
    recent.keep(old, 0, until=1)

    recent.keep(new, 2, until=3)

    assert recent.get(old.question, 2) is None
    assert recent.get(new.question, 2) is new
    assert recent.get(new.question, 3) is None


THREE_MINUTES = Range(1_699_999_980, 1_700_000_100, 60)
MINUTES = Question(MetricName.CPU_USAGE, Level.POD, range=THREE_MINUTES)


async def a_line(_: web.Request) -> web.Response:
    values = [[1_699_999_980, "0.25"], [1_700_000_100, "NaN"]]
    row = {"metric": {"namespace": "shop", "pod": "web-0"}, "values": values}
    return web.json_response({"status": "success", "data": {"resultType": "matrix", "result": [row]}})


async def test_a_question_over_time_is_one_range_query(fake: FakePrometheus):
    """With its moments; what is no number and what is not there are gaps of their own kind."""
    fake.answer = a_line
    async with fake.opened() as prometheus:
        frame = await ask(prometheus, MINUTES)
        await ask(prometheus, MINUTES)

    (asked,) = fake.asked
    assert (asked["start"], asked["end"], asked["step"]) == ("1699999980", "1700000100", "60")
    (series,) = frame.over_time(("shop", "web-0"))
    assert [(sample.value, sample.missing) for sample in series.samples(THREE_MINUTES.moments())] == [
        (0.25, None),
        (None, Missing.NO_SERIES),
        (None, Missing.NOT_A_NUMBER),
    ]
    assert frame.over_time(("shop", "web-1")) == ()
    assert frame.size == 3


async def test_a_vector_is_no_answer_about_time(fake: FakePrometheus):
    """Nor are moments that nobody asked for: then it is not the API that is spoken here."""
    async with fake.opened(retry_after_seconds=1) as prometheus:
        assert (await ask(prometheus, MINUTES)).reason == "the query gives a vector, not a matrix"

        fake.answer = a_line
        earlier = Question(MetricName.CPU_USAGE, Level.POD, range=Range(0, 120, 60))
        assert (await ask(prometheus, earlier)).reason == "its answer is not that of a Prometheus"


async def test_a_user_a_tenant_and_more_headers_go_with_every_query(fake: FakePrometheus, tmp_path: Path):
    """As Mimir, Thanos and proxies ask for them; the password is read again each time, because it rotates."""
    password = tmp_path / "password"
    password.write_text("first\n")
    settings = {"username": "gateway", "password_file": password, "tenant": "shop", "headers": {"X-Route": "blue"}}
    async with fake.opened(**settings) as prometheus:
        await ask(prometheus, CPU)
        password.write_text("second\n")
        await ask(prometheus, MEMORY)
        password.write_text("")
        frame = await ask(prometheus, MINUTES)

    first, second = fake.headers
    assert (
        (first["X-Scope-OrgID"], first["X-Route"]) == (second["X-Scope-OrgID"], second["X-Route"]) == ("shop", "blue")
    )
    assert [base64.b64decode(sent["Authorization"].removeprefix("Basic ")) for sent in (first, second)] == [
        b"gateway:first",
        b"gateway:second",
    ]
    assert frame.reason == "password_file holds no password"


async def test_a_prometheus_may_know_the_gateway_by_its_certificate(tmp_path: Path):
    """Without it there is no connection; with it there is an answer."""
    authority = Authority(tmp_path)
    secured = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority.certificate)
    secured.load_cert_chain(*authority.server("prometheus"))
    secured.verify_mode = ssl.CERT_REQUIRED
    certificate, key = authority.client("gateway", ())
    fake = FakePrometheus()
    async with serving(fake, secured):
        async with fake.opened(ca_file=authority.certificate) as stranger:
            assert (await ask(stranger)).failure is Missing.UNREACHABLE
        known = {"client_certificate_file": certificate, "client_key_file": key, "ca_file": authority.certificate}
        async with fake.opened(**known) as prometheus:
            assert (await ask(prometheus)).failure is None


RULES = [
    "node_namespace_pod_container:container_cpu_usage_seconds_total:sum_rate5m",
    "node_namespace_pod_container:container_memory_working_set_bytes",
]


def having(cadvisor: list[str], paths: list[str], exporter: list[str], rules: list[str]) -> Handler:
    """A Prometheus with these jobs and rules."""

    async def handler(request: web.Request) -> web.Response:
        match = request.query["match[]"]
        if "__name__" in match:
            found = rules
        elif "metrics_path" in match:
            found = paths
        else:
            found = exporter if match.startswith("node_") else cadvisor
        return web.json_response({"status": "success", "data": found})

    return handler


@pytest.mark.parametrize(
    ("answer", "profile"),
    [
        (having(["kubelet"], ["kubelet"], ["node-exporter"], []), Profile.KUBE_PROMETHEUS_STACK),
        (having(["kubelet"], ["kubelet"], ["node-exporter"], RULES), Profile.KUBERNETES_MIXIN),
        (having(["kubelet"], ["kubelet"], ["node-exporter"], RULES[:1]), Profile.KUBE_PROMETHEUS_STACK),
        (having(["kubelet", "tenant"], ["kubelet"], [], []), Profile.KUBE_PROMETHEUS_STACK),
        (having(["kubelet"], ["kubelet"], ["my-exporter"], []), Profile.GENERIC),
        (
            having(["kubernetes-nodes-cadvisor"], [], ["kubernetes-service-endpoints"], []),
            Profile.PROMETHEUS,
        ),
        (having(["kubernetes-cadvisor"], [], [], []), Profile.KUBERNETES_CADVISOR),
        (having(["something"], [], ["else"], RULES), Profile.GENERIC),
        (saying(404, "not found"), Profile.GENERIC),
    ],
)
async def test_the_installation_is_recognised_by_its_jobs_and_rules(
    fake: FakePrometheus, answer: Handler, profile: Profile, caplog: pytest.LogCaptureFixture
):
    """By four small questions, and named in the log; nothing of it pins a query to jobs that do not exist."""
    caplog.set_level(logging.INFO)
    fake.answer = answer
    async with fake.opened() as prometheus:
        assert prometheus.profile is Profile.GENERIC

        await prometheus.recognise()

    assert prometheus.profile is profile
    assert f"the profile {profile}" in caplog.text
    assert len(fake.asked) <= 4
    assert all(int(asked["start"]) < NOON for asked in fake.asked)


async def test_recognising_waits_for_a_prometheus_that_is_away_or_empty(fake: FakePrometheus):
    """Less and less often; until then any series will do."""
    pauses: list[float] = []
    answers = iter((saying(503, "starting"), having([], [], [], []), having(["kubernetes-cadvisor"], [], [], [])))
    fake.answer = next(answers)

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        assert prometheus.profile is Profile.GENERIC
        fake.answer = next(answers)

    async with fake.opened(retry_after_seconds=5) as prometheus:
        await prometheus.recognise(sleep)

    assert pauses == [5, 10]
    assert prometheus.profile is Profile.KUBERNETES_CADVISOR


async def test_a_configured_profile_is_not_questioned(fake: FakePrometheus):
    """Whoever says how Prometheus was installed is believed."""
    async with fake.opened(profile="prometheus") as prometheus:
        await prometheus.recognise()

        assert prometheus.profile is Profile.PROMETHEUS
    assert fake.asked == []


@pytest.mark.parametrize(
    ("status", "kind", "text"),
    [
        (422, "execution", "query processing would load too many samples into memory in query execution"),  # Prometheus
        (422, "execution", "the query exceeded the maximum number of series (limit: 100000 series)"),  # Mimir
        (422, "execution", "exceeded series limit: limit 10 violated (got 11)"),  # Thanos
        (422, "422", "cannot select more than -search.maxUniqueTimeseries=10 series"),  # VictoriaMetrics
    ],
)
async def test_a_servers_own_limit_costs_that_question_and_is_told(
    fake: FakePrometheus, status: int, kind: str, text: str
):
    """In the server's words, so that a person knows which limit; the other questions go on."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if "memory" in str((await request.post())["query"]):
            return await one_pod(request)
        return web.json_response({"status": "error", "errorType": kind, "error": text}, status=status)

    fake.answer = answer
    async with fake.opened() as prometheus:
        frames = await prometheus.frames([CPU, MEMORY])

    assert frames[CPU].failure is Missing.UNREACHABLE
    assert text in frames[CPU].reason
    assert frames[MEMORY].failure is None


@given(fields=st.dictionaries(st.sampled_from(["query", "timeout", "start"]), st.text(), max_size=3))
def test_a_form_is_read_as_what_it_was_made_of(fields: dict[str, str]):
    """Whatever stands in a query: all of ASCII is escaped by its sorts, all else as urllib does it."""
    assert (
        dict(parse_qsl(client._form(fields).decode("ascii"), keep_blank_values=True, strict_parsing=bool(fields)))
        == fields
    )
    everything = "".join(map(chr, range(128)))
    assert client._escaped(everything) == quote(everything, safe="")
