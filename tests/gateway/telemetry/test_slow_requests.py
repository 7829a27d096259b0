"""The log of slow requests: what somebody on call needs of them, and nothing that its author would not want there."""

import hashlib
import json
import statistics

import pytest

from gateway.telemetry.request import Telemetry
from gateway.telemetry.settings import TelemetrySettings
from schema.execution.observer import Phase
from tests.front_door import ADMIN, simulated_door
from tests.gateway.telemetry.conftest import Lines

SECRET = "hunter2"
QUERY = (
    "query Mine($role: String) { nodes(filter: {role: $role}) { name metrics(names: [CPU_USAGE]) { value } } "
    'pod(namespace: "team-x", name: "hunter2") { name } }'
)
PHASES = {f"{phase}_ms" for phase in Phase}


async def test_a_slow_request_is_told_with_its_hash_its_cost_and_its_phases(lines: Lines):
    """Its document is found by the hash; the line has neither it nor a variable, an argument, or the token."""
    async with simulated_door(settings={"telemetry": TelemetrySettings(slow_seconds=1e-9)}) as door:
        answer = await door.ask(QUERY, variables={"role": SECRET})
        assert answer.status == 200
        slow = door.gateway.telemetry.metrics.registry.get_sample_value("binnacle_requests_slow_total")

    (line,) = lines("request.slow")
    assert slow == 1
    assert line["level"] == "warning"
    assert line["document"] == hashlib.sha256(QUERY.encode()).hexdigest()
    assert line["request_id"] == answer.headers["X-Request-Id"]
    assert (line["operation"], line["status"], line["kept"]) == ("Mine", 200, False)
    assert line["user"] == "demo-admin"  # whose token is called like him
    assert line["cost"] > 1
    assert set(line) >= PHASES
    known = {"time", "level", "event", "logger", "request_id", "user", "operation", "document", "cost", "kept"}
    assert set(line) == known | PHASES | {"milliseconds", "status"}
    for hidden in (SECRET, ADMIN, "team-x", "role", "nodes"):
        assert hidden not in json.dumps({**line, "user": ""}), hidden


async def test_the_phases_are_where_the_time_of_a_request_went(lines: Lines):
    """In the median of some: a machine that others use may hold any one of them up between two phases."""
    async with simulated_door(settings={"telemetry": TelemetrySettings(slow_seconds=1e-9)}) as door:
        for number in range(9):
            assert (await door.ask(QUERY.replace("{ nodes", f"{{ a{number}: nodes"))).status == 200

    told = [
        (sum(line[phase] for phase in PHASES - {"read_ms"}), line["milliseconds"]) for line in lines("request.slow")
    ]
    assert all(spent <= whole + 1 for spent, whole in told), told
    assert statistics.median(spent / whole for spent, whole in told) > 0.5, told


async def test_a_request_that_was_refused_tells_how_far_it_came(lines: Lines):
    """Without a token nothing was read; a document that is none has no cost."""
    async with simulated_door(settings={"telemetry": TelemetrySettings(slow_seconds=1e-9)}) as door:
        await door.ask(QUERY, None)
        await door.ask("{ nope }")

    without_token, invalid = lines("request.slow")
    assert without_token["status"] == 401
    assert {key for key in without_token if key.endswith("_ms")} == {"auth_ms"}
    assert not {"document", "cost", "operation"} & set(without_token)
    assert invalid["document"] == hashlib.sha256(b"{ nope }").hexdigest()
    assert "cost" not in invalid
    assert {"auth_ms", "read_ms", "wait_ms", "prepare_ms"} <= set(invalid)
    assert "execute_ms" not in invalid


async def test_text_that_is_no_unicode_cannot_break_the_line(lines: Lines):
    """Half a surrogate pair, in a body and in an address: an answer of 4xx, and never a mistake of ours."""
    async with simulated_door(settings={"telemetry": TelemetrySettings(slow_seconds=1e-9)}) as door:
        headers = {"Content-Type": "application/json"}
        body = b'{"query": "{ a \\ud800 }"}'
        posted = await door.request("POST", "/graphql", ADMIN, data=body, headers=headers)
        got = await door.request("GET", "/graphql?query=%7B%20%ED%A0%80%20%7D", ADMIN)

    assert {posted.status // 100, got.status // 100} <= {2, 4}
    assert len(lines("request.slow")) == 2
    assert lines("request.failed") == []


@pytest.mark.parametrize("limit", [0.0, 3_600.0], ids=["switched off", "not that slow"])
def test_others_are_not_told(lines: Lines, limit: float):
    """0 switches it off; else it begins above the limit."""
    telemetry = Telemetry(TelemetrySettings(slow_seconds=limit))

    with telemetry.request({"type": "http", "method": "POST", "path": "/graphql", "headers": []}):
        pass

    assert lines("request.slow") == []


def test_a_client_that_sends_slowly_makes_no_slow_request(lines: Lines, monkeypatch: pytest.MonkeyPatch):
    """Else anybody with a token could wake whoever is on call; the time is seen by its phase."""
    now = 0.0
    monkeypatch.setattr("gateway.telemetry.request.time.perf_counter", lambda: now)
    telemetry = Telemetry(TelemetrySettings(slow_seconds=1.0))

    for reading, executing in ((60.0, 0.5), (0.0, 1.5)):
        with telemetry.request({"type": "http", "method": "POST", "path": "/graphql", "headers": []}) as request:
            with request.phase(Phase.READ):
                now += reading
            with request.phase(Phase.EXECUTE):
                now += executing

    (line,) = lines("request.slow")
    assert (line["milliseconds"], line["execute_ms"]) == (1_500, 1_500)
    count = telemetry.metrics.registry.get_sample_value
    assert count("binnacle_request_seconds_sum", {"operation": "none"}) == 2.0
    assert count("binnacle_phase_seconds_sum", {"phase": "read"}) == 60.0
