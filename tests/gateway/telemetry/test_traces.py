"""Traces as a collector gets them, by OTLP over HTTP, and as the API server and Prometheus see their context."""

import asyncio
import contextlib
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from auth.settings import AuthSettings
from gateway.config import Config
from gateway.demo import simulated_cluster
from gateway.telemetry.settings import TelemetrySettings
from gateway.telemetry.traces import CLOSING_S, make_traces
from schema.sources.kubernetes.settings import KubernetesSettings
from schema.sources.prometheus.catalogue import Profile
from schema.sources.prometheus.settings import PrometheusSettings
from tests.front_door import ADMIN, FrontDoor, free_port, open_front_door
from tests.gateway.telemetry.conftest import Lines

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
NESTED = (
    "query Dashboard($role: String) "
    "{ nodes(filter: {role: $role}) { name pods { name metrics(names: [CPU_USAGE]) { value } } } }"
)
PHASES = {"auth", "read", "wait", "prepare", "gather", "execute", "encode"}
_TRACEPARENT = re.compile(rb"(?mi)^traceparent: 00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})\r$")


@dataclass
class Collector:
    """What takes spans in."""

    url: str = ""
    spans: list[Span] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        if request.headers.get("Content-Encoding") == "gzip":
            raise AssertionError("nobody asked for that")
        self.bodies.append(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                self.spans.extend(scope.spans)
        return web.Response(content_type="application/x-protobuf")

    @property
    def by_name(self) -> dict[str, Span]:
        return {span.name: span for span in self.spans}

    def children(self, parent: Span) -> list[Span]:
        return [span for span in self.spans if span.parent_span_id == parent.span_id]


@contextlib.asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    collector = Collector()
    app = web.Application()
    app.router.add_post("/v1/traces", collector.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    collector.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1/traces"
    try:
        yield collector
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def overheard(url: str, said: bytearray) -> AsyncIterator[str]:
    """A way to `url` on which everything that is sent there is written down."""
    port = int(url.rpartition(":")[2])

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pump(reader, to_writer, said), pump(to_reader, writer, bytearray()))

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, into: bytearray) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65_536):
                into += data
                sink.write(data)
                await sink.drain()
        sink.close()

    server = await asyncio.start_server(forward, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


@dataclass
class Wire:
    """What the two systems were sent."""

    kubernetes: bytearray = field(default_factory=bytearray)
    prometheus: bytearray = field(default_factory=bytearray)


@contextlib.asynccontextmanager
async def door(wire: Wire, **telemetry: Any) -> AsyncIterator[FrontDoor]:
    """The gateway, with its two systems overheard."""
    async with (
        simulated_cluster(nodes=3, pods_per_node=10, churn=0) as simulated,
        overheard(simulated.kubernetes_url, wire.kubernetes) as kubernetes,
        overheard(simulated.prometheus_url, wire.prometheus) as prometheus,
    ):
        config = Config(
            server=free_port(),
            kubernetes=KubernetesSettings(server=kubernetes, token_file=simulated.gateway_token_file),
            prometheus=PrometheusSettings(url=prometheus, profile=Profile.GENERIC),
            telemetry=TelemetrySettings(**telemetry),
            auth=AuthSettings(review_timeout_seconds=10),  # a busy machine is no API server that is away
        )
        async with open_front_door(config) as opened:
            yield opened


def sent_contexts(said: bytearray) -> dict[str, tuple[str, bool]]:
    """Span to trace, and whether that is sampled, of all that was told to a system."""
    found = _TRACEPARENT.findall(said)
    return {span.decode(): (trace.decode(), bool(int(flags, 16) & 1)) for trace, span, flags in found}


def attributes(spans: Iterable[Span]) -> list[Mapping[str, Any]]:
    return [{each.key: each.value.string_value or each.value.int_value for each in span.attributes} for span in spans]


async def test_a_request_is_a_trace_of_its_phases_and_its_upstream_calls(lines: Lines):
    """The caller's trace goes on in ours, and ours in the API server's and Prometheus'; thirty pods add nothing."""
    wire = Wire()
    async with collecting() as collector, door(wire, traces=True, traces_endpoint=collector.url) as gateway:
        answer = await gateway.ask(
            NESTED, variables={"role": "worker"}, headers={"traceparent": f"00-{TRACE}-{CALLER}-01"}
        )
        assert answer.status == 200
        assert len(answer.data["nodes"]) >= 1

    root = collector.by_name["query Dashboard"]
    assert {span.trace_id.hex() for span in collector.spans} == {TRACE}
    assert (root.parent_span_id.hex(), root.kind) == (CALLER, Span.SPAN_KIND_SERVER)
    (said,) = attributes([root])
    assert said == {
        "http.request.method": "POST",
        "url.path": "/graphql",
        "http.response.status_code": 200,
        "graphql.operation.type": "query",
        "graphql.operation.name": "Dashboard",
    }
    assert {span.name for span in collector.children(root)} == PHASES
    calls = {span.name for span in collector.spans} - PHASES - {"query Dashboard"}
    assert calls == {"kubernetes tokenreviews", "kubernetes subjectaccessreviews", "prometheus query"}
    assert all(collector.by_name[call].kind == Span.SPAN_KIND_CLIENT for call in calls)
    auth, gather = collector.by_name["auth"], collector.by_name["gather"]
    assert [span.name for span in collector.children(auth)] == ["kubernetes tokenreviews"]
    assert {span.name for span in collector.children(gather)} == calls - {"kubernetes tokenreviews"}
    assert len(collector.spans) < 20, "none per field or object"

    (line,) = (line for line in lines("request") if line["path"] == "/graphql")
    assert line["trace_id"] == TRACE, "from a line of the log to its trace"
    for system, said_to in (("kubernetes", wire.kubernetes), ("prometheus", wire.prometheus)):
        ours = {span.span_id.hex() for span in collector.spans if span.name.startswith(f"{system} ")}
        assert sent_contexts(said_to) == dict.fromkeys(ours, (TRACE, True)), system


async def test_nothing_of_what_was_asked_is_in_a_span():
    """No token, document or variable, and no name of an object: not in any byte that leaves."""
    async with collecting() as collector, door(Wire(), traces=True, traces_endpoint=collector.url) as gateway:
        await gateway.ask(NESTED, variables={"role": "worker"})
        await gateway.ask("{ nope }", variables={"secret": "hunter2"})
        await gateway.ask('{ node(name: "no-such-node") { name } }', "made-up-token")
        await gateway.request("GET", "/graphql?query=%7B%20nodes%20%7B%20name%20%7D%20%7D", ADMIN)

    sent = b"".join(collector.bodies)
    assert len(collector.spans) > 10
    for secret in (ADMIN, "made-up-token", "hunter2", "worker", "nodes", "pods {", "no-such-node", "nope", "query="):
        assert secret.encode() not in sent.replace(b"kubernetes list nodes", b""), secret


async def test_refusals_and_failures_are_seen_in_their_spans():
    """A request without a token ends with its first phase; one that nobody could answer is an error."""
    async with collecting() as collector, door(Wire(), traces=True, traces_endpoint=collector.url) as gateway:
        assert (await gateway.ask("{ __typename }", None)).status == 401
        await gateway.request("GET", "/readyz")
        await gateway.request("GET", "/metrics", ADMIN)

    assert {span.name for span in collector.spans} == {"POST /graphql", "auth"}, "probes and scrapes are not traced"
    root = collector.by_name["POST /graphql"]
    assert attributes([root])[0]["http.response.status_code"] == 401
    assert root.status.code == Status.STATUS_CODE_UNSET, "somebody else's mistake is no error of ours"
    assert root.parent_span_id == b""


@pytest.mark.parametrize(("share", "caller"), [(1.0, "00"), (0.0, "01")], ids=["all but theirs", "theirs alone"])
async def test_the_callers_own_decision_goes_before_ours(share: float, caller: str):
    """And is passed on as it is, like ours for those who have none."""
    wire = Wire()
    async with (
        collecting() as collector,
        door(wire, traces=True, traces_share=share, traces_endpoint=collector.url) as gateway,
    ):
        assert (await gateway.ask(NESTED, headers={"traceparent": f"00-{TRACE}-{CALLER}-{caller}"})).status == 200
        decided = set(sent_contexts(wire.prometheus).values())
        wire.prometheus.clear()
        assert (await gateway.ask(NESTED.replace("CPU_USAGE", "MEMORY_USAGE"))).status == 200
        (undecided,) = set(sent_contexts(wire.prometheus).values())

    sampled = caller == "01"
    assert decided == {(TRACE, sampled)}
    assert undecided[1] is not sampled
    assert {span.trace_id.hex() for span in collector.spans} == {TRACE if sampled else undecided[0]}


async def test_without_the_setting_there_are_no_traces(lines: Lines):
    """Nothing is sent, nobody's context is passed on, and no line of the log has a trace."""
    wire = Wire()
    async with collecting() as collector, door(wire, traces_endpoint=collector.url) as gateway:
        await gateway.ask(NESTED, headers={"traceparent": f"00-{TRACE}-{CALLER}-01"})

    assert collector.bodies == []
    assert "/graphql" in lines.text
    assert "trace" not in lines.text
    assert wire.kubernetes
    assert sent_contexts(wire.kubernetes) == sent_contexts(wire.prometheus) == {}


def test_without_the_setting_opentelemetry_is_not_even_imported():
    """Its SDK and what sends cost memory and time at each start; Strawberry may import its API."""
    asked = (
        "import sys; from gateway.telemetry.settings import TelemetrySettings as S; "
        "from gateway.telemetry.traces import make_traces; make_traces(S()); "
        "print(*(name for name in sys.modules if name.startswith('opentelemetry')))"
    )

    ran = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True, timeout=60)

    assert not any("sdk" in name or "exporter" in name for name in ran.stdout.split())


def test_the_end_of_the_process_does_not_wait_for_a_collector_that_is_silent(monkeypatch: pytest.MonkeyPatch):
    """What nobody takes is lost: a pod has a few seconds for its end, and the exporter would go on for ten."""
    monkeypatch.setattr("gateway.telemetry.traces.CLOSING_S", 0.2)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "3")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1/traces"
        traces = make_traces(TelemetrySettings(traces=True, traces_endpoint=url))
        with traces.request({"type": "http", "method": "POST", "path": "/graphql", "headers": []}):
            pass
        began = time.monotonic()
        traces.close()
        took = time.monotonic() - began

    assert took < 2
    assert CLOSING_S <= 3, "of the five seconds that the chart leaves"
    # What goes on trying takes numbers from the one generator of all: other tests would not repeat themselves.
    for thread in threading.enumerate():
        if thread.name == "traces/close":
            thread.join(20)
            assert not thread.is_alive()
