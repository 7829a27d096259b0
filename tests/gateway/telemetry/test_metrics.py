"""/metrics as a scraper meets it, after real requests through the front door."""

import asyncio
import re
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as text_format

from gateway.app import serve
from gateway.config import Config
from gateway.telemetry.lag import EVERY_S, watch_lag
from gateway.telemetry.metrics import LONGEST_NAME, OperationNames
from gateway.telemetry.settings import TelemetrySettings
from tests.cluster import programs
from tests.cluster.fixtures import provide
from tests.front_door import ADMIN, SHOP, VIEWER, free_port, simulated_door

BINNACLE = Path(sys.executable).parent / "binnacle"
PAGE = Path(__file__).parents[3] / "docs/operations.md"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
LAG = "binnacle_event_loop_lag_seconds_count"
DASHBOARD = "query Dashboard { nodes { name pods { name metrics(names: [CPU_USAGE]) { value } } } }"


class Scrape:
    """What one scrape says, to be asked for by name and labels."""

    def __init__(self, text, parse=text_format):
        self.families = {family.name: family for family in parse(text)}
        self.samples = {}
        for family in self.families.values():
            for sample in family.samples:
                self.samples[sample.name, frozenset(sample.labels.items())] = sample.value

    def __call__(self, name, **labels):
        return self.samples.get((name, frozenset(labels.items())))

    def labelled(self, name, label):
        """The values by what one label says."""
        return {dict(has)[label]: value for (each, has), value in self.samples.items() if each == name}

    def total(self, name, **labels):
        """The sum over all other labels."""
        wanted = set(labels.items())
        return sum(value for (each, has), value in self.samples.items() if each == name and wanted <= has)


async def scraped(door, token=ADMIN, **headers):
    answer = await door.request("GET", "/metrics", token, headers=headers)
    assert answer.status == 200, answer.text
    return Scrape(answer.text, openmetrics if "openmetrics" in headers.get("Accept", "") else text_format)


async def test_a_query_shows_in_every_metric_that_it_touches(front_door):
    """Somebody on call can tell from here what was asked, how it went and what it cost upstream."""
    assert (await front_door.ask(DASHBOARD)).status == 200
    assert (await front_door.ask(DASHBOARD)).status == 200

    seen = await scraped(front_door)

    assert seen("binnacle_requests_total", operation="Dashboard", status="200") == 2
    assert seen("binnacle_request_seconds_count", operation="Dashboard") == 2
    assert 0 < seen("binnacle_request_seconds_sum", operation="Dashboard") < 20
    assert seen("binnacle_answers_total", origin="executed") == 1
    assert seen("binnacle_answers_total", origin="kept") == 1
    assert seen("binnacle_auth_verdicts_total", verdict="accepted") == 2
    for phase in ("auth", "read", "wait", "prepare", "gather", "encode"):
        assert seen("binnacle_phase_seconds_count", phase=phase) == 2, phase
    assert seen("binnacle_phase_seconds_count", phase="execute") == 1, "the second answer was kept"
    assert seen("binnacle_upstream_requests_total", system="kubernetes", operation="tokenreviews", code="201") == 1
    assert seen.total("binnacle_upstream_requests_total", system="kubernetes", operation="subjectaccessreviews") >= 2
    assert seen.total("binnacle_upstream_requests_total", system="prometheus", operation="query") == 1
    assert seen("binnacle_upstream_seconds_count", system="prometheus", operation="query") == 1
    assert seen("binnacle_requests_in_flight") == seen("binnacle_requests_at_work") == 0
    assert seen("binnacle_requests_waiting") == 0


async def test_the_watch_cache_tells_how_large_and_how_fresh_it_is(front_door):
    """By kind: objects, bytes, events, and whether the picture is live."""
    seen = await scraped(front_door)

    for kind, objects in (("nodes", 3), ("pods", 30)):
        assert seen("binnacle_watch_objects", kind=kind) == objects
        assert seen("binnacle_watch_events_total", kind=kind, type="added") == objects
        assert seen("binnacle_watch_lists_total", kind=kind) == 1
        assert seen("binnacle_watch_live", kind=kind) == seen("binnacle_watch_synced", kind=kind) == 1
        assert seen("binnacle_watch_refused", kind=kind) == seen("binnacle_watch_failures_total", kind=kind) == 0
        assert 0 <= seen("binnacle_watch_silence_seconds", kind=kind) < 30
        assert 300 * objects < seen("binnacle_watch_bytes", kind=kind) < 10_000 * objects
    (server,) = seen.labelled("binnacle_api_server_info", "version")
    assert server.startswith("v1.")
    assert seen("process_resident_memory_bytes") > 10_000_000
    assert seen("python_gc_collections_total", generation="0") > 0
    assert seen("binnacle_tasks") > 3


async def test_a_watch_that_is_lost_shows_at_the_next_scrape(front_door):
    """What the alert goes by."""
    await front_door.simulated.kubernetes.stop()

    async def live():
        return (await front_door.request("GET", "/readyz")).status, (front_door.gateway.cluster.status()["pods"].live)

    await front_door.eventually(live, (200, False))
    registry = front_door.gateway.telemetry.metrics.registry

    assert registry.get_sample_value("binnacle_watch_live", {"kind": "pods"}) == 0
    assert registry.get_sample_value("binnacle_watch_failures_total", {"kind": "pods"}) >= 1


REFUSED = [
    (None, "{ nodes { name } }", "missing", "UNAUTHENTICATED"),
    ("nobody", "{ nodes { name } }", "rejected", "UNAUTHENTICATED"),
    ("two words", "{ nodes { name } }", "malformed", "UNAUTHENTICATED"),
    ("x" * 20_000, "{ nodes { name } }", "too_long", "UNAUTHENTICATED"),
    (ADMIN, "{ nope }", "accepted", "GRAPHQL_VALIDATION_FAILED"),
    (ADMIN, "{", "accepted", "GRAPHQL_PARSE_FAILED"),
    (ADMIN, "{ a:__typename " + "b:__typename " * 200 + "}", "accepted", "LIMIT_EXCEEDED"),
    (ADMIN, "mutation { a }", "accepted", "GRAPHQL_VALIDATION_FAILED"),
]


async def test_refusals_are_counted_by_their_reasons(front_door):
    """The codes are those that clients see; such requests have no operation."""
    for token, query, _, code in REFUSED:
        assert (await front_door.ask(query, token)).codes == [code]
    claiming = await front_door.ask("{ nodes { name } }", ADMIN, headers={"Impersonate-User": "root"})
    assert claiming.codes == ["BAD_REQUEST"]

    seen = await scraped(front_door)

    verdicts = Counter(verdict for _, _, verdict, _ in REFUSED) + Counter(["bad_request"])
    assert seen.labelled("binnacle_auth_verdicts_total", "verdict") == verdicts
    codes = Counter(code for *_, code in REFUSED) + Counter(["BAD_REQUEST"])
    assert seen.labelled("binnacle_requests_refused_total", "code") == codes
    assert seen.total("binnacle_requests_total", operation="none") == len(REFUSED) + 1
    assert seen.total("binnacle_answers_total") == 0


async def test_an_api_server_that_is_away_is_told_apart_from_a_gateway_that_is_full(front_door):
    """The client hears the same code of both: the operator needs another remedy for each."""
    assert (await front_door.ask("{ nodes { name } }")).status == 200
    await front_door.simulated.kubernetes.stop()
    unknown = await front_door.ask("{ nodes { name } }", "stranger")  # the first lock refuses
    known = await front_door.ask("{ nodes { name } services { name } }")  # whose right to list services is not known

    assert (unknown.status, unknown.codes) == (known.status, known.codes) == (503, ["UNAVAILABLE"])
    count = front_door.gateway.telemetry.metrics.registry.get_sample_value
    assert count("binnacle_requests_refused_total", {"code": "UNAVAILABLE", "reason": "reviews"}) == 2


async def test_errors_beside_data_are_no_refusals(front_door):
    """A user without a right: the request was executed."""
    answer = await front_door.ask("{ nodes { name } }", SHOP)
    assert answer.codes == ["FORBIDDEN"]

    seen = await scraped(front_door)

    assert seen("binnacle_errors_total", code="FORBIDDEN") == 1
    assert seen.total("binnacle_requests_refused_total") == 0
    assert seen("binnacle_requests_total", operation="anonymous", status="200") == 1


async def test_requests_under_way_are_seen_while_they_are():
    """Those that are executed, and those that wait for one of these places; none once all are answered."""
    limits = {"requests_at_work": 2, "requests_per_user": 8, "requests_waiting": 8}
    async with simulated_door(server=limits) as door:
        await door.ask("{ nodes { name } }")  # who asks, and what they may see, is known from here on
        door.simulated.prometheus.pause()
        count = door.gateway.telemetry.metrics.registry.get_sample_value

        async def under_way():
            return [count(f"binnacle_requests_{name}") for name in ("in_flight", "at_work", "waiting")]

        asked = [asyncio.create_task(door.ask(DASHBOARD)) for _ in range(5)]
        await door.eventually(under_way, [5, 2, 3])
        door.simulated.prometheus.resume()
        answers = await asyncio.gather(*asked)

        await door.eventually(under_way, [0, 0, 0])
    assert {answer.status for answer in answers} == {200}


async def test_who_finds_no_place_is_counted_by_the_code_that_they_hear():
    """503 for want of a place; such a request has no operation."""
    limits = {"requests_at_work": 1, "requests_per_user": 2, "requests_waiting": 1}
    async with simulated_door(server=limits) as door:
        await door.ask("{ nodes { name } }")
        await door.ask("{ pods { name } }", VIEWER)
        door.simulated.prometheus.pause()
        count = door.gateway.telemetry.metrics.registry.get_sample_value

        async def waiting():
            return count("binnacle_requests_at_work"), count("binnacle_requests_waiting")

        asked = [asyncio.create_task(door.ask(DASHBOARD)) for _ in range(2)]
        await door.eventually(waiting, (1, 1))
        refused = await door.ask("{ pods { name phase } }", VIEWER)  # what is kept would be answered without a place
        door.simulated.prometheus.resume()
        await asyncio.gather(*asked)

    assert (refused.status, refused.codes) == (503, ["UNAVAILABLE"])
    assert count("binnacle_requests_refused_total", {"code": "UNAVAILABLE", "reason": "no_place"}) == 1
    assert count("binnacle_requests_total", {"operation": "none", "status": "503"}) == 1


async def test_the_lag_of_the_loop_is_measured_from_the_start(front_door):
    """Four times a second, whether anybody asks or not."""

    async def measured():
        return (front_door.gateway.telemetry.metrics.registry.get_sample_value(LAG) or 0) >= 2

    await front_door.eventually(measured, True)


async def test_names_of_operations_are_few_whatever_clients_send():
    """Nobody fills the memory of the gateway, or of Prometheus, with names; documents that are refused name nothing."""
    async with simulated_door(settings={"telemetry": TelemetrySettings(operations=2)}) as door:
        for name in ("A", "B", "C", "D", "A"):
            await door.ask(f"query {name} {{ __typename }}")
        await door.ask("query Wrong { nope }")

        seen = await scraped(door)

    labels = seen.labelled("binnacle_requests_total", "operation")
    assert labels == {"A": 2, "B": 1, "other": 2, "none": 1}


def test_a_name_that_is_too_long_is_not_kept():
    names = OperationNames(5)

    assert names.label("a" * (LONGEST_NAME + 1)) == "other"
    assert (names.label(None), names.label("")) == ("anonymous", "anonymous")


async def test_metrics_are_closed_without_the_review(front_door):
    """On the port that everybody reaches they are for whom the cluster allows to `get` /metrics, and nobody else."""
    nobody = await front_door.request("GET", "/metrics")
    stranger = await front_door.request("GET", "/metrics", "made-up")
    user = await front_door.request("GET", "/metrics", VIEWER)
    in_the_address = await front_door.request("GET", f"/metrics?access_token={ADMIN}")

    assert [nobody.status, stranger.status, user.status, in_the_address.status] == [401, 401, 403, 400]
    assert user.codes == ["FORBIDDEN"]
    assert not any("binnacle_" in answer.text for answer in (nobody, stranger, user, in_the_address))
    assert (await front_door.request("GET", "/metrics", ADMIN)).status == 200
    assert (await front_door.request("POST", "/metrics", ADMIN)).status == 405
    await front_door.simulated.kubernetes.stop()
    unknown = await front_door.request("GET", "/metrics", SHOP)
    assert (unknown.status, unknown.codes) == (503, ["UNAVAILABLE"]), "nobody can say, so nobody sees"


async def test_both_formats_are_spoken(front_door):
    """OpenMetrics for who asks for it, as Prometheus does."""
    await front_door.ask(DASHBOARD)

    seen = await scraped(front_door, Accept=OPENMETRICS)
    assert seen("binnacle_requests_total", operation="Dashboard", status="200") == 1
    answer = await front_door.request("GET", "/metrics", ADMIN)
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")


@pytest.fixture(scope="session")
def promtool(pytestconfig):
    provide(pytestconfig, [programs.PROMTOOL])
    return programs.provide(programs.PROMTOOL, print)


@pytest.mark.cluster
async def test_promtool_has_nothing_to_say_about_the_names(front_door, promtool):
    """Prometheus' own linter."""
    await front_door.ask(DASHBOARD)
    await front_door.ask("{ nodes { name } }", SHOP)
    await front_door.ask("{ nodes { name } }", None)
    page = (await front_door.request("GET", "/metrics", ADMIN)).text

    ran = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True, text=True, check=False)

    said = [line for line in (ran.stdout + ran.stderr).splitlines() if "binnacle_" in line]
    assert said == []


async def test_the_documentation_has_every_metric_and_no_other(front_door):
    """docs/operations.md is what somebody writes a dashboard by."""
    await front_door.ask(DASHBOARD)

    seen = await scraped(front_door)

    ours = {
        name + ("_total" if family.type == "counter" else "")
        for name, family in seen.families.items()
        if name.startswith("binnacle_")
    }
    documented = set(re.findall(r"^\| `(binnacle_\w+)`", PAGE.read_text(), re.MULTILINE))
    assert documented == ours


async def test_there_is_nothing_to_debug_from_outside(front_door):
    """Profilers and dumps show what permissions hide."""
    for path in ("/debug", "/debug/", "/debug/pprof", "/debug/vars", "/debug/requests", "/debug/pprof/heap"):
        for token in (None, ADMIN):
            assert (await front_door.request("GET", path, token)).status == 404, path


async def test_the_lag_is_how_much_too_late_a_timer_came():
    """Whatever held the loop; nobody spins for it."""
    moments = iter([0.0, EVERY_S + 0.2, 10.0, 10.0 + EVERY_S])
    slept: list[float] = []
    told: list[float] = []

    async def sleep(seconds):
        slept.append(seconds)
        if len(slept) > 2:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await watch_lag(told.append, clock=lambda: next(moments, 99.0), sleep=sleep)

    assert told == [pytest.approx(0.2), 0.0]
    assert slept == [EVERY_S] * 3


def test_a_port_of_its_own_serves_metrics_and_nothing_else(tmp_path):
    """As a pod has it: whoever reaches that port needs no token there, and the main port stays closed."""
    port, main = _free(), _free()
    command = [str(BINNACLE), "serve", "--server", "http://127.0.0.1:1", "--host", "127.0.0.1", "--port", str(main)]
    told = {"BINNACLE_TELEMETRY__METRICS_PORT": str(port), "HOME": str(tmp_path), "PATH": ""}
    with subprocess.Popen(command, env=told, stderr=subprocess.PIPE, text=True) as serving:
        try:
            assert serving.stderr is not None
            next(line for line in serving.stderr if " serving " in line)
            page = _get(port, "/metrics")
            others = [_get(port, "/graphql"), _get(port, "/"), _get(port, "/healthz")]
            closed = _get(main, "/metrics")
        finally:
            serving.terminate()
            serving.communicate()

    assert page.startswith("HTTP/1.1 200")
    assert "binnacle_build_info" in page
    assert all(other.startswith("HTTP/1.1 404") for other in others)
    assert closed.startswith("HTTP/1.1 401")


async def test_a_metrics_port_in_use_is_named():
    """Before anything else is opened; the line says which of the two ports it is."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = Config(server=free_port(), telemetry=TelemetrySettings(metrics_port=port))

        with pytest.raises(OSError, match=rf"telemetry\.metrics_port {port} on 127\.0\.0\.1"):
            await serve(config)


def _free():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def _get(port, path):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()
